"""Activations of torch.nn.functional: formulas, in-place forms, random slopes, dtypes, softmax and its kin."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import special

import cltorch
from cltorch import nn
from cltorch.nn import functional as F


def sample(shape=(6, 8), seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(np.float32)


# (function, arguments, formula, whether it has ``inplace``)
ACTIVATIONS = [
    ("relu", {}, lambda x: np.maximum(x, 0), True),
    ("relu6", {}, lambda x: np.clip(x, 0, 6), True),
    ("threshold", {"threshold": 0.5, "value": -2.0}, lambda x: np.where(x > 0.5, x, -2), True),
    ("hardtanh", {"min_val": -0.5, "max_val": 2.0}, lambda x: np.clip(x, -0.5, 2), True),
    ("hardsigmoid", {}, lambda x: np.clip(x + 3, 0, 6) / 6, True),
    ("hardswish", {}, lambda x: x * np.clip(x + 3, 0, 6) / 6, True),
    ("leaky_relu", {"negative_slope": 0.2}, lambda x: np.where(x > 0, x, 0.2 * x), True),
    ("elu", {"alpha": 0.5}, lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), True),
    ("selu", {}, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)), True),
    ("celu", {"alpha": 0.5}, lambda x: np.where(x > 0, x, 0.5 * np.expm1(x / 0.5)), True),
    ("silu", {}, lambda x: x * special.expit(x), True),
    ("mish", {}, lambda x: x * np.tanh(np.logaddexp(0, x)), True),
    ("rrelu", {"lower": 0.1, "upper": 0.3}, lambda x: np.where(x > 0, x, 0.2 * x), True),
    ("gelu", {}, lambda x: x * special.ndtr(x), False),
    ("gelu", {"approximate": "tanh"},
     lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), False),
    ("softplus", {"beta": 2, "threshold": 3}, lambda x: np.where(2 * x > 3, x, np.log1p(np.exp(2 * x)) / 2), False),
    ("softsign", {}, lambda x: x / (1 + abs(x)), False),
    ("softshrink", {"lambd": 0.7}, lambda x: np.sign(x) * np.maximum(abs(x) - 0.7, 0), False),
    ("hardshrink", {"lambd": 0.7}, lambda x: np.where(abs(x) > 0.7, x, 0), False),
    ("tanhshrink", {}, lambda x: x - np.tanh(x), False),
    ("tanh", {}, np.tanh, False),
    ("sigmoid", {}, special.expit, False),
    ("logsigmoid", {}, special.log_expit, False),
    ("glu", {"dim": 0}, lambda x: x[:3] * special.expit(x[3:]), False),
]  # fmt: skip


def _id(case):
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[1].items())])


@pytest.mark.parametrize("case", ACTIVATIONS, ids=_id)
def test_an_activation_is_its_formula(case, device):
    name, kw, formula, inplace = case
    x = sample()
    t = cltorch.tensor(x, device=device)
    expected = formula(x.astype(np.float64))
    np.testing.assert_allclose(getattr(F, name)(t, **kw).cpu().numpy(), expected, rtol=2e-5, atol=2e-6)
    transposed = getattr(F, name)(cltorch.tensor(x.T.copy(), device=device).t(), **kw)
    np.testing.assert_allclose(transposed.cpu().numpy(), expected, rtol=2e-5, atol=2e-6)
    assert t.tolist() == x.tolist()
    if inplace:
        assert getattr(F, name)(t, **kw, inplace=True) is t
        np.testing.assert_allclose(t.cpu().numpy(), expected, rtol=2e-5, atol=2e-6)
        if hasattr(F, name + "_"):
            u = cltorch.tensor(x, device=device)
            assert getattr(F, name + "_")(u, **kw) is u
            assert u.tolist() == t.tolist()


@pytest.mark.parametrize("case", [c for c in ACTIVATIONS if c[3]], ids=_id)
def test_gradients_pass_through_in_place_forms(case, device):
    name, kw, _, _ = case
    x = cltorch.tensor(sample(), device=device, requires_grad=True)
    grads = []
    for inplace in (False, True):
        (g,) = cltorch.autograd.grad((getattr(F, name)(x * 1, **kw, inplace=inplace) * 2).sum(), x)
        grads.append(g.tolist())
    assert grads[0] == grads[1]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        getattr(F, name)(x, **kw, inplace=True)


def test_parameters_can_be_given_by_position(device):
    t = cltorch.tensor([-2.0, 0.5], device=device)
    assert F.leaky_relu(t, 0.5).tolist() == [-1.0, 0.5]
    assert F.hardtanh(t, -1, 0.25).tolist() == [-1.0, 0.25]
    assert F.threshold(t, 0, 9).tolist() == [9.0, 0.5]
    assert F.softplus(t, 1, 0.1).tolist()[1] == 0.5
    assert F.softshrink(t, 1).tolist() == [-1.0, 0.0] and F.hardshrink(t, 1).tolist() == [-2.0, 0.0]


@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh", "threshold"])
def test_piecewise_linear_activations_take_integers(name, device, peer):
    kw = {"threshold": 0, "value": 5} if name == "threshold" else {}
    expected = getattr(peer.nn.functional, name)(peer.arange(-3, 9), **kw)
    found = getattr(F, name)(cltorch.arange(-3, 9, device=device), **kw)
    assert found.dtype is cltorch.int64 and found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "name", ["leaky_relu", "elu", "selu", "celu", "silu", "mish", "gelu", "hardswish", "hardsigmoid", "softplus",
             "softshrink", "hardshrink", "logsigmoid", "rrelu"],
)  # fmt: skip
def test_the_others_refuse_integers(name, lib):
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        getattr(lib.nn.functional, name)(lib.arange(3))


def test_bools_have_no_activation(lib):
    for name in ("relu", "relu6", "hardtanh"):
        with pytest.raises(RuntimeError, match="Bool(ean)? inputs not supported for"):
            getattr(lib.nn.functional, name)(lib.ones(2).bool())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda L: L.nn.functional.hardtanh(L.ones(1), 2, 1), ValueError, "min_val cannot be greater than max_val"),
        (lambda L: L.nn.functional.glu(L.ones(3)), RuntimeError, "Halving dimension must be even, but dimension 0 is"),
        (lambda L: L.nn.functional.glu(L.tensor(1.0)), RuntimeError, "glu does not support scalars"),
        (lambda L: L.nn.functional.gelu(L.ones(1), approximate="x"), RuntimeError, "must be either none or tanh"),
        (lambda L: L.nn.functional.rrelu(L.ones(1), 2, 1, True), RuntimeError, "Lower bound should be less than or"),
        (lambda L: L.nn.functional.prelu(L.ones(2, 3), L.ones(2)), RuntimeError, "Mismatch of parameter numbers"),
        (lambda L: L.nn.functional.prelu(L.tensor(1.0), L.ones(2)), RuntimeError, "Not allow zero-dim input tensor"),
        (lambda L: L.nn.functional.prelu(L.ones(2), L.ones(1).double()), RuntimeError, "Type promoting not supported"),
        (lambda L: L.nn.functional.prelu(L.ones(2), 0.2), TypeError, "argument 'weight' .*must be Tensor, not float"),
        (lambda L: L.nn.Hardtanh(2, 1), AssertionError, "must be greater than min_val"),
        (lambda L: L.nn.Softmax2d()(L.ones(2, 3)), ValueError, "Softmax2d: expected input to be 3D or 4D, got 2D"),
        (lambda L: L.softmax(L.ones(2), 3), IndexError, "Dimension out of range"),
    ],
)
def test_wrong_arguments_are_refused_with_pytorchs_messages(call, error, message, lib):
    with pytest.raises(error, match=message):
        call(lib)


def test_in_place_forms_with_a_negative_slope_have_no_gradient(lib):
    f = lib.nn.functional
    for call, name in (
        (lambda x: f.elu_(x, -2), "elu"),
        (lambda x: f.celu_(x, -2), "elu"),
        (lambda x: f.leaky_relu_(x, -2), "leakyReLu"),
        (lambda x: f.rrelu_(x, -5.0, 1.0), "leakyReLu"),
    ):
        x = lib.tensor([-1.0, 1.0], requires_grad=True)
        out = call(x * 1)
        with pytest.raises(RuntimeError, match=f"In-place {name} backward .*call out-of-place version instead"):
            out.sum().backward()
    x = lib.tensor([-2.0, 0.0, 2.0], requires_grad=True)
    f.leaky_relu_(x * 1, 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


def test_a_threshold_may_be_put_in_place_where_elements_share_memory(device):
    x = cltorch.tensor([[0.25, 2.0]], device=device).expand(3, 2)
    assert F.threshold(x, 0.5, 0.5, inplace=True) is x and x.tolist() == [[0.5, 2.0]] * 3
    with pytest.raises(RuntimeError, match="unsupported operation: more than one element"):
        F.relu(x, inplace=True)


@pytest.mark.parametrize("bound", [-1, float("nan"), 1e39])
def test_softshrink_refuses_bounds_that_the_dtype_has_not(bound, lib):
    with pytest.raises(RuntimeError, match=r"lambda must be in range \[0, 3.40282e\+38\] for input dtype Float, but "):
        lib.nn.functional.softshrink(lib.ones(2), bound)


def test_old_names_of_hardtanhs_bounds_warn(lib):
    with pytest.warns(FutureWarning, match="keyword argument `min_value` is deprecated and renamed to `min_val`"):
        m = lib.nn.Hardtanh(min_value=-2)
    assert m.min_val == -2


# ---- random slopes -----------------------------------------------------------------------------------------------
def test_random_slopes_lie_between_their_bounds_and_are_used_backward(device):
    x = cltorch.full((4000,), -1.0, device=device, requires_grad=True)
    out = F.rrelu(x, 0.2, 0.6, training=True)
    slopes = -out.detach().cpu().numpy()
    assert slopes.min() >= 0.2 and slopes.max() <= 0.6 and abs(slopes.mean() - 0.4) < 0.01
    (g,) = cltorch.autograd.grad(out.sum(), x)
    np.testing.assert_allclose(g.cpu().numpy(), slopes, rtol=1e-6)
    y = x * 1
    assert F.rrelu(y, 0.2, 0.6, training=True, inplace=True) is y
    (g,) = cltorch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(g.cpu().numpy(), -y.detach().cpu().numpy(), rtol=1e-6)
    positive = cltorch.ones(3, device=device)
    assert F.rrelu(positive, training=True).tolist() == [1.0] * 3
    m = nn.RReLU(0.2, 0.6)
    assert m.eval()(x.detach())[0].item() == pytest.approx(-0.4) and len(set(m.train()(x.detach()).tolist())) > 1000


# ---- learned slopes ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "count"),
    [((5, 3), 3), ((2, 3, 4), 3), ((2, 3, 4, 5), 3), ((2, 3, 2, 2, 2), 3), ((2, 3, 4), 1), ((3,), 1), ((), 1)],
)
def test_prelu_has_a_weight_for_all_or_one_per_channel(shape, count, device):
    x, w = sample(shape), np.array([0.1, 0.2, 0.5], np.float32)[:count]
    per_channel = w.reshape((count, *(1 for _ in shape[2:]))) if count > 1 else w[0]
    out = F.prelu(cltorch.tensor(x, device=device), cltorch.tensor(w, device=device))
    np.testing.assert_allclose(out.cpu().numpy(), np.where(x > 0, x, per_channel * x), rtol=1e-6)


def test_prelus_gradients_are_right(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.tensor(sample((2, 3, 4)), dtype=cltorch.float64, device=device, requires_grad=True)
    w = cltorch.tensor([0.1, 0.2, 0.5], dtype=cltorch.float64, device=device, requires_grad=True)
    assert cltorch.autograd.gradcheck(F.prelu, [x, w]) and cltorch.autograd.gradgradcheck(F.prelu, [x, w])


# ---- softmax -----------------------------------------------------------------------------------------------------
def test_softmaxes_are_their_formulas(device):
    x = sample((3, 4, 5))
    t = cltorch.tensor(x, device=device)
    for dim in (0, 1, -1):
        for f, formula in (
            (F.softmax, lambda a, d: special.softmax(a, d)),
            (F.softmin, lambda a, d: special.softmax(-a, d)),
            (F.log_softmax, lambda a, d: special.log_softmax(a, d)),
        ):
            np.testing.assert_allclose(f(t, dim=dim).cpu().numpy(), formula(x, dim), rtol=1e-5, atol=1e-6)
    assert F.softmax(t.half(), 1, dtype=cltorch.float32).dtype is cltorch.float32
    assert F.softmax(cltorch.arange(3, device=device), 0, dtype=cltorch.float32).sum().item() == pytest.approx(1)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
@pytest.mark.parametrize("ndim", [0, 1, 2, 3, 4])
def test_a_dimension_that_is_not_named_is_chosen_with_a_warning(name, ndim, lib):
    x, f = lib.arange(2.0**ndim).reshape((2,) * ndim), getattr(lib.nn.functional, name)
    with pytest.warns(UserWarning, match=f"Implicit dimension choice for {name} has been deprecated"):
        found = f(x)
    assert found.tolist() == f(x, dim=0 if ndim in (0, 1, 3) else 1).tolist()


def test_the_warning_points_at_the_callers_line():
    for call in (lambda: F.softmax(cltorch.ones(2)), lambda: nn.Softmax()(cltorch.ones(2))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        assert caught[0].filename == __file__


def test_gumbel_softmax_draws_from_the_categories(device):
    logits = cltorch.log(cltorch.tensor([0.2, 0.3, 0.5], device=device)).repeat(3000, 1).requires_grad_()
    soft = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.sum(-1).detach().cpu().numpy(), 1, rtol=1e-5)
    hard = F.gumbel_softmax(logits, hard=True)
    a = hard.detach().cpu().numpy()
    assert ((a < 1e-6) | (abs(a - 1) < 1e-6)).all()
    np.testing.assert_allclose(a.mean(0), [0.2, 0.3, 0.5], atol=0.04)
    (g,) = cltorch.autograd.grad((hard * cltorch.rand(3, device=device)).sum(), logits)
    assert g.abs().sum().item() > 0
    with pytest.warns(UserWarning, match="`eps` parameter is deprecated and has no effect"):
        F.gumbel_softmax(logits.detach(), eps=1e-3)


@pytest.mark.parametrize(("name", "slope"), [
    ("relu6", 1), ("hardtanh", 1), ("softshrink", 1), ("hardshrink", 1), ("elu", 1), ("celu", 1), ("leaky_relu", 1),
    ("selu", 1.0507009873554805),
])  # fmt: skip
def test_gradients_pass_where_the_input_is_no_number(name, slope, lib):
    """What is compared with a bound is on neither side of it: PyTorch takes the branch that has no formula."""
    x = lib.tensor([float("nan"), 0.75], requires_grad=True)
    getattr(lib.nn.functional, name)(x).sum().backward()
    assert x.grad.tolist() == pytest.approx([slope if name != "leaky_relu" else 0.01, x.grad[1].item()])


def test_hardswish_is_flat_and_straight_from_its_ends_on(device):
    x = cltorch.tensor([-3.0, 3.0, -2.9375, float("nan")], device=device, requires_grad=True)
    F.hardswish(x).sum().backward()
    assert x.grad.tolist()[:2] == [0, 1] and x.grad[2].item() == pytest.approx(-2.9375 / 3 + 0.5)


@pytest.mark.parametrize(
    "name", ["CELU", "ELU", "Hardsigmoid", "Hardswish", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU"]
)
def test_activations_are_printed_as_pytorchs(name, peer):
    for inplace in (False, True):
        assert repr(getattr(nn, name)(inplace=inplace)) == repr(getattr(peer.nn, name)(inplace=inplace))


@pytest.mark.parametrize("shape", [(5, 8), (0, 8), (5, 0)])
def test_the_halves_of_a_gate_have_their_gradients_joined(shape, cl_device):
    x = cltorch.tensor(sample(shape), device=cl_device, requires_grad=True)
    y, context = F.glu(x), x.device.context
    g = cltorch.ones_like(y)
    before = context.asked()
    y.backward(g)
    assert context.asked() - before <= 2  # the halves', and their joining
    a, b = np.split(sample(shape), 2, 1)
    s = special.expit(b)
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.concatenate([s, a * s * (1 - s)], 1), rtol=1e-5)
