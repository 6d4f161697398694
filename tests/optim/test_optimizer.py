"""What all optimisers share: arguments, groups, hooks, closures, gradients, checkpoints."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import cltorch
from cltorch.optim.optimizer import (
    _default_to_fused_or_foreach,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    required,
)

OPTIMIZERS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]


def parameter(*shape, device="cpu", dtype=cltorch.float32):
    return cltorch.nn.Parameter(cltorch.randn(shape, device=device).to(dtype))


def stepped(optimizer, times=1, seed=0):
    """Step with random gradients."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = cltorch.tensor(rng.standard_normal(tuple(p.shape))).to(p.dtype).to(p.device)
        optimizer.step()
    return optimizer


# ---- arguments ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_values_out_of_range_are_refused(name):
    make = getattr(cltorch.optim, name)
    with pytest.raises(ValueError, match="^Invalid learning rate: -1$"):
        make([parameter(1)], lr=-1)
    with pytest.raises(ValueError, match="^Invalid weight_decay value: -0.5$"):
        make([parameter(1)], weight_decay=-0.5)
    with pytest.raises(ValueError, match="^Tensor lr must be 1-element$"):
        make([parameter(1)], lr=cltorch.ones(2))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", {"momentum": -0.1}, "Invalid momentum value: -0.1"),
        ("SGD", {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
        (
            "SGD",
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            "Nesterov momentum requires a momentum and zero dampening",
        ),
        ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ("Adam", {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
        ("Adam", {"eps": -1.0}, "Invalid epsilon value: -1.0"),
        ("Adam", {"betas": (0.9, cltorch.tensor(0.9))}, "betas must be either both floats or both Tensors"),
        (
            "Adam",
            {"lr": cltorch.tensor(0.1), "foreach": True},
            "lr as a Tensor is not supported for capturable=False and foreach=True",
        ),
        ("RMSprop", {"alpha": -1}, "Invalid alpha value: -1"),
        ("RMSprop", {"momentum": -1}, "Invalid momentum value: -1"),
        ("Adagrad", {"lr_decay": -1}, "Invalid lr_decay value: -1"),
        ("Adagrad", {"initial_accumulator_value": -1}, "Invalid initial_accumulator_value value: -1"),
    ],
)
def test_options_of_one_optimiser_are_checked(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(cltorch.optim, name)([parameter(1)], **options)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_ways_that_exclude_each_other_are_refused(name):
    make = getattr(cltorch.optim, name)
    make([parameter(1)], foreach=True), make([parameter(1)], fused=True)
    with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together"):
        make([parameter(1)], foreach=True, fused=True)
    with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
        make([parameter(1)], fused=True, differentiable=True)


def test_what_cannot_be_optimised_is_refused():
    sgd = cltorch.optim.SGD
    with pytest.raises(ValueError, match="^optimizer got an empty parameter list$"):
        sgd([])
    with pytest.raises(
        TypeError,
        match="^params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
        "torch.FloatTensor$",
    ):
        sgd(cltorch.ones(2))
    with pytest.raises(TypeError, match="can only optimize Tensors, but one of the params is int$"):
        sgd([1])
    with pytest.raises(ValueError, match="^can't optimize a non-leaf Tensor$"):
        sgd([parameter(1) * 2])
    with pytest.raises(TypeError, match="organized in ordered collections"):
        sgd([{"params": {parameter(1)}}])
    with pytest.raises(TypeError, match="param_group must be a dict, but got <class 'list'>"):
        sgd([parameter(1)]).add_param_group([parameter(1)])
    kept = parameter(1) * 2
    kept.retain_grad()
    sgd([kept])


# ---- groups ------------------------------------------------------------------------------------------------------
def test_a_group_takes_the_defaults_that_it_does_not_give():
    a, b = parameter(1), parameter(2)
    optimizer = cltorch.optim.SGD([{"params": a, "lr": 0.5}], lr=0.1, momentum=0.9)
    optimizer.add_param_group({"params": (x for x in [b])})
    first, second = optimizer.param_groups
    assert (first["lr"], first["momentum"], second["lr"]) == (0.5, 0.9, 0.1)
    assert first["params"] == [a] and second["params"] == [b]
    assert list(first) == [
        "params", "lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize", "foreach", "differentiable",
        "fused",
    ]  # fmt: skip


def test_a_parameter_belongs_to_one_group_once():
    p = parameter(1)
    optimizer = cltorch.optim.SGD([p])
    with pytest.raises(ValueError, match="^some parameters appear in more than one parameter group$"):
        optimizer.add_param_group({"params": [p]})
    with pytest.warns(UserWarning, match="duplicate parameters"):
        cltorch.optim.SGD([p, p])


def test_a_required_option_must_be_given():
    class Needs(cltorch.optim.Optimizer):
        pass

    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Needs([parameter(1)], {"lr": required})
    assert Needs([{"params": parameter(1), "lr": 2}], {"lr": required}).param_groups[0]["lr"] == 2
    with pytest.raises(NotImplementedError):
        Needs([parameter(1)], {}).step()


def test_names_of_parameters_are_kept():
    model = cltorch.nn.Module()
    model.w, model.b = parameter(2), parameter(1)
    optimizer = cltorch.optim.SGD(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["w", "b"]
    assert optimizer.param_groups[0]["params"][0] is model.w
    state = optimizer.state_dict()
    assert state["param_groups"][0]["param_names"] == ["w", "b"]
    del state["param_groups"][0]["param_names"]
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["param_names"] == ["w", "b"]
    with pytest.raises(ValueError, match="Some param names are missing"):
        cltorch.optim.SGD([("w", model.w), model.b])
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [parameter(1)]})


def test_fused_steps_refuse_other_parameters():
    for dtype in (cltorch.complex64, cltorch.int32):
        p = cltorch.ones(2, dtype=dtype)
        with pytest.raises(RuntimeError, match="requires all the params to be floating point"):
            cltorch.optim.Adagrad([p], fused=True)


def test_repr_is_pytorchs():
    two = cltorch.optim.SGD([{"params": [parameter(1)]}, {"params": [parameter(1)], "lr": 0.2}], lr=0.1)
    assert "    weight_decay: 0\n\nParameter Group 1\n    dampening: 0\n" in repr(two)
    optimizer = cltorch.optim.SGD([parameter(1)], lr=0.1)
    assert repr(optimizer) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


# ---- gradients and closures --------------------------------------------------------------------------------------
def test_zero_grad_forgets_gradients_or_fills_them_with_zeros(device):
    p, untouched = parameter(3, device=device), parameter(2, device=device)
    optimizer = cltorch.optim.SGD([p, untouched])
    (p * p).sum().backward()
    grad = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is grad and grad.tolist() == [0, 0, 0]
    assert untouched.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_zero_grad_cuts_gradients_from_their_graph():
    p = parameter(3)
    (p**3).sum().backward(create_graph=True)
    assert p.grad.requires_grad
    cltorch.optim.SGD([p]).zero_grad(set_to_none=False)
    assert not p.grad.requires_grad and p.grad.grad_fn is None


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_closure_computes_gradients_and_its_loss_is_returned(name, device):
    p = parameter(3, device=device)
    optimizer = getattr(cltorch.optim, name)([p])
    before = p.detach().clone()

    def closure():
        optimizer.zero_grad()
        assert cltorch.is_grad_enabled()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with cltorch.no_grad():
        loss = optimizer.step(closure)
    assert abs(loss.item() - (before**2).sum().item()) < 1e-5
    assert (p.abs() <= before.abs()).all() and not (p == before).all()
    assert optimizer.step() is None


def test_a_step_leaves_grad_mode_as_it_was():
    optimizer = stepped(cltorch.optim.Adam([parameter(2)]))
    assert cltorch.is_grad_enabled()
    with cltorch.no_grad():
        optimizer.step()
        assert not cltorch.is_grad_enabled()


# ---- hooks -------------------------------------------------------------------------------------------------------
def test_hooks_of_steps_run_around_every_step_in_order():
    seen = []
    optimizer = cltorch.optim.SGD([parameter(1)])
    handles = [
        register_optimizer_step_pre_hook(lambda o, args, kw: seen.append("global pre")),
        optimizer.register_step_pre_hook(lambda o, args, kw: seen.append(("pre", o is optimizer, args[0] is o, kw))),
        optimizer.register_step_post_hook(lambda o, args, kw: seen.append("post")),
        register_optimizer_step_post_hook(lambda o, args, kw: seen.append("global post")),
    ]
    optimizer.step(closure=None)
    assert seen == ["global pre", ("pre", True, True, {"closure": None}), "post", "global post"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4


def test_a_function_is_made_a_step_with_hooks():
    class Still(cltorch.optim.Optimizer):
        pass

    optimizer, seen = Still([parameter(2)], {}), []
    Still.step = Still.profile_hook_step(lambda self: seen.append("step"))
    optimizer.register_step_pre_hook(lambda *_: seen.append("pre"))
    optimizer.register_step_post_hook(lambda *_: seen.append("post"))
    optimizer.step()
    assert seen == ["pre", "step", "post"]


def test_a_pre_hook_may_replace_the_arguments():
    optimizer = cltorch.optim.SGD([parameter(1)])
    with optimizer.register_step_pre_hook(lambda o, args, kw: (args, {"closure": lambda: 7})):
        assert optimizer.step() == 7
    with (
        optimizer.register_step_pre_hook(lambda o, args, kw: 3),
        pytest.raises(RuntimeError, match="must return None or a tuple of"),
    ):
        optimizer.step()


def test_a_step_that_calls_its_base_class_runs_hooks_once():
    class Twice(cltorch.optim.SGD):
        def step(self, closure=None):
            super().step()
            return super().step(closure)

    p = cltorch.nn.Parameter(cltorch.zeros(1))
    optimizer = Twice([p], lr=1.0)
    p.grad = cltorch.ones(1)
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    optimizer.step()
    assert seen == [1] and p.item() == -2


def test_hooks_of_state_dicts_see_and_replace_them():
    optimizer, seen = cltorch.optim.SGD([parameter(1)], lr=0.1), []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("second"))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "more": 1})
    state = optimizer.state_dict()
    assert seen == ["first", "second"] and state["more"] == 1

    def other_rate(o, d):
        d["param_groups"] = [{**d["param_groups"][0], "lr": 0.7}]

    optimizer.register_load_state_dict_pre_hook(other_rate)
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append(o.param_groups[0]["lr"]))
    optimizer.load_state_dict(state)
    assert seen[-1] == 0.7 and state["param_groups"][0]["lr"] == 0.1


# ---- checkpoints -------------------------------------------------------------------------------------------------
def test_the_state_dict_numbers_parameters_through_all_groups():
    a, b, c = parameter(1), parameter(2), parameter(3)
    optimizer = stepped(cltorch.optim.SGD([{"params": [a, b]}, {"params": [c], "lr": 0.5}], momentum=0.9))
    state = optimizer.state_dict()
    assert [g["params"] for g in state["param_groups"]] == [[0, 1], [2]]
    assert state["param_groups"][1]["lr"] == 0.5
    assert list(state["state"]) == [0, 1, 2]
    assert state["state"][1]["momentum_buffer"] is optimizer.state[b]["momentum_buffer"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_from_a_saved_state(name, device):
    options = {"momentum": 0.9} if name == "SGD" else {}

    def make():
        cltorch.manual_seed(5)
        params = [parameter(3, 4, device=device), parameter(5, device=device)]
        return params, getattr(cltorch.optim, name)(params, lr=0.1, **options)

    params, optimizer = make()
    stepped(optimizer, 3)
    file = io.BytesIO()
    cltorch.save({"params": [p.detach() for p in params], "optimizer": optimizer.state_dict()}, file)
    stepped(optimizer, 2, seed=9)

    others, fresh = make()
    file.seek(0)
    saved = cltorch.load(file)
    for p, value in zip(others, saved["params"], strict=True):
        p.data.copy_(value)
    fresh.load_state_dict(saved["optimizer"])
    stepped(fresh, 2, seed=9)
    for p, q in zip(params, others, strict=True):
        np.testing.assert_array_equal(p.detach().cpu().numpy(), q.detach().cpu().numpy())


def test_loaded_state_goes_to_the_device_and_dtype_of_its_parameter(cl_device):
    source = stepped(cltorch.optim.Adam([parameter(3, dtype=cltorch.float64)]))
    p = parameter(3, device=cl_device)
    target = cltorch.optim.Adam([p])
    target.load_state_dict(source.state_dict())
    state = target.state[p]
    assert (state["exp_avg"].device, state["exp_avg"].dtype) == (p.device, cltorch.float32)
    assert (state["step"].device.type, state["step"].item()) == ("cpu", 1.0)


def test_a_count_that_lies_on_a_device_is_brought_to_the_host(cl_device):
    p = parameter(3, device=cl_device)
    optimizer = stepped(cltorch.optim.Adam([p]))
    optimizer.state[p]["step"] = optimizer.state[p]["step"].to(cl_device)
    stepped(optimizer)
    assert (optimizer.state[p]["step"].device.type, optimizer.state[p]["step"].item()) == ("cpu", 2.0)


def test_a_count_of_another_dtype_goes_on(device):
    p = parameter(3, device=device)
    optimizer = stepped(cltorch.optim.Adam([p]))
    optimizer.state[p]["step"] = cltorch.tensor(5)
    stepped(optimizer)
    assert optimizer.state[p]["step"].item() == 6.0


def test_a_state_of_other_shapes_is_refused_by_the_step(device):
    optimizer = cltorch.optim.Adam([parameter(4, device=device)])
    optimizer.load_state_dict(stepped(cltorch.optim.Adam([parameter(3)])).state_dict())
    with pytest.raises(RuntimeError, match="different shapes"):
        stepped(optimizer)


def test_a_state_of_other_groups_is_refused():
    one = cltorch.optim.SGD([parameter(1)])
    with pytest.raises(ValueError, match="^loaded state dict has a different number of parameter groups$"):
        cltorch.optim.SGD([{"params": parameter(1)}, {"params": parameter(1)}]).load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="that doesn't match the size of optimizer's group$"):
        cltorch.optim.SGD([parameter(1), parameter(1)]).load_state_dict(one.state_dict())


def test_states_of_older_checkpoints_are_completed():
    p = parameter(3)
    optimizer = stepped(cltorch.optim.Adam([p]))
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["step"] = 7
    for name in ("maximize", "capturable", "fused", "decoupled_weight_decay"):
        del state["param_groups"][0][name]
    optimizer.load_state_dict(state)
    stepped(optimizer)
    assert optimizer.state[p]["step"].item() == 8.0
    group = optimizer.param_groups[0]
    assert (group["maximize"], group["decoupled_weight_decay"]) == (False, False)


def test_adamw_stays_decoupled_when_adams_state_is_loaded():
    optimizer = cltorch.optim.AdamW([parameter(1)])
    optimizer.load_state_dict(cltorch.optim.Adam([parameter(1)]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_a_copy_is_independent_and_complete(duplicate, device):
    p = parameter(3, device=device)
    optimizer = stepped(cltorch.optim.Adam([p], lr=0.1))
    other = duplicate(optimizer)
    (q,) = other.param_groups[0]["params"]
    assert q is not p and other.state[q]["step"].item() == 1.0
    before = p.detach().cpu().numpy().copy()
    stepped(other, seed=4)
    np.testing.assert_array_equal(p.detach().cpu().numpy(), before)
    stepped(optimizer, seed=4)
    np.testing.assert_array_equal(p.detach().cpu().numpy(), q.detach().cpu().numpy())
    assert optimizer.state[p]["step"].item() == other.state[q]["step"].item() == 2.0


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_fused_steps_on_the_host_may_be_called_capturable(name):
    ways = []
    for options in ({}, {"capturable": True}):
        p = cltorch.nn.Parameter(cltorch.ones(2))
        ways.append(stepped(getattr(cltorch.optim, name)([p], lr=0.1, fused=True, **options), 2))
    one, two = (o.param_groups[0]["params"][0].tolist() for o in ways)
    assert one == two != [1.0, 1.0]


def test_sparse_adam_refuses_complex_parameters():
    with pytest.raises(
        ValueError, match=r"Complex params at indices \[\[0, 1\]\]: SparseAdam does not support complex"
    ):
        cltorch.optim.SparseAdam([cltorch.rand(2), cltorch.rand(2, dtype=cltorch.complex64)])


def test_other_libraries_are_told_where_functions_of_lists_serve(device):
    params = [parameter(2, device=device), None]
    on_device = device != "cpu"
    assert _default_to_fused_or_foreach(params, False, use_fused=True) == (False, on_device)
    assert _default_to_fused_or_foreach(params, True) == (False, False)
    assert _default_to_fused_or_foreach([*params, cltorch.ones(1)], False) == (False, False)


@pytest.mark.parametrize("name", ["cltorch", "torch"])
def test_an_optimiser_and_a_schedule_of_another_library(name):
    """They are derived from the private parts of PyTorch's."""
    lib = pytest.importorskip(name)
    module = importlib.import_module(f"{lib.__name__}.optim.optimizer")
    schedules = importlib.import_module(f"{lib.__name__}.optim.lr_scheduler")

    class Signs(lib.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr, "differentiable": False})

        @module._use_grad_for_differentiable
        def step(self, closure=None):
            assert not lib.is_grad_enabled()
            self._accelerator_graph_capture_health_check()
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    state.setdefault("step", lib.tensor(0.0, dtype=module._get_scalar_dtype())).add_(1)
                    p.sub_(p.grad.sign() * group["lr"] / module._get_value(state["step"]))

    class Halves(schedules._LRScheduler):
        def get_lr(self):
            schedules._warn_get_lr_called_within_step(self)
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    p = lib.nn.Parameter(lib.tensor([1.0, -2.0]))
    optimizer = Signs([p], lr=1.0)
    schedule = Halves(optimizer)
    for _ in range(2):
        p.grad = p.detach().clone()
        optimizer.step()
        schedule.step()
    assert p.tolist() == [0.0, -0.75] and optimizer._zero_grad_profile_name == "Optimizer.zero_grad#Signs.zero_grad"
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        schedule.get_lr()
    assert schedule.get_last_lr() == [pytest.approx(1 / 3)]
    wide = optimizer._process_value_according_to_param_policy(p, lib.ones(2, dtype=lib.float64), 0, [], "exp_avg")
    assert wide.dtype == lib.float32
    pairs = [lib.nn.Parameter(lib.ones(2, dtype=lib.complex64)), p]
    module._view_as_real(pairs)
    assert pairs[0].shape == (2, 2) and pairs[1] is p


def test_a_wrapper_with_its_own_init_asks_for_hooks(device):
    class Wrapper(cltorch.optim.Optimizer):
        def __init__(self, base):
            self.base = base
            self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks = OrderedDict(), OrderedDict()
            self._patch_step_function()

        def step(self, closure=None):
            return self.base.step(closure)

    p = parameter(2, device=device)
    wrapper = Wrapper(cltorch.optim.SGD([p], lr=0.5))
    seen = []
    wrapper.register_step_pre_hook(lambda *args: seen.append("before"))
    wrapper.register_step_post_hook(lambda *args: seen.append("after"))
    p.grad = cltorch.ones_like(p)
    wrapper.step()
    Wrapper.step = lambda self: seen.append("own")  # replaced later, it has none until it is asked for again
    assert not getattr(Wrapper.step, "hooked", False)
    wrapper._patch_step_function()
    wrapper.step()
    assert seen == ["before", "after", "before", "own", "after"] and Wrapper.step.hooked


def test_an_optimizer_of_another_library_finds_what_it_is_made_of():
    there = cltorch.optim.optimizer
    w, v = (cltorch.ones(2, dtype=t) for t in (cltorch.float32, cltorch.float64))
    groups = there.Optimizer._group_tensors_by_device_and_dtype([[w, v, w], [1, 2, 3]])
    assert [lists for lists, _ in groups.values()] == [[[w, w], [1, 3]], [[v], [2]]]
    assert there._get_capturable_supported_devices() == ["cl"] and there._stack_if_compiling([w])[0] is w
    assert (
        there.DeviceDict == there.DeviceDtypeDict and there._default_to_fused_or_foreach([w], False, True)[0] is False
    )
    with pytest.raises(RuntimeError, match="`fused=True` requires"):  # for there is no such function to be called
        there._device_dtype_check_for_fused(w)
    docs = (
        there._params_doc,
        there._foreach_doc,
        there._fused_doc,
        there._capturable_doc,
        there._differentiable_doc,
        there._maximize_doc,
    )
    names = "params foreach fused capturable differentiable maximize".split()
    assert [doc.split()[0] for doc in docs] == names
