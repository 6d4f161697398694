"""Optimisers and schedules beside PyTorch's own: the same steps, the same checkpoints, the same words."""

from __future__ import annotations

import copy
import importlib
import io
import pickle

import numpy as np
import pytest

import cltorch

torch = pytest.importorskip("torch", reason="torch is not installed")

SHAPES = [(5, 7), (33,), (), (40, 50)]
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"betas": (0.0, 0.9), "maximize": True}),
    ("Adam", {"weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("RMSprop", {"centered": True, "alpha": 0.9}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3}),
    ("Adamax", {}),
    ("Adamax", {"betas": (0.3, 0.9), "weight_decay": 0.1, "maximize": True, "eps": 1e-3}),
    ("NAdam", {}),
    ("NAdam", {"weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"betas": (0.8, 0.9), "weight_decay": 0.1}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.7, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"etas": (0.4, 1.5), "step_sizes": (0.01, 0.2), "maximize": True}),
    ("ASGD", {"lambd": 0.1}),
    ("ASGD", {"t0": 5, "weight_decay": 0.1, "alpha": 0.5}),
    ("Adafactor", {}),
    ("Adafactor", {"eps": (1e-4, 0.01), "d": 2.0, "weight_decay": 0.1, "maximize": True, "beta2_decay": -0.5}),
]


def make(library, name, options, device="cpu", dtype="float32"):
    rng = np.random.default_rng(0)
    params = [
        library.nn.Parameter(library.tensor(rng.standard_normal(s)).to(getattr(library, dtype)).to(device))
        for s in SHAPES
    ]
    return params, getattr(library.optim, name)(params, **options)


def steps(library, params, optimizer, times, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(times):
        for p in params:
            p.grad = library.tensor(rng.standard_normal(tuple(p.shape))).to(p.dtype).to(p.device)
        optimizer.step()


def close(ours, theirs, rtol, atol):
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().cpu().double().numpy(), q.detach().double().numpy(), rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_twenty_steps_are_pytorchs(name, options, device):
    options = {"lr": 0.05, **options}
    ours, optimizer = make(cltorch, name, options, device)
    theirs, reference = make(torch, name, options)
    steps(cltorch, ours, optimizer, 20)
    steps(torch, theirs, reference, 20)
    close(ours, theirs, 1e-6, 2e-6)
    for p, q in zip(ours, theirs, strict=True):
        mine, state = optimizer.state[p], reference.state[q]
        assert list(mine) == list(state)
        close(mine.values(), state.values(), 1e-5, 1e-6)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_float64_agrees_to_the_last_bits(name, options, device, fp64):
    if not fp64:
        pytest.skip("no float64 on this device")
    ours, optimizer = make(cltorch, name, options, device, "float64")
    theirs, reference = make(torch, name, options, dtype="float64")
    steps(cltorch, ours, optimizer, 20)
    steps(torch, theirs, reference, 20)
    # NAdam keeps its product of momenta in float32
    close(ours, theirs, *((1e-8, 1e-9) if name == "NAdam" else (1e-13, 1e-14)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_step_as_pytorchs_fused_optimiser(dtype, device):
    # PyTorch's fused step alone rounds once, as ours does; its other ones round after every operation
    options = {"lr": 0.05, "eps": 1e-3, "fused": True}
    ours, optimizer = make(cltorch, "Adam", options, device, dtype)
    theirs, reference = make(torch, "Adam", options, dtype=dtype)
    steps(cltorch, ours, optimizer, 5)
    steps(torch, theirs, reference, 5)
    close(ours, theirs, 2e-3 if dtype == "float16" else 2e-2, 2e-3)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_checkpoints_go_both_ways(name, options, device):
    options = {"lr": 0.05, **options}
    ours, optimizer = make(cltorch, name, options, device)
    theirs, reference = make(torch, name, options)
    steps(cltorch, ours, optimizer, 3)
    steps(torch, theirs, reference, 3)

    def through_file(save, load, state):
        file = io.BytesIO()
        save(state, file)
        file.seek(0)
        return load(file, map_location="cpu")

    others, continued = make(cltorch, name, {"lr": 1.0}, device)
    continued.load_state_dict(through_file(torch.save, cltorch.load, reference.state_dict()))
    again, resumed = make(torch, name, {"lr": 1.0})
    resumed.load_state_dict(through_file(cltorch.save, torch.load, optimizer.state_dict()))
    for params, source in ((others, ours), (again, theirs)):
        for p, q in zip(params, source, strict=True):
            p.data.copy_(q.data)
    steps(cltorch, ours, optimizer, 3, seed=2)
    steps(torch, theirs, reference, 3, seed=2)
    steps(cltorch, others, continued, 3, seed=2)
    steps(torch, again, resumed, 3, seed=2)
    close(ours, theirs, 1e-6, 2e-6)
    close(others, theirs, 1e-6, 2e-6)
    close(ours, again, 1e-6, 2e-6)
    assert continued.state_dict()["param_groups"] == resumed.state_dict()["param_groups"]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_repr_and_groups_are_pytorchs(name, options):
    _, optimizer = make(cltorch, name, options)
    _, reference = make(torch, name, options)
    assert repr(optimizer) == repr(reference)
    assert optimizer.state_dict()["param_groups"] == reference.state_dict()["param_groups"]
    assert list(optimizer.param_groups[0]) == list(reference.param_groups[0])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in ("SGD", "Adam", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adadelta", "ASGD")),
        # PyTorch's first buffer is detached from the gradient that it is
        ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("SGD", {"momentum": 0.9, "dampening": 0.3, "maximize": True}),
    ],
)  # fmt: skip
def test_the_derivative_of_differentiable_steps_is_pytorchs(name, options):
    def gradients(library):
        # PyTorch's other ones take no rate that wants a gradient, and no momentum beside it
        learned = name in ("SGD", "Adam") and not options
        rate = library.tensor(0.05, dtype=library.float64, requires_grad=True) if learned else 0.05
        start = library.tensor([0.3, -0.7, 1.1], dtype=library.float64, requires_grad=True)
        p = start.clone()
        optimizer = getattr(library.optim, name)([p], lr=rate, weight_decay=0.1, differentiable=True, **options)
        for factor in (0.5, 2.0, 1.5):
            p.grad = factor * start + 0.2
            optimizer.step()
        (p**2).sum().backward()
        return [*start.grad.tolist(), *([] if isinstance(rate, float) else [rate.grad.item()])]

    # PyTorch computes Adam's corrections from a count in float32, NAdam's from a product in float32
    rel = 1e-5 if name in ("Adam", "NAdam") else 1e-12
    assert gradients(cltorch) == pytest.approx(gradients(torch), rel=rel)


NAMES = "SGD Adam RMSprop Adagrad Adamax NAdam RAdam Adadelta Rprop ASGD Adafactor LBFGS Muon SparseAdam".split()


@pytest.mark.parametrize(
    "text",
    [
        *(f"{name}([w], lr=-1)" for name in NAMES if name != "Muon"),
        *(f"{name}([w], lr=T.ones(2))" for name in NAMES),
        *(f"{name}([w], betas=(1.0, 0.9))" for name in ("Adamax", "NAdam", "RAdam", "SparseAdam")),
        *(f"{name}([w], eps=-1)" for name in ("Adamax", "NAdam", "RAdam", "Adadelta", "SparseAdam")),
        *(f"{name}([w], weight_decay=-1)" for name in ("Adamax", "NAdam", "RAdam", "Adadelta", "ASGD", "Adafactor")),
        "NAdam([w], momentum_decay=-1)",
        "Adadelta([w], rho=1.5)",
        "Rprop([w], etas=(0.5, 0.9))",
        "Adafactor([w], beta2_decay=0.5)",
        "Adafactor([w], eps=(-1.0, 1e-3))",
        "Adafactor([w], eps=(None, -1.0))",
        "Adafactor([w], d=0.5)",
        "LBFGS([{'params': [w]}, {'params': [v]}])",
        "Muon([w])",
        "Muon([m], lr=-1)",
        "Muon([m], momentum=-1)",
        "Muon([m], weight_decay=-1)",
        "Muon([m], adjust_lr_fn='none')",
        "(o := SparseAdam([w]), setattr(w, 'grad', T.ones(2)), o.step())",
        "SGD([])",
        "SGD(T.ones(2))",
        "SGD([1])",
        "SGD([w * 2])",
        "SGD([{'params': {w}}])",
        "SGD([w], lr=-1)",
        "SGD([w], momentum=-1)",
        "SGD([w], weight_decay=-1)",
        "SGD([w], momentum=0.9, dampening=0.5, nesterov=True)",
        "SGD([w], lr=T.ones(2))",
        "SGD([w], fused=True, foreach=True)",
        "SGD([{'params': [w]}, {'params': [w]}])",
        "SGD([('a', w), v])",
        "SGD([w]).add_param_group([v])",
        "SGD([w]).add_param_group({'params': [('v', v)]})",
        "SGD([w]).load_state_dict(SGD([w, v]).state_dict())",
        "SGD([w]).load_state_dict(SGD([{'params': w}, {'params': v}]).state_dict())",
        "Adam([w], betas=(1.5, 0.9))",
        "Adam([w], betas=(0.9, 1.0))",
        "Adam([w], betas=(0, 0.9))",
        "Adam([w], eps=-1)",
        "Adam([w], lr=T.tensor(0.1), foreach=True)",
        "RMSprop([w], alpha=-1)",
        "RMSprop([w], eps=-1)",
        "Adagrad([w], lr_decay=-1)",
        "Adagrad([w], initial_accumulator_value=-1)",
    ],
)
def test_errors_are_pytorchs(text):
    def error(library):
        names = {name: getattr(library.optim, name) for name in NAMES}
        w, v = (library.nn.Parameter(library.ones(2)) for _ in range(2))
        with pytest.raises(Exception) as caught:
            eval(text, {**names, "T": library, "w": w, "v": v, "m": library.nn.Parameter(library.ones(2, 3))})
        return caught.type, str(caught.value)

    assert error(cltorch) == error(torch)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True, "weight_decay": 0.1}), ("RMSprop", {"centered": True}),
        ("Adagrad", {"initial_accumulator_value": 0.3}), ("Adamax", {}), ("NAdam", {}), ("RAdam", {}),
        ("Adadelta", {"rho": 0.7}), ("Rprop", {}), ("ASGD", {"t0": 2}),
    ],
)  # fmt: skip
def test_complex_parameters_are_stepped_part_by_part_as_pytorchs_are(name, options, device):
    def run(library, where):
        rng = np.random.default_rng(0)
        draw = lambda: rng.standard_normal((3, 4, 2)).astype("f4").view("c8")[..., 0]  # noqa: E731
        p = library.nn.Parameter(library.tensor(draw()).to(where))
        optimizer = getattr(library.optim, name)([p], lr=0.05, **options)
        for _ in range(4):
            p.grad = library.tensor(draw()).to(where)
            optimizer.step()
        return [p.detach(), *optimizer.state[p].values()]

    for x, y in zip(run(cltorch, device), run(torch, "cpu"), strict=True):
        assert str(x.dtype) == str(y.dtype)
        np.testing.assert_allclose(x.cpu().numpy(), y.numpy(), rtol=1e-5, atol=1e-6)


def test_complex_parameters_that_are_refused():
    w = cltorch.nn.Parameter(cltorch.ones(2, 2, dtype=cltorch.complex64))
    w.grad = cltorch.ones_like(w)
    for name, options in (("Adam", {"fused": True}), ("SGD", {"fused": True}), ("Adafactor", {}), ("Muon", {})):
        with pytest.raises(RuntimeError, match="floating point|complex parameters"):
            getattr(cltorch.optim, name)([w], **options).step()


@pytest.mark.parametrize("options", [{}, {"line_search_fn": "strong_wolfe"}])
def test_lbfgs_of_complex_parameters_goes_pytorchs_way(options):
    def run(library):
        p = library.nn.Parameter(library.tensor([1 + 2j, -0.5j], dtype=library.complex128))
        optimizer = library.optim.LBFGS([p], lr=0.1, max_iter=4, **options)

        def closure():
            optimizer.zero_grad()
            loss = ((p - 1).abs() ** 4).sum() + (p * p).real.sum()
            loss.backward()
            return loss

        return [optimizer.step(closure).item() for _ in range(3)], p.tolist()

    ours, theirs = run(cltorch), run(torch)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9)


def rosenbrock(library, start, dtype="float64", device="cpu", **options):
    p = library.tensor(start, dtype=getattr(library, dtype), device=device, requires_grad=True)
    optimizer = library.optim.LBFGS([p], **options)

    def closure():
        optimizer.zero_grad()
        loss = 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2
        loss.backward()
        return loss

    return p, optimizer, closure


@pytest.mark.parametrize("lr", [0.001, [0.001]])
def test_lbfgs_saves_the_step_of_a_rate_in_a_tensor_as_a_tensor(lr):
    kept = []
    for library in (cltorch, torch):
        p, optimizer, closure = rosenbrock(library, [-1.0, 2.0], lr=library.tensor(lr), max_iter=3)
        optimizer.step(closure)
        again = library.optim.LBFGS([p], lr=library.tensor(lr), max_iter=3)
        again.load_state_dict(optimizer.state_dict())
        again.step(closure)
        t = again.state_dict()["state"][0]["t"]
        assert isinstance(t, library.Tensor) and t.ndim == 0
        kept.append((t.item(), p.tolist()))
    assert kept[0][0] == kept[1][0]
    np.testing.assert_allclose(kept[0][1], kept[1][1], rtol=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 1e-3, "max_iter": 5},
        {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3},
        {"line_search_fn": "strong_wolfe", "lr": 0.5, "max_eval": 7},
    ],
)
def test_lbfgs_goes_pytorchs_way(options, device, fp64):
    if not fp64:
        pytest.skip("no float64 on this device")
    p, optimizer, closure = rosenbrock(cltorch, [-1.2, 1.0], device=device, **options)
    q, reference, other = rosenbrock(torch, [-1.2, 1.0], **options)
    for _ in range(5):
        assert optimizer.step(closure).item() == pytest.approx(reference.step(other).item(), rel=1e-9)
        np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), rtol=1e-9)
    for name in ("func_evals", "n_iter"):
        assert optimizer.state[p][name] == reference.state[q][name]


def test_lbfgs_checkpoints_go_both_ways():
    options = {"line_search_fn": "strong_wolfe", "max_iter": 3}
    p, optimizer, closure = rosenbrock(cltorch, [-1.2, 1.0], **options)
    q, reference, other = rosenbrock(torch, [-1.2, 1.0], **options)
    optimizer.step(closure)
    reference.step(other)

    def converted(state, library, tensor):
        if isinstance(state, dict):
            return {k: converted(v, library, tensor) for k, v in state.items()}
        if isinstance(state, list):
            return [converted(v, library, tensor) for v in state]
        return library.tensor(state.numpy()) if isinstance(state, tensor) else state

    p2, ours, closure2 = rosenbrock(cltorch, p.tolist(), **options)
    q2, theirs, other2 = rosenbrock(torch, q.tolist(), **options)
    kept, wanted = (next(iter(o.state_dict()["state"].values())) for o in (optimizer, reference))
    assert list(kept) == list(wanted)
    assert [type(v).__name__ for v in kept["ro"]] == [type(v).__name__ for v in wanted["ro"]]
    assert type(kept["H_diag"]).__name__ == type(wanted["H_diag"]).__name__
    ours.load_state_dict(converted(reference.state_dict(), cltorch, torch.Tensor))
    theirs.load_state_dict(converted(optimizer.state_dict(), torch, cltorch.Tensor))
    ours.step(closure2)
    theirs.step(other2)
    reference.step(other)
    assert p2.tolist() == pytest.approx(q.tolist(), rel=1e-8)
    assert q2.tolist() == pytest.approx(q.tolist(), rel=1e-8)


@pytest.mark.parametrize(
    "options",
    [{}, {"nesterov": False, "weight_decay": 0.0}, {"adjust_lr_fn": "match_rms_adamw", "ns_steps": 3}],
)
def test_muon_steps_as_pytorchs_does(options, device):
    def run(library, where):
        rng = np.random.default_rng(0)
        shapes = [(6, 9), (9, 6), (6, 9), (4, 4), (1, 5), (40, 3), (33, 34), (7, 2)]
        draw = lambda s: library.tensor(rng.standard_normal(s), dtype=library.float32).to(where)  # noqa: E731
        params = [library.nn.Parameter(draw(s)) for s in shapes]
        optimizer = library.optim.Muon(params, lr=0.1, **options)
        for _ in range(3):
            for p in params:
                p.grad = draw(tuple(p.shape))
            optimizer.step()
        return params, [optimizer.state[p]["momentum_buffer"] for p in params]

    (ours, buffers), (theirs, others) = run(cltorch, device), run(torch, "cpu")
    close(ours, theirs, 0.02, 0.02)  # the iterations are in bfloat16
    close(buffers, others, 1e-6, 1e-6)


@pytest.mark.parametrize(
    "change",
    [
        "s.pop('state')", "s['state'].update({7: {}})", "s['state'].update({0: 3})", "s['state'].update({w: {}})",
        "s.update(param_groups=3)", "s['param_groups'].append({})", "s.update(param_groups=[3])",
        "s['param_groups'][0].update(params=[w])", "s['param_groups'][0]['params'].append(1)",
        "s['param_groups'][0].pop('lr')", "ps.clear()", "o.state.clear()", "None",
    ],
)  # fmt: skip
def test_swapping_in_other_parameters_is_pytorchs(change):
    def run(library):
        w, v = (library.nn.Parameter(library.full((2,), x)) for x in (1.0, 5.0))
        w.grad, v.grad = library.ones(2), library.ones(2)
        o = library.optim.Adam([w], lr=0.5)
        o.step()
        s, ps = o.state_dict(), {"v": v}
        eval(change, {"s": s, "w": w, "o": o, "ps": ps})
        try:
            with library.optim.swap_in_optimizer_params_and_state(o, ps, s):
                o.param_groups[0]["lr"] = 1.0
                o.step()
        except RuntimeError as e:
            return str(e)
        return o.param_groups[0]["lr"], [round(x, 5) for x in (*w.tolist(), *v.tolist())], list(o.state)[0] is w

    assert run(cltorch) == run(torch)


@pytest.mark.parametrize(("name", "keys"), [("NAdam", ("mu_product",)), ("ASGD", ("eta", "mu"))])
def test_loaded_numbers_have_the_dtype_of_their_parameter_but_for_the_count(name, keys):
    def kinds(library, to):
        p = library.nn.Parameter(library.ones(2))
        p.grad = library.ones(2)
        first = getattr(library.optim, name)([p])
        first.step()
        other = library.nn.Parameter(library.ones(2, dtype=getattr(library, to)))
        other.grad = library.ones_like(other)
        second = getattr(library.optim, name)([other])
        second.load_state_dict(first.state_dict())
        found = {k: str(second.state[other][k].dtype) for k in ("step", *keys)}
        second.step()
        return found, other.detach().float().tolist()

    for to in ("float64", "float32", "bfloat16"):
        (mine, ours), (wanted, theirs) = kinds(cltorch, to), kinds(torch, to)
        assert mine == wanted and ours == pytest.approx(theirs, rel=1e-2)


def test_a_parameter_given_twice_has_pytorchs_number():
    def numbers(library):
        w, v = (library.nn.Parameter(library.ones(2)) for _ in range(2))
        w.grad, v.grad = library.ones(2), library.ones(2)
        with pytest.warns(UserWarning, match="duplicate parameters"):
            optimizer = library.optim.SGD([w, v, w], momentum=0.9)
        optimizer.step()
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
        return state["param_groups"][0]["params"], list(state["state"])

    assert numbers(cltorch) == numbers(torch)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_older_checkpoints_get_pytorchs_options(name, options):
    def loaded(library):
        _, optimizer = make(library, name, options)
        state = optimizer.state_dict()
        group = state["param_groups"][0]
        for option in "nesterov maximize foreach capturable differentiable fused amsgrad".split():
            if option in group:
                del group[option]
        optimizer.load_state_dict(state)
        return optimizer.state_dict()["param_groups"]

    assert loaded(cltorch) == loaded(torch)


def test_a_copy_has_the_attributes_of_pytorchs():
    def attributes(library):
        _, optimizer = make(library, "SGD", {})
        return [sorted(vars(x)) for x in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer)))]

    assert attributes(cltorch) == attributes(torch)


@pytest.mark.parametrize("first", [0.01, 1.0, 30.0])
def test_the_line_search_that_libraries_import_is_pytorchs(first):
    def search(library, **how):
        line = library.optim.lbfgs if library is cltorch else importlib.import_module("torch.optim.lbfgs")
        x = library.tensor([-1.2, 1.0], dtype=library.float64)

        def value(x, t, d):
            at = (x + t * d).requires_grad_()
            loss = 100 * (at[1] - at[0] ** 2) ** 2 + (1 - at[0]) ** 2
            return loss.item(), library.autograd.grad(loss, at)[0]

        f, g = value(x, 0.0, library.zeros_like(x))
        d = -g / 100
        found = line._strong_wolfe(value, x, first, d, f, g, g.dot(d), **how)
        slopes = [library.tensor(s, dtype=library.float64) for s in (-2.0, 1.5)]
        middle = line._cubic_interpolate(0.5, 3.0, slopes[0], 2.0, 2.5, slopes[1])
        return [found[0], *found[1].tolist(), float(found[2]), found[3], float(middle)]

    for how in ({}, {"c1": 0.3, "c2": 0.4}, {"max_ls": 2}, {"tolerance_change": 0.1}):
        assert search(cltorch, **how) == pytest.approx(search(torch, **how), rel=1e-9)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (1, 4)])
def test_the_matrix_that_libraries_ask_muon_for_is_pytorchs(shape, device):
    def made(library, where):
        muon = library.optim._muon
        grad = library.tensor(np.random.default_rng(0).standard_normal(shape), dtype=library.float32).to(where)
        x = muon._zeropower_via_newtonschulz(grad, (3.4445, -4.7750, 2.0315), 5, 1e-7)
        assert x.dtype is library.bfloat16
        return x, [muon._adjust_lr(0.1, name, (9, 4)) for name in (None, "original", "match_rms_adamw", "none")]

    (ours, rates), (theirs, others) = made(cltorch, device), made(torch, "cpu")
    close([ours], [theirs], 0.02, 0.02)
    assert rates == others
    with pytest.raises(ValueError, match="2D matrix"):
        cltorch.optim._muon._zeropower_via_newtonschulz(cltorch.ones(3), (1.0, 1.0, 1.0), 5, 1e-7)


def test_functional_forms_are_found_in_one_place():
    ours, theirs = (importlib.import_module(f"{name}.optim._functional") for name in ("cltorch", "torch"))
    for name in ours.__all__:
        assert getattr(ours, name) is getattr(importlib.import_module(f"cltorch.optim.{name}"), name)
        assert hasattr(theirs, name)
