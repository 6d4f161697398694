"""Values that are written into tensors: filling, and copies into a tensor."""

from __future__ import annotations

import math

import pytest

import cltorch
from cltorch.dtypes import ALL


def test_fill(device):
    x = cltorch.zeros(3, 4, device=device)
    assert cltorch.fill(x, 2.0).tolist() == [[2.0] * 4] * 3 and x.sum().item() == 0
    w = cltorch.tensor(5.0, device=device, requires_grad=True)
    y = cltorch.fill(x, w)
    y.sum().backward()
    assert w.grad.item() == 12.0
    for t in ALL:
        if t is cltorch.float64 and device != "cpu" and not cltorch.device(device).context.caps.fp64:
            continue
        z = cltorch.zeros(5, 3, dtype=t, device=device)
        z[:, 1].fill_(3)
        z[4].fill_(1)
        assert z[:, 1].tolist()[:4] == ([True] * 4 if t is cltorch.bool else [3] * 4) and z[0, 0].item() == 0
        assert z[4].tolist() == [1, 1, 1]
    assert math.isinf(cltorch.zeros(1, dtype=cltorch.float16, device=device).fill_(1e6).item())
    for t, value in ((cltorch.float16, 1e6), (cltorch.float32, 1e40), (cltorch.uint8, -0.5), (cltorch.int32, math.nan)):
        with pytest.raises(RuntimeError, match="cannot be converted to type .* without overflow"):
            cltorch.zeros(2, dtype=t, device=device).fill_(value)
    for value in ((), [1], "a", None):
        with pytest.raises(TypeError, match="fill_\\(\\)"):
            x.fill_(value)


def test_where_a_copy_cannot_go(device):
    x = cltorch.zeros(2, 3, device=device)
    with pytest.raises(RuntimeError, match=r"output with shape \[2, 3\] doesn't match the broadcast shape \[4, 2, 3\]"):
        x.copy_(cltorch.zeros(4, 2, 3, device=device))
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        x.copy_(cltorch.zeros(2, device=device))


def test_a_copy_onto_itself(device):
    x = cltorch.arange(6.0, device=device).view(2, 3)
    x.copy_(x.detach())
    x[...] = x
    x.T.copy_(x.T)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    layer = cltorch.nn.Linear(3, 2, device=device)
    before = layer.weight.tolist()
    layer.load_state_dict(layer.state_dict())
    assert layer.weight.tolist() == before


def test_python_functions_over_host_tensors():
    x = cltorch.tensor([[1.0, 2.0], [3.0, 4.0]]).t()
    assert x.apply_(lambda v: v * 10).tolist() == [[10.0, 30.0], [20.0, 40.0]]
    assert x.map_(cltorch.tensor([1.0, 2.0]), lambda a, b: a + b).tolist() == [[11.0, 32.0], [21.0, 42.0]]
