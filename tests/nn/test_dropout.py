"""Dropout of elements and of channels: shares, scales, modes, gradients, ranks, errors."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import functional as F


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_dropout_zeroes_a_share_and_scales_the_rest(p, device):
    a = F.dropout(cltorch.ones(20000, device=device), p).cpu().numpy()
    assert abs((a == 0).mean() - p) < 0.02
    np.testing.assert_allclose(a[a != 0], 1 / (1 - p), rtol=1e-6)


@pytest.mark.parametrize("name", ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
                                  "feature_alpha_dropout"])  # fmt: skip
@pytest.mark.filterwarnings("ignore:dropout.d. Received a")
def test_nothing_is_dropped_in_evaluation_or_with_probability_zero(name, device):
    x = cltorch.randn(2, 3, 4, device=device)
    f = getattr(F, name)
    assert f(x, 0.7, training=False).tolist() == x.tolist()
    assert f(x, 0.0, training=True).tolist() == x.tolist()
    assert f(x, 1.0, training=True).abs().max().item() == 0


def test_dropping_does_not_wait_for_the_device(cl_device):
    x = cltorch.ones(4, 8, 8, 8, device=cl_device, requires_grad=True)
    context = cltorch.device(cl_device).context
    before = context.syncs
    F.dropout2d(F.dropout(x, 0.5) * 2, 0.5).sum().backward()
    F.alpha_dropout(x, 0.5, True)
    assert context.syncs == before


@pytest.mark.parametrize("name", ["dropout", "dropout2d"])
def test_gradients_go_where_the_elements_went(name, device):
    x = cltorch.ones(2, 64, 3, 3, device=device, requires_grad=True)
    out = getattr(F, name)(x, 0.4)
    (g,) = cltorch.autograd.grad(out.sum(), x)
    assert g.tolist() == out.tolist()


@pytest.mark.parametrize(
    ("name", "shape", "channels"),
    [
        ("dropout1d", (8, 50, 5), 2),
        ("dropout1d", (400, 5), 1),
        ("dropout2d", (8, 50, 3, 4), 2),
        ("dropout2d", (8, 50, 4), 2),
        ("dropout3d", (8, 50, 2, 3, 2), 2),
        ("dropout3d", (400, 2, 3, 2), 1),
        ("feature_alpha_dropout", (8, 50, 3, 4), 2),
    ],
)
@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3D input")
def test_whole_channels_are_dropped(name, shape, channels, device):
    a = getattr(F, name)(cltorch.ones(shape, device=device), 0.25, training=True).cpu().numpy()
    lines = a.reshape(np.prod(shape[:channels]), -1)
    assert (lines == lines[:, :1]).all()
    values, counts = np.unique(lines[:, 0], return_counts=True)
    assert len(values) == 2 and abs(counts[0] / counts.sum() - 0.25) < 0.1
    if name != "feature_alpha_dropout":
        np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-6)


def test_alpha_dropout_keeps_mean_and_variance(device):
    x = cltorch.randn(100_000, device=device)
    a = F.alpha_dropout(x, 0.3, training=True).cpu().numpy()
    assert abs(a.mean()) < 0.02 and abs(a.std() - 1) < 0.02


@pytest.mark.parametrize("name", ["dropout", "dropout1d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"])
def test_in_place_forms_change_the_tensor_itself(name, device):
    x = cltorch.ones(4, 30, 5, device=device) if name != "dropout3d" else cltorch.ones(4, 30, 5, 2, device=device)
    out = getattr(F, name)(x, 0.5, training=True, inplace=True)
    assert out is x and len(set(x.reshape(-1).tolist())) == 2


def test_modules_drop_in_training_only(device):
    x = cltorch.ones(2, 30, 4, 4, device=device)
    for m in (nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.Dropout(inplace=True)):
        assert m.eval()(x).tolist() == x.tolist()
        assert m.train()(x.clone()).tolist() != x.tolist()
    assert nn.Dropout1d()(x[0, :, 0]).shape == (30, 4) and nn.Dropout3d()(x).shape == x.shape


def test_a_seed_repeats_the_mask_on_every_device(device):
    def draw():
        cltorch.manual_seed(7)
        return F.dropout(cltorch.ones(50, device=device)).tolist()

    assert draw() == draw()


@pytest.mark.parametrize("name", ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
                                  "feature_alpha_dropout"])  # fmt: skip
def test_probabilities_outside_0_to_1_are_refused(name, lib):
    for p in (-0.1, 1.5):
        with pytest.raises(ValueError, match=f"dropout probability has to be between 0 and 1, but got {p}"):
            getattr(lib.nn.functional, name)(lib.ones(2, 3, 4), p)
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got 2"):
        lib.nn.Dropout(2)


def test_ranks_that_make_no_sense_are_refused_or_warned_of(lib):
    F = lib.nn.functional
    for ndim in (1, 4):
        with pytest.raises(RuntimeError, match=f"Expected 2D or 3D input, but received a {ndim}D input"):
            F.dropout1d(lib.ones((2,) * ndim))
    with pytest.warns(UserWarning, match="Received a 3D input to dropout2d and assuming that channel-wise 1D"):
        F.dropout2d(lib.ones(2, 2, 2))
    with pytest.warns(UserWarning, match="Received a 5-D input to dropout2d, which is deprecated"):
        F.dropout2d(lib.ones(2, 2, 2, 2, 2))
    with pytest.warns(UserWarning, match="Received a 3-D input to dropout3d, which is deprecated"):
        F.dropout3d(lib.ones(2, 2, 2))
    with pytest.raises(RuntimeError, match="Feature dropout requires at least 2 dimensions in the input"):
        F.feature_alpha_dropout(lib.ones(2), 0.5, training=True)
    # where everything is dropped nobody asks for channels
    with pytest.warns(UserWarning, match="Received a 1-D input to dropout2d"):
        assert F.dropout2d(lib.ones(2), 1.0).tolist() == [0.0, 0.0]
