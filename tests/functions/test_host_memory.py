"""Pinned memory, and memory that forked processes share."""

from __future__ import annotations

import os

import pytest

import cltorch
from cltorch.device import discovery
from cltorch.utils.data import DataLoader


def test_a_pinned_tensor_holds_the_same_values_and_layout(cl_device):
    x = cltorch.arange(6.0).reshape(2, 3).t()
    y = x.pin_memory()
    assert y.is_pinned() and not x.is_pinned() and y.device.type == "cpu"
    assert y.tolist() == x.tolist() and y.stride() == x.stride() and y.data_ptr() != x.data_ptr()
    assert y.pin_memory() is y and y[0].is_pinned() and y.detach().is_pinned()
    y[0, 0] = 7.0
    assert y.to(cl_device).tolist()[0][0] == 7 and x[0, 0].item() == 0
    assert cltorch.ones(0).pin_memory().is_pinned()
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        x.to(cl_device).pin_memory()


def test_without_a_device_there_is_no_pinned_memory(monkeypatch):
    monkeypatch.setattr(discovery, "_survey", discovery._Survey([], []))
    with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available"):
        cltorch.ones(2).pin_memory()
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator is found"):
        (batch,) = DataLoader(cltorch.ones(2), batch_size=2, pin_memory=True)
    assert not batch.is_pinned()


@pytest.mark.parametrize("workers", [0, 1])
def test_the_loader_pins_its_batches(cl_device, workers):
    samples = [{"x": cltorch.tensor([float(i)]), "name": str(i)} for i in range(3)]
    batches = list(DataLoader(samples, batch_size=2, pin_memory=True, num_workers=workers))
    assert [b["x"].tolist() for b in batches] == [[[0], [1]], [[2]]]
    assert all(b["x"].is_pinned() for b in batches) and batches[0]["name"] == ["0", "1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_changes_shared_memory():
    x, apart = cltorch.zeros(3), cltorch.zeros(3)
    row = x[1:]
    assert not x.is_shared()
    assert x.share_memory_() is x and x.is_shared() and row.is_shared() and not apart.is_shared()
    child = os.fork()
    if child == 0:
        row[0] = 5.0
        apart[0] = 5.0
        os._exit(0)
    os.waitpid(child, 0)
    assert x.tolist() == [0, 5, 0] and apart.tolist() == [0, 0, 0]


def test_a_tensor_on_a_device_counts_as_shared(cl_device):
    x = cltorch.ones(2, device=cl_device)
    assert x.is_shared() and x.share_memory_() is x and not x.is_pinned()
