"""Padding: both variants of the kernel, every mode, gradients and dtypes, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.nn import functional as F
from cltorch.ops import pad as ops

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
# (shape, what F.pad is given)
CASES = [
    ((5, 4), (1, 2)),
    ((2, 3, 4), (3, 1)),
    ((2, 3, 4, 5), (2, 0, 1, 2)),
    ((3, 4, 5), (0, 0, 2, 3)),
    ((2, 3, 4, 5, 6), (1, 2, 3, 0, 1, 1)),
    ((3, 150), (70, 9)),
]
CUT = ((2, 7, 70), (-2, 66, 3, -1))


def pairs(shape, given):
    out = [(0, 0)] * len(shape)
    for i in range(len(given) // 2):
        out[-1 - i] = (given[2 * i], given[2 * i + 1])
    return tuple(out)


def expected(a, given, mode, value=0):
    """Pad by NumPy, whose sizes cannot be negative: those are sliced off first."""
    around = pairs(a.shape, given)
    a = a[tuple(slice(max(-b, 0), n - max(-e, 0)) for n, (b, e) in zip(a.shape, around, strict=True))]
    more = {"constant_values": value} if mode == "constant" else {}
    return np.pad(a, [(max(b, 0), max(e, 0)) for b, e in around], MODES[mode], **more)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("shape", "given"), [*CASES, CUT])
def test_padding_is_numpys(shape, given, mode, device):
    a = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    kw = {"value": 1.5} if mode == "constant" else {}
    out = F.pad(cltorch.tensor(a, device=device), given, mode, **kw)
    np.testing.assert_array_equal(out.cpu().numpy(), expected(a, given, mode, 1.5))


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize(
    ("mode", "shape", "given"),
    # what is taken round the end is cut before it comes to a kernel
    [(mode, *case) for mode in MODES for case in (*CASES, CUT) if mode != "circular" or case is not CUT],
)
def test_both_variants_of_the_kernel_are_right(shape, given, mode, kind, cl_device):
    a = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x = cltorch.tensor(a, device=cl_device)
    out = ops.run(x, shape, pairs(shape, given), mode, 2.5, False, kind)
    np.testing.assert_array_equal(out.cpu().numpy(), expected(a, given, mode, 2.5))
    if mode != "constant":
        # the adjoint: <pad(a), g> = <a, adjoint(g)>, for every element of a at once by a one in its place
        g = np.random.default_rng(1).standard_normal(out.shape).astype(np.float32)
        found = ops.run(cltorch.tensor(g, device=cl_device), shape, pairs(shape, given), mode, 0, True, kind)
        places = expected(np.arange(a.size).reshape(shape), given, mode)
        wanted = np.bincount(places.reshape(-1), g.reshape(-1), a.size).reshape(shape)
        np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["constant", "circular"])
@pytest.mark.parametrize("given", [(-1, 2), (2, -3), (-1, -1), (-2, 0, 1, -1)])
def test_negative_sizes_cut_off(given, mode, device):
    a = np.random.default_rng(0).standard_normal((2, 4, 6)).astype(np.float32)
    out = F.pad(cltorch.tensor(a, device=device), given, mode)
    np.testing.assert_array_equal(out.cpu().numpy(), expected(a, given, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("given", [(-1, 2), (2, -3), (1, 2), (-2, 0, 1, -1)])
def test_negative_sizes_are_pytorchs(given, mode, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a = np.random.default_rng(0).standard_normal((2, 4, 6)).astype(np.float32)
    results = []
    for library, kw in ((torch, {}), (cltorch, {"device": device})):
        x = library.tensor(a, **kw).requires_grad_()
        out = library.nn.functional.pad(x, given, mode)
        (g,) = library.autograd.grad((out * out).sum(), x)
        results.append((out.detach().cpu().numpy(), g.cpu().numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_right_to_the_second_order(mode, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.randn(2, 3, 4, dtype=cltorch.float64, device=device, requires_grad=True)

    def call(x):
        return F.pad(x, (2, 1), mode) ** 2

    assert cltorch.autograd.gradcheck(call, [x]) and cltorch.autograd.gradgradcheck(call, [x])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float64", "int64", "int32", "int16", "uint8", "int8", "bool"]
)
def test_every_dtype_can_be_padded(dtype, mode, device, fp64):
    if dtype == "float64" and not fp64:
        pytest.skip("the device has no float64")
    a = np.arange(12).reshape(3, 4) % 5
    x = cltorch.tensor(a, device=device).to(getattr(cltorch, dtype))
    out = F.pad(x, (2, 1), mode)
    assert out.dtype is x.dtype
    reference = expected(a.astype(bool) if dtype == "bool" else a, (2, 1), mode)
    assert out.tolist() == reference.tolist()


@pytest.mark.parametrize("dtype", [cltorch.float16, cltorch.bfloat16])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_gradients_of_halves_add_up_in_single_precision(dtype, mode, device):
    x = cltorch.ones(1, 3, device=device, dtype=dtype, requires_grad=True)
    (g,) = cltorch.autograd.grad(F.pad(x, (2, 2), mode).sum(), x)
    assert g.dtype is dtype and g.sum().item() == 7


def test_values_are_converted_to_the_dtype(device):
    zeros = cltorch.zeros(1, device=device)
    assert F.pad(zeros.int(), (1, 0), value=2.7).tolist() == [2, 0]
    assert F.pad(zeros.bool(), (1, 0), value=3).tolist() == [True, False]
    assert F.pad(zeros, (1, 1), value=float("-inf")).tolist() == [-float("inf"), 0.0, -float("inf")]
    assert F.pad(zeros.half(), (0, 1), value=0.1)[1].item() == pytest.approx(0.1, rel=1e-3)


def test_views_and_empty_tensors_can_be_padded(device):
    a = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    x = cltorch.tensor(a, device=device)
    out = F.pad(x.permute(2, 0, 1)[1:], (1, 1), "circular")
    np.testing.assert_array_equal(out.cpu().numpy(), expected(a.transpose(2, 0, 1)[1:], (1, 1), "circular"))
    assert F.pad(cltorch.zeros(2, 0, device=device), (1, 2), value=4).tolist() == [[4.0] * 3] * 2
    assert F.pad(cltorch.zeros(0, 2, device=device), (1, 2)).shape == (0, 5)
    assert F.pad(cltorch.zeros(0, 2, 3, device=device), (1, 2), "reflect").shape == (0, 2, 6)
    assert F.pad(x, (-2, -2)).shape == (2, 3, 0)


def test_padding_by_nothing_is_a_copy(device):
    x = cltorch.ones(2, 2, device=device)
    out = F.pad(x, (0, 0))
    out.zero_()
    assert x.sum().item() == 4
    assert cltorch.constant_pad_nd(x, (1, 0), 3).tolist() == [[3.0, 1.0, 1.0]] * 2


def test_padding_does_not_wait_for_the_device(cl_device):
    x = cltorch.ones(2, 3, 4, device=cl_device, requires_grad=True)
    context = cltorch.device(cl_device).context
    before = context.syncs
    F.pad(F.pad(x, (1, 1), "reflect"), (1, 1)).sum().backward()
    assert context.syncs == before


WRONG = [
    ((2, 3), (1,), "constant", RuntimeError, "Padding length must be divisible by 2"),
    (
        (2, 3),
        (1,) * 6,
        "constant",
        RuntimeError,
        "Padding length should be less than or equal to two times the input dimension",
    ),
    ((2, 3), (1, 1), "what", NotImplementedError, "Unrecognised padding mode what|Padding size 2 is not supported"),
    ((3,), (1, 1), "reflect", NotImplementedError, "Padding size 2 is not supported for 1D input tensor"),
    ((2, 2, 2, 3), (1, 1), "circular", NotImplementedError, "Padding size 2 is not supported for 4D input tensor"),
    (
        (2, 3),
        (3, 1),
        "reflect",
        RuntimeError,
        r"Padding size should be less than .* padding \(3, 1\) at dimension 1 of input",
    ),
    (
        (2, 4, 3),
        (0, 0, 0, 4),
        "reflect",
        RuntimeError,
        r"Argument #6: .* padding \(0, 4\) at dimension 1 of input \[2, 4, 3\]",
    ),
    ((2, 3), (4, 0), "circular", RuntimeError, "Padding value causes wrapping around more than once"),
    ((2, 3), (1, -5), "circular", RuntimeError, "Negative padding value is resulting in an empty dimension"),
    ((2, 3), (-2, -1), "replicate", RuntimeError, r"input \(W: 3\) is too small. Calculated output W: 0"),
    ((2, 0), (1, 1), "reflect", RuntimeError, "non-zero dimensions for input, but got"),
]


@pytest.mark.parametrize(("shape", "given", "mode", "error", "message"), WRONG)
def test_wrong_arguments_are_refused(shape, given, mode, error, message):
    with pytest.raises(error, match=message):
        F.pad(cltorch.ones(shape), given, mode)


def test_more_cannot_be_cut_off_than_there_is():
    with pytest.raises(RuntimeError, match="The input size 3, plus negative padding -2 and -2, resulted in a negative"):
        cltorch.constant_pad_nd(cltorch.ones(2, 3), (-2, -2))
    with pytest.raises(RuntimeError, match="Length of pad should be no more than twice the number of dimensions"):
        cltorch.constant_pad_nd(cltorch.ones(3), (1, 1, 1, 1))
    with pytest.raises(RuntimeError, match='Padding mode "reflect" doesn.t take in value argument'):
        F.pad(cltorch.ones(2, 3), (1, 1), "reflect", 1.0)


def test_nodes_are_named_by_mode_and_dimensions():
    x = cltorch.ones(1, 3, 3, 3, requires_grad=True)
    for mode, name in (("reflect", "ReflectionPad"), ("replicate", "ReplicationPad")):
        padded = cltorch.nn.functional.pad(x, (1, 1, 1, 1), mode)
        assert padded.grad_fn.name() == f"{name}2DBackward0"
        assert cltorch.nn.functional.pad(x[0], (1, 1), mode).grad_fn.name() == f"{name}1DBackward0"
