# Sourced by the scripts in this folder: where things are, root's rights, the virtual environment.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${CLTORCH_VENV:-$ROOT/.venv}
PY=$VENV/bin/python
cd "$ROOT" || exit

say() { printf '\n==> %s\n' "$*"; }

die() {
    printf '\nerror: %s\n' "$*" >&2
    exit 1
}

# Run a command as root: as it is for root, with sudo otherwise (which may ask for a password only at a terminal).
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

can_apt() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }
}

# Install Debian packages; fail where that cannot be done.
apt_install() {
    can_apt || return 1
    if [ -z "${apt_updated:-}" ]; then
        as_root apt-get update -qq || true # one broken source must not stop the others
        apt_updated=yes
    fi
    # a fresh machine is often busy with its own updates, so wait for dpkg's lock
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@" >/dev/null
}

# Print a Python of version 3.10 or later.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Make the virtual environment unless there is one that works.
make_venv() {
    [ -x "$PY" ] && "$PY" -c 'import pip' 2>/dev/null && return
    local python log version
    python=$(find_python) || { apt_install python3 && python=$(find_python); } ||
        die "Python 3.10 or later is needed: install it, or set PYTHON to one"
    say "virtual environment in $VENV ($("$python" -V))"
    log=$(mktemp)
    if "$python" -m venv --clear "$VENV" >"$log" 2>&1; then
        :
    # Debian keeps a part of the module venv in a package of its own
    elif version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') &&
        { apt_install "python$version-venv" 2>>"$log" || apt_install python3-venv 2>>"$log"; } &&
        "$python" -m venv --clear "$VENV" >>"$log" 2>&1; then
        :
    elif virtualenv_from_pip "$python" >>"$log" 2>&1; then
        :
    else
        cat "$log" >&2
        rm -f "$log"
        die "no virtual environment could be made with $python: install python3-venv, or virtualenv"
    fi
    rm -f "$log"
}

# Make the virtual environment with virtualenv, fetched into a folder of its own when it is not installed.
virtualenv_from_pip() {
    local tools
    "$1" -m virtualenv --clear "$VENV" && return
    tools=$(mktemp -d)
    "$1" -m pip install --quiet --target "$tools" virtualenv &&
        PYTHONPATH=$tools "$1" -m virtualenv --clear "$VENV"
    local status=$?
    rm -rf "$tools"
    return $status
}

# Do nothing when `stamp NAME` was run for the same pyproject.toml, checkout and Python: `stamped NAME || work`.
stamp_key() { { cat pyproject.toml && echo "$ROOT" && "$PY" -VV; } | sha256sum | cut -d' ' -f1; }
stamped() { [ "$(cat "$VENV/.stamp-$1" 2>/dev/null)" = "$(stamp_key)" ]; }
stamp() { stamp_key >"$VENV/.stamp-$1"; }

# Install the package, editable, with some of its extras: `install_package vision,test`.
install_package() {
    stamped "$1" && return
    say "cltorch[$1] with what it needs, into $VENV"
    "$PY" -m pip install --quiet --disable-pip-version-check --editable ".[$1]"
    stamp "$1"
}

# Take over what ci/runtime.sh decided.
use_runtime() {
    if [ -f "$VENV/opencl.env" ]; then
        # shellcheck disable=SC1091
        . "$VENV/opencl.env"
    fi
}
