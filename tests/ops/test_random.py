"""The Philox stream and what is drawn from it: known answers, references, distributions, all devices alike."""

import numpy as np
import pytest
from scipy import stats

import cltorch
from cltorch import dtypes
from cltorch.ops import random as ops
from cltorch.ops.array import empty, from_host, values
from cltorch.ops.generator import Generator
from cltorch.ops.philox import RUN, philox, stream

# Random123's kat_vectors for philox4x32-10: counter, key, result
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return [int(w, 16) for w in text.split()]


@pytest.mark.parametrize("counter, key, result", KNOWN)
def test_known_answers(counter, key, result):
    low, high = words(key)
    found = philox(np.array(words(counter), np.uint32).reshape(4, 1), low | high << 32)
    assert found.ravel().tolist() == words(result)


def reference(counter, key, width):
    """Philox4x<width>-10 on Python integers, from the paper."""
    mask = (1 << width) - 1
    m0, m1 = {32: (0xD2511F53, 0xCD9E8D57), 64: (0xD2E7470EE14C6C93, 0xCA5A826395121157)}[width]
    w0, w1 = {32: (0x9E3779B9, 0xBB67AE85), 64: (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)}[width]
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = m0 * c[0], m1 * c[2]
        c = [(p1 >> width) ^ c[1] ^ k[0], p1 & mask, (p0 >> width) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + w0) & mask, (k[1] + w1) & mask]
    return c


def test_reference_is_numpys_philox():
    bits = np.random.Philox(counter=[5, 6, 7, 8], key=[11, 12])
    # NumPy counts before it draws
    assert bits.random_raw(4).tolist() == reference([6, 6, 7, 8], [11, 12], 64)


def test_host_agrees_with_the_reference():
    rng = np.random.default_rng(0)
    counters = rng.integers(0, 2**32, (4, 50), dtype=np.uint64)
    key = int(rng.integers(0, 2**63))
    found = philox(counters, key)
    for i in range(50):
        assert found[:, i].tolist() == reference(counters[:, i].tolist(), (key & 0xFFFFFFFF, key >> 32), 32)


def test_short_and_long_reads_are_one_stream():
    long = stream(9, RUN - 3, RUN + 10)
    assert (stream(9, RUN - 3, 2) == long[:, :2]).all()  # out of a cached run
    assert (stream(9, RUN - 3, 7) == long[:, :7]).all()  # across two runs
    assert (stream(9, RUN, 5) == long[:, 3:8]).all()


FLOATS = (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)
CONTINUOUS = [
    ("uniform", 0, 1, stats.uniform.cdf),
    ("uniform", -3.3, 5.7, stats.uniform(-3.3, 5.7).cdf),
    ("normal", 0, 1, stats.norm.cdf),
    ("normal", 2, 3, stats.norm(2, 3).cdf),
    ("log_normal", 0.2, 0.5, stats.lognorm(0.5, scale=np.exp(0.2)).cdf),
    ("exponential", 0.5, 0, stats.expon(scale=0.5).cdf),
    ("cauchy", 1, 2, stats.cauchy(1, 2).cdf),
]


def drawn(dist, t, a, b, n, device, seed=0, offset=0, source=None):
    dev = cltorch.device(device).resolve()
    g = Generator(dev).manual_seed(seed)
    g.set_offset(offset)
    given = None if source is None else from_host(source, t, dev)
    return values(ops.draw(empty((n,), t, dev), dist, a, b, g, given))


def skip_without_fp64(t, device):
    dev = cltorch.device(device)
    if t is dtypes.float64 and dev.type == "cl" and not dev.context.caps.fp64:
        pytest.skip("the device has no float64")


@pytest.mark.parametrize("t", (dtypes.float32, dtypes.float64), ids=str)
@pytest.mark.parametrize(
    "dist, a, b, cdf", CONTINUOUS, ids=lambda v: str(v) if isinstance(v, (str, float, int)) else ""
)
def test_distribution(dist, a, b, cdf, t, device):
    skip_without_fp64(t, device)
    x = drawn(dist, t, a, b, 20_000, device)
    assert stats.kstest(x, cdf).pvalue > 1e-3


@pytest.mark.parametrize("t", FLOATS, ids=str)
@pytest.mark.parametrize("dist, a, b", [c[:3] for c in CONTINUOUS])
@pytest.mark.parametrize("n", (1, 63, 64, 1000, 4099))
def test_every_device_draws_what_the_host_draws(dist, a, b, t, n, device):
    skip_without_fp64(t, device)
    # from just before the point where the low half of the block number wraps around
    offset = 4 * (2**32 - 7)
    host, here = (drawn(dist, t, a, b, n, d, seed=2**40 + 3, offset=offset) for d in ("cpu", device))
    if dist == "uniform" and t is not dtypes.float64:
        assert (host == here).all()
    else:
        eps = {"float64": 1e-13, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}[t.name]
        np.testing.assert_allclose(here, host, rtol=eps, atol=eps * 3)


@pytest.mark.parametrize("t", FLOATS, ids=str)
def test_uniform_stays_below_its_upper_end(t, device):
    skip_without_fp64(t, device)
    x = drawn("uniform", t, 0, 1, 100_000, device)
    assert x.min() >= 0 and x.max() < 1
    if t is not dtypes.float16 and t is not dtypes.bfloat16:
        y = drawn("uniform", t, 1e8, 8.0, 100_000, device)  # float32 rounds here in steps of 8
        assert y.min() >= 1e8 and y.max() < 1e8 + 8


def test_uniform_is_rounded_once(device):
    low, width = -1.1, 2.7
    x = drawn("uniform", dtypes.float32, low, width, 4096, device)
    unit = drawn("uniform", dtypes.float32, 0, 1, 4096, device).astype(np.longdouble)
    exact = unit * np.longdouble(np.float32(width)) + np.longdouble(np.float32(low))
    assert (x == exact.astype(np.float32)).all()


def test_shorter_fill_is_the_beginning_of_a_longer(device):
    for dist, b in (("uniform", 1), ("normal", 1), ("randint", 10)):
        t = dtypes.int64 if dist == "randint" else dtypes.float32
        assert (drawn(dist, t, 0, b, 5, device) == drawn(dist, t, 0, b, 500, device)[:5]).all()


def test_geometric(device):
    p = 0.3
    x = drawn("geometric", dtypes.float32, 1 / np.log1p(-p), 0, 20_000, device)
    counts = np.bincount(x.astype(int))[1:11]
    expected = 20_000 * stats.geom(p).pmf(np.arange(1, 11))
    assert ((counts - expected) ** 2 / expected).sum() < stats.chi2(10).ppf(0.999)
    assert (x == drawn("geometric", dtypes.float32, 1 / np.log1p(-p), 0, 20_000, "cpu")).all()


@pytest.mark.parametrize("low, size", [(0, 2), (-5, 10), (3, 60000), (-(2**40), 2**50), (7, 100_001)])
def test_integers(low, size, device):
    x = drawn("randint", dtypes.int64, low, size, 20_000, device)
    assert x.min() >= low and x.max() < low + size
    assert stats.kstest((x - low + np.random.default_rng(0).random(x.size)) / size, "uniform").pvalue > 1e-3
    assert (x == drawn("randint", dtypes.int64, low, size, 20_000, "cpu")).all()


def test_integers_of_64_bits(device):
    x = drawn("randint", dtypes.int64, 0, 0, 4096, device)  # a size of 0 means 2**64
    assert (x == drawn("randint", dtypes.int64, 0, 0, 4096, "cpu")).all()
    assert stats.kstest((x.astype(np.float64) / 2**64) + 0.5, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("t", FLOATS, ids=str)
def test_dropout_mask_does_not_depend_on_dtype(t, device):
    skip_without_fp64(t, device)
    ones = np.ones(5001, np.float32)
    mask = drawn("dropout", t, 0.7, 2.0, 5001, device, source=ones) != 0
    assert (mask == (drawn("bernoulli", dtypes.bool_, 0.7, 0, 5001, "cpu") != 0)).all()
    assert stats.binomtest(int(mask.sum()), 5001, 0.7).pvalue > 1e-3


def test_bernoulli_of_each_element(device):
    p = np.linspace(0, 1, 1000, dtype=np.float32)
    x = drawn("bernoulli_tensor", dtypes.float32, 0, 0, 1000, device, source=p)
    assert x[0] == 0 and x[-1] == 1 and set(x) == {0.0, 1.0}
    assert abs(x.sum() - p.sum()) < 5 * np.sqrt((p * (1 - p)).sum())
    assert (x == drawn("bernoulli_tensor", dtypes.float32, 0, 0, 1000, "cpu", source=p)).all()


@pytest.mark.parametrize("n", (0, 1, 2, 3, 1000, 100_003))
def test_permutation(n, device):
    dev = cltorch.device(device).resolve()
    x = values(ops.permutation(n, dtypes.int64, dev, Generator(dev).manual_seed(1)))
    assert (np.sort(x) == np.arange(n)).all()
    assert (
        n < 3 or (x == values(ops.permutation(n, dtypes.int64, Generator().device, Generator().manual_seed(1)))).all()
    )


def test_permutations_are_equally_likely():
    g = Generator().manual_seed(0)
    counts = {}
    for _ in range(6000):
        key = tuple(values(ops.permutation(3, dtypes.int64, g.device, g)))
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6 and stats.chisquare(list(counts.values())).pvalue > 1e-3
