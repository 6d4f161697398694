import warnings

import pytest

import cltorch


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: cltorch.add(x, x, out=out),
        lambda x, out: cltorch.exp(x, out=out),
        lambda x, out: cltorch.cumsum(x, 0, out=out),
        lambda x, out: cltorch.cat([x], out=out),
        lambda x, out: cltorch.arange(3.0, out=out),
        lambda x, out: cltorch.normal(x, x, out=out),
    ],
)
def test_a_lost_output_is_told_of(device, call):
    x = cltorch.ones(3, device=device)
    out = cltorch.zeros(2, device=device)
    ranges = r"out tensor of shape \[2\].*will be resized to a tensor of shape \(3,\)"  # which have words of their own
    words = rf"resized since it had shape \[2\].*required output shape \[3\]|{ranges}"
    with pytest.warns(UserWarning, match=words) as told:
        assert call(x, out) is out
    assert told[0].filename == __file__
    assert out.shape == (3,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(x, cltorch.empty(0, device=device)).shape == (3,)
        assert call(x, cltorch.empty(3, device=device)).shape == (3,)


def test_an_output_that_is_resized_takes_the_order_of_the_operands(device):
    x = cltorch.arange(24.0, device=device).view(2, 3, 4).permute(1, 2, 0)
    for call in (cltorch.neg, lambda x, out: cltorch.add(x, x[0], out=out)):
        out = call(x, out=cltorch.empty(0, device=device))
        assert out.stride() == x.stride() and cltorch.equal(out, call(x, out=cltorch.empty(3, 4, 2, device=device)))
    one = cltorch.ones(4, 1, 1, 6, device=device)[..., ::2]
    assert cltorch.neg(one, out=cltorch.empty(0, device=device)).stride() == cltorch.neg(one).stride()


def test_factories_resize_without_a_word(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in (cltorch.zeros, cltorch.ones, cltorch.rand, cltorch.eye):
            assert make(3, out=cltorch.zeros(2, device=device)).shape[0] == 3
        assert cltorch.linspace(0, 1, 5, out=cltorch.zeros(2, device=device)).shape == (5,)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x, out: cltorch.neg(x, out=out), "Found dtype Complex"),
        (lambda x, out: cltorch.round(x, decimals=2, out=out), "Found dtype Complex"),
        (lambda x, out: cltorch.nn.functional.hardshrink(x, out=out), "Found dtype Complex"),
        (lambda x, out: cltorch.tril(x, out=out), "to have dtype float, but got c10::complex<float>"),
        (lambda x, out: cltorch.index_select(x, 0, cltorch.tensor([0], device=x.device), out=out), "same scalar type"),
        (lambda x, out: cltorch.take(x, cltorch.tensor([0], device=x.device), out=out), "same dtype"),
        (lambda x, out: cltorch.nan_to_num(x, out=out), "nan_to_num: dtype of out: ComplexFloat"),
        (lambda x, out: cltorch.permute_copy(x, (1, 0), out=out), "to have dtype float"),
        (lambda x, out: cltorch.softmax(x, 0, out=out), "to have dtype float"),
        (lambda x, out: cltorch.nonzero(x, out=out), "scalar type Long"),
        (lambda x, out: cltorch.signbit(x, out=out), "non-boolean"),
    ],
)
def test_no_cast_into_the_output(device, call, words):
    x = cltorch.ones(2, 2, device=device)
    with pytest.raises(RuntimeError, match=words):
        call(x, cltorch.empty(2, 2, dtype=cltorch.complex64, device=device))


def test_the_values_of_extremes_are_not_cast(device):
    x = cltorch.ones(2, 2, device=device)
    outs = (
        cltorch.empty(2, dtype=cltorch.complex64, device=device),
        cltorch.empty(2, dtype=cltorch.int64, device=device),
    )
    for f in (cltorch.max, cltorch.cummax):
        with pytest.raises(RuntimeError, match="Float|float"):
            f(x, 0, out=outs)
    whole = cltorch.empty((), dtype=cltorch.complex64, device=device)
    assert cltorch.max(x, out=whole).item() == 1
    with pytest.raises(RuntimeError, match="ComplexFloat but got scalar type ComplexDouble"):
        cltorch.complex(cltorch.ones(2), cltorch.ones(2), out=cltorch.empty(2, dtype=cltorch.complex128))


def test_absolute_values_of_complex_numbers_go_into_complex_ones(device):
    x = cltorch.tensor([3 + 4j], device=device)
    assert cltorch.abs(x, out=cltorch.empty(1, dtype=cltorch.complex64, device=device)).tolist() == [5]
    assert cltorch.abs(x, out=cltorch.empty(1, device=device)).tolist() == [5]


def test_some_factorizations_cast_into_the_output():
    x = cltorch.eye(2) * 4
    assert cltorch.cholesky(x, out=cltorch.empty(2, 2, dtype=cltorch.float64)).tolist() == [[2, 0], [0, 2]]
    assert cltorch.linalg.pinv(x, out=cltorch.empty(2, 2, dtype=cltorch.float64)).diagonal().tolist() == [0.25, 0.25]
    with pytest.raises(RuntimeError, match="safely castable from Float dtype, but got result with dtype Long"):
        cltorch.cholesky(x, out=cltorch.empty(2, 2, dtype=cltorch.int64))


OUTS = {  # call, dtypes of out, and how it ends: the dtypes of the results, or an exception with its words
    "addr casts": (lambda x, i, out: cltorch.addr(x, x[0], x[0], out=out), "float64", None),
    "addr keeps fractions": (lambda x, i, out: cltorch.addr(x, x[0], x[0], out=out), "int64", "can't be cast"),
    "bitwise_not casts nothing": (lambda x, i, out: cltorch.bitwise_not(i, out=out), "int32", "Int but expected Long"),
    "geqrf casts": (lambda x, i, out: cltorch.geqrf(x, out=out), "float64 float64", None),
    "geqrf keeps fractions": (lambda x, i, out: cltorch.geqrf(x, out=out), "float32 int64", "can't be cast"),
    "native_batch_norm stores": (
        lambda x, i, out: cltorch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5, out=out),
        "float32 float32 float32",
        None,
    ),
}


@pytest.mark.filterwarnings("ignore:.*host")
@pytest.mark.parametrize(("call", "types", "words"), OUTS.values(), ids=OUTS)
def test_dtypes_of_outputs(device, fp64, call, types, words):
    if "float64" in types and not fp64:
        pytest.skip("the device has no double precision")
    x = cltorch.tensor([[1.0, 2.0], [5.0, 3.0]], device=device)
    i = cltorch.arange(3, device=device)
    outs = tuple(cltorch.empty(0, dtype=getattr(cltorch, t), device=device) for t in types.split())
    given = outs[0] if len(outs) == 1 else outs
    if words is not None:
        with pytest.raises(RuntimeError, match=words):
            call(x, i, given)
        return
    call(x, i, given)
    name = call.__code__.co_names[1]
    plain = {
        "addr": lambda: cltorch.addr(x, x[0], x[0]),
        "geqrf": lambda: cltorch.geqrf(x),
        "native_batch_norm": lambda: cltorch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5),
    }[name]()
    for out, want in zip(outs, plain if isinstance(plain, tuple) else (plain,), strict=True):
        assert cltorch.equal(out, want.to(out.dtype))


def test_an_output_that_lies_on_itself_is_refused_before_its_shape_is_looked_at(device):
    x, index = cltorch.ones(3, 6, device=device), cltorch.zeros(2, dtype=cltorch.int64, device=device)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        cltorch.index_select(x, 1, index, out=cltorch.empty(2, device=device).expand(2, 2))


def test_addbmm_lets_a_number_grow_and_mvlgamma_keeps_integers(device):
    x = cltorch.ones(1, device=device)
    assert x.addbmm_(cltorch.ones(2, 3, 4, device=device), cltorch.ones(2, 4, 5, device=device)) is x
    assert x.tolist() == [[9.0] * 5] * 3
    with pytest.raises(RuntimeError, match="Bad in-place call"):
        cltorch.ones(1, device=device).addmm_(cltorch.ones(3, 4, device=device), cltorch.ones(4, 5, device=device))
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type Long"):
        cltorch.ones(3, dtype=cltorch.int64, device=device).mvlgamma_(1)
