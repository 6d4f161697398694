"""Random functions: seeds and states, shapes and dtypes, distributions with tensors as parameters, dropout, errors."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import stats

import cltorch
from cltorch import dtypes


def gen(device, seed=0):
    return cltorch.Generator(device).manual_seed(seed)


def same(a, b):
    return np.array_equal(a.cpu().numpy(), b.cpu().numpy())


# ---- seeds, generators, states -----------------------------------------------------------------------------------
DRAWS = {
    "rand": lambda d: cltorch.rand(7, device=d),
    "randn": lambda d: cltorch.randn(7, device=d),
    "randint": lambda d: cltorch.randint(-5, 100, (7,), device=d),
    "randperm": lambda d: cltorch.randperm(50, device=d),
    "normal": lambda d: cltorch.normal(0.0, 1.0, (7,), device=d),
    "bernoulli": lambda d: cltorch.bernoulli(cltorch.full((7,), 0.5, device=d)),
    "multinomial": lambda d: cltorch.multinomial(cltorch.ones(9, device=d), 5),
    "replaced": lambda d: cltorch.multinomial(cltorch.ones(9, device=d), 20, replacement=True),
    "poisson": lambda d: cltorch.poisson(cltorch.full((7,), 20.0, device=d)),
    "dropout": lambda d: cltorch.dropout(cltorch.ones(70, device=d), 0.5, True),
    "uniform_": lambda d: cltorch.empty(7, device=d).uniform_(-2, 3),
    "exponential_": lambda d: cltorch.empty(7, device=d).exponential_(2),
}


@pytest.mark.parametrize("name", DRAWS)
def test_same_seed_same_numbers_on_every_device(name, device):
    draw = DRAWS[name]
    found = []
    for place in ("cpu", device, device):
        cltorch.manual_seed(42)
        found.append(draw(place).cpu().numpy())
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)
    assert not np.array_equal(draw(device).cpu().numpy(), found[1]) or name == "replaced"


def test_generator():
    g = cltorch.Generator()
    assert g.initial_seed() == 67280421310721 and g.device == cltorch.device("cpu")
    assert g.manual_seed(-1) is g and g.initial_seed() == 2**64 - 1
    assert g.seed() == g.initial_seed()
    assert cltorch.manual_seed(7).initial_seed() == cltorch.initial_seed() == 7
    with pytest.raises(ValueError, match="Overflow when unpacking"):
        g.manual_seed(2**64)
    with pytest.raises(RuntimeError, match="expected a long"):
        g.manual_seed(1.5)


def test_state(device):
    g = gen(device, 3)
    cltorch.rand(5, generator=g, device=device)
    state = g.get_state()
    assert state.dtype is dtypes.uint8 and state.device == cltorch.device("cpu")
    twin = pickle.loads(pickle.dumps(g.clone_state()))
    a = cltorch.rand(5, generator=g, device=device)
    g.set_state(state)
    assert same(a, cltorch.rand(5, generator=g, device=device)) and same(
        a, cltorch.rand(5, generator=twin, device=device)
    )
    with pytest.raises(TypeError, match="ByteTensor"):
        g.set_state(cltorch.zeros(16))
    with pytest.raises(RuntimeError, match="wrong size"):
        g.set_state(state[:3])


def test_rng_state_of_the_host():
    state = cltorch.get_rng_state()
    a = cltorch.rand(3)
    cltorch.set_rng_state(state)
    assert same(a, cltorch.rand(3))


def test_fork_rng(device):
    cltorch.manual_seed(1)
    cltorch.rand(1, device=device)
    with cltorch.random.fork_rng():
        a = cltorch.rand(3, device=device)
        cltorch.manual_seed(99)
    assert same(a, cltorch.rand(3, device=device)) and cltorch.initial_seed() == 1
    with cltorch.random.fork_rng(enabled=False):
        cltorch.manual_seed(99)
    assert cltorch.initial_seed() == 99


def test_generator_of_another_device(device):
    if device == "cpu":
        pytest.skip("one device only")
    with pytest.raises(RuntimeError, match="Expected a 'cl' device type for generator but found 'cpu'"):
        cltorch.rand(2, device=device, generator=cltorch.Generator())
    with pytest.raises(TypeError, match="must be torch.Generator, not int"):
        cltorch.rand(2, generator=5)


# ---- shapes and dtypes -------------------------------------------------------------------------------------------
def test_shapes(device):
    for size in ((), (0,), (2, 3), (0, 4), (5, 1, 7)):
        for make in (cltorch.rand, cltorch.randn):
            assert (
                tuple(make(size, device=device).shape)
                == tuple(make(*size, device=device).shape if size else size)
                == size
            )
        assert tuple(cltorch.randint(9, size, device=device).shape) == size
    assert tuple(cltorch.randint(low=1, high=5, size=(2,)).shape) == (2,)
    assert tuple(cltorch.rand(size=(2,)).shape) == (2,)


@pytest.mark.parametrize("t", dtypes.INTS, ids=str)
def test_integer_dtypes(t, device):
    x = cltorch.randint(0, 100, (1000,), dtype=t, device=device)
    assert x.dtype is t and 0 <= x.min().item() < 10 and 90 <= x.max().item() < 100
    y = cltorch.empty(1000, dtype=t, device=device).random_()
    assert y.min().item() >= 0 and y.max().item() > 0.9 * dtypes.iinfo(t).max
    assert set(cltorch.empty(100, dtype=t, device=device).bernoulli_(0.5).tolist()) == {0, 1}


def test_random_on_floats(device):
    for t, digits in ((dtypes.float32, 24), (dtypes.float16, 11), (dtypes.bfloat16, 8)):
        x = cltorch.empty(4000, dtype=t, device=device).random_().float()
        assert x.min().item() >= 0 and 0.98 * 2**digits < x.max().item() <= 2**digits
        assert (x == x.floor()).all().item()
    x = cltorch.empty(100, device=device).random_(3, 5)
    assert set(x.tolist()) == {3.0, 4.0}


def test_like(device):
    x = cltorch.zeros(3, 4, dtype=dtypes.float16, device=device).t()
    for y in (cltorch.rand_like(x), cltorch.randn_like(x), cltorch.randint_like(x, 5), cltorch.randint_like(x, 2, 5)):
        assert y.dtype is x.dtype and y.device == x.device and y.stride() == x.stride()
    assert cltorch.rand_like(x, dtype=dtypes.float32).dtype is dtypes.float32


def test_out(device):
    out = cltorch.empty(2, 3, device=device)
    assert cltorch.rand(2, 3, out=out) is out and 0 <= out.min().item() and out.max().item() < 1
    assert cltorch.randn(4, out=out) is out and tuple(out.shape) == (4,)
    p = cltorch.empty(4, dtype=dtypes.int64, device=device)
    assert cltorch.randperm(4, out=p) is p and sorted(p.tolist()) == [0, 1, 2, 3]


def test_in_place_on_views(device):
    base = cltorch.zeros(4, 6, device=device)
    base[:, ::2].uniform_(1, 2)
    host = base.cpu().numpy()
    assert (host[:, 1::2] == 0).all() and (host[:, ::2] >= 1).all()
    base.t()[1:3].normal_(100, 0)
    assert (base.cpu().numpy()[:, 1:3] == 100).all()
    before = base._version
    base.normal_()
    assert base._version > before


def test_gradients_are_zero(device):
    x = cltorch.ones(3, device=device, requires_grad=True)
    for draw in (
        lambda: (x * 2).uniform_(),
        lambda: cltorch.bernoulli(x),
        lambda: cltorch.poisson(x),
        lambda: cltorch.normal(x, 1.0),
    ):
        y = draw()
        (g,) = cltorch.autograd.grad(y.sum(), x)
        assert g.tolist() == [0, 0, 0]
    assert (x * 2).uniform_().grad_fn.name() == "UniformBackward0"
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.normal_()
    with cltorch.no_grad():
        x.normal_()
    assert cltorch.rand(2, requires_grad=True).requires_grad


# ---- distributions -----------------------------------------------------------------------------------------------
def test_normal_of_tensors(device):
    mean, std = cltorch.arange(4.0, device=device) * 100, cltorch.tensor([[1.0], [10.0]], device=device)
    x = cltorch.stack([cltorch.normal(mean, std) for _ in range(400)]).cpu().numpy()
    assert x.shape == (400, 2, 4)
    z = (x - mean.cpu().numpy()) / std.cpu().numpy()
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    assert tuple(cltorch.normal(0.0, std).shape) == (2, 1) and tuple(cltorch.normal(mean).shape) == (4,)
    half = cltorch.normal(cltorch.zeros(3, dtype=dtypes.float16, device=device), std[0])
    assert half.dtype is dtypes.float16


@pytest.mark.parametrize("rate", (0.5, 3.0, 9.9, 10.0, 30.0, 1000.0))
def test_poisson(rate, device):
    x = cltorch.poisson(cltorch.full((20_000,), rate, device=device), gen(device)).cpu().numpy()
    y = cltorch.poisson(cltorch.full((20_000,), rate), gen("cpu")).numpy()
    assert (x != y).mean() < 1e-3  # a draw on the verge of rejection may go the other way
    assert ks_discrete(x, stats.poisson(rate))


@pytest.mark.parametrize("n, p", [(5, 0.3), (100, 0.05), (100, 0.5), (1000, 0.9), (40, 0.97), (100_000, 0.2)])
def test_binomial(n, p, device):
    count, prob = (cltorch.full((20_000,), v, device=device) for v in (float(n), p))
    x = cltorch.binomial(count, prob, gen(device)).cpu().numpy()
    assert (x != cltorch.binomial(count.cpu(), prob.cpu(), gen("cpu")).numpy()).mean() < 1e-3
    assert ks_discrete(x, stats.binom(n, p))


def ks_discrete(x, law):
    """Chi-square over bins of about equal probability."""
    edges = np.unique(law.ppf(np.linspace(0.05, 0.95, 12)))
    bins = np.concatenate(([-np.inf], edges, [np.inf]))
    expected = np.diff(np.concatenate(([0.0], law.cdf(edges), [1.0]))) * x.size
    counts = np.histogram(x, bins=np.concatenate(([-1.0], edges + 0.5, [1e18])))[0]
    keep = expected > 5
    assert len(bins) == len(counts) + 1
    return stats.chisquare(counts[keep], expected[keep] * counts[keep].sum() / expected[keep].sum()).pvalue > 1e-3


def test_edges_of_counts(device):
    t = cltorch.tensor
    assert cltorch.poisson(t([0.0, 0.0], device=device)).tolist() == [0, 0]
    n, p = t([5.0, 5.0, 0.0, -3.0], device=device), t([0.0, 1.0, 0.5, 0.5], device=device)
    assert cltorch.binomial(n, p).tolist() == [0, 5, 0, 0]


@pytest.mark.parametrize("k", (3, 257, 5000))
def test_multinomial_with_replacement(k, device):
    weights = np.random.default_rng(k).random((2, k)).astype(np.float32)
    weights[:, ::3] = 0
    x = cltorch.multinomial(cltorch.tensor(weights, device=device), 30_000, replacement=True, generator=gen(device))
    on_host = cltorch.multinomial(cltorch.tensor(weights), 30_000, True, generator=gen("cpu"))
    # Intel's compiler adds the weights in another order, which moves a few targets over an edge
    assert (x.cpu().numpy() != on_host.numpy()).mean() < 1e-3
    assert x.dtype is dtypes.int64 and tuple(x.shape) == (2, 30_000)
    for row, w in zip(x.cpu().numpy(), weights, strict=True):
        assert (w[row] > 0).all()
        expected = w[w > 0] / w.sum(dtype=np.float64) * 30_000
        counts = np.bincount(row, minlength=k)[w > 0]
        assert stats.chisquare(counts, expected * (counts.sum() / expected.sum())).pvalue > 1e-3


def test_multinomial_without_replacement(device):
    weights = cltorch.tensor([1.0, 2.0, 3.0, 4.0], device=device)
    firsts = np.zeros(4)
    g = gen(device)
    x = cltorch.multinomial(weights.expand(4000, 4), 4, generator=g).cpu().numpy()
    assert (np.sort(x, axis=1) == np.arange(4)).all()
    firsts = np.bincount(x[:, 0], minlength=4)
    assert stats.chisquare(firsts, np.array([0.1, 0.2, 0.3, 0.4]) * 4000).pvalue > 1e-3


# ---- dropout -----------------------------------------------------------------------------------------------------
def test_dropout_forward_and_backward_use_one_mask(device):
    x = cltorch.randn(300, 7, device=device).requires_grad_()
    y = cltorch.dropout(x, 0.3, True)
    y.backward(cltorch.ones_like(y))
    kept = y.detach().cpu().numpy() != 0
    np.testing.assert_allclose(y.detach().cpu().numpy(), np.where(kept, x.detach().cpu().numpy() / 0.7, 0), rtol=1e-6)
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.where(kept, 1 / 0.7, 0), rtol=1e-6)
    assert stats.binomtest(int(kept.sum()), kept.size, 0.7).pvalue > 1e-3
    assert y.grad_fn.name() == "NativeDropoutBackward0"


def test_dropout_double_backward(device):
    x = cltorch.ones(50, device=device, requires_grad=True)
    y = cltorch.dropout(x, 0.5, True)
    (g,) = cltorch.autograd.grad((y * y).sum(), x, create_graph=True)  # 2 x m^2
    (gg,) = cltorch.autograd.grad(g.sum(), x)
    mask = (y.detach() != 0).cpu().numpy()
    assert gg.cpu().numpy().tolist() == np.where(mask, 8.0, 0.0).tolist()


def test_dropout_edges(device):
    x = cltorch.ones(5, device=device)
    assert cltorch.dropout(x, 0.5, False) is x and cltorch.dropout(x, 0.0, True) is x
    assert cltorch.dropout(x, 1.0, True).tolist() == [0] * 5
    assert np.isnan(cltorch.dropout(cltorch.full((64,), float("inf"), device=device), 0.5, True).cpu().numpy()).any()
    y = cltorch.ones(6, 4, device=device).t()
    assert tuple(cltorch.dropout(y, 0.5, True).shape) == (4, 6)
    with pytest.raises(RuntimeError, match="between 0 and 1, but got 1.5"):
        cltorch.dropout(x, 1.5, True)
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type Long"):
        cltorch.dropout(cltorch.ones(3, dtype=dtypes.int64, device=device), 0.5, True)


def test_native_dropout(device):
    x = cltorch.ones(1000, device=device)
    y, mask = cltorch.native_dropout(x, 0.25, True)
    assert mask.dtype is dtypes.bool_ and ((y != 0) == mask).all().item()
    y, mask = cltorch.native_dropout(x, 0.25, False)
    assert mask.all().item() and same(x, y)


def test_channel_dropout(device):
    x = cltorch.ones(50, 20, 3, 3, device=device)
    y = cltorch.feature_dropout(x, 0.5, True).cpu().numpy().reshape(1000, 9)
    assert (y == y[:, :1]).all() and set(np.unique(y)) == {0.0, 2.0}
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        cltorch.feature_dropout(cltorch.ones(2, device=device), 0.5, True)


def test_alpha_dropout_keeps_mean_and_variance(device):
    x = cltorch.randn(200_000, device=device, generator=gen(device, 5))  # another stream than the one that drops
    y = cltorch.alpha_dropout(x, 0.2, True).cpu().numpy()
    assert abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02
    torch = pytest.importorskip("torch", reason="torch is not installed")
    values = np.unique(torch.nn.functional.alpha_dropout(torch.zeros(1000), 0.2, True).numpy())
    np.testing.assert_allclose(
        np.unique(cltorch.alpha_dropout(cltorch.zeros(1000, device=device), 0.2, True).cpu().numpy()), values, rtol=1e-5
    )


# ---- errors ------------------------------------------------------------------------------------------------------
ERRORS = """
torch.multinomial(T([0., 0., 0.]), 1)
torch.multinomial(T([0., -1., 2.]), 1)
torch.multinomial(T([0., float("nan"), 2.]), 1)
torch.multinomial(T([0., float("inf"), 2.]), 1, True)
torch.multinomial(T([0., 1.]), 3)
torch.multinomial(T([0., 1.]), 0)
torch.multinomial(T([0, 1]), 1)
torch.multinomial(T(1.), 1)
torch.multinomial(torch.ones(2, 2, 2), 1)
torch.multinomial(torch.ones(2, 0), 1)
torch.poisson(T([-1.]))
torch.poisson(T([1]))
torch.bernoulli(T([1.5]))
torch.bernoulli(T([-.5]))
torch.bernoulli(T([1]))
torch.bernoulli(T([float("nan")]))
T([1.]).bernoulli_(1.5)
T([1.]).bernoulli_(T([.5, .2]))
T([1]).uniform_()
T([1]).normal_()
T([1.]).normal_(0, -1)
T([1.]).uniform_(1, 0)
T([1.]).exponential_(-1)
T([1.]).exponential_(0)
T([1.]).geometric_(0)
T([1]).geometric_(1.5)
T([1]).cauchy_()
T([1.]).cauchy_(0, -1)
T([1.]).log_normal_(0, -1)
T([1]).log_normal_()
torch.normal(T([0.]), -1.)
torch.normal(T([0.]), T([-1.]))
torch.normal(T([0., 1]), T([1., 2, 3]))
torch.normal(T([0]), 1.)
torch.normal(0, 1)
torch.normal(0, -1, (2,))
torch.normal(1.0, T([1]))
torch.randint(0, (2,))
torch.randint(5, 2, (2,))
torch.randint(0, 300, (2,), dtype=torch.uint8)
torch.randint(-300, 0, (2,), dtype=torch.int8)
torch.randint(0, 3, (2,), dtype=torch.bool)
torch.randint(2.5, (2,))
torch.randint(0, 2**64, (2,))
torch.randint(0, 70000, (2,), dtype=torch.float16)
torch.randperm(-1)
torch.randperm(3.5)
torch.randperm(300, dtype=torch.uint8)
torch.randperm(300, dtype=torch.bool)
torch.randperm(3000, dtype=torch.float16)
torch.rand(2, dtype=torch.int64)
torch.randn(2, dtype=torch.int64)
torch.rand()
torch.rand(-1)
torch.rand(2.5)
torch.rand("a")
torch.rand_like(T([1]))
T([1]).random_(5, 3)
T([1]).random_(0)
T([1], dtype=torch.uint8).random_(0, 500)
T([1.]).random_(0.5)
torch.dropout(T([1.]), 1.5, True)
torch.binomial(T([5]), T([.5]))
torch.ones(1).expand(3).uniform_()
torch.ones(1, requires_grad=True).uniform_()
""".strip().splitlines()


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    def run(module):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            eval(text, {"torch": module, "T": module.tensor})

    with pytest.raises(Exception) as ours:
        run(cltorch)
    assert isinstance(ours.value, (RuntimeError, TypeError, ValueError)) and str(ours.value)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        run(torch)
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


def test_probabilities_are_checked_on_every_device(device):
    with pytest.raises(RuntimeError, match="p_in"):
        cltorch.bernoulli(cltorch.tensor([0.5, 1.5], device=device))
    with pytest.raises(RuntimeError, match="expected rate to be non-negative"):
        cltorch.poisson(cltorch.tensor([1.0, -1.0], device=device))
    with pytest.raises(RuntimeError, match="sum of probabilities <= 0"):
        cltorch.multinomial(cltorch.zeros(3, device=device), 1)
