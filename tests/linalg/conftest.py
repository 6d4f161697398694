"""Fixtures of the tests of linear algebra."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import cltorch


@pytest.fixture(autouse=True)
def _on_host() -> Iterator[None]:
    """Let decompositions of a device's tensors run on the host without a warning."""
    before = cltorch.get_host_fallback()
    cltorch.set_host_fallback("allow")
    yield
    cltorch.set_host_fallback(before)
