"""Results of inputs that are not packed row by row: which keep the order of their dimensions in memory, as PyTorch's.

What is packed can be viewed in another shape, so programs notice where a result is not.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import cltorch

KEPT = {
    "sort": lambda t, x: t.sort(x, 1, descending=True)[0],
    "sort's places": lambda t, x: t.sort(x, 0)[1],
    "argsort": lambda t, x: t.argsort(x),
    "msort": lambda t, x: t.msort(x),
    "complex": lambda t, x: t.complex(x, x + 1),
    "polar": lambda t, x: t.polar(x.abs(), x),
    "flip": lambda t, x: t.flip(x, (0, 2)),
    "put": lambda t, x: x.put(t.tensor([0, 5], device=x.device), t.tensor([8.0, 9.0], device=x.device)),
    "dropout": lambda t, x: t.dropout(x, 1.0, True),
}
PACKED = {
    "masked_fill": lambda t, x: x.masked_fill(t.tensor([True, False, True, False], device=x.device), 7.0),
    "masked_fill by itself": lambda t, x: x.masked_fill(x > 0, 7.0),
    "rrelu": lambda t, x: t.rrelu(x),
    "rrelu in training": lambda t, x: t.rrelu(x, 0.25, 0.25, True),
    "renorm": lambda t, x: t.renorm(x, 2, 1, 1.0),
    "index_add": lambda t, x: x.index_add(1, t.tensor([1], device=x.device), 2 * x[:, :1]),
    "index_copy": lambda t, x: x.index_copy(1, t.tensor([1], device=x.device), 2 * x[:, :1]),
    "cross": lambda t, x: t.cross(x, x + 1, 1),
}
# only images whose channels come last keep their order
IMAGES = {
    "rms_norm": lambda t, x: t.rms_norm(x, x.shape[-1:], t.linspace(1, 2, x.shape[-1], device=x.device)),
    "stack": lambda t, x: t.stack([x, x + 1]),
    "stack channels": lambda t, x: t.stack([x, x + 1], 1),
}
CASES = {**KEPT, **PACKED, **IMAGES}


def inputs(device):
    """Return three tensors that are not packed, by name."""

    def numbers(*shape):
        x = np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)
        return cltorch.from_numpy(x).to(device)

    return {
        "permuted": numbers(4, 2, 3).permute(1, 2, 0),
        "image": numbers(2, 5, 4, 3).permute(0, 3, 1, 2),
        "image with gaps": numbers(2, 5, 4, 6).permute(0, 3, 1, 2)[:, :3],
    }


@pytest.mark.parametrize("kind", ["permuted", "image", "image with gaps"])
@pytest.mark.parametrize("name", CASES)
def test_the_order_of_a_result_in_memory(name, kind, device):
    x = inputs(device)[kind]
    f = CASES[name]
    y, packed = f(cltorch, x), f(cltorch, x.contiguous())
    assert packed.is_contiguous()
    same = x.clone().stride() if name in KEPT or name in IMAGES and kind != "permuted" else x.contiguous().stride()
    if name.startswith("stack"):
        format = {"permuted": cltorch.contiguous_format}.get(kind, cltorch.channels_last)
        assert (
            y.flatten(0, 1).is_contiguous(memory_format=format)
            if name == "stack"
            else (y.flatten(1, 2).is_contiguous(memory_format=format))
        )
    else:
        assert y.stride() == same
    np.testing.assert_allclose(y.cpu().numpy(), packed.cpu().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["permuted", "image", "image with gaps"])
@pytest.mark.parametrize("name", CASES)
def test_strides_are_pytorchs(name, kind):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours = inputs("cpu")[kind]
    theirs = importlib.import_module("torch").from_numpy(ours.numpy().copy(order="K"))
    if kind == "image with gaps":
        theirs = torch.cat([theirs, theirs], 1).contiguous(memory_format=torch.channels_last)[:, :3]
    assert ours.stride() == theirs.stride()
    y, z = CASES[name](cltorch, ours), CASES[name](torch, theirs)
    assert y.stride() == z.stride()
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sort", "complex", "flip", "masked_fill", "rms_norm", "stack", "index_add", "cross"])
def test_gradients_do_not_depend_on_the_order(name, device):
    found = []
    for x in (inputs(device)["image"], inputs(device)["image"].contiguous()):
        x = x.detach().requires_grad_()
        y = CASES[name](cltorch, x)
        y = cltorch.view_as_real(y) if y.is_complex() else y
        w = cltorch.linspace(-1, 2, y.numel(), device=device).reshape(y.shape)
        found.append(cltorch.autograd.grad(y, x, w)[0].cpu().numpy())
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)
