"""Calls as other people's programs write them: every argument by its name, NumPy's names, sizes as keywords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import cltorch as torch


def x() -> Any:
    return torch.arange(6.0).reshape(2, 3)


ROWS = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
COLUMNS = [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
PAIRS = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
TWICE = [[*row, *row] for row in ROWS]

# a call and what it gives
SIZES_BY_NAME: list[tuple[Callable[[], Any], Any]] = [
    (lambda: x().permute(dims=(1, 0)), COLUMNS),
    (lambda: torch.permute(x(), dims=(1, 0)), COLUMNS),
    (lambda: x().view(size=(3, 2)), PAIRS),
    (lambda: x().reshape(shape=(3, 2)), PAIRS),
    (lambda: torch.reshape(input=x(), shape=(3, -1)), PAIRS),
    (lambda: x().expand(size=(1, 2, 3)), [ROWS]),
    (lambda: torch.broadcast_to(x(), size=(1, 2, 3)), [ROWS]),
    (lambda: x().repeat(repeats=(1, 2)), TWICE),
    (lambda: x().tile(dims=(2,)), TWICE),
    (lambda: torch.tile(x(), dims=(2,)), TWICE),
    (lambda: x().flip(dims=(0,)), ROWS[::-1]),
    (lambda: torch.flip(x(), dims=[0]), ROWS[::-1]),
    (lambda: x().flipud(), ROWS[::-1]),
    (lambda: x().swapaxes(axis0=0, axis1=1), COLUMNS),
    (lambda: torch.swapdims(x(), dim0=0, dim1=1), COLUMNS),
    (lambda: x().view(dtype=torch.int32).view(torch.float32), ROWS),
]

NUMPY_NAMES: list[tuple[Callable[[], Any], Any]] = [
    (lambda: torch.cat((x(), x()), axis=1), TWICE),
    (lambda: torch.stack((x(), x()), axis=0), [ROWS, ROWS]),
    (lambda: torch.squeeze(x()[None], axis=0), ROWS),
    (lambda: torch.unsqueeze(x(), axis=0), [ROWS]),
    (lambda: torch.chunk(x(), 3, axis=1)[0], [[0.0], [3.0]]),
    (lambda: torch.unbind(x(), axis=0)[1], ROWS[1]),
    (lambda: torch.tensor_split(x(), 2, dim=0)[1], ROWS[1:]),
    (lambda: x().select(axis=0, index=1), ROWS[1]),
    (lambda: torch.softmax(torch.zeros(2, 2), axis=1), [[0.5, 0.5]] * 2),
    (lambda: torch.log_softmax(torch.zeros(1, 1), axis=1), [[0.0]]),
    (lambda: torch.logsumexp(torch.zeros(1, 1), axis=1, keepdims=True), [[0.0]]),
    (lambda: torch.sort(x(), axis=0, descending=True).values, ROWS[::-1]),
    (lambda: torch.argsort(x(), axis=0, descending=True), [[1, 1, 1], [0, 0, 0]]),
    (lambda: torch.topk(x(), 1, axis=1).values, [[2.0], [5.0]]),
    (lambda: torch.kthvalue(x(), 1, axis=1, keepdims=True).values, [[0.0], [3.0]]),
    (lambda: torch.median(x(), axis=1).values, [1.0, 4.0]),
    (lambda: torch.mode(x(), axis=1).values, [0.0, 3.0]),
    (lambda: torch.cumsum(x(), axis=0), [ROWS[0], [3.0, 5.0, 7.0]]),
    (lambda: torch.cummax(x(), axis=0).values, ROWS),
    (lambda: torch.diff(x(), axis=1), [[1.0, 1.0]] * 2),
    (lambda: torch.gather(x(), axis=1, index=torch.tensor([[2], [0]])), [[2.0], [3.0]]),
    (lambda: torch.index_select(x(), axis=0, index=torch.tensor([1])), ROWS[1:]),
    (lambda: torch.repeat_interleave(x(), 1, axis=0), ROWS),
    (lambda: torch.linalg.cross(torch.eye(3)[:1], torch.eye(3)[1:2], dim=1), [[0.0, 0.0, 1.0]]),
]


OTHER_NAMES: list[tuple[Callable[[], Any], Any]] = [  # of arguments in overloads, which the documentation leaves out
    (lambda: torch.tensor_split(x(), sections=2)[1], ROWS[1:]),
    (lambda: x().tensor_split(indices=[1])[1], ROWS[1:]),
    (lambda: x().tensor_split(tensor_indices_or_sections=torch.tensor(2))[1], ROWS[1:]),
    (lambda: torch.vsplit(x(), sections=2)[1], ROWS[1:]),
    (lambda: x().hsplit(indices=[1])[0], [[0.0], [3.0]]),
    (lambda: torch.zeros(2, 2).addmm_(mat1=torch.eye(2), mat2=torch.eye(2), alpha=2), [[2.0, 0.0], [0.0, 2.0]]),
    (lambda: torch.zeros(2).addmv_(torch.eye(2), vec=torch.ones(2)), [1.0, 1.0]),
    (lambda: torch.zeros(1, 2).addr_(vec1=torch.ones(1), vec2=torch.ones(2)), [[1.0, 1.0]]),
    (lambda: torch.zeros(1, 1, 1).baddbmm_(batch1=torch.ones(1, 1, 1), batch2=torch.ones(1, 1, 1)), [[[1.0]]]),
    (lambda: torch.isin(element=1, test_elements=torch.tensor([1, 2])), True),
    (lambda: torch.isin(torch.tensor([1, 2]), test_element=1), [True, False]),
    (lambda: torch.pow(self=2, exponent=torch.tensor([3])), [8]),
    (lambda: torch.bitwise_and(self=3, other=torch.tensor([2])), [2]),
    (lambda: torch.remainder(self=7, other=torch.tensor([4])), [3]),
    (lambda: torch.special.xlogy(self=0, other=torch.ones(1)), [0.0]),
    (lambda: torch.where(torch.tensor(True), self=1, other=torch.tensor([2])), [1]),
    (lambda: torch.bucketize(self=1.5, boundaries=torch.tensor([1.0, 2.0])), 1),
    (lambda: torch.repeat_interleave(repeats=torch.tensor([1, 2])), [0, 1, 1]),
    (lambda: torch.zeros(2).copy_(other=torch.ones(2)), [1.0, 1.0]),
    (lambda: torch.zeros(2).map_(other=torch.ones(2), callable=lambda a, b: a + b), [1.0, 1.0]),
    (lambda: torch.ones(3).resize_(size=(2,)), [1.0, 1.0]),
    (lambda: torch.tensor(x().is_set_to(tensor=x())), False),
    (lambda: x().norm(1, 1, True, torch.float64), [[3.0], [12.0]]),
    (lambda: torch.linalg.solve_triangular(input=torch.eye(1), B=torch.ones(1, 1), upper=True), [[1.0]]),
    (lambda: torch.orgqr(input=torch.zeros(2, 1), input2=torch.zeros(1)), [[1.0], [0.0]]),
    (lambda: torch.tril_indices(1, 1, requires_grad=False), [[0], [0]]),
    (lambda: torch.argsort(x(), stable=True, out=torch.empty(0, dtype=torch.int64)), [[0, 1, 2]] * 2),
    (lambda: torch.threshold(x(), 1, 9, out=torch.empty(2, 3)), [[9.0, 9.0, 2.0], ROWS[1]]),
    (
        lambda: torch.gru(
            torch.ones(1, 1, 1), torch.ones(1, 1, 1), [torch.zeros(3, 1)] * 2, has_biases=False, num_layers=1,
            dropout=0.0, train=False, bidirectional=False, batch_first=False,
        )[0],
        [[[0.5]]],
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(OTHER_NAMES)))
def test_arguments_go_by_the_names_of_overloads(case: int) -> None:
    call, expected = OTHER_NAMES[case]
    assert call().tolist() == expected


def test_arguments_have_no_other_names_than_pytorchs() -> None:
    for call in (
        lambda: torch.zeros(2).copy_(src=torch.ones(2)),
        lambda: torch.zeros(2).addmv_(torch.eye(2), torch.ones(2), size=2),
        lambda: torch.gru(torch.ones(1, 1, 1), hx=torch.ones(1, 1, 1)),
        lambda: x().norm(out=torch.empty(())),
    ):
        with pytest.raises(TypeError):
            call()
    assert torch.result_type(scalar=2, tensor=torch.ones(1)) is torch.result_type(scalar1=1.5, scalar2=2)


@pytest.mark.parametrize("case", range(len(SIZES_BY_NAME)))
def test_sizes_and_dims_are_taken_by_name(case: int) -> None:
    call, expected = SIZES_BY_NAME[case]
    assert call().tolist() == expected


@pytest.mark.parametrize("case", range(len(NUMPY_NAMES)))
def test_axis_and_keepdims_mean_dim_and_keepdim(case: int) -> None:
    call, expected = NUMPY_NAMES[case]
    assert call().tolist() == expected


def test_conversions_keep_or_take_a_memory_format() -> None:
    a = torch.rand(2, 3, 4, 5)
    for name in ("double", "half", "bfloat16", "long", "bool", "float"):
        b = getattr(a, name)(memory_format=torch.channels_last)
        assert b.is_contiguous(memory_format=torch.channels_last), name
        assert torch.equal(b, getattr(a, name)()), name


def test_methods_that_only_methods_are() -> None:
    assert torch.tensor([2.0, 4.0]).__rdiv__(8).tolist() == [4.0, 2.0]
    assert torch.tensor(3, dtype=torch.int32).sum_to_size(()).dtype is torch.int64
    assert torch.ones(2, 2, dtype=torch.int32).sum_to_size(2, 2).dtype is torch.int32


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_einsum_counts_integers_in_int64_where_it_sums(dtype: Any) -> None:
    a = torch.full((2, 3), 100, dtype=dtype)
    assert torch.einsum("ij->i", a).tolist() == [300, 300]
    assert torch.einsum("ij->i", a).dtype is torch.int64
    assert torch.einsum("iji->j", a[:1, :, None]).dtype is torch.int64
    assert torch.einsum("ij,ij->ij", a, a).dtype is dtype
    assert torch.einsum("ik,j->ij", a, torch.ones(2, dtype=dtype)).tolist() == [[300, 300], [300, 300]]
    with pytest.raises(RuntimeError, match="expected scalar type"):
        torch.einsum("ij,jk->ik", a, a.T.float())


def test_einsum_promotes_where_nothing_is_summed(device: str) -> None:
    steps, rates = torch.arange(3, device=device), torch.tensor([0.5, 2.0], device=device)
    for equation, a, b, expected in (
        ("i,j->ij", steps, rates, [[0.0, 0.0], [0.5, 2.0], [1.0, 4.0]]),
        ("i,j->ji", steps.bool(), rates, [[0.0, 0.5, 0.5], [0.0, 2.0, 2.0]]),
        ("i,ij->i", rates, torch.ones(2, 3, dtype=torch.int32, device=device), [1.5, 6.0]),
    ):
        y = torch.einsum(equation, a, b)
        assert y.dtype is torch.float32 and y.tolist() == expected
    with pytest.raises(RuntimeError, match="expected scalar type Long but found Float"):
        torch.einsum("i,i->", steps[:2], rates)


def test_indices_from_the_end_and_none_at_all() -> None:
    a = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert torch.take_along_dim(a, torch.tensor([[-1], [-3]]), 1).tolist() == [[3], [4]]
    assert torch.take_along_dim(a, torch.tensor([-1, 0])).tolist() == [6, 1]
    for wrong in (-4, 3):
        with pytest.raises(RuntimeError, match="out of bounds"):
            torch.take_along_dim(a, torch.tensor([[wrong]]), 1)
    assert torch.gather(a, 1, torch.zeros(2, 0, dtype=torch.uint8)).shape == (2, 0)
    with pytest.raises(RuntimeError, match="Expected dtype int32/int64 for index"):
        torch.gather(a, 1, torch.zeros(2, 1, dtype=torch.uint8))


def test_scalars_of_products_of_integers_are_cut() -> None:
    m, v = torch.ones(2, 3, dtype=torch.int64), torch.ones(3, dtype=torch.int64)
    y = torch.addmv(torch.tensor([10, 20]), m, v, beta=1.9, alpha=2.9)
    assert y.tolist() == [16, 26] and y.dtype is torch.int64
    for name in ("beta", "alpha"):
        with pytest.raises(RuntimeError, match=f"argument {name} must not be a floating point number"):
            torch.addr(m, torch.ones(2, dtype=torch.int64), v, **{name: 0.5})


def test_an_input_that_does_not_count_lends_its_dtype() -> None:
    v, ignored = torch.tensor([1.0, 2.0]), torch.full((2, 2), float("nan"), dtype=torch.complex64)
    y = torch.addr(ignored, v, v, beta=0)
    assert y.dtype is torch.complex64 and y.tolist() == [[1, 2], [2, 4]]


def test_truth_values_have_an_outer_product() -> None:
    on, off = torch.tensor([True, False]), torch.tensor([True, True])
    y = torch.addr(torch.zeros(2, 2, dtype=torch.bool), on, off)
    assert y.dtype is torch.bool and y.tolist() == [[True, True], [False, False]]
    assert torch.addr(y, on, off, alpha=False).tolist() == y.tolist()
    assert torch.addr(y, on, off, beta=False, alpha=False).tolist() == [[False, False]] * 2


def test_weights_of_a_covariance_widen_it() -> None:
    a = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float16)
    w = torch.tensor([1.0, 1.0, 2.0])
    assert torch.cov(a, aweights=w).dtype is torch.float32
    assert torch.cov(a, fweights=w.long()).dtype is torch.float16
    plain = torch.cov(a.double(), fweights=w.long(), correction=0)
    torch.testing.assert_close(torch.cov(a.double(), aweights=w.double(), correction=0), plain)


def test_losses_of_one_sample() -> None:
    f = torch.nn.functional.multi_margin_loss
    a = torch.tensor([0.1, 0.2, 0.4])
    expected = ((1 - 0.4 + 0.1) + (1 - 0.4 + 0.2)) / 3
    for target in (torch.tensor(2), torch.tensor([2])):
        assert f(a, target).shape == () and f(a, target).item() == pytest.approx(expected)
    assert f(torch.tensor(0.5), torch.tensor(0)).item() == 0


def test_empty_tensors_have_gradients() -> None:
    a = torch.ones(0, 3, requires_grad=True)
    torch.cumprod(a, 0).sum().backward()
    assert a.grad.shape == (0, 3)
    b = torch.ones(5, 5, 0, requires_grad=True)
    c = torch.ones(0, 5, requires_grad=True)
    (b @ c).sum().backward()
    assert b.grad.shape == (5, 5, 0) and c.grad.shape == (0, 5)
    d = torch.cdist(a, torch.ones(4, 3))
    assert d.shape == (0, 4) and d.requires_grad
    w = torch.ones(4, 0, requires_grad=True)
    torch.nn.functional.linear(torch.ones(2, 3, 0), w).sum().backward()
    assert w.grad.shape == (4, 0)


def test_fill_cuts_the_gradient_but_not_the_graph() -> None:
    a = torch.ones(3, requires_grad=True)
    y = torch.fill(a, 2.0)
    assert y.tolist() == [2.0, 2.0, 2.0] and y.requires_grad
    y.sum().backward()
    assert a.grad.tolist() == [0.0, 0.0, 0.0]


def test_gradient_of_a_strided_place_beyond_the_base() -> None:
    whole = torch.arange(10.0)
    a = whole[4:].detach().requires_grad_()
    y = torch.as_strided(a, (2, 3), (4, 1), 2)  # elements 2 3 4 6 7 8 of the storage, of which the base has 4 6 7 8
    assert y.tolist() == [[2.0, 3.0, 4.0], [6.0, 7.0, 8.0]]
    (y * torch.arange(6.0).reshape(2, 3)).sum().backward()
    assert a.grad.tolist() == [2.0, 0.0, 3.0, 4.0, 5.0, 0.0]
    b = whole[::2].detach().requires_grad_()
    torch.as_strided(b, (4,), (1,), 1).sum().backward()  # elements 1 2 3 4, of which the base has 2 and 4
    assert b.grad.tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]


BOTH = "atan2 fmax fmin heaviside hypot igamma logaddexp logical_and maximum minimum nextafter gcd".split()
FIRST = "fmod ge gt le lt eq ne clamp_min clamp_max".split()


@pytest.mark.parametrize("name", [*BOTH, *FIRST])
def test_numbers_are_no_tensors(name: str) -> None:
    f, a = getattr(torch, name), torch.tensor([1, 2])
    with pytest.raises(TypeError, match=rf"{name}\(\): argument 'input' \(position 1\) must be Tensor, not int"):
        f(2, a)
    if name in FIRST:
        assert f(a, 2).shape == (2,)
        return
    for call in (lambda: f(a, 2), lambda: getattr(a, name)(2)):
        with pytest.raises(TypeError, match=rf"{name}\(\): argument '\w+' \(position 2\) must be Tensor, not int"):
            call()


def test_numbers_may_come_first_where_pytorch_takes_them() -> None:
    a = torch.tensor([1, 2])
    assert torch.sub(5, a).tolist() == [4, 3]
    assert torch.pow(2, a).tolist() == [2, 4]
    assert torch.remainder(5, a).tolist() == [0, 1]
    assert torch.bitwise_and(3, a).tolist() == [1, 2]


def test_out_must_hold_each_element_once_and_apart_from_the_operands() -> None:
    row = torch.zeros(1, 3).expand(3, 3)
    calls = (lambda: torch.add(torch.ones(3, 3), 1, out=row), lambda: torch.mm(torch.eye(3), torch.eye(3), out=row))
    for call in calls:
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            call()
    assert row.tolist() == [[0.0] * 3] * 3
    a = torch.arange(6.0)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor"):
        torch.add(a[1:], 1, out=a[:-1])
    assert a.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert torch.add(a, 1, out=a) is a and a[0] == 1


def test_out_of_the_extremes_has_the_dtype_of_the_input() -> None:
    a = torch.ones(2, 2)
    for f in (torch.amax, torch.amin):
        with pytest.raises(RuntimeError, match="Expected the dtype for input and out to match"):
            f(a, 0, out=torch.empty(2, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype float, but got double instead"):
        torch.aminmax(a, dim=0, out=(torch.empty(2), torch.empty(2, dtype=torch.float64)))


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: torch.prelu(torch.ones(2, 4), torch.ones(2, 4)), RuntimeError, "scalar or 1D tensor, but got: ndim = 2"),
    (lambda: torch.nn.functional.softshrink(torch.ones(2), -0.5), RuntimeError, "lambda must be .*-0.5"),
    (lambda: torch.hsplit(torch.ones(5, 5), 0), RuntimeError, "not divisible by the split_size 0"),
    (lambda: torch.vsplit(torch.ones(5, 5), "abc"), TypeError, "vsplit"),
    (lambda: torch.ones(5, 5).narrow(0, torch.tensor([1]), 1), RuntimeError, "start must be an 0-dim integral Tensor"),
    (lambda: torch.ones(5, 5).narrow(0, torch.tensor(True), 1), RuntimeError, "start must be an 0-dim integral"),
    (lambda: torch.ones(10, 5, 10).sum_to_size(10, 10), RuntimeError, "is not expandable to size"),
    (lambda: torch.multinomial(torch.ones(0), 1, True), RuntimeError, r"no categories: prob_dist has shape \[0\]"),
    (lambda: torch.multinomial(torch.ones(2, 0), 1, True), RuntimeError, r"no categories: .*\[2, 0\]"),
    (
        lambda: torch.multinomial(torch.ones(3), 1, out=torch.ones(1)),
        RuntimeError,
        "expects Long tensor out, got: Float",
    ),
    (
        lambda: torch.gather(torch.ones(1, 1), 1, torch.tensor([[0]]), out=torch.ones(1, 1, dtype=torch.float64)),
        RuntimeError,
        "Expected out tensor to have dtype float32, but got float64",
    ),
    (lambda: torch.nn.functional.adaptive_avg_pool2d(torch.ones(2, 2), (2, 2)), ValueError, "should be at least 3"),
    (
        lambda: torch.nn.functional.multi_margin_loss(torch.ones(5, 0), torch.zeros(5).long()),
        RuntimeError,
        "Expected non-empty vector or matrix",
    ),
    (
        lambda: torch.nn.functional.multi_margin_loss(torch.ones(5, 4), torch.zeros(4).long()),
        RuntimeError,
        "target tensor should be 1-D with size equal",
    ),
    (
        lambda: torch.nn.functional.triplet_margin_with_distance_loss(*[torch.ones(3, 4)] * 2, torch.ones(4)),
        RuntimeError,
        "same number of dimensions",
    ),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_is_refused(case: int) -> None:
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()


def test_an_index_given_twice_counts_once_in_the_gradient_of_a_filling() -> None:
    a, v = torch.zeros(2, 3, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    y = torch.index_fill(a, 1, torch.tensor([1, 1, -1]), v)
    assert y.tolist() == [[0.0, 2.0, 2.0]] * 2
    (y * torch.arange(6.0).reshape(2, 3)).sum().backward()
    assert v.grad.item() == 1 + 2 + 4 + 5
    assert a.grad.tolist() == [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]
    b = torch.index_fill(torch.tensor(1.0), 0, torch.tensor([0]), v)
    assert b.shape == () and b.item() == 2 and b.requires_grad


def test_the_next_number_has_the_gradient_of_the_number() -> None:
    a, b = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    torch.nextafter(a, b).sum().backward()
    assert a.grad.tolist() == [1.0, 1.0] and b.grad.tolist() == [0.0, 0.0]


def test_ravel_puts_elements_side_by_side() -> None:
    a = torch.arange(10.0)
    assert a[::2].ravel().stride() == (1,) and a[::2].ravel().tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert a.ravel().data_ptr() == a.data_ptr() and torch.zeros(0, 3).ravel().shape == (0,)


def test_nothing_taken_or_measured_keeps_the_graph() -> None:
    a = torch.ones(1, 3, requires_grad=True)
    for y in (torch.gather(a, 1, torch.zeros(2, 0, 5, dtype=torch.uint8)), torch.pdist(a)):
        assert not y.numel() and y.requires_grad
        (g,) = torch.autograd.grad(y.sum(), a)
        assert g.tolist() == [[0.0, 0.0, 0.0]]


def test_softshrink_takes_out() -> None:
    y = torch.empty(2)
    assert torch.nn.functional.softshrink(torch.tensor([2.0, 0.1]), out=y) is y and y.tolist() == [1.5, 0.0]


def test_the_powers_of_a_number_are_a_row() -> None:
    assert torch.linalg.vander(torch.tensor(3.0), N=3).tolist() == [[1.0, 3.0, 9.0]]
