"""Indexing and what reads or writes by index: results and errors of PyTorch, and what a device does instead."""

import math
import warnings

import numpy as np
import pytest

import cltorch
from cltorch.device import debug

# x is float32 (2, 3, 4), y a permuted view (4, 2, 3), z 0-d, v (5), b bool like x, m bool (2, 3), i and j int64 (2),
# n int64 (2, 2) with negative ones, k int32 (2), e an empty index, g an index for dimension 1, w positive
RESULTS = """
x[0]
x[-1]
x[1, 2]
x[1, 2, 3]
x[1:]
x[:, ::2]
x[..., 1]
x[0, ...]
x[..., 1:, None]
x[None]
x[None, 0, None, :, None]
x[:, None, 1:3, ..., ::3]
x[5:1]
x[-2:, -2:, -9:9]
x[()]
x[...]
x[..., ...]
z[...]
z[None]
z[()]
z[..., None]
y[1]
y[1:, :, ::2]
y[None, ..., 0]
x[True]
x[False]
x[None, True]
z[True]
z[False]
x[np.int64(1)]
x[np.array(1)]
x[np.int64(1):]
x[torch.tensor(1)]
x[torch.tensor(1, dtype=torch.int8)]
x[torch.tensor(1):]
x[torch.tensor(True)]
z[torch.tensor(True)]
z[torch.tensor(False)]
x[i]
x[j]
x[k]
x[n]
x[e]
x[[]]
x[[0, 1]]
x[[True, False]]
x[(0, 1),]
x[range(2)]
x[np.array([1, 0])]
x[np.array([True, False])]
x[[0, 1], [1, 2]]
x[[[0, 1], [1, 2]]]
x[[[[0, 1], [1, 0]]]]
x[[slice(0, 1), 1]]
x[[0.7]]
x[[torch.tensor(0), torch.tensor(1)]]
x[:, i]
x[:, :, n]
x[i, i]
x[i, j]
x[i, :, i]
x[i, None, j]
x[:, i, j]
x[:, n, i]
x[n, :, n]
x[None, i]
x[i, None]
x[..., i]
x[i, ...]
x[0, :, i]
x[i, :, 0]
x[:, 0, i]
x[:, i, 0]
x[i, 0, j]
x[n[:, :1], i]
x[i[:1], n]
x[1:, i, ::2]
x[None, i, None, j]
x[e, e]
x[e, :, n[:0, 0]]
y[i]
y[:, i]
y[:, :, n]
y[i, :, i]
x[b]
x[m]
x[m, 1]
x[m, i[:1]]
x[:, m[0]]
x[:, b[0]]
x[0, b[0]]
x[0, m[0], 1:]
x[m[:, 0]]
x[m[:, 0], m[0]]
x[b & ~b]
y[y > 0]
y[:, m]
y[:2][y[:2] > 0]
v[v > 0]
v[[0, 0, 4]]
v[None, i]
x.bool()[i]
x.half()[b]
x.to(torch.uint8)[:, i]
x.int()[m]
x.index_select(0, j)
x.index_select(1, i)
x.index_select(-1, k)
x.index_select(1, i[0])
y.index_select(0, j)
z.index_select(0, i[:1] * 0)
x.index_select(0, e)
torch.index_select(x, 2, i)
x.gather(1, g)
x.gather(0, g[:, :1] % 2)
x.gather(2, g[..., :2])
x.gather(-1, g.int())
y.gather(2, g.permute(2, 0, 1))
z.gather(0, i * 0)
z.gather(0, i[0] * 0)
x.gather(1, g[:, :0])
v.gather(0, i)
x.half().gather(1, g)
x.bool().gather(1, g)
torch.take_along_dim(x, g, 1)
torch.take_along_dim(x, g[:, :1, :1], 1)
torch.take_along_dim(x, i)
torch.take_along_dim(x, x.argsort(2), 2)
x.take(n)
y.take(n)
torch.take(z, i * 0)
torch.nonzero(b)
torch.nonzero(m, as_tuple=True)
torch.nonzero(z)
torch.nonzero(z, as_tuple=True)
torch.nonzero(y > 0)
torch.nonzero(x * 0)
torch.nonzero(v.half())
torch.nonzero_static(b, size=3)
torch.nonzero_static(m, size=9, fill_value=7)
torch.argwhere(m)
torch.argwhere(z)
torch.where(b)
torch.where(b, x, -x)
torch.where(b, x, 1.0)
torch.where(b, 1, x)
torch.where(b, 1, 2)
torch.where(b, 1.5, 2)
torch.where(b, x.double().to(torch.float16), x)
torch.where(m[..., None], x, z)
torch.where(b, x.int(), x)
torch.where(z > 0, x, 0)
x.where(b, z)
x.masked_fill(b, 7)
x.masked_fill(m[..., None], -math.inf)
x.masked_fill(b, z)
x.int().masked_fill(b, 2.9)
x.half().masked_fill(b, 0.1)
b.masked_fill(b, False)
v.masked_fill(b.reshape(-1)[:5], 0)
x.masked_select(b)
x.masked_select(m[..., None])
v.masked_select(n[:, :1] > 0)
x.masked_scatter(b, x * 10)
x.masked_scatter(m[..., None], w)
y.masked_scatter(y > 0, w)
x.scatter(1, g, w)
x.scatter(1, g, 5)
x.scatter(1, g, value=2.5)
x.scatter(1, g[:, :1, :2], w)
x.scatter(2, g % 4, x, reduce="add")
x.scatter(0, g % 2, 3.0, reduce="multiply")
x.scatter(1, g, w, reduce="multiply")
z.scatter(0, i[:1] * 0, v[:1])
z.scatter(0, i[0] * 0, 5.0)
y.scatter(1, g.permute(2, 0, 1) % 2, w.permute(2, 0, 1))
x.scatter_add(1, g, w)
x.scatter_add(0, g[:, :2] % 2, w)
x.int().scatter_add(2, g, w.int())
x.half().scatter_add(1, g, w.half())
x.scatter_reduce(1, g, w, "sum")
x.scatter_reduce(1, g, w, "prod", include_self=False)
x.scatter_reduce(1, g, w, "prod")
x.scatter_reduce(1, g, w, "mean")
x.scatter_reduce(1, g, w, "mean", include_self=False)
x.scatter_reduce(1, g, w, "amax")
x.scatter_reduce(1, g, w, "amin", include_self=False)
x.scatter_reduce(0, g % 2, w, "amax", include_self=False)
x.int().scatter_reduce(1, g, w.int(), "mean")
x.int().scatter_reduce(1, g, w.int(), "amin", include_self=False)
x.int().scatter_reduce(1, g, -w.int(), "amax", include_self=False)
x.index_add(1, i, w[:, :2])
x.index_add(0, i * 0, w, alpha=2)
x.index_add(2, k, w[..., :2])
y.index_add(0, i, w.permute(2, 0, 1)[:2])
x.int().index_add(1, i * 0, w.int()[:, :2], alpha=-3)
v.index_add(0, i, v[:2])
x.half().index_add(1, i, w.half()[:, :2])
x.index_copy(1, i, w[:, :2])
y.index_copy(0, j, w.permute(2, 0, 1)[:2])
x.index_fill(1, i, 9)
x.index_fill(2, i - 2, z)
x.int().index_fill(0, i[:1], 2.7)
x.index_reduce(1, i, w[:, :2], "prod")
x.index_reduce(1, i * 0, w[:, :2], "mean")
x.index_reduce(1, i * 0, w[:, :2], "mean", include_self=False)
x.index_reduce(0, i * 0, w, "amax", include_self=False)
x.index_reduce(2, i, w[..., :2], "amin")
x.index_put((i, j), torch.ones(4).to(x.device))
x.index_put((i, j), w[0, :2], accumulate=True)
x.index_put((m,), z)
x.index_put((b,), v[:1], accumulate=True)
x.index_put((i * 0,), w, accumulate=True)
x.put(n, w.reshape(-1)[:4].reshape(2, 2))
x.put(n * 0, w.reshape(-1)[:4], accumulate=True)
y.put(i, v[:2])
x.select_scatter(w[0], 0, 1)
x.select_scatter(w[..., 0], -1, -1)
y.select_scatter(w[0, 0, :3] + y[0] * 0, 0, 2)
x.slice_scatter(w[:, :1], 1, 1, 2)
x.slice_scatter(w[..., :2], 2, 0, 4, 2)
x.slice_scatter(w)
x.diagonal_scatter(torch.ones(4, 2).to(x.device))
x.diagonal_scatter(torch.ones(2, 3).to(x.device), 0, 1, 2)
x.as_strided_scatter(v[:2], (2,), (5,), 1)
v.as_strided_scatter(w[0, 0, :2], (2,), (3,))
""".strip().splitlines()

# statements that change x, y or v
CHANGES = """
x[0] = 5
x[0] = 2.5
x[0] = True
x[...] = 1
x[:, 1] = w[:, 0]
x[:, 1:, ::2] = z
x[0, 0] = w[:1, :1, 0, None]
x[1] = v[:4]
x[0] = v[:4].double().to(torch.float16)
x[0] = v[:4].int()
x[()] = 3
x[None] = w
x[True] = 4
x[False] = 4
x[torch.tensor(True)] = 4
x[0] = np.float64(2)
y[1] = 0
y[:, :, 1:] = w.permute(2, 0, 1)[:, :, :2]
x[i] = 1
x[i] = w
x[:, i] = w[:, :2]
x[:, :, n] = w[:, :1, :2, None]
x[i, i] = v[:4]
x[i, :, i] = z
x[i, :, j] = w[0, :2, :3]
x[0, i] = 7
x[:, i, j] = 2
x[:, i, 0] = v[:2]
x[e] = 5
x[b] = 0
x[b] = w[b]
x[m] = 0
x[m] = v[:4]
x[m, 1] = 9
x[:, m[0]] = 3
x[0, b[0]] = 3
x[m[:, 0]] = w[:1]
x[x > 0] *= 2
x[b & ~b] = 1
y[i] = w[:, :2].permute(0, 1, 2)[:, :, :3]
y[y > 0] = -1
v[[0, 0, 0]] = z
v[v > 0] = v[v > 0] * 2
v[i] = v[j + 1]
x[range(2), [0, 1]] = 6
x[np.array([0, 1])] = 6
x[:, [True, False, True]] = 5
x[i] += 1
x[:, -1] -= w[:, 0]
x.index_put_((i * 0,), w, accumulate=True)
x.index_add_(1, i, w[:, :2])
x[1].index_add_(0, i * 0, w[0, :2])
x.index_copy_(2, j, w[..., :2])
x.index_fill_(0, i[:1], 8)
x.index_reduce_(1, i, w[:, :2], "amax")
x.scatter_(1, g, 4)
x.scatter_(2, g[..., :2], w)
x.scatter_(1, g, w, reduce="add")
x.scatter_(1, g, w, reduce="multiply")
y.scatter_(1, g.permute(2, 0, 1) % 2, w.permute(2, 0, 1))
x[0].scatter_add_(0, g[0], w[0])
x.scatter_add_(1, g, w)
x.scatter_reduce_(1, g, w, "amin")
x.masked_fill_(b, 1)
x.masked_scatter_(b, w)
x.put_(n, w.reshape(-1)[:4].reshape(2, 2))
y.put_(i, v[:2], accumulate=True)
x[0].fill_diagonal_(3)
x[0].t().fill_diagonal_(3, wrap=True)
x.reshape(12, 2).fill_diagonal_(3, wrap=True)
x.reshape(12, 2).fill_diagonal_(3)
x[:, :, :3][:, :2][None, 0].fill_diagonal_(1) if False else x[0, :, :3].fill_diagonal_(1)
""".strip().splitlines()

ERRORS = """
x.index_copy_(0, i, 1.5)
x[2]
x[-3]
x[0, 0, 4]
x[0, 0, 0, 0]
x[..., 0, 0, 0, 0]
x[::-1]
x[::0]
x[1.0]
x["a"]
x[{}]
x[object()]
x[torch.tensor(1.0)]
x[torch.tensor([])]
x[torch.tensor([1], dtype=torch.int8)]
x[torch.tensor([1], dtype=torch.int16)]
x[i + 1]
x[i - 3]
x[:, i + 3]
x[0, i + 2]
x[i, torch.tensor([0, 1, 2])]
x[b[0]]
x[m[0]]
x[:, m]
z[0]
z[:]
z[i]
z[0, ...]
x[0] = [1, 2, 3, 4]
x[0] = np.ones(4)
x[0] = "a"
x[0] = None
x[0] = v
x[i] = torch.tensor([1])
x[i] = w.double()
x[i] = v
x[i] = w[None, None].expand(2, 1, 2, 3, 4)
x[b] = v
x[5] = 1
x[i + 1] = 1
x.index_put((i,), torch.tensor([1]))
x.index_put((i, i, i, i), z)
x.index_select(0, i + 1)
x.index_select(0, i - 1)
x.index_select(0, n)
x.index_select(0, i.float())
x.index_select(3, i)
z.index_select(0, i)
x.index_add(0, i[:1], w)
x.index_add(0, i, w.double())
x.index_add(0, i + 1, w)
x.index_add(0, i, w[:, :2])
x.index_copy(0, i, w[:1])
x.index_copy(0, i, w.double())
x.index_fill(0, i, v)
x.index_fill(0, i + 4, 1)
x.index_reduce(0, i, w, "sum")
x.take(n + 30)
x.take(k)
x.put(i, v)
x.put(i, v[:2].double())
x.gather(0, i)
x.gather(1, g + 3)
x.gather(1, g - 5)
x.gather(1, g.float())
x.gather(0, g.repeat(1, 2, 1))
x.scatter(1, g, w.double())
x.scatter(1, g + 3, 1.0)
x.scatter(1, g, w, reduce="foo")
x.scatter_add(1, g.repeat(1, 2, 1), w)
x.scatter_reduce(1, g, w, "foo")
x.masked_fill(b, v)
x.masked_fill(x, 1)
x.masked_select(x)
x.masked_scatter(b, v[:0])
x.masked_scatter(b, w.double())
torch.where(x, x, x)
torch.take_along_dim(x, i, 1)
x.select_scatter(x[0], 0, 5)
x.select_scatter(x[0, 0], 0, 0)
x.slice_scatter(x[:1], 0, 0, 2)
x.diagonal_scatter(x[0])
x.fill_diagonal_(1)
v.fill_diagonal_(1)
""".strip().splitlines()


def scope(module, device="cpu"):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    arrays = {
        "x": x.copy(), "z": np.float32(0.75), "v": rng.standard_normal(5).astype(np.float32), "b": x > 0,
        "m": np.array([[True, False, True], [True, True, False]]), "i": np.array([0, 1]), "j": np.array([1, 0]),
        "n": np.array([[0, -1], [-2, 1]]), "k": np.array([1, 0], np.int32), "e": np.zeros(0, np.int64),
        "g": rng.integers(0, 3, (2, 3, 4)), "w": (1 + rng.random((2, 3, 4))).astype(np.float32),
    }  # fmt: skip
    names = {k: module.tensor(a) for k, a in arrays.items()}
    y = module.tensor(np.ascontiguousarray(x.transpose(1, 2, 0)))
    if module is cltorch:
        names = {k: a.to(device) for k, a in names.items()}
        y = y.to(device)
    return {"torch": module, "np": np, "math": math, **names, "y": y.permute(1, 2, 0)}


def plain(x):
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) in ("torch.bfloat16", "torch.float16") else x).numpy()


def same(ours, theirs):
    if isinstance(theirs, tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
        return
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    rtol = 2e-3 if "16" in str(theirs.dtype) else 1e-6
    np.testing.assert_allclose(plain(ours), plain(theirs), rtol=rtol, atol=rtol / 10)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield


@pytest.mark.parametrize("text", RESULTS)
def test_result_is_torchs(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if "double" in text and cltorch.device(device).type == "cl" and not cltorch.device(device).context.caps.fp64:
        pytest.skip("the device has no float64")
    same(eval(text, scope(cltorch, device)), eval(text, scope(torch)))


@pytest.mark.parametrize("text", CHANGES)
def test_change_is_torchs(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if "double" in text and cltorch.device(device).type == "cl" and not cltorch.device(device).context.caps.fp64:
        pytest.skip("the device has no float64")
    ours, theirs = scope(cltorch, device), scope(torch)
    for names in (ours, theirs):
        exec(text, names)
    for name in "xyv":
        same(ours[name], theirs[name])


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    with pytest.raises(Exception) as ours:
        exec(text, scope(cltorch))
    assert isinstance(ours.value, (RuntimeError, TypeError, ValueError, IndexError)) and str(ours.value)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        exec(text, scope(torch))
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


def test_what_is_written_lies_apart_from_what_is_read(device):
    at, flags = cltorch.tensor([2, 1, 0], device=device), cltorch.tensor([True, False, True], device=device)
    x = cltorch.arange(6.0, device=device)
    for refused in (
        lambda: x.index_put_((at,), x[0]),
        lambda: x.index_put_((at,), x[:3]),
        lambda: at.index_put_((at,), at.clone()),
        lambda: at.index_put_((at.clone(),), at),
        lambda: at.index_fill_(0, at, 0),
        lambda: flags[1:].masked_fill_(flags[:-1], False),
    ):
        with pytest.raises(RuntimeError, match="unsupported operation"):
            refused()
    assert at.tolist() == [2, 1, 0] and flags.masked_fill_(flags, False).tolist() == [False] * 3
    flags[flags.logical_not()] = True
    flags[flags] = cltorch.tensor(False, device=device)
    assert x.tolist() == [0, 1, 2, 3, 4, 5] and flags.tolist() == [False] * 3


def test_an_index_without_elements_scatters_nothing(device):
    x, none = cltorch.arange(4.0, device=device), cltorch.zeros(0, 4, dtype=cltorch.int64, device=device)
    for result in (x.scatter(0, none, none.float()), x.scatter(0, none, 3.0), x.scatter_add(0, none, none.float())):
        assert result.tolist() == [0, 1, 2, 3]
    assert x.scatter_(0, none, none.float()).tolist() == x.scatter_reduce(0, none, none.float(), "amax").tolist()


def test_nothing_is_taken_from_nothing(device):
    with pytest.raises(IndexError, match="tried to take from an empty tensor"):
        cltorch.empty(0, device=device).take(cltorch.tensor([0], device=device))


def test_rows_of_nothing():
    at = cltorch.tensor([0, 5])
    with pytest.raises(RuntimeError, match="indexing axis dim should be positive"):
        cltorch.zeros(0, 3).index_select(0, at)
    with pytest.raises(RuntimeError, match="INDICES element is out of DATA bounds"):
        cltorch.zeros(0, 3).index_select(1, at)
    with pytest.raises(RuntimeError, match="Index has to be a vector/scalar"):
        cltorch.zeros(2).index_fill(0, at[None], 1)
    with pytest.raises(TypeError, match="slice indices must be integers or None or have an __index__ method"):
        cltorch.zeros(3)[0.0:2.0]


def test_errors_say_what_is_wrong():
    x, i = cltorch.zeros(2, 3), cltorch.tensor([0, 5])
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 1 with size 3"):
        x[:, i]
    with pytest.raises(IndexError, match="index 2 is out of bounds for dimension 0 with size 2"):
        x[2]
    with pytest.raises(IndexError, match=r"too many indices for tensor of dimension 2"):
        x[0, 0, 0]
    with pytest.raises(IndexError, match=r"shape of the mask \[3\] at index 0 does not match .* \[2, 3\]"):
        x[cltorch.ones(3).bool()]
    with pytest.raises(IndexError, match=r"could not be broadcast together with shapes \[2\], \[3\]"):
        x[i, cltorch.tensor([0, 1, 2])]
    with pytest.raises(RuntimeError, match=r"value tensor of shape \[4\] cannot be broadcast .* \[2, 3\]"):
        x[cltorch.tensor([0, 1])] = cltorch.zeros(4)


def told(x):
    """Return values after the error that says that an index was out of range."""
    with pytest.raises(cltorch.DeviceIndexError, match="out of bounds"):
        x.device.context.synchronize()
    return plain(x)


@pytest.mark.skipif(debug.wanted(), reason="CLTORCH_DEBUG raises at the launch already")
def test_device_reads_nan_and_writes_nothing_out_of_range(cl_device):
    x = cltorch.arange(12.0, device=cl_device).reshape(3, 4)
    bad = cltorch.tensor([1, 7, -9, 0], device=cl_device)
    got = told(x[bad])
    assert np.isnan(got[1:3]).all() and (got[[0, 3]] == plain(x)[[1, 0]]).all()
    assert (told(x.int()[bad])[1:3] == 0).all() and np.isnan(told(x.half()[:, bad])[:, 1:3]).all()
    assert np.isnan(told(x.index_select(0, cltorch.tensor([-1], device=cl_device)))).all()
    rows = bad.unsqueeze(1).expand(4, 4)
    got = told(x.gather(0, rows))
    assert np.isnan(got[1:3]).all() and (got[[0, 3]] == plain(x)[[1, 0]]).all()
    guard = cltorch.zeros(5, 4, device=cl_device)
    inside = guard[1:4]
    inside[bad] = 1.0
    inside.index_add_(0, bad, cltorch.ones(4, 4, device=cl_device))
    inside.scatter_(0, rows, 5.0)
    inside.scatter_add_(0, rows, cltorch.ones(4, 4, device=cl_device))
    assert told(guard).tolist() == [[0] * 4, [6] * 4, [6] * 4, [0] * 4, [0] * 4]


def test_reading_an_index_tensor_does_not_wait(cl_device):
    x = cltorch.randn(20, 30, device=cl_device)
    i = cltorch.tensor([3, 1], device=cl_device)
    mask = cltorch.ones(20, device=cl_device).bool()
    _, y = x[i], x.clone()
    context = x.device.context
    before = context.syncs
    _ = x[i], x[:, i], x[i, i], x[i, 2:, None], x.gather(0, i.unsqueeze(1)), x.index_select(1, i)
    y[i] = 1
    y[i, i] = x[i, i]
    y[mask] = 0
    y.index_add_(0, i, x[i])
    assert context.syncs == before


def test_complex_products_and_means_by_place(device):
    x, src = cltorch.tensor([1 + 2j, 3, 4], device=device), cltorch.tensor([2j, 3, 1 - 1j], device=device)
    at = cltorch.tensor([0, 1, 0], device=device)
    assert x.scatter(0, at, src, reduce="multiply").tolist() == [(1 + 2j) * 2j * (1 - 1j), 9, 4]
    assert x.scatter_reduce(0, at, src, "prod", include_self=False).tolist() == [2j * (1 - 1j), 3, 4]
    assert x.scatter_reduce(0, at[:2], src, "mean").tolist() == [0.5 + 2j, 3, 4]
    with pytest.raises(NotImplementedError, match="amax.*not implemented for 'ComplexFloat'"):
        x.scatter_reduce(0, at, src, "amax")
    with pytest.raises(RuntimeError, match="does not support automatic differentiation for outputs with complex dtype"):
        x.requires_grad_().scatter_reduce(0, at, src, "prod")


def test_what_numbers_and_short_indices_are_refused(device):
    number, zero = cltorch.tensor(3.0, device=device), cltorch.tensor(0, device=device)
    assert cltorch.take_along_dim(number, zero).tolist() == [3.0]
    for refused in (lambda: cltorch.take_along_dim(number, zero, 0), lambda: number.repeat_interleave(2, dim=0)):
        with pytest.raises(IndexError, match="Dimension specified as 0 but tensor has no dimensions"):
            refused()
    with pytest.raises(IndexError, match=r"index_fill_\(\): Expected dtype int64 for index"):
        cltorch.ones(2, device=device).index_fill(0, zero.int(), 1.0)


def test_no_index_is_looked_at_where_there_are_no_elements(device):
    x, source = (cltorch.ones(2, 0, device=device) for _ in "xs")
    at = cltorch.tensor([1000, 1], device=device)
    assert x[at].shape == x.index_fill(0, at, 2.0).shape == x.index_add(0, at, source).shape == (2, 0)
    assert x.index_put((at,), cltorch.tensor(1.0, device=device)).tolist() == [[], []]
    with pytest.raises(IndexError, match="out of bounds for dimension 0 with size 0"):
        x.t()[at].tolist()
