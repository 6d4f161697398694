"""softmax and log_softmax: both kinds of device against NumPy, the functions against PyTorch."""

import dataclasses
import math

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.ops import softmax

VARIANTS = ("cpu", "gpu")
SHAPES = [((7,), 0), ((3, 5), 1), ((40, 10), 1), ((3, 1000), 1), ((3, 1000), 0), ((2, 5, 70), 1), ((2, 50, 4), 1),
          ((2, 3, 4, 5), 2), ((1, 1), 1), ((300, 33), 1)]  # fmt: skip


def numbers(x):
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) in ("torch.bfloat16", "torch.float16") else x).numpy()


def reference(a, dim, logarithm):
    a = a.astype(np.float64)
    shifted = a - a.max(dim, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(dim, keepdims=True))
    return y if logarithm else np.exp(y)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("logarithm", [False, True])
def test_forward_and_backward(logarithm, variant, cl_device):
    rng = np.random.default_rng(0)
    for shape, dim in SHAPES:
        a, g = (rng.standard_normal(shape).astype(np.float32) * 3 for _ in "ag")
        y = reference(a, dim, logarithm)
        got = softmax.run(cltorch.tensor(a, device=cl_device), dim, logarithm, variant=variant)
        np.testing.assert_allclose(numbers(got), y, rtol=2e-6, atol=2e-6)
        if logarithm:
            gx = g - np.exp(y) * g.sum(dim, keepdims=True)
        else:
            gx = y * (g - (g * y).sum(dim, keepdims=True))
        got = softmax.run(cltorch.tensor(g, device=cl_device), dim, logarithm, got, variant)
        np.testing.assert_allclose(numbers(got), gx, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("logarithm", [False, True])
def test_lines_larger_than_the_caches(logarithm, cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, cache=1))
    monkeypatch.setattr(context, "ready", type(context.ready)())
    for shape in ((1, 1), (5, 7), (3, 64), (70, 1000)):
        a = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        got = softmax.run(cltorch.tensor(a, device=cl_device), 1, logarithm)
        np.testing.assert_allclose(numbers(got), reference(a, 1, logarithm), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_float_dtype(variant, cl_device):
    rng = np.random.default_rng(1)
    types = [(dtypes.float16, 2e-3), (dtypes.bfloat16, 2e-2), (dtypes.float64, 1e-12)]
    for t, tolerance in types if variant == "cpu" else types[1:2]:
        if t is dtypes.float64 and not cltorch.device(cl_device).context.caps.fp64:
            continue
        for shape, dim in (((4, 100), 1), ((4, 6, 40), 1)):
            x = cltorch.tensor(rng.standard_normal(shape), dtype=dtypes.float32, device=cl_device).to(t)
            for logarithm in (False, True):
                got = softmax.run(x, dim, logarithm, variant=variant)
                assert got.dtype is t
                expected = reference(numbers(x), dim, logarithm)
                np.testing.assert_allclose(numbers(got), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("variant", VARIANTS)
def test_infinities_nan_and_large_numbers(variant, cl_device):
    inf, nan = math.inf, math.nan
    a = np.array([[-inf, -inf, -inf], [inf, 1, 2], [-inf, 0, 1], [nan, 1, 2], [1e4, 1e4, -1e4]], np.float32)
    wide = np.concatenate([a, np.repeat(a[:, -1:], 60, 1)], 1)  # long lines, too
    for b in (a, wide, wide.T):
        dim = 0 if b is not a and b.shape[0] > 5 else 1
        x = cltorch.tensor(np.ascontiguousarray(b), device=cl_device)
        for logarithm in (False, True):
            with np.errstate(invalid="ignore"):
                expected = reference(b, dim, logarithm)
            got = softmax.run(x, dim, logarithm, variant=variant)
            np.testing.assert_allclose(numbers(got), expected, rtol=1e-5, atol=1e-6)


RESULTS = """
torch.softmax(x, 0)
torch.softmax(x, 1)
torch.softmax(x, -1)
torch.log_softmax(x, 1)
torch.softmax(x.permute(2, 0, 1), 1)
torch.log_softmax(x[:, ::2], 0)
torch.softmax(x, 1, dtype=torch.float16)
torch.softmax(i, 1, dtype=torch.float32)
torch.log_softmax(x.half(), 2, dtype=torch.float32)
x.softmax(1)
x.log_softmax(dim=2)
torch.softmax(s, 0)
torch.log_softmax(s, -1)
torch.softmax(x[:0], 1)
torch.softmax(x[:, :0], 1)
torch.softmax(x, 1, out=torch.empty(0).to(x.device))
torch.nn.functional.softmax(x, dim=2)
torch.nn.functional.log_softmax(x, dim=0)
torch.nn.functional.softmin(x, dim=1)
torch.softmax(x.expand(2, 3, 4, 5), 2)
torch.special.softmax(x, 1) if hasattr(torch, "special") else torch.softmax(x, 1)
""".strip().splitlines()

ERRORS = """
torch.softmax(x, 3)
torch.softmax(i, 1)
torch.softmax(x)
torch.log_softmax(x, -4)
torch.softmax(s, 1)
""".strip().splitlines()


def scope(module, device="cpu"):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    names = {"x": module.tensor(x), "i": module.tensor((x * 3).astype(np.int64)), "s": module.tensor(1.5)}
    if module is cltorch:
        names = {k: v.to(device) for k, v in names.items()}
    return {"torch": module, **names}


@pytest.mark.parametrize("text", RESULTS)
def test_result_is_torchs(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours, theirs = eval(text, scope(cltorch, device)), eval(text, scope(torch))
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    tolerance = 2e-3 if "16" in str(theirs.dtype) else 1e-6
    np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    with pytest.raises(Exception) as ours:
        eval(text, scope(cltorch))
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        eval(text, scope(torch))
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_gradients_of_first_and_second_order(name, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    f = getattr(cltorch, name)
    a = np.random.default_rng(3).standard_normal((2, 3, 2))
    for dim in (0, 1, -1):
        x = cltorch.tensor(a, device=device, requires_grad=True)
        gradcheck(lambda v, d=dim: f(v, d), (x,))
        if device == "cpu":  # they are made of the same functions on every device
            gradgradcheck(lambda v, d=dim: f(v, d), (x,))
    gradcheck(lambda v: f(v.t(), 1), (cltorch.tensor(a[0], device=device, requires_grad=True),))
    gradcheck(lambda v: f(v, 0), (cltorch.tensor(0.5, dtype=dtypes.float64, device=device, requires_grad=True),))


def test_gradient_of_a_gradient_that_is_broadcast(device):
    x = cltorch.randn(3, 4, device=device, requires_grad=True)
    (g,) = cltorch.autograd.grad(cltorch.softmax(x, 1).sum(), x)
    np.testing.assert_allclose(numbers(g), np.zeros((3, 4)), atol=1e-6)
    (g,) = cltorch.autograd.grad(cltorch.log_softmax(x, 1).sum(), x)
    np.testing.assert_allclose(numbers(g), 1 - 4 * reference(numbers(x), 1, False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [cltorch.float16, cltorch.bfloat16])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_gradients_of_halves_are_rounded_once(name, dim, dtype, device):
    rng = np.random.default_rng(3)
    given = [cltorch.tensor(a).to(dtype).to(device) for a in (3 * rng.standard_normal((7, 9)), rng.random((7, 9)))]
    x = given[0].requires_grad_()
    y = getattr(cltorch, name)(x, dim)
    y.backward(given[1])
    a, g = (t.detach().cpu().to(cltorch.float64).numpy() for t in (y, given[1]))
    if name == "softmax":
        expected = a * (g - (g * a).sum(dim, keepdims=True))
    else:
        expected = g - np.exp(a) * g.sum(dim, keepdims=True)
    rounded = cltorch.tensor(expected).to(dtype).to(cltorch.float64).numpy()
    step = cltorch.finfo(dtype).eps * np.maximum(np.abs(expected), 1e-3)
    assert (np.abs(x.grad.cpu().to(cltorch.float64).numpy() - rounded) <= step).all()
