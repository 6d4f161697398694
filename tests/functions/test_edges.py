"""Values, gradients and errors at the edges, found by generated calls; what is expected is what PyTorch gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch
from cltorch.nn import functional as F

NAN, INF = math.nan, math.inf


def gradient(f, values, device):
    x = cltorch.tensor(values, device=device, requires_grad=True)
    return cltorch.autograd.grad(f(x).sum(), x)[0].tolist()


GRADIENTS = {
    "a median shared by equal elements": (lambda x: x.median(), [1.0, 2, 2, 2, 3], [0, 1 / 3, 1 / 3, 1 / 3, 0]),
    "a median of several NaN": (lambda x: x.median(), [1.0, NAN, NAN], [0, 0.5, 0.5]),
    "nanmedian": (lambda x: x.nanmedian(), [1.0, NAN, 1.0, 5.0], [0.5, 0, 0.5, 0]),
    "a median of one number": (lambda x: x.median(), 1.0, 1.0),
    "xlogy at zero": (lambda x: cltorch.xlogy(x, 2 * cltorch.arange(2.0, device=x.device)), [0.0, 0], [0, math.log(2)]),
    "a zero gradient times an infinite logarithm": (lambda x: 0 * cltorch.xlogy(x, INF), [1.0], [0.0]),
    "a zero gradient times log1p(inf)": (lambda x: 0 * cltorch.special.xlog1py(x, INF), [1.0], [0.0]),
    "logit beyond 0 and 1": (cltorch.logit, [-1.0, 0.5, 2.0], [NAN, 4, NAN]),
    "softshrink of NaN": (F.softshrink, [NAN, 0.5, -0.5, 0.75], [1, 0, 0, 1]),
    "logit with limits": (lambda x: cltorch.logit(x, 0.25), [-1.0, 0.5, 2.0], [0, 4, 0]),
    "smooth_l1_loss of NaN": (lambda x: F.smooth_l1_loss(x, x.detach() * 0 + 1), [NAN, 1.5], [NAN, 0.25]),
    "huber_loss of NaN": (lambda x: F.huber_loss(x, x.detach() * 0 + 1), [NAN, 1.5], [NAN, 0.25]),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_at_the_edges(device, name):
    f, values, expected = GRADIENTS[name]
    np.testing.assert_allclose(gradient(f, values, device), expected, rtol=1e-6)


CHANGES = {
    "copy_": lambda y, o: y.copy_(o),
    "lt_": lambda y, o: y.lt_(o),
    "eq_ with a number": lambda y, o: y.eq_(2),
    "logical_not_": lambda y, o: y.logical_not_(),
    "logical_xor_ through a view": lambda y, o: y[1:].logical_xor_(o[1:]),
    "copy_ through a view": lambda y, o: y[:1].copy_(o[:1]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_overwritten_has_a_gradient_of_zeros(device, name):
    x, o = (cltorch.tensor(v, device=device, requires_grad=True) for v in ([1.0, 2.0], [3.0, 1.0]))
    y = x.clone()
    CHANGES[name](y, o)
    assert y.requires_grad
    (mine,) = cltorch.autograd.grad((y * 5).sum(), x)
    untouched = {"logical_xor_ through a view": [5.0, 0.0], "copy_ through a view": [0.0, 5.0]}
    assert mine.tolist() == untouched.get(name, [0.0, 0.0])


def test_the_other_side_of_a_comparison_in_place_has_zeros_too(device):
    o = cltorch.ones(3, device=device, requires_grad=True)
    x = cltorch.zeros(2, 3, device=device)
    x.lt_(o)
    assert x.tolist() == [[1, 1, 1]] * 2
    assert cltorch.autograd.grad(x.sum(), o)[0].tolist() == [0, 0, 0]


def test_a_part_of_an_expanded_tensor_is_replaced_alone(device):
    x = cltorch.tensor([[1, 2]], device=device).expand(2, 2)
    src = cltorch.tensor([7, 8], device=device)
    assert cltorch.select_scatter(x, src, 0, 0).tolist() == [[7, 8], [1, 2]]
    assert cltorch.slice_scatter(x, src[None], 0, 1).tolist() == [[1, 2], [7, 8]]
    assert cltorch.diagonal_scatter(x, src).tolist() == [[7, 2], [1, 8]]
    assert x.tolist() == [[1, 2], [1, 2]]
    wide = cltorch.ones(1, 2, device=device, requires_grad=True)
    got = cltorch.select_scatter(wide.expand(3, 2), src.float(), 0, 1)
    assert cltorch.autograd.grad(got.sum(), wide)[0].tolist() == [[2, 2]]
    with pytest.raises(IndexError, match="0-dim"):
        cltorch.slice_scatter(src[0], src[0])


def test_products_and_views_of_nothing(device):
    x = cltorch.ones(2, 0, device=device)
    assert cltorch.inner(x, cltorch.ones(0, device=device)).tolist() == [0, 0]
    assert cltorch.inner(x, cltorch.ones(3, 0, device=device)).tolist() == [[0, 0, 0]] * 2
    base = cltorch.ones(2, 3, device=device)
    batches = cltorch.ones(0, 2, 4, device=device), cltorch.ones(0, 4, 3, device=device)
    assert cltorch.addbmm(base, *batches, beta=2).tolist() == [[2, 2, 2]] * 2
    number = cltorch.tensor(3.0, device=device)
    assert number.movedim(0, -1).item() == number.movedim((), ()).item() == 3


@pytest.mark.parametrize("name", ["fmod_", "remainder_", "copysign_", "atan2_", "hypot_", "floor_divide_"])
def test_no_complex_numbers_in_place(device, name):
    x = cltorch.ones(2, dtype=cltorch.complex64, device=device, requires_grad=True).clone()
    with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
        getattr(x, name)(cltorch.ones(2, device=device))


REFUSED = {
    "a truth value as factor": (lambda f, i: f.add(f, alpha=True), "Boolean alpha"),
    "a truth value as factor, the other way round": (lambda f, i: cltorch.rsub(f, 1, alpha=False), "Boolean alpha"),
    "an end of another dtype": (lambda f, i: cltorch.lerp(f, f.to(i.dtype), 0.5), "float for `end` .* long int"),
    "weights of another dtype": (lambda f, i: cltorch.lerp(f, f, f.half()), "float for `weight` .* c10::Half"),
    "steps of another dtype": (lambda f, i: cltorch.heaviside(f, i), "heaviside is not yet implemented"),
    "a choice cast into out": (lambda f, i: cltorch.where(i > 0, f, f, out=f.half()), "be Float but got Half"),
    "sums in another dtype than out's": (lambda f, i: cltorch.sum(i, 0, dtype=i.dtype, out=f[0]), "long int, but got"),
    "products in another dtype than out's": (lambda f, i: cltorch.prod(f, 0, dtype=i.dtype, out=f[0]), "long int"),
    "means in another dtype than out's": (lambda f, i: cltorch.mean(f, 0, dtype=f.dtype, out=f[0].half()), "c10::Half"),
    "nansum": (lambda f, i: cltorch.nansum(f, 0, dtype=f.dtype, out=f[0].half()), "Got Half and Float"),
    "running sums in another dtype": (lambda f, i: cltorch.cumsum(f, 0, dtype=i.dtype, out=f), "long int, but got"),
    "running sums in place": (lambda f, i: i.cumsum_(0, dtype=cltorch.float32), "Bad in-place call: .* long int"),
    "running products in place": (lambda f, i: f.half().cumprod_(0, dtype=f.dtype), "Bad in-place call: .* c10::Half"),
    "narrow places": (lambda f, i: f.index_copy(0, i.int(), f), "Expected a long tensor for index, but got Int"),
    "mantissas cast": (lambda f, i: cltorch.frexp(f, out=(f.half(), i.int())), "expects mantissa"),
    "sorted values cast": (lambda f, i: cltorch.sort(f, out=(f.half(), i)), "dtype float, but got c10::Half"),
    "medians cast": (lambda f, i: cltorch.median(f, 0, out=(f[0].half(), i[0])), "dtype float, but got c10::Half"),
    "a part of a number": (lambda f, i: f[0].unflatten(0, (1, 1)), "tensor has no dimensions"),
    "a narrower norm": (lambda f, i: cltorch.linalg.vector_norm(f, dtype=cltorch.float16), "without narrowing"),
    "unsigned limits": (lambda f, i: F.hardtanh(f.to(cltorch.uint8)), "unsigned type with negative limits"),
    "distances from truth values": (lambda f, i: F.l1_loss(f, f > 0), "Subtraction, the `-` operator, with a bool"),
    "medians of truth values": (lambda f, i: cltorch.median(f > 0), "\"median\" not implemented for 'Bool'"),
    "medians of truth values along": (lambda f, i: (f > 0).nanmedian(0), "\"nanmedian\" not implemented for 'Bool'"),
    "kthvalue of truth values": (lambda f, i: (f > 0).kthvalue(1), "\"kthvalue\" not implemented for 'Bool'"),
    "topk of truth values": (lambda f, i: (f > 0).topk(1), "topk does not support bool dtypes on C"),
    "truth values reduced": (lambda f, i: (f > 0).index_reduce(0, i, f > 0, "prod"), "not implemented for 'Bool'"),
    "complex numbers reduced": (lambda f, i: (f * 1j).index_reduce(0, i, f * 1j, "prod"), "for 'ComplexFloat'"),
    "complex members": (lambda f, i: cltorch.isin(f * 1j, f * 1j), r"for isin\(\): ComplexFloat"),
    "complex ranges": (lambda f, i: cltorch.arange(3, dtype=cltorch.complex64), "not implemented for 'ComplexFloat'"),
    "copied slices of another size": (
        lambda f, i: f.outer(f).index_copy(0, i, f[:, None]), "must have same slice shapes",
    ),
    "fractions at places": (lambda f, i: i.__setitem__(i.clone(), f[0]), "dtypes match, got Long for the destination"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_dtypes_that_pytorch_refuses(device, name):
    call, words = REFUSED[name]
    with pytest.raises(RuntimeError, match=words):
        call(cltorch.tensor([1.0, 2.0], device=device), cltorch.tensor([0, 1], device=device))


def test_what_pytorch_takes_beside_it(device):
    f, i = cltorch.tensor([1.0, 3.0], device=device), cltorch.tensor([0, 1], device=device)
    assert cltorch.lerp(f, f + 1, cltorch.tensor(0.5, dtype=cltorch.float16, device=device)).tolist() == [1.5, 3.5]
    for short in (cltorch.float16, cltorch.bfloat16):
        got = cltorch.ldexp(f.to(short), 14 * i)
        assert got.tolist() == [1, 3 * 2**14] and got.dtype is short
        assert cltorch.ldexp(f.to(short), f).dtype is cltorch.float32
    assert cltorch.add(i > 0, i == 0, alpha=True).tolist() == [True, True]
    assert cltorch.sum(i, 0, out=f[0].clone()).dtype is cltorch.float32
    assert f.clone().cumsum_(0, dtype=cltorch.float32).tolist() == [1, 4]
    assert cltorch.clamp(f, cltorch.tensor(2.0, device=device), 9.0).tolist() == [2, 3]
    for bounds in ((f, 2.0), (0, f)):
        for call in (cltorch.clamp, cltorch.clip, cltorch.Tensor.clamp_):
            with pytest.raises(TypeError, match="two numbers or two tensors"):
                call(f, *bounds)
    with pytest.raises(IndexError, match="index_fill_.*int64"):
        f.index_fill(0, i.to(cltorch.uint8), 1.0)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_is_cast_where_a_mask_holds(device, shape):
    for index, expected in (
        (lambda m: m[:2], [[2, 2, 2], [0, 0, 0]]),
        (lambda m: (0, m), [[2, 0, 2], [0, 0, 0]]),
        (lambda m: (slice(None), m), [[2, 0, 2], [2, 0, 2]]),
    ):
        x = cltorch.zeros(2, 3, dtype=cltorch.int64, device=device)
        x[index(cltorch.tensor([True, False, True], device=device))] = cltorch.full(shape, 2.7, device=device)
        assert x.tolist() == expected


def test_a_complex_operand_of_a_real_function_in_place(device):
    x = cltorch.ones(2, device=device, requires_grad=True).clone()
    with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
        x.fmod_(cltorch.ones(2, dtype=cltorch.complex64, device=device))
    with pytest.raises(RuntimeError, match="complex Scalar to non-complex"):
        (x > 0).index_fill(0, cltorch.tensor([0], device=device), cltorch.tensor(1j, device=device))


def test_more_dimensions_than_reductions_take(device):
    many = [1] * 65
    for make in (cltorch.ones, cltorch.randn, cltorch.rand, cltorch.empty):
        x = make(many, device=device)
        assert x.dim() == 65 and x.reshape(-1).shape == (1,)
        for f in (cltorch.sum, cltorch.argmax, cltorch.std, cltorch.amax, cltorch.norm, cltorch.nansum):
            with pytest.raises(RuntimeError, match="only tensors with up to 64 dims are supported"):
                f(x, dim=64)
    x = cltorch.testing.make_tensor(many, dtype=cltorch.float32, device=device)
    with pytest.raises(RuntimeError, match="only tensors with up to 64 dims are supported"):
        cltorch.any(x, dim=0)
