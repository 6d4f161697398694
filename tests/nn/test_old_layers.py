"""Layers from before: local normalization over channels, time-first convolutions, one device of many."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn


def sample(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_normalization_over_channels(lib, size):
    """The squares around a channel, and that of the first channel, which running sums never take away again."""
    a, reach = sample(2, 6, 1, 3), int((size - 1) / 2 + 1)
    scale = np.ones_like(a)
    for c in range(6):
        scale[:, c] += 0.5 / size * sum(a[:, j] ** 2 for j in range(6) if abs(j - c) < reach or j == 0)
    layer = lib.nn.CrossMapLRN2d(size, alpha=0.5)
    np.testing.assert_allclose(layer(lib.tensor(a)).numpy(), a * scale**-0.75, rtol=1e-5)
    assert repr(layer) == f"CrossMapLRN2d({size}, alpha=0.5, beta=0.75, k=1)"
    with pytest.raises(ValueError, match="Expected input to be 4D, got 3D"):
        layer(lib.ones(1, 2, 3))


def test_convolution_with_time_first(lib):
    a, w, b = sample(5, 2, 3), sample(3, 3, 4, seed=1), sample(4, seed=2)
    padded = np.pad(a, ((1, 1), (0, 0), (0, 0)))
    wanted = np.stack([sum(padded[t + k] @ w[k] for k in range(3)) + b for t in range(5)])
    found = lib.conv_tbc(lib.tensor(a), lib.tensor(w), lib.tensor(b), 1)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert lib.nn.functional.conv_tbc(lib.ones(3, 1, 1), lib.ones(2, 1, 1), lib.zeros(1)).flatten().tolist() == [2, 2]
    for x, weight, bias, words in (
        ((5, 2), (3, 3, 4), 4, "Input must have 3 dims"),
        ((5, 2, 3), (3, 3), 4, "Weight tensor must have 3 dims"),
        ((5, 2, 3), (3, 2, 4), 4, "input channels"),
        ((5, 2, 3), (3, 3, 4), 3, "output channels"),
    ):
        with pytest.raises(RuntimeError, match=words):
            lib.conv_tbc(lib.ones(x), lib.ones(weight), lib.ones(bias))


def test_a_module_on_one_device(device):
    net = nn.Linear(2, 3).to(device)
    spread = nn.DataParallel(net)
    assert list(spread.state_dict()) == ["module.weight", "module.bias"]
    assert repr(spread).splitlines() == ["DataParallel(", f"  (module): {net}", ")"]
    x = cltorch.tensor(sample(4, 2))
    out = spread(x if device != "cpu" else x.clone())  # inputs come to the module
    assert out.device == net.weight.device and out.tolist() == net(x.to(device)).tolist()
    assert nn.parallel.data_parallel(net, (x,)).tolist() == out.tolist()
    if device != "cpu":
        assert spread.device_ids == [int(device.split(":")[1])]
        with pytest.raises(RuntimeError, match="found one of them on device: cpu"):
            nn.DataParallel(nn.Linear(1, 1), device_ids=[device])(x)
