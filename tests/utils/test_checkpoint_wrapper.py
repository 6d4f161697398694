"""Modules wrapped so that what they compute is computed again: calls, gradients, names."""

import pytest

import cltorch
from cltorch import nn
from cltorch.utils.checkpoint_wrapper import (
    CheckpointImpl,
    CheckpointWrapper,
    apply_activation_checkpointing,
    checkpoint_wrapper,
    offload_wrapper,
)


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.calls = nn.Linear(2, 2), 0

    def forward(self, x, scale=1):
        self.calls += 1
        return self.linear(x).tanh() * scale


@pytest.mark.parametrize("impl", list(CheckpointImpl), ids=lambda impl: impl.name)
def test_it_is_computed_again_with_the_same_gradients(impl, device):
    plain = Counted().to(device)
    inside = Counted().to(device)
    inside.load_state_dict(plain.state_dict())
    wrapped = checkpoint_wrapper(inside, impl)
    x = cltorch.tensor([[1.0, 2.0]], device=device, requires_grad=True)
    plain(x, scale=cltorch.tensor(3.0, device=device)).sum().backward()
    wrapped(x, scale=cltorch.tensor(3.0, device=device)).sum().backward()
    assert plain.calls == 1 and wrapped.calls == 2
    assert cltorch.equal(plain.linear.weight.grad, wrapped.linear.weight.grad)
    assert [name for name, _ in wrapped.named_parameters()] == list(wrapped.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(wrapped.state_dict())
    wrapped.load_state_dict(plain.state_dict())


def test_a_function_of_the_programs_is_taken():
    seen = []
    wrapped = checkpoint_wrapper(nn.ReLU(), checkpoint_fn=lambda f, x, **kw: seen.append(kw) or f(x), note="x")
    assert wrapped(cltorch.tensor(-1.0)).item() == 0 and seen == [{"note": "x"}]


def test_what_is_kept_waits_on_the_host(device):
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh()).to(device)
    x = cltorch.ones(1, 2, device=device)
    net(x).sum().backward()
    expected = net[0].weight.grad.clone()
    net.zero_grad()
    wrapped = offload_wrapper(net)
    wrapped(x).sum().backward()
    assert cltorch.equal(net[0].weight.grad, expected) and wrapped[0] is net[0]


def test_modules_inside_are_wrapped():
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 2))
    names = list(net.state_dict())
    apply_activation_checkpointing(net, check_fn=lambda m: isinstance(m, nn.Linear))
    assert isinstance(net[0][0], CheckpointWrapper) and isinstance(net[0][1], nn.ReLU)
    assert isinstance(net[1], CheckpointWrapper) and list(net.state_dict()) == names
    asked = []

    def policy(module, recurse, nonwrapped_numel):
        asked.append((type(module).__name__, recurse, nonwrapped_numel))
        return recurse or nonwrapped_numel > 7

    net = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 2)), nn.ReLU())
    apply_activation_checkpointing(net, auto_wrap_policy=policy)
    assert asked == [
        ("Sequential", True, 15), ("Sequential", True, 15), ("Linear", True, 9), ("Linear", False, 9),
        ("Linear", True, 6), ("Linear", False, 6), ("Sequential", False, 6), ("ReLU", True, 0), ("ReLU", False, 0),
    ]  # fmt: skip
    assert isinstance(net[0][0], CheckpointWrapper) and isinstance(net[0][1], nn.Linear)
    with pytest.raises(ValueError, match="callable"):
        apply_activation_checkpointing(net, auto_wrap_policy=3)
