"""What the tests of operators leave out on some devices."""

from __future__ import annotations

from typing import Any

import pytest

import cltorch


def _given(request: pytest.FixtureRequest) -> dict[str, Any]:
    return getattr(getattr(request.node, "callspec", None), "params", {})


@pytest.fixture
def processor_kernels(request: pytest.FixtureRequest) -> None:
    """Skip kernels for processors on a device that ends their loops early and never takes them."""
    name = _given(request).get("cl_device", _given(request).get("device", "none"))
    if name.startswith("cl") and "loops_end_early" in cltorch.device(name).resolve().context.caps.quirks:
        pytest.skip("this device does not take the kernels for processors")


@pytest.fixture(autouse=True)
def _variants(request: pytest.FixtureRequest) -> None:
    """Take every parameter ``variant="cpu"`` or ``kind="cpu"`` for such kernels."""
    if "cpu" in (_given(request).get("variant"), _given(request).get("kind")):
        request.getfixturevalue("processor_kernels")
