"""View functions on every device: against NumPy's views, with their gradients and PyTorch's errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck

A = np.arange(24.0).reshape(2, 3, 4)

# (name, the view in cltorch, the same in NumPy)
VIEWS = {
    "transpose": (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, 2)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "movedim": (lambda x: x.movedim((0, 1), (-1, 0)), lambda a: np.moveaxis(a, (0, 1), (-1, 0))),
    "swapdims": (lambda x: cltorch.swapdims(x, 1, 2), lambda a: a.swapaxes(1, 2)),
    "mT": (lambda x: x.mT, lambda a: a.swapaxes(-1, -2)),
    "t": (lambda x: x[0].t(), lambda a: a[0].T),
    "T": (lambda x: x[0].T, lambda a: a[0].T),
    "H": (lambda x: x[1].H, lambda a: a[1].T),
    "adjoint": (lambda x: x.adjoint(), lambda a: a.swapaxes(-1, -2)),
    "view": (lambda x: x.view(4, -1), lambda a: a.reshape(4, 6)),
    "view_as": (lambda x: x.view_as(cltorch.empty(6, 4)), lambda a: a.reshape(6, 4)),
    "reshape": (lambda x: x.transpose(0, 1).reshape(-1, 8), lambda a: a.swapaxes(0, 1).reshape(3, 8)),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    "ravel": (lambda x: x.mT.ravel(), lambda a: a.swapaxes(1, 2).reshape(-1)),
    "unflatten": (lambda x: x.unflatten(-1, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    "squeeze": (lambda x: x[:1].squeeze(0), lambda a: a[0]),
    "squeeze of several": (lambda x: x[:1, 1:2].squeeze((0, 1)), lambda a: a[0, 1]),
    "unsqueeze": (lambda x: x.unsqueeze(-2), lambda a: a[:, :, None]),
    "expand": (lambda x: x[:, :1].expand(2, 5, -1), lambda a: np.broadcast_to(a[:, :1], (2, 5, 4))),
    "expand in front": (lambda x: x[0].expand(2, 3, 4), lambda a: np.broadcast_to(a[0], (2, 3, 4))),
    "expand_as": (lambda x: x[..., :1].expand_as(x), lambda a: np.broadcast_to(a[..., :1], (2, 3, 4))),
    "broadcast_to": (lambda x: cltorch.broadcast_to(x[1], (2, 3, 4)), lambda a: np.broadcast_to(a[1], (2, 3, 4))),
    "narrow": (lambda x: x.narrow(-1, 1, 2), lambda a: a[..., 1:3]),
    "select": (lambda x: x.select(1, -1), lambda a: a[:, -1]),
    "diagonal": (lambda x: x.diagonal(1, -2, -1), lambda a: np.diagonal(a, 1, 1, 2)),
    "diagonal below": (lambda x: x.diagonal(-1, 1, 2), lambda a: np.diagonal(a, -1, 1, 2)),
    "unfold": (
        lambda x: x.unfold(2, 2, 1),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 2),
    ),
    "as_strided": (
        lambda x: x.as_strided((3, 2), (2, 7), 3),
        lambda a: np.lib.stride_tricks.as_strided(a.reshape(-1)[3:], (3, 2), (16, 56)),
    ),
    "as_strided twice the same": (
        lambda x: x.as_strided((4, 3), (1, 1), 2),
        lambda a: np.lib.stride_tricks.as_strided(a.reshape(-1)[2:], (4, 3), (8, 8)),
    ),
    "split": (lambda x: x.split(3, 2)[1], lambda a: a[..., 3:]),
    "split by a tensor": (lambda x: x.split(cltorch.tensor(3), 2)[1], lambda a: a[..., 3:]),
    "split by a tensor of one size": (lambda x: cltorch.split(x, cltorch.tensor([3]), 2)[1], lambda a: a[..., 3:]),
    "split by sizes": (lambda x: x.split([1, 3], dim=-1)[1], lambda a: a[..., 1:]),
    "chunk": (lambda x: x.chunk(2, 1)[0], lambda a: a[:, :2]),
    "tensor_split": (lambda x: x.tensor_split((1, 3), 2)[1], lambda a: a[..., 1:3]),
    "hsplit": (lambda x: cltorch.hsplit(x, 3)[2], lambda a: np.hsplit(a, 3)[2]),
    "vsplit": (lambda x: cltorch.vsplit(x, [1])[1], lambda a: np.vsplit(a, [1])[1]),
    "dsplit": (lambda x: cltorch.dsplit(x, 2)[0], lambda a: np.dsplit(a, 2)[0]),
    "unbind": (lambda x: x.unbind(1)[2], lambda a: a[:, 2]),
    "view of a view of a view": (
        lambda x: x.permute(1, 0, 2)[1:].select(0, 1).t()[::2].unsqueeze(1),
        lambda a: a.transpose(1, 0, 2)[1:][1].T[::2][:, None],
    ),
}


COPIES = ("reshape", "ravel")  # of what these calls are given
SHARED = ("expand", "expand in front", "expand_as", "broadcast_to", "as_strided twice the same", "unfold")


@pytest.mark.parametrize("name", list(VIEWS))
def test_view_shows_what_numpys_does(device, name):
    ours, numpys = VIEWS[name]
    x = cltorch.tensor(A, dtype=cltorch.float32, device=device)
    got = ours(x)
    np.testing.assert_array_equal(got.cpu().numpy(), numpys(A))
    if name not in COPIES:
        assert got.data_ptr() - x.data_ptr() == 4 * got.storage_offset() and got._is_view() and got._base is x
    again = (
        ours(x.transpose(0, 1).contiguous().transpose(0, 1)) if "view" not in name and "strided" not in name else got
    )
    np.testing.assert_array_equal(again.cpu().numpy(), numpys(A))  # from other strides too


@pytest.mark.parametrize("name", [n for n in VIEWS if n not in (*COPIES, *SHARED)])
def test_changes_through_a_view_show_in_its_base(device, name):
    ours, numpys = VIEWS[name]
    a = A.copy()
    where = numpys(np.arange(24).reshape(2, 3, 4).astype(np.float64)).astype(int)
    x = cltorch.tensor(A, dtype=cltorch.float32, device=device)
    ours(x).mul_(-2)
    a.reshape(-1)[where] *= -2
    np.testing.assert_array_equal(x.cpu().numpy(), a)
    ours(x).copy_(cltorch.full(where.shape, 7.0, device=device))
    a.reshape(-1)[where] = 7
    np.testing.assert_array_equal(x.cpu().numpy(), a)
    ours(x).fill_(3)
    a.reshape(-1)[where] = 3
    np.testing.assert_array_equal(x.cpu().numpy(), a)


@pytest.mark.parametrize("name", list(VIEWS))
def test_gradients_of_views(device, fp64, name):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.tensor(A / 7, device=device, requires_grad=True)
    f = VIEWS[name][0]
    weights = cltorch.arange(float(f(x).numel()), dtype=cltorch.float64, device=device).view(f(x).shape)
    (g,) = cltorch.autograd.grad((f(x) * weights).sum(), x)
    want = np.zeros(24)
    np.add.at(want, VIEWS[name][1](np.arange(24.0).reshape(2, 3, 4)).astype(int), weights.cpu().numpy())
    np.testing.assert_array_equal(g.cpu().numpy(), want.reshape(2, 3, 4))


WINDOWS = {
    "unfold of unfold": (lambda x: x.unfold(0, 2, 1), lambda x: x.unfold(1, 3, 1)),
    "unfold of unfold in another order": (lambda x: x.unfold(1, 3, 1), lambda x: x.permute(2, 0, 1).unfold(1, 2, 1)),
    "unfold of expand": (lambda x: x.unsqueeze(1).expand(3, 3, 4), lambda x: x.unfold(2, 2, 1)),
    "unfold along expand": (lambda x: x.unsqueeze(1).expand(3, 3, 4), lambda x: x.unfold(1, 2, 1)),
    "select of unfold": (lambda x: x.unfold(0, 2, 1), lambda x: x.select(2, 1)),
    "diagonal of unfold": (lambda x: x.unfold(1, 3, 1), lambda x: x.diagonal(0, 1, 2)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_gradients_of_views_of_overlapping_views(device, name):
    first, second = WINDOWS[name]
    found = []
    for between in (lambda x: x, lambda x: x.clone(memory_format=cltorch.contiguous_format)):
        x = cltorch.arange(12.0, device=device).view(3, 4).requires_grad_()
        out = second(between(first(x)))
        (out * cltorch.arange(float(out.numel()), device=device).view(out.shape)).sum().backward()
        found.append(x.grad.tolist())
    assert found[0] == found[1]


def test_as_strided_takes_tensors_as_sizes(device):
    x = cltorch.arange(6, device=device)
    y = x.as_strided((cltorch.tensor(2), 3), (cltorch.tensor(1), 1))
    assert y.contiguous().tolist() == [[0, 1, 2], [1, 2, 3]] and all(type(n) is int for n in (*y.shape, *y.stride()))


def test_gradient_of_as_strided_of_an_overlapping_view(device):
    # as PyTorch does, an element that several places of the input share gets its gradient in equal parts through each
    x = cltorch.arange(3.0, device=device).requires_grad_()
    x.expand(2, 3).as_strided((2, 2), (1, 1)).backward(cltorch.tensor([[1.0, 2], [3, 4]], device=device))
    assert x.grad.tolist() == [1.0, 5.0, 4.0]


@pytest.mark.parametrize("name", ["permute", "narrow", "diagonal", "unfold", "as_strided twice the same", "expand"])
def test_second_gradients_of_views(name):
    x = cltorch.tensor(A[:, :2] / 7, requires_grad=True)
    f = {
        "unfold": lambda x: x.unfold(2, 2, 1),
        "as_strided twice the same": lambda x: x.as_strided((4, 3), (1, 1), 2),
    }.get(name, VIEWS[name][0])
    assert gradcheck(lambda x: f(x) ** 2, x) and gradgradcheck(lambda x: f(x) ** 2, x)


def test_all_parts_of_a_split_have_gradients(device):
    x = cltorch.tensor(A, dtype=cltorch.float32, device=device, requires_grad=True)
    parts = [p for kind in (x.split(3, 2), x.chunk(2, 1), x.unbind(0), x.tensor_split(3, 2)) for p in kind]
    sum((i + 1) * p.sum() for i, p in enumerate(parts)).backward()
    want = np.zeros_like(A)
    areas = [want[..., :3], want[..., 3:], want[:, :2], want[:, 2:], want[0], want[1], want[..., :2], want[..., 2:3],
             want[..., 3:]]  # fmt: skip
    for i, area in enumerate(areas):
        area += i + 1
    np.testing.assert_array_equal(x.grad.cpu().numpy(), want)
    assert [p.grad_fn.name() for p in parts[:5]] == ["SplitBackward0"] * 4 + ["UnbindBackward0"]
    (g,) = cltorch.autograd.grad(x.split(3, 2)[0].sum(), x)  # the other part has none
    assert g.sum().item() == 18.0


def test_views_of_expanded_tensors_have_gradients_of_their_own(device):
    x = cltorch.ones(1, 3, device=device).expand(2, 3).detach().requires_grad_()
    (g,) = cltorch.autograd.grad((x[0] * 2).sum() + x[1, 1:].sum() + x.t()[2].sum(), x)
    assert g.tolist() == [[2.0, 2.0, 3.0], [0.0, 1.0, 2.0]]


def test_views_of_other_dtypes(device):
    x = cltorch.tensor([1.0, -2.0, 0.5, 3.0], device=device)
    assert x.view(cltorch.int32).tolist() == np.array([1.0, -2.0, 0.5, 3.0], np.float32).view(np.int32).tolist()
    assert x.view(cltorch.uint8).shape == (16,) and x[2:].view(cltorch.int64).shape == (1,)
    assert x.view(2, 2).view(cltorch.int16).shape == (2, 4)
    x.view(cltorch.int32)[0] = 0
    assert x.tolist() == [0.0, -2.0, 0.5, 3.0]
    assert x.view(cltorch.uint8).view(cltorch.float32).tolist() == x.tolist()
    for bad, words in (
        (lambda: x[:3].view(cltorch.int64), r"self.size\(-1\) must be divisible by 2 to view Float as Long"),
        (lambda: x[1:3].view(cltorch.int64), r"self.storage_offset\(\) must be divisible by 2"),
        (lambda: x.view(2, 2).t().view(cltorch.int64), r"self.stride\(-1\) must be 1 to view Float as Long"),
        (lambda: x[0].view(cltorch.uint8), r"self.dim\(\) cannot be 0 to view Float as Byte"),
    ):
        with pytest.raises(RuntimeError, match=words):
            bad()


def test_no_gradient_comes_from_bits(device):
    x = cltorch.ones(2, 2, device=device, requires_grad=True)
    seen = x.view(cltorch.bfloat16)
    assert not seen.requires_grad and seen.grad_fn is None and seen._base is x
    assert x.view(cltorch.float32).requires_grad and cltorch.view_as_complex(x).requires_grad


def test_views_in_place(device):
    x = cltorch.tensor(A, dtype=cltorch.float32, device=device)
    y = x.clone()
    assert y.transpose_(0, 1) is y and y.shape == (3, 2, 4) and y.tolist() == x.transpose(0, 1).tolist()
    assert y.unsqueeze_(0).squeeze_(0).swapaxes_(0, 1).tolist() == x.tolist()
    assert y[0].t_().tolist() == x[0].t().tolist() and y.as_strided_((2, 2), (12, 1)).tolist() == x[:, 0, :2].tolist()
    w = cltorch.ones(2, 3, device=device, requires_grad=True)
    z = w * 2
    z.t_()
    (z * cltorch.arange(6.0, device=device).view(3, 2)).sum().backward()
    assert w.grad.tolist() == [[0.0, 4.0, 8.0], [2.0, 6.0, 10.0]]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        w.t_()


def test_memory_that_overlaps_is_refused(device):
    x = cltorch.arange(6.0, device=device)
    wide = x[:3].expand(2, 3)
    for bad in (lambda: wide.add_(1), lambda: wide.copy_(cltorch.ones(2, 3, device=device)), lambda: wide.exp_()):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single mem"):
            bad()
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor refer to a"):
        x[1:].add_(x[:-1])
    x[::2].add_(x[1::2])  # apart, though their stretches overlap
    assert x.tolist() == [1.0, 1.0, 5.0, 3.0, 9.0, 5.0]
    columns = cltorch.ones(3, 4, device=device)
    columns[:, 0] += columns[:, 3]
    assert columns[:, 0].tolist() == [2.0] * 3
    x.add_(x)
    assert x[0].item() == 2.0
    wide.zero_()  # one value for all needs no order
    assert x.tolist()[:3] == [0.0] * 3
    before = x.tolist()
    for written, read in ((x[1:], x[:-1]), (x[:4].view(2, 2).t(), x[:4].view(2, 2))):
        with pytest.raises(
            RuntimeError, match="some elements of the input tensor and the written-to tensor refer to a"
        ):
            written.copy_(read)
    assert x.tolist() == before


def test_empty_and_0d_tensors_have_views(device):
    e = cltorch.zeros(0, 3, device=device)
    assert e.view(3, 0).shape == (3, 0) and e.t().shape == (3, 0) and e.expand(2, 0, 3).shape == (2, 0, 3)
    assert e.flatten().shape == (0,) and e.split(2)[0].shape == (0, 3) and e.unbind(0) == () and len(e.unbind(1)) == 3
    z = cltorch.tensor(5.0, device=device)
    assert z.view(1, 1).tolist() == [[5.0]] and z.expand(2).tolist() == [5.0, 5.0] and z.unsqueeze(0).shape == (1,)
    assert z.flatten().shape == (1,) and z.squeeze().shape == () and z.T.shape == () and z.view(()).item() == 5.0
    for bad, words in (
        (z.unbind, "Dimension specified as 0 but tensor has no dimensions"),
        (lambda: z.select(0, 0), "select\\(\\) cannot be applied to a 0-dim tensor"),
        (lambda: z.narrow(0, 0, 1), "narrow\\(\\) cannot be applied to a 0-dim tensor"),
        (lambda: z.chunk(2), "chunk expects at least a 1-dimensional tensor"),
        (lambda: e.view(0, -1), "is ambiguous"),
    ):
        with pytest.raises((RuntimeError, IndexError), match=words):
            bad()


def test_ways_to_give_sizes(device):
    x = cltorch.arange(6, device=device)
    for given in ((2, 3), ((2, 3),), ([2, 3],), (cltorch.Size([2, 3]),), (np.int64(2), 3), (cltorch.tensor(2), -1)):
        assert x.view(*given).shape == x.reshape(*given).shape == (2, 3)
    assert x.view(2, 3).permute([1, 0]).shape == x.view(2, 3).permute(1, 0).shape == (3, 2)
    assert cltorch.broadcast_shapes((2, 1), (3,), 3) == (2, 3)
    a, b = cltorch.broadcast_tensors(x.view(6, 1), x)
    assert a.shape == b.shape == (6, 6)


# what PyTorch says of a wrong call, by its kind and the beginning of its words
ERRORS = {
    "x.transpose(0, 3)": (IndexError, r"Dimension out of range \(expected to be in range of \[-3, 2\], but got 3\)"),
    "x.permute(0, 1)": (RuntimeError, "number of dimensions in the tensor input does not match the length"),
    "x.permute(0, 1, 1)": (RuntimeError, "duplicate dims are not allowed"),
    "x.view(5, -1)": (RuntimeError, r"shape '\[5, -1\]' is invalid for input of size 24"),
    "x.view(-1, -1)": (RuntimeError, "only one dimension can be inferred"),
    "x.mT.view(24)": (RuntimeError, "view size is not compatible with input tensor's size and stride"),
    "x.expand(2, 4, 4)": (RuntimeError, r"The expanded size of the tensor \(4\) must match the existing size \(3\)"),
    "x.expand(3)": (RuntimeError, "the number of sizes provided"),
    "x.expand(-1, 2, 3, 4)": (RuntimeError, "isn't allowed in a leading, non-existing dimension 0"),
    "x.narrow(0, 1, 3)": (RuntimeError, r"start \(1\) \+ length \(3\) exceeds dimension size \(2\)"),
    "x.narrow(0, 5, 0)": (IndexError, r"start out of range \(expected to be in range of \[-2, 2\], but got 5\)"),
    "x.narrow(0, 0, -1)": (RuntimeError, r"narrow\(\): length must be non-negative"),
    "x.select(1, 3)": (IndexError, r"select\(\): index 3 out of range for tensor of size \[2, 3, 4\] at dimension 1"),
    "x.diagonal(0, 1, 1)": (RuntimeError, "diagonal dimensions cannot be identical 1, 1"),
    "x.unfold(1, True, 1)": (TypeError, "argument .size. .position 2. must be int, not bool"),
    "x.unfold(1, 4, 1)": (RuntimeError, "maximum size for tensor at dimension 1 is 3 but size is 4"),
    "x.unfold(1, 2, 0)": (RuntimeError, "step is 0 but must be > 0"),
    "x.unfold(1, -1, 1)": (RuntimeError, "size is -1 but must be >= 0"),
    "x.as_strided((5, 5), (5, 1))": (RuntimeError, "are out of bounds for storage of size 96"),
    "x.as_strided((2,), (-1,))": (RuntimeError, "as_strided: Negative strides are not supported"),
    "x.as_strided((2,), (1, 1))": (RuntimeError, "mismatch in length of strides and shape"),
    "x.as_strided((2,), (1,), -1)": (RuntimeError, "Tensor: invalid storage offset -1"),
    "x.split(-1)": (RuntimeError, "split expects split_size be non-negative, but got split_size=-1"),
    "x.split([1, 2], 1).nope": (AttributeError, "nope"),
    "x.split([1, 1], 1)": (RuntimeError, "split_with_sizes expects split_sizes to sum exactly to 3"),
    "x.split([-1, 4], 1)": (RuntimeError, "split_sizes have only non-negative entries"),
    "x.split(cltorch.tensor([1, 2]), 1)": (TypeError, "'split_sizes' .* must be tuple of ints, not Tensor"),
    "x.split_with_sizes(cltorch.tensor(2), 1)": (TypeError, "'split_sizes' .* must be tuple of ints, not Tensor"),
    "x.chunk(0)": (RuntimeError, "chunk expects `chunks` to be greater than 0, got: 0"),
    "x.tensor_split(0)": (RuntimeError, "number of sections must be larger than 0, got 0"),
    "cltorch.hsplit(x, 2)": (RuntimeError, "is not divisible by the split_size 2"),
    "cltorch.vsplit(x[0, 0], 2)": (RuntimeError, "requires a tensor with at least 2 dimension"),
    "x.movedim((0, 0), (1, 0))": (RuntimeError, "movedim: repeated dim in `source`"),
    "x.movedim((0,), (1, 0))": (RuntimeError, "should contain the same number of dims as destination"),
    "x.flatten(2, 1)": (RuntimeError, "start_dim cannot come after end_dim"),
    "x.unflatten(0, (3, 2))": (RuntimeError, "don't multiply up to the size of dim 0"),
    "x.unflatten(0, ())": (RuntimeError, "unflatten: sizes must be non-empty"),
    "x.squeeze((0, 0))": (RuntimeError, "dim 0 appears multiple times in the list of dims"),
    "x.unsqueeze(4)": (IndexError, r"expected to be in range of \[-4, 3\], but got 4"),
    "x.t()": (RuntimeError, r"t\(\) expects a tensor with <= 2 dimensions, but self is 3D"),
    "x.H": (RuntimeError, "tensor.H is only supported on matrices"),
    "x[0, 0].mT": (RuntimeError, "tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor"),
    "x[0, 0].adjoint()": (RuntimeError, "only supported on matrices or batches of matrices"),
    "cltorch.broadcast_tensors(x, x[:, :, :3])": (RuntimeError, "must match the size of tensor b"),
}


@pytest.mark.parametrize("call", list(ERRORS))
def test_wrong_calls_say_what_pytorch_says(call):
    kind, words = ERRORS[call]
    with pytest.raises(kind, match=words):
        eval(call, {"x": cltorch.tensor(A, dtype=cltorch.float32), "cltorch": cltorch})


# ---- PyTorch itself --------------------------------------------------------------------------------------------------
CALLS = json.loads(Path(__file__).with_name("view_calls.json").read_text())


def outcome(lib, call):
    def make(*shape):
        if shape == ((),):
            return lib.tensor(5.0)
        return lib.arange(int(np.prod(shape)), dtype=lib.float32).reshape(*shape)

    def described(r):
        if isinstance(r, (tuple, list)):
            return [described(v) for v in r]
        if hasattr(r, "storage_offset"):
            return (str(r.dtype), tuple(r.shape), tuple(r.stride()), r.storage_offset(), r.tolist())
        return str(r)

    try:
        return described(eval(call, {"L": lib, "A": make}))
    except Exception as error:
        return type(error).__name__


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_views_are_pytorchs():
    """Shape, strides, offset, values and the kind of error of many calls."""
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    different = {call: (outcome(cltorch, call), outcome(torch, call)) for call in CALLS}
    assert {call: both for call, both in different.items() if both[0] != both[1]} == {}


def test_the_order_of_dimensions_in_memory():
    order = lambda x, check=False: x.dim_order(ambiguity_check=check)  # noqa: E731
    plain, one = cltorch.empty(2, 3, 4), cltorch.empty(1, 2, 3)
    assert order(plain) == order(plain, True) == (0, 1, 2) and order(plain.transpose(0, 2), True) == (2, 1, 0)
    assert order(cltorch.empty(2, 3, 4, 5, memory_format=cltorch.channels_last), True) == (0, 2, 3, 1)
    assert order(one) == order(one, [cltorch.contiguous_format]) == (0, 1, 2)
    assert order(cltorch.empty(3).expand(2, 3)) == (0, 1)
    for check in (True, [], [cltorch.channels_last, cltorch.contiguous_format]):
        with pytest.raises(RuntimeError, match="does not have unique dim order"):
            order(one[None], check)
    for check in (None, 1, ["a"]):
        with pytest.raises(TypeError, match="must be a bool or a list of memory formats"):
            order(one, check)


@pytest.mark.parametrize(
    "shape, sizes, strides",
    [
        ((), (1, 1), (0, 0)),
        ((3, 1), (1, 1, 3, 1), (3, 3, 1, 1)),
        ((5,), (2, 1, 5), (0, 5, 1)),
        ((5,), (1, 2, 5), (0, 0, 1)),
    ],
)
def test_strides_of_new_dimensions(shape, sizes, strides):
    assert cltorch.empty(shape).expand(sizes).stride() == strides


def test_transposes_of_what_is_no_matrix_are_deprecated(device, each_warning):
    number, line = cltorch.tensor(3.0, device=device), cltorch.ones(2, device=device)
    for x, name in ((number, "mT"), (number, "T"), (line, "T"), (line[None, None], "T")):
        with pytest.warns(UserWarning, match="deprecated"):
            assert getattr(x, name).shape == x.shape[::-1]
    for transposed in (lambda: number.mH, number.adjoint):
        with pytest.warns(UserWarning, match="deprecated"):
            assert transposed().shape == ()
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        line[None].movedim(0, (0, 1))


def test_tensors_of_one_whole_number_are_dimensions_too(device):
    x = cltorch.ones(2, 3, device=device)
    for first in (0, cltorch.tensor(0, dtype=cltorch.uint8, device=device)):
        for second in (-1, cltorch.tensor(1, device=device)):
            assert x.movedim(first, second).shape == x.movedim([first], (second,)).shape == (3, 2)
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        x.movedim(cltorch.tensor(0), (1,))


def test_conditions_of_bytes_are_deprecated(device, each_warning):
    with pytest.warns(UserWarning, match="uint8 condition"):
        chosen = cltorch.where(cltorch.tensor([1, 0], dtype=cltorch.uint8, device=device), 1, 2)
    assert chosen.tolist() == [1, 2]
    with pytest.raises(TypeError, match="must be tuple of Tensors, not Tensor"):
        cltorch.zeros(2, device=device).index_put_(cltorch.tensor([0], device=device), cltorch.tensor(1.0))


def test_sizes_and_dimensions_must_be_given(device):
    x, one = cltorch.ones(1, device=device), cltorch.tensor(2.0, device=device)
    for name, argument in (
        ("reshape", "shape"), ("permute", "dims"), ("expand", "size"), ("view", "size"), ("tile", "dims"),
        ("flip", "dims"), ("broadcast_to", "size"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=f'{name}.. missing 1 required positional arguments: "{argument}"'):
            getattr(x, name)()
        assert getattr(one, name)(()).item() == 2  # no dimensions are an empty sequence
    with pytest.raises(TypeError, match="missing"):
        cltorch.reshape(x)
