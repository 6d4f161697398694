"""Fixtures of every test: the devices, and a fixed seed."""

from __future__ import annotations

import os

# read when NumPy is imported: its threads would only wait for the cores that the OpenCL runtime works on
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

import cltorch
from cltorch.device import binaries

binaries.keep = (
    False  # the tests build thousands of kernels once: showing their binaries would take a third of the time
)


def working_devices() -> list[str]:
    """Return the host and every OpenCL device that passed its probe."""
    return ["cpu", *(f"cl:{i}" for i in range(cltorch.cl.device_count()))]


@pytest.fixture(params=working_devices())
def device(request: pytest.FixtureRequest) -> str:
    """Run the test on the host and on every OpenCL device."""
    return request.param


@pytest.fixture(params=working_devices()[1:] or ["none"])
def cl_device(request: pytest.FixtureRequest) -> str:
    """Run the test on every OpenCL device; skip it where there is none."""
    if request.param == "none":
        pytest.skip("no OpenCL device works here")
    return request.param


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Start every test from the same random numbers, so that none depends on which ran before."""
    cltorch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture
def fp64(device: str) -> bool:
    """Return whether the device has float64."""
    d = cltorch.device(device)
    return d.type == "cpu" or d.context.caps.fp64


def pytest_report_header() -> list[str]:
    names = [f"cl:{i} ({cltorch.cl.get_device_name(i)})" for i in range(cltorch.cl.device_count())]
    return ["devices: " + ", ".join(["cpu (the host)", *names])]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("", [])  # the ends of tests, by when they have counted
    count = sum(value for report in reports for name, value in report.user_properties if name == "generated cases")
    if count:
        terminalreporter.write_line(f"{count} generated cases have run")
