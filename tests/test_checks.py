"""Conditions that a program states: errors of the type that is asked for, and gradients by their inner names."""

import pytest

import cltorch as torch


def test_conditions_raise_the_type_that_is_asked_for():
    torch._check_with(KeyError, True, None)
    with pytest.raises(KeyError, match="no such thing"):
        torch._check_with(KeyError, False, lambda: "no such thing")
    with pytest.raises(RuntimeError, match="Expected cond to be True"):
        torch._check(False)
    with pytest.raises(TypeError, match="cond must be a bool, but got a Tensor"):
        torch._check_with(ValueError, torch.tensor(True), None)
    with pytest.raises(TypeError, match="cond must be a bool, but got <class 'int'>"):
        torch._check(1)
    with pytest.raises(TypeError, match="must be a callable"):
        torch._check(False, "text")
    with pytest.raises(AssertionError, match="not Warning"):
        torch._check_with(UserWarning, False, None)


def test_conditions_on_all_elements(device):
    good = torch.tensor([True, True], device=device)
    torch._check_tensor_all(good)
    torch._check_tensor_all(torch.zeros(0, dtype=torch.bool, device=device))
    with pytest.raises(ValueError, match="not all"):
        torch._check_tensor_all_with(ValueError, good.logical_not(), lambda: "not all")
    with pytest.raises(RuntimeError, match="Expected cond to be True"):
        torch._check_tensor_all(torch.tensor([True, False], device=device))
    with pytest.raises(TypeError, match="cond must be a tensor"):
        torch._check_tensor_all(True)
    with pytest.raises(TypeError, match="must have dtype torch.bool"):
        torch._check_tensor_all(torch.ones(2, device=device))


@pytest.mark.parametrize(
    ("function", "gradient"),
    [(torch.softmax, torch._softmax_backward_data), (torch.log_softmax, torch._log_softmax_backward_data)],
)
@pytest.mark.parametrize("dim", [0, -1])
def test_gradients_from_results(device, function, gradient, dim):
    x = torch.linspace(-2, 2, 12, device=device).view(3, 4).requires_grad_()
    g = torch.linspace(0, 1, 12, device=device).view(3, 4) ** 2
    y = function(x, dim)
    y.backward(g)
    found = gradient(g, y.detach(), dim, torch.float32)
    torch.testing.assert_close(found, x.grad)
    assert gradient(g, y.detach(), dim, torch.float16).dtype is torch.float16
