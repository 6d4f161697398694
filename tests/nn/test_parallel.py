"""Modules spread over devices: parts of a batch, copies of a module, results together again."""

from __future__ import annotations

from collections import namedtuple

import pytest

import cltorch
from cltorch import nn
from cltorch.nn.parallel import gather, parallel_apply, replicate, scatter

Pair = namedtuple("Pair", "x y")


def test_structures_are_cut_and_put_together_again():
    given = (cltorch.arange(5), {"a": [cltorch.arange(4)], "b": "x"}, Pair(cltorch.arange(3), None))
    parts = scatter(given, ["cpu", "cpu"])
    assert [p[0].tolist() for p in parts] == [[0, 1, 2], [3, 4]]
    assert [p[1]["a"][0].tolist() for p in parts] == [[0, 1], [2, 3]] and parts[1][1]["b"] == "x"
    assert isinstance(parts[1][2], Pair) and parts[1][2].x.tolist() == [2]
    again = gather([(p[0], {"a": p[1]["a"][0]}, p[2]) for p in parts], "cpu")
    assert isinstance(again, tuple) and again[0].tolist() == [0, 1, 2, 3, 4] and again[1]["a"].tolist() == [0, 1, 2, 3]
    assert again[2].x.tolist() == [0, 1, 2]
    assert gather([cltorch.tensor(1.0), cltorch.tensor(2.0)], "cpu").tolist() == [1.0, 2.0]
    assert len(scatter(cltorch.arange(1), ["cpu", "cpu"])) == 1
    with pytest.raises(ValueError, match="same number of keys"):
        gather([{"a": 1}, {}], "cpu")


def test_copies_share_buffers_and_lead_gradients_back(device):
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    net[2].weight = nn.Parameter(net[2].weight.detach())
    copies = replicate(net, ["cpu", device])
    assert not list(copies[0].parameters()) and copies[1][0].weight.device == cltorch.device(device)
    assert copies[0][1].running_mean is not None and copies[0]._is_replica
    x = cltorch.randn(4, 2)
    outputs = parallel_apply(copies, [(x,), (x.to(device),)])
    gather(outputs, "cpu").sum().backward()
    found = [p.grad for p in net.parameters()]
    net.zero_grad()
    (2 * net(x).sum()).backward()
    for a, p in zip(found, net.parameters(), strict=True):
        cltorch.testing.assert_close(a, p.grad, rtol=1e-4, atol=1e-5)
    assert not any(p.requires_grad for p in (replicate(net, ["cpu"], detach=True)[0][0].weight,))
    with pytest.raises(AssertionError, match="number of modules 2 is not equal to the number of inputs 1"):
        parallel_apply(copies, [x])


def test_a_batch_on_two_devices_gives_what_one_gives(cl_device):
    net = nn.Linear(3, 2)
    x = cltorch.randn(5, 3)
    spread = nn.DataParallel(net, device_ids=["cpu", cl_device], output_device="cpu")
    result = spread(x)
    cltorch.testing.assert_close(result, net(x))
    result.pow(2).sum().backward()
    found = net.weight.grad.clone()
    net.zero_grad()
    net(x).pow(2).sum().backward()
    cltorch.testing.assert_close(found, net.weight.grad, rtol=1e-4, atol=1e-5)
