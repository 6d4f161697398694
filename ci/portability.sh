#!/usr/bin/env bash
# Run the tests on four independent OpenCL runtimes of the processor, and under the strictest device profile:
#   bash ci/portability.sh [--quick] [pocl|intel|rusticl|oclgrind|strict|others|all] [arguments for pytest]
# Each is kept in a folder of its own below the virtual environment and reached by OCL_ICD_VENDORS, so that the drivers of
# the system, and with them the device that everything else uses, stay as they are. Oclgrind, an interpreter, runs
# ci/every_kernel.py (each kernel template at least once); the others the whole suite, but for its cases on the host,
# which ci/test.sh runs. --quick runs a few of the cases of ci/every_kernel.py on each, and trains a small network.
# "others" is all but PoCL. A runtime that cannot be installed is an error only where CLTORCH_NEED_RUNTIMES=1.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

quick=
[ "${1:-}" = --quick ] && quick=yes && shift
wanted=${1:-all}
[ $# -gt 0 ] && shift
case $wanted in
all) wanted="pocl intel rusticl oclgrind strict" ;;
others) wanted="intel rusticl oclgrind strict" ;;
pocl | intel | rusticl | oclgrind | strict) ;;
*) die "unknown runtime $wanted: pocl, intel, rusticl, oclgrind, strict, others or all" ;;
esac

home=$VENV/opencl/runtimes
results=$VENV/opencl/results
make_venv
mkdir -p "$home" "$results" # after make_venv, which empties its folder
install_package vision,test,dev
"$PY" -m pip show --quiet pytest-timeout 2>/dev/null ||
    "$PY" -m pip install --quiet --disable-pip-version-check pytest-timeout

# Write the folder for OCL_ICD_VENDORS that names one driver, a file that must exist.
register() {
    [ -e "$2" ] || return 1
    mkdir -p "$home/$1/vendors"
    echo "$2" >"$home/$1/vendors/$1.icd"
}

# Unpack Debian packages into a runtime's own folder, and install what they need that is not there: libraries, no drivers.
unpack() {
    local runtime=$1 root=$home/$1/root needed
    shift
    [ -d "$root" ] && return
    can_apt || return 1
    as_root apt-get update -qq || true
    needed=$(apt-get install --simulate -qq --no-install-recommends "$@" | awk '$1 == "Inst" { print $2 }' | sort) || return 1
    needed=$(comm -23 <(echo "$needed") <(printf '%s\n' "$@" | sort))
    # shellcheck disable=SC2086
    [ -z "$needed" ] || apt_install $needed || return 1
    mkdir -p "$home/$runtime/packages"
    (cd "$home/$runtime/packages" && apt-get download -qq "$@" 2>/dev/null) || return 1
    for package in "$home/$runtime/packages"/*.deb; do
        dpkg -x "$package" "$root.new" || return 1
    done
    mv "$root.new" "$root"
}

# Print the first of the files that exists.
first_of() {
    local file
    for file in "$@"; do [ -e "$file" ] && echo "$file" && return; done
    return 1
}

install_pocl() {
    if compgen -G "/etc/OpenCL/vendors/pocl*.icd" >/dev/null || apt_install pocl-opencl-icd; then
        mkdir -p "$home/pocl/vendors"
        cp /etc/OpenCL/vendors/pocl*.icd "$home/pocl/vendors/"
    else
        return 1
    fi
}

install_strict() { install_pocl; }

install_intel() {
    if [ ! -e "$home/intel/venv/lib/libintelocl.so" ]; then
        [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || return 1
        "$PY" -m virtualenv --quiet "$home/intel/venv" &&
            "$home/intel/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
                intel-opencl-rt intel-cmplr-lib-rt || return 1
    fi
    register intel "$home/intel/venv/lib/libintelocl.so"
}

install_rusticl() {
    unpack rusticl mesa-opencl-icd || return 1
    register rusticl "$(first_of "$home"/rusticl/root/usr/lib/*/libRusticlOpenCL.so.1)"
}

install_oclgrind() {
    unpack oclgrind oclgrind || return 1
    register oclgrind "$(first_of "$home"/oclgrind/root/usr/lib/oclgrind/liboclgrind-rt-icd.so)"
}

# Run pytest on a runtime; what it did is in $results/NAME.xml, what Oclgrind reported in $results/NAME.reports.
run_on() {
    local name=$1 runtime=$1 kind=cpu settings=() selection=(tests --only-cl -m "not timing") limit=300 cases="made or distances"
    shift
    [ "$name" = strict ] && runtime=pocl && settings+=(CLTORCH_LIMITS=strict)
    rm -f "$results/$name".{xml,log,reports,version}
    settings+=("OCL_ICD_VENDORS=$(first_of "$home/$runtime/vendors")")
    case $name in
    rusticl)
        local libraries
        libraries=$(dirname "$(cat "$home/rusticl/vendors/rusticl.icd")")
        kind=gpu # as which llvmpipe is treated (device/quirks.py)
        limit=900 # its compiler takes minutes for the kernels of a network's first step
        settings+=(RUSTICL_ENABLE=llvmpipe "LD_LIBRARY_PATH=$libraries" "GALLIUM_PIPE_SEARCH_DIR=$libraries/gallium-pipe")
        ;;
    oclgrind)
        kind=gpu selection=(ci/every_kernel.py) # what it is looked at for: races, and accesses outside of memory
        # Without OCLGRIND_UNINITIALIZED: 21.10 forgets what kernels write to a buffer that the host has written to before
        # (x + 1 in memory that torch.full has had is called uninitialized), and does not know LLVM's instruction freeze.
        # Reads of what was never written are found by CLTORCH_DEBUG=1, which fills new memory with NaN, on any runtime.
        settings+=(OCLGRIND_DATA_RACES=1 "OCLGRIND_LOG=$results/oclgrind.reports")
        ;;
    esac
    if [ -n "$quick" ]; then
        [ "$kind" = gpu ] || cases="$cases or few_columns or updated"
        cases="$kind and ($cases)"
        limit=180 selection=(ci/every_kernel.py -k "$cases")
        # a small network learns there what it learns on the host; too much for an interpreter
        [ "$name" = oclgrind ] ||
            selection=(ci/every_kernel.py tests/faults/test_determinism.py -k "$cases or all_devices_agree")
    fi
    env "${settings[@]}" "$PY" -m cltorch doctor --check >"$results/$name.version" 2>&1 || return 0
    # a kernel that hangs ends its process only, which xdist replaces
    env "${settings[@]}" "$PY" -m pytest -n 1 --timeout "$limit" --timeout-method thread -p no:cacheprovider \
        --junitxml "$results/$name.xml" "${selection[@]}" "$@" >"$results/$name.log" 2>&1 || true
}

for name in $wanted; do
    say "$name"
    if "install_$name" >"$results/$name.install" 2>&1; then
        run_on "$name" "$@"
        tail -n 15 "$results/$name.log" 2>/dev/null || true
    else
        cat "$results/$name.install"
        rm -f "$results/$name".{xml,log,reports,version}
        echo "$name cannot be installed here (no network, no apt, or another system than it is for): it was not tested"
    fi
done

# shellcheck disable=SC2086
"$PY" - "$results" "${CLTORCH_NEED_RUNTIMES:-0}" $wanted <<'PROGRAM'
import pathlib
import re
import sys
import xml.etree.ElementTree as trees

folder, needed, names = pathlib.Path(sys.argv[1]), sys.argv[2] == "1", sys.argv[3:]
REPORT = re.compile(r"^(?:Invalid|Uninitialized|Unaligned|Work-item|Work-group|.*data race|.*divergence)", re.M | re.I)
bad = []
print(f"\n{'runtime':10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}{'reports':>9}  device")
for name in names:
    version = folder / f"{name}.version"
    device = version.read_text().strip().splitlines()[-1] if version.exists() and version.read_text().strip() else ""
    if not device.startswith("cl:"):
        print(f"{name:10}{'not tested':>16}  {device or 'cannot be installed here'}")
        bad += [name] if needed else []
        continue
    ran = folder / f"{name}.xml"
    if not ran.exists():
        print(f"{name:10}{'gave no results':>16}")
        bad.append(name)
        continue
    suite = next(trees.parse(ran).iter("testsuite")).attrib
    total, skipped = int(suite["tests"]), int(suite["skipped"])
    failed = int(suite["failures"]) + int(suite["errors"])
    log = folder / f"{name}.reports"
    reports = len(REPORT.findall(log.read_text(errors="replace"))) if log.exists() else 0
    print(
        f"{name:10}{total - failed - skipped:8}{failed:8}{skipped:9}{float(suite['time']):9.0f}"
        f"{reports if name == 'oclgrind' else '-':>9}  {device}"
    )
    if failed or reports or total == skipped:
        bad.append(name)
if bad:
    sys.exit(f"failed: {', '.join(bad)} (see {folder})")
PROGRAM
