#!/usr/bin/env bash
# Build sdist and wheel, install the wheel into a fresh virtual environment outside the checkout, run a kernel from it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

use_runtime
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PY" -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log" && die "the build failed"; }
"$PY" -m virtualenv --quiet "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl
cd "$work"
env -u PYTHONPATH "$work/venv/bin/python" - "$ROOT" "${CLTORCH_NEED_DEVICE:-0}" <<'PROGRAM'
import pathlib
import sys
from importlib import metadata

import cltorch as torch

checkout, needed = pathlib.Path(sys.argv[1]), sys.argv[2] == "1"
here = pathlib.Path(torch.__file__).resolve()
assert checkout not in here.parents, f"{here} is the checkout, not the wheel"
required = {line.split(";")[0].split(">")[0].strip() for line in metadata.requires("cltorch") if "extra ==" not in line}
assert required == {"pyopencl", "numpy", "mako"}, required
assert "pyopencl" not in sys.modules, "import cltorch has imported pyopencl"
if not torch.cl.is_available():
    assert not needed, "no OpenCL device works here"
    print("no OpenCL device works here, so no kernel was run from the wheel")
    sys.exit()
x = torch.arange(6, dtype=torch.float32, device="cl", requires_grad=True)
y = (x * x).sum()
y.backward()
assert y.item() == 55 and x.grad.tolist() == [0, 2, 4, 6, 8, 10], (y, x.grad)
print(f"the wheel runs kernels on {torch.cl.get_device_name()}")
PROGRAM
