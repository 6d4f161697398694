"""Products of several shapes in the launches of one: both kinds of kernel, every float dtype, against NumPy."""

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.ops import gemm_cpu, instructions
from cltorch.ops.gemm_grouped import products_into

# (batch, M, K, N) around tiles of 8x48 and 6x16, blocks of 64 and slices of K; a batch of several, odd and no terms
SIZES = [
    (1, 1, 1, 1), (3, 17, 65, 97), (2, 8, 5, 48), (1, 31, 200, 15), (2, 64, 64, 64), (1, 2, 0, 3), (1, 5, 2500, 70),
]  # fmt: skip


def batches(values, sizes, device, dtype, turned=False):
    """Return a batch of each size within one storage, and its numbers; transposed in memory if asked for."""
    found, at = [], 3
    arrays = [values.integers(-2, 3, s).astype("f4") for s in sizes]
    kept = [a.swapaxes(-1, -2) if turned else a for a in arrays]
    flat = np.concatenate([np.zeros(3, "f4"), *(a.reshape(-1) for a in kept)])
    whole = cltorch.tensor(flat, device=device).to(dtype)
    for a in kept:
        x = whole[at : at + a.size].reshape(a.shape)
        found.append(x.transpose(-1, -2) if turned else x)
        at += a.size
    return found, arrays


def run(device, kind, dtype, sizes=SIZES, turned=(False, False), addends=False, alpha=1.0, beta=1.0):
    rng = np.random.default_rng(0)
    a, x = batches(rng, [(z, m, k) for z, m, k, _ in sizes], device, dtype, turned[0])
    b, y = batches(rng, [(z, k, n) for z, _, k, n in sizes], device, dtype, turned[1])
    out, _ = batches(rng, [(z, m, n) for z, m, _, n in sizes], device, dtype)
    i, w = batches(rng, [(z, m, n) for z, m, _, n in sizes], device, dtype, turned[0])
    products_into(out, a, b, i if addends else (), alpha, beta, kind)
    for to, p, q, r in zip(out, x, y, w, strict=True):
        # small whole numbers, whose sums are exact; halves round what is stored
        wanted = alpha * (p @ q) + (beta * r if addends else 0)
        wanted = cltorch.tensor(wanted).to(dtype).double().numpy()
        np.testing.assert_array_equal(to.cpu().double().numpy(), wanted)
        assert to._version == len(sizes)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)], ids=str)
def test_products_of_many_shapes(device, kind, turned):
    run(device, kind, dtypes.float32, turned=turned)
    run(device, kind, dtypes.float32, turned=turned, addends=True, alpha=0.5, beta=-2.0)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("dtype", [dtypes.bfloat16, dtypes.float16, dtypes.float64], ids=str)
def test_other_dtypes(device, kind, dtype, fp64):
    if dtype is dtypes.float64 and not fp64:
        pytest.skip("no float64 on this device")
    run(device, kind, dtype, addends=True, alpha=0.5)
    run(device, kind, dtype)


def test_bfloat16_without_the_processors_own_instruction(cl_device, monkeypatch):
    monkeypatch.setattr(instructions, "has", lambda *given: False)
    # other geometry than above, for plans are kept
    run(cl_device, "cpu", dtypes.bfloat16, sizes=[(1, 7, 9, 11), (2, 20, 33, 50)], addends=True)


def test_it_takes_the_launches_of_one_product(cl_device):
    rng = np.random.default_rng(0)
    sizes = [(1, n, n + 1, n + 2) for n in range(1, 50)]
    lists = [
        batches(rng, [(z, *(size[i] for i in pick)) for z, *size in sizes], cl_device, dtypes.float32)[0]
        for pick in ((0, 2), (0, 1), (1, 2))
    ]
    products_into(*lists)
    context = cltorch.device(cl_device).context
    before = context.launches
    products_into(*lists)
    assert context.launches - before <= 2


def test_products_of_nothing(device):
    whole = cltorch.ones(6, device=device)
    out = cltorch.full((4,), 7.0, device=device)
    products_into([out[:0].reshape(0, 2)], [whole[:0].reshape(0, 3)], [cltorch.ones(3, 2, device=device)])
    products_into([out.reshape(2, 2)], [whole[:0].reshape(2, 0)], [cltorch.ones(0, 2, device=device)])
    assert out.tolist() == [0.0] * 4


def test_what_cannot_be_multiplied_so_is_refused(device):
    x = lambda *shape, **how: cltorch.ones(*shape, device=device, **how)  # noqa: E731
    for lists, words in (
        (([x(2, 2)], [x(2, 3)], [x(2, 2)]), "cannot be multiplied"),
        (([x(2, 2)], [x(2, 3)], [x(3, 2)], [x(2)]), "cannot be multiplied"),
        (([x(1, 2, 2)], [x(2, 3)], [x(3, 2)]), "cannot be multiplied"),
        (([x(2, 2)] * 2, [x(2, 3), x(2, 3)], [x(3, 2)] * 2), "parts of one storage"),
        (([x(2, 2).t()], [x(2, 3)], [x(3, 2)]), "contiguous memory"),
        (([y := x(2, 2)], [y], [y]), "a storage of their own"),
        (([x(2, 2)], [x(2, 3)], [x(3, 2, dtype=cltorch.float16)]), "one floating-point dtype"),
        (([x(2, 2, dtype=cltorch.int32)] * 1,) * 3, "one floating-point dtype"),
    ):
        with pytest.raises(RuntimeError, match=words):
            products_into(*lists)


def test_slices_of_the_sum_wait_beside_narrow_results(cl_device):
    # the third of the sizes is longer than the room for packed columns
    context = cltorch.device(cl_device).context
    tile = gemm_cpu.Tile.of(gemm_cpu.tuning.parameters(context, "matmul cpu", 4), context.caps.local_mem, 4)
    long = 2 * tile.room // tile.nr + 3
    run(cl_device, "cpu", dtypes.float16, sizes=[(1, 3, 4, 5), (2, 9, long, 20)], addends=True)
    run(cl_device, "cpu", dtypes.float32, sizes=[(1, 3, 4, 5), (2, 9, long, 20)], addends=True)
