"""Layers that normalise: their formulas, running statistics, modes and errors."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import functional as F


def sample(shape=(4, 6, 5, 3), seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 2 + 1).astype(np.float32)


def normal(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_normalising_layers_are_their_formulas(device):
    x = sample()
    t = cltorch.tensor(x, device=device)
    grouped = normal(x.reshape(4, 2, 3, 5, 3), (2, 3, 4)).reshape(x.shape)
    for layer, expected in [
        (nn.BatchNorm2d(6), normal(x, (0, 2, 3))),
        (nn.InstanceNorm2d(6), normal(x, (2, 3))),
        (nn.LayerNorm((5, 3)), normal(x, (2, 3))),
        (nn.LayerNorm(3, eps=0.1), normal(x, (3,), 0.1)),
        (nn.GroupNorm(2, 6), grouped),
        (nn.RMSNorm(3, eps=0.1), x / np.sqrt((x * x).mean(3, keepdims=True) + 0.1)),
    ]:
        np.testing.assert_allclose(layer.to(device)(t).detach().cpu().numpy(), expected, rtol=2e-4, atol=2e-5)


def test_running_statistics_move_by_the_momentum(device):
    m = nn.BatchNorm1d(3, momentum=0.3).to(device)
    x = sample((8, 3))
    m(cltorch.tensor(x, device=device))
    np.testing.assert_allclose(m.running_mean.cpu().numpy(), 0.3 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(m.running_var.cpu().numpy(), 0.7 + 0.3 * x.var(0, ddof=1), rtol=1e-5)
    assert m.num_batches_tracked.item() == 1
    before = m.running_mean.tolist()
    expected = (x - m.running_mean.cpu().numpy()) / np.sqrt(m.running_var.cpu().numpy() + 1e-5)
    out = m.eval()(cltorch.tensor(x, device=device))
    np.testing.assert_allclose(out.detach().cpu().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert m.running_mean.tolist() == before and m.num_batches_tracked.item() == 1
    m.reset_running_stats()
    assert m.running_mean.tolist() == [0.0] * 3 and m.running_var.tolist() == [1.0] * 3
    assert m.num_batches_tracked.item() == 0


def test_without_momentum_all_batches_weigh_the_same_and_nothing_is_read_back(device):
    m = nn.BatchNorm1d(3, momentum=None).to(device)
    batches = [sample((8, 3), i) for i in range(4)]
    tensors = [cltorch.tensor(x, device=device) for x in batches]
    syncs = m.weight.device.context.syncs if device != "cpu" else 0
    for t in tensors:
        m(t)
    assert device == "cpu" or m.weight.device.context.syncs == syncs
    np.testing.assert_allclose(m.running_mean.cpu().numpy(), np.mean([x.mean(0) for x in batches], 0), rtol=1e-4)
    np.testing.assert_allclose(m.running_var.cpu().numpy(), np.mean([x.var(0, ddof=1) for x in batches], 0), rtol=1e-4)


def test_without_running_statistics_evaluation_uses_the_batchs(device):
    m = nn.BatchNorm1d(3, track_running_stats=False).to(device)
    t = cltorch.tensor(sample((8, 3)), device=device)
    assert m.eval()(t).tolist() == m.train()(t).tolist()
    assert m.running_mean is None and list(m.state_dict()) == ["weight", "bias"]


def test_instances_without_a_batch_are_one_instance(device):
    x = cltorch.tensor(sample((6, 5, 3)), device=device)
    m = nn.InstanceNorm2d(6, track_running_stats=True).to(device)
    assert m(x).tolist() == m(x.unsqueeze(0))[0].tolist()
    assert m.num_batches_tracked.item() == 0  # PyTorch does not count here


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda n, o: n.BatchNorm1d(3)(o(2, 3, 4, 5)), ValueError, r"expected 2D or 3D input \(got 4D input\)"),
        (lambda n, o: n.BatchNorm2d(3)(o(2, 3, 4)), ValueError, r"expected 4D input \(got 3D input\)"),
        (lambda n, o: n.BatchNorm3d(3)(o(2, 3, 4)), ValueError, r"expected 5D input \(got 3D input\)"),
        (lambda n, o: n.BatchNorm1d(3)(o(1, 3)), ValueError, "Expected more than 1 value per channel when training"),
        (lambda n, o: n.BatchNorm1d(2).eval()(o(2, 3)), RuntimeError, "running_mean should contain 3 elements not 2"),
        (lambda n, o: n.InstanceNorm1d(3)(o(2, 3, 4, 5)), ValueError, r"expected 2D or 3D input \(got 4D input\)"),
        (lambda n, o: n.InstanceNorm1d(3)(o(2, 3, 1)), ValueError, "Expected more than 1 spatial element when train"),
        (
            lambda n, o: n.InstanceNorm1d(3, affine=True)(o(2, 4, 5)),
            ValueError,
            r"match num_features \(3\), but got: 4",
        ),
        (
            lambda n, o: n.LayerNorm(4)(o(2, 3)),
            RuntimeError,
            r"Given normalized_shape=\[4\], expected input with shape",
        ),
        (lambda n, o: n.RMSNorm(4)(o(2, 3)), RuntimeError, r"Given normalized_shape=\[4\], expected input with shape"),
        (lambda n, o: n.GroupNorm(2, 3), ValueError, r"num_channels \(3\) must be divisible by num_groups \(2\)"),
        (lambda n, o: n.functional.group_norm(o(2, 4), 0), ZeroDivisionError, "by zero"),
        (lambda n, o: n.functional.group_norm(o(2, 3), 2), RuntimeError, "channels in input to be divisible by num_gr"),
        (lambda n, o: n.functional.batch_norm(o(2, 3), None, None), RuntimeError, "running_mean must be defined in"),
    ],
)
def test_wrong_inputs_are_refused_with_pytorchs_messages(call, error, message, lib):
    with pytest.raises(error, match=message):
        call(lib.nn, lib.ones)


def test_running_statistics_have_no_tangents(lib):
    forward = lib.autograd.forward_ad
    x, mean, var = lib.ones(3, 2), lib.zeros(2), lib.ones(2)
    with forward.dual_level():
        dual = [forward.make_dual(v, lib.ones_like(v)) for v in (x, mean, var)]
        batch_norm = lib.nn.functional.batch_norm
        assert forward.unpack_dual(batch_norm(dual[0], mean, var)).tangent is not None
        assert batch_norm(x, dual[1], dual[2]).shape == (3, 2)
        for given in ((dual[0], dual[1], var), dual):
            with pytest.raises(RuntimeError, match="not differentiable wrt running_mean and running_var"):
                batch_norm(*given)


def test_channels_that_come_last_stay_last(device, peer):
    """Also of an image of one column, whose strides two orders fit."""
    for shape, order in (((1, 3, 2, 1), (0, 2, 1, 3)), ((2, 3, 3, 2), (0, 3, 1, 2))):
        found = []
        for library, kw in ((cltorch, {"device": device}), (peer, {})):
            x = library.ones(shape, **kw).permute(order)
            found.append([library.nn.BatchNorm2d(x.shape[1], **kw).train(t)(x).stride() for t in (False, True)])
        assert found[0] == found[1]


def test_a_number_of_features_that_is_not_used_is_warned_of(lib):
    with pytest.warns(UserWarning, match="input's size at dim=1 does not match num_features"):
        lib.nn.InstanceNorm1d(3)(lib.ones(2, 4, 5))


def test_files_of_old_instance_norms_are_refused(lib):
    state = {"running_mean": lib.zeros(2), "running_var": lib.ones(2)}
    with pytest.raises(RuntimeError, match="Unexpected running stats buffer.* with track_running_stats=False"):
        lib.nn.InstanceNorm1d(2).load_state_dict(state)


def test_functions_take_the_arguments_of_torch_nn_functional(device):
    x = sample((4, 6, 5))
    t = cltorch.tensor(x, device=device)
    mean, var = cltorch.zeros(6, device=device), cltorch.ones(6, device=device)
    w, b = sample((6,), 1), sample((6,), 2)
    ws, bs = (cltorch.tensor(a, device=device) for a in (w, b))
    out = F.batch_norm(t, mean, var, ws, bs, True, 1.0, 1e-3).cpu().numpy()
    np.testing.assert_allclose(out, normal(x, (0, 2), 1e-3) * w[:, None] + b[:, None], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mean.cpu().numpy(), x.mean((0, 2)), rtol=1e-4)
    out = F.instance_norm(t, weight=ws, bias=bs, eps=1e-3).cpu().numpy()
    np.testing.assert_allclose(out, normal(x, (2,), 1e-3) * w[:, None] + b[:, None], rtol=1e-4, atol=1e-4)
    out = F.layer_norm(t, [5], eps=1e-3).cpu().numpy()
    np.testing.assert_allclose(out, normal(x, (2,), 1e-3), rtol=1e-4, atol=1e-5)


def test_instances_without_channels(lib):
    x = lib.ones(2, 0, 3, 3, requires_grad=True)
    y = lib.nn.InstanceNorm2d(0)(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == (2, 0, 3, 3)


@pytest.mark.parametrize("training", [True, False])
def test_batches_without_elements_are_neither_checked_nor_counted_among_the_statistics(training, device, lib):
    """PyTorch multiplies what is empty by the first weight, which layers of no channels do not have."""
    place = device if lib is cltorch else "cpu"
    for shape in ((0, 3), (2, 3, 0), (0, 5)):
        m = lib.nn.BatchNorm1d(3).to(place).train(training)
        x = lib.ones(shape, device=place, requires_grad=True)
        y = m(x)
        y.sum().backward()
        assert y.shape == x.grad.shape == shape and m.weight.grad.tolist() == m.bias.grad.tolist() == [0, 0, 0]
        assert m.running_mean.tolist() == [0, 0, 0] and m.running_var.tolist() == [1, 1, 1]
        assert m.num_batches_tracked.item() == training
    none = lib.nn.BatchNorm2d(0).to(place).train(training)
    with pytest.raises(IndexError, match="index 0 out of range for tensor of size"):
        none(lib.ones(2, 0, 3, 3, device=place))
    plain = lib.nn.BatchNorm2d(0, affine=False).to(place).train(training)
    assert plain(lib.ones(2, 0, 3, 3, device=place)).shape == (2, 0, 3, 3)
