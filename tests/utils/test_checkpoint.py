"""Activation checkpointing: the same gradients, random numbers and dtypes in both ways, less kept, and the errors."""

from __future__ import annotations

import functools
import gc
import weakref

import pytest

import cltorch
from cltorch.ops import generator as generators
from cltorch.ops import matmul
from cltorch.utils.checkpoint import (
    CheckpointError,
    CheckpointPolicy,
    GraphExecGroup,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
    get_device_states,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
    set_device_states,
)

BOTH = pytest.mark.parametrize("reentrant", [False, True])


def net(device):
    return cltorch.nn.Sequential(
        cltorch.nn.Linear(4, 8), cltorch.nn.GELU(), cltorch.nn.Dropout(0.5), cltorch.nn.Linear(8, 8), cltorch.nn.Tanh(),
        cltorch.nn.LayerNorm(8), cltorch.nn.Linear(8, 2),
    ).to(device)  # fmt: skip


def gradients(model, x, run):
    cltorch.manual_seed(3)
    model.zero_grad()
    x = x.detach().requires_grad_()
    y = run(x)
    after = cltorch.rand(1, device=x.device).item()
    y.square().sum().backward()
    return [x.grad, *(p.grad.clone() for p in model.parameters())], after


@BOTH
def test_gradients_and_random_numbers_are_the_same(device, reentrant):
    model, x = net(device), cltorch.randn(5, 4, device=device)
    wanted, number = gradients(model, x, model)
    found, after = gradients(model, x, lambda x: checkpoint(model, x, use_reentrant=reentrant))
    assert number == after
    for a, b in zip(found, wanted, strict=True):
        assert cltorch.equal(a, b)
    parts, _ = gradients(model, x, lambda x: checkpoint_sequential(model, 3, x, use_reentrant=reentrant))
    for a, b in zip(parts, wanted, strict=True):
        assert cltorch.equal(a, b)


def test_the_function_runs_again_only_in_the_backward_pass():
    runs = []

    def f(x):
        runs.append(1)
        return x.exp().sin()

    x = cltorch.ones(3, requires_grad=True)
    for reentrant in (False, True):
        runs.clear()
        y = checkpoint(f, x, use_reentrant=reentrant)
        assert len(runs) == 1
        y.sum().backward()
        assert len(runs) == 2
    with cltorch.no_grad():
        assert not checkpoint(f, x, use_reentrant=False).requires_grad


def test_what_lies_between_is_not_kept_and_given_back_after_use():
    alive = []

    def f(x):
        y = x.exp()
        alive.append(weakref.ref(y._storage))
        return y.sin()

    x = cltorch.ones(3, requires_grad=True)
    y = checkpoint(f, x, use_reentrant=False)
    gc.collect()
    assert alive[0]() is None
    y.sum().backward()
    gc.collect()
    assert len(alive) == 2 and alive[1]() is None


def test_it_works_with_grad_keywords_and_twice():
    x = cltorch.tensor([0.5, 1.0], requires_grad=True, dtype=cltorch.float64)
    y = checkpoint(lambda x, *, by: (x * by).exp(), x, use_reentrant=False, by=2.0).sum()
    (g,) = cltorch.autograd.grad(y, x, retain_graph=True)
    (again,) = cltorch.autograd.grad(y, x)
    assert cltorch.allclose(g, 2 * (2 * x).exp()) and cltorch.equal(g, again)


def test_it_can_be_differentiated_twice():
    x = cltorch.tensor([0.5, 1.0], requires_grad=True, dtype=cltorch.float64)
    f = lambda x: checkpoint(lambda x: x.sin() * x, x, use_reentrant=False)  # noqa: E731
    assert cltorch.autograd.gradcheck(f, (x,))
    assert cltorch.autograd.gradgradcheck(f, (x,))


def test_checkpoints_nest(device):
    inner, outer = net(device), cltorch.nn.Linear(2, 2).to(device)

    def f(x):
        return outer(checkpoint(inner, x, use_reentrant=False)).tanh()

    both = cltorch.nn.ModuleList([inner, outer])
    x = cltorch.randn(3, 4, device=device)
    wanted, _ = gradients(both, x, lambda x: outer(inner(x)).tanh())
    found, _ = gradients(both, x, lambda x: checkpoint(f, x, use_reentrant=False))
    for a, b in zip(found, wanted, strict=True):
        assert cltorch.equal(a, b)


@BOTH
def test_the_second_run_is_cast_as_the_first(reentrant):
    seen = []

    def f(x):
        y = x @ x
        seen.append(y.dtype)
        return y.float().sin()

    x = cltorch.randn(2, 2, requires_grad=True)
    with cltorch.autocast("cpu"):
        y = checkpoint(f, x, use_reentrant=reentrant)
    y.sum().backward()
    assert seen == [cltorch.bfloat16, cltorch.bfloat16] and x.grad.dtype is cltorch.float32


@pytest.mark.parametrize("early_stop", [False, True])
def test_gradients_within_checkpoints_within_checkpoints(device, early_stop):
    def grad(f):
        def wrapped(x):
            with cltorch.enable_grad():
                return cltorch.autograd.grad(f(x), x, create_graph=True)[0]

        return wrapped

    def kept(f):
        return lambda x: checkpoint(f, x, use_reentrant=False)

    def f(x):
        return x.sin().exp().sin()

    x = cltorch.tensor(0.7, device=device, requires_grad=True)
    once, twice = grad(f)(x).item(), grad(grad(f))(x).item()
    with set_checkpoint_early_stop(early_stop):
        for g in (grad(kept(f)), grad(kept(kept(f))), kept(grad(kept(f)))):
            assert g(x).item() == pytest.approx(once, rel=1e-5)
        for g in (grad(kept(grad(f))), kept(grad(grad(kept(f)))), grad(kept(grad(kept(f))))):
            assert g(x).item() == pytest.approx(twice, rel=1e-5)


def test_what_wants_no_gradient_comes_back_itself():
    class Seen(cltorch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(y)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            seen.extend(ctx.saved_tensors)
            return g, None

    seen, x, y = [], cltorch.ones(1, requires_grad=True), cltorch.ones(1)
    checkpoint(Seen.apply, x, y, use_reentrant=False).backward()
    assert seen[0] is y


def test_a_group_of_backward_passes_computes_once(device):
    def f(x):
        calls.append(1)
        y = x.sin().cos()
        return y, y.sin().cos()

    calls = []
    x = cltorch.tensor([0.3, 0.7], device=device, requires_grad=True)
    y, z = checkpoint(f, x, use_reentrant=False)
    with GraphExecGroup():
        (g,) = cltorch.autograd.grad(z.sum(), y)
        (in_parts,) = cltorch.autograd.grad(y, x, g)
    assert len(calls) == 2
    y, z = checkpoint(f, x, use_reentrant=False)
    (g,) = cltorch.autograd.grad(z.sum(), y)
    assert cltorch.equal(cltorch.autograd.grad(y, x, g)[0], in_parts) and len(calls) == 5
    z = checkpoint(f, x, use_reentrant=False)[1].sum()
    with GraphExecGroup() as group:
        z.backward(retain_graph=True)
        with pytest.raises(CheckpointError, match="two backward calls that overlap"):
            z.backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="cannot be nested"), group:
            pass


def test_it_stops_early_unless_told_otherwise():
    ends = []

    def f(x):
        y = x.exp()
        y = y.sin()
        ends.append(1)
        return y

    x = cltorch.ones(2, requires_grad=True)
    checkpoint(f, x, use_reentrant=False).sum().backward()
    assert len(ends) == 1
    with set_checkpoint_early_stop(False):
        y = checkpoint(f, x, use_reentrant=False)
    y.sum().backward()
    assert len(ends) == 3


def test_a_second_run_that_differs_is_noticed():
    sizes = iter([2, 3, 2, 3])

    def other_shape(x):
        return x.expand(next(sizes)).exp().sum()

    x = cltorch.ones(1, requires_grad=True)
    y = checkpoint(other_shape, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="different metadata"):
        y.backward()
    flags = iter([True, False] * 2)

    def fewer(x):
        y = x.exp()
        return y.sin() if next(flags) else y + 1

    y = checkpoint(fewer, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="A different number of tensors was saved"):
        y.backward()
    with set_checkpoint_debug_enabled(True):
        y = checkpoint(fewer, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="recomputed: {'shape': torch.Size\\(\\[1\\]\\)"):
        y.backward()


def test_contexts_surround_both_runs():
    seen = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            seen.append(self.name)

        def __exit__(self, *exc):
            seen.append("end of " + self.name)

    x = cltorch.ones(2, requires_grad=True)
    y = checkpoint(lambda x: x.exp(), x, use_reentrant=False, context_fn=lambda: (Note("first"), Note("second")))
    y.sum().backward()
    assert seen == ["first", "end of first", "second", "end of second"]


def selected(f, *args, keep, **options):
    contexts = functools.partial(create_selective_checkpoint_contexts, keep, **options)
    return checkpoint(f, *args, use_reentrant=False, context_fn=contexts)


MM, SIN = cltorch.ops.aten.mm.default, cltorch.ops.aten.sin.default


def test_chosen_results_are_kept(device, monkeypatch):
    runs = []
    forward = matmul.Linear.forward
    monkeypatch.setattr(matmul.Linear, "forward", staticmethod(lambda *a: runs.append(1) or forward(*a)))
    model = net(device)
    x = cltorch.randn(3, 4, device=device)
    want, _ = gradients(model, x, model)
    addmm, norm = cltorch.ops.aten.addmm.default, cltorch.ops.aten.native_layer_norm.default
    for keep, count in ((lambda *_: True, 3), (lambda *_: False, 6), ([addmm, norm], 3), ([norm, SIN], 6)):
        runs.clear()
        found, _ = gradients(model, x, lambda y, keep=keep: selected(model, y, keep=keep))
        assert len(runs) == count
        for a, b in zip(found, want, strict=True):
            cltorch.testing.assert_close(a, b)


def test_what_policies_are_told_and_what_is_said_of_wrong_ones():
    x, seen = cltorch.ones(2, 2, requires_grad=True), []

    def policy(ctx, op, *args):
        seen.append((str(op), op.name(), ctx.is_recompute, tuple(ctx.op_output.shape), len(args)))
        return CheckpointPolicy.MUST_SAVE if op == MM else CheckpointPolicy.PREFER_RECOMPUTE

    selected(lambda y: y.t() @ y.sin(), x, keep=policy).sum().backward()
    assert seen == [
        ("aten.sin.default", "aten::sin", False, (2, 2), 1),
        ("aten.mm.default", "aten::mm", False, (2, 2), 2),
    ]
    with pytest.raises(
        ValueError, match=r"Please update the OpOverloadPacket to a specific OpOverload.*aten.mm.default"
    ):
        create_selective_checkpoint_contexts([cltorch.ops.aten.mm])
    with pytest.raises(TypeError, match="either a function or a list of ops"):
        create_selective_checkpoint_contexts(3)
    with pytest.raises(NotImplementedError, match="OFFLOAD"):
        selected(cltorch.sin, x, keep=lambda *_: CheckpointPolicy.MUST_CPU_OFFLOAD)

    def changed(y):
        z = cltorch.mm(y, y)
        found = z.sin()
        z.detach().mul_(2)
        return found

    with pytest.raises(RuntimeError, match="has been mutated"):
        selected(changed, x, keep=[MM]).sum().backward()
    selected(changed, x, keep=[MM], allow_cache_entry_mutation=True).sum().backward()
    add = cltorch.ops.aten.add
    assert add.Tensor != add.Scalar
    assert add.Tensor == add.Tensor
    kept = []
    selected(lambda y: y + y, x, keep=lambda ctx, op, *a, **k: (kept.append(op), CheckpointPolicy.MUST_SAVE)[1])
    assert kept == [add.Tensor]
    assert kept[0] in [cltorch.ops.aten.mm.default, add.Scalar]
    assert cltorch.ops.aten.add.Tensor(x, x, alpha=2).tolist() == [[3, 3]] * 2
    assert cltorch.ops.higher_order.cond(True, cltorch.neg, cltorch.sin, (x,)).tolist() == [[-1, -1]] * 2
    with pytest.raises(AttributeError, match="'_OpNamespace' 'aten' object has no attribute 'nothing'"):
        cltorch.ops.aten.nothing  # noqa: B018


def test_arguments_that_do_not_go_together():
    x = cltorch.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        checkpoint(lambda x: x.exp(), x)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: by"):
        checkpoint(lambda x: x, x, use_reentrant=True, by=3)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(lambda x: x, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(lambda x: x, x, use_reentrant=False, determinism_check="all")
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(lambda x: x.exp(), x.detach(), use_reentrant=True)


def test_states_of_the_devices_of_tensors(cl_device):
    x = cltorch.ones(1, device=cl_device)
    devices, states = get_device_states(cltorch.ones(1), [{"x": x}])
    assert devices == [cltorch.device(cl_device).index]
    first = cltorch.rand(3, device=cl_device)
    set_device_states(devices, states)
    assert cltorch.equal(cltorch.rand(3, device=cl_device), first)
    assert get_device_states(cltorch.ones(1)) == ([], [])


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_generator_made_in_the_first_run_begins_anew_in_the_second(device, monkeypatch, reentrant):
    monkeypatch.setattr(generators, "_defaults", {})  # as in a program that has drawn no random numbers yet
    cltorch.manual_seed(3)
    x = cltorch.ones(64, device=device, requires_grad=True)
    y = checkpoint(lambda x: cltorch.nn.functional.dropout(x), x, use_reentrant=reentrant)
    y.sum().backward()
    assert 0 < (y == 0).sum() < 64
    assert cltorch.equal(y.detach(), x.grad)


def test_inputs_that_were_changed_since_are_refused(device):
    x = cltorch.ones(2, device=device, requires_grad=True)
    h = x * 1
    y = checkpoint(cltorch.exp, h, use_reentrant=False)
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    assert x.grad is None
