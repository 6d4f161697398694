"""vmap: every operator on batches against slices one after another, nested, with gradients, and its interface."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cltorch as torch
import cltorch.nn.functional as F
from cltorch import vmap
from cltorch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
from cltorch.autograd import batches
from cltorch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp
from cltorch.ops.op import Op
from cltorch.testing import assert_close
from tests.autograd.test_forward import CALLS, INDEX, SYMMETRIC, double, spd, subclasses

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

# operators that run slice after slice; those of changes in place are made of the others
LOOPS = {"Draw", "EmbeddingBag", "SampleDirichlet", "StandardGamma"}


def outputs(f, *xs):
    out = f(*xs)
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


def one_after_another(f, xs, dims, size):
    rows = [
        outputs(f, *(x if d is None else x.select(d, i) for x, d in zip(xs, dims, strict=True))) for i in range(size)
    ]
    return [torch.stack(list(column)) for column in zip(*rows, strict=True)]


def agrees(f, xs, dims, size=2):
    found = vmap(lambda *given: outputs(f, *given), in_dims=tuple(dims))(*xs)
    for a, b in zip(found, one_after_another(f, xs, dims, size), strict=True):
        assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_every_operator(name):
    f, *shapes = CALLS[name]
    whole = [double(*s, seed=i).detach() for i, s in enumerate(shapes)]
    many = [double(2, *s, seed=i + 10).detach() for i, s in enumerate(shapes)]
    agrees(f, many, [0] * len(many))
    for k in range(len(shapes) if len(shapes) > 1 else 0):  # one of several is a batch, in another dimension
        xs = [many[i].movedim(0, -1) if i == k else x for i, x in enumerate(whole)]
        agrees(f, xs, [-1 if i == k else None for i in range(len(xs))])


@pytest.mark.parametrize("name", SYMMETRIC)
def test_of_symmetric_matrices(name):
    agrees(SYMMETRIC[name], [torch.stack([spd(3, 0).detach(), spd(3, 1).detach()])], [0])


DIFFERENTIATED = (
    "conv,conv transposed,scatter,gather,matmul,views,pool,sort,batch norm,layer norm,loss,scans,join,resample,pad,"
    "regions"
).split(",")


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_gradients_and_tangents_of_batches(name):
    f, *shapes = CALLS[name]
    whole = [double(*s, seed=i).detach() for i, s in enumerate(shapes)]
    many = [double(2, *s, seed=i + 10).detach() for i, s in enumerate(shapes)]

    def total(*xs):
        return sum((y * y).sum() for y in outputs(f, *xs))

    places = tuple(range(len(shapes)))
    agrees(grad(total, argnums=places), many, [0] * len(many))
    if len(shapes) > 1:  # also at what is no batch, every slice has a gradient of its own
        agrees(grad(total, argnums=places), [many[0], *whole[1:]], [0, *[None] * (len(whole) - 1)])
    agrees(lambda *xs: jvp(f, xs, xs)[1], many, [0] * len(many))


def test_which_operators_have_a_rule():
    every = {
        c for c in subclasses(Op)
        if c.__module__.startswith("cltorch") and "forward" in vars(c) and not issubclass(c, torch.autograd.Function)
    }  # fmt: skip
    assert {
        c.__name__ for c in every
        if not batches.has_rule(c) and not c.__name__.endswith("InPlace") and c.__name__[0] != "_"
    } == LOOPS  # fmt: skip


MASK = torch.tensor([[True, False, True, True], [False, False, True, False], [False] * 4])
LABELS = torch.tensor([[1, 2, 1], [2, 2, 0]])


def recurrent(mode, sizes=(3, 2)):
    """Return a layer of packed rows with 5 inputs, 2 states, biases and, for an LSTM, a projection."""

    def f(x, h, c, w_ih, w_hh, b, w_hr):
        states = (h[:, :, :2], c) if mode == "lstm" else c
        params = [w_ih, w_hh[:, :2] if mode == "lstm" else w_hh, b, b * 2, *([w_hr] if mode == "lstm" else [])]
        return getattr(torch, mode)(x, torch.tensor(sizes), states, params, True, 1, 0.0, False, False)

    gates = {"lstm": 4, "gru": 3, "rnn_tanh": 1}[mode]
    return f, (5, 2), (1, 3, 3), (1, 3, 3), (3 * gates, 2), (3 * gates, 3), (3 * gates,), (2, 3)


LAYERS = {
    "attention": (lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), (2, 3, 2), (2, 4, 2), (2, 4, 3), (4,)),
    "attention of groups": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, MASK, enable_gqa=True),
                            (4, 3, 2), (2, 4, 2), (2, 4, 3)),
    "attention of matrices": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
                              (3, 2), (3, 2), (3, 2)),
    "batch norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (4, 2, 3), (2,), (2,)),
    "batch norm by running": (lambda x, w, m, v: F.batch_norm(x, m.detach(), v.detach(), w), (4, 2), (2,), (2,), (2,)),
    "embedding": (lambda w: (F.embedding(INDEX, w, padding_idx=2), F.embedding(INDEX, w, scale_grad_by_freq=True)),
                  (3, 2)),
    "embedding one of two": (lambda w, x: F.embedding((x * 2).long(), w), (3, 2), (4,)),
    "ctc": (lambda x: F.ctc_loss(torch.log_softmax(x, -1), LABELS, (4, 3), (2, 1), reduction="none"), (4, 2, 3)),
    "ctc in a row": (lambda x: F.ctc_loss(x, LABELS[0], torch.tensor([4, 3]), torch.tensor([2, 1])), (4, 2, 3)),
    "ctc labels": (lambda x, y: F.ctc_loss(x, (y * 2).long() % 2 + 1, (4, 3), (2, 1)), (4, 2, 3), (2, 2)),
    "lstm": recurrent("lstm"),
    "gru": recurrent("gru"),
    "rnn": recurrent("rnn_tanh"),
    "block_diag": (lambda x, y: torch.block_diag(x, y, x[0]), (2, 3), (1, 2)),
    "least squares": (lambda a, b: torch.linalg.lstsq(a, b).solution, (4, 2), (4, 1)),
    "losses": (lambda x, y: (F.mse_loss(x, y), F.huber_loss(x, y), F.smooth_l1_loss(x, y, reduction="sum"),
                             F.binary_cross_entropy(x.sigmoid(), y.sigmoid()), F.l1_loss(x, y),
                             F.binary_cross_entropy_with_logits(x, y), F.kl_div(x, y.exp(), reduction="sum")),
               (2, 3), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_their_gradients(name):
    f, *shapes = LAYERS[name]
    whole = [double(*s, seed=i).detach() for i, s in enumerate(shapes)]
    many = [double(2, *s, seed=i + 10).detach() for i, s in enumerate(shapes)]

    def total(*xs):
        return sum((y * y).sum() for y in outputs(f, *xs))

    slopes = grad(total, argnums=tuple(range(len(shapes))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches._warned.clear()
        for g in (f, slopes):
            agrees(g, many, [0] * len(many))
            for k in range(len(shapes)):
                agrees(g, [many[i] if i == k else x for i, x in enumerate(whole)], [0 if i == k else None for i in
                       range(len(shapes))])  # fmt: skip
        assert_close(jacrev(f)(*whole), jacrev(f, chunk_size=1)(*whole))


def test_classes_weights_have_no_tangents():
    x, w = double(2, 4, 3, seed=0).detach(), double(2, 3, seed=1).detach().abs()
    t = torch.tensor([[0, 2, 1, 1], [2, 0, 0, 1]])
    for loss in (F.nll_loss, F.cross_entropy):
        agrees(lambda x, w, t, loss=loss: jvp(lambda a, b: loss(a, t, b), (x, w), (x, w * w))[1], [x, w, t], [0, 0, 0])


def test_running_statistics_belong_to_slices(device):
    x = torch.arange(24.0, device=device).reshape(2, 4, 3)
    mean, var = torch.zeros(3, 2, device=device).t(), torch.ones(2, 3, device=device)
    vmap(lambda a, m, v: F.batch_norm(a, m, v, training=True))(x, mean, var)
    for i in range(2):
        assert_close(mean[i], x[i].mean(0) * 0.1)
        assert_close(var[i], 0.9 + 0.1 * x[i].var(0))
    scale, one, other = torch.ones(2, 3, device=device), torch.zeros(3, device=device), torch.ones(3, device=device)
    found = vmap(lambda w: F.batch_norm(x[0], one, other, w, training=True))(scale * 2)
    assert_close(found[1], 2 * F.batch_norm(x[0], None, None, training=True))
    assert_close(one, mean[0])
    assert_close(other, var[0])
    with pytest.raises(RuntimeError, match="were not batched"):
        vmap(lambda a: F.batch_norm(a, mean[0], var[0], training=True))(x)


Q = torch.tensor([[[0, 2.0, 1], [1, 0, 2]], [[0, 0, 2], [3, 1, 0]]])  # two slices
MATRICES = torch.tensor([[[4.0, 1], [1, 3]], [[2, 0], [0.5, 1]]])
BY_NAME = {
    "any, all": (lambda x: (x.any(), torch.all(x, 1), x.any((0, 1), keepdim=True), x[0, 0].any(), x.all(-2)), Q),
    "argmax, argmin": (lambda x: (x.argmax(), x.argmin(-1, keepdim=True), x.argmax(keepdim=True), x[0, 0].argmax()), Q),
    "aminmax": (lambda x: (*torch.aminmax(x), *torch.aminmax(x, dim=0, keepdim=True)), Q),
    "argsort, mode": (lambda x: (x.argsort(), x.argsort(0, True), x[0, 0].argsort(), *x.mode(), *x.mode(0, True)), Q),
    "hash_tensor": (lambda x: (torch.hash_tensor(x), torch.hash_tensor(x, dim=-1, keepdim=True)), Q),
    "count_nonzero": (lambda x: (x.count_nonzero(), x.count_nonzero((0, 1)), torch.count_nonzero(x, dim=-1)), Q),
    "nanmedian": (lambda x: (x.nanmedian(), *x.nanmedian(1), *x[0, 0].nanmedian(0)), Q),
    "searches": (
        lambda x: (torch.searchsorted(Q[0, 0].sort().values, x), torch.searchsorted(x.sort().values, x, right=True),
                   torch.searchsorted(x[0].sort().values, x[0, 0]), torch.searchsorted(x[0], x, sorter=x[0].argsort()),
                   torch.bucketize(x, Q[1, 0]), torch.bucketize(Q[1, 0], x[0]), torch.isin(x, Q[1, 0])), Q),
    "cov": (lambda x: (x.cov(), torch.corrcoef(x), x[0].cov(correction=0)), Q),
    "matrices": (
        lambda x: (torch.matrix_exp(x), *torch.linalg.lu(x), torch.cholesky_inverse(x),
                   torch.lu_solve(x, *torch.linalg.lu_factor(x)), *torch.lu_unpack(*torch.linalg.lu_factor(x)),
                   torch.linalg.lstsq(x, x).solution, torch.linalg.lu_solve(*torch.linalg.lu_factor(x), MATRICES[0])),
        MATRICES),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_NAME)
def test_rules_by_name(name):
    f, x = BY_NAME[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".* is deprecated in favor of")
        warnings.filterwarnings("ignore", ".*input value tensor is non-contiguous")  # which is no loop over slices
        batches._warned.clear()
        agrees(f, [x], [0])
        agrees(lambda y: tuple(vmap(f)(y)), [torch.stack([x, x.flip(0)])], [0])
    for wrong in (lambda y: torch.equal(y, y), lambda y: torch.allclose(y, y)):
        with pytest.raises(
            RuntimeError, match="vmap over torch.allclose|Batching rule not implemented for aten::equal"
        ):
            vmap(wrong)(x)
    with pytest.raises(IndexError):
        vmap(lambda y: y.argmax(5))(x)


def test_what_least_squares_leave_out_is_empty_for_every_slice():
    found = vmap(lambda a, b: tuple(torch.linalg.lstsq(a, b)))(torch.ones(2, 2, 3), torch.ones(2, 2, 1))
    assert [tuple(x.shape) for x in found] == [(2, 3, 1), (2, 0), (2,), (2, 0)]


def written(make):
    def f(x):
        y = make(x)
        y[0] = x[1]
        return y + 0

    return f


MADE = {
    "zeros_like": written(torch.zeros_like),
    "ones_like": written(lambda x: torch.ones_like(x, dtype=torch.float64)),
    "full_like": written(lambda x: torch.full_like(x, 3.0)),
    "empty_like": lambda x: torch.empty_like(x).copy_(x),
    "new_zeros": written(lambda x: x.new_zeros(2)),
    "new_ones": written(lambda x: x.new_ones((2, 2))),
    "new_full": written(lambda x: x.new_full((2,), 4.0)),
    "new_empty": lambda x: x.new_empty(size=(3,)).copy_(x),
    "new_zeros without a size": lambda x: x.new_zeros(()).add_(x[0]),
}


@pytest.mark.parametrize("name", MADE)
def test_tensors_made_like_a_batch_can_be_written(name):
    x = torch.arange(6.0).reshape(2, 3)
    agrees(MADE[name], [x], [0])
    nested = vmap(vmap(MADE[name]))(torch.stack([x, x + 1]))
    assert_close(nested[1], vmap(MADE[name])(x + 1))


ENDS = torch.tensor([1.0, 2.0])
BAGS = torch.tensor([[0, 2], [0, 1]])
READ = {
    "linspace": (lambda a: torch.linspace(a, a * 3, 4), ENDS),
    "logspace": (lambda a: torch.logspace(0, a, 4, base=2.0), ENDS),
    "embedding_bag": (lambda o: F.embedding_bag(torch.tensor([0, 1, 1, 2]), torch.arange(6.0).reshape(3, 2), o), BAGS),
    "ctc_loss": (
        lambda n: F.ctc_loss(torch.zeros(4, 1, 3).log_softmax(-1), torch.tensor([[1, 2]]), n, torch.tensor([2])),
        torch.tensor([[4], [3]]),
    ),
    "quantile": (lambda q: torch.quantile(torch.arange(4.0), q), ENDS / 4),
    "gumbel_softmax": (lambda x: F.gumbel_softmax(x).sum(), torch.zeros(2, 3)),
}


@pytest.mark.parametrize("name", READ)
def test_what_reads_its_arguments_takes_them_slice_after_slice(name):
    f, x = READ[name]
    found = vmap(f, randomness="different")(x)
    assert_close(found, torch.stack([f(y) for y in x]), rtol=1e-6, atol=1e-6)


def test_levels_nest(device):
    x = torch.arange(24.0, device=device).reshape(2, 3, 4)
    y = torch.arange(4.0, device=device)
    found = vmap(vmap(lambda a, b: (a * b).sum() + a[0], (0, None)), (0, None))(x, y)
    assert_close(found, (x * y).sum(-1) + x[..., 0])
    assert_close(vmap(vmap(torch.mul, (None, 0)), (0, None))(y, y), y[:, None] * y)
    inner = vmap(lambda a: vmap(lambda b: torch.dot(a, b), in_dims=1)(x[0].t()))(x[1])
    assert_close(inner, x[1] @ x[0].t())


def test_in_and_out_dims(device):
    x = torch.arange(6.0, device=device).reshape(2, 3)
    tree = vmap(lambda p: {"y": p["a"] * 2, "n": p["b"]}, in_dims=({"a": 1, "b": None},), out_dims={"y": 1, "n": None})
    found = tree({"a": x, "b": x})
    assert_close(found["y"], x * 2) and found["n"] is x
    assert vmap(lambda a: torch.ones(2, device=device))(x).tolist() == [[1, 1], [1, 1]]
    assert_close(vmap(lambda a: a.sum(), chunk_size=2)(x.t()), x.sum(0))
    assert vmap(torch.sin)(torch.zeros(0, 3, device=device)).shape == (0, 3)
    with pytest.raises(ValueError, match="can not return a BatchedTensor when out_dim is None"):
        vmap(lambda a: a, out_dims=None)(x)
    with pytest.raises(IndexError, match="Dimension out of range"):
        vmap(lambda a: a, out_dims=5)(x)


def test_dtypes_are_those_of_slices():
    x = torch.ones(3, dtype=torch.float64)
    y = torch.ones(3, 2)
    assert vmap(torch.add)(x, y).dtype is torch.float32  # a slice of x is a number, which does not promote
    assert vmap(torch.add, (0, None))(y, x[0]).dtype is torch.float32
    assert vmap(torch.mul)(torch.ones(3, dtype=torch.int64), torch.ones(3)).dtype is torch.float32


def test_changes_in_place(device):
    x = torch.zeros(2, 3, device=device)

    def f(a, v):
        a = a.clone()
        a += v
        a[0] = v * 2
        a[1:].mul_(3)
        a.index_fill_(0, torch.tensor([1], device=device), 7.0)
        return a

    assert vmap(f)(x, torch.tensor([1.0, 2.0], device=device)).tolist() == [[2, 7, 3], [4, 7, 6]]
    vmap(lambda a: a.fill_(5))(x)
    assert x.tolist() == [[5] * 3] * 2
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        vmap(lambda a, v: a.add_(v), (None, 0))(x[0], torch.ones(2, device=device))


def test_resizing_a_batch(device):
    x = torch.arange(12.0, device=device).reshape(2, 6)
    y = vmap(lambda a: a.resize_(2, 2))(x)
    assert y.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    grown = vmap(lambda a: a.resize_(3, 3) * 1)(torch.arange(12.0, device=device).reshape(2, 6))
    assert grown.shape == (2, 3, 3) and grown.flatten()[:12].tolist() == list(range(12))
    twice = vmap(vmap(lambda a: a.resize_(2, 1)))(torch.arange(8.0, device=device).reshape(2, 2, 2))
    assert twice.tolist() == [[[[0], [1]], [[2], [3]]], [[[4], [5]], [[6], [7]]]]
    with pytest.raises(RuntimeError, match="resize_"):
        vmap(lambda a: a.resize_(2, 2), 1)(torch.ones(6, 2, device=device))


def test_places_of_which_every_slice_has_as_many(device):
    x = torch.tensor([[1.0, 0, 2], [0, 5, 6]], device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert vmap(torch.argwhere)(x).tolist() == [[[0], [2]], [[1], [2]]]
        with pytest.raises(RuntimeError, match="equal size"):
            vmap(torch.argwhere)(torch.ones(2, 2, device=device).triu())


def test_strides_stay_within_a_slice(device):
    x = torch.arange(12.0, device=device).reshape(3, 4)
    inner = x[:, 1:]
    assert vmap(lambda a: a.as_strided((2,), (2,)))(inner).tolist() == [[1, 3], [5, 7], [9, 11]]
    assert vmap(lambda a: a.as_strided((2,), (4,)), in_dims=1)(x).tolist() == [[i, i + 4] for i in range(4)]
    for size, stride, offset in (((4,), (1,), None), ((2,), (1,), 0), ((3,), (1,), 2), ((2, 2), (2, 2), None)):
        with pytest.raises(RuntimeError, match="can access memory outside of `tensor`.*not supported inside of vmap"):
            vmap(lambda a: a.as_strided(size, stride, offset))(inner)  # noqa: B023


def test_a_mask_that_is_no_batch_selects_of_every_slice(device):
    x, mask = torch.arange(6.0, device=device).reshape(2, 3), torch.tensor([True, False, True], device=device)
    assert vmap(torch.masked_select, in_dims=(0, None))(x, mask).tolist() == [[0, 2], [3, 5]]
    assert vmap(lambda a: a.masked_select(mask), in_dims=1)(x.t()).tolist() == [[0, 2], [3, 5]]
    with pytest.raises(RuntimeError, match="Attempted to vmap over `mask`"):
        vmap(torch.masked_select, in_dims=(None, 0))(x[0], torch.stack([mask, mask]))


def test_every_slice_repeats_by_numbers_of_its_own(device):
    x, n = torch.arange(4.0, device=device).reshape(2, 2), torch.tensor([[1, 2], [3, 0]], device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert vmap(torch.repeat_interleave)(x, n).tolist() == [[0, 1, 1], [2, 2, 2]]
        found = vmap(lambda r: x.repeat_interleave(r, dim=1, output_size=3))(n)
    assert found.tolist() == [[[0, 1, 1], [2, 3, 3]], [[0, 0, 0], [2, 2, 2]]]
    assert vmap(lambda a: a.repeat_interleave(n[0]))(x).tolist() == [[0, 1, 1], [2, 3, 3]]


def test_elements_of_a_batch_index(device):
    table = torch.arange(12.0, device=device).view(3, 4)
    rows, columns = torch.arange(3, device=device), torch.arange(4, device=device)
    assert torch.equal(torch.vmap(lambda i: table[i])(rows), table)
    with TransformGetItemToIndex():
        both = torch.vmap(lambda i: torch.vmap(lambda j: table[i, j])(columns))(rows)
        mixed = torch.vmap(lambda i: table[i, 1:, None])(rows)
        own = torch.vmap(lambda x, i: x[i])(table, rows)
    assert torch.equal(both, table) and torch.equal(mixed, table[:, 1:, None])
    assert own.tolist() == [0.0, 5.0, 10.0]
    x = table.clone().requires_grad_()
    torch.vmap(lambda i: x[i, i])(rows).sum().backward()
    assert x.grad.tolist() == torch.eye(3, 4).tolist()


def test_what_reads_values_is_refused(device):
    x = torch.ones(2, 3, device=device)
    for f in (lambda a: a[0].item(), lambda a: float(a.sum().item()), lambda a: a.nonzero(), lambda a: a[a > 0],
              lambda a: a.tolist(), lambda a: a.numpy() if device == "cpu" else a.tolist()):  # fmt: skip
        with pytest.raises(RuntimeError, match="vmap"):
            vmap(f)(x)
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        vmap(lambda a: a if a.sum() > 0 else -a)(x)
    assert x.tolist() == [[1] * 3] * 2


def test_what_has_no_rule_says_so_once():
    batches._warned.clear()
    with pytest.warns(UserWarning, match="batching rule for histc"):
        assert vmap(lambda x: torch.histc(x, 2, 0, 2))(torch.eye(2)).tolist() == [[1, 1], [1, 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vmap(lambda x: torch.histc(x, 2, 0, 2))(torch.eye(2))


def test_random_numbers_by_slice(device):
    x = torch.ones(3, 8, device=device)
    for f in (lambda a: torch.rand(4, device=device) + a[0], lambda a: F.dropout(a), lambda a: a.clone().normal_(),
              lambda a: F.scaled_dot_product_attention(*(a[:, None],) * 3, dropout_p=0.5),
              lambda a: torch.randint(99, (4,), device=device),
              lambda a: torch._standard_gamma(torch.ones(4, device=device)),
              lambda a: F.rrelu(-a, training=True), lambda a: F.rrelu_(-a, training=True)):  # fmt: skip
        with pytest.raises(RuntimeError, match="randomness error mode"):
            vmap(f)(x)
        same, different = vmap(f, randomness="same")(x), vmap(f, randomness="different")(x)
        assert torch.equal(same[0], same[1]) and torch.equal(same[0], same[2])
        assert not torch.equal(different[0], different[1])
    assert torch.equal(vmap(lambda a: F.dropout(F.alpha_dropout(a, training=False), 0.0))(x), x)
    assert torch.equal(vmap(F.rrelu)(-x), F.rrelu(-x))


def test_gradients_of_samples_of_a_network(device):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.GroupNorm(1, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(8, 3),
    ).to(device)  # fmt: skip
    params = {k: v.detach() for k, v in model.named_parameters()}
    x, t = torch.randn(3, 1, 4, 4, device=device), torch.tensor([0, 2, 1], device=device)

    def loss(p, a, b):
        return F.cross_entropy(functional_call(model, p, a[None]), b[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, t)
    for i in range(3):
        model.zero_grad()
        F.cross_entropy(model(x[i : i + 1]), t[i : i + 1]).backward()
        for name, p in model.named_parameters():
            assert_close(found[name][i], p.grad, rtol=1e-4, atol=1e-5)
            assert not found[name].requires_grad


def test_jacobians_and_hessians_by_batches():
    a = np.random.default_rng(0).standard_normal((2, 3))
    m, x = torch.tensor(a), torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)

    def f(t):
        return torch.sin(m @ t)

    want = torch.tensor(np.cos(a @ x.numpy())[:, None] * a)
    for way in (jacrev, jacfwd):
        assert_close(way(f)(x), want)
    assert_close(jacrev(f, chunk_size=1)(x), want)
    assert_close(vmap(jacrev(f))(torch.stack([x, x])), torch.stack([want, want]))
    assert_close(vmap(jacfwd(f))(torch.stack([x, x])), torch.stack([want, want]))

    def g(t):
        return (torch.exp(m @ t)).sum()

    second = torch.tensor(a.T @ np.diag(np.exp(a @ x.numpy())) @ a)
    for found in (hessian(g)(x), jacrev(jacrev(g))(x), jacfwd(jacfwd(g))(x), jacrev(jacfwd(g))(x)):
        assert_close(found, second)
    assert_close(vmap(hessian(g))(x[None]), second[None])
    value, pull = vjp(f, x)
    assert_close(vmap(pull)(torch.eye(2, dtype=torch.float64))[0], want)
    (found,) = torch.autograd.grad(f(x.requires_grad_()), x, torch.eye(2, dtype=torch.float64), is_grads_batched=True)
    assert_close(found, want)


def test_hessians_of_operators_that_keep_their_operands(device):
    values = [0.5, -1.0, 2.0]
    x = torch.tensor(values, device=device)
    a, b, c = values
    known = {
        lambda t: t.norm() ** 2: 2 * np.eye(3),
        lambda t: t.prod(): [[0, c, b], [c, 0, a], [b, a, 0]],
        lambda t: t.cumprod(0).sum(): [[0, 1 + c, b], [1 + c, 0, a], [b, a, 0]],
        lambda t: torch.logsumexp(t, 0): np.diag(p := np.exp(values) / np.exp(values).sum()) - np.outer(p, p),
    }
    w = torch.tensor([[0.5, 1.0, -1.0], [2.0, 0.25, 1.0]], device=device)
    v, u = np.array(w.tolist()), np.tanh(np.array(w.tolist()) @ values)
    known[lambda t: F.linear(torch.tanh(F.linear(t, w)), w.t()).sum()] = (
        v.T @ np.diag(v.sum(1) * -2 * u * (1 - u * u)) @ v
    )
    known[lambda t: torch.outer(t, t).tril().sum()] = np.ones((3, 3)) + np.eye(3)
    for f, want in known.items():
        for found in (hessian(f)(x), jacrev(jacrev(f))(x), jacfwd(jacfwd(f))(x), jacrev(jacfwd(f))(x)):
            np.testing.assert_allclose(found.tolist(), want, rtol=1e-5, atol=1e-6)


def test_functions_of_the_user():
    class Square(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, w):
            return x * x * w

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return 2 * x * w * g, (x * x * g).sum_to_size(w.shape)

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x + 1

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x):
            assert (info.batch_size, info.randomness, in_dims) == (2, "error", (seen[-1],))
            return x + 10, seen[-1]

    class Neither(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

    class Older(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    w = torch.tensor([2.0, 5.0])
    assert_close(vmap(Square.apply, (0, None))(x, w), x * x * w)
    gx, gw = vmap(grad(lambda a, b: Square.apply(a, b).sum(), argnums=(0, 1)), (0, None))(x, w)
    assert_close(gx, 2 * x * w)
    assert_close(gw, x * x)
    leaf = x.clone().requires_grad_()
    vmap(Square.apply, (0, None))(leaf, w).sum().backward()
    assert_close(leaf.grad, 2 * x * w)
    for dim in (0, 1, -1):  # the rule gets the batch where the program has it
        seen = [dim % 2]
        assert_close(vmap(Own.apply, in_dims=dim, out_dims=dim)(x), x + 10)
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        vmap(Neither.apply)(x)
    with pytest.raises(RuntimeError, match="must override the setup_context"):
        vmap(Older.apply)(x)


def test_hessians_of_networks_parameters(device):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).to(device)
    state = {k: p.detach() for k, p in net.named_parameters()}
    x = torch.tensor([[0.5, -1.0]], device=device)

    def f(p):
        return torch.func.functional_call(net, p, (x,)).sum()

    found, want = hessian(f)(state), jacrev(jacrev(f))(state)
    for k in state:
        for n in state:
            assert_close(found[k][n], want[k][n], rtol=1e-5, atol=1e-6)
    assert want["0.bias"]["2.weight"].abs().max() > 0.1


def test_hessians_of_a_batch_normalisation(device):
    x = torch.tensor([0.5, -1.0, 2.0], device=device)

    def f(t):
        return (F.batch_norm(torch.outer(t, t), None, None, training=True) ** 2).sum()

    want = jacrev(jacrev(f))(x)
    assert_close(hessian(f)(x), want, rtol=1e-3, atol=1e-3)


class _Square(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx, t):
        return 2 * t * ctx.saved_tensors[0]


def test_second_derivatives_of_a_users_function_go_through_batches(device):
    x = torch.tensor([1.0, 2.0], device=device)
    assert torch.func.hessian(lambda x: _Square.apply(x).sum())(x).tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert torch.func.jacfwd(_Square.apply)(x).tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_a_slice_becomes_a_view_of_itself(device):
    x = torch.arange(8.0, device=device).reshape(2, 2, 2)
    assert torch.vmap(lambda x: x.transpose_(0, 1).mul_(2))(x.clone()).tolist() == (2 * x.mT).tolist()
    for call, shape in ((lambda x: x.unsqueeze_(0), (2, 1, 2, 2)), (lambda x: x.t_().sin_(), (2, 2, 2))):
        assert torch.vmap(call)(x.clone()).shape == shape


def test_what_a_users_rule_for_batches_must_return(device):
    class Made(_Square):
        generate_vmap_rule = False

    x = torch.ones(2, device=device)
    Made.vmap = staticmethod(lambda info, in_dims, x: x)
    with pytest.raises(RuntimeError, match="to have two returns"):
        torch.vmap(Made.apply)(x)
    Made.vmap = staticmethod(lambda info, in_dims, x: (x, (0, 0)))
    with pytest.raises(RuntimeError, match="incompatible .output, out_dims. tuple"):
        torch.vmap(Made.apply)(x)
    with pytest.raises(ValueError, match="in_dims is not compatible with the structure"):
        torch.vmap(lambda d: d["a"], in_dims=({"c": 0},))({"a": x})


def test_batches_are_printed_with_what_is_inside():
    found = []
    for _ in range(2):  # levels are counted anew
        torch.vmap(torch.vmap(lambda x: found.append(repr(x)) or x))(torch.ones(1, 2))
    whole = """BatchedTensor(lvl=2, bdim=0, value=
    BatchedTensor(lvl=1, bdim=0, value=
        tensor([[1., 1.]])
    )
)"""
    assert found == [whole, whole]
