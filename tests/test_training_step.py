"""Training steps do not wait for the device unless a value is asked for, and fill no memory that is written anyway."""

import pytest

import cltorch as torch
from cltorch.bench.workload import Side
from cltorch.bench.workloads.train import first_step
from cltorch.device.context import Context
from cltorch.device.program import Kernel


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


@pytest.fixture
def fills(monkeypatch):
    """Return a list to which every filling of memory is appended: a kernel's name, or what and how much is written."""
    seen: list[object] = []
    launch, fill = Kernel.launch, Context.fill_bytes

    def launched(self, *args):
        if "fill" in self.name:
            seen.append(self.name)
        return launch(self, *args)

    def filled(self, buf, pattern, offset, nbytes):
        seen.append((pattern.tolist(), nbytes))
        return fill(self, buf, pattern, offset, nbytes)

    monkeypatch.setattr(Kernel, "launch", launched)
    monkeypatch.setattr(Context, "fill_bytes", filled)
    return seen


def test_ten_training_steps_wait_for_nothing(cl_device, waits, fills):
    context = torch.device(cl_device).context
    step = first_step(Side("cltorch", torch, cl_device, context.synchronize))
    step()
    context.synchronize()
    syncs, launches = context.syncs, context.launches
    waits.clear()
    fills.clear()
    for _ in range(10):
        loss = step()
    assert not waits and context.syncs == syncs
    assert context.launches - launches > 100, "the steps ran elsewhere"
    assert fills == [([1.0], 4)] * 10, "what is computed is not filled before; the gradient of the loss is 1"
    assert loss.item() > 0
    assert waits == ["read"] and context.syncs == syncs + 1, "asking for a value is one read, and it is seen"
