"""The order of einsum's products: a package's where it is installed, and from left to right without it."""

import types

import numpy as np
import pytest

import cltorch
from cltorch.backends import opt_einsum
from cltorch.functions import einsum_order


@pytest.fixture
def asked(monkeypatch):
    """Put a package in the place of opt_einsum that chooses pairs by chance, and list what it is asked."""
    rng, calls = np.random.default_rng(3), []

    def contract_path(equation, *shapes, optimize="auto", **named):
        assert named == {"shapes": True} and all(isinstance(s, tuple) for s in shapes)
        calls.append((equation, shapes, optimize))
        return [tuple(map(int, rng.permutation(n)[:2])) for n in range(len(shapes), 1, -1)], None

    found = types.SimpleNamespace(contract_path=contract_path, get_symbol=lambda i: chr(192 + i))
    monkeypatch.setattr(einsum_order, "package", lambda: found)
    monkeypatch.setattr(einsum_order.State, "enabled", None)
    monkeypatch.setattr(einsum_order.State, "strategy", "auto")
    return calls


def operands(device, rng, equation):
    sizes = {c: int(rng.integers(1, 4)) for c in "abcdef"}
    terms = equation.partition("->")[0].split(",")
    arrays = [rng.integers(-3, 4, [sizes[c] for c in t]).astype(np.float32) for t in terms]
    return arrays, [cltorch.tensor(a, device=device) for a in arrays]


def test_any_order_gives_the_same_sum(device, asked):
    rng = np.random.default_rng(5)
    for equation in ("ab,bc,cd->ad", "ab,bc,cd,de->ea", "a,b,c,d->dbca", "ab,b,bc,a->", "abf,cf,df,ef->abcde"):
        for _ in range(4):
            arrays, given = operands(device, rng, equation)
            got = cltorch.einsum(equation, *given)
            np.testing.assert_array_equal(got.cpu().numpy(), np.einsum(equation, *arrays), err_msg=equation)
    assert len(asked) == 20
    one = cltorch.ones(3, 1, 2, device=device)  # dimensions of size 1 and those of an ellipsis
    many = cltorch.full((3, 4, 2), 2.0, device=device)
    for _ in range(6):
        assert cltorch.einsum("...ij,...ij,...ij->...i", one, many, one).tolist() == [[4.0] * 4] * 3


def test_gradients_follow_the_order(device, asked):
    given = [cltorch.randn(s, device=device, requires_grad=True) for s in ((2, 3), (3, 4), (4, 2))]
    cltorch.einsum("ab,bc,cd->ad", *given).sum().backward()
    want = [x.detach().requires_grad_() for x in given]
    (want[0] @ want[1] @ want[2]).sum().backward()
    for x, y in zip(given, want, strict=True):
        np.testing.assert_allclose(x.grad.cpu().numpy(), y.grad.cpu().numpy(), rtol=1e-4, atol=1e-5)


def test_what_the_package_is_told(asked):
    given = [cltorch.ones(s) for s in ((5, 2), (2, 6), (6, 3))]
    assert opt_einsum.is_available() and opt_einsum.enabled and opt_einsum.strategy == "auto"
    cltorch.einsum("ZB,Bz,zA->AZ", *given)
    ((equation, shapes, how),) = asked
    terms, _, out = equation.partition("->")
    first, second, third = terms.split(",")
    assert first[1] == second[0] and second[1] == third[0] and out == third[1] + first[0]
    assert shapes == ((5, 2), (2, 6), (6, 3)) and how == "auto"
    opt_einsum.strategy = "optimal"
    cltorch.einsum("ab,bc,cd->ad", *given)
    cltorch.einsum("ab,bc->ac", *given[:2])  # two operands have one order
    assert [call[2] for call in asked] == ["auto", "optimal"]
    with opt_einsum.flags(enabled=False):
        assert not opt_einsum.enabled
        cltorch.einsum("ab,bc,cd->ad", *given)
        with pytest.raises(ValueError, match="opt_einsum is not enabled"):
            opt_einsum.strategy = "auto"
    assert len(asked) == 2 and opt_einsum.enabled
    assert opt_einsum.set_flags(False, None) == (True, "optimal") and not opt_einsum.enabled
    opt_einsum.enabled = True
    with pytest.raises(ValueError, match="must be one of the following"):
        opt_einsum.strategy = "best"


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(einsum_order, "package", lambda: None)
    monkeypatch.setattr(einsum_order.State, "enabled", None)
    assert not opt_einsum.is_available() and opt_einsum.get_opt_einsum() is None
    assert opt_einsum.enabled is False and opt_einsum.strategy is None
    with pytest.raises(ValueError, match="please install opt-einsum"):
        opt_einsum.enabled = True
    with pytest.raises(ValueError, match="opt_einsum is not available"):
        opt_einsum.strategy = "greedy"
    labels, shapes = [[0, 1], [1, 2], [2, 3], [3]], [(1, 1)] * 3 + [(1,)]
    assert einsum_order.order(labels, shapes, [0]) == [(0, 1), (2, 0), (1, 0)]
    assert einsum_order.order(labels[:1], shapes[:1], [0]) == []


def test_the_package_itself_finds_the_cheap_order():
    found = pytest.importorskip("opt_einsum", reason="the order of einsum is another package's, which is not installed")
    assert opt_einsum.get_opt_einsum() is found
    labels, shapes = [[0, 1], [1, 2], [2, 3]], [(50, 2), (2, 50), (50, 1)]
    first = einsum_order.order(labels, shapes, [0, 3])[0]
    assert sorted(first) == [1, 2]
    rng = np.random.default_rng(1)
    for equation in ("ab,bc,cd->ad", "ab,b,bc,a->", "abf,cf,df,ef->abcde"):
        arrays, given = operands("cpu", rng, equation)
        np.testing.assert_array_equal(cltorch.einsum(equation, *given).numpy(), np.einsum(equation, *arrays))
