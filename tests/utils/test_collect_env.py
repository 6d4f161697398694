"""Reports of the environment: what they name, and that each name says what the system says."""

from __future__ import annotations

import importlib
import platform
import subprocess
import sys

import numpy as np
import pytest

import cltorch
from cltorch.utils import collect_env
from tests.libraries import LIBRARIES


@pytest.fixture(params=LIBRARIES)
def reports(request):
    """Return this package's module or, where it is installed, PyTorch's."""
    return importlib.import_module(LIBRARIES[request.param]().__name__ + ".utils.collect_env")


def test_the_report_names_versions_system_and_processor(reports):
    info = reports.get_env_info()
    assert info._fields == collect_env.SystemEnv._fields
    assert f"numpy=={np.__version__}" in info.pip_packages.split() and info.pip_version == "pip3"
    assert info.python_version.startswith(platform.python_version()) and info.os.endswith(f"({platform.machine()})")
    assert info.python_platform == platform.platform() and info.libc_version.startswith(platform.libc_ver()[0])
    assert "\n" in info.cpu_info
    text = reports.pretty_str(info)
    assert text.startswith(f"PyTorch version: {info.torch_version}\nIs debug build: False\n")
    assert (
        f"\n[pip3] numpy=={np.__version__}\n" in text
        and "\n[conda] " in text
        and f"\n\nCPU:\n{info.cpu_info}\n" in text
    )
    assert f"\nOS: {info.os}\n" in text and "Clang version: " in text and "None" not in text.replace(info.cpu_info, "")


def test_commands_that_are_missing_or_fail_are_told(reports):
    code, out, err = reports.run([sys.executable, "-c", "import sys; print(' a '); sys.exit(3)"])
    assert (code, out.strip(), err) == (3, "a", "")
    assert reports.get_gcc_version(lambda command: (1, "", "no")) is None
    assert reports.get_pip_packages(reports.run, ["numpy"])[1].split() == [f"numpy=={np.__version__}"]


def test_devices_are_those_of_opencl(cl_device):
    info = collect_env.get_env_info()
    assert info.is_cuda_available == "True" and cltorch.cl.get_device_name(cl_device) in info.nvidia_gpu_models
    assert collect_env.run(["no-such-program"])[0] == 127


def test_it_is_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "cltorch.utils.collect_env"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"PyTorch version: {cltorch.__version__}\n")
