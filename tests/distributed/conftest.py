"""A group of one process around a test."""

import pytest

from cltorch import distributed as dist


@pytest.fixture
def alone():
    """Make the group of all processes, and end it after the test."""
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    yield
    if dist.is_initialized():
        dist.destroy_process_group()
