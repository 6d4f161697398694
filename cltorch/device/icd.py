"""The OpenCL drivers that are registered on this system, found without loading any of them.

An OpenCL program links to a loader, which reads one small ``.icd`` file per driver; each names a shared library.
Source: https://github.com/KhronosGroup/OpenCL-ICD-Loader (README, "Registering ICDs")
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cltorch.device import cachedir

SYSTEM = Path("/etc/OpenCL/vendors")
# what changes which drivers a loader reads, or how they behave when they are asked for their devices
VARIABLES = (
    "OCL_ICD_VENDORS",
    "OPENCL_VENDOR_PATH",
    "OCL_ICD_FILENAMES",
    "OPENCL_LAYERS",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "RUSTICL_ENABLE",
)


@dataclass(frozen=True)
class Icd:
    """Name one registered driver: the file that names it, the library in that file, and who reads the file."""

    file: str
    library: str
    source: str


def registered() -> list[Icd]:
    """Return the drivers that the OpenCL loader will read, in the loader's own order of places."""
    wheel = _wheel_folder()
    bundled = [_absolute(driver) for driver in _folder(wheel, "the pyopencl wheel")] if wheel else []
    if sys.platform == "win32":
        return _windows() + bundled
    if sys.platform == "darwin":
        framework = "/System/Library/Frameworks/OpenCL.framework"
        return ([Icd(framework, framework, "macOS")] if os.path.isdir(framework) else []) + _vendors() + bundled
    # without a loader of its own PyOpenCL uses conda's, which looks inside the environment
    own = [] if wheel else _folder(Path(sys.prefix, "etc", "OpenCL", "vendors"), "this environment")
    return _vendors() + own + bundled


def dormant() -> list[Icd]:
    """Return Intel's CPU runtime when pip installed it into this Python and no loader reads it yet.

    The wheel ``intel-opencl-rt`` brings an ``.icd`` file with a path that exists only where the wheel was built.
    """
    library = Path(sys.prefix) / "lib" / "libintelocl.so"
    if not sys.platform.startswith("linux") or not library.is_file():
        return []
    return [Icd("", str(library), "the wheel intel-opencl-rt")]


def fingerprint(drivers: Iterable[Icd]) -> str:
    """Return a short text that changes when a driver, or what decides about drivers, changes."""
    parts = [f"{name}={os.environ.get(name, '')}" for name in VARIABLES]
    for driver in drivers:
        parts += [driver.file, driver.library]
        for path in (driver.file, driver.library):
            try:
                found = os.stat(path)
                parts.append(f"{found.st_size} {found.st_mtime_ns}")
            except OSError:
                parts.append("-")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def compose(drivers: Iterable[Icd]) -> str | None:
    """Return a folder of ``.icd`` files for exactly these drivers, or None where the cache cannot be written.

    A loader takes it from ``OCL_ICD_VENDORS``. The folder's name is made from its content, so that programs running
    at the same time never change each other's.
    """
    names = [driver.library for driver in drivers]
    root = cachedir.folder()
    if root is None:
        return None
    name = "vendors/" + hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    for number, library in enumerate(names):
        file = f"{name}/{number:02}.icd"
        try:
            present = (root / file).read_text(encoding="utf-8")
        except OSError:
            present = ""
        if present != library + "\n" and not cachedir.write_text(file, library + "\n"):
            return None
    return str(root / name)


def _vendors() -> list[Icd]:
    # both names are read by ocl-icd (which PyOpenCL's wheel brings), the first one wins
    for variable in ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"):
        value = os.environ.get(variable)
        if value:
            if os.path.isdir(value):
                return _folder(Path(value), variable)
            named = value.endswith(".icd")
            return [Icd(value if named else "", _library(Path(value)) if named else value, variable)]
    return _folder(SYSTEM, str(SYSTEM))


def _folder(folder: Path, source: str) -> list[Icd]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".icd")
    except OSError:
        return []
    return [Icd(str(file), _library(file), source) for file in files]


def _absolute(driver: Icd) -> Icd:
    # in the wheel a driver lies beside the loader, which finds it there while nobody else would
    beside = Path(driver.file).parent / driver.library
    return replace(driver, library=str(beside)) if beside.is_file() else driver


def _library(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # no path holds a NUL; ocl-icd crashes at a file that does
    return "" if "\0" in text else text.strip().split("\n")[0]


def _wheel_folder() -> Path | None:
    spec = importlib.util.find_spec("pyopencl")
    folder = Path(spec.origin).parent / ".libs" if spec and spec.origin else None
    return folder if folder and folder.is_dir() else None


def _windows() -> list[Icd]:  # pragma: no cover
    if sys.platform != "win32":
        return []
    import winreg  # noqa: PLC0415 (exists on Windows only)

    key_name = r"SOFTWARE\Khronos\OpenCL\Vendors"
    found = []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key_name) as key:
            for number in range(winreg.QueryInfoKey(key)[1]):
                library, disabled, _ = winreg.EnumValue(key, number)
                if not disabled:
                    found.append(Icd("", library, rf"HKLM\{key_name}"))
    except OSError:
        pass
    return found
