"""Copies and conversions between dtypes, devices and orders of memory, with their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.dtypes import ALL, bfloat16_to_float, float_to_bfloat16
from cltorch.ops.array import values

VALUES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.75,
    2.5,
    3.7,
    -3.7,
    100.0,
    65504.0,
    1e-3,
    127.0,
    -128.0,
    255.0,
    256.0,
    300.7,
    4.0,
]


def converted(a: np.ndarray, t) -> np.ndarray:
    """Return NumPy values as a dtype holds them: through int64 to integers, so that they wrap."""
    with np.errstate(all="ignore"):
        if t.name == "bfloat16":
            return bfloat16_to_float(float_to_bfloat16(a.astype(np.float32)))
        if t.family in "ui" and a.dtype.kind == "f":
            return a.astype(np.int64).astype(t.np)
        return a.astype(t.np)


@pytest.mark.parametrize("source", ALL, ids=lambda t: t.name)
def test_every_conversion(device, fp64, source):
    a = np.array(VALUES if source.family in "if" else [abs(v) for v in VALUES])
    stored = converted(a, source)
    # every kernel of its own costs a compile on a device: all targets for some sources, some for all
    few = (cltorch.float32, cltorch.int16, cltorch.bool)
    for target in ALL if device == "cpu" or source.name in ("float32", "int64", "bfloat16") else few:
        if cltorch.float64 in (source, target) and not fp64:
            continue
        x = cltorch.tensor(a, device="cpu").to(source).to(device)
        got = x.to(target)
        assert got.dtype is target
        np.testing.assert_array_equal(values(got), converted(stored, target), err_msg=f"{source} to {target}")
        out = cltorch.empty(18, dtype=target, device=device)
        np.testing.assert_array_equal(values(out.copy_(x)), converted(stored, target))


@pytest.mark.parametrize("t", ["float32", "bfloat16", "bool", "int16"])
def test_copies_from_any_strides_to_any_strides(device, t):
    dtype = getattr(cltorch, t)
    a = np.random.default_rng(0).integers(0, 2 if t == "bool" else 100, (6, 20))
    x = cltorch.tensor(a, dtype=dtype, device=device)
    parts = [
        (x, a), (x[:, 3:], a[:, 3:]), (x[::2], a[::2]), (x[:, ::3], a[:, ::3]), (x[2:3], a[2:3]),
        (x[:, 4:5], a[:, 4:5]), (x[1], a[1]), (x[1:1], a[1:1]), (x[2, 3], a[2, 3]),
    ]  # fmt: skip
    for part, want in parts:
        for source, true in ((part, want), (part.t() if part.ndim == 2 else part, want.T)):
            for copy in (
                source.clone(),
                source.contiguous(),
                source.detach().clone(memory_format=cltorch.contiguous_format),
            ):
                np.testing.assert_array_equal(values(copy), true)
            np.testing.assert_array_equal(values(source.to("cpu")), true)
            whole = cltorch.zeros(tuple(2 * n + 1 for n in true.shape), dtype=dtype, device=device)
            place = whole[tuple(slice(1, None, 2) for _ in true.shape)]
            place.copy_(source)
            np.testing.assert_array_equal(values(place), true)
            assert (whole != 0).sum().item() == np.count_nonzero(true)
    wide = cltorch.zeros(3, 6, 20, dtype=dtype, device=device).copy_(x[:, :1])
    np.testing.assert_array_equal(values(wide), np.broadcast_to(a[:, :1], (3, 6, 20)))


def test_clone_keeps_the_order_of_dimensions(device):
    x = cltorch.zeros(2, 3, 4, device=device)
    assert x.permute(2, 0, 1).clone().stride() == (1, 12, 4) and x[:, :, ::2].clone().stride() == (6, 2, 1)
    assert x.mT[:, ::2].clone().stride() == (6, 1, 2) and x[:1].expand(5, 3, 4).clone().stride() == (12, 4, 1)
    assert x.mT.to(cltorch.float16).stride() == (12, 1, 4) and x.mT.to("cpu").shape == (2, 4, 3)
    assert x.mT.contiguous().stride() == (12, 3, 1) and x.contiguous() is x
    with pytest.raises(RuntimeError, match="preserve memory format is unsupported by the contiguous operator"):
        x.mT.contiguous(memory_format=cltorch.preserve_format)
    assert x.contiguous(memory_format=cltorch.preserve_format) is x


def test_an_order_that_dimensions_of_size_1_leave_open_is_made_exact(device):
    x = cltorch.ones(5, 3, 1, 1, device=device)
    assert x.is_contiguous(memory_format=cltorch.channels_last) and x.stride() == (3, 1, 1, 1)
    last = x.to(memory_format=cltorch.channels_last)
    assert (
        last.stride() == last.clone().stride() == (3, 1, 3, 3) and last.to(memory_format=cltorch.channels_last) is last
    )
    assert (last + cltorch.ones(3, 1, 1, device=device)).stride() == (3, 1, 3, 3)
    assert x.to(memory_format=cltorch.contiguous_format) is x
    assert x.to(cltorch.int32, memory_format=cltorch.channels_last).stride() == (3, 1, 3, 3)


def test_what_is_no_order_in_memory_is_refused(device):
    x = cltorch.ones(2, 3, device=device)
    for call in (x.to, x.float, x.half, x.cfloat, x.clone, x.contiguous):
        for wrong in (..., 3, "channels_last"):
            with pytest.raises(TypeError, match="argument 'memory_format' must be torch.memory_format, not"):
                call(memory_format=wrong)


def test_gradients_flow_through_copies(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], device=device, dtype=cltorch.float64, requires_grad=True)
    for f in (
        lambda x: x.clone() ** 2, lambda x: x.t().contiguous() ** 2, lambda x: x.to("cpu") ** 2,
        lambda x: x.t().clone() ** 3, lambda x: (x * 1).copy_(x[:1]) ** 2,
        lambda x: cltorch.zeros_like(x).copy_(x) ** 2,
    ):  # fmt: skip
        assert gradcheck(f, x) and gradgradcheck(f, x)
    (x.float() * 2).double().sum().backward()
    assert x.grad.dtype is cltorch.float64 and x.grad.tolist() == [[2.0] * 3] * 2


def test_gradients_come_back_to_the_device_and_dtype_of_their_tensor(cl_device):
    x = cltorch.tensor([1.0, 2.0], requires_grad=True)
    y = x.to(cl_device).half()
    (y * y).sum().cpu().backward()
    assert x.grad.tolist() == [2.0, 4.0] and x.grad.device == x.device
    w = cltorch.ones(2, device=cl_device, requires_grad=True)
    total = cltorch.zeros(2)
    total.copy_(w * 3)
    total.sum().backward()
    assert w.grad.tolist() == [3.0, 3.0] and w.grad.device == w.device


@pytest.mark.skipif(not cltorch.cl.is_available(), reason="needs an OpenCL device")
def test_a_device_without_double_says_so(monkeypatch):
    context = cltorch.device("cl").context
    monkeypatch.setattr(type(context), "caps", type("Caps", (), {"fp64": False, "kind": "cpu"})(), raising=False)
    monkeypatch.delattr(context, "caps", raising=False) if "caps" in vars(context) else None
    with pytest.raises(RuntimeError, match="no double precision"):
        cltorch.zeros(2, dtype=cltorch.float64, device="cl")
    with pytest.raises(RuntimeError, match="no double precision"):
        cltorch.tensor([1.0]).double().to("cl")
