"""Initial values: their distributions have exactly PyTorch's parameters; layers begin as PyTorch's do."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

import cltorch
from cltorch import nn
from cltorch.nn import init


def values(t):
    return t.detach().float().cpu().numpy()


def check_uniform(a, low, high):
    """Assert that values fill [low, high] and nothing beyond."""
    width, slack = high - low, 12 / a.size  # a gap this large at an end has a chance of exp(-12)
    assert a.min() >= low and a.max() <= high
    assert a.min() < low + slack * width and a.max() > high - slack * width
    assert stats.kstest(a.reshape(-1), stats.uniform(low, width).cdf).pvalue > 1e-4


def check_normal(a, mean, std):
    assert stats.kstest(a.reshape(-1), stats.norm(mean, std).cdf).pvalue > 1e-4


# (shape, fan in, fan out)
SHAPES = [((40, 60), 60, 40), ((20, 10, 3), 30, 60), ((12, 8, 3, 4), 96, 144), ((6, 5, 2, 3, 4), 120, 144)]


@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), SHAPES)
def test_bounds_follow_the_fans(shape, fan_in, fan_out, device):
    w = cltorch.empty(shape, device=device)
    check_uniform(values(init.xavier_uniform_(w, gain=2)), *_around(2 * math.sqrt(6 / (fan_in + fan_out))))
    check_normal(values(init.xavier_normal_(w)), 0, math.sqrt(2 / (fan_in + fan_out)))
    check_uniform(values(init.kaiming_uniform_(w)), *_around(math.sqrt(6 / fan_in)))
    check_uniform(
        values(init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu")), *_around(math.sqrt(6 / fan_out))
    )
    check_uniform(values(init.kaiming_uniform_(w, a=math.sqrt(5))), *_around(1 / math.sqrt(fan_in)))
    check_normal(values(init.kaiming_normal_(w, nonlinearity="relu")), 0, math.sqrt(2 / fan_in))
    check_normal(values(init.kaiming_normal_(w, a=1, mode="FAN_OUT")), 0, math.sqrt(1 / fan_out))


def _around(bound):
    return -bound, bound


def test_simple_fillings(device):
    w = cltorch.empty(100, 40, device=device)
    for fill in (init.uniform_, init.normal_, init.ones_, init.zeros_):
        assert fill(w) is w
    check_uniform(values(init.uniform_(w, -3, 5)), -3, 5)
    check_normal(values(init.normal_(w, 2, 0.5)), 2, 0.5)
    assert (values(init.constant_(w, 0.3)) == np.float32(0.3)).all()
    assert (values(init.ones_(w)) == 1).all() and (values(init.zeros_(w)) == 0).all()
    assert (values(init.eye_(cltorch.empty(3, 5, device=device))) == np.eye(3, 5)).all()


@pytest.mark.parametrize(("mean", "std", "a", "b"), [(0, 1, -2, 2), (1, 0.5, -1, 1.2), (0, 1, 1.5, 3), (-1, 2, -6, 0)])
def test_truncated_normal_values_follow_their_distribution(mean, std, a, b, device):
    w = values(init.trunc_normal_(cltorch.empty(4000, device=device), mean, std, a, b))
    assert w.min() >= a and w.max() <= b
    reference = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert stats.kstest(w, reference.cdf).pvalue > 1e-4


def test_truncated_normal_values_of_halves_are_not_coarse(device):
    w = values(init.trunc_normal_(cltorch.empty(4000, device=device, dtype=cltorch.float16)))
    assert stats.kstest(w, stats.truncnorm(-2, 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3), (40, 50)])
def test_orthogonal_matrices_are_orthogonal(shape, device):
    w = init.orthogonal_(cltorch.empty(shape, device=device), gain=2)
    a = values(w).reshape(shape[0], -1)
    small = a @ a.T if a.shape[0] <= a.shape[1] else a.T @ a
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=2e-5)


def test_orthogonal_matrices_are_spread_evenly():
    """Every entry of an evenly drawn orthogonal matrix has mean 0 and mean square 1/n."""
    draws = np.stack([values(init.orthogonal_(cltorch.empty(4, 4))) for _ in range(400)])
    assert abs(draws.mean(0)).max() < 5 * 0.5 / 20
    np.testing.assert_allclose((draws**2).mean(0), 0.25, atol=0.08)


def test_dirac_hands_channels_through(device):
    x = cltorch.randn(2, 6, 5, 5, device=device)
    w = init.dirac_(cltorch.empty(6, 3, 3, 3, device=device), groups=2)
    expected = values(x)
    np.testing.assert_array_equal(values(nn.functional.conv2d(x, w, padding=1, groups=2)), expected)
    assert values(init.dirac_(cltorch.empty(2, 3, 2, device=device))).sum() == 2
    assert values(init.dirac_(cltorch.empty(4, 3, 1, 2, 3, device=device))).sum() == 3


def test_sparse_zeroes_a_share_of_every_column(device):
    w = values(init.sparse_(cltorch.empty(10, 30, device=device), sparsity=0.35, std=0.1))
    assert ((w == 0).sum(0) == 4).all() and 0.05 < w[w != 0].std() < 0.15


def test_gains_are_pytorchs(lib):
    gain = lib.nn.init.calculate_gain
    assert [gain(n) for n in ("linear", "conv2d", "conv_transpose3d", "sigmoid")] == [1, 1, 1, 1]
    assert gain("tanh") == 5 / 3 and gain("relu") == math.sqrt(2) and gain("selu") == 0.75
    assert gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2)) and gain("leaky_relu", 2) == math.sqrt(2 / 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i, e: i.calculate_gain("what"), "Unsupported nonlinearity what"),
        (lambda i, e: i.calculate_gain("leaky_relu", "x"), "negative_slope x not a valid number"),
        (lambda i, e: i.xavier_uniform_(e(3)), "Fan in and fan out can not be computed for tensor with fewer than 2"),
        (lambda i, e: i.kaiming_normal_(e(3, 3), mode="what"), "Mode what not supported, please use one of"),
        (lambda i, e: i.eye_(e(3)), "Only tensors with 2 dimensions are supported"),
        (lambda i, e: i.sparse_(e(3), 0.1), "Only tensors with 2 dimensions are supported"),
        (lambda i, e: i.orthogonal_(e(3)), "Only tensors with 2 or more dimensions are supported"),
        (lambda i, e: i.dirac_(e(3, 3)), "Only tensors with 3, 4, or 5 dimensions are supported"),
        (lambda i, e: i.dirac_(e(3, 3, 3), 2), "dim 0 must be divisible by groups"),
    ],
)
def test_wrong_arguments_are_refused(call, message, lib):
    with pytest.raises(ValueError, match=message):
        call(lib.nn.init, lib.empty)


def test_warnings_are_pytorchs(lib):
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        assert lib.nn.init.kaiming_uniform_(lib.empty(0, 2)).shape == (0, 2)
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        lib.nn.init.trunc_normal_(lib.empty(2), mean=4.5)
    with pytest.warns(FutureWarning, match="`nn.init.xavier_uniform` is now deprecated in favor of"):
        lib.nn.init.xavier_uniform(lib.empty(2, 2))


def test_initialising_is_not_recorded(lib):
    w = lib.nn.Parameter(lib.empty(2, 2))
    for name in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "xavier_normal_", "kaiming_uniform_", "orthogonal_",
                 "trunc_normal_"):  # fmt: skip
        assert getattr(lib.nn.init, name)(w) is w and w.grad_fn is None and w.requires_grad


def test_a_generator_decides_the_values(device):
    def draw(seed):
        g = cltorch.Generator(device).manual_seed(seed)
        return values(init.kaiming_normal_(cltorch.empty(3, 3, device=device), generator=g)).tolist()

    assert draw(1) == draw(1) != draw(2)


# ---- layers ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda **k: nn.Linear(300, 200, **k), 300),
        (lambda **k: nn.Conv1d(40, 300, 5, **k), 200),
        (lambda **k: nn.Conv2d(20, 300, (3, 5), groups=2, **k), 150),
        (lambda **k: nn.Conv3d(10, 200, 3, **k), 270),
        (lambda **k: nn.ConvTranspose2d(20, 300, 3, groups=2, **k), 1350),  # PyTorch counts the output channels here
        (lambda **k: nn.Bilinear(150, 20, 300, **k), 150),
    ],
)
def test_layers_begin_evenly_distributed_by_their_fan_in(layer, fan_in, device):
    m = layer(device=device)
    bound = 1 / math.sqrt(fan_in)
    check_uniform(values(m.weight), -bound, bound)
    check_uniform(values(m.bias), -bound, bound)


def test_other_layers_begin_as_pytorchs_do(device):
    check_normal(values(nn.Embedding(200, 30, device=device).weight), 0, 1)
    padded = values(nn.Embedding(5, 3, padding_idx=-2, device=device).weight)
    assert (padded[3] == 0).all() and (padded[[0, 1, 2, 4]] != 0).all()
    for m in (nn.BatchNorm2d(4, device=device), nn.LayerNorm(4, device=device), nn.GroupNorm(2, 4, device=device)):
        assert (values(m.weight) == 1).all() and (values(m.bias) == 0).all()
    norm = nn.BatchNorm1d(4, device=device)
    assert values(norm.running_mean).tolist() == [0] * 4 and values(norm.running_var).tolist() == [1] * 4
    assert norm.num_batches_tracked.item() == 0 and norm.num_batches_tracked.dim() == 0
    assert (values(nn.PReLU(3, device=device).weight) == 0.25).all() and (values(nn.RMSNorm(3).weight) == 1).all()


def test_linear_layers_without_inputs_have_no_bound():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = nn.Linear(0, 3)
    assert m.bias.tolist() == [0.0] * 3 and m(cltorch.ones(2, 0)).tolist() == [[0.0] * 3] * 2


def test_reset_parameters_draws_anew():
    m = nn.Linear(3, 3)
    before = m.weight.tolist()
    m.reset_parameters()
    assert m.weight.tolist() != before
