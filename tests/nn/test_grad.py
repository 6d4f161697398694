"""torch.nn.grad, against PyTorch's; and the old homes of layers."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import cltorch

RNG = np.random.default_rng(0)
SETTINGS = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_of_convolutions(dims):
    torch = pytest.importorskip("torch")
    x, w = RNG.standard_normal((2, 4, *[6] * dims)), RNG.standard_normal((4, 2, *[3] * dims))
    shape = torch.nn.functional.__dict__[f"conv{dims}d"](
        torch.tensor(x), torch.tensor(w), None, *SETTINGS.values()
    ).shape
    g = RNG.standard_normal(tuple(shape))
    for of in ("input", "weight"):
        name = f"conv{dims}d_{of}"
        found = []
        for lib in (cltorch, torch):
            args = (x.shape, lib.tensor(w)) if of == "input" else (lib.tensor(x), w.shape)
            found.append(getattr(lib.nn.grad, name)(*args, lib.tensor(g), **SETTINGS).numpy())
        np.testing.assert_allclose(*found, atol=1e-10)


def test_gradient_of_a_convolution_on_the_device(device):
    w, g = cltorch.tensor([[[1.0, 2.0]]], device=device), cltorch.ones(1, 1, 3, device=device)
    assert cltorch.nn.grad.conv1d_input((1, 1, 4), w, g).tolist() == [[[1, 3, 3, 2]]]
    with pytest.raises(RuntimeError, match="grad_output"):
        cltorch.nn.grad.conv1d_input((1, 1, 5), w, g)


def test_layers_are_found_in_the_modules_where_pytorch_has_them():
    for path in (
        "activation.MultiheadAttention", "channelshuffle.ChannelShuffle", "linear.NonDynamicallyQuantizableLinear",
        "normalization.CrossMapLRN2d", "normalization.LocalResponseNorm", "pixelshuffle.PixelShuffle",
        "pooling.FractionalMaxPool2d", "pooling.LPPool2d", "pooling.MaxUnpool2d", "sparse.EmbeddingBag",
    ):  # fmt: skip
        module, name = path.split(".")
        found = getattr(importlib.import_module(f"cltorch.nn.modules.{module}"), name)
        assert getattr(cltorch.nn, name, found) is found
