"""Fixtures of the tests of torch.nn."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest

import cltorch

LIBRARIES = ["cltorch", *(["torch"] if importlib.util.find_spec("torch") else [])]


@pytest.fixture(params=LIBRARIES)
def lib(request: pytest.FixtureRequest) -> ModuleType:
    """Run the test on this package and, where it is installed, on PyTorch: what is promised is PyTorch's behaviour."""
    return cltorch if request.param == "cltorch" else pytest.importorskip("torch")


@pytest.fixture
def peer() -> Any:
    """Return PyTorch to compare with."""
    return pytest.importorskip("torch", reason="PyTorch is not installed: CLTORCH_PARITY=1 bash ci/test.sh installs it")
