"""What torch.utils.cpp_extension tells of tools to build extensions; there is no C++ library here to build them for.

Source: https://docs.pytorch.org/docs/2.13/cpp_extension.html
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

__all__ = ["check_compiler_is_gcc", "get_cxx_compiler", "is_ninja_available", "verify_ninja_availability"]

IS_WINDOWS, IS_MACOS, IS_LINUX = (sys.platform.startswith(name) for name in ("win32", "darwin", "linux"))
# as in a PyTorch that was built without CUDA, ROCm and SYCL, of which ``torch.version`` says that they are not there
CUDA_HOME: str | None = None
ROCM_HOME: str | None = None
HIP_HOME: str | None = None
SYCL_HOME: str | None = None
CUDNN_HOME = os.environ.get("CUDNN_HOME") or os.environ.get("CUDNN_PATH")
IS_HIP_EXTENSION = False


def get_cxx_compiler() -> str:
    """Return the compiler of C++ that the variable ``CXX`` names, else the system's."""
    return os.environ.get("CXX", "cl" if IS_WINDOWS else "c++")


def check_compiler_is_gcc(compiler: str) -> bool:
    """Return whether a compiler on Linux says that it is GCC."""
    if not IS_LINUX or shutil.which(compiler) is None:
        return False
    words = {**os.environ, "LC_ALL": "C"}
    said = subprocess.run([compiler, "-v"], capture_output=True, text=True, check=False, env=words).stderr
    return "COLLECT_GCC=" in said and "gcc version" in said


def is_ninja_available() -> bool:
    """Return whether ninja can be run.

    Source: https://docs.pytorch.org/docs/2.13/cpp_extension.html

    >>> from cltorch.utils import cpp_extension
    >>> isinstance(cpp_extension.is_ninja_available(), bool)
    True
    """
    try:
        return subprocess.run(["ninja", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def verify_ninja_availability() -> None:
    """Raise RuntimeError where ninja cannot be run.

    Source: https://docs.pytorch.org/docs/2.13/cpp_extension.html

    >>> from cltorch.utils import cpp_extension
    >>> if cpp_extension.is_ninja_available():
    ...     cpp_extension.verify_ninja_availability()
    """
    if not is_ninja_available():
        raise RuntimeError("Ninja is required to load C++ extensions (pip install ninja to get it)")
