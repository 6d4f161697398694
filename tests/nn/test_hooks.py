"""Hooks of modules of every kind, with PyTorch's order of calls. Every promise is checked on PyTorch as well."""

from __future__ import annotations

import copy
import importlib
import pickle
from collections import OrderedDict

import pytest

import cltorch
from cltorch import nn


def registry(lib):
    """Return the module that has the functions for hooks of all modules."""
    return importlib.import_module(f"{lib.__name__}.nn.modules.module")


# ---- forward -----------------------------------------------------------------------------------------------------
def test_forward_hooks_run_in_order_and_replace_what_they_return(lib):
    m, calls = lib.nn.Identity(), []
    m.register_forward_pre_hook(lambda mod, args: calls.append("pre") or (args[0] + 1,))
    m.register_forward_pre_hook(lambda mod, args: calls.append("pre2"))
    m.register_forward_pre_hook(lambda mod, args: calls.append("first") or args[0] * 10, prepend=True)
    m.register_forward_hook(lambda mod, args, out: calls.append("post") or out + 100)
    m.register_forward_hook(lambda mod, args, out: calls.append(("post first", out.tolist())), prepend=True)
    assert m(lib.tensor([1.0])).tolist() == [111.0]
    assert calls == ["first", "pre", "pre2", ("post first", [11.0]), "post"]


def test_hooks_can_see_and_change_keyword_arguments(lib):
    class Scaled(lib.nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    m, seen = Scaled(), []
    m.register_forward_pre_hook(lambda mod, args, kw: (args, {"scale": kw["scale"] + 1}), with_kwargs=True)
    m.register_forward_hook(lambda mod, args, kw, out: seen.append(dict(kw)) or out + 0.5, with_kwargs=True)
    assert m(lib.ones(1), scale=2.0).tolist() == [3.5]
    assert seen == [{"scale": 3.0}]
    m.register_forward_pre_hook(lambda mod, args, kw: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple of"):
        m(lib.ones(1), scale=2.0)


def test_a_handle_takes_its_hook_away_and_works_in_a_with_block(lib):
    m, calls = lib.nn.Identity(), []
    handle = m.register_forward_hook(lambda *_: calls.append(1))
    m(1)
    handle.remove()
    handle.remove()
    m(1)
    with m.register_forward_pre_hook(lambda *_: calls.append(2)):
        m(1)
    m(1)
    assert calls == [1, 2]
    assert not m._forward_hooks and not m._forward_pre_hooks


def test_hooks_called_always_run_after_an_error_too(lib):
    class Broken(lib.nn.Module):
        def forward(self, x):
            raise RuntimeError("broken")

    m, calls = Broken(), []
    m.register_forward_hook(lambda *_: calls.append("never"))
    m.register_forward_hook(lambda *_: calls.append("always"), always_call=True)
    with pytest.raises(RuntimeError, match="broken"):
        m(1)
    assert calls == ["always"]

    def worse(*_):
        raise ValueError("worse")

    m.register_forward_hook(worse, always_call=True)
    with pytest.warns(UserWarning, match="silenced as another error was raised in forward: worse"):
        with pytest.raises(RuntimeError, match="broken"):
            m(1)


def test_a_hook_called_always_runs_once_when_a_later_hook_fails(lib):
    m, calls = lib.nn.Identity(), []
    m.register_forward_hook(lambda *_: calls.append("always"), always_call=True)

    def fails(*_):
        raise RuntimeError("late")

    m.register_forward_hook(fails)
    with pytest.raises(RuntimeError, match="late"):
        m(1)
    assert calls == ["always"]


def test_hooks_of_all_modules_run_before_a_modules_own(lib):
    m, calls = lib.nn.Sequential(lib.nn.Identity()), []
    own = m[0].register_forward_pre_hook(lambda *_: calls.append("own"))
    everywhere = registry(lib)
    handles = [
        everywhere.register_module_forward_pre_hook(lambda mod, _: calls.append(f"pre {type(mod).__name__}")),
        everywhere.register_module_forward_hook(lambda mod, *_: calls.append(f"post {type(mod).__name__}")),
    ]
    try:
        m(1)
    finally:
        for h in handles:
            h.remove()
    assert calls == ["pre Sequential", "pre Identity", "own", "post Identity", "post Sequential"]
    own.remove()
    m(1)
    assert len(calls) == 5


# ---- registration ------------------------------------------------------------------------------------------------
def test_registration_hooks_see_and_replace_members(lib):
    everywhere, seen = registry(lib), []

    def note(kind, value=None):
        return lambda mod, name, member: seen.append((kind, name)) or value

    replaced = lib.nn.Tanh()
    handles = [
        everywhere.register_module_parameter_registration_hook(note("parameter")),
        everywhere.register_module_buffer_registration_hook(note("buffer")),
        everywhere.register_module_module_registration_hook(note("module", replaced)),
    ]
    try:
        m = lib.nn.Module()
        m.w = lib.nn.Parameter(lib.ones(1))
        m.register_buffer("b", lib.ones(1))
        m.child = lib.nn.ReLU()
        m.add_module("other", lib.nn.ReLU())
    finally:
        for h in handles:
            h.remove()
    assert seen == [("parameter", "w"), ("buffer", "b"), ("module", "child"), ("module", "other")]
    assert m.child is replaced and m.other is replaced


# ---- backward ----------------------------------------------------------------------------------------------------
def test_a_full_backward_hook_gets_the_gradients_of_inputs_and_outputs(lib):
    class Product(lib.nn.Module):
        def forward(self, a, b, c):
            return a * b * c, a + b

    m, seen = Product(), []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go)))
    a, b = (lib.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    first, second = m(a, b, 4.0)
    (first * 10 + second).sum().backward()
    ((ga, gb, gc), (g1, g2)) = seen[0]
    assert (ga.tolist(), gb.tolist(), gc) == ([121.0], [81.0], None)
    assert (g1.tolist(), g2.tolist()) == ([10.0], [1.0])
    assert a.grad.tolist() == [121.0] and b.grad.tolist() == [81.0]


def test_backward_hooks_replace_gradients(lib):
    m = lib.nn.Linear(2, 1, bias=False)
    m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 0 + 7,))
    x = lib.ones(1, 2, requires_grad=True)
    m(x).sum().backward()
    assert x.grad.tolist() == [[7.0, 7.0]]
    assert m.weight.grad.tolist() == [[2.0, 2.0]]


def test_backward_hooks_run_in_order_of_the_graph(lib):
    calls = []
    m = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Linear(1, 1))
    for i, layer in enumerate(m):
        layer.register_full_backward_pre_hook(lambda *_, i=i: calls.append(f"pre {i}"))
        layer.register_full_backward_hook(lambda *_, i=i: calls.append(f"post {i}"))
        layer.register_full_backward_hook(lambda *_, i=i: calls.append(f"first {i}"), prepend=True)
    m(lib.ones(1, 1, requires_grad=True)).sum().backward()
    assert calls == ["pre 1", "first 1", "post 1", "pre 0", "first 0", "post 0"]


def test_a_backward_hook_runs_where_no_input_requires_a_gradient(lib):
    m, seen = lib.nn.Linear(1, 1), []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go[0].tolist())))
    with pytest.warns(UserWarning, match="Full backward hook is firing when gradients are computed with respect to"):
        m(lib.ones(1, 1)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_backward_hooks_do_nothing_without_gradients(lib):
    m, seen = lib.nn.Linear(1, 1), []
    m.register_full_backward_hook(lambda *_: seen.append(1))
    with lib.no_grad():
        assert m(lib.ones(1, 1)).shape == (1, 1)
    assert not seen


def test_a_wrong_number_of_gradients_is_refused(lib):
    m = lib.nn.Identity()
    x = lib.ones(1, requires_grad=True)
    with m.register_full_backward_hook(lambda mod, gi, go: (gi[0], gi[0])):
        with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
            m(x * 1).sum().backward()
    with m.register_full_backward_pre_hook(lambda mod, go: (go[0], go[0])):
        with pytest.raises(RuntimeError, match="invalid number of grad_output, got 2, but expected 1"):
            m(x * 1).sum().backward()


def test_the_two_kinds_of_backward_hooks_exclude_each_other(lib):
    m = lib.nn.Identity()
    m.register_full_backward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        m.register_backward_hook(lambda *_: None)
    m = lib.nn.Identity()
    m.register_backward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        m.register_full_backward_hook(lambda *_: None)


@pytest.mark.filterwarnings("ignore:Using a non-full backward hook")
def test_the_old_backward_hook_is_tied_to_the_last_operation(lib):
    class Scaled(lib.nn.Module):
        def forward(self, x):
            return (x * 3).exp()

    m, seen = Scaled(), []
    m.register_backward_hook(lambda mod, gi, go: seen.append((len(gi), go[0].tolist())))
    m(lib.zeros(1, requires_grad=True)).sum().backward()
    assert seen == [(1, [1.0])]


def test_backward_hooks_of_all_modules_run(lib):
    everywhere, calls = registry(lib), []
    handles = [
        everywhere.register_module_full_backward_pre_hook(lambda mod, go: calls.append("pre")),
        everywhere.register_module_full_backward_hook(lambda mod, gi, go: calls.append("post")),
    ]
    try:
        lib.nn.Tanh()(lib.ones(1, requires_grad=True)).sum().backward()
    finally:
        for h in handles:
            h.remove()
    assert calls == ["pre", "post"]


def test_backward_hooks_warn_of_outputs_that_are_no_tensors(lib):
    class Wrapped(lib.nn.Module):
        def forward(self, x):
            return {"y": x * 2}

    m = Wrapped()
    m.register_full_backward_hook(lambda *_: None)
    with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple of Tensors"):
        m(lib.ones(1, requires_grad=True))


def test_hooks_work_on_devices_and_under_double_backward(device):
    m = nn.Linear(2, 1).to(device)
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 3,))
    x = cltorch.ones(1, 2, device=device, requires_grad=True)
    (g,) = cltorch.autograd.grad((m(x) ** 2).sum(), x, create_graph=True)
    assert g.requires_grad
    g.sum().backward()
    expected = 3 * 2 * float(m.weight.sum()) * m.weight[0]
    # the first gradient is 3 · 2 y w, so its derivative is 6 (Σw) w, which the hook multiplies by 3 once more
    assert x.grad[0].tolist() == pytest.approx((expected * 3).tolist(), rel=1e-4)


# ---- copies ------------------------------------------------------------------------------------------------------
def double_output(module, args, output):
    """Double a result; a hook that pickle can find by name."""
    return output * 2


def test_hooks_are_copied_and_pickled_with_their_module(lib):
    m = lib.nn.Identity()
    m.register_forward_hook(double_output)
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert twin(3) == 6
    m._forward_hooks.clear()
    assert copy.deepcopy(m)(3) == 3


def test_a_handle_survives_pickling():
    m = nn.Identity()
    handle = m.register_forward_hook(double_output)
    twin = pickle.loads(pickle.dumps((m, handle)))
    assert twin[0](1) == 2
    twin[1].remove()
    assert twin[0](1) == 1 and m(1) == 2


def test_backward_hooks_see_zeros_for_inputs_that_need_no_gradient(lib):
    class Two(lib.nn.Module):
        def forward(self, x, y):
            return x * 2, y * 3

    m, seen = Two(), []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append(([g.tolist() for g in gi], go[1])))
    a, b = m(lib.ones(1, requires_grad=True), lib.ones(1))
    assert a.requires_grad and not b.requires_grad
    assert a.grad_fn.name() == "BackwardHookFunctionBackward"
    a.sum().backward()
    assert seen == [([[2.0], [0.0]], None)]


def test_what_hooks_return_has_the_kind_of_what_they_replace(lib):
    m = lib.nn.Linear(2, 1)
    x = lib.ones(1, 2, requires_grad=True)
    with m.register_full_backward_hook(lambda mod, gi, go: (lib.ones(3),)):
        with pytest.raises(RuntimeError, match="has changed the size of value"):
            m(x).sum().backward()
    y = x * 2
    for new, error, match in (
        (lib.ones(3), RuntimeError, "has changed the size of value"),
        (lib.ones(1, 2, dtype=lib.float16), RuntimeError, "was torch.FloatTensor got torch.HalfTensor"),
        (5, TypeError, "expected Variable, but hook returned 'int'"),
    ):
        for at in (x, y):
            with at.register_hook(lambda g, new=new: new), pytest.raises(error, match=match):
                y.sum().backward(retain_graph=True)
    with y.grad_fn.register_hook(lambda gi, go: go[0]), pytest.raises(TypeError, match="expected tuple"):
        y.sum().backward(retain_graph=True)


def test_last_node_hooks_warn_of_what_they_miss(lib):
    class Pair(lib.nn.Module):
        def forward(self, x, k=None):
            return x * 2, x * 3

    x = lib.ones(1, 2, requires_grad=True) * 1
    for m, args, match in (
        (lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Tanh()), (x,), "forward contains multiple autograd Nodes"),
        (Pair(), (x,), "outputs are generated by different autograd Nodes"),
        (Pair(), (x, 3), "does not take as input a single Tensor or a tuple of Tensors"),
    ):
        m.register_backward_hook(lambda *_: None)
        with pytest.warns(FutureWarning, match=match):
            m(*args)


def test_handles_are_of_one_class_with_weak_dictionaries(lib):
    handle_class = importlib.import_module(f"{lib.__name__}.utils.hooks").RemovableHandle
    x = lib.ones(1, requires_grad=True)
    assert all(
        isinstance(h, handle_class) for h in (x.register_hook(print), lib.nn.ReLU().register_forward_hook(print))
    )
    hooks, notes = OrderedDict(), OrderedDict()
    handle = handle_class(hooks, extra_dict=notes)
    hooks[handle.id] = notes[handle.id] = 1
    with handle:
        pass
    assert not hooks and not notes
    with pytest.raises(TypeError, match="weak reference"):
        handle_class({})


@pytest.mark.parametrize("register", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_what_lies_between_full_backward_hooks_is_not_changed_in_place(register, lib):
    """Outputs and inputs are passed through nodes of their own, whose gradients a change in place would pass by."""
    layer = lib.nn.Linear(2, 2)
    getattr(layer, register)(lambda *_: None)
    x = lib.ones(1, 2, requires_grad=True)
    for change in (lambda y: y.add_(1), lambda y: y.relu_(), lambda y: y[0].mul_(2)):
        with pytest.raises(RuntimeError, match="is being modified inplace. This view was created inside a"):
            change(layer(x))
    assert layer(x).clone().add_(1).requires_grad

    class Changes(lib.nn.Module):
        def forward(self, x):
            return x.add_(1)

    changes = Changes()
    getattr(changes, register)(lambda *_: None)
    with pytest.raises(RuntimeError, match="Output 0 of BackwardHookFunction is a view"):
        changes(x * 1)
    with lib.no_grad():
        assert changes(lib.zeros(1, 2)).tolist() == [[1.0, 1.0]]


def test_programs_forget_all_hooks_by_new_dictionaries(lib):
    module = registry(lib)
    names = [n for n in vars(module) if n.startswith("_global_") and n.endswith(("forward_hooks", "forward_pre_hooks"))]
    kept, calls = {n: getattr(module, n) for n in names}, []
    try:
        module.register_module_forward_hook(lambda *args: calls.append("first"))
        for n in names:
            setattr(module, n, OrderedDict())
        lib.nn.Identity()(1)
        module.register_module_forward_pre_hook(lambda *args: calls.append("second"))
        lib.nn.Identity()(1)
        assert calls == ["second"]
    finally:
        for n, hooks in kept.items():
            hooks.clear()
            setattr(module, n, hooks)


def test_every_way_of_calling_runs_the_hooks(lib):
    class Own(lib.nn.Module):
        def forward(self, x):
            return x + 1

        def __call__(self, x):
            return self._call_impl(x) * 10

    m, calls = Own(), []
    m.register_forward_hook(lambda *args: calls.append(1))
    assert (m(1), m._wrapped_call_impl(1), m._slow_forward(1), m._compiled_call_impl) == (20, 2, 2, None)
    assert calls == [1, 1] and m._get_backward_pre_hooks() == [] and m._get_backward_hooks() == ([], [])


def test_a_gradient_of_another_size_is_refused_by_the_hooks_name(lib):
    layer = lib.nn.Sigmoid()
    layer.register_full_backward_hook(lambda module, grads, others: (lib.ones(1),))
    with pytest.raises(RuntimeError, match="hook 'hook' has changed the size of value"):
        layer(lib.ones(2, 3, requires_grad=True)).sum().backward()
