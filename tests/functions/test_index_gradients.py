"""Gradients of everything that reads or writes by index, and what autograd records of it."""

import warnings

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.autograd import gradcheck, gradgradcheck
from tests.functions.test_index import plain


def assigned(x, index, value):
    x = x.clone()
    x[index] = value
    return x


DIFFERENTIABLE = {
    "int": lambda x, w, i: x[1],
    "slices": lambda x, w, i: x[:, 1:, ::2],
    "newaxis": lambda x, w, i: x[None, ..., 1, None],
    "index": lambda x, w, i: x[:, i],
    "two": lambda x, w, i: x[i % 2, :, i],
    "mask": lambda x, w, i: x[x.detach() > 0],
    "set a view": lambda x, w, i: assigned(x, (slice(None), 1), w[:, 0]),
    "set broadcast": lambda x, w, i: assigned(x, (slice(None), slice(1, None)), w[0, 0]),
    "set at an index": lambda x, w, i: assigned(x, (slice(None), i[1:]), w[:, :2]),
    "set at a mask": lambda x, w, i: assigned(x, x.detach() > 0, w[x.detach() > 0]),
    "set a number": lambda x, w, i: assigned(x, (i % 2,), 2.0),
    "index_put": lambda x, w, i: x.index_put((i % 2, i), w[0, :, :3].reshape(3, 3)[:, :, None].expand(3, 3, 4)[:, 0]),
    "index_put add": lambda x, w, i: x.index_put((i % 2,), w[:1], accumulate=True),
    "index_select": lambda x, w, i: x.index_select(1, i),
    "index_add": lambda x, w, i: x.index_add(1, i, w, alpha=0.5),
    "index_copy": lambda x, w, i: x.index_copy(1, i[1:], w[:, :2]),
    "index_fill": lambda x, w, i: x.index_fill(1, i[:1], w[0, 0, 0]),
    "index_reduce": lambda x, w, i: x.index_reduce(1, i, w, "mean"),
    "take": lambda x, w, i: x.take(i * 5),
    "put": lambda x, w, i: x.put(i[1:] * 5, w[0, 0, :2]),
    "put add": lambda x, w, i: x.put(i * 5, w[0, 0, :3], accumulate=True),
    "gather": lambda x, w, i: x.gather(1, i.reshape(1, 3, 1).expand(2, 3, 3)),
    "take_along_dim": lambda x, w, i: cltorch.take_along_dim(x, i.reshape(1, 3, 1), 1),
    "scatter": lambda x, w, i: x.scatter(2, cltorch.arange(3, device=x.device).expand(2, 2, 3), w),
    "scatter add": lambda x, w, i: x.scatter_add(1, i.reshape(1, 3, 1).expand(2, 3, 4), w),
    "scatter multiply": lambda x, w, i: x.scatter(1, i.reshape(1, 3, 1).expand(2, 3, 2), w, reduce="multiply"),
    "masked_fill": lambda x, w, i: x.masked_fill(x.detach() > 0, w[0, 0, 0]),
    "masked_select": lambda x, w, i: x.masked_select(w.detach() > 0.1),
    "masked_scatter": lambda x, w, i: x.masked_scatter(x.detach() > 0, w),
    "where": lambda x, w, i: cltorch.where(x.detach() > 0, x, w[:1]),
    "select_scatter": lambda x, w, i: x.select_scatter(w[0], 0, 1),
    "slice_scatter": lambda x, w, i: x.slice_scatter(w[..., :2], 2, 0, 4, 2),
    "diagonal_scatter": lambda x, w, i: x.diagonal_scatter(w[:, :, 0], 0, 1, 2),
}


def leaves(device):
    rng = np.random.default_rng(0)
    x, w = (
        cltorch.tensor(rng.standard_normal((2, 3, 4)), dtype=dtypes.float64, device=device, requires_grad=True)
        for _ in "xw"
    )
    return x, w


DEVICES = [f"cl:{i}" for i in range(cltorch.cl.device_count())]
# those whose derivatives run a kernel of indexing of their own
ON_DEVICES = ("index", "two", "set at an index", "index_put add", "gather", "scatter", "scatter add", "masked_scatter")


@pytest.mark.parametrize(
    "name, device", [(n, d) for n in DIFFERENTIABLE for d in (["cpu", *DEVICES] if n in ON_DEVICES else ["cpu"])]
)
def test_gradients_of_first_and_second_order(name, device):
    place = cltorch.device(device)
    if place.type == "cl" and not place.context.caps.fp64:
        pytest.skip("the device has no float64")
    i = cltorch.tensor(
        [0, 2, 1] if name in ("index_copy", "index_put", "put", "set at an index") else [2, 0, 2], device=device
    )
    f = DIFFERENTIABLE[name]
    x, w = leaves(device)
    used = [
        k for k, g in enumerate(cltorch.autograd.grad(f(x, w, i).sum(), (x, w), allow_unused=True)) if g is not None
    ]
    both = [x, w]
    for k in (0, 1):
        if k not in used:
            both[k] = both[k].detach()
    gradcheck(lambda a, b: f(a, b, i), both)
    if device == "cpu":  # they are made of the same functions on every device
        gradgradcheck(lambda a, b: f(a, b, i), both)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("how", ["sum", "prod", "mean", "amax", "amin"])
def test_gradients_of_scatter_reduce(how, include_self):
    i = cltorch.tensor([[0, 2, 2], [1, 1, 1]])
    x = cltorch.tensor(np.linspace(-1, 2, 8).reshape(2, 4), requires_grad=True)
    w = cltorch.tensor(np.linspace(1.5, -2.3, 8).reshape(2, 4), requires_grad=True)
    gradcheck(lambda a, b: a.scatter_reduce(1, i, b, how, include_self=include_self), (x, w))
    if how in ("sum", "mean"):
        gradgradcheck(lambda a, b: a.scatter_reduce(1, i, b, how, include_self=include_self), (x, w))


@pytest.mark.parametrize("how", ["prod", "amax", "amin", "mean"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_gradients_with_zeros_and_ties_are_torchs(how, include_self):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    found = []
    own = 0.0 if include_self else 9.0  # PyTorch lets an equal element that takes no part have a share
    for module in (cltorch, torch):
        x = module.tensor([[1.0, own, 3.0, 2.0], [2.0 + own, 2.0, own, 0.0]], requires_grad=True)
        w = module.tensor([[1.5, 0.0, 5.0, 0.0], [2.0, 2.0, 0.0, 0.0]], requires_grad=True)
        i = module.tensor([[0, 1, 1, 3], [0, 0, 2, 2]])
        y = x.scatter_reduce(1, i, w, how, include_self=include_self)
        y.backward(module.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]))
        found.append((plain(x.grad), plain(w.grad)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_gradients_of_parts_of_expanded_tensors(device):
    w = cltorch.ones(2, 3, device=device, requires_grad=True)
    wide = w[:, :, None].expand(2, 3, 4)
    i = cltorch.tensor([1, 1], device=device)
    parts = wide[:, 0], wide.narrow(2, 1, 2), wide.select(0, 1), wide.diagonal(0, 0, 1), wide[:, i], wide[..., 1:3]
    total = [np.zeros((2, 3)) for _ in parts]
    total[0][:, 0] = 4
    total[1][...] = 2
    total[2][1] = 4
    total[3][[0, 1], [0, 1]] = 4
    total[4][:, 1] = 8
    total[5][...] = 2
    for part, expected in zip(parts, total, strict=True):
        (g,) = cltorch.autograd.grad((part * 1).sum(), w, retain_graph=True)
        np.testing.assert_array_equal(plain(g), expected)


def test_setting_through_a_view_of_a_result_is_recorded(device):
    x = cltorch.ones(3, 4, device=device, requires_grad=True)
    w = cltorch.full((2,), 3.0, device=device, requires_grad=True)
    y = x * 2
    y[1, cltorch.tensor([0, 2], device=device)] = w * 5
    y[2][1:3] = w
    (y * y).sum().backward()
    np.testing.assert_array_equal(plain(x.grad), [[8, 8, 8, 8], [0, 8, 0, 8], [8, 0, 0, 8]])
    np.testing.assert_array_equal(plain(w.grad), [2 * 15 * 5 + 6] * 2)


def test_scattering_through_a_view_is_recorded(device):
    x = cltorch.ones(2, 3, device=device, requires_grad=True)
    w = cltorch.tensor([[5.0, 7.0]], device=device, requires_grad=True)
    y = x * 2
    y[1:].scatter_(1, cltorch.tensor([[0, 2]], device=device), w)
    y[:1].scatter_add_(1, cltorch.tensor([[1, 1]], device=device), w)
    (y * y).sum().backward()
    np.testing.assert_array_equal(plain(y), [[2, 14, 2], [5, 2, 7]])
    np.testing.assert_array_equal(plain(x.grad), [[8, 56, 8], [0, 8, 0]])
    np.testing.assert_array_equal(plain(w.grad), [[28 + 10, 28 + 14]])


ON_EXPANDED = """
x.masked_fill_(torch.tensor([[True, False, False], [True, True, False]], device=x.device), 9.0)
x[torch.tensor([[True, False, False], [False, True, False]], device=x.device)] = 9.0
x[torch.tensor([[True, False, False], [False, True, False]], device=x.device)] = torch.ones(2, device=x.device) * 7
x.index_fill_(0, torch.tensor([1], device=x.device), 9.0)
x.index_fill_(1, torch.tensor([2, 0], device=x.device), 9.0)
x[torch.tensor([1, 0], device=x.device)] = torch.arange(6.0, device=x.device).reshape(2, 3)
x[:, torch.tensor([1, 2], device=x.device)] = torch.arange(4.0, device=x.device).reshape(2, 2)
x.index_put_((torch.tensor([0, 1], device=x.device),), torch.arange(6.0, device=x.device).reshape(2, 3), True)
""".strip().splitlines()


@pytest.mark.parametrize("text", ON_EXPANDED)
def test_what_may_be_changed_in_expanded_tensors_warns(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    found = []
    for lib, where in ((cltorch, device), (torch, "cpu")):
        x = lib.tensor([1.0, 2.0, 3.0], device=where).expand(2, 3)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            exec(text, {"torch": lib, "x": x})
        found.append((x.tolist(), bool([w for w in said if "on expanded tensors is deprecated" in str(w.message)])))
    assert found[0] == found[1]
    assert found[0][1]


def test_gradients_of_changes_of_expanded_tensors(device):
    x = cltorch.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    y = (x * 2).expand(2, 3)
    y.masked_fill_(cltorch.tensor([[True, False, False], [False, True, False]], device=device), 5.0)
    y.sum().backward()
    assert y.tolist() == [[5, 5, 6]] * 2
    assert x.grad.tolist() == [0, 0, 4]


@pytest.mark.parametrize("how", ["scatter", "reduce", "index"])
def test_a_change_in_place_keeps_what_its_derivative_reads(how, device):
    x = cltorch.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    s = cltorch.tensor([5.0, 7.0], device=device, requires_grad=True)
    at = cltorch.tensor([0, 2], device=device)
    y = x * 1
    if how == "scatter":
        y.scatter_(0, at, s.detach(), reduce="multiply")
    elif how == "reduce":
        y.scatter_reduce_(0, at, s, "prod")
    else:
        y.index_reduce_(0, at, s, "prod")
    y.sum().backward()
    assert x.grad.tolist() == [5, 1, 7]
    assert how == "scatter" or s.grad.tolist() == [1, 3]


def test_setting_a_leaf_raises(device):
    x = cltorch.ones(3, device=device, requires_grad=True)
    for change in (lambda: x.__setitem__(0, 1), lambda: x.__setitem__(cltorch.tensor([0], device=device), 1)):
        with pytest.raises(RuntimeError, match="a (view of a )?leaf Variable that requires grad"):
            change()
    with cltorch.no_grad():
        x[cltorch.tensor([0], device=device)] = 5
    assert x.tolist() == [5, 1, 1]


def test_changes_are_noticed_by_autograd(device):
    x = cltorch.ones(3, device=device, requires_grad=True)
    y = x * 1
    z = (y * y).sum()
    y[cltorch.tensor([0], device=device)] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_basic_indices_are_views(device):
    x = cltorch.zeros(3, 4, device=device)
    for view in (x[0], x[:, 1], x[..., None], x[1:, ::2], x[()]):
        assert view._base is x
    x[0][1] = 5
    assert x[0, 1].item() == 5 and x[:, 1].tolist() == [5, 0, 0]


def test_an_array_that_is_written_is_read_by_its_clone_only(device):
    x, p = cltorch.arange(6, device=device), cltorch.tensor([2, 0, 1], device=device)
    for places, values in ((cltorch.tensor([0, 1], device=device), x[4:]), (x[:2], 7)):
        with pytest.raises(RuntimeError, match="refer to a single memory location"):
            x[places] = values
    x[1:][x[1:] > 2] = x[:3].clone()
    x[cltorch.tensor([0, 1], device=device)] = x[4:].clone()
    assert x.tolist() == [1, 2, 2, 0, 1, 2]
    p[p.clone()] = p.clone()
    assert p.tolist() == [0, 1, 2]


def test_the_last_of_equal_places_stays(device):
    for n in (5, 5000):
        i = cltorch.arange(n, device=device) % 3
        x = cltorch.zeros(3, device=device)
        x[i] = cltorch.arange(n, device=device).float()
        assert x.tolist() == [max(k for k in range(n) if k % 3 == r) for r in range(3)]
        y = cltorch.zeros(3, device=device).scatter(0, i, cltorch.arange(n, device=device).float())
        assert y.tolist() == x.tolist()


def test_gradients_of_gather_take_the_memory_of_one_result(cl_device):
    x = cltorch.rand(1000, 1000, device=cl_device, requires_grad=True)
    index = cltorch.randint(0, 1000, (1000, 3), device=cl_device)
    for y in (x.gather(1, index), x.cummax(1).values):
        weight = cltorch.ones_like(y)
        (first,) = cltorch.autograd.grad(y, x, weight, retain_graph=True)
        del first
        cltorch.cl.synchronize()
        cltorch.cl.reset_peak_memory_stats()
        before = cltorch.cl.memory_allocated()
        (g,) = cltorch.autograd.grad(y, x, weight)
        assert cltorch.cl.max_memory_allocated() - before < 1.5 * 4 * x.numel()
        assert g.sum() == y.numel()
        del g
