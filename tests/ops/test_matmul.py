"""Products of matrices as kernels: both kinds of device, every geometry, against NumPy."""

import itertools

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.layout import Layout
from cltorch.ops import gemm, gemm_cpu, gemm_gpu, instructions, tuning
from cltorch.ops.gemm_problem import Problem
from cltorch.ops.tuning_defaults import KERNELS

VARIANTS = ("cpu", "gpu")


def skip_without_fp64(t, device):
    if t is dtypes.float64 and not (cltorch.device(device).type == "cpu" or cltorch.device(device).context.caps.fp64):
        pytest.skip("the device has no float64")


def numbers(x):
    x = x.cpu()
    return (x.float() if x.dtype in (dtypes.bfloat16, dtypes.float16) else x).numpy()


def product(a, b, addend=None, alpha=1, beta=1, ta=False, tb=False, variant=""):
    """Run one product with a plan made for a kind of device."""
    if a.device.type == "cpu":
        return gemm.product(a, b, addend, alpha, beta, ta, tb)
    third = None if addend is None else addend.lay
    plan = gemm.make_plan(a.device.context, a.dtype, a.lay, b.lay, third, ta, tb, variant)
    return plan(a, b, addend, alpha, beta)


def draw(rng, *shape, device="cpu"):
    """Return small whole numbers, whose products are exact in any order of addition, and the tensor of them."""
    a = rng.integers(-4, 5, shape).astype(np.float32)
    return a, cltorch.tensor(a, device=device)


# around the edges of tiles of 8x48 and 6x16, of panels, of blocks of 32 and 64, and of slices of K
SIZES = [
    (1, 1, 1), (2, 3, 2), (8, 5, 48), (9, 16, 49), (7, 33, 47), (16, 64, 96), (17, 65, 97), (33, 1, 31), (64, 64, 64),
    (65, 17, 63), (31, 200, 15), (130, 3, 130), (6, 16, 16), (5, 15, 17),
    (13, 40, 111),
]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("flags", list(itertools.product((False, True), repeat=2)), ids=str)
def test_sizes_around_the_edges_of_tiles(flags, variant, cl_device):
    rng = np.random.default_rng(0)
    ta, tb = flags
    for m, k, n in SIZES:
        a, x = draw(rng, *((k, m) if ta else (m, k)), device=cl_device)
        b, y = draw(rng, *((n, k) if tb else (k, n)), device=cl_device)
        c, z = draw(rng, m, n, device=cl_device)
        expected = (a.T if ta else a) @ (b.T if tb else b)
        np.testing.assert_array_equal(numbers(product(x, y, ta=ta, tb=tb, variant=variant)), expected)
        got = product(x, y, z, 0.5, 2, ta, tb, variant)
        np.testing.assert_array_equal(numbers(got), 0.5 * expected + 2 * c, err_msg=f"{m} {k} {n}")


# int8, int16 and int32 are computed in one way: two of them stand for all
TYPES = [(t, "cpu") for t in dtypes.ALL if t not in (dtypes.bool_, dtypes.int16)]
TYPES += [(t, "gpu") for t in (dtypes.float16, dtypes.int64, dtypes.uint8)]


@pytest.mark.parametrize("t, variant", TYPES, ids=str)
def test_every_dtype(t, variant, device):
    skip_without_fp64(t, device)
    rng = np.random.default_rng(1)
    vectors = variant == "gpu" or t in (dtypes.float16, dtypes.int64)
    for m, k, n in ((13, 70, 50), (1, 40, 30)) if vectors else ((13, 70, 50),):
        a, b, c = (rng.integers(0, 4, s).astype(np.float32) for s in ((m, k), (k, n), (m, n)))
        x, y, z = (cltorch.tensor(v, device=device).to(t) for v in (a, b, c))
        whole = 2 * (a @ b) + 3 * c
        expected = whole.astype(np.int64).astype(t.np) if t.family in "ui" else whole  # narrow integers wrap
        got = numbers(product(x, y, z, 2, 3, variant=variant))
        if t is dtypes.bfloat16:
            np.testing.assert_allclose(got, expected, rtol=4e-3)
        else:
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_strided_operands(variant, cl_device):
    rng = np.random.default_rng(2)
    a, x = draw(rng, 40, 60, device=cl_device)
    b, y = draw(rng, 60, 70, device=cl_device)
    c, z = draw(rng, 80, 140, device=cl_device)
    views = {
        "plain": (x, a),
        "every second row": (x[::2], a[::2]),
        "every second column": (x[:, ::2], a[:, ::2]),
        "part with an offset": (x[3:20, 5:41], a[3:20, 5:41]),
        "transposed part": (x.t()[7:33, 2:29], a.T[7:33, 2:29]),
        "one row, many times": (x[:1].expand(20, 60), np.broadcast_to(a[:1], (20, 60))),
        "one column, many times": (x[:, 3:4].expand(40, 9), np.broadcast_to(a[:, 3:4], (40, 9))),
    }
    for name, (p, q) in views.items():
        k = q.shape[1]
        rights = [
            (y[:k], b[:k]), (y[:k, 1::3], b[:k, 1::3]), (y.t()[:, :k].t()[:, 4:], b[:k, 4:]),
            (z[: 2 * k : 2], c[: 2 * k : 2]) if 2 * k <= 80 else (y[:k, :1].expand(k, 50), np.tile(b[:k, :1], 50)),
        ]  # fmt: skip
        for r, s in rights:
            if r.shape[0] != k:
                continue
            np.testing.assert_array_equal(numbers(product(p, r, variant=variant)), q @ s, err_msg=name)
            wide = z[: q.shape[0], : s.shape[1]] if q.shape[0] <= 80 else None
            for extra in (wide, z[0, : s.shape[1]], z[: q.shape[0], :1], z.t()[: q.shape[0], : s.shape[1]][:, :1]):
                got = product(p, r, extra, 2, -1, variant=variant)
                np.testing.assert_array_equal(numbers(got), 2 * (q @ s) - numbers(extra), err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_batches_broadcast_and_have_any_strides(variant, cl_device):
    rng = np.random.default_rng(3)
    for left, right in [
        ((3, 5, 7), (3, 7, 9)), ((3, 5, 7), (7, 9)), ((5, 7), (3, 7, 9)), ((2, 1, 5, 7), (4, 7, 9)),
        ((2, 3, 4, 5, 6), (2, 1, 4, 6, 3)), ((2, 1, 3, 1, 5, 6), (3, 1, 4, 6, 3)), ((1, 5, 7), (4, 7, 9)),
        ((4, 1, 7), (4, 7, 9)), ((4, 5, 7), (4, 7, 1)), ((6, 1, 50), (6, 50, 1)),
    ]:  # fmt: skip
        a, x = draw(rng, *left, device=cl_device)
        b, y = draw(rng, *right, device=cl_device)
        expected = a @ b
        np.testing.assert_array_equal(numbers(product(x, y, variant=variant)), expected, err_msg=str((left, right)))
        c, z = draw(rng, *expected.shape[-2:], device=cl_device)
        got = product(x, y, z, 3, 2, variant=variant)
        np.testing.assert_array_equal(numbers(got), 3 * expected + 2 * c)
        if len(left) == 3:  # the batch in the middle of memory
            turned = cltorch.tensor(np.ascontiguousarray(a.transpose(1, 0, 2)), device=cl_device).transpose(0, 1)
            np.testing.assert_array_equal(numbers(product(turned, y, variant=variant)), expected)
    a, x = draw(rng, 6, 5, 7, device=cl_device)
    b, y = draw(rng, 7, 9, device=cl_device)
    np.testing.assert_array_equal(numbers(product(x[::2, 1:4], y, variant=variant)), a[::2, 1:4] @ b)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rows", (5, gemm._FEW))
def test_a_batch_in_the_middle_of_memory_meets_one_matrix(rows, variant, cl_device, monkeypatch):
    made = []
    monkeypatch.setattr(gemm_cpu, "plan", lambda *a, real=gemm_cpu.plan: made.append(a[1]) or real(*a))
    monkeypatch.setattr(gemm_gpu, "plan", lambda *a, real=gemm_gpu.plan: made.append(a[1]) or real(*a))
    rng = np.random.default_rng(11)
    a, x = draw(rng, rows, 9, 7, device=cl_device)
    b, y = draw(rng, 7, 12, device=cl_device)
    c, z = draw(rng, 9, rows, 12, device=cl_device)
    turned, expected = x.transpose(0, 1), a.transpose(1, 0, 2) @ b
    np.testing.assert_array_equal(numbers(product(turned, y, variant=variant)), expected)
    got = product(turned.transpose(1, 2), y, z, 3, 2, ta=True, variant=variant)
    np.testing.assert_array_equal(numbers(got), 3 * expected + 2 * c)
    assert [(p.m, p.batch) for p in made] == [(9 * rows, 1) if rows < gemm._FEW else (rows, 9)] * 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_to_multiply(variant, device):
    for m, k, n in ((3, 0, 4), (0, 3, 4), (3, 4, 0), (0, 0, 0), (1, 0, 4), (4, 0, 1), (1, 0, 1)):
        x, y = cltorch.ones(m, k, device=device), cltorch.ones(k, n, device=device)
        z = cltorch.full((m, n), 3.0, device=device)
        assert numbers(product(x, y, variant=variant)).tolist() == np.zeros((m, n)).tolist()
        assert numbers(product(x, y, z, 5, 2, variant=variant)).tolist() == np.full((m, n), 6.0).tolist()
    batch = product(cltorch.ones(0, 3, 4, device=device), cltorch.ones(4, 5, device=device), variant=variant)
    assert tuple(batch.shape) == (0, 3, 5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_nan_spreads_but_not_from_an_addend_that_counts_nothing(variant, device):
    x, y = cltorch.ones(20, 30, device=device), cltorch.ones(30, 60, device=device)
    x[3, 4] = float("nan")
    z = cltorch.full((20, 60), float("nan"), device=device)
    got = numbers(gemm.product(x, y, z, 1, 0) if not variant else product(x, y, None, 1, 0, variant=variant))
    assert np.isnan(got[3]).all() and not np.isnan(np.delete(got, 3, 0)).any()
    assert not np.isnan(numbers(gemm.product(cltorch.ones(20, 30, device=device), y, z, 1, 0))).any()
    assert np.isnan(numbers(product(cltorch.ones(20, 30, device=device), y, z, 1, 1, variant=variant))).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_long_sums_keep_their_digits(variant, cl_device):
    rng = np.random.default_rng(4)
    for m, k, n in ((3, 30_000, 50), (1, 300_000, 1), (1, 20_000, 40), (40, 20_000, 1), (20, 9000, 70)):
        a, b = (rng.random(s, dtype=np.float32) for s in ((m, k), (k, n)))
        exact = a.astype(np.float64) @ b.astype(np.float64)
        for x, y in (
            (cltorch.tensor(a, device=cl_device), cltorch.tensor(b, device=cl_device)),
            (cltorch.tensor(a.T.copy(), device=cl_device).t(), cltorch.tensor(b.T.copy(), device=cl_device).t()),
        ):
            np.testing.assert_allclose(numbers(product(x, y, variant=variant)), exact, rtol=2e-5)
            half = product(x.to(dtypes.float16), y.to(dtypes.float16), alpha=1 / 64, variant=variant)
            np.testing.assert_allclose(numbers(half), exact / 64, rtol=2e-2 if k < 65504 * 200 else 1)


@pytest.mark.usefixtures("processor_kernels")
def test_tiles_of_other_devices(cl_device):
    """AVX2 and four-wide machines have other tiles than the one that runs the test."""
    context = cltorch.device(cl_device).context
    rng = np.random.default_rng(5)
    others = {"unroll": 4, "prefetch": 0, "left": "packed", "tile_rows": 5}
    for name, local, changes in (
        ("cpu", 16384, {}), ("cpu-avx2", 32768, {}), ("cpu-avx512", 524288, {}), ("cpu-avx2", 16384, others),
        ("cpu", 16384, {"unroll": 2, "prefetch": 4}),
    ):  # fmt: skip
        tile = gemm_cpu.Tile.of(KERNELS["matmul cpu"][name] | changes, min(local, context.caps.local_mem), 4)
        for m, k, n in ((13, 70, 50), (9, 500, 33)):
            a, x = draw(rng, m, k, device=cl_device)
            b, y = draw(rng, k, n, device=cl_device)
            p = gemm.Problem.of(x.lay, y.lay, None, False, False)
            out = cltorch.empty(m, n, device=cl_device)
            run = gemm_cpu.plan(context, p, dtypes.float32, tile)
            run(x._storage.buf, y._storage.buf, out._storage.buf, out._storage.buf, 0, 0, 0, 0, 1.0, 0.0)
            np.testing.assert_array_equal(numbers(out), a @ b)


@pytest.mark.usefixtures("processor_kernels")
@pytest.mark.parametrize("name, left", [("cpu-avx512", "in place"), ("cpu-avx2", "packed")])
def test_few_rows_by_a_large_matrix_change_places(name, left, cl_device, monkeypatch):
    monkeypatch.setattr(gemm_cpu, "_LARGE", 0)
    context = cltorch.device(cl_device).context
    rng = np.random.default_rng(6)
    tuning.try_out(context, "matmul cpu few rows", KERNELS["matmul cpu few rows"][name] | {"left": left})
    try:
        for m, k, n in ((2, 130, 17), (16, 200, 300), (33, 128, 140), (50, 260, 333), (64, 128, 256), (64, 3300, 270)):
            a, x = draw(rng, m, k, device=cl_device)
            b, y = draw(rng, n, k, device=cl_device)
            c, z = draw(rng, m, n, device=cl_device)
            turned = cltorch.tensor(np.ascontiguousarray(a.T), device=cl_device).t()
            np.testing.assert_array_equal(numbers(product(x, y, tb=True, variant="cpu")), a @ b.T)
            for extra in (z, z[0], z[:, :1], cltorch.tensor(c.T.copy(), device=cl_device).t()):
                got = product(turned, y, extra, 0.5, -2, tb=True, variant="cpu")
                np.testing.assert_array_equal(
                    numbers(got), 0.5 * (a @ b.T) - 2 * numbers(extra), err_msg=f"{m} {k} {n}"
                )
        a, x = draw(rng, 3, 20, 150, device=cl_device)
        b, y = draw(rng, 3, 90, 150, device=cl_device)
        c, z = draw(rng, 90, device=cl_device)
        expected = a @ b.transpose(0, 2, 1) + c
        np.testing.assert_array_equal(numbers(product(x, y, z, tb=True, variant="cpu")), expected)
        whole = product(x.int(), y.int(), z.int(), 3, 2, tb=True, variant="cpu")
        np.testing.assert_array_equal(numbers(whole), 3 * (expected - c) + 2 * c)
    finally:
        tuning.try_out(context, "matmul cpu few rows", None)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int64", "uint8"])
def test_many_tiny_matrices(name, cl_device):
    rng, t = np.random.default_rng(8), getattr(dtypes, name)
    for batch, m, k, n in ((100, 3, 3, 3), (64, 8, 8, 8), (70, 2, 5, 7), (200, 4, 1, 4), (1000, 8, 3, 2)):
        a, b, c = (rng.integers(0, 4, (batch, *shape)) for shape in ((m, k), (k, n), (m, n)))
        x, y, z = (cltorch.tensor(v, device=cl_device).to(t) for v in (a, b, c))
        np.testing.assert_array_equal(numbers(product(x, y, variant="cpu")), a @ b)
        turned = cltorch.tensor(np.ascontiguousarray(b.transpose(0, 2, 1)), device=cl_device).to(t)
        got = product(x, turned, z[:, :1], 1, 2, tb=True, variant="cpu")
        np.testing.assert_array_equal(numbers(got), a @ b + 2 * c[:, :1])
        # a batch of two dimensions that no single stride walks, and one operand for several
        x, y = x[:64].reshape(8, 8, m, k).transpose(0, 1), y[:8].reshape(8, 1, k, n)
        expected = a[:64].reshape(8, 8, m, k).transpose(1, 0, 2, 3) @ b[:8].reshape(8, 1, k, n)
        np.testing.assert_array_equal(numbers(product(x, y, variant="cpu")), expected)


def test_a_core_that_begins_late_is_given_less():
    """256x256 by 256x256 in six panels: three, then two and the last one, not six halves of which four come late."""
    tile = gemm_cpu.Tile.of(KERNELS["matmul cpu"]["cpu-avx512"], 1 << 20, 4)
    assert gemm_cpu.divide(256, 256, 256, 1, tile, 2, 4, 1.5e6) == (1, 32)
    # 64x64 is done before the other core is awake, and few rows are not worth packing their columns twice
    assert gemm_cpu.divide(64, 64, 64, 1, tile, 2, 4, 1.5e6) == (2, 8)
    assert gemm_cpu.divide(64, 64, 64, 1, tile, 2, 4, 0.0) != (2, 8)
    assert gemm_cpu.divide(128, 784, 512, 1, tile, 2, 4, 1.5e6)[1] == 16


def test_little_is_laid_out_by_one_core():
    assert gemm_cpu.together(16, 1, 128 * 128, 2, 1.5e6) == 16
    assert gemm_cpu.together(16, 1, 128 * 129, 2, 1.5e6) == gemm_cpu.together(16, 1, 128 * 128, 2, 0.0) == 2
    assert gemm_cpu.together(1000, 1, 8000 * 512, 2, 1.5e6) == gemm_cpu.GROUP


def test_few_columns_have_a_program_of_their_own_where_they_are_much_work():
    def tail(rows, terms, columns):
        p = Problem.of(Layout.of((rows, terms)), Layout.of((terms, columns)), None, False, False)
        return gemm_cpu._tail(p, tile)

    tile = gemm_cpu.Tile.of(KERNELS["matmul cpu"]["cpu-avx512"], 1 << 20, 4)
    assert tail(128, 512, 10) == tail(10, 128, 512) == tail(128, 784, 512)
    assert tail(4096, 512, 10) != tail(4096, 512, 17)


def test_what_finds_room_in_the_caches_is_read_where_it_lies():
    tile = gemm_cpu.Tile.of(KERNELS["matmul cpu"]["cpu-avx512"], 1 << 20, 4)

    def stays(m, k, n, row=None):
        b = Layout((k, n), (row or n, 1), 0)
        p = Problem.of(Layout.of((m, k)), b, None, False, False)
        return gemm_cpu.stays(p, tile, gemm_cpu._tail(p, tile), 4)

    assert stays(128, 64, 128) and stays(512, 512, 512) and stays(64, 784, 784) and stays(128, 64, 112, 128)
    assert not stays(513, 512, 512), "packing is little of the work"
    assert not stays(512, 1024, 512) and not stays(512, 512, 1024) and not stays(128, 64, 128, 1024), "few sets"
    assert not stays(128, 64, 100) and not stays(128, 64, 16), "the last panel would go beyond the rows"
    turned = Problem.of(Layout.of((128, 64)), Layout.of((128, 64)), None, False, True)
    assert not gemm_cpu.stays(turned, tile, 2, 4)


@pytest.mark.usefixtures("processor_kernels")
@pytest.mark.parametrize("t", (dtypes.float32, dtypes.float64), ids=str)
def test_a_matrix_that_is_read_where_it_lies(t, cl_device, monkeypatch):
    skip_without_fp64(t, cl_device)
    decided, rng = [], np.random.default_rng(3)
    before = gemm_cpu.stays
    monkeypatch.setattr(gemm_cpu, "stays", lambda *of: decided.append(before(*of)) or decided[-1])
    for m, k, n in ((17, 3, 32), (9, 40, 48), (33, 64, 64), (20, 31, 96), (8, 65, 112), (3, 12, 128)):
        a, x = draw(rng, 2, m, k, device=cl_device)
        # what lies beside the matrix must not matter
        wide, y = draw(rng, 2, k + 2, n + 16, device=cl_device)
        z = y.clone()
        z[:, :, :8], z[:, :, -8:], z[:, 0], z[:, -1] = (float("nan"),) * 4
        b = z.to(t)[:, 1:-1, 8:-8]
        np.testing.assert_array_equal(numbers(product(x.to(t), b, variant="cpu")), a @ wide[:, 1:-1, 8:-8])
    assert any(decided)


def test_few_rows_pack_as_many_panels_as_all_cores_end_with_together():
    tile = gemm_cpu.Tile.of(KERNELS["matmul cpu"]["cpu-avx512"], 1 << 20, 4)
    few, many = (
        gemm_cpu.cut(Problem.of(Layout.of((m, 4096)), Layout.of((4096, 4096)), None, False, False), tile, 2, 4, 1.5e6)
        for m in (64, 128)
    )
    # 86 panels in eight groups, of which each core takes four
    terms, span, tiles = few
    assert (span, tiles) == (11, 8) and 100 < terms and terms * span * tile.nr <= tile.room
    assert many[0] > 1024


@pytest.mark.usefixtures("processor_kernels")
def test_few_rows_pack_several_panels_together(cl_device, monkeypatch):
    monkeypatch.setattr(gemm_cpu, "_SLICE", 32)
    rng = np.random.default_rng(7)
    for m, k, n in ((5, 70, 900), (17, 128, 815), (90, 65, 1000)):
        a, x = draw(rng, m, k, device=cl_device)
        b, y = draw(rng, k, n, device=cl_device)
        c, z = draw(rng, n, device=cl_device)
        np.testing.assert_array_equal(numbers(product(x, y, variant="cpu")), a @ b)
        np.testing.assert_array_equal(numbers(product(x, y, z, 2, 3, variant="cpu")), 2 * (a @ b) + 3 * c)
        half = product(x.to(dtypes.float16), y.to(dtypes.float16), variant="cpu")
        np.testing.assert_array_equal(numbers(half), a @ b)


@pytest.mark.usefixtures("processor_kernels")
@pytest.mark.parametrize("way", ("with the instruction", "without the instruction"))
def test_bfloat16_in_pairs(way, cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    if way == "without the instruction":
        monkeypatch.setitem(context.ready, "instructions", frozenset())
    elif not instructions.has(context, "bfloat16 pairs"):
        pytest.skip("the processor or its compiler has no such instruction")
    else:
        monkeypatch.setitem(context.ready, "instructions", frozenset(instructions.NAMES))
    rng = np.random.default_rng(8)
    for (m, k, n), ta, tb in itertools.product([*SIZES, (3, 0, 4), (9, 4097, 20)], (False, True), (False, True)):
        a, x = draw(rng, *((k, m) if ta else (m, k)), device=cl_device)
        b, y = draw(rng, *((n, k) if tb else (k, n)), device=cl_device)
        c, z = draw(rng, m, n, device=cl_device)
        x, y, z = x.bfloat16(), y.bfloat16(), z.bfloat16()
        exact = (a.T if ta else a) @ (b.T if tb else b)  # whole numbers, which float32 holds; rounded once at the end
        for got, wanted in (
            (product(x, y, ta=ta, tb=tb, variant="cpu"), exact),
            (product(x, y, z, 0.5, 2, ta, tb, "cpu"), 0.5 * exact + 2 * c),
        ):
            expected = numbers(cltorch.tensor(wanted).bfloat16())
            np.testing.assert_array_equal(numbers(got), expected, err_msg=f"{m} {k} {n}, transposed: {ta} {tb}")
    a, x = draw(rng, 3, 4, 40, 61, device=cl_device)
    b, y = draw(rng, 4, 61, 99, device=cl_device)
    got = product(x.bfloat16()[:, :, 1::2, 2:], y.bfloat16()[:, 2:, ::3], variant="cpu")
    expected = cltorch.tensor(a[:, :, 1::2, 2:] @ b[:, 2:, ::3]).bfloat16()
    np.testing.assert_array_equal(numbers(got), numbers(expected))


@pytest.mark.usefixtures("processor_kernels")
def test_bfloat16_keeps_what_is_not_finite(cl_device):
    a = np.ones((20, 33), np.float32)
    a[3, 32], a[5, 7], a[6, 7] = np.nan, np.inf, -np.inf
    x = cltorch.tensor(a, device=cl_device).bfloat16()
    y = cltorch.ones(33, 50, device=cl_device).bfloat16()
    expected = np.repeat(a.sum(1, keepdims=True), 50, 1)
    np.testing.assert_array_equal(numbers(product(x, y, variant="cpu")), expected)
    np.testing.assert_array_equal(numbers(product(y, x, ta=True, tb=True, variant="cpu")), expected.T)


def test_same_bits_every_time(cl_device):
    for variant in VARIANTS:
        for m, k, n in ((70, 3000, 90), (1, 50_000, 3)):
            x, y = cltorch.randn(m, k, device=cl_device), cltorch.randn(k, n, device=cl_device)
            first, second = (numbers(product(x, y, variant=variant)) for _ in "ab")
            np.testing.assert_array_equal(first, second)


def test_products_of_complex_numbers_are_one_of_reals(cl_device):
    """Of every layout, and with an addend and complex factors; on processors without copies by two launches."""
    rng = np.random.default_rng(12)

    def pair(*shape):
        a = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
        return a, cltorch.tensor(a, device=cl_device)

    def check(got, want):
        assert got.shape == want.shape
        np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-4, atol=1e-4)

    for first, second in (
        ((5, 7), (7, 3)), ((4, 1, 6, 5), (3, 5, 2)), ((1, 9), (9, 4)), ((8, 9), (9, 1)),
        ((3, 0), (0, 2)), ((0, 3), (3, 2)),
    ):  # fmt: skip
        (a, x), (b, y) = pair(*first), pair(*second)
        for p, q in itertools.product((x, x.mT.contiguous().mT), (y, y.mT.contiguous().mT)):
            check(p @ q, a @ b)
    (a, x), (b, y), (c, z) = pair(6, 5), pair(5, 4), pair(4)
    check(x[:, ::2] @ y[::2], a[:, ::2] @ b[::2])
    check(x.mH @ x, a.conj().T @ a)
    check(cltorch.addmm(z, x, y, beta=2 - 1j, alpha=1j), (2 - 1j) * c + 1j * (a @ b))
    check(cltorch.addmm(z, x, y, alpha=3), c + 3 * (a @ b))
    context = x.device.resolve().context
    before = context.launches
    check(x @ y, a @ b)
    assert context.launches - before <= (2 if context.caps.kind == "cpu" else 3)
