"""One formula over lists of tensors: every variant of the kernel, layout and dtype gives what NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.device import context as contexts
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import is_run, update

FORMULA = Formula("test_blend", lambda m, a, b, c, s, t: (a + s * b, m.maximum(c, m.sqrt(b * b) * t)), params=2)
TOLERANCE = {cltorch.float32: 1e-6, cltorch.float64: 1e-14, cltorch.float16: 1e-3, cltorch.bfloat16: 8e-3}


def dense(*shape):
    return lambda x: x.reshape(shape)


def transposed(x):
    return x.reshape(5, 8).t()


def every_second(x):
    return x.reshape(5, 8)[:, ::2]


def check(rows, numbers=(0.25, 2.0), kind=""):
    before = [[x.cpu().double().numpy().copy() for x in row] for row in rows]
    versions = [[x._version for x in row] for row in rows]
    update(FORMULA, (0, 2), rows, numbers, kind)
    for row, (a, b, c), old in zip(rows, before, versions, strict=True):
        wanted = (a + numbers[0] * b, b, np.maximum(c, np.abs(b) * numbers[1]))
        for x, value in zip(row, wanted, strict=True):
            rtol = TOLERANCE[x.dtype]
            np.testing.assert_allclose(x.cpu().double().numpy(), value, rtol=rtol, atol=rtol)
        first, _, last = (sum(x._storage is other[k]._storage for other in rows) for k, x in enumerate(row))
        assert [x._version - v for x, v in zip(row, old, strict=True)] == [first, 0, last]


def row_of(device, n, dtype, *views):
    return [view(cltorch.randn(n, device=device).to(dtype)) for view in views]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_both_kernels_update_runs_of_any_length(cl_device, dtype, kind):
    if dtype is cltorch.float64 and not cltorch.device(cl_device).context.caps.fp64:
        pytest.skip("no float64 on this device")
    # lengths around the vector width and the grain of a table's entry, more rows than one launch takes
    sizes = [1, 3, 4, 7, 15, 16, 17, 63, 1023, 1025, 4095, 4097, 16384, 16385, 40001, 2, 5, 33, 100]
    check([row_of(cl_device, n, dtype, *[lambda x: x] * 3) for n in sizes], kind=kind)


def test_layouts_may_differ_within_and_between_rows(device):
    same, shape = lambda x: x, dense(8, 5)
    rows = [
        row_of(device, 40, cltorch.float32, same, same, same),
        row_of(device, 40, cltorch.float32, transposed, transposed, transposed),  # one run each, in one order
        row_of(device, 40, cltorch.float32, transposed, shape, shape),
        row_of(device, 40, cltorch.float32, shape, transposed, shape),
        row_of(device, 40, cltorch.float32, every_second, every_second, every_second),
        row_of(device, 40, cltorch.float32, *[lambda x: x[3:29]] * 3),  # a run that does not begin its storage
        row_of(device, 1, cltorch.float32, *[dense()] * 3),
        row_of(device, 0, cltorch.float32, same, same, same),
    ]
    check(rows)


def launches_of(device, call):
    context = cltorch.device(device).context
    before = context.launches
    call()
    return context.launches - before


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_rows_in_different_orders_share_a_launch(cl_device, kind):
    def row(*shape):
        order = [len(shape) - 1, *range(len(shape) - 1)]
        turned = cltorch.randn([shape[d] for d in order], device=cl_device).permute(*range(1, len(shape)), 0)
        return [turned, cltorch.randn(shape, device=cl_device), cltorch.randn(*shape, 2, device=cl_device)[..., 1]]

    shapes = [(5, 3), (40, 70), (2, 3, 4), (3, 2, 5, 4), (1, 9), (130, 129)]
    check([row(*shape) for shape in shapes], kind=kind)
    # lines that are dense, with gaps between them
    wide = [[cltorch.randn(5, 30, n + 7, device=cl_device) for _ in range(3)] for n in (3, 16, 37)]
    check([[x[:, 3:, :-7] for x in three] for three in wide], kind=kind)
    rows = [row(*shape) for shape in shapes]
    assert launches_of(cl_device, lambda: update(FORMULA, (0, 2), rows, (0.5, 0.5), kind)) == 1


def test_rows_of_many_dimensions_go_alone(device):
    def row():
        return [
            cltorch.randn(2, 3, 2, 3, 2, device=device).permute(order) for order in ((4, 1, 2, 3, 0), (0, 3, 2, 1, 4))
        ]

    check([[*row(), cltorch.randn(2, 3, 2, 3, 2, device=device)] for _ in range(2)])


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_parts_of_the_same_storages_take_one_launch(cl_device, kind):
    whole = [cltorch.randn(900, device=cl_device) for _ in range(3)]
    rows = [[x[i * i : i * i + 2 * i + 1] for x in whole] for i in range(30)]
    check(rows, kind=kind)
    assert launches_of(cl_device, lambda: update(FORMULA, (0, 2), rows, (0.5, 0.5), kind)) == 1


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_column_within_one_storage_is_one_argument(cl_device, kind):
    whole = cltorch.randn(3600, device=cl_device)
    rows = [
        [whole[i * i : i * i + 2 * i + 1], *(cltorch.randn(2 * i + 1, device=cl_device) for _ in range(2))]
        for i in range(60)
    ]
    check(rows, kind=kind)
    # 128 arguments less the table, its place, two numbers and the storage that all rows share: two each for 61 rows
    assert launches_of(cl_device, lambda: update(FORMULA, (0, 2), rows, (0.5, 0.5), kind)) == 1
    apart = [[x.clone(), *others] for x, *others in rows]
    assert launches_of(cl_device, lambda: update(FORMULA, (0, 2), apart, (0.5, 0.5), kind)) == 2
    assert launches_of(cl_device, lambda: update(FORMULA, (0, 2), rows + apart[:1], (0.5, 0.5), kind)) == 2


def test_arguments_fit_every_device(cl_device, monkeypatch):
    seen = []
    launch = contexts.Kernel.launch
    monkeypatch.setattr(contexts.Kernel, "launch", lambda self, *a: (seen.append(a[2]), launch(self, *a))[1])
    wide = cltorch.float64 if cltorch.device(cl_device).context.caps.fp64 else cltorch.float32
    formula = Formula("test_many_numbers", lambda m, a, *n: (a + sum(n),), params=14)
    rows = [row_of(cl_device, 3, wide, lambda x: x) for _ in range(130)]
    one = cltorch.ones((), device=cl_device)
    own = cltorch.ones(len(rows), device=cl_device)
    versions = [x._version for (x,) in rows]
    seen.clear()
    update(formula, [0], rows, [1.0] * 11, scalars=[one], per_row=[own, own])
    assert len(seen) == 2
    for given in seen:
        size = sum(wide.itemsize if isinstance(x, float) else 8 for x in given)
        assert len(given) <= 128 and size <= 1024
    assert [x._version - before for (x,), before in zip(rows, versions, strict=True)] == [1] * len(rows)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_row_may_have_numbers_of_its_own(device, kind):
    formula = Formula("test_own", lambda m, a, b, s, one, own: (a * s + b * own + one,), params=3)
    layouts = [dense(40), dense(8, 5), transposed, lambda x: x.reshape(2, 2, 2, 5).permute(3, 1, 2, 0)]
    layouts.append(lambda x: x[:32].reshape(2, 2, 2, 2, 2).permute(4, 2, 1, 3, 0))
    rows = [[view(cltorch.randn(40, device=device)), cltorch.randn(40, device=device)] for view in layouts * 4]
    rows = [[a, b[: a.numel()].reshape(a.shape)] for a, b in rows]
    own = cltorch.arange(len(rows) + 1.0, device=device)[1:]  # a part of a storage
    wanted = [(3 * a + b * float(k) + 7).cpu() for (a, b), k in zip(rows, own.tolist(), strict=True)]
    one = cltorch.tensor(7.0, device=device)
    update(formula, [0], rows, [3.0], kind, scalars=[one], per_row=[own])
    for (a, _), w in zip(rows, wanted, strict=True):
        np.testing.assert_allclose(a.cpu().numpy(), w.numpy(), rtol=1e-5, atol=1e-5)


def test_whole_numbers_are_exact(device):
    large = 2**53 + 1
    rows = [
        [cltorch.zeros(n, dtype=t, device=device), cltorch.full((n,), v, dtype=t, device=device)]
        for t, v in ((cltorch.int64, large), (cltorch.uint8, 200), (cltorch.bool, True), (cltorch.int32, -7))
        for n in (1, 40)
    ]
    update(Formula("test_copy", lambda m, to, source: (source,)), [0], rows, [])
    for to, source in rows:
        assert to.tolist() == source.tolist()


def test_rows_and_columns_may_differ_in_dtype(device):
    same = [lambda x: x] * 3
    rows = [row_of(device, 21, t, *same) for t in (cltorch.float32, cltorch.bfloat16, cltorch.float16)]
    mixed = row_of(device, 50, cltorch.float32, *same)
    mixed[0] = mixed[0].to(cltorch.bfloat16)
    check([*rows, mixed])


def test_nothing_outside_the_rows_is_touched(cl_device):
    for kind in ("cpu", "gpu"):
        whole = [cltorch.ones(100, device=cl_device) for _ in range(3)]
        update(FORMULA, (0, 2), [[x[10:31] for x in whole]], (1.0, 3.0), kind)
        for x, inside in zip(whole, (2.0, 1.0, 3.0), strict=True):
            wanted = np.ones(100)
            wanted[10:31] = inside
            np.testing.assert_array_equal(x.cpu().numpy(), wanted)


def test_rows_on_several_devices_in_one_call(cl_device):
    check([row_of(d, 10, cltorch.float32, *[lambda x: x] * 3) for d in ("cpu", cl_device, "cpu")])


def test_a_tensor_that_overlaps_itself_is_refused(device):
    row = [cltorch.ones(3, device=device) for _ in range(3)]
    row[0] = cltorch.ones(1, device=device).expand(3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        update(FORMULA, (0, 2), [row], (1.0, 1.0))


def test_rows_of_different_shapes_or_devices_are_refused(device, cl_device):
    row = [cltorch.ones(3, device=device) for _ in range(3)]
    update(FORMULA, (0, 2), [row], (1.0, 1.0))  # a good plan for these shapes must not serve the bad row
    row[1] = cltorch.ones(4, device=device)
    with pytest.raises(RuntimeError, match="different shapes: \\[3\\] and \\[4\\]"):
        update(FORMULA, (0, 2), [row], (1.0, 1.0))
    row[1] = cltorch.ones(3, device="cpu" if device == cl_device else cl_device)
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        update(FORMULA, (0, 2), [row], (1.0, 1.0))


def test_new_numbers_and_new_lengths_compile_nothing(cl_device):
    context = cltorch.device(cl_device).context
    check([row_of(cl_device, 10, cltorch.float32, *[lambda x: x] * 3)])
    before = len(context._kernels)
    check([row_of(cl_device, n, cltorch.float32, *[lambda x: x] * 3) for n in (1, 99, 12345)], numbers=(0.7, 0.1))
    assert len(context._kernels) == before


def test_is_run_knows_which_layouts_are_one_run():
    def layouts(*xs):
        return [x.lay for x in xs]

    a = cltorch.empty(4, 5)
    assert is_run(layouts(a, cltorch.empty(4, 5)))
    assert is_run(layouts(a.t(), cltorch.empty(4, 5).t()))
    assert is_run(layouts(cltorch.empty(2, 3, 4).permute(2, 0, 1), cltorch.empty(2, 3, 4).permute(2, 0, 1)))
    assert not is_run(layouts(a.t(), cltorch.empty(5, 4)))
    assert not is_run(layouts(a[:, ::2]))
    assert not is_run(layouts(a[:, :3]))
    assert not is_run(layouts(cltorch.empty(1).expand(3)))


def test_a_column_alone_has_room_for_many_rows(cl_device):
    formula = Formula("test_more", lambda m, x, a: (x + a,), params=1)
    xs = [cltorch.full((3,), float(k), device=cl_device) for k in range(130)]
    for _ in range(2):
        update(formula, [0], [[x] for x in xs], [2.0], "gpu")
    assert [x.tolist() for x in xs] == [[k + 4.0] * 3 for k in range(130)]
