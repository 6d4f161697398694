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


#: Parameters of tests, and which of their values mean such kernels.
_CHOICES = {"variant": ("cpu",), "kind": ("cpu",), "way": ("lanes", "rows", "tiles")}


@pytest.fixture(autouse=True)
def _choices(request: pytest.FixtureRequest) -> None:
    """Take a parameter that chooses such kernels for a wish to skip them."""
    if any(_given(request).get(name) in values for name, values in _CHOICES.items()):
        request.getfixturevalue("processor_kernels")
