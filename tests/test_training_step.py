"""Training steps never wait for the device: no finish and no read-back that the program did not ask for."""

import pytest

import cltorch as torch
from cltorch.bench.workload import Side
from cltorch.bench.workloads.train import first_step
from cltorch.device.context import Context


@pytest.fixture
def waits(monkeypatch):
    """Return a list to which every wait of every context is appended by name."""
    seen: list[str] = []
    for name in ("synchronize", "read", "relieve"):
        original = getattr(Context, name)

        def counted(self, *args, _name=name, _original=original, **options):
            seen.append(_name)
            return _original(self, *args, **options)

        monkeypatch.setattr(Context, name, counted)
    return seen


def test_ten_training_steps_wait_for_nothing(cl_device, waits):
    context = torch.device(cl_device).context
    step = first_step(Side("cltorch", torch, cl_device, context.synchronize))
    step()
    context.synchronize()
    syncs, launches = context.syncs, context.launches
    waits.clear()
    for _ in range(10):
        loss = step()
    assert not waits and context.syncs == syncs
    assert context.launches - launches > 100, "the steps ran elsewhere"
    assert loss.item() > 0
    assert waits == ["read"] and context.syncs == syncs + 1, "asking for a value is one read, and it is seen"
