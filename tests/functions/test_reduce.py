"""Reductions as torch.* functions: results, dtypes, errors and gradients, against PyTorch and NumPy on every device."""

import itertools
import math
import re
import warnings

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.autograd import gradcheck, gradgradcheck

# x is float32 (3, 4, 5), n the same with some NaN, i int32, u uint8, b bool, s 0-d, e (0, 3)
RESULTS = """
x.sum()
x.sum(0)
x.sum(-1, keepdim=True)
x.sum((0, 2))
x.sum([1, -1], True)
x.sum([])
x.sum(dim=None, keepdim=True)
torch.sum(x, dim=1, dtype=torch.float16)
torch.sum(x, axis=1, keepdims=True)
x.argmax(keepdim=True)
x.amax(keepdim=True)
x.nansum(keepdim=True)
x.std(keepdim=True)
torch.mean(x, out=torch.ones(2).to(x.device))
torch.max(x, dim=torch.tensor(1).to(x.device))
x.any(torch.tensor(1).to(x.device), keepdim=True)
torch.linalg.vector_norm(input=x, axis=1, keepdims=True)
torch.any(u, 0, out=torch.ones(1, dtype=torch.bool).to(x.device))
torch.sum(x, 0, out=torch.ones(4, 5, dtype=torch.float64).to(x.device)).dtype
torch.prod(i, 0, out=torch.ones(4, 5, dtype=torch.float16).to(x.device))
i.sum()
i.sum(0, dtype=torch.int32)
i.sum(dtype=torch.float32)
u.sum(1)
b.sum((0, 1))
b.sum(dtype=torch.float32)
x.half().sum(0)
x.bfloat16().sum(0)
s.sum()
s.sum(0)
s.sum(-1, keepdim=True)
e.sum()
e.sum(0)
e.sum(1)
e.sum(1, keepdim=True)
x.mean()
x.mean((0, -1))
x.mean(1, True)
x.mean(dtype=torch.float16)
i.mean(dtype=torch.float32)
i.mean(0, dtype=float)
e.mean()
e.mean(0)
e.mean(1)
s.mean()
x.prod()
x.prod(1)
x.prod(-1, keepdim=True)
i.prod(0)
u.prod()
b.prod(2)
i.prod(dtype=torch.float32)
e.prod()
e.prod(1)
s.prod(0)
x.amax()
x.amax(1)
x.amax((0, 2), keepdim=True)
x.amin(())
i.amax(0)
u.amin((0, 1))
b.amax(0)
b.amin()
n.amax(1)
n.amin(2)
e.amax(1)
s.amax(0)
x.max()
x.min()
x.max(1)
x.min(-1, keepdim=True)
x.max(0, True)
torch.max(x, 1)
torch.max(x, dim=1, keepdim=True)
torch.max(x, axis=1)
i.max(0)
u.min(1)
b.max(0)
n.max(2)
n.max()
n.min()
s.max(0)
s.min(-1)
e.max(1)
torch.max(x, -x)
x.min(other=-x)
torch.max(x, i)
torch.max(x, 2).indices.dtype
repr(type(torch.max(i, 2)).__name__)
torch.aminmax(x)
torch.aminmax(x, dim=1)
torch.aminmax(i, dim=0, keepdim=True)
torch.aminmax(n)
x.argmax()
x.argmax(1)
x.argmin(-1, keepdim=True)
x.argmax(keepdim=True)
i.argmax(0)
n.argmax(1)
n.argmin()
s.argmax()
s.argmin(0)
e.argmax(1)
x.permute(2, 0, 1).argmax()
x.any()
x.any(1)
(x > 1).all((0, 2))
(x > -9).all((0, 1), keepdim=True)
x.all(dim=())
i.any(0)
u.all()
u.any(1)
b.any()
e.all()
e.any(0)
s.all()
n.any(2)
torch.count_nonzero(i)
torch.count_nonzero(x > 0, 1)
torch.count_nonzero(u, (0, 2))
torch.count_nonzero(x * 0.001, 0)
torch.count_nonzero(e, 0)
n.nansum()
n.nansum(1, True)
n.nansum(2, dtype=torch.float16)
i.nansum(0)
n.nanmean()
n.nanmean((0, 1))
e.nanmean(0)
x.var()
x.var(1)
x.var((0, 1), keepdim=True)
x.var(False)
x.var(1, False)
x.var(1, True, True)
x.var(1, correction=0)
x.var(dim=None, correction=2.5)
torch.var(x, unbiased=False)
x.var(0, correction=7)
s.var()
e.var(1)
x.std()
x.std(2)
x.std(-1, unbiased=False, keepdim=True)
x.std((0, 2), correction=0)
x.half().std(1)
torch.var_mean(x)
torch.var_mean(x, 1)
torch.var_mean(x, (0, 1), correction=0, keepdim=True)
torch.std_mean(x, False)
torch.std_mean(x, dim=2)
x.logsumexp(1)
x.logsumexp((0, 2), keepdim=True)
(x * 100).logsumexp(0)
i.logsumexp(0)
e.logsumexp(0)
e.logsumexp(1)
torch.tensor([[-math.inf, -math.inf], [math.inf, 1], [math.nan, 0]]).logsumexp(1)
x.norm()
x.norm(1)
x.norm(math.inf, 1)
x.norm(-math.inf, 2)
x.norm(0)
x.norm(3, (0, 1))
x.norm(-1, 0)
x.norm(0.5, dim=1, keepdim=True)
x.norm("fro", (0, 1))
x.norm(2, dim=0, dtype=torch.float64)
torch.norm(x, dim=1)
torch.frobenius_norm(x, 1)
e.norm()
e.norm(dim=1)
e.norm(math.inf, dim=1)
x.half().norm(dim=0)
s.norm()
s.norm(math.inf)
x.norm(3, (0, 2), keepdim=True)
x.half().norm(dtype=torch.float32)
torch.dist(x, 2 * x)
torch.dist(x, x[0], 1)
torch.dist(x, s, 0)
""".strip().splitlines()

ERRORS = """
x.sum(3)
x.sum((0, 0))
x.sum((0, -3))
x.sum("a")
x.sum(1.5)
x.sum(keepdim=True)
x.mean(keepdim=False)
x.prod(keepdim=True)
torch.max(x, keepdim=True)
x.min(keepdim=True)
x.median(keepdim=True)
x.nanmedian(None)
x.prod(None)
x.max(dim=None)
torch.sum(x, out=torch.ones(2))
torch.prod(x, out=torch.ones(2))
torch.median(x, out=torch.ones(2))
x.sum(0, 1)
x.sum(0, keepdim=1)
x.amax(0, keepdim=None)
x.argmax(0, keepdim="a")
x.mode(0, keepdim=1)
x.quantile(0.5, keepdim=1)
torch.linalg.vector_norm(x, keepdim=1)
x.std(dim=True)
x.logsumexp(None)
torch.any(x, out=torch.ones(2))
torch.all(x, 0, out=torch.ones(2, dtype=torch.int64))
x.nanmean(dtype=torch.int64)
x.dist(2)
torch.trapezoid(x, 2)
x.sum(dtype="a")
torch.sum([1])
i.mean()
x.mean(dtype=torch.int32)
x.prod((0,))
x.prod(5)
e.amax()
e.amax(0)
e.amin((0, 1))
e.max()
e.max(0)
e.min(0)
e.aminmax()
e.aminmax(dim=0)
e.argmax()
e.argmin(0)
b.argmax()
x.argmax((0,))
x.argmax(3)
x.max(3)
x.max(1.5)
torch.max(x, x[0, 0, :2])
s.sum(1)
s.max(1)
i.var()
i.std(0)
x.var(4)
i.norm()
e.norm(math.inf)
e.norm(-1)
e.norm(math.inf, 0)
x.norm(2, 4)
x.norm(dtype=torch.int32)
x.all((1, 1))
i.nanmean()
torch.dist(x, x[:, :2])
torch.logsumexp(x, 3)
torch.mean(x, 0, out=torch.ones(4, 5, dtype=torch.int32))
torch.count_nonzero(x, 3)
""".strip().splitlines()


DEVICES = [f"cl:{i}" for i in range(cltorch.cl.device_count())]
# texts of the host alone: dtypes are the business of the kernels' own tests, which share their programs
OTHER_DTYPES = re.compile(r"^[iub]\.|half|bfloat16|\([iu][,)]|float16")


def fp64(device):
    d = cltorch.device(device)
    return d.type == "cpu" or d.context.caps.fp64


def run(text, module, device="cpu"):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    n = x.copy()
    n[rng.random(n.shape) < 0.2] = np.nan
    i = rng.integers(-3, 4, x.shape)
    arrays = {
        "x": x, "n": n, "i": i.astype(np.int32), "u": (i % 3).astype(np.uint8), "b": i > -2, "s": np.float32(2.5),
        "e": np.empty((0, 3), np.float32),
    }  # fmt: skip
    scope = {k: module.tensor(a).to(device) if module is cltorch else module.tensor(a) for k, a in arrays.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, {"torch": module, "math": math, **scope})


def plain(x):
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) in ("torch.bfloat16", "torch.float16") else x).numpy()


def same(ours, theirs):
    if isinstance(theirs, tuple) and not isinstance(theirs[0], str):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    elif hasattr(theirs, "shape"):
        assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
        rtol = {"torch.float16": 2e-3, "torch.bfloat16": 1e-2}.get(str(theirs.dtype), 3e-6)
        np.testing.assert_allclose(plain(ours), plain(theirs), rtol=rtol, atol=rtol / 3)
    else:
        assert str(ours) == str(theirs)


@pytest.mark.parametrize(
    "text, device", [(t, d) for t in RESULTS for d in (["cpu"] if OTHER_DTYPES.search(t) else ["cpu", *DEVICES])]
)
def test_result_is_torchs(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if ("float64" in text or "dtype=float)" in text) and not fp64(device):
        pytest.skip("the device has no float64")
    same(run(text, cltorch, device), run(text, torch))


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    with pytest.raises(Exception) as ours:
        run(text, cltorch)
    assert isinstance(ours.value, (RuntimeError, TypeError, ValueError, IndexError)) and str(ours.value)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        run(text, torch)
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


FUNCTIONS = {
    "sum": {}, "prod": {}, "amax": {}, "amin": {}, "any": {}, "all": {}, "max": {}, "argmin": {}, "count_nonzero": {},
    "mean": {}, "nansum": {}, "nanmean": {}, "var": {}, "std": {}, "logsumexp": {}, "norm": {},
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_result_dtype_of_every_dtype_is_torchs(name):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for t in dtypes.ALL:
        a = cltorch.ones(2, 3).to(t)
        b = torch.ones(2, 3).to(getattr(torch, t.name))
        if name == "norm":
            call = lambda x: x.norm(dim=1)  # noqa: E731
        else:
            call = lambda x: getattr(x, name)(1)  # noqa: E731
        try:
            theirs = call(b)
        except Exception as error:
            with pytest.raises(type(error)):
                call(a)
            continue
        same(call(a), theirs)


def test_int64_sums_wrap_and_narrow_ones_do_not(device):
    big = cltorch.full((3,), 2**62, dtype=dtypes.int64, device=device)
    assert big.sum().item() == np.full(3, 2**62).sum()
    assert cltorch.full((1000,), 127, dtype=dtypes.int8, device=device).sum().item() == 127_000
    assert cltorch.full((70,), 2, dtype=dtypes.int32, device=device).prod().item() == 0
    assert cltorch.full((40,), 3, dtype=dtypes.int32, device=device).prod().item() == 3**40 - 2**64 * (3**40 >> 63 & 1)


def test_extremes_of_the_ends_of_int64(device):
    x = cltorch.tensor([[-(2**63), 2**63 - 1], [5, -5]], device=device)
    assert x.amax().item() == 2**63 - 1 and x.amin().item() == -(2**63)
    assert x.max(1).values.tolist() == [2**63 - 1, 5] and x.argmin(1).tolist() == [0, 1]


def test_half_sums_do_not_overflow_on_the_way(device):
    x = cltorch.full((4000,), 100.0, dtype=dtypes.float16, device=device)
    assert x.mean().item() == 100.0
    assert x.sum().item() == math.inf
    assert (x - x).sum().item() == 0


def test_out_is_resized_and_filled(device):
    x = cltorch.arange(6.0, device=device).reshape(2, 3)
    out = cltorch.empty(0, device=device)
    assert cltorch.sum(x, 0, out=out) is out and out.tolist() == [3, 5, 7]
    values, at = cltorch.empty(0, device=device), cltorch.empty(0, dtype=dtypes.int64, device=device)
    cltorch.max(x, 1, out=(values, at))
    assert values.tolist() == [2, 5] and at.tolist() == [2, 2]
    for f in (cltorch.mean, cltorch.amax, cltorch.std, cltorch.logsumexp, cltorch.nansum, cltorch.norm):
        f(x, dim=1, out=out)
        np.testing.assert_allclose(out.cpu().numpy(), f(x, dim=1).cpu().numpy())
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        cltorch.sum(x.clone().requires_grad_(), 0, out=out)
    with pytest.raises(RuntimeError, match=r"^max\(\): functions with out=... arguments don't support"):
        cltorch.max(x.clone().requires_grad_(), 1, out=(values, at))


def test_no_freedom_warns(device):
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert math.isnan(cltorch.ones(1, device=device).std().item())
    with pytest.warns(UserWarning, match="degrees of freedom"):
        cltorch.var_mean(cltorch.ones(3, device=device), correction=3)


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
def test_moments_are_of_tensors(name):
    with pytest.raises(TypeError, match=rf"{name}\(\): argument 'input' \(position 1\) must be Tensor, not set"):
        getattr(cltorch, name)({1})


def leaf(a, device):
    return cltorch.tensor(a, dtype=dtypes.float64, device=device, requires_grad=True)


DIFFERENTIABLE = {
    "sum": lambda x: x.sum(1),
    "sum of two": lambda x: x.sum((0, 2), keepdim=True),
    "mean": lambda x: x.mean((1, 2)),
    "prod": lambda x: x.prod(1),
    "prod of all": lambda x: x.prod(),
    "amax": lambda x: x.amax(1),
    "amin": lambda x: x.amin((0, 1), keepdim=True),
    "max": lambda x: x.max(2).values,
    "min": lambda x: x.min(0, keepdim=True)[0],
    "max of all": lambda x: x.max(),
    "aminmax": lambda x: cltorch.aminmax(x, dim=1),
    "nansum": lambda x: x.nansum(1),
    "nanmean": lambda x: x.nanmean((0, 1)),
    "var": lambda x: x.var(1),
    "var of all": lambda x: x.var(correction=0.5),
    "std": lambda x: x.std((0, 2)),
    "var_mean": lambda x: cltorch.var_mean(x, 1),
    "logsumexp": lambda x: x.logsumexp((0, 1)),
    "norm": lambda x: x.norm(),
    "norm 1": lambda x: x.norm(1, 0),
    "norm 3": lambda x: x.norm(3, 1, keepdim=True),
    "norm inf": lambda x: x.norm(math.inf, (1, 2)),
    "norm -inf": lambda x: x.norm(-math.inf, 1),
    "norm -1.5": lambda x: x.norm(-1.5, 1),
    "norm 0": lambda x: x.norm(0, 1),
    "dist": lambda x: cltorch.dist(x, x[0] * 0.5 + 1, 1.5),
}


ON_DEVICES = (
    "sum of two",
    "mean",
    "prod",
    "amax",
    "max",
    "var",
    "std",
    "logsumexp",
    "norm",
)  # the others are made alike


@pytest.mark.parametrize(
    "name, device", [(n, d) for n in DIFFERENTIABLE for d in (["cpu", *DEVICES] if n in ON_DEVICES else ["cpu"])]
)
def test_gradients_of_first_and_second_order(name, device):
    if not fp64(device):
        pytest.skip("the device has no float64")
    f = DIFFERENTIABLE[name]
    a = np.random.default_rng(0).permutation(np.linspace(-2, 2.3, 12)).reshape(2, 3, 2)
    gradcheck(f, (leaf(a, device),))
    if device == "cpu":  # they are made of the same functions on every device
        gradgradcheck(f, (leaf(a, device),))


def test_gradients_of_views(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    a = np.random.default_rng(1).standard_normal((4, 3))
    gradcheck(lambda x: x.t()[::2].sum(1), (leaf(a, device),))
    gradcheck(lambda x: x[1:, 1].expand(2, 3).amax(0), (leaf(a, device),))
    gradcheck(lambda x: x[:, 1].std(), (leaf(a, device),))


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_prod_with_zeros_has_both_derivatives(zeros, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    a = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])
    a.reshape(-1)[[1, 3][:zeros]] = 0
    for f in (lambda x: x.prod(), lambda x: x.prod(1), lambda x: x.prod(0, keepdim=True)):
        gradcheck(f, (leaf(a, device),))
        if device == "cpu":  # they are made of the same functions on every device
            gradgradcheck(f, (leaf(a, device),))


def test_ties_share_or_first_takes_all(device):
    x = cltorch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], device=device, requires_grad=True)
    (shared,) = cltorch.autograd.grad(x.amax(1).sum(), x)
    np.testing.assert_allclose(shared.cpu().numpy(), [[0, 0.5, 0.5], [1 / 3] * 3], rtol=1e-6)
    (first,) = cltorch.autograd.grad(x.max(1).values.sum(), x)
    assert first.tolist() == [[0, 1, 0], [1, 0, 0]]
    (all_of_them,) = cltorch.autograd.grad(x.max(), x)
    assert all_of_them.tolist() == [[0, 0.5, 0.5], [0, 0, 0]]


def test_gradient_at_zero_norm_and_zero_std_is_zero(device):
    for f in (lambda x: x.norm(), lambda x: x.norm(3), lambda x: x.norm(1), lambda x: x.std()):
        x = cltorch.zeros(3, device=device, requires_grad=True)
        (g,) = cltorch.autograd.grad(f(x), x)
        assert g.tolist() == [0, 0, 0]


def test_gradients_keep_the_dtype(device):
    for t in (dtypes.float16, dtypes.bfloat16) if device == "cpu" else (dtypes.bfloat16,):
        x = cltorch.ones(4, dtype=t, device=device, requires_grad=True)
        (g,) = cltorch.autograd.grad(x.sum(dtype=dtypes.float32) + x.mean() + x.norm() + x.var(), x)
        assert g.dtype is t
    i = cltorch.ones(4, dtype=dtypes.int64, device=device)
    assert not i.sum().requires_grad and not cltorch.ones(2, device=device, requires_grad=True).argmax().requires_grad


def test_against_numpy_without_torch(device):
    a = np.random.default_rng(2).standard_normal((4, 6, 5)).astype(np.float32)
    x = cltorch.tensor(a, device=device)
    for k in range(4):
        for dims in itertools.combinations(range(3), k):
            if not dims:
                continue
            for ours, theirs in (
                (x.sum(dims), a.sum(dims)),
                (x.mean(dims), a.mean(dims)),
                (x.amax(dims), a.max(dims)),
                (x.var(dims), a.var(dims, ddof=1)),
                (x.std(dims, correction=0), a.std(dims)),
                (x.logsumexp(dims), np.log(np.exp(a).sum(dims))),
                (x.norm(2, dims), np.sqrt((a * a).sum(dims))),
            ):
                np.testing.assert_allclose(plain(ours), theirs, rtol=1e-5, atol=1e-6)


def test_reductions_are_of_up_to_64_dimensions(cl_device):
    x = cltorch.ones([1] * 65, device=cl_device)
    for f in (cltorch.sum, cltorch.amax, cltorch.std, cltorch.logsumexp):
        with pytest.raises(RuntimeError, match="up to 64 dims are supported, but got 65"):
            f(x, 1)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
def test_gradients_of_a_spread_without_freedom(device):
    def both(values, correction, f=cltorch.var):
        x = cltorch.tensor(values, device=device, requires_grad=True)
        (g,) = cltorch.autograd.grad(f(x, dim=0, correction=correction), x)
        x = x.detach()
        _, tangent = cltorch.func.jvp(lambda x: f(x, dim=0, correction=correction), (x,), (x + 1,))
        return g.tolist(), tangent.item()

    inf = math.inf
    assert both([], 1) == ([], 0) and both([], 0) == ([], 0)
    assert both([1.0, 2.0], 3) == ([1, -1], -1) and both([1.0, 1.0], 3) == ([0, 0], 0)
    assert both([1.0, 2.0], 2)[0] == [-inf, inf] and both([1.0], 2) == ([0], 0)
    assert np.isnan(both([1.0], 1)[0]).all() and math.isnan(both([], 1, cltorch.std)[1])
    assert both([1.0, 2.0], 3, cltorch.std)[0] == [0, 0]


def test_a_count_hands_no_gradient_on(device):
    for f in (lambda x: x.norm(0), lambda x: cltorch.linalg.vector_norm(x, 0, dim=0)):
        x = cltorch.ones(3, device=device, requires_grad=True)
        assert cltorch.autograd.grad(f(x), x, allow_unused=True) == (None,)
        with pytest.raises(RuntimeError, match="not have been used"):
            cltorch.autograd.grad(f(x), x)
        assert cltorch.func.grad(f)(x).tolist() == [0, 0, 0]
        assert cltorch.func.jvp(f, (x.detach(),), (x.detach(),))[1].item() == 0
