"""This library and, where a test may compare with it, PyTorch."""

from __future__ import annotations

import os

import pytest

import cltorch


def _pytorch():
    if not os.environ.get("CLTORCH_PARITY"):
        pytest.skip("CLTORCH_PARITY is not set")
    return pytest.importorskip("torch")


LIBRARIES = {"cltorch": lambda: cltorch, "torch": _pytorch}
