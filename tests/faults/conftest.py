"""A library between programs and their OpenCL loader that fails on demand, and programs in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cltorch

START = """
import ctypes, os
import cltorch as torch
faults = ctypes.CDLL(os.environ["LD_PRELOAD"])
faults.ct_alive.restype = ctypes.c_long
def fault(name, value=0):
    faults.ct_fault(name.encode(), ctypes.c_long(value))
def alive(name):
    return faults.ct_alive(name.encode())
def error(work):
    try:
        work()
    except Exception as raised:
        return f"{type(raised).__name__}: {raised}"
    return "no error"
"""


def process(program: str, *arguments: str, timeout: float = 500, **environment: str) -> subprocess.CompletedProcess:
    """Run a program in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(Path(cltorch.__file__).parents[1]), **environment}
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def run():
    """Return a function that runs a program and returns what it printed; an exit status other than 0 fails."""

    def checked(program: str, *arguments: str, **environment: str) -> str:
        ran = process(program, *arguments, **environment)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    return checked


@pytest.fixture(scope="session")
def library(tmp_path_factory) -> str:
    """Return the path of the compiled library."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("the library between program and loader needs Linux and a C compiler")
    made = tmp_path_factory.mktemp("faults") / "libfaults.so"
    source = Path(__file__).with_name("opencl.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"], check=True)
    return str(made)


@pytest.fixture
def faulty(library, run):
    """Return a function that runs a program, which may call ``fault`` and ``alive``, with the library in between."""

    def checked(program: str, *arguments: str, **environment: str) -> str:
        # a cache of their own: verdicts are remembered for a library that no other process will load
        environment = {"LD_PRELOAD": library, "CLTORCH_CACHE": str(Path(library).with_name("cache")), **environment}
        return run(START + textwrap.dedent(program), *arguments, **environment)

    return checked


@pytest.fixture
def first_device() -> str:
    """Skip the test where no OpenCL device works; programs in other processes use the first."""
    if not cltorch.cl.is_available():
        pytest.skip("no OpenCL device works here")
    return "cl:0"
