"""Programs about anomalies, saved tensors, threads, deep graphs and mixed dtypes; see ``programs``."""

from __future__ import annotations

import gc
import io
import sys
import threading
import warnings

from tests.autograd.programs import leaf, plain, program, said


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


@program
def gradients_that_change_with_no_operand(t):
    f = t.nn.functional

    def twice(run, *xs):
        first = t.autograd.grad(run(*xs).sum(), xs, create_graph=True)
        needs = [g.requires_grad for g in first]
        return needs, True in needs and t.autograd.grad(sum(g.sum() for g in first), xs, allow_unused=True)

    def in_place(x):
        y = x * 1
        y[1:].relu_()
        return y

    line = [-1.0, 0.5, 2.0, 8.0]
    pointwise = [f.relu, f.relu6, f.hardtanh, f.leaky_relu, f.softshrink, f.hardshrink, in_place]
    pointwise += [lambda x: f.threshold(x, 1, 0), lambda x: t.relu_(x * 2), lambda x: t.clamp(x, 0, 1)]
    planes = [lambda x: f.max_pool2d(x, 2), lambda x: f.avg_pool2d(x, 2), lambda x: f.adaptive_avg_pool2d(x, 1)]
    planes += [lambda x: f.adaptive_avg_pool2d(x, (1, 2))]
    planes += [lambda x: f.pad(x, (1, 1), "reflect"), lambda x: f.pad(x, (1, 1)), lambda x: f.max_pool1d(x[0], 2)]
    return (
        [twice(g, leaf(t, *line)) for g in pointwise],
        [twice(g, leaf(t, *line).detach().reshape(1, 2, 2).requires_grad_()) for g in planes],
        twice(f.prelu, leaf(t, *line), leaf(t, 0.5)),
        twice(lambda x: f.nll_loss(x, t.tensor([1])), leaf(t, *line).detach().reshape(1, 4).requires_grad_()),
    )


@program
def anomalies_in_gradients_of_gradients(t):
    class Bad(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g / 0

    class Outer(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return Bad.apply(g * ctx.saved_tensors[0])

    def run():
        with t.autograd.detect_anomaly():
            x = leaf(t, 0.0)
            (g,) = t.autograd.grad(Outer.apply(x), x, create_graph=True)
            found.append(said((g * 0).sum().backward))

    found = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run()
    texts = [str(w.message).strip() for w in told]
    found.append([text.partition(".")[0] for text in texts])
    found.append(["Outer.apply" in text for text in texts])
    error, shown = io.StringIO(), sys.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with t.autograd.detect_anomaly():
            warnings.simplefilter("error")
            y = leaf(t, 1.0) + 1
            z = y**2
            y += 1
            sys.stderr = error
            try:
                found.append(said(z.backward))
            finally:
                sys.stderr = shown
    return found, "Error detected in PowBackward0" in error.getvalue()


@program
def views_of_what_wants_a_gradient(t):
    x = t.ones(3, requires_grad=True)
    with t.no_grad():
        quiet = x[:2]
    (quiet * 2).sum().backward()
    y = t.ones(3)
    early = y[:2]
    y.requires_grad_()
    (early * 2).sum().backward()
    return (
        quiet.requires_grad, quiet.is_leaf, quiet.grad_fn, quiet.grad, x.grad, said(lambda: quiet.add_(1)),
        early.requires_grad, early.is_leaf, early.grad, y.grad, said(lambda: early.add_(1)),
        early.detach().requires_grad, x.view(t.int32).requires_grad, x.data[:].requires_grad,
    )  # fmt: skip


@program
def how_views_of_a_changed_base_are_made_anew(t):
    def made(x):
        y = x.clone().view(-1)
        y.add_(1)
        return y.grad_fn.name(), t.autograd.is_view_replay_enabled()

    x = t.ones(2, 2, requires_grad=True)
    force, found = t.autograd._force_original_view_tracking, []
    with force(True):
        found.append(made(x))
        with force(False):
            found.append(made(x))
            force(True)
            found.append(made(x))
        y = x.clone().view(-1)
        y.mul_(3)
        y.sum().backward()
    found.append(made(x))
    force(True)
    found.append(made(x))
    force(False)
    return found, x.grad


@program
def wrong_calls_of_the_engine(t):
    x = leaf(t, 1.0, 2.0)
    y, one = x * 2, t.ones(2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        t.autograd.backward(x * 2, grad_variables=one)
        both = said(lambda: t.autograd.backward(y, one, grad_variables=one))
        t.set_warn_always(True)
        for _ in range(2):
            (x * x).backward(one, create_graph=True)
        t.set_warn_always(False)
        x.grad = None
    return (
        said(lambda: t.autograd.grad(y.sum(), "x")), said(lambda: t.autograd.grad([y, y], x, [one])), both,
        t.autograd.grad(x * 2, x, (one, one)), [f"{w.category.__name__}: {str(w.message)[:40]}" for w in told],
        said(lambda: t.autograd.grad(y, x, is_grads_batched=True)),
        said(lambda: t.autograd.grad(y.sum(), x, is_grads_batched=True))[:11], said(lambda: t.set_grad_enabled(1)),
        said(lambda: delattr(x, "_grad_fn")), t.is_grad_enabled(),
    )  # fmt: skip


@program
def classes_of_nodes_and_what_they_kept_of_their_making(t):
    x = leaf(t, 1.0)
    y = x * 2
    with t.autograd.set_detect_anomaly(True):
        z = x * 2
    return str(type(y.grad_fn)), dict(y.grad_fn.metadata), list(z.grad_fn.metadata), type(z.grad_fn).__name__


@program
def slopes_below_zero_in_place(t):
    x = leaf(t, -1.0, 2.0)
    return [
        said(t.nn.functional.leaky_relu(x * 1, -1.0, inplace=True).sum().backward),
        said(t.nn.functional.elu(x * 1, -1.0, inplace=True).sum().backward),
    ]
