"""GradScaler: its arithmetic, the steps it leaves out, its state and its errors."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

import cltorch
from cltorch.amp import grad_scaler


def kind(device):
    return "cpu" if device == "cpu" else "cl"


def setting(device, **options):
    w = cltorch.nn.Parameter(cltorch.ones(3, device=device))
    scaler = cltorch.amp.GradScaler(kind(device), init_scale=8.0, growth_interval=2, **options)
    return w, cltorch.optim.SGD([w], lr=0.5), scaler


def test_gradients_are_unscaled_before_the_step(device):
    w, optimizer, scaler = setting(device)
    scaled = scaler.scale((w * 3).sum())
    assert scaled.item() == 72.0
    scaled.backward()
    assert w.grad.tolist() == [24.0] * 3
    scaler.unscale_(optimizer)
    assert w.grad.tolist() == [3.0] * 3
    scaler.step(optimizer)
    assert w.tolist() == [-0.5] * 3


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_step_with_gradients_that_are_not_finite_is_left_out(device, bad):
    w, optimizer, scaler = setting(device)
    scaler.scale((w * cltorch.tensor([1.0, bad, 2.0], device=device)).sum()).backward()
    assert scaler.step(optimizer) is None
    scaler.update()
    assert w.tolist() == [1.0] * 3 and scaler.get_scale() == 4.0


def test_the_scale_grows_after_the_interval_and_begins_to_count_anew(device):
    w, optimizer, scaler = setting(device, growth_factor=4.0, backoff_factor=0.25)
    scales = []
    for bad in (0, 0, 0, 1, 0, 0, 0):
        optimizer.zero_grad()
        scaler.scale((w * (math.inf if bad else 1.0)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [8.0, 32.0, 32.0, 8.0, 8.0, 32.0, 32.0]


def test_it_follows_pytorch_over_many_iterations():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    rng = np.random.default_rng(0)
    bad = rng.random(60) < 0.1

    def run(library):
        w = library.nn.Parameter(library.ones(2))
        optimizer = library.optim.Adam([w], lr=0.1)
        scaler = library.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=3)
        seen = []
        for b in bad:
            optimizer.zero_grad()
            scaler.scale((w**2).sum() * (math.inf if b else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()
            seen.append(scaler.get_scale())
        return seen, w.tolist(), scaler.state_dict()

    ours, theirs = run(cltorch), run(torch)
    assert ours[0] == theirs[0] and ours[2] == theirs[2]
    assert ours[1] == pytest.approx(theirs[1], rel=1e-5)


def test_the_scale_stays_where_it_would_overflow(device):
    w, optimizer, scaler = setting(device, growth_factor=2.0)
    scaler.scale(w.sum())
    scaler.update(3e38)
    for _ in range(2):
        w.grad = cltorch.zeros(3, device=device)
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == pytest.approx(3e38)


def test_states_go_both_ways():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours, theirs = cltorch.amp.GradScaler("cpu", init_scale=4.0), torch.amp.GradScaler("cpu", init_scale=2.0)
    theirs.load_state_dict(ours.state_dict())
    assert theirs.get_scale() == 4.0
    other = cltorch.amp.GradScaler("cpu")
    other.scale(cltorch.ones(1))
    other.load_state_dict(theirs.state_dict())
    assert other.get_scale() == 4.0 and other.state_dict() == theirs.state_dict()
    again = pickle.loads(pickle.dumps(other))
    assert again.state_dict() == other.state_dict() and again.scale(cltorch.ones(1)).item() == 4.0
    with pytest.raises(RuntimeError, match="The source state dict is empty"):
        ours.load_state_dict({})


def test_outputs_may_be_nested(device):
    scaler = cltorch.amp.GradScaler(kind(device), init_scale=2.0)
    one = cltorch.ones(1, device=device)
    a, (b, c) = scaler.scale((one, [one, one * 2]))
    assert (a.item(), b.item(), c.item()) == (2.0, 2.0, 4.0)
    with pytest.raises(ValueError, match="must be a Tensor or an iterable of Tensors"):
        scaler.scale(3)


def test_only_a_step_waits_for_the_device(cl_device, monkeypatch):
    w, optimizer, scaler = setting(cl_device)

    def iteration():
        optimizer.zero_grad()
        scaler.scale((w**2).sum()).backward()
        scaler.unscale_(optimizer)
        before = len(reads)
        scaler.step(optimizer)
        found = before, len(reads) - before
        scaler.update()
        return (*found, len(reads) - before - found[1])

    reads = []
    item = cltorch.Tensor.item
    monkeypatch.setattr(cltorch.Tensor, "item", lambda self: (reads.append(1), item(self))[1])
    assert iteration() == (0, 1, 0)


def test_disabled_it_does_nothing(device):
    w, optimizer, _ = setting(device)
    scaler = cltorch.amp.GradScaler(kind(device), enabled=False)
    loss = w.sum()
    assert scaler.scale(loss) is loss and scaler.state_dict() == {} and scaler.get_scale() == 1.0
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0.5] * 3 and not scaler.is_enabled()


def test_errors(device):
    w, optimizer, scaler = setting(device)
    with pytest.raises(AssertionError, match="Attempted step but _scale is None"):
        scaler.step(optimizer)
    scaler.scale(w.sum()).backward()
    with pytest.raises(RuntimeError, match="Closure use is not currently supported"):
        scaler.step(optimizer, closure=lambda: None)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="unscale_\\(\\) has already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="step\\(\\) has already been called since"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="unscale_\\(\\) is being called after step"):
        scaler.unscale_(optimizer)
    scaler.update()
    h = cltorch.nn.Parameter(cltorch.ones(2, device=device).half())
    h.grad = cltorch.ones_like(h)
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.unscale_(cltorch.optim.SGD([h], lr=0.1))
    for options, word in (({"growth_factor": 1.0}, "growth"), ({"backoff_factor": 1.0}, "backoff")):
        with pytest.raises(AssertionError, match=f"The {word} factor must be"):
            cltorch.amp.GradScaler("cpu", **options)


def test_an_optimiser_that_unscales_by_itself_is_given_the_scale_and_what_was_found(device):
    w, _, scaler = setting(device)
    seen = []

    class Own(cltorch.optim.SGD):
        _step_supports_amp_scaling = True

        def step(self, closure=None):
            scale = None if self.grad_scale is None else self.grad_scale.item()
            seen.append((scale, self.found_inf.item(), w.grad.tolist()))

    optimizer = Own([w], lr=0.5)
    scaler.scale((w * 3).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert scaler._found_inf_per_device(optimizer)[w.device].item() == 0
    scaler.update()
    w.grad[1] = math.inf
    scaler.step(optimizer)
    scaler.update()
    assert seen == [(8.0, 0.0, [24.0] * 3), (None, 0.0, [3.0] * 3), (16.0, 1.0, [3.0, math.inf, 3.0])]
    assert scaler.get_scale() == 8.0 == scaler._get_scale_async().item()
    assert not hasattr(optimizer, "grad_scale") and not hasattr(optimizer, "found_inf")


def test_an_optimiser_whose_step_takes_the_scaler_is_given_it_with_a_warning():
    w, _, scaler = setting("cpu")

    class Older(cltorch.optim.SGD):
        _step_supports_amp_scaling = True

        def step(self, closure=None, grad_scaler=None):
            return grad_scaler

    scaler.scale(w.sum()).backward()
    with pytest.warns(FutureWarning, match="grad_scaler"):
        assert scaler.step(Older([w], lr=0.5)) is scaler


def test_gradients_are_looked_at_without_being_unscaled(device):
    w, optimizer, scaler = setting(device)
    with pytest.raises(AssertionError, match="_check_inf_per_device"):
        scaler._check_inf_per_device(optimizer)
    scaler.scale(w.sum()).backward()
    assert [x.item() for x in scaler._check_inf_per_device(optimizer).values()] == [0.0]
    assert w.grad.tolist() == [8.0] * 3
    w.grad.fill_(math.nan)
    assert {str(d): x.item() for d, x in scaler._check_inf_per_device(optimizer).items()} == {str(w.device): 1.0}


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_fused_steps_unscale_by_themselves_and_leave_what_is_not_finite_alone(name, device):
    w, _, scaler = setting(device)
    optimizer = getattr(cltorch.optim, name)([w], lr=0.5, fused=True)
    assert optimizer._step_supports_amp_scaling
    assert not hasattr(getattr(cltorch.optim, name)([w], lr=0.5), "_step_supports_amp_scaling")
    alone = cltorch.nn.Parameter(cltorch.ones(3, device=device))
    other = getattr(cltorch.optim, name)([alone], lr=0.5)
    for bad in (True, False, False):
        optimizer.zero_grad()
        scaler.scale((w * cltorch.tensor([1.0, 2.0, 3.0], device=device)).sum()).backward()
        if bad:
            w.grad[0] = math.inf
        scaler.step(optimizer)
        scaler.update()
        if bad:  # neither stepped nor unscaled
            assert w.grad.tolist() == [math.inf, 16.0, 24.0] and w.tolist() == [1.0] * 3
            assert all(float(state["step"]) == 0 for state in optimizer.state.values())
        else:
            assert w.grad.tolist() == [1.0, 2.0, 3.0]
            alone.grad = w.grad.clone()
            other.step()
            np.testing.assert_allclose(w.tolist(), alone.tolist(), rtol=1e-6)


def test_copies_for_devices_are_made_once(device):
    scale = cltorch.tensor(4.0)
    copies = grad_scaler._MultiDeviceReplicator(scale)
    there = copies.get(cltorch.device(device))
    assert there is copies.get(cltorch.device(device)) and there is not scale
    assert there.device.type == cltorch.device(device).type and there.item() == 4.0
    fresh = grad_scaler._refresh_per_optimizer_state()
    assert fresh == {"stage": grad_scaler.OptState.READY, "found_inf_per_device": {}}
