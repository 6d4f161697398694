"""Channels as pixels and pixels as channels, against NumPy, with the errors of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import functional as F


def sample(shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_channels_become_pixels_and_come_back(lead, device):
    a = sample((*lead, 8, 3, 5))
    found = cltorch.pixel_shuffle(cltorch.tensor(a, device=device), 2)
    wanted = np.empty((*lead, 2, 6, 10), np.float32)
    for i in range(2):
        for j in range(2):
            wanted[..., i::2, j::2] = a[..., 2 * i + j :: 4, :, :]
    np.testing.assert_array_equal(found.cpu().numpy(), wanted)
    np.testing.assert_array_equal(F.pixel_unshuffle(found, 2).cpu().numpy(), a)


def test_channels_of_groups_take_turns(device):
    a = sample((2, 6, 3))
    found = nn.ChannelShuffle(2)(cltorch.tensor(a, device=device))
    np.testing.assert_array_equal(found.cpu().numpy(), a[:, [0, 3, 1, 4, 2, 5]])
    assert F.native_channel_shuffle(found, 3).tolist() == a.tolist()


def test_gradients_are_shuffled_back(device):
    x = cltorch.tensor(sample((1, 4, 2, 2)), device=device, requires_grad=True)
    w = cltorch.tensor(sample((1, 1, 4, 4)), device=device)
    (g,) = cltorch.autograd.grad((cltorch.pixel_shuffle(x, 2) * w).sum(), x)
    assert g.tolist() == cltorch.pixel_unshuffle(w, 2).tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.pixel_shuffle(x, 3), r"input.size\(-3\)=2 is not divisible by 9"),
        (lambda x: F.pixel_shuffle(x, 0), "pixel_shuffle expects a positive upscale_factor, but got 0"),
        (lambda x: F.pixel_shuffle(x[0, 0], 2), "at least 3 dimensions, but got input with 2"),
        (lambda x: F.pixel_unshuffle(x, 3), r"height to be divisible by downscale_factor, but input.size\(-2\)=4"),
        (lambda x: F.channel_shuffle(x, 3), "Got 2 channels and 3 groups"),
        (lambda x: F.channel_shuffle(x, 0), "must be positive. Value of groups:0"),
        (lambda x: F.channel_shuffle(x[0, 0], 2), "expects input with > 2 dims"),
    ],
)
def test_errors_are_pytorchs(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(cltorch.zeros(1, 2, 4, 4))


def test_modules_describe_themselves():
    x = cltorch.zeros(1, 4, 2, 2)
    assert nn.PixelShuffle(2)(x).shape == (1, 1, 4, 4) and nn.PixelUnshuffle(2)(x).shape == (1, 16, 1, 1)
    assert [repr(m) for m in (nn.PixelShuffle(2), nn.PixelUnshuffle(3), nn.ChannelShuffle(4))] == [
        "PixelShuffle(upscale_factor=2)", "PixelUnshuffle(downscale_factor=3)", "ChannelShuffle(groups=4)",
    ]  # fmt: skip
