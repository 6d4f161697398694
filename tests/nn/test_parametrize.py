"""Parametrised tensors, the ready-made parametrisations and the older hooks, beside formulas and PyTorch."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import cltorch
from cltorch.nn.utils import parametrizations, parametrize


class Symmetric(cltorch.nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x):
        return x.triu()


class Twice(cltorch.nn.Module):
    def forward(self, x):
        return 2 * x


class Split(cltorch.nn.Module):
    def forward(self, a, b):
        return a + b

    def right_inverse(self, x):
        return x / 2, x / 2


def test_a_parametrised_weight_is_computed_and_trained(device):
    layer = cltorch.nn.Linear(3, 3, device=device)
    before = layer.weight.detach().clone()
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert cltorch.equal(layer.weight, before.triu() + before.triu(1).T)
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert type(layer).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(layer) is cltorch.nn.Linear
    layer(cltorch.ones(2, 3, device=device)).sum().backward()
    grad = layer.parametrizations.weight.original.grad
    np.testing.assert_array_equal(grad.cpu().numpy(), np.triu(np.full((3, 3), 4.0)) - 2 * np.eye(3))


def test_assignment_goes_through_the_inverse():
    layer = parametrize.register_parametrization(cltorch.nn.Linear(2, 2), "weight", Symmetric())
    original = layer.parametrizations.weight.original
    layer.weight = cltorch.tensor([[1.0, 2.0], [2.0, 3.0]])
    assert layer.weight.tolist() == [[1.0, 2.0], [2.0, 3.0]]
    assert layer.parametrizations.weight.original is original and original.tolist() == [[1.0, 2.0], [0.0, 3.0]]
    parametrize.register_parametrization(layer, "bias", Twice())
    with pytest.raises(RuntimeError, match="parametrization Twice does not implement right_inverse"):
        layer.bias = cltorch.ones(2)


def test_parametrisations_follow_one_another():
    layer = parametrize.register_parametrization(cltorch.nn.Linear(2, 2), "weight", Symmetric())
    value = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Twice())
    assert cltorch.equal(layer.weight, 2 * value) and len(layer.parametrizations.weight) == 2


def test_several_originals():
    layer = cltorch.nn.Linear(2, 2)
    value = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Split())
    assert {"parametrizations.weight.original0", "parametrizations.weight.original1"} < set(layer.state_dict())
    assert cltorch.allclose(layer.weight, value)
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, cltorch.nn.Parameter) and type(layer) is cltorch.nn.Linear


def test_an_original_can_be_parametrised_itself(lib):
    utils, nn = lib.nn.utils.parametrize, lib.nn
    twice = type("Twice", (nn.Module,), {"forward": lambda self, x: 2 * x})
    layer = nn.Linear(2, 2, bias=False)
    weight = layer.weight.detach().clone()
    utils.register_parametrization(layer, "weight", twice())
    inner = layer.parametrizations.weight
    utils.register_parametrization(inner, "original", twice())
    assert lib.equal(layer.weight, 4 * weight)
    assert list(layer.state_dict()) == ["parametrizations.weight.parametrizations.original.original"]
    utils.remove_parametrizations(inner, "original", leave_parametrized=False)
    assert type(inner) is utils.ParametrizationList and lib.equal(layer.weight, 2 * weight)


@pytest.mark.parametrize("leave", [True, False])
def test_removal_leaves_a_parameter(leave):
    layer = cltorch.nn.Linear(2, 2)
    original = layer.weight
    parametrize.register_parametrization(layer, "weight", Twice())
    wanted = layer.weight.tolist() if leave else original.tolist()
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=leave)
    assert layer.weight is original and layer.weight.tolist() == wanted
    assert not parametrize.is_parametrized(layer) and type(layer) is cltorch.nn.Linear
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")


def test_the_cache_computes_once():
    calls = []

    class Counted(Twice):
        def forward(self, x):
            calls.append(1)
            return super().forward(x)

    layer = parametrize.register_parametrization(cltorch.nn.Linear(2, 2), "weight", Counted())
    calls.clear()
    with parametrize.cached():
        assert layer.weight is layer.weight
        with parametrize.cached():
            layer(cltorch.ones(1, 2))
    assert len(calls) == 1
    assert layer.weight is not layer.weight


def test_copies_are_apart_and_pickles_refused():
    layer = parametrize.register_parametrization(cltorch.nn.Linear(2, 2), "weight", Symmetric())
    other = copy.deepcopy(layer)
    assert cltorch.equal(other.weight, layer.weight)
    parametrize.remove_parametrizations(other, "weight")
    assert parametrize.is_parametrized(layer, "weight") and not parametrize.is_parametrized(other)
    assert cltorch.equal(other.weight, layer.weight)
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(layer)


def test_parametrisations_can_be_transferred():
    source = parametrize.register_parametrization(cltorch.nn.Linear(2, 2), "weight", Symmetric())
    target = cltorch.nn.Linear(2, 2)
    parametrize.transfer_parametrizations_and_params(source, target)
    assert cltorch.equal(target.weight, source.weight)
    assert target.parametrizations.weight.original is source.parametrizations.weight.original


def test_errors():
    class Wider(cltorch.nn.Module):
        def forward(self, x):
            return cltorch.cat([x, x])

    class Half(cltorch.nn.Module):
        def forward(self, x):
            return x.half()

    layer = cltorch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="may not change the shape of the tensor"):
        parametrize.register_parametrization(layer, "weight", Wider())
    with pytest.raises(ValueError, match="may not change the dtype of the tensor"):
        parametrize.register_parametrization(layer, "weight", Half())
    assert not parametrize.is_parametrized(layer) and isinstance(layer.weight, cltorch.nn.Parameter)
    parametrize.register_parametrization(layer, "weight", Wider(), unsafe=True)
    assert layer.weight.shape == (4, 2)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer"):
        parametrize.register_parametrization(layer, "scale", Twice())


# ---- ready for use -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_splits_length_and_direction(device, dim):
    layer = cltorch.nn.Conv2d(2, 3, 2, device=device)
    before = layer.weight.detach().cpu().numpy().copy()
    parametrizations.weight_norm(layer, dim=dim)
    np.testing.assert_allclose(layer.weight.detach().cpu().numpy(), before, rtol=1e-5, atol=1e-6)
    axes = {0: (1, 2, 3), 1: (0, 2, 3), None: None}[dim]
    length = np.sqrt((before**2).sum(axes, keepdims=dim is not None))
    g = layer.parametrizations.weight.original0
    np.testing.assert_allclose(g.detach().cpu().numpy(), length, rtol=1e-5)
    with cltorch.no_grad():
        g.mul_(3.0)
    np.testing.assert_allclose(layer.weight.detach().cpu().numpy(), 3 * before, rtol=1e-5, atol=1e-6)
    layer(cltorch.ones(1, 2, 4, 4, device=device)).sum().backward()
    v = layer.parametrizations.weight.original1
    # the length of v has no effect, so its gradient is at right angles to it
    if dim == 0:
        assert (v.grad * v.detach()).sum(dim=(1, 2, 3)).abs().max().item() < 1e-4


@pytest.mark.parametrize("kind", ["Linear", "ConvTranspose2d"])
def test_spectral_norm_makes_the_largest_singular_value_one(device, kind):
    layer = cltorch.nn.Linear(6, 4) if kind == "Linear" else cltorch.nn.ConvTranspose2d(4, 6, 2)
    layer = parametrizations.spectral_norm(layer.to(device), n_power_iterations=60)
    w = layer.weight.detach().cpu().numpy()
    w = w if kind == "Linear" else np.moveaxis(w, 1, 0).reshape(6, -1)
    assert np.linalg.svd(w, compute_uv=False)[0] == pytest.approx(1.0, rel=1e-3)
    layer.eval()
    u = layer.parametrizations.weight[0]._u.clone()
    layer.weight.sum().backward()
    assert cltorch.equal(u, layer.parametrizations.weight[0]._u)  # estimates improve in training only
    assert layer.parametrizations.weight.original.grad.abs().sum().item() > 0


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_orthogonal_weights_stay_orthogonal(device, shape, how, trivial):
    layer = cltorch.nn.Linear(*shape, bias=False, device=device)
    parametrizations.orthogonal(layer, orthogonal_map=how, use_trivialization=trivial)
    optimizer = cltorch.optim.SGD(layer.parameters(), lr=0.5)

    def check():
        w = layer.weight.detach().cpu().double().numpy()
        w = w if w.shape[0] >= w.shape[1] else w.T
        np.testing.assert_allclose(w.T @ w, np.eye(w.shape[1]), atol=2e-5)
        return w

    before = check()
    for _ in range(3):
        optimizer.zero_grad()
        (
            layer.weight
            * cltorch.linspace(-1, 1, 15 if 4 not in shape else 16, device=device).reshape(layer.weight.shape)
        ).sum().backward()
        optimizer.step()
    assert np.abs(check() - before).max() > 1e-3


@pytest.mark.parametrize("how", ["matrix_exp", "cayley"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_complex_weights_become_unitary(lib, shape, how):
    rows, columns = shape
    layer = lib.nn.Linear(columns, rows, dtype=lib.complex64)
    lib.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=how)
    for step in range(2):
        w = layer.weight.detach() if rows >= columns else layer.weight.detach().mH
        assert lib.allclose(w.mH @ w, lib.eye(min(shape), dtype=lib.complex64), atol=1e-5)
        if not step:
            with lib.no_grad():  # off the identity, where a transpose would do as well
                layer.parametrizations.weight.original.add_(lib.full(shape, 0.5 + 0.25j))
    unitary = lib.linalg.qr(lib.randn(max(shape), min(shape), dtype=lib.complex64))[0]
    unitary = unitary if rows >= columns else unitary.mT
    layer.weight = unitary
    assert lib.allclose(layer.weight, unitary, atol=1e-5)


def test_an_orthogonal_matrix_can_be_assigned(device):
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0].astype(np.float32)
    layer = parametrizations.orthogonal(cltorch.nn.Linear(4, 4, device=device))
    layer.weight = cltorch.tensor(q, device=device)
    np.testing.assert_allclose(layer.weight.detach().cpu().numpy(), q, atol=1e-5)
    plain = parametrizations.orthogonal(cltorch.nn.Linear(3, 5), orthogonal_map="householder", use_trivialization=False)
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 3)))[0].astype(np.float32)
    plain.weight = cltorch.tensor(q)
    np.testing.assert_allclose(plain.weight.detach().numpy(), q, atol=1e-5)
    with pytest.raises(NotImplementedError, match="not possible to assign"):
        other = cltorch.nn.Linear(3, 3)
        parametrizations.orthogonal(other, orthogonal_map="cayley", use_trivialization=False)
        other.weight = cltorch.eye(3)


@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_maps_are_pytorchs(how):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    value = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)

    def run(library):
        layer = library.nn.Linear(3, 5, bias=False)
        library.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=how, use_trivialization=False)
        with library.no_grad():
            layer.parametrizations.weight.original.copy_(library.tensor(value))
        (layer.weight * library.tensor(value)).sum().backward()
        return layer.weight.detach().numpy(), layer.parametrizations.weight.original.grad.numpy()

    for a, b in zip(run(cltorch), run(torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_checkpoints_of_parametrised_layers_go_both_ways():
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def make(library):
        utils = library.nn.utils.parametrizations
        return library.nn.Sequential(
            utils.weight_norm(library.nn.Linear(3, 4)), utils.spectral_norm(library.nn.Linear(4, 3)),
            utils.orthogonal(library.nn.Linear(3, 3)),
        ).eval()  # fmt: skip

    ours, theirs = make(cltorch), make(torch)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: cltorch.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    np.testing.assert_allclose(
        ours(cltorch.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    again = make(torch)
    again.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})


def test_reflections_are_of_real_numbers(lib):
    layer = lib.nn.Linear(2, 2, dtype=lib.complex64)
    with pytest.raises(ValueError, match="householder parametrization does not support complex tensors"):
        lib.nn.utils.parametrizations.orthogonal(layer, orthogonal_map="householder")


def test_ready_made_errors():
    layer = cltorch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="has no parameter or buffer with name 'scale'"):
        parametrizations.spectral_norm(layer, "scale")
    with pytest.raises(ValueError, match="Expected n_power_iterations to be positive"):
        parametrizations.spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(IndexError, match="Dimension out of range"):
        parametrizations.spectral_norm(layer, dim=5)
    with pytest.raises(ValueError, match="Got a tensor of 1 dimensions"):
        parametrizations.orthogonal(layer, "bias")
    with pytest.raises(ValueError, match="orthogonal_map has to be one of"):
        parametrizations.orthogonal(layer, orthogonal_map="qr")


# ---- the older hooks ---------------------------------------------------------------------------------------------
def test_the_old_weight_norm(device):
    layer = cltorch.nn.Linear(3, 2, device=device)
    before = layer.weight.detach().clone()
    with pytest.warns(FutureWarning, match="torch.nn.utils.weight_norm"):
        cltorch.nn.utils.weight_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
    layer.weight_g.data.mul_(2)
    y = layer(cltorch.ones(1, 3, device=device))
    assert cltorch.allclose(layer.weight, 2 * before)
    y.sum().backward()
    assert layer.weight_g.grad is not None and layer.weight_v.grad is not None
    with pytest.raises(RuntimeError, match="Cannot register two weight_norm hooks"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cltorch.nn.utils.weight_norm(layer)
    state = layer.state_dict()
    new = parametrizations.weight_norm(cltorch.nn.Linear(3, 2, device=device))
    new.load_state_dict(state)
    assert cltorch.allclose(new.weight, layer.weight)
    cltorch.nn.utils.remove_weight_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"] and cltorch.allclose(layer.weight, 2 * before)
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        cltorch.nn.utils.remove_weight_norm(layer)


def test_the_old_spectral_norm(device):
    layer = cltorch.nn.utils.spectral_norm(cltorch.nn.Linear(5, 4, device=device), n_power_iterations=60)
    assert sorted(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    layer(cltorch.ones(1, 5, device=device)).sum().backward()
    assert layer.weight_orig.grad is not None
    assert np.linalg.svd(layer.weight.detach().cpu().numpy(), compute_uv=False)[0] == pytest.approx(1.0, rel=1e-3)
    other = cltorch.nn.utils.spectral_norm(cltorch.nn.Linear(5, 4, device=device))
    other.load_state_dict(layer.state_dict())
    x = cltorch.randn(2, 5, device=device)
    assert cltorch.allclose(layer.eval()(x), other.eval()(x))
    cltorch.nn.utils.remove_spectral_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert not layer._state_dict_hooks and not layer._load_state_dict_pre_hooks
    with pytest.raises(ValueError, match="spectral_norm of 'weight' not found"):
        cltorch.nn.utils.remove_spectral_norm(layer)
