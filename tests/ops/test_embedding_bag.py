"""Bags of rows, by one kernel in both forms and on the host, against loops over the bags in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.device import debug
from cltorch.errors import DeviceIndexError
from cltorch.nn import functional as F
from cltorch.ops.embedding_bag import bags_of_rows

ROWS, LENGTH = 40, 60
OFFSETS = [0, 0, 7, 7, 8, 31, 50, 60]  # empty ones first, in the middle and last


def numbers(*shape):
    return np.random.default_rng(3).integers(-8, 9, shape) / 4  # sums of which are exact in any order


def bags(w, line, offsets, sample, mode, padding, last):
    """Return the results, and the places of the largest values."""
    ends = [*offsets, *([] if last else [len(line)])]
    out, places = np.zeros((len(ends) - 1, w.shape[1])), np.full((len(ends) - 1, w.shape[1]), len(line))
    for b in range(len(ends) - 1):
        there = [i for i in range(ends[b], ends[b + 1]) if line[i] != padding]
        if not there:
            continue
        rows = w[line[there]] * (1 if sample is None else sample[there][:, None])
        out[b] = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, 0)
        places[b] = np.array(there)[rows.argmax(0)]
    return out, places


@pytest.mark.parametrize("width", [1, 150])
@pytest.mark.parametrize("padding", [-1, 4])
@pytest.mark.parametrize("mode", ["sum", "weighted", "mean", "max"])
@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_every_bag_is_walked(mode, padding, width, variant, device):
    if variant == "gpu" and device == "cpu":
        pytest.skip("the host has no kernels")
    w, line = numbers(ROWS, width), np.random.default_rng(1).integers(0, ROWS, LENGTH)
    line[8:31:2] = line[7] = 4  # a bag of nothing but the padding, and one that has much of it
    sample = numbers(LENGTH) if mode == "weighted" else None
    mode = "sum" if mode == "weighted" else mode
    x = cltorch.tensor(w.astype(np.float32), device=device)
    at = cltorch.tensor(line.astype(np.int64 if padding < 0 else np.int32), device=device)
    square = list(range(0, LENGTH, 10))
    share = None if sample is None else cltorch.tensor(sample.astype(np.float32), device=device)
    found = bags_of_rows(x, at, None, share, mode, padding, len(square), True, variant)
    wanted, places = bags(w, line, square, sample, mode, padding, False)
    np.testing.assert_allclose(found[0].cpu().numpy(), wanted, rtol=1e-6)
    assert found[1].tolist() == (places.tolist() if mode == "max" else [i // 10 for i in range(LENGTH)])
    for last in (False, True):
        offsets = cltorch.tensor(OFFSETS, device=device)
        count = len(OFFSETS) - last
        found = bags_of_rows(x, at, offsets, share, mode, padding, count, True, variant)
        wanted, places = bags(w, line, OFFSETS, sample, mode, padding, last)
        np.testing.assert_allclose(found[0].cpu().numpy(), wanted, rtol=1e-6)
        if mode == "max":
            assert found[1].tolist() == places.tolist()
        else:
            starts = np.array(OFFSETS)
            bag = np.searchsorted(starts, np.arange(LENGTH), "right") - 1
            size = [max(1, sum(bag[i] == b and line[i] != padding for i in range(LENGTH))) for b in range(count)]
            assert found[1].tolist() == bag.tolist() and found[2].tolist() == size
    alone = bags_of_rows(x, at, offsets, share, mode, padding, count, False, variant)
    assert len(alone) == 1 and alone[0].tolist() == found[0].tolist()


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes_and_layouts(dtype, mode, device, fp64):
    if dtype == "float64" and not fp64:
        pytest.skip("the device has no float64")
    w, line = numbers(2 * ROWS, 9), np.random.default_rng(1).integers(0, ROWS, 2 * LENGTH)
    t = getattr(cltorch, dtype)
    whole = cltorch.tensor(w, dtype=t, device=device)
    at, offsets = cltorch.tensor(line, device=device), cltorch.tensor([9, *OFFSETS], device=device)
    for x, y in ((whole[3::2, 1:], w[3::2, 1:]), (whole.t()[:, :50].t()[1:], w[1:50])):
        found = F.embedding_bag(at[1::2] % 36, x, offsets[1:], mode=mode)
        wanted, _ = bags(y, line[1::2] % 36, OFFSETS, None, mode, -1, False)
        np.testing.assert_allclose(found.cpu().double().numpy(), wanted, rtol=1e-2 if dtype == "bfloat16" else 1e-3)


def test_one_launch_and_the_same_bits(cl_device):
    x = cltorch.randn(ROWS, 70, device=cl_device)
    at, offsets = cltorch.randint(0, ROWS, (LENGTH,), device=cl_device), cltorch.tensor(OFFSETS, device=cl_device)
    context, found = x.device.context, []
    for _ in range(2):
        before = context.launches
        found.append([F.embedding_bag(at, x, offsets, mode="mean"), F.embedding_bag(at.view(6, 10), x)])
        assert context.launches == before + 2
    for first, second in zip(*found, strict=True):
        assert first.tolist() == second.tolist()


WRONG = [([1, ROWS, 3], [0, 2], ROWS), ([1, -1, 3], [0, 2], -1), ([1, 2, 3], [1, 2], 1), ([1, 2, 3], [0, 4], 4)]


@pytest.mark.skipif(debug.wanted(), reason="CLTORCH_DEBUG raises at the launch already")
@pytest.mark.parametrize("mode", ["sum", "max"])
@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize(("line", "offsets", "told"), WRONG)
def test_what_is_out_of_range_is_noted(line, offsets, told, variant, mode, cl_device):
    x = cltorch.ones(ROWS, 70, device=cl_device)
    line, offsets = cltorch.tensor(line, device=cl_device), cltorch.tensor(offsets, device=cl_device)
    found = bags_of_rows(x, line, offsets, None, mode, -1, 2, False, variant)[0]
    with pytest.raises(DeviceIndexError, match=rf"embedding_bag\(\): index {told} is out of bounds"):
        found.tolist()
    if told in (ROWS, -1):
        assert found[0].isnan().all() and (found[1] == 1).all()


def test_an_index_out_of_range_on_the_host():
    for line in ([1, 4], [-1, 1]):
        with pytest.raises(IndexError, match="index out of range in self"):
            F.embedding_bag(cltorch.tensor(line), cltorch.ones(4, 3), cltorch.tensor([0, 1]))


@pytest.mark.parametrize("options", [
    {"mode": "sum"}, {"mode": "sum", "padding_idx": 2, "include_last_offset": True},
    {"mode": "mean", "padding_idx": 2}, {"mode": "max", "padding_idx": 1, "include_last_offset": True},
], ids=str)  # fmt: skip
def test_gradients(options):
    rng = np.random.default_rng(0)
    w = cltorch.tensor(rng.standard_normal((5, 2)), requires_grad=True)
    sample = cltorch.tensor(rng.standard_normal(7), requires_grad=True)
    line, offsets = cltorch.tensor([2, 1, 4, 2, 3, 1, 1]), cltorch.tensor([0, 0, 3, 5])

    def f(w, s):
        return F.embedding_bag(line, w, offsets, per_sample_weights=s if options["mode"] == "sum" else None, **options)

    given = (w, sample) if options["mode"] == "sum" else (w,)
    run = f if options["mode"] == "sum" else lambda w: f(w, None)
    assert gradcheck(run, given) and gradgradcheck(run, given)
