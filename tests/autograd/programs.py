"""Programs about autograd: each takes the module it runs on (PyTorch or cltorch) and returns what it saw.

``expected.json`` holds what PyTorch 2.13.0 says, so that the tests need no PyTorch;
``python -m tests.autograd.programs`` records it anew.
"""

from __future__ import annotations

import importlib
import json
import math
import re
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


@program
def nothing_is_recorded_in_inference_mode(t):
    w, out = leaf(t, 1.0, 1.0), []
    with t.inference_mode(), t.enable_grad():
        x = t.ones(2, requires_grad=True)
        out += [(x * w).requires_grad, (x * w).is_inference(), w[:1].requires_grad, t.is_grad_enabled()]
        with t.set_grad_enabled(True):
            out += [(w * 2).requires_grad, t.is_grad_enabled()]
        with t.inference_mode(False):
            out += [(w * 2).requires_grad, t.is_grad_enabled(), t.is_inference_mode_enabled()]
        with t.no_grad():
            out += [(w * 2).requires_grad, t.is_grad_enabled()]
    return *out, (w * 2).requires_grad, t.is_grad_enabled()


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


if __name__ == "__main__":
    torch = importlib.import_module("torch")
    found = {
        name: plain(f(torch)) for name, f in importlib.import_module("tests.autograd.all_programs").PROGRAMS.items()
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    EXPECTED.write_text("{\n" + lines + "\n}\n")
