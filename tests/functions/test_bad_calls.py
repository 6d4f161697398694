"""Calls that PyTorch refuses are refused here with the same kind of exception, and leave their operands alone."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch

MEET = "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory"
OVERLAP = "unsupported operation: more than one element of the written-to tensor refers to a single memory location"


def line(lib, n=4):
    return lib.arange(float(n))


def zeros(lib, n=3):
    return lib.zeros(n, dtype=lib.int64)


# called with the library and a vector of four numbers, which they try to write while they read it
MEETING = {
    "gather": lambda lib, x: lib.gather(x, 0, zeros(lib, 4), out=x),
    "gather a part": lambda lib, x: lib.gather(x[1:], 0, zeros(lib), out=x[:3]),
    "take": lambda lib, x: lib.take(x, zeros(lib, 4), out=x),
    "take_along_dim": lambda lib, x: lib.take_along_dim(x, zeros(lib, 4), 0, out=x),
    "masked_select": lambda lib, x: lib.masked_select(x, x > 0, out=x),
    "index_select": lambda lib, x: lib.index_select(x, 0, zeros(lib), out=x),
    "index_copy": lambda lib, x: lib.index_copy(line(lib), 0, zeros(lib, 4), x, out=x),
    "kthvalue": lambda lib, x: lib.kthvalue(x, 1, 0, out=(x, zeros(lib, 0))),
    "cat": lambda lib, x: lib.cat([x[:2], x[1:]], out=x),
    "stack": lambda lib, x: lib.stack([x], out=x),
    "nonzero": lambda lib, x: (lambda n: lib.nonzero(n, out=n))(x.long()),
    "scatter_": lambda lib, x: x.scatter_(0, zeros(lib, 4), x),
    "scatter_add_": lambda lib, x: x.scatter_add_(0, zeros(lib, 4), x),
    "index_add_": lambda lib, x: x.index_add_(0, zeros(lib, 4), x),
    "index_copy_": lambda lib, x: x.index_copy_(0, zeros(lib, 4), x),
    "put_": lambda lib, x: x.put_(zeros(lib), x[:3]),
    "copy_": lambda lib, x: x[1:].copy_(x[:3]),
    "mul": lambda lib, x: lib.mul(x[1:], 2, out=x),
    "cumsum": lambda lib, x: lib.cumsum(x[:3], 0, out=x[1:]),
    "cumprod": lambda lib, x: lib.cumprod(x[:3], 0, out=x[1:]),
    "logcumsumexp": lambda lib, x: lib.logcumsumexp(x[:3], 0, out=x[1:]),
}
# called with a view of which all elements are one number
EXPANDED = {
    "gather": lambda lib, x: lib.gather(line(lib, 3), 0, zeros(lib), out=x),
    "scatter_": lambda lib, x: x.scatter_(0, zeros(lib), lib.ones(3)),
    "index_add_": lambda lib, x: x.index_add_(0, zeros(lib), lib.ones(3)),
    "index_copy_": lambda lib, x: x.index_copy_(0, zeros(lib), lib.ones(3)),
    "put_": lambda lib, x: x.put_(zeros(lib), lib.ones(3)),
    "setitem": lambda lib, x: x.__setitem__(slice(None), 1),
    "add_": lambda lib, x: x.add_(1),
    "copy_": lambda lib, x: x.copy_(lib.ones(3)),
}
OTHERS = {
    "cat of an out that is no tensor": (TypeError, lambda lib: lib.cat([line(lib)], out=[1])),
    "masked_fill with a complex number": (RuntimeError, lambda lib: line(lib).masked_fill(line(lib) > 0, 1j)),
    "masked_fill_ with a complex number": (RuntimeError, lambda lib: line(lib).masked_fill_(line(lib) > 0, 1j)),
    "masked_fill with a complex tensor": (
        RuntimeError, lambda lib: line(lib).masked_fill(line(lib) > 0, lib.tensor(1j))
    ),
    "isclose to a number": (TypeError, lambda lib: lib.isclose(line(lib), 1)),
    "conv1d with a complex bias": (
        RuntimeError,
        lambda lib: lib.conv1d(lib.ones(1, 2, 4), lib.ones(2, 2, 2), lib.ones(2, dtype=lib.complex64)),
    ),
    "conv1d of complex by real": (
        RuntimeError, lambda lib: lib.conv1d(lib.ones(1, 2, 4, dtype=lib.complex64), lib.ones(2, 2, 2))
    ),
    "embedding_bag of complex rows": (
        RuntimeError,
        lambda lib: lib.nn.functional.embedding_bag(
            zeros(lib, (1, 2)), lib.ones(4, 3, dtype=lib.complex64), max_norm=1.0
        ),
    ),
    "embedding_bag of integers": (
        RuntimeError, lambda lib: lib.nn.functional.embedding_bag(zeros(lib, (1, 2)), lib.ones(4, 3).long())
    ),
    "embedding in a number": (
        RuntimeError, lambda lib: lib.nn.functional.embedding(zeros(lib), lib.tensor(1.0))
    ),
    "arange without a step": (RuntimeError, lambda lib: lib.arange(0, 3, 0)),
    "arange of integers without a step": (RuntimeError, lambda lib: lib.arange(0, 3, 0, dtype=lib.int64)),
    "arange to an imaginary number": (RuntimeError, lambda lib: lib.arange(1j)),
    "arange by an imaginary number": (RuntimeError, lambda lib: lib.arange(0, 2, 1j)),
    "round of integers to places": (NotImplementedError, lambda lib: zeros(lib).round(decimals=0)),
    "round_ of integers to places": (NotImplementedError, lambda lib: zeros(lib).round_(decimals=0)),
    "tensordot of truth values": (NotImplementedError, lambda lib: lib.tensordot(zeros(lib) > 0, zeros(lib) > 0, 1)),
    "softsign of truth values": (NotImplementedError, lambda lib: lib.nn.functional.softsign(zeros(lib) > 0)),
    "tanhshrink of truth values": (RuntimeError, lambda lib: lib.nn.functional.tanhshrink(zeros(lib) > 0)),
    "fft2 along no dimensions": (TypeError, lambda lib: lib.fft.fft2(lib.ones(2, 2), dim=None)),
    "irfft2 along no dimensions": (TypeError, lambda lib: lib.fft.irfft2(lib.ones(2, 2), dim=None)),
    "an index of NumPy's truth values": (IndexError, lambda lib: line(lib)[np.bool_(True)]),
    "a place of NumPy's truth values": (IndexError, lambda lib: line(lib).__setitem__(np.bool_(True), 1.0)),
    "kaiser_window without periodic": (TypeError, lambda lib: lib.kaiser_window(3, beta=2.0)),
    "kaiser_window with beta as periodic": (TypeError, lambda lib: lib.kaiser_window(3, 2.0)),
    "hamming_window without alpha": (TypeError, lambda lib: lib.hamming_window(3, True, beta=0.3)),
    "Tensor of a dtype": (TypeError, lambda lib: lib.Tensor([1], dtype=lib.float32)),
    "device of no type": (TypeError, lambda lib: lib.device()),
    "sin of two operands": (TypeError, lambda lib: lib.sin(line(lib), x=line(lib))),
    "maximum of three operands": (TypeError, lambda lib: lib.maximum(line(lib), line(lib), x2=line(lib))),
    "pow by a NumPy's name": (TypeError, lambda lib: lib.pow(x1=line(lib), x2=2)),
    "tensor of a tensor of several integers": (TypeError, lambda lib: lib.tensor([zeros(lib)], dtype=lib.int64)),
    "from_dlpack of a number": (RuntimeError, lambda lib: lib.from_dlpack(3)),
    "__dlpack__ for no stream": (TypeError, lambda lib: line(lib).__dlpack__(stream=object())),
    "arange of too many": (RuntimeError, lambda lib: lib.arange(0, 1e30, 1e-30)),
    "multi_margin_loss of fractions as classes": (
        RuntimeError, lambda lib: lib.nn.functional.multi_margin_loss(lib.ones(2, 3), lib.zeros(2))
    ),
    "multi_margin_loss of a class too many": (
        RuntimeError, lambda lib: lib.nn.functional.multi_margin_loss(lib.ones(2, 3), zeros(lib, 2) + 3)
    ),
    "multi_margin_loss of integers": (
        NotImplementedError, lambda lib: lib.nn.functional.multi_margin_loss(lib.ones(2, 3).long(), zeros(lib, 2))
    ),
    "multi_margin_loss of another weight": (
        RuntimeError,
        lambda lib: lib.nn.functional.multi_margin_loss(
            lib.ones(2, 3), zeros(lib, 2), weight=lib.ones(3, dtype=lib.float64)
        ),
    ),
    "multilabel_margin_loss of a class below -1": (
        RuntimeError, lambda lib: lib.nn.functional.multilabel_margin_loss(lib.ones(3), zeros(lib) - 2)
    ),
    "multilabel_margin_loss of short integers": (
        RuntimeError, lambda lib: lib.nn.functional.multilabel_margin_loss(lib.ones(3), zeros(lib).int())
    ),
    "fractional_max_pool2d with numbers of another dtype": (
        RuntimeError,
        lambda lib: lib.nn.functional.fractional_max_pool2d(
            lib.ones(1, 2, 4, 4), 2, output_size=2, _random_samples=lib.ones(1, 2, 2, dtype=lib.float64)
        ),
    ),
    "max_pool2d of complex numbers": (
        NotImplementedError, lambda lib: lib.max_pool2d(lib.ones(1, 2, 4, 4, dtype=lib.complex64), 2)
    ),
    "abs_ of complex numbers": (RuntimeError, lambda lib: lib.ones(2, dtype=lib.complex64).abs_()),
    "copysign of a number": (TypeError, lambda lib: lib.copysign(2, line(lib))),
    "ldexp by a number": (TypeError, lambda lib: lib.ldexp(line(lib), 2)),
    "atan2_ by a number": (TypeError, lambda lib: line(lib).atan2_(2.0)),
    "max of a number": (TypeError, lambda lib: lib.max(2, line(lib))),
    "isin with out of another dtype": (RuntimeError, lambda lib: lib.isin(line(lib), line(lib), out=line(lib))),
    "narrow_copy with out of another dtype": (
        RuntimeError, lambda lib: lib.narrow_copy(line(lib), 0, 1, 2, out=zeros(lib))
    ),
    "linear with out of another dtype": (
        RuntimeError, lambda lib: lib.nn.functional.linear(lib.ones(2, 3), lib.ones(2, 3), out=zeros(lib))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEETING)
def test_an_operand_is_not_written_over(name, device):
    cltorch.set_default_device(device)
    try:
        x = line(cltorch)
        with pytest.raises(RuntimeError, match=MEET):
            MEETING[name](cltorch, x)
        assert x.tolist() == [0, 1, 2, 3]
    finally:
        cltorch.set_default_device(None)


@pytest.mark.parametrize("name", EXPANDED)
def test_expanded_views_are_not_written(name):
    x = cltorch.zeros(1)
    with pytest.raises(RuntimeError, match=OVERLAP):
        EXPANDED[name](cltorch, x.expand(3))
    assert x.item() == 0


@pytest.mark.parametrize("name", OTHERS)
def test_other_bad_calls(name):
    error, call = OTHERS[name]
    with pytest.raises(error):
        call(cltorch)


def test_pytorch_refuses_them_too():
    torch = pytest.importorskip("torch")
    for call in MEETING.values():
        with pytest.raises(RuntimeError, match=MEET):
            call(torch, line(torch))
    for call in EXPANDED.values():
        with pytest.raises(RuntimeError, match=OVERLAP):
            call(torch, torch.zeros(1).expand(3))
    for error, call in OTHERS.values():
        with pytest.raises(error):
            call(torch)


WITH_OUT = {
    "isin": lambda lib, **k: lib.isin(line(lib), line(lib, 2), **k),
    "avg_pool2d": lambda lib, **k: lib.nn.functional.avg_pool2d(line(lib, 16).reshape(1, 4, 4), 2, **k),
    "avg_pool3d": lambda lib, **k: lib.nn.functional.avg_pool3d(line(lib, 16).reshape(1, 2, 2, 4), 2, **k),
    "linear": lambda lib, **k: lib.nn.functional.linear(lib.ones(2, 3), lib.ones(2, 3), lib.ones(2), **k),
    "gelu": lambda lib, **k: lib.nn.functional.gelu(line(lib), **k),
    "gelu by tanh": lambda lib, **k: lib.nn.functional.gelu(line(lib), approximate="tanh", **k),
    "narrow_copy": lambda lib, **k: lib.narrow_copy(line(lib), 0, 1, 2, **k),
    "slice_scatter": lambda lib, **k: lib.slice_scatter(line(lib), lib.ones(2), 0, 1, 3, **k),
}


@pytest.mark.parametrize("name", WITH_OUT)
def test_results_go_where_out_says(name):
    want = WITH_OUT[name](cltorch)
    out = cltorch.empty(0, dtype=want.dtype)
    assert WITH_OUT[name](cltorch, out=out) is out
    assert cltorch.equal(out, want)


@pytest.mark.parametrize("name", ["fractional_max_pool2d", "fractional_max_pool3d"])
def test_no_images_at_all_are_pooled(name):
    d = int(name[-2])
    out = getattr(cltorch.nn.functional, name)(cltorch.ones((0, 2) + (4,) * d), 2, output_size=2)
    assert out.shape == (0, 2) + (2,) * d


def test_the_divergence_from_nothing_has_no_slope():
    t = cltorch.tensor([0.0, 0.5, float("inf")], requires_grad=True)
    cltorch.nn.functional.kl_div(cltorch.tensor([1.0, -2.0, 1.0]), t, reduction="sum").backward()
    found = t.grad.tolist()
    assert found[0] != found[0] and abs(found[1] - 2.306853) < 1e-5 and found[2] != found[2]  # as in PyTorch


@pytest.mark.parametrize("t", ["float32", "complex64"])
def test_sigmoid_does_not_overflow(t, device):
    x = cltorch.tensor([-80.0, -1000.0, 1000.0, 0.0], dtype=getattr(cltorch, t), device=device)
    found = cltorch.sigmoid(x + 1j if x.is_complex() else x).abs().tolist()
    assert found[:2] == pytest.approx([1.8048513878454153e-35, 0.0], rel=1e-5)
    assert found[2] == 1.0


def test_operands_on_two_devices_never_meet_in_a_kernel(cl_device):
    x = cltorch.ones(3, device=cl_device)
    for call in (
        lambda: cltorch.take(x, cltorch.tensor([0])),
        lambda: x.index_copy_(0, cltorch.tensor([0], device=cl_device), cltorch.ones(1)),
        lambda: cltorch.cat([x, cltorch.ones(3)]),
    ):
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            call()
    assert x.tolist() == [1, 1, 1]


def test_several_results_are_stored_together_or_not_at_all():
    values, indices = cltorch.full((3,), 7.0), cltorch.zeros(3)
    with pytest.raises(RuntimeError, match="dtype"):
        cltorch.sort(cltorch.tensor([3.0, 1.0, 2.0]), out=(values, indices))
    assert values.tolist() == [7, 7, 7]


def test_a_name_of_numpys_may_be_an_argument_of_its_own():
    assert cltorch.trapezoid(cltorch.ones(3), x=cltorch.tensor([0.0, 1.0, 3.0])).item() == 3


@pytest.mark.parametrize("shape", [(2**62, 4), (2**62,), (0, 2**62, 4)])
def test_sizes_whose_product_overflows(shape):
    with pytest.raises(RuntimeError, match="overflow"):
        cltorch.zeros(shape)


def test_sums_take_numpys_names_of_their_operands(device):
    x = cltorch.ones(2, device=device)
    assert cltorch.add(x1=x, x2=x).tolist() == [2, 2]
    assert cltorch.sub(x=x, other=x, alpha=3).tolist() == [-2, -2]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        cltorch.add(x)
    with pytest.raises(TypeError):
        cltorch.add(x, x, x1=x)


@pytest.mark.parametrize("name", ["maximum", "atan2", "eq", "true_divide", "matmul", "isclose"])
def test_pairs_take_numpys_names(name, device):
    x = cltorch.tensor([1.0, 2.0], device=device)
    f = getattr(cltorch, name)
    assert cltorch.equal(f(x1=x, x2=x + 1), f(x, x + 1)) and cltorch.equal(f(x, x2=x + 1), f(x, x + 1))
    with pytest.raises(TypeError):
        f(x1=x)


@pytest.mark.parametrize("name", ["x", "a", "x1"])
def test_functions_of_one_take_numpys_names(name, device):
    x = cltorch.tensor([0.25, 0.5], device=device)
    for f in (cltorch.sin, cltorch.nan_to_num, cltorch.isreal, cltorch.logit):
        assert cltorch.equal(f(**{name: x}), f(x))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x, i: x.movedim((0, -1), (1,)), RuntimeError, r"source \(\[0, -1\] dims\)"),
        (lambda x, i: x.movedim((0, -2), (1, 0)), RuntimeError, r"repeated dim in `source` \(\[0, -2\]\)"),
        (lambda x, i: cltorch.narrow_copy(x, 1, 0, -1), RuntimeError, r"start \(0\) \+ length \(-1\) exceeds"),
        (lambda x, i: cltorch.scatter(x, 0, i, x), RuntimeError, "same number of dimensions as self tensor"),
        (lambda x, i: cltorch.gather(x, 0, i), RuntimeError, "same number of dimensions as input tensor"),
        (lambda x, i: x.index_add(0, i, x[0]), RuntimeError, r"Got self.shape = \[2, 3\] source.shape = \[3\]"),
        (lambda x, i: cltorch.dot(x[0], x[0].half()), RuntimeError, "dot : expected both vectors to have same dtype"),
        (lambda x, i: cltorch.linspace(0, 1, 2.0), TypeError, r"got \(int, int, float"),
        (lambda x, i: cltorch.hsplit(x, "abc"), TypeError, "received an invalid combination of arguments"),
        (lambda x, i: cltorch.gradient(x, spacing=[1.0], dim=(0, 1)), RuntimeError, "a scalar or"),
        (lambda x, i: cltorch.ormqr(x[0], x[0], x[0]), RuntimeError, "input must have at least 2 dim"),
        (lambda x, i: cltorch.ormqr(x, x[0], x), RuntimeError, "must be equal to min"),
        (lambda x, i: cltorch.float_power(x, 2, out=x.clone()), RuntimeError, "the output given to float_power"),
        (lambda x, i: cltorch.nan_to_num(i, out=x[0]), RuntimeError, "dtype of out: Float should be same as"),
        (lambda x, i: cltorch.max(x[0, 0] + 1j, 0), RuntimeError, "does not support complex input"),
        (lambda x, i: cltorch.mode(i, 0, out=(x[0], i)), RuntimeError, "expected scalar type .* but got .* for values"),
        (lambda x, i: cltorch.mode(x, 1, out=(x[0], x[1])), RuntimeError, "but got .* for indices"),
        (lambda x, i: x.view(3, 2, dtype=cltorch.int32), TypeError, "invalid combination of arguments"),
        (lambda x, i: x.view("abc"), TypeError, "must be tuple of ints, not str"),
        (lambda x, i: cltorch.broadcast_shapes(1, -12), ValueError, "dimension with negative length"),
        (lambda x, i: cltorch.broadcast_shapes((1.1, 2.0)), TypeError, "item 0 is 'float'"),
        (lambda x, i: x.tensor_split(cltorch.tensor(1.1)), RuntimeError, "dtype of long, but got Float"),
        (lambda x, i: x.tensor_split(cltorch.tensor([[1]])), RuntimeError, "but got a tensor with 2 dims"),
        (lambda x, i: cltorch.block_diag([x]), TypeError, "expected Tensor as element 0"),
        (lambda x, i: cltorch.arange(0, 10, float("nan")), RuntimeError, "step must be nonzero"),
        (lambda x, i: x.__delitem__(0), TypeError, "does not support deleting items"),
        (lambda x, i: x.scatter(1, i[None], x, value=3), TypeError, "invalid combination of arguments"),
        (lambda x, i: cltorch.randint(0, 5, 2), TypeError, "invalid combination of arguments"),
        (lambda x, i: i.pow_(-1), RuntimeError, "Integers to negative integer powers"),
        (lambda x, i: i.lerp(i, 0.5), NotImplementedError, "not implemented for 'Long'"),
        (lambda x, i: cltorch.searchsorted(x[0] + 1j, x[0] + 1j), NotImplementedError, "for 'ComplexFloat'"),
    ],
)
def test_what_is_wrong_is_told_as_by_pytorch(device, call, kind, message):
    x, i = cltorch.ones(2, 3, device=device), cltorch.tensor([0, 1], device=device)
    with pytest.raises(kind, match=message):
        call(x, i)
