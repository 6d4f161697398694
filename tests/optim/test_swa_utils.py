"""Averages of weights: against sums in NumPy on every device, their buffers, batch statistics, and checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.optim import swa_utils


def net(device):
    return cltorch.nn.Sequential(cltorch.nn.Linear(3, 4), cltorch.nn.BatchNorm1d(4), cltorch.nn.Linear(4, 2)).to(device)


def values(model):
    return [p.detach().cpu().numpy().copy() for p in model.parameters()]


def wander(model, rng):
    for p in model.parameters():
        p.data.copy_(cltorch.tensor(rng.standard_normal(tuple(p.shape))))
    return values(model)


@pytest.mark.parametrize("way", ["plain", "avg_fn", "multi_avg_fn"])
def test_the_plain_average(device, way):
    given = {"avg_fn": swa_utils.get_swa_avg_fn(), "multi_avg_fn": swa_utils.get_swa_multi_avg_fn()}
    model = net(device)
    averaged = swa_utils.AveragedModel(model, **({} if way == "plain" else {way: given[way]}))
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(5):
        seen.append(wander(model, rng))
        averaged.update_parameters(model)
    for found, wanted in zip(values(averaged.module), zip(*seen, strict=True), strict=True):
        np.testing.assert_allclose(found, np.mean(wanted, axis=0), rtol=1e-5, atol=1e-6)
    assert averaged.n_averaged.item() == 5


@pytest.mark.parametrize("way", ["avg_fn", "multi_avg_fn"])
def test_the_exponential_average(device, way):
    given = {"avg_fn": swa_utils.get_ema_avg_fn(0.8), "multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.8)}
    model = net(device)
    averaged = swa_utils.AveragedModel(model, **{way: given[way]})
    rng = np.random.default_rng(0)
    wanted = None
    for _ in range(4):
        now = wander(model, rng)
        wanted = now if wanted is None else [0.8 * a + 0.2 * b for a, b in zip(wanted, now, strict=True)]
        averaged.update_parameters(model)
    for found, w in zip(values(averaged.module), wanted, strict=True):
        np.testing.assert_allclose(found, w, rtol=1e-5, atol=1e-6)


def test_buffers_follow_the_model_or_are_averaged(device):
    model = net(device)
    follows, averages = swa_utils.AveragedModel(model), swa_utils.AveragedModel(model, use_buffers=True)
    for value in (1.0, 2.0, 6.0):
        model[1].running_mean.fill_(value)
        for averaged in (follows, averages):
            averaged.update_parameters(model)
    assert follows.module[1].running_mean.tolist() == [6.0] * 4
    assert averages.module[1].running_mean.tolist() == pytest.approx([3.0] * 4)


def test_checkpoints_keep_the_count(device):
    model = net(device)
    averaged = swa_utils.AveragedModel(model)
    for _ in range(3):
        averaged.update_parameters(model)
    other = swa_utils.AveragedModel(net(device))
    other.load_state_dict(averaged.state_dict())
    assert other.n_averaged.item() == 3
    assert "n_averaged" in averaged.state_dict() and "module.0.weight" in averaged.state_dict()
    x = cltorch.randn(5, 3, device=device)
    model.eval(), averaged.eval(), other.eval()
    assert cltorch.allclose(other(x), averaged(x)) and cltorch.allclose(other(x), model(x), atol=1e-5)


def test_batch_statistics_are_those_of_all_batches(device):
    model = cltorch.nn.Sequential(cltorch.nn.BatchNorm1d(3)).to(device)
    model.eval()
    data = cltorch.randn(12, 3)
    swa_utils.update_bn([(data[i : i + 4], None) for i in (0, 4, 8)], model, device)
    mean = np.mean([data[i : i + 4].numpy().mean(0) for i in (0, 4, 8)], axis=0)
    np.testing.assert_allclose(model[0].running_mean.cpu().numpy(), mean, rtol=1e-5, atol=1e-6)
    assert model[0].momentum == 0.1 and not model.training
    swa_utils.update_bn([], cltorch.nn.Linear(1, 1))


def test_only_one_way_to_average_may_be_given():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        swa_utils.AveragedModel(net("cpu"), avg_fn=max, multi_avg_fn=max)


def test_a_model_of_fewer_parameters_changes_the_first_averages(device):
    whole, part = net(device), cltorch.nn.Linear(3, 4).to(device)
    with cltorch.no_grad():
        part.weight.fill_(3.0)
    averaged = swa_utils.AveragedModel(cltorch.nn.Sequential(whole[0], whole[2]))
    for _ in range(2):
        averaged.update_parameters(part)
    assert averaged.module[0].weight.unique().tolist() == [3.0]
    np.testing.assert_array_equal(averaged.module[1].weight.tolist(), whole[2].weight.tolist())


def test_the_way_of_a_schedule_is_told():
    optimizer = cltorch.optim.SGD([cltorch.nn.Parameter(cltorch.ones(1))])
    for name, half in (("cos", 0.5 - np.cos(np.pi / 4) / 2), ("linear", 0.25)):
        schedule = swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_strategy=name)
        assert schedule.anneal_func(0.25) == pytest.approx(half)
        assert "anneal_func" not in schedule.state_dict()
