"""Pruning: which elements go, on every device; combinations, removal, state and errors."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import cltorch
from cltorch.nn.utils import prune


def layer(device, value=None):
    made = cltorch.nn.Linear(4, 3, device=device)
    rows = np.arange(12, dtype=np.float32).reshape(3, 4) - 5 if value is None else value
    made.weight.data.copy_(cltorch.tensor(rows))
    return made


def mask_of(module):
    return module.weight_mask.cpu().numpy()


@pytest.mark.parametrize(("amount", "gone"), [(3, 3), (0.25, 3), (0, 0), (12, 12), (0.5, 6)])
def test_the_smallest_go(device, amount, gone):
    m = prune.l1_unstructured(layer(device), "weight", amount)
    values = np.abs(np.arange(12).reshape(3, 4) - 5)
    wanted = np.ones((3, 4))
    order = np.argsort(values.reshape(-1), kind="stable")
    assert (mask_of(m) == 0).sum() == gone
    # ties may go either way: what went is no larger than what stayed
    if 0 < gone < 12:
        assert values[mask_of(m) == 0].max() <= values[mask_of(m) == 1].min()
        assert values[mask_of(m) == 0].sum() == values.reshape(-1)[order[:gone]].sum()
    assert wanted.shape == mask_of(m).shape
    np.testing.assert_array_equal(m.weight.detach().cpu().numpy(), m.weight_orig.detach().cpu().numpy() * mask_of(m))


def test_pruned_weights_get_no_gradient_and_masks_are_applied_anew(device):
    m = prune.l1_unstructured(layer(device), "weight", 0.5)
    m(cltorch.ones(2, 4, device=device)).sum().backward()
    np.testing.assert_array_equal(m.weight_orig.grad.cpu().numpy(), 2 * mask_of(m))
    with cltorch.no_grad():
        m.weight_orig.fill_(7.0)
    m(cltorch.ones(1, 4, device=device))
    np.testing.assert_array_equal(m.weight.detach().cpu().numpy(), 7 * mask_of(m))
    assert sorted(m.state_dict()) == ["bias", "weight_mask", "weight_orig"]


@pytest.mark.parametrize(("dim", "n"), [(0, 2), (1, 1), (-1, float("inf")), (0, -float("inf"))])
def test_the_slices_of_the_smallest_norm_go(device, dim, n):
    m = prune.ln_structured(layer(device), "weight", amount=2, n=n, dim=dim)
    values = np.arange(12).reshape(3, 4) - 5
    norms = np.linalg.norm(values, n, axis=1 if dim == 0 else 0)
    gone = mask_of(m).sum(axis=1 if dim == 0 else 0) == 0
    assert gone.sum() == 2 and norms[gone].max() <= norms[~gone].min()


def test_random_pruning_prunes_as_many_as_it_says(device):
    m = prune.random_unstructured(layer(device), "weight", 5)
    assert (mask_of(m) == 0).sum() == 5
    m = prune.random_structured(layer(device), "weight", 0.5, dim=1)
    assert (mask_of(m).sum(0) == 0).sum() == 2 and (mask_of(m).sum(0) == 3).sum() == 2


def test_prunings_combine(device):
    m = prune.l1_unstructured(layer(device), "weight", 4)
    first = mask_of(m).copy()
    prune.l1_unstructured(m, "weight", 0.5)  # of what is left
    assert (mask_of(m) == 0).sum() == 8 and not ((mask_of(m) == 1) & (first == 0)).any()
    prune.ln_structured(m, "weight", 1, 1, 0)
    (hook,) = m._forward_pre_hooks.values()
    assert isinstance(hook, prune.PruningContainer) and len(hook) == 3
    assert isinstance(hook[0], prune.L1Unstructured) and isinstance(list(hook)[-1], prune.LnStructured)
    assert prune.is_pruned(cltorch.nn.Sequential(m))


def test_several_parameters_are_pruned_as_one(device):
    a, b = layer(device), layer(device, np.arange(100, 112, dtype=np.float32).reshape(3, 4))
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=0.5)
    assert mask_of(a).sum() == 0 and mask_of(b).sum() == 12


def test_scores_and_masks_of_ones_own(device):
    scores = cltorch.arange(12.0, 0.0, -1.0, device=device).reshape(3, 4)
    m = prune.l1_unstructured(layer(device), "weight", 3, importance_scores=scores)
    np.testing.assert_array_equal(mask_of(m).reshape(-1), [1] * 9 + [0] * 3)
    mask = cltorch.eye(3, 4, device=device)
    m = prune.custom_from_mask(layer(device), "weight", mask)
    np.testing.assert_array_equal(mask_of(m), np.eye(3, 4))
    m = prune.identity(layer(device), "weight")
    assert mask_of(m).all()

    class Second(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    m = layer(device)
    Second.apply(m, "weight")
    np.testing.assert_array_equal(mask_of(m).reshape(-1), [0, 1] * 6)
    t = cltorch.arange(1.0, 5.0, device=device)
    assert prune.L1Unstructured(2).prune(t).tolist() == [0.0, 0.0, 3.0, 4.0]


def test_removal_makes_it_permanent(device):
    m = prune.l1_unstructured(layer(device), "weight", 6)
    value = m.weight.detach().clone()
    prune.remove(m, "weight")
    assert isinstance(m.weight, cltorch.nn.Parameter) and cltorch.equal(m.weight, value)
    assert sorted(m.state_dict()) == ["bias", "weight"] and not prune.is_pruned(m)
    with pytest.raises(ValueError, match="has to be pruned before pruning can be removed"):
        prune.remove(m, "weight")


def test_methods_of_ones_own_can_check_amounts_and_dimensions(peer):
    for library in (prune, importlib.import_module("torch.nn.utils.prune")):
        for amount, size, count in ((0, 15, 0), (10, 15, 10), (1, 15, 1), (1.0, 15, 15), (0.4, 17, 7)):
            library._validate_pruning_amount_init(amount)
            library._validate_pruning_amount(amount, size)
            assert library._compute_nparams_toprune(amount, size) == count
        for amount, error in (("many", TypeError), (1.1, ValueError), (-10, ValueError)):
            with pytest.raises(error):
                library._validate_pruning_amount_init(amount)
        with pytest.raises(ValueError, match="amount=20 should be smaller than the number of parameters to prune=19"):
            library._validate_pruning_amount(20, 19)
        x = (cltorch if library is prune else peer).tensor([[3.0, 1.0], [4.0, 1.0]])
        with pytest.raises(ValueError, match="Structured pruning can only be applied to multidimensional tensors"):
            library._validate_structured_pruning(x[0])
        with pytest.raises(IndexError, match="Invalid index 2 for tensor of size"):
            library._validate_pruning_dim(x, 2)
        np.testing.assert_allclose(library._compute_norm(x, 2, -1).numpy(), [5.0, 2**0.5], rtol=1e-6)


def test_errors():
    m = layer("cpu")
    with pytest.raises(TypeError, match="Invalid type for amount"):
        prune.l1_unstructured(m, "weight", "all")
    for amount in (-1, 1.5, -0.1):
        with pytest.raises(ValueError, match="should either be a float in the range"):
            prune.random_unstructured(m, "weight", amount)
    with pytest.raises(ValueError, match="should be smaller than the number of parameters"):
        prune.l1_unstructured(m, "weight", 13)
    assert sorted(m.state_dict()) == ["bias", "weight"]  # nothing is left of a failure
    with pytest.raises(ValueError, match="Structured pruning can only be applied to multidimensional"):
        prune.random_structured(m, "bias", 1, 0)
    with pytest.raises(IndexError, match="Invalid index 3"):
        prune.ln_structured(m, "weight", 1, 2, 3)
    with pytest.raises(TypeError, match='Only "unstructured"'):
        prune.global_unstructured([(m, "weight")], prune.LnStructured, amount=1, n=1)
    with pytest.raises(AssertionError, match="same shape"):
        prune.l1_unstructured(m, "weight", 1, importance_scores=cltorch.ones(2))
