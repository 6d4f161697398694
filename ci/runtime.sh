#!/usr/bin/env bash
# Find a working OpenCL device, or install a runtime that makes one of the processor:
#   a device that works is used as it is; otherwise PoCL by apt; without root or apt, Intel's CPU runtime from PyPI;
#   otherwise the host device remains. With CLTORCH_NEED_DEVICE=1 the last is an error.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

make_venv
"$PY" -c 'import cltorch, pyopencl' 2>/dev/null || install_package vision

# Print the device that the package would choose; fail when it is the host.
check() { "$PY" -m cltorch doctor --check; }

# Register Intel's runtime for this virtual environment, beside the drivers of the system. Its own .icd file names a
# path that does not exist here.
register_intel() {
    local folder=$VENV/opencl/vendors icd library
    library=$("$PY" -c 'import sys; print(sys.prefix)')/lib/libintelocl.so
    [ -e "$library" ] || return 1
    mkdir -p "$folder"
    for icd in /etc/OpenCL/vendors/*.icd; do
        [ -e "$icd" ] && ln -sf "$icd" "$folder/"
    done
    echo "$library" >"$folder/intel-cpu.icd"
    printf '# written by ci/runtime.sh\nexport OCL_ICD_VENDORS=%q\n' "$folder" >"$VENV/opencl.env"
}

use_runtime
if device=$(check); then
    say "OpenCL device: $device"
    exit
fi

if can_apt; then
    say "no OpenCL device works yet: installing PoCL by apt"
    if apt_install pocl-opencl-icd && device=$(check); then
        say "OpenCL device: $device"
        exit
    fi
fi

if [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ]; then
    say "no OpenCL device works, and none comes by apt: installing Intel's CPU runtime from PyPI (under Intel's licence, see its wheel)"
    if "$PY" -m pip install --quiet --disable-pip-version-check --editable ".[intel]" && register_intel; then
        use_runtime
        if device=$(check); then
            say "OpenCL device: $device"
            exit
        fi
    fi
fi

[ "${CLTORCH_NEED_DEVICE:-0}" = 1 ] && die "no OpenCL device works, and CLTORCH_NEED_DEVICE=1 asks for one"
say "No OpenCL device works on this machine, so everything runs on the host device (cpu)."
echo "    '$PY -m cltorch doctor' says what is missing."
