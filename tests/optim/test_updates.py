"""What a step does to parameters and state, against textbook formulas in NumPy, on every device."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch

STEPS = 20
SHAPES = [(5, 7), (33,), (), (0, 3), (40, 50)]


# ---- the formulas as their papers give them, in float64 ------------------------------------------------------------
def sgd(p, g, s, t, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    g = g + weight_decay * p
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adam(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, decoupled=False):
    if decoupled:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    s["top"] = np.maximum(s.get("top", 0), s["v"]) if amsgrad else s["v"]
    return p - lr * (s["m"] / (1 - betas[0] ** t)) / (np.sqrt(s["top"] / (1 - betas[1] ** t)) + eps)


def adamw(p, g, s, t, lr, weight_decay=1e-2, **kw):
    return adam(p, g, s, t, lr, weight_decay=weight_decay, decoupled=True, **kw)


def rmsprop(p, g, s, t, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    g = g + weight_decay * p
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["m"] = alpha * s.get("m", 0) + (1 - alpha) * g
    scaled = g / (np.sqrt(s["v"] - s["m"] ** 2 if centered else s["v"]) + eps)
    s["b"] = momentum * s.get("b", 0) + scaled
    return p - lr * s["b"]


def adagrad(p, g, s, t, lr, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    g = g + weight_decay * p
    s["sum"] = s.get("sum", initial_accumulator_value) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def adamax(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["u"] = np.maximum(betas[1] * s.get("u", 0), np.abs(g) + eps)
    return p - lr / (1 - betas[0] ** t) * s["m"] / s["u"]


def nadam(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3):
    g = g + weight_decay * p
    mu, after = (betas[0] * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (t, t + 1))
    s["mu"] = s.get("mu", 1.0) * mu
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    mean = after * s["m"] / (1 - s["mu"] * after) + (1 - mu) * g / (1 - s["mu"])
    return p - lr * mean / (np.sqrt(s["v"] / (1 - betas[1] ** t)) + eps)


def radam(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    mean = s["m"] / (1 - betas[0] ** t)
    most = 2 / (1 - betas[1]) - 1
    rho = most - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
    if rho <= 5:
        return p - lr * mean
    rectified = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return p - lr * mean * rectified * np.sqrt(1 - betas[1] ** t) / (np.sqrt(s["v"]) + eps)


def adadelta(p, g, s, t, lr, rho=0.9, eps=1e-6, weight_decay=0.0):
    g = g + weight_decay * p
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g**2
    delta = np.sqrt(s.get("u", 0) + eps) / np.sqrt(s["v"] + eps) * g
    s["u"] = rho * s.get("u", 0) + (1 - rho) * delta**2
    return p - lr * delta


def rprop(p, g, s, t, lr, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    agree = np.sign(g * s.get("before", 0 * g))
    factor = np.where(agree > 0, etas[1], np.where(agree < 0, etas[0], 1.0))
    s["step"] = np.clip(s.get("step", lr) * factor, *step_sizes)
    s["before"] = np.where(agree < 0, 0.0, g)
    return p - np.sign(s["before"]) * s["step"]


def asgd(p, g, s, t, lr, lambd=1e-4, alpha=0.75, weight_decay=0.0):
    eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
    return (1 - lambd * eta) * p - eta * (g + weight_decay * p)


FORMULAS = {
    "SGD": sgd, "Adam": adam, "AdamW": adamw, "RMSprop": rmsprop, "Adagrad": adagrad, "Adamax": adamax,
    "NAdam": nadam, "RAdam": radam, "Adadelta": adadelta, "Rprop": rprop, "ASGD": asgd,
}  # fmt: skip
CASES = [
    ("SGD", {}),
    ("SGD", {"weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"weight_decay": 0.1, "betas": (0.8, 0.95)}),
    ("Adam", {"amsgrad": True, "betas": (0.2, 0.9)}),
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True, "weight_decay": 0.3}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "alpha": 0.9, "eps": 1e-3}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "eps": 1e-3, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3}),
    ("Adamax", {"betas": (0.3, 0.9), "weight_decay": 0.1}),
    ("NAdam", {"momentum_decay": 0.1, "weight_decay": 0.1}),
    ("RAdam", {"betas": (0.8, 0.95), "weight_decay": 0.1}),
    ("Adadelta", {"rho": 0.7, "weight_decay": 0.1}),
    ("Rprop", {"step_sizes": (0.01, 0.2)}),
    ("ASGD", {"lambd": 0.1, "alpha": 0.5, "weight_decay": 0.1}),
]


def parameters(device, dtype=cltorch.float32, shapes=SHAPES):
    return [cltorch.nn.Parameter(cltorch.randn(s, device=device).to(dtype)) for s in shapes]


def numpy_of(x):
    return x.detach().cpu().double().numpy().copy()


def give_gradients(params, rng):
    """Put random gradients on parameters and return them as they are after rounding to the dtype."""
    for p in params:
        p.grad = cltorch.tensor(rng.standard_normal(tuple(p.shape))).to(p.dtype).to(p.device)
    return [numpy_of(p.grad) for p in params]


def compare(name, options, device, dtype, steps, rtol, atol, maximize=False, lr=0.05):
    params = parameters(device, dtype)
    wanted, states = [numpy_of(p) for p in params], [{} for _ in params]
    optimizer = getattr(cltorch.optim, name)(params, lr=lr, maximize=maximize, **options)
    rng = np.random.default_rng(3)
    for t in range(1, steps + 1):
        grads = give_gradients(params, rng)
        optimizer.step()
        wanted = [
            FORMULAS[name](p, -g if maximize else g, s, t, float(lr), **options)
            for p, g, s in zip(wanted, grads, states, strict=True)
        ]
    for p, w in zip(params, wanted, strict=True):
        np.testing.assert_allclose(numpy_of(p), w, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_twenty_steps_follow_the_formula(name, options, device):
    compare(name, options, device, cltorch.float32, STEPS, 2e-5, 2e-5)


@pytest.mark.parametrize(("name", "options"), CASES[3::4])
def test_float64_is_computed_in_float64(name, options, device, fp64):
    if not fp64:
        pytest.skip("no float64 on this device")
    # NAdam's product and ASGD's rate are kept in float32
    tolerance = 1e-6 if name in ("NAdam", "ASGD") else 1e-12
    compare(name, options, device, cltorch.float64, STEPS, tolerance, tolerance)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
@pytest.mark.parametrize(("dtype", "rtol"), [(cltorch.float16, 2e-3), (cltorch.bfloat16, 2e-2)], ids=str)
def test_halves_are_rounded_once_per_step(name, dtype, rtol, device):
    # eps keeps away from squares that a float16 cannot hold
    options = {"momentum": 0.9} if name == "SGD" else {"eps": 1e-2}
    compare(name, options, device, dtype, 3, rtol, rtol)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_maximize_climbs(name, device):
    compare(name, {}, device, cltorch.float32, 3, 1e-5, 1e-5, maximize=True)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_the_learning_rate_may_be_a_tensor(name, device):
    compare(name, {}, device, cltorch.float32, 3, 1e-5, 1e-5, lr=cltorch.tensor(0.05))
    compare(name, {}, device, cltorch.float32, 3, 1e-5, 1e-5, lr=cltorch.tensor([0.05], device=device))


def test_betas_may_be_tensors(device):
    params, others = parameters(device), parameters(device)
    for a, b in zip(params, others, strict=True):
        b.data.copy_(a.data)
    betas = (0.9, 0.99)
    for ps, given in ((params, betas), (others, tuple(cltorch.tensor(b, dtype=cltorch.float64) for b in betas))):
        optimizer = cltorch.optim.Adam(ps, betas=given)
        rng = np.random.default_rng(3)
        for _ in range(3):
            give_gradients(ps, rng)
            optimizer.step()
    for a, b in zip(params, others, strict=True):
        np.testing.assert_allclose(numpy_of(a), numpy_of(b), rtol=1e-6)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_parameters_of_any_strides(name, device):
    options = {"momentum": 0.9} if name == "SGD" else {}
    layouts = [
        lambda x: x.t(),
        lambda x: x[:, ::2],
        lambda x: x.reshape(4, 3, 5).permute(2, 0, 1),
    ]
    values = np.random.default_rng(1).standard_normal((12, 5)).astype(np.float32)
    params = [f(cltorch.tensor(values, device=device)).detach().requires_grad_() for f in layouts]
    assert not any(p.is_contiguous() for p in params)
    wanted, states = [numpy_of(p) for p in params], [{} for _ in params]
    optimizer = getattr(cltorch.optim, name)(params, lr=0.05, **options)
    rng = np.random.default_rng(2)
    for t in (1, 2):
        grads = give_gradients(params, rng)  # contiguous, which the parameters are not
        optimizer.step()
        wanted = [FORMULAS[name](p, g, s, t, 0.05, **options) for p, g, s in zip(wanted, grads, states, strict=True)]
    for p, w in zip(params, wanted, strict=True):
        np.testing.assert_allclose(numpy_of(p), w, rtol=1e-5, atol=1e-5)


def test_parameters_of_several_dtypes_and_devices_step_together(cl_device):
    params = [
        *parameters(cl_device, shapes=[(3,), (4,)]),
        *parameters("cpu", shapes=[(3,)]),
        *parameters(cl_device, cltorch.bfloat16, [(5,)]),
    ]
    wanted = [numpy_of(p) for p in params]
    optimizer = cltorch.optim.SGD(params, lr=0.5)
    grads = give_gradients(params, np.random.default_rng(0))
    optimizer.step()
    for p, w, g in zip(params, wanted, grads, strict=True):
        np.testing.assert_allclose(numpy_of(p), w - 0.5 * g, rtol=1e-2 if p.dtype is cltorch.bfloat16 else 1e-6)


def test_a_parameter_without_a_gradient_is_left_alone(device):
    a, b = parameters(device, shapes=[(3,), (4,)])
    before = numpy_of(b)
    optimizer = cltorch.optim.Adam([a, b], lr=0.1, weight_decay=0.5)
    a.grad = cltorch.ones_like(a)
    optimizer.step()
    np.testing.assert_array_equal(numpy_of(b), before)
    assert b not in optimizer.state
    # later it counts its own steps, so its first one is as long as any first one
    a.grad, b.grad = cltorch.ones_like(a), cltorch.ones_like(b)
    for group in optimizer.param_groups:
        group["weight_decay"] = 0
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (a, b)] == [2.0, 1.0]
    np.testing.assert_allclose(numpy_of(b), before - 0.1, rtol=1e-5, atol=1e-6)


def test_groups_have_options_of_their_own(device):
    a, b = parameters(device, shapes=[(3,), (4,)])
    before = [numpy_of(p) for p in (a, b)]
    optimizer = cltorch.optim.SGD([{"params": [a], "lr": 0.1}, {"params": b}], lr=1.0)
    a.grad, b.grad = cltorch.ones_like(a), cltorch.ones_like(b)
    optimizer.step()
    np.testing.assert_allclose(numpy_of(a), before[0] - 0.1, rtol=1e-6)
    np.testing.assert_allclose(numpy_of(b), before[1] - 1.0, rtol=1e-5, atol=1e-6)


def test_a_step_is_not_recorded_and_counts_as_one_change(device):
    (p,) = parameters(device, shapes=[(3,)])
    optimizer = cltorch.optim.Adam([p])
    p.grad = cltorch.ones_like(p)
    version = p._version
    optimizer.step()
    assert p._version == version + 1
    assert p.is_leaf and p.requires_grad
    assert all(not s.requires_grad for s in optimizer.state[p].values())


def test_autograd_notices_a_step_between_forward_and_backward(device):
    (p,) = parameters(device, shapes=[(3,)])
    loss = (p * p).sum()
    p.grad = cltorch.ones_like(p)
    cltorch.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_state_is_pytorchs(device):
    (p,) = parameters(device, cltorch.float16, [(2, 3)])
    names = {
        "SGD": ["momentum_buffer"],
        "Adam": ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        "RMSprop": ["step", "square_avg", "momentum_buffer", "grad_avg"],
        "Adagrad": ["step", "sum"],
    }
    more = {"SGD": {"momentum": 0.9}, "Adam": {"amsgrad": True}, "RMSprop": {"momentum": 0.9, "centered": True}}
    for name, keys in names.items():
        optimizer = getattr(cltorch.optim, name)([p], **more.get(name, {}))
        assert (p in optimizer.state) == (name == "Adagrad")
        p.grad = cltorch.ones_like(p)
        optimizer.step()
        state = optimizer.state[p]
        assert list(state) == keys
        for key, value in state.items():
            if key == "step":
                assert (value.item(), value.shape, value.dtype, value.device.type) == (1.0, (), cltorch.float32, "cpu")
            else:
                assert (value.shape, value.dtype, value.device) == (p.shape, p.dtype, p.device)
    plain = cltorch.optim.SGD([p])
    plain.step()
    assert not plain.state


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("Adam", {}),
        ("AdamW", {}),
        ("RMSprop", {}),
        ("Adagrad", {"lr": 0.5}),
        ("Adamax", {"lr": 0.1}),
        ("NAdam", {}),
        ("RAdam", {"lr": 0.2}),
        ("Adadelta", {"eps": 1e-2}),
        ("Rprop", {}),
        ("ASGD", {"lr": 0.3}),
        ("Adafactor", {"lr": 0.5}),
    ],
)
def test_every_optimiser_fits_a_line(name, options, device):
    x = cltorch.linspace(-1, 1, 50, device=device).reshape(50, 1)
    y = 3 * x - 0.5
    w, b = (cltorch.nn.Parameter(cltorch.zeros(1, n, device=device)) for n in (1, 1))
    optimizer = getattr(cltorch.optim, name)([w, b], **{"lr": 0.05, **options})
    for _ in range(300):
        optimizer.zero_grad()
        loss = ((x * w + b - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3
    assert abs(w.item() - 3) < 0.1 and abs(b.item() + 0.5) < 0.1


def test_capturable_asks_for_an_opencl_device():
    (p,) = parameters("cpu", shapes=[(3,)])
    p.grad = cltorch.ones_like(p)
    with pytest.raises(AssertionError, match="capturable=True"):
        cltorch.optim.Adam([p], capturable=True).step()


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "Rprop"])  # its rate is but the first length
def test_a_differentiable_step_has_the_derivative_of_its_formula(name, device, fp64):
    if not fp64:
        pytest.skip("no float64 on this device")
    start = cltorch.tensor([0.3, -0.7, 1.1], dtype=cltorch.float64, device=device)
    grads = [start * 0.5 + 0.2, start - 0.4]
    options = {"momentum": 0.9, "weight_decay": 0.1} if name == "SGD" else {}

    def after_two_steps(lr, p0):
        p = p0.clone()
        optimizer = getattr(cltorch.optim, name)([p], lr=lr, differentiable=True, **options)
        if name == "SGD":  # a buffer that the first step begins counts as a constant
            optimizer.state[p]["momentum_buffer"] = start * 0.3 - 0.1
        for g in grads:
            p.grad = g
            optimizer.step()
        return p

    lr = cltorch.tensor(0.05, dtype=cltorch.float64, device=device, requires_grad=True)
    assert cltorch.autograd.gradcheck(after_two_steps, (lr, start.clone().requires_grad_()))
