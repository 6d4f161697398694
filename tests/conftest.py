"""Fixtures of every test: the devices, and a fixed seed."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def _given(request: pytest.FixtureRequest) -> dict[str, Any]:
    return getattr(getattr(request.node, "callspec", None), "params", {})


@pytest.fixture
def processor_kernels(request: pytest.FixtureRequest) -> None:
    """Skip kernels for processors on a device that ends their loops early and never takes them."""
    given = _given(request)
    name = given.get("cl_device", given.get("device", given.get("place", "none"))).removeprefix("cpu ")
    if name.startswith("cl") and "loops_end_early" in cltorch.device(name).resolve().context.caps.quirks:
        pytest.skip("this device does not take the kernels for processors")


@pytest.fixture
def each_warning() -> Iterator[None]:
    """Let warnings that come once in a process come each time."""
    cltorch.set_warn_always(True)
    yield
    cltorch.set_warn_always(False)


#: Parameters of tests, and which of their values mean such kernels.
_CHOICES = {"variant": ("cpu",), "kind": ("cpu",), "way": ("lanes", "rows", "tiles")}


@pytest.fixture(autouse=True)
def _choices(request: pytest.FixtureRequest) -> None:
    """Take a parameter that chooses such kernels for a wish to skip them."""
    given = _given(request)
    chosen = any(given.get(name) in values for name, values in _CHOICES.items())
    if chosen or str(given.get("place")).startswith("cpu cl"):
        request.getfixturevalue("processor_kernels")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-cl", action="store_true", help="leave out the cases on the host and on PyTorch, as for another runtime"
    )


#: Parameters of tests, and which of their values leave every OpenCL device alone.
_NO_DEVICE = {"device": "cpu", "place": "host", "lib": "torch"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("only_cl", False):
        return
    given = [getattr(getattr(item, "callspec", None), "params", {}) for item in items]
    left_out = [any(params.get(name) == value for name, value in _NO_DEVICE.items()) for params in given]
    config.hook.pytest_deselected(items=[item for item, out in zip(items, left_out, strict=True) if out])
    items[:] = [item for item, out in zip(items, left_out, strict=True) if not out]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files without timings where only timings are asked for: importing them all takes longer."""
    if config.getoption("markexpr") != "timing" or collection_path.suffix != ".py":
        return None
    return True if "mark.timing" not in collection_path.read_text(encoding="utf-8") else None


def pytest_collection_finish() -> None:
    """Keep what there is now out of collections of garbage, which would look through 16,000 tests for a second each."""
    gc.collect()
    gc.freeze()


def pytest_report_header() -> list[str]:
    names = [f"cl:{i} ({cltorch.cl.get_device_name(i)})" for i in range(cltorch.cl.device_count())]
    return ["devices: " + ", ".join(["cpu (the host)", *names])]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("", [])  # the ends of tests, by when they have counted
    count = sum(value for report in reports for name, value in report.user_properties if name == "generated cases")
    if count:
        terminalreporter.write_line(f"{count} generated cases have run")
