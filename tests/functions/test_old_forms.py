"""Calls with numbers in front of the tensors, as programs for PyTorch's first versions make them."""

from __future__ import annotations

import warnings

import pytest

import cltorch as torch
from cltorch.ops import notices

X, Y, M = [1.0, 2.0, 3.0], [2.0, 4.0, 8.0], [[1.0, 2.0], [3.0, 4.0]]
POINTWISE = {
    "add": ((0.5, Y), {"alpha": 0.5}),
    "sub": ((0.5, Y), {"alpha": 0.5}),
    "addcmul": ((2, Y, X), {"value": 2}),
    "addcdiv": ((-3, Y, X), {"value": -3}),
}


def forms(args, device):
    """Return the tensors among arguments, and all arguments with tensors in place of lists."""
    tensors = [torch.tensor(a, device=device) for a in args if isinstance(a, list)]
    return tensors, [torch.tensor(a, device=device) if isinstance(a, list) else a for a in args]


@pytest.fixture(autouse=True)
def told_anew(monkeypatch):
    monkeypatch.setattr(notices, "_given", set())


@pytest.mark.parametrize("name", POINTWISE)
def test_a_factor_in_front(device, name):
    args, named = POINTWISE[name]
    x, (tensors, given) = torch.tensor(X, device=device), forms(args, device)
    expected = getattr(x, name)(*tensors, **named)
    with pytest.warns(UserWarning, match="deprecated"):
        assert getattr(x, name)(*given).tolist() == expected.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert getattr(torch, name)(x, *given).tolist() == expected.tolist()
    with warnings.catch_warnings(record=True):
        assert getattr(x, name + "_")(*given) is x and x.tolist() == expected.tolist()


@pytest.mark.filterwarnings("ignore:This overload")
@pytest.mark.parametrize("name", ["addmm", "addmv", "addr", "addbmm", "baddbmm"])
def test_factors_of_products_in_front(device, name):
    m, v = torch.tensor(M, device=device), torch.tensor(X[:2], device=device)
    x, a, b = {
        "addmm": (m, m, m), "addmv": (v, m, v), "addr": (m, v, v), "addbmm": (m, m[None], m[None]),
        "baddbmm": (m[None], m[None], m[None]),
    }[name]  # fmt: skip
    f, method = getattr(torch, name), getattr(x, name)
    one, both = f(x, a, b, beta=2).tolist(), f(x, a, b, beta=2, alpha=3).tolist()
    assert method(2, a, b).tolist() == one == f(2, x, a, b).tolist()
    assert method(2, 3, a, b).tolist() == both == f(2, x, 3, a, b).tolist()
    assert getattr(x.clone(), name + "_")(2, 3, a, b).tolist() == both


def test_other_orders_are_refused(device):
    x = torch.ones(2, device=device)
    for wrong in (lambda: x.addcmul(x, 2, x), lambda: x.addcdiv(x, x, 2, x), lambda: x.addcmul(None, x, x)):
        with pytest.raises((TypeError, RuntimeError)):
            wrong()
    with pytest.raises(TypeError):
        torch.ones(2, 2).addmm(1, 2, 3, torch.ones(2, 2), torch.ones(2, 2))


def test_an_optimiser_of_old(device):
    """A step of Adam as libraries wrote it before PyTorch 1.5."""
    p, mean, square = (torch.tensor(v, device=device) for v in (X, [0.1] * 3, [0.2] * 3))
    g = torch.tensor(Y, device=device)
    with warnings.catch_warnings(record=True):
        g = g.add(0.01, p)
        mean.mul_(0.9).add_(1 - 0.9, g)
        square.mul_(0.99).addcmul_(1 - 0.99, g, g)
        p.addcdiv_(-0.1, mean, square.sqrt().add_(1e-8))
    for x, g, found in zip(X, Y, p.tolist(), strict=True):
        g += 0.01 * x
        assert found == pytest.approx(x - 0.1 * (0.09 + 0.1 * g) / ((0.198 + 0.01 * g * g) ** 0.5 + 1e-8), rel=1e-5)
