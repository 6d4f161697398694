"""Names of torch.* that are rarely met, each against its definition."""

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck
from cltorch.nn import functional as f
from tests.libraries import LIBRARIES


@pytest.mark.parametrize("kind", ["max", "sum", "mean", "min", "prod"])
def test_segments(device, kind):
    if device != "cpu" and kind != "max":
        return  # made of functions that have tests of their own
    rows = np.arange(1, 11, dtype=np.float32).reshape(5, 2)[::-1].copy()
    data = cltorch.tensor(rows, device=device)
    ref = getattr(np, kind)
    empty = {"sum": 0, "mean": np.nan, "max": -np.inf, "min": np.inf, "prod": 1}[kind]
    want = [ref(rows[:3], 0), [empty] * 2, ref(rows[3:], 0)]
    lengths = cltorch.tensor([3, 0, 2], device=device)
    np.testing.assert_allclose(cltorch.segment_reduce(data, kind, lengths=lengths).cpu(), want, rtol=1e-6)
    if device != "cpu":
        return
    offsets = cltorch.tensor([1, 4, 4], dtype=cltorch.int32)
    got = cltorch.segment_reduce(data, kind, offsets=offsets, initial=2)
    first = ref(np.vstack([rows[1:4], [[2, 2]]]), 0) if kind != "mean" else (rows[1:4].sum(0) + 2) / 3
    np.testing.assert_allclose(got, [first, [2, 2]], rtol=1e-6)
    batch = cltorch.tensor([[2, 3], [0, 5]])
    x = cltorch.rand(2, 5, 2, dtype=cltorch.float64, requires_grad=True)
    got = cltorch.segment_reduce(x, kind, lengths=batch, axis=1)
    for i, parts in enumerate(([slice(0, 2), slice(2, 5)], [slice(0, 0), slice(0, 5)])):
        for j, part in enumerate(parts):
            if part.stop:
                np.testing.assert_allclose(got[i, j].detach(), ref(x[i, part].detach().numpy(), 0))
    assert gradcheck(lambda x: cltorch.segment_reduce(x, kind, lengths=batch, axis=1)[:, 1], (x,))


def test_segments_that_do_not_fit():
    x, lengths = cltorch.ones(3), cltorch.tensor([1, 1])
    for named, error, words in (
        ({"lengths": lengths}, RuntimeError, "Expected all rows of lengths"),
        ({"lengths": cltorch.tensor([4, -1])}, RuntimeError, "negative value"),
        ({}, RuntimeError, "Either lengths or offsets"),
        ({"indices": lengths}, RuntimeError, "not supported yet"),
        ({"lengths": lengths[None]}, RuntimeError, "Expected axis to be the last dimension"),
        ({"lengths": lengths.float()}, NotImplementedError, "not implemented"),
    ):
        with pytest.raises(error, match=words):
            cltorch.segment_reduce(x, "sum", **named)
    assert cltorch.segment_reduce(x, "sum", lengths=lengths, unsafe=True).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="reduce argument must be"):
        cltorch.segment_reduce(x, "median", lengths=lengths)
    with pytest.raises(NotImplementedError, match="'Long'"):
        cltorch.segment_reduce(x.long(), "sum", lengths=lengths)


@pytest.mark.filterwarnings("ignore:reduction")
def test_losses_with_numbered_reductions():
    draw = np.random.default_rng(0)
    a, b, c = (cltorch.tensor(draw.normal(size=(3, 4))) for _ in range(3))
    sign = cltorch.tensor([1, -1, 1])
    for number, name in enumerate(("none", "mean", "sum")):
        for got, want in (
            (cltorch.kl_div(a, b.exp(), number), f.kl_div(a, b.exp(), reduction=name)),
            (cltorch.binary_cross_entropy_with_logits(a, b, None, c, number),
             f.binary_cross_entropy_with_logits(a, b, pos_weight=c, reduction=name)),
            (cltorch.poisson_nll_loss(a, b, True, False, 1e-8, number), f.poisson_nll_loss(a, b, reduction=name)),
            (cltorch.cosine_embedding_loss(a, b, sign, 0.1, number),
             f.cosine_embedding_loss(a, b, sign, 0.1, reduction=name)),
            (cltorch.hinge_embedding_loss(a, b.sign(), 2.0, number),
             f.hinge_embedding_loss(a, b.sign(), 2.0, reduction=name)),
            (cltorch.margin_ranking_loss(a, b, c.sign(), 0.5, number),
             f.margin_ranking_loss(a, b, c.sign(), 0.5, reduction=name)),
            (cltorch.triplet_margin_loss(a, b, c, reduction=number), f.triplet_margin_loss(a, b, c, reduction=name)),
        ):  # fmt: skip
            assert cltorch.equal(got, want)
    with pytest.raises(RuntimeError, match="reduction must be"):
        cltorch.kl_div(a, b, 3)
    table = cltorch.tensor([[3.0, 4.0], [6.0, 8.0]])
    assert cltorch.embedding_renorm_(table, cltorch.tensor([1]), 5, 2) is table
    np.testing.assert_allclose(table, [[3, 4], [3, 4]], rtol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_losses_with_numbered_reductions_are_not_reduced_by_default(library):
    t = LIBRARIES[library]()
    a, b, one = t.zeros(2, 3), t.ones(2, 3), t.ones(2)
    for got in (
        t.kl_div(a, b), t.binary_cross_entropy_with_logits(a, b), t.hinge_embedding_loss(a, b),
        t.margin_ranking_loss(a, a, b),
    ):  # fmt: skip
        assert got.shape == (2, 3)
    logs = t.zeros(2, 2, 3).log_softmax(2)
    for got in (
        t.cosine_embedding_loss(a, b, one), t.triplet_margin_loss(a, a, b),
        t.ctc_loss(logs, t.tensor([[1], [1]]), (2, 2), (1, 1)),
    ):  # fmt: skip
        assert got.shape == (2,)


def test_statistics_of_norms_have_the_dtype_of_the_parameters():
    x, w = cltorch.ones(2, 4, 3, dtype=cltorch.float16), cltorch.ones(4)
    for half, weight in ((cltorch.float16, w.half()), (cltorch.float32, w)):
        zero = weight * 0
        for found in (
            cltorch.native_batch_norm(x, weight, zero, zero.clone(), weight.clone(), True, 0.1, 1e-5),
            cltorch.native_batch_norm(x, weight, zero, zero.clone(), weight.clone(), False, 0.1, 1e-5),
            cltorch.native_group_norm(x, weight, zero, 2, 4, 3, 2, 1e-5),
            cltorch.native_layer_norm(x.mT, (4,), weight, zero, 1e-5),
        ):
            assert [t.dtype for t in found] == [cltorch.float16, half, half]
    assert cltorch.native_layer_norm(x, (3,), None, None, 1e-5)[1].dtype is cltorch.float16


def test_dtypes_of_gradients():
    x = cltorch.ones(2, requires_grad=True)
    assert x.grad_dtype is cltorch.float32
    x.grad_dtype = cltorch.float16
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert x.grad.dtype is cltorch.float16 and x.grad.tolist() == [4, 4]
    with pytest.raises(RuntimeError, match="there is already a gradient"):
        x.grad_dtype = cltorch.float64
    with pytest.raises(RuntimeError, match="grad_dtype 'Half'"):
        x.grad = cltorch.ones(2)
    x.grad = None
    x.grad_dtype = None
    x.grad = cltorch.ones(2, dtype=cltorch.float64)
    with pytest.raises(RuntimeError, match="leaf"):
        (x * 2).grad_dtype  # noqa: B018


def test_views_as_copies_and_elementwise_calls():
    z = cltorch.tensor([1 + 2j, 3j])
    pairs = cltorch.view_as_real_copy(z)
    assert pairs.tolist() == [[1, 2], [0, 3]] and pairs._base is None
    assert cltorch.view_as_complex_copy(pairs).tolist() == z.tolist()
    x = cltorch.tensor([1.0, 2.0])
    assert x.map2_(x * 2, cltorch.tensor(5.0), lambda a, b, c: a + b * c) is x and x.tolist() == [11, 22]


def test_names_about_the_program():
    assert cltorch.get_device_module("cpu").is_available() and cltorch.get_device_module("cuda:0") is cltorch.cl
    with pytest.raises(RuntimeError, match="Invalid value of device '3'"):
        cltorch.get_device_module(3)
    before = cltorch.cpu.current_stream()
    with cltorch.cpu.stream(cltorch.cpu.Stream()) as _:
        assert cltorch.cpu.current_stream() is not before
    assert cltorch.cpu.current_stream() is before and cltorch.cpu.Event().query()
    assert issubclass(cltorch.DeviceError, cltorch.AcceleratorError)
    assert (
        cltorch.tensor([1j]).storage_type() is cltorch.ComplexFloatStorage and cltorch.Storage is cltorch.FloatStorage
    )
    assert cltorch.random.thread_safe_generator() is None and cltorch.ones(1).name is None


def test_sobol_points():
    pytest.importorskip("scipy")
    engine = cltorch.quasirandom.SobolEngine(3)
    # what PyTorch 2.13 draws
    want = [[0, 0, 0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.25], [0.25, 0.75, 0.75]]
    assert engine.draw_base2(1).tolist() == want[:2] and engine.draw(2, dtype=cltorch.float64).tolist() == want[2:]
    assert engine.num_generated == 4 and engine.reset().fast_forward(2).draw().tolist() == want[2:3]
    with pytest.raises(ValueError, match="require n to be a power of 2. 3 points"):
        engine.draw_base2(2)
    with pytest.raises(ValueError, match="Supported range"):
        cltorch.quasirandom.SobolEngine(0)
    mixed = cltorch.quasirandom.SobolEngine(2, scramble=True, seed=1)
    points = mixed.draw(64)
    assert repr(mixed) == "SobolEngine(dimension=2, scramble=True, seed=1)"
    assert np.histogram2d(*points.numpy().T, bins=8, range=[(0, 1)] * 2)[0].tolist() == [[1] * 8] * 8


def test_functions_are_found_under_the_module_that_pytorch_keeps_them_in():
    assert cltorch.functional.einsum is cltorch.einsum and cltorch.functional.norm is cltorch.norm


def test_products_by_the_names_that_sparse_matrices_have(device):
    a = cltorch.tensor([[1.0, 0.0], [2.0, 3.0]], device=device, requires_grad=True)
    x = cltorch.tensor([[1.0], [4.0]], device=device)
    for product in (cltorch.spmm, cltorch.dsmm):
        y = product(a, x)
        assert y.tolist() == [[1.0], [14.0]]
    y.sum().backward()
    assert a.grad.tolist() == [[1.0, 4.0], [1.0, 4.0]]
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        cltorch.spmm(a, x.T)
