"""What a report of a bug tells of the machine: versions, system, processor and OpenCL devices.

``python -m cltorch.utils.collect_env`` prints it; ``python -m cltorch doctor`` looks into OpenCL's drivers themselves.
The names are those of torch.utils.collect_env, of which reports of libraries are made.

>>> import cltorch as torch
>>> from cltorch.utils import collect_env
>>> collect_env.get_env_info().torch_version == torch.__version__
True
"""

from __future__ import annotations

import locale
import platform
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from cltorch import cl, version

SystemEnv = namedtuple(
    "SystemEnv",
    "torch_version is_debug_build cuda_compiled_version gcc_version clang_version cmake_version os libc_version "
    "python_version python_platform is_cuda_available cuda_runtime_version cuda_module_loading nvidia_driver_version "
    "nvidia_gpu_models cudnn_version is_xpu_available pip_version pip_packages conda_packages hip_compiled_version "
    "hip_runtime_version miopen_runtime_version caching_allocator_config is_xnnpack_available cpu_info",
)
Run = Callable[[Any], tuple[int, str, str]]

#: Parts of names of the packages that a report lists.
PATTERNS = ("torch", "numpy", "pyopencl", "pocl", "mypy", "flake8", "onnx", "triton", "optree")
_TITLES = """
PyTorch version: {torch_version}
Is debug build: {is_debug_build}
CUDA used to build PyTorch: {cuda_compiled_version}
ROCM used to build PyTorch: {hip_compiled_version}

OS: {os}
GCC version: {gcc_version}
Clang version: {clang_version}
CMake version: {cmake_version}
Libc version: {libc_version}

Python version: {python_version}
Python platform: {python_platform}
Is CUDA available: {is_cuda_available}
CUDA runtime version: {cuda_runtime_version}
CUDA_MODULE_LOADING set to: {cuda_module_loading}
GPU models and configuration: {nvidia_gpu_models}
Nvidia driver version: {nvidia_driver_version}
cuDNN version: {cudnn_version}
Is XPU available: {is_xpu_available}
HIP runtime version: {hip_runtime_version}
MIOpen runtime version: {miopen_runtime_version}
Is XNNPACK available: {is_xnnpack_available}
Caching allocator config: {caching_allocator_config}

CPU:
{cpu_info}

Versions of relevant libraries:
{pip_packages}
{conda_packages}
""".strip()


def run(command: Any) -> tuple[int, str, str]:
    """Run a command; return how it ended and what it wrote to its output and its errors, 127 where there is none."""
    encoding = locale.getpreferredencoding(False)
    try:
        done = subprocess.run(command, capture_output=True, shell=isinstance(command, str), timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    out, err = (text.decode(encoding, "replace").strip() for text in (done.stdout, done.stderr))
    return done.returncode, out, err


def _first(run_lambda: Run, command: list[str], pattern: str = "(.*)") -> str | None:
    if shutil.which(command[0]) is None:
        return None
    failed, out, _ = run_lambda(command)
    found = re.search(pattern, out)
    return found.group(1) if found and not failed else None


def get_gcc_version(run_lambda: Run) -> str | None:
    """Return the version of gcc, None where there is none."""
    return _first(run_lambda, ["gcc", "--version"], "gcc (.*)")


def get_clang_version(run_lambda: Run) -> str | None:
    """Return the version of clang, None where there is none."""
    return _first(run_lambda, ["clang", "--version"], "clang version (.*)")


def get_cmake_version(run_lambda: Run) -> str | None:
    """Return the version of CMake, None where there is none."""
    return _first(run_lambda, ["cmake", "--version"], "cmake (.*)")


def get_platform() -> str:
    """Return the kind of system: linux, win32, darwin or what Python calls it."""
    return "linux" if sys.platform.startswith("linux") else sys.platform


def get_os(run_lambda: Run = run) -> str:
    """Return the system's name and version, with the kind of processor."""
    machine = platform.machine()
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]} ({machine})"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']} ({machine})"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()} ({machine})"


def get_python_platform() -> str:
    """Return Python's own words for the platform."""
    return platform.platform()


def get_libc_version() -> str:
    """Return the C library's name and version, N/A where Python does not tell."""
    return "-".join(platform.libc_ver()) if get_platform() == "linux" else "N/A"


def get_cpu_info(run_lambda: Run = run) -> str | None:
    """Return what the system tells of the processor."""
    if shutil.which("lscpu"):
        failed, out, _ = run_lambda(["lscpu"])
        return None if failed else out
    if sys.platform == "darwin":
        return _first(run_lambda, ["sysctl", "-n", "machdep.cpu.brand_string"])
    described = Path("/proc/cpuinfo")
    return described.read_text() if described.exists() else platform.processor() or None


def get_gpu_info(run_lambda: Run = run) -> str | None:
    """Return the names of the OpenCL devices that work, one in a line, None where there are none."""
    names = [cl.get_device_name(i) for i in range(cl.device_count())]
    return "\n".join(names if len(names) == 1 else [f"GPU {i}: {name}" for i, name in enumerate(names)]) or None


def get_pip_packages(run_lambda: Run = run, patterns: Iterable[str] | None = None) -> tuple[str, str]:
    """Return pip's name and the installed packages with one of the patterns in their names, as name==version."""
    wanted = tuple(PATTERNS if patterns is None else patterns)
    found = {f"{d.name}=={d.version}" for d in metadata.distributions() if any(p in d.name.lower() for p in wanted)}
    return f"pip{sys.version_info[0]}", "\n".join(sorted(found, key=str.lower))


def get_conda_packages(run_lambda: Run = run, patterns: Iterable[str] | None = None) -> str | None:
    """Return conda's lines of packages with one of the patterns in them, None without conda."""
    if shutil.which("conda") is None:
        return None
    wanted = tuple(PATTERNS if patterns is None else patterns)
    failed, out, _ = run_lambda(["conda", "list"])
    lines = [line for line in out.splitlines() if line[:1] != "#" and any(p in line for p in wanted)]
    return None if failed else "\n".join(lines)


def get_env_info() -> SystemEnv:
    """Return what there is to tell, each under its name; None for what could not be found out.

    What there is only with CUDA, cuDNN, HIP or XNNPACK is told to be absent; devices are those of OpenCL.
    """
    pip, packages = get_pip_packages(run)
    bits = sys.maxsize.bit_length() + 1
    return SystemEnv(
        torch_version=version.__version__, is_debug_build=str(version.debug), cuda_compiled_version=version.cuda,
        gcc_version=get_gcc_version(run), clang_version=get_clang_version(run), cmake_version=get_cmake_version(run),
        os=get_os(run), libc_version=get_libc_version(),
        python_version=f"{' '.join(sys.version.split())} ({bits}-bit runtime)", python_platform=get_python_platform(),
        is_cuda_available=str(cl.is_available()), cuda_runtime_version=None, cuda_module_loading="N/A",
        nvidia_driver_version=None, nvidia_gpu_models=get_gpu_info(run), cudnn_version=None, is_xpu_available="False",
        pip_version=pip, pip_packages=packages, conda_packages=get_conda_packages(run), hip_compiled_version="N/A",
        hip_runtime_version="N/A", miopen_runtime_version="N/A", caching_allocator_config={},
        is_xnnpack_available="False", cpu_info=get_cpu_info(run),
    )  # fmt: skip


def _marked(text: str | None, mark: str) -> str:
    return "\n".join(f"{mark} {line}" for line in (text or "Could not collect").splitlines())


def pretty_str(envinfo: SystemEnv) -> str:
    """Return what ``get_env_info`` tells as a text for people."""
    told = {k: "Could not collect" if v is None else v for k, v in envinfo._asdict().items()}
    told["pip_packages"] = _marked(envinfo.pip_packages, f"[{envinfo.pip_version}]")
    told["conda_packages"] = _marked(envinfo.conda_packages, "[conda]")
    told["caching_allocator_config"] = envinfo.caching_allocator_config or "N/A"
    if "\n" in told["nvidia_gpu_models"]:
        told["nvidia_gpu_models"] = "\n" + told["nvidia_gpu_models"] + "\n"
    return _TITLES.format(**told)


def get_pretty_env_info() -> str:
    """Return a text of the versions, the system, the processor and the devices, to put into a report of a bug."""
    return pretty_str(get_env_info())


def main() -> None:
    """Print the report."""
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
