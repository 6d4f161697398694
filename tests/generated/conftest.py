"""Tell pytest how many generated cases each test has run."""

import pytest

from tests.generated.drawing import COUNTS


@pytest.fixture(autouse=True)
def _counted(record_property):
    before = COUNTS.total()
    yield
    record_property("generated cases", COUNTS.total() - before)
