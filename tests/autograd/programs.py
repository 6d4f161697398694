"""Programs about autograd: each takes the module it runs on (PyTorch or cltorch) and returns what it saw.

``expected.json`` holds what PyTorch 2.13.0 says, so that the tests need no PyTorch;
``python -m tests.autograd.programs`` records it anew.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import re
import threading
import warnings
from pathlib import Path

EXPECTED = Path(__file__).with_name("expected.json")


def plain(x):
    """Return a result as JSON can hold it: rounded numbers, names of other objects."""
    if hasattr(x, "detach"):
        return [plain(v) for v in x.detach().flatten().tolist()]
    if isinstance(x, (tuple, list)):
        return [plain(v) for v in x]
    if isinstance(x, float):
        return round(x, 4) if math.isfinite(x) else str(x)
    if x is None or isinstance(x, (bool, int, str)):
        return x
    return type(x).__name__


def said(f, *args):
    """Return the kind and the beginning of the message of what a call raises, or that it raises nothing."""
    try:
        f(*args)
    except Exception as error:
        words = re.sub(r"\[(torch|cltorch)\.(\w+\.)?FloatTensor", "[FloatTensor", str(error)).replace("\n", " ")
        return f"{type(error).__name__}: {words[:90]}"
    return "nothing raised"


PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


def leaf(t, *values):
    return t.tensor(list(values), requires_grad=True)


# ---- accumulation ----------------------------------------------------------------------------------------------------
@program
def gradients_add_up(t):
    x = leaf(t, 1.0, 2.0)
    (x * 3).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    return x.grad, first is x.grad, x.grad.requires_grad


@program
def gradient_of_a_used_twice_tensor(t):
    x = leaf(t, 2.0, 3.0)
    y = x * x
    z = y + y * x
    z.sum().backward()
    return x.grad, y.grad_fn is not None, z.requires_grad, y.is_leaf, x.is_leaf


@program
def backward_twice(t):
    x = leaf(t, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad, said(y.backward)


@program
def graphs_without_saved_values_are_kept(t):
    x = leaf(t, 2.0)
    y = (x + 1).sum()
    y.backward()
    return said(y.backward), x.grad


@program
def roots(t):
    x = leaf(t, 1.0, 2.0)
    return (
        said((x * 2).backward), said(t.ones(2).sum().backward), said(lambda: (x * 2).backward(t.ones(3))),
        said(lambda: t.autograd.backward([x.sum(), x.sum()], [None])), said(lambda: (x * 2).backward([1])),
    )  # fmt: skip


@program
def many_roots(t):
    x = leaf(t, 1.0, 2.0)
    t.autograd.backward([x.sum(), (x * x)], [None, t.tensor([1.0, 10.0])])
    return x.grad


@program
def backward_on_a_leaf(t):
    x = leaf(t, 1.0, 2.0)
    g = t.tensor([3.0, 4.0])
    x.backward(g)
    x.backward(g)
    return x.grad, g


@program
def backward_into_inputs(t):
    x, y = leaf(t, 2.0), leaf(t, 3.0)
    z = x * y
    w = z * x
    w.backward(inputs=[x], retain_graph=True)
    first = x.grad.clone(), y.grad
    w.backward(inputs=z, retain_graph=True)
    return first, z.grad, x.grad, said(lambda: w.backward(inputs=[])), said(lambda: w.backward(inputs=[t.ones(1)]))


@program
def grad_of_inputs(t):
    x, y = leaf(t, 2.0), leaf(t, 3.0)
    z = x * y
    unused = leaf(t, 1.0)
    found = t.autograd.grad(z, [x, y], retain_graph=True)
    return (
        found, x.grad, said(lambda: t.autograd.grad(z, [unused], retain_graph=True)),
        t.autograd.grad(z, [x, unused], retain_graph=True, allow_unused=True),
        t.autograd.grad(z, [x, unused], retain_graph=True, materialize_grads=True),
        said(lambda: t.autograd.grad(z, [t.ones(1)], retain_graph=True)),
        said(lambda: t.autograd.grad(z, x, allow_unused=False, materialize_grads=True)),
        t.autograd.grad(z, z), said(lambda: t.autograd.grad(t.ones(1), x)),
    )  # fmt: skip


@program
def grad_with_respect_to_the_middle(t):
    x = leaf(t, 2.0)
    y = x * x
    z = y * x
    return t.autograd.grad(z, [y, x], retain_graph=True), t.autograd.grad([z, y], [x], [t.ones(1), t.ones(1)])


@program
def batched_gradients(t):
    x = leaf(t, 1.0, 2.0, 3.0)
    y = x * x
    return t.autograd.grad(y, x, t.eye(3), is_grads_batched=True)


@program
def double_backward(t):
    x = leaf(t, 2.0, 3.0)
    (g,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = t.autograd.grad(g.sum(), x, create_graph=True)
    (k,) = t.autograd.grad(h.sum(), x)
    return g, h, k, g.requires_grad, k.requires_grad


@program
def create_graph_in_backward(t):
    x = leaf(t, 2.0)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    had = g.requires_grad
    g.sum().backward()
    return had, x.grad


@program
def penalty_of_gradients(t):
    x, w = t.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), leaf(t, 0.5, -0.5)
    out = ((x * w).sum(1) ** 2).sum()
    (g,) = t.autograd.grad(out, x, create_graph=True)
    (out + (g * g).sum()).backward()
    return x.grad, w.grad


@program
def broadcast_operands(t):
    x, b = t.ones(2, 3, requires_grad=True), leaf(t, 1.0, 2.0, 3.0)
    s = t.tensor(2.0, requires_grad=True)
    ((x + b) * s).sum().backward()
    return x.grad, b.grad, s.grad, tuple(s.grad.shape)


@program
def strides_of_gradients(t):
    x = t.ones(3, 2).t().requires_grad_()
    (x * 2).sum().backward()
    y = t.ones(2, 3, requires_grad=True)
    y.t().exp().sum().backward()
    z = t.ones(1, requires_grad=True)
    z.expand(4).sum().backward()
    return x.grad.stride(), y.grad.stride(), z.grad.stride(), z.grad


@program
def gradients_are_no_views_of_what_came_in(t):
    x = leaf(t, 1.0, 2.0)
    g = t.ones(2)
    (x + 0).backward(g)
    x.grad.add_(1)
    y, z = leaf(t, 1.0), leaf(t, 1.0)
    (y + z).backward()
    y.grad.add_(5)
    return g, z.grad


# ---- switches --------------------------------------------------------------------------------------------------------
@program
def switches(t):
    x = leaf(t, 1.0)
    out = []
    with t.no_grad():
        out.append((x * 2).requires_grad)
        with t.enable_grad():
            out.append((x * 2).requires_grad)
        out.append(t.is_grad_enabled())
    with t.set_grad_enabled(False):
        out.append((x * 2).requires_grad)
    t.set_grad_enabled(False)
    out.append(t.is_grad_enabled())
    t.set_grad_enabled(True)
    out.append(t.is_grad_enabled())

    @t.no_grad()
    def f():
        return (x * 2).requires_grad

    @t.no_grad
    def g():
        return (x * 2).requires_grad

    @t.enable_grad()
    def h():
        return (x * 2).requires_grad

    @t.set_grad_enabled(False)
    def i():
        return (x * 2).requires_grad

    @t.inference_mode()
    def j():
        return (x * 2).requires_grad, t.is_inference_mode_enabled(), t.ones(1).is_inference()

    out += [f(), g(), i(), j(), t.is_grad_enabled(), t.is_inference_mode_enabled()]
    with t.no_grad():
        out.append(h())

    @t.no_grad()
    def numbers():
        for _ in range(2):
            yield t.is_grad_enabled()

    for enabled in numbers():
        out += [enabled, t.is_grad_enabled()]
    try:
        with t.no_grad():
            raise KeyError
    except KeyError:
        out.append(t.is_grad_enabled())
    return out


@program
def requires_grad_in_no_grad(t):
    with t.no_grad():
        x = t.ones(2, requires_grad=True)
        y = x * 2
    return x.requires_grad, y.requires_grad, y.is_leaf


@program
def inference_tensors(t):
    with t.inference_mode():
        x = t.ones(2)
        y = x * 2
        view = x[:1]
        x.add_(1)
    w = leaf(t, 1.0, 1.0)
    with t.inference_mode():
        z = w * 2
    with t.inference_mode(False):
        normal = t.ones(1).is_inference()
    return (
        x.is_inference(), y.is_inference(), view.is_inference(), x.requires_grad, said(lambda: x.add_(1)),
        said(lambda: w * x), (w + x).requires_grad, said(lambda: x.requires_grad_()), x[:1].is_inference(),
        x.clone().is_inference(), z.is_inference(), z.requires_grad, normal, (x + 1).is_inference(), w.is_inference(),
    )  # fmt: skip


# ---- flags of tensors ------------------------------------------------------------------------------------------------
@program
def requires_grad_flags(t):
    x = leaf(t, 1.0)
    y = x * 2
    plain_one = t.ones(1)
    plain_one.requires_grad = True
    return (
        said(lambda: y.requires_grad_(False)), said(lambda: t.ones(1, dtype=t.int64).requires_grad_()),
        said(lambda: t.tensor([1], requires_grad=True)), said(lambda: setattr(y, "requires_grad", False)),
        plain_one.requires_grad, y.requires_grad_().requires_grad, x.requires_grad_(False).requires_grad,
        t.ones(1).requires_grad_(False).requires_grad,
    )  # fmt: skip


@program
def detaching(t):
    x = leaf(t, 1.0, 2.0)
    y = x * 2
    d = y.detach()
    d.add_(1)
    e = x * 3
    e.detach_()
    version = y._version
    return (
        y, d.requires_grad, d.is_leaf, e.requires_grad, e.is_leaf, version, said(lambda: y[:1].detach_()),
        d.data_ptr() == y.data_ptr(),
    )  # fmt: skip


@program
def data(t):
    x = leaf(t, 1.0, 2.0)
    y = x * x
    x.data.mul_(10)
    x.data[0] = 7.0
    y.sum().backward()
    before = x._version
    x.data = t.tensor([5.0, 6.0])
    return x, x.grad, before, x.requires_grad, x.is_leaf, x.data.requires_grad, said(lambda: setattr(x, "data", 3))


@program
def assigned_grads(t):
    x = leaf(t, 1.0, 2.0)
    x.grad = t.ones(2)
    x.grad = None
    x.grad = t.tensor([3.0, 4.0])
    (x * 2).sum().backward()
    out = [x.grad]
    del x.grad
    out += [x.grad, said(lambda: setattr(x, "grad", t.ones(3))), said(lambda: setattr(x, "grad", 1.0))]
    out += [said(lambda: setattr(x, "grad", t.ones(2, dtype=t.float64)))[:50], t.ones(1).grad]
    return out


@program
def retained_grads(t):
    x = leaf(t, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    before = y.retains_grad, x.retains_grad
    (y * y).sum().backward()
    return y.grad, before, x.grad, said(t.ones(1).retain_grad), x.retain_grad()


# ---- hooks -----------------------------------------------------------------------------------------------------------
@program
def hooks_of_tensors(t):
    x = leaf(t, 1.0, 2.0)
    y = x * 2
    seen = []
    h = y.register_hook(lambda g: seen.append(("y", plain(g))) or g * 10)
    x.register_hook(lambda g: seen.append(("x", plain(g))) or g + 1)
    y.sum().backward(retain_graph=True)
    h.remove()
    y.sum().backward()
    return x.grad, seen, said(lambda: t.ones(1).register_hook(print))


@program
def hooks_run_in_order_and_before_what_is_retained(t):
    x = leaf(t, 1.0)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    return x.grad, y.grad


@program
def hooks_of_leaves_count_in_grad(t):
    x = leaf(t, 1.0)
    x.register_hook(lambda g: g * 7)
    return t.autograd.grad((x * 2).sum(), x), x.grad


@program
def hooks_of_the_middle_count_in_grad(t):
    x = leaf(t, 1.0)
    y = x * 2
    y.register_hook(lambda g: g * 7)
    return t.autograd.grad((y * 3).sum(), [y, x])


@program
def hooks_after_accumulation(t):
    x = leaf(t, 1.0, 2.0)
    seen = []
    h = x.register_post_accumulate_grad_hook(lambda p: seen.append(plain(p.grad)))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    h.remove()
    (x * 2).sum().backward()
    return seen, said(lambda: (x * 2).register_post_accumulate_grad_hook(print)), t.autograd.grad((x * 2).sum(), x)


@program
def an_optimizer_in_the_hook(t):
    x = leaf(t, 1.0, 2.0)

    def step(p):
        with t.no_grad():
            p -= 0.5 * p.grad
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    return x, x.grad


@program
def hooks_of_nodes(t):
    x = leaf(t, 1.0, 2.0)
    y = (x * 3).exp()
    seen = []
    y.grad_fn.register_hook(lambda gi, go: seen.append((len(gi), plain(go))))
    y.grad_fn.register_prehook(lambda go: (go[0] * 2,))
    y.grad_fn.next_functions[0][0].register_hook(lambda gi, go: tuple(g * 2 if g is not None else None for g in gi))
    y.sum().backward()
    return x.grad, seen


@program
def names_of_nodes(t):
    x = t.ones(2, 2, requires_grad=True)
    made = [
        x + 1, x - 1, x * 2, x / 2, x.exp(), x.log(), -x, x.abs(), x**2, x**3, x.sum(), x.t(), x.transpose(0, 1),
        x.select(0, 0), x[:, 1:], x.view(4), x.reshape(4), x.unsqueeze(0), x.expand(2, 2), x.sigmoid(), x.tanh(),
        x.relu(), x.sqrt(),
        x.clone(), x.clamp(0, 1), x.permute(1, 0), x.double(), x.squeeze(), x.sin(), x.cos(), x.mean(), x.maximum(x),
        x.narrow(0, 0, 1), x.contiguous().sum(0), x.flatten(),
    ]  # fmt: skip
    f = (x * 2).grad_fn
    chain = [f.name(), type(f.next_functions[0][0]).__name__, f.next_functions[0][1], len(f.next_functions)]
    return [re.sub(r"\d+$", "", m.grad_fn.name()) for m in made], chain, x.grad_fn, f.next_functions[0][0].variable is x


# ---- in place --------------------------------------------------------------------------------------------------------
@program
def refused_changes(t):
    x = leaf(t, 1.0, 2.0)
    e = x.exp()
    e.add_(1)
    s = x * x
    y = x * 1
    z = y * y
    y.add_(1)
    return (
        said(lambda: x.add_(1)), said(lambda: x[0].add_(1)), said(lambda: x.view(2, 1).mul_(2)), said(e.sum().backward),
        said(z.sum().backward), said(s.sum().backward), said(lambda: x.zero_()), said(lambda: x.copy_(t.ones(2))),
        said(lambda: x.t_()), said(lambda: x.__setitem__(0, 1.0)),
    )  # fmt: skip


@program
def changes_under_no_grad(t):
    x = leaf(t, 1.0, 2.0)
    with t.no_grad():
        x.add_(1)
        x[0] = 7
        x.zero_()
        x += 3
    return x, x._version, x.is_leaf, x.requires_grad


@program
def versions(t):
    x = t.zeros(2)
    v = [x._version]
    x.add_(1)
    v.append(x._version)
    x[0] = 1
    v.append(x._version)
    x[:1].mul_(2)
    v.append(x._version)
    d = x.detach()
    d.add_(1)
    v.append(x._version)
    x.data.add_(1)
    v.append(x._version)
    x.view(2).zero_()
    t.add(x, 1, out=x)
    v.append(x._version)
    return v, d._version


@program
def change_then_backward(t):
    x = leaf(t, 1.0, 2.0)
    y = x * 2
    y.add_(1)
    y *= 3
    y.mul_(x)
    y.sum().backward()
    return x.grad, y.grad_fn.name()


@program
def change_makes_a_leaf_part_of_the_graph(t):
    x = leaf(t, 1.0, 2.0)
    y = t.zeros(2)
    y.add_(x)
    y.mul_(2)
    y.sum().backward()
    return x.grad, y.requires_grad, y.is_leaf


@program
def change_through_a_view(t):
    x = leaf(t, 1.0, 2.0, 3.0)
    y = x * 2
    y[1:].mul_(10)
    y[0] = 5.0
    y.sum().backward()
    return x.grad, y, y.grad_fn.name()


@program
def change_of_the_base_shows_in_its_views(t):
    x = leaf(t, 1.0, 2.0)
    y = x * 1
    v = y[:1]
    y.mul_(5)
    v.sum().backward()
    return x.grad, v, v.grad_fn.name()


@program
def change_through_one_view_shows_in_another(t):
    x = leaf(t, 1.0, 2.0, 3.0)
    y = x * 1
    a, b = y[:2], y[1:]
    a.mul_(4)
    (b * t.tensor([1.0, 10.0])).sum().backward()
    return x.grad, b, a.grad_fn.name(), b.grad_fn.name(), y.grad_fn.name()


@program
def change_of_a_view_by_what_needs_a_gradient(t):
    x = leaf(t, 1.0, 2.0)
    base = t.zeros(4)
    base[1:3] = x * 3
    base[1:3].mul_(x)
    base.sum().backward()
    return x.grad, base, base.requires_grad


@program
def views_of_views_changed(t):
    x = t.ones(2, 3, requires_grad=True)
    y = x * 1
    v = y.t()[1:].view(-1, 2)[0]
    v.mul_(3)
    y[0].add_(y[1])
    (y * t.arange(6.0).view(2, 3)).sum().backward()
    return x.grad, y, v


@program
def copying_into_views(t):
    x, s = t.ones(2, 3, requires_grad=True), leaf(t, 1.0, 2.0, 3.0)
    y = x * 1
    y[1].copy_(s)
    y[:, 0] = s[:2]
    y[0, 1:].fill_(4)
    y[:, 2].zero_()
    (y * y).sum().backward()
    return x.grad, s.grad, y


@program
def masked_and_indexed_changes(t):
    x = leaf(t, 1.0, 2.0, 3.0, 4.0)
    y = x * 2
    y[t.tensor([0, 2])] = t.tensor([10.0, 20.0])
    y[y > 15] = 0.0
    y.masked_fill_(y == 4.0, 1.0)
    (y * y).sum().backward()
    return x.grad, y


@program
def views_that_must_not_be_changed(t):
    x = t.ones(4, requires_grad=True)
    y = x * 1
    a, b = y.unbind()[:2]
    c = y.split(2)[0]
    d = y.chunk(2)[0]
    with t.no_grad():
        v = y[:2]
    return (
        said(lambda: a.mul_(2)), said(lambda: c.mul_(2)), said(lambda: d.add_(1)), said(lambda: v.mul_(2)),
        said(lambda: y.mul_(2)), said(lambda: b.sum().backward()),
    )  # fmt: skip


@program
def expanded_views_cannot_be_changed(t):
    x = t.ones(1, 3).expand(2, 3)
    y = t.arange(6.0)
    return (
        said(lambda: x.add_(1)), said(lambda: y[1:].add_(y[:-1])), said(lambda: x.copy_(t.ones(2, 3))),
        y[::2].add_(y[1::2]), said(lambda: x.zero_()),
        said(lambda: x.fill_(1)), said(lambda: y.add_(t.ones(2, 6))), said(lambda: y.mul_(t.ones(5))),
    )  # fmt: skip


@program
def multiplication_by_itself_in_place(t):
    x = leaf(t, 2.0)
    y = x + 0
    y += y
    y.sum().backward()
    return x.grad


# ---- views -----------------------------------------------------------------------------------------------------------
@program
def gradients_of_views(t):
    x = t.arange(24.0).view(2, 3, 4).requires_grad_()
    weights = t.arange(24.0)
    out = []
    views = [
        lambda: x.transpose(0, 2), lambda: x.permute(1, 2, 0), lambda: x[1], lambda: x[:, 1:], lambda: x[..., ::2],
        lambda: x[0, :, None, 1], lambda: x.select(1, 2), lambda: x.narrow(2, 1, 2), lambda: x.view(6, 4),
        lambda: x.reshape(4, 6).t(), lambda: x.unsqueeze(1).squeeze(1), lambda: x.flatten(1),
        lambda: x.diagonal(0, 1, 2), lambda: x.unfold(2, 2, 1), lambda: x.unflatten(2, (2, 2)),
        lambda: x[:1].expand(3, 3, 4),
        lambda: x.movedim(0, 2),
        lambda: x.as_strided((2, 2), (5, 3), 1), lambda: x.as_strided((3, 3), (1, 1)), lambda: x.mT,
        lambda: x.unbind(1)[2],
        lambda: x.split(2, 2)[1], lambda: x.chunk(2, 1)[0], lambda: x.tensor_split(3, 2)[0], lambda: x.swapaxes(0, 1),
    ]  # fmt: skip
    for view in views:
        v = view()
        (g,) = t.autograd.grad((v.reshape(-1) * weights.repeat(4)[: v.numel()]).sum(), x)
        out.append(g)
    return out


@program
def gradients_of_views_of_expanded_leaves(t):
    x = t.ones(1, 3).expand(2, 3).detach().requires_grad_()
    (g,) = t.autograd.grad((x[0] * 2).sum() + x[1, 1:].sum(), x)
    (h,) = t.autograd.grad(x.diagonal().sum(), x)
    return g, h


@program
def views_and_bases(t):
    x = t.ones(2, 3, requires_grad=True)
    y = x.view(6)
    z = y[1:].view(5, 1)
    return (
        y._is_view(), y._base is x, z._base is x, x._is_view(), (x * 2)._is_view(), x.detach()._is_view(),
        z.is_leaf, t.ones(2).view(2).is_leaf, x.reshape(6)._base is x, x.t().reshape(6)._is_view(),
    )  # fmt: skip


@program
def in_place_views(t):
    x = t.arange(6.0).view(2, 3).requires_grad_()
    y = x * 1
    y.t_()
    y.unsqueeze_(0)
    y.squeeze_(0)
    y.transpose_(0, 1)
    y.t_()
    (y * t.arange(6.0).view(3, 2)).sum().backward()
    return x.grad, tuple(y.shape), y.grad_fn.name()[:9], y._version


# ---- Function --------------------------------------------------------------------------------------------------------
@program
def functions_of_ones_own(t):
    class Scale(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor, flag=None):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.factor, None, None

    x = leaf(t, 1.0, 2.0)
    y = Scale.apply(x, 3.0)
    z = Scale.apply(y, 2.0, "f")
    z.sum().backward()
    return (
        x.grad, y.grad_fn.name(), z.requires_grad, Scale.apply(t.ones(1), 2.0).requires_grad, said(lambda: Scale()),
    )  # fmt: skip


@program
def functions_with_a_context_apart(t):
    class Mul(t.autograd.Function):
        @staticmethod
        def forward(a, b):
            return a * b, a + b

        @staticmethod
        def setup_context(ctx, inputs, output):
            a, b = inputs
            ctx.save_for_backward(a, b, output[0])
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx, g, h):
            a, b, out = ctx.saved_tensors
            return g * b if ctx.needs_input_grad[0] else None, g * a if ctx.needs_input_grad[1] else None

    x, y = leaf(t, 2.0), t.tensor([5.0])
    p, s = Mul.apply(x, y)
    p.sum().backward()
    return x.grad, y.grad, s.requires_grad, p.requires_grad


@program
def functions_and_missing_gradients(t):
    seen = []

    class Two(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            seen.append((plain(g), plain(h)))
            return (g if g is not None else 0) + (h * 2 if h is not None else 0), None

    x = leaf(t, 1.0)
    Two.apply(x, True)[0].sum().backward()
    Two.apply(x, False)[0].sum().backward()
    Two.apply(x, False)[1].sum().backward()
    return seen, x.grad


@program
def functions_that_change_their_input(t):
    class Twice(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(t, 1.0, 2.0)
    y = x * 1
    z = Twice.apply(y)
    z.sum().backward()
    return x.grad, z is y, y._version, y.grad_fn.name(), said(lambda: Twice.apply(leaf(t, 1.0)))


@program
def functions_differentiable_once(t):
    once = importlib.import_module(t.__name__ + ".autograd.function").once_differentiable

    class Square(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = leaf(t, 3.0)
    (g,) = t.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    return g, said(g.sum().backward)


@program
def functions_differentiable_twice(t):
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    x = leaf(t, 2.0)
    (g,) = t.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    g.sum().backward()
    return g, x.grad


@program
def functions_that_are_wrong(t):
    def made(count):
        class Wrong(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return (g,) * count if count else None

        return Wrong

    class Shape(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return t.ones(5)

    x = leaf(t, 1.0, 2.0)
    return (
        said(made(2).apply(x).sum().backward), said(made(0).apply(x).sum().backward), x.grad,
        said(Shape.apply(x).sum().backward), said(lambda: t.autograd.Function.apply(x)),
    )  # fmt: skip


@program
def functions_save_what_is_checked(t):
    class Save(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return ctx.saved_tensors[0] * g

    x = leaf(t, 1.0)
    y = x * 1
    z = Save.apply(y)
    y.add_(1)
    w = Save.apply(x * 1).sum()
    w.backward()
    return said(z.sum().backward), said(w.backward)


@program
def functions_returning_their_input(t):
    class Same(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf(t, 1.0)
    y = Same.apply(x)
    y.sum().backward()
    return x.grad, y is x, y.requires_grad, x.is_leaf


@program
def functions_with_all_kinds_of_results(t):
    class Mixed(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, n, y):
            ctx.save_for_backward(x, None, y)
            ctx.mark_non_differentiable(y)
            return x * 2, None, "text", (x > 0), x.sum().long(), x * y

        @staticmethod
        def backward(ctx, *grads):
            seen.append([None if g is None else plain(g) for g in grads])
            x, nothing, y = ctx.saved_tensors
            return grads[0] * 2 + grads[5] * y, None, None

    seen = []
    x, y = leaf(t, 1.0, -1.0), t.tensor([3.0, 4.0])
    a, b, c, d, e, f = Mixed.apply(x, 3, y)
    (a.sum() + f.sum()).backward()
    return x.grad, b, c, d, e, d.requires_grad, e.requires_grad, f.requires_grad, f.output_nr, seen


@program
def functions_in_graphs_of_their_own(t):
    class Pair(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return (g * y if ctx.needs_input_grad[0] else None), (g * x if ctx.needs_input_grad[1] else None)

    x, y, z = leaf(t, 2.0), leaf(t, 3.0), t.tensor([5.0])
    out = Pair.apply(Pair.apply(x, y), z) + Pair.apply(x, x)
    with t.no_grad():
        quiet = Pair.apply(x, y)
    (g,) = t.autograd.grad(out, x, create_graph=True)
    (h,) = t.autograd.grad(g, x, retain_graph=True)
    changed = Pair.apply(x, y).mul_(2)
    changed.sum().backward()
    return g, h, quiet.requires_grad, changed.grad_fn.name(), x.grad, y.grad, t.autograd.grad(out, y)


@program
def functions_that_return_views(t):
    class Half(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.size = x.shape[0]
            return x[: x.shape[0] // 2]

        @staticmethod
        def backward(ctx, g):
            return t.cat([g, t.zeros(ctx.size - g.shape[0])])

    x = leaf(t, 1.0, 2.0, 3.0, 4.0)
    y = Half.apply(x)
    (y * t.tensor([5.0, 6.0])).sum().backward()
    return x.grad, y, y.requires_grad, y.grad_fn.name()


@program
def functions_by_vjp_and_with_errors_inside(t):
    class Vjp(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def vjp(ctx, g):
            return g * 3

    class Raises(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, g):
            raise KeyError("inside")

    class Missing(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

    x = leaf(t, 1.0)
    Vjp.apply(x).backward()
    return x.grad, said(Raises.apply(x).backward), said(Missing.apply(x).backward), t.is_grad_enabled()


# ---- tools -----------------------------------------------------------------------------------------------------------
@program
def anomalies(t):
    x = leaf(t, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with t.autograd.detect_anomaly():
            y = t.sqrt(x) * 0
            found = said(y.sum().backward)
        with t.autograd.detect_anomaly(check_nan=False):
            (t.sqrt(x) * 0).sum().backward()
        t.autograd.set_detect_anomaly(True)
        on = t.is_anomaly_enabled()
        t.autograd.set_detect_anomaly(False)
    return found, on, t.is_anomaly_enabled(), x.grad


@program
def hooks_of_saved_tensors(t):
    packed = []

    def pack(x):
        packed.append(plain(x))
        return x.detach() * 10

    x = leaf(t, 2.0, 3.0)
    with t.autograd.graph.saved_tensors_hooks(pack, lambda x: x / 5):
        y = x * x
    z = y * 1.0
    z.sum().backward()
    with t.autograd.graph.save_on_cpu():
        w = x.exp() * x
    w.sum().backward()
    return packed, x.grad


@program
def variables(t):
    v = t.autograd.Variable(t.ones(2), requires_grad=True)
    return isinstance(t.ones(1), t.autograd.Variable), type(v).__name__, v.requires_grad, v


@program
def functional(t):
    f = t.autograd.functional
    x, y = t.tensor([1.0, 2.0]), t.tensor([3.0, 4.0])

    def g(a):
        return a**2 * t.tensor([1.0, 2.0])

    def h(a, b):
        return (a * b * b).sum()

    return (
        f.jacobian(g, x), f.jacobian(lambda a, b: (a * b, a + b), (x, y)), f.hessian(lambda a: (a**3).sum(), x),
        f.hessian(h, (x, y)), f.vjp(g, x, t.ones(2)), f.jvp(g, x, t.ones(2)), f.vjp(h, (x, y)),
        f.hvp(lambda a: (a**3).sum(), x, t.ones(2)), f.vhp(lambda a: (a**3).sum(), x, t.ones(2)),
        f.jacobian(g, x, create_graph=True).requires_grad, f.jacobian(lambda a: t.ones(2), x),
        said(lambda: f.jacobian(lambda a: t.ones(2), x, strict=True)), said(lambda: f.hessian(g, x)),
        said(lambda: f.vjp(g, x)), said(lambda: f.jacobian(lambda a: 1, x)), f.hvp(h, (x, y), (x, y)),
        f.jacobian(g, x, vectorize=True), f.jacobian(lambda a: a.sum(), x),
    )  # fmt: skip


@program
def deep_graphs(t):
    x = leaf(t, 1.0)
    y = x
    for _ in range(3000):
        y = y + 0
    y.sum().backward()
    z = y * 1
    del y
    del z
    gc.collect()
    return x.grad


@program
def threads(t):
    x = leaf(t, 1.0, 2.0)
    y = (x * x).sum()
    states = []

    def work():
        states.append(t.is_grad_enabled())
        y.backward()

    with t.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        states.append(t.is_grad_enabled())
    return x.grad, states


@program
def mixed_dtypes(t):
    x = t.tensor([1.0, 2.0], dtype=t.float16, requires_grad=True)
    y = t.tensor([3.0, 4.0], dtype=t.float64, requires_grad=True)
    (x * y).sum().backward()
    i = t.tensor([1, 2])
    z = leaf(t, 1.0, 1.0)
    (z * i).sum().backward()
    return str(x.grad.dtype), str(y.grad.dtype), x.grad, y.grad, z.grad, (z > 0).requires_grad, z.long().requires_grad


@program
def gradients_where_nothing_depends(t):
    x = leaf(t, 1.5)
    return (
        t.autograd.grad(x.floor().sum(), x), t.autograd.grad(x.sign().sum(), x), (x == 1).requires_grad,
        said(lambda: t.autograd.grad((x > 0).sum(), x)), (x // 2).requires_grad,
    )  # fmt: skip


@program
def nodes_of_two_results(t):
    x = t.tensor([3.0, 1.0, 2.0], requires_grad=True)
    values, indices = x.max(0)
    a, b = x.unbind()[:2]
    (values * 2).backward()
    return x.grad, indices.requires_grad, values.grad_fn.name(), a.output_nr, b.output_nr, a.grad_fn is b.grad_fn


if __name__ == "__main__":
    torch = importlib.import_module("torch")
    found = {
        name: plain(f(torch)) for name, f in importlib.import_module("tests.autograd.all_programs").PROGRAMS.items()
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    EXPECTED.write_text("{\n" + lines + "\n}\n")
