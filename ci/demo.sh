#!/usr/bin/env bash
# Train the CNN of examples/fashion_mnist.py on this machine's OpenCL device, from a fresh clone: makes a virtual
# environment, installs the package, an OpenCL runtime where none works, and Fashion-MNIST. Arguments go to the example.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

make_venv
install_package vision
bash ci/runtime.sh
use_runtime

# The full 60,000 + 10,000 images: Debian's package, or the example's own download.
data=/usr/share/datasets/fashion-mnist
if [ ! -d "$data" ] && can_apt; then
    say "Fashion-MNIST, installed by apt"
    apt_install dataset-fashion-mnist || true
fi
[ -d "$data" ] || data=$ROOT/data

say "examples/fashion_mnist.py"
exec "$PY" examples/fashion_mnist.py --data "$data" "$@"
