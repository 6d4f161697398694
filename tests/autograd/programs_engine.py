"""Programs about the engine: which nodes run, what hooks see, refusals, nodes and kept tensors by name."""

from __future__ import annotations

import warnings

from tests.autograd.programs import leaf, plain, program, said


def described(node):
    """Return a graph as text: the names of nodes, each with those that gradients go to."""
    if node is None:
        return "None"
    return f"{type(node).__name__}({', '.join(described(n) for n, _ in node.next_functions)})"


def double(t):
    class Double(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    return Double.apply


@program
def nodes_of_given_inputs_run_with_their_hooks(t):
    x = leaf(t, 1.0)
    y = x * 2
    z = y * 3
    seen = []
    end = y.grad_fn.next_functions[0][0]
    for name, node in (("y", y.grad_fn), ("x", end)):
        node.register_prehook(lambda g, name=name: seen.append(name + " before"))
        node.register_hook(lambda i, o, name=name: seen.append(name + " after"))
    for inputs in ((y,), (x, y), None):
        z.sum().backward(inputs=inputs, retain_graph=True)
        seen.append((plain(x.grad), plain(y.grad)))
    return seen


@program
def gradients_that_are_missing_go_on(t):
    seen = []

    def noting(materialize):
        class Noting(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.set_materialize_grads(materialize)
                return x.clone()

            @staticmethod
            def backward(ctx, g):
                seen.append(plain(g))
                return g

        return Noting.apply

    for materialize in (True, False):
        x = leaf(t, 1.0)
        t._C._functions.UndefinedGrad()(noting(materialize)(x)).sum().backward()
        seen.append(plain(x.grad))
    return seen


@program
def results_without_a_gradient_are_none_where_asked(t):
    seen = []

    class Pair(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x.clone(), x.clone()
            ctx.mark_non_differentiable(b)
            ctx._materialize_non_diff_grads = False
            return a, b

        @staticmethod
        def backward(ctx, a, b):
            seen.append(b)
            return a

    Pair.apply(leaf(t, 1.0))[0].sum().backward()
    return seen


@program
def delayed_errors(t):
    x, y = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
    refused = t._C._functions.DelayedError("not so", 1)(y)

    def made(twice):
        out = x.clone().view(-1)
        half = out * 2 if twice else 0
        out += refused
        return (out + half).sum()

    return [
        [said(lambda f=f, k=k: f(made(k))) for k in (False, True)]
        for f in (
            lambda o: o.backward(),
            lambda o: t.autograd.grad(o, y),
            lambda o: t.autograd.grad(o, x),
            lambda o: t.autograd.grad(o, (x, refused)),
        )
    ]


@program
def once_differentiable_makes_an_error_of_the_graph(t):
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @t.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x * x * g, None

    x = leaf(t, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Cube.apply(x, 1).sum().backward(create_graph=True)
    return described(x.grad.grad_fn), said(lambda: t.autograd.grad(x.grad.sum(), x)), said(x.grad.sum().backward)


@program
def edges_know_the_shapes_of_gradients(t):
    x = leaf(t, 1.0, 2.0)
    mid = x.sin().sum()
    edge = t.autograd.graph.get_gradient_edge(mid)
    unused = t.autograd.graph.GradientEdge(x.clone().grad_fn, 0)
    out = mid.exp()
    return (
        said(lambda: t.autograd.grad(edge, x, t.ones(4), retain_graph=True)),
        said(lambda: t.autograd.grad(edge, x, t.ones((), dtype=t.complex64), retain_graph=True)),
        said(lambda: t.autograd.grad(out, (x, unused), allow_unused=True, materialize_grads=True)),
    )


@program
def zeros_for_what_was_not_used_are_part_of_the_graph(t):
    x, a = leaf(t, 1.0), leaf(t, 2.0)
    y = (x * a).sum()
    (first,) = t.autograd.grad(y, x, create_graph=True, materialize_grads=True)
    (second,) = t.autograd.grad(first.sum(), x, create_graph=True, materialize_grads=True, allow_unused=True)
    return second, second.requires_grad, t.autograd.grad(second.sum(), x, materialize_grads=True)


@program
def hooks_after_accumulation_return_nothing(t):
    x = leaf(t, 1.0)
    x.register_post_accumulate_grad_hook(lambda p: p.grad)
    return said(x.sum().backward)


@program
def nodes_can_be_called(t):
    x = leaf(t, 3.0)
    node = (x**2).grad_fn
    one = t.ones(1)
    return said(lambda: node(one, one)), said(node), node(one)


@program
def variance_and_mean_are_one_node(t):
    x = t.tensor([[1.0, 2.0], [3.0, 7.0], [4.0, 5.0]], requires_grad=True)
    var, mean = t.var_mean(x, 0)
    var.grad_fn.register_prehook(lambda g: (g[0] * 2, g[1] * 3))
    (var + mean).sum().backward()
    counts = []
    for made in (lambda x: t.var_mean(x, dim=0), double(t)):
        a, b = made(x)
        b.register_hook(lambda g: counts.append(plain(g)))
        a.retain_grad()
        b.retain_grad()
        a.mul_(2)
        t.autograd.backward((a + b).sum(), inputs=[a, b])
        counts.append((plain(a.grad), plain(b.grad)))
    return var.grad_fn is mean.grad_fn, x.grad, counts, t.autograd.grad(t.std_mean(x, 1)[0].sum(), x)


@program
def retained_gradients_follow_views(t):
    base = leaf(t, 1.0).clone()
    base.retain_grad()
    view = base[:]
    view.retain_grad()
    other = base[:]
    other.retain_grad()
    view *= 2
    base *= 2
    (base + view + other).sum().backward()
    return base.grad, view.grad, other.grad


@program
def hooks_that_come_while_a_tensor_is_unpacked(t):
    seen = []

    def unpack(x):
        def halve(results, given):
            seen.append([g is None for g in given])
            return tuple(None if r is None else r / 2 for r in results)

        t._C._current_autograd_node().register_hook(halve)
        return x

    x = leaf(t, 1.0, 2.0)
    with t.autograd.graph.saved_tensors_hooks(lambda x: x, unpack):
        y = x.exp()
    y.sum().backward()
    return x.grad, seen, t._C._current_autograd_node()


@program
def which_nodes_will_run(t):
    a, b = leaf(t, 1.0), leaf(t, 2.0)
    c = a * b
    other = c.cos()
    nodes = [c.grad_fn, other.grad_fn, c.grad_fn.next_functions[0][0], c.grad_fn.next_functions[1][0]]
    seen = []
    c.register_hook(lambda g: seen.append([t._C._will_engine_execute_node(n) for n in nodes]))
    out = c.sum()
    t.autograd.backward(out, inputs=(a,), retain_graph=True)
    t.autograd.backward(out, retain_graph=True)
    return (
        seen,
        said(lambda: t.autograd.grad(out, a)),
        said(lambda: t._C._will_engine_execute_node(out.grad_fn)),
        said(lambda: t._C._will_engine_execute_node(out)),
        t._C._current_graph_task_id(),
    )


@program
def hooks_of_one_kept_tensor(t):
    x = leaf(t, 1.0, 2.0)
    y = x.exp()
    kept = y.grad_fn._raw_saved_result
    kept.register_hooks(lambda x: x * 10, lambda x: x / 5)
    again = said(lambda: kept.register_hooks(lambda x: x, lambda x: x))
    y.sum().backward()

    class Keeps(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g

    z = Keeps.apply(x)
    first, second = z.grad_fn._raw_saved_tensors
    refused = said(lambda: second.register_hooks(lambda x: x, lambda x: x))
    z.sum().backward()
    return (
        x.grad, again, refused, said(lambda: kept.register_hooks(lambda x: x, lambda x: x)),
        said(lambda: z.grad_fn._raw_saved_tensors), isinstance(first, t._C._autograd.SavedTensor),
    )  # fmt: skip


@program
def functions_in_place(t):
    class Shift(t.autograd.function.InplaceFunction):
        @staticmethod
        def forward(ctx, a, b):
            ctx.mark_dirty(a)
            return a.add_(b), b + 2

        @staticmethod
        def backward(ctx, a, b):
            return a, a + b

    x, y = t.zeros(2), leaf(t, 1.0, 2.0)
    q, _ = Shift.apply(x, y)
    q.sum().backward()
    base = y.clone()
    return (
        q is x, q.grad_fn.__class__ is Shift._backward_cls, y.grad, said(lambda: Shift.apply(base[:1], y[:1])),
        said(lambda: Shift(True)(x)),
    )  # fmt: skip


@program
def attributes_that_stay(t):
    x = leaf(t, 1.0)
    x._backward_hooks = {1: lambda g: g * 5}
    x.sum().backward()

    def delete(name):
        return said(lambda: delattr(x, name))

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        told_of = x.volatile
    return x.grad, [delete(n) for n in ("data", "requires_grad", "_backward_hooks")], told_of, str(told[0].message)


@program
def dtypes_of_gradients(t):
    class Wide(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g.to(t.float16)

    got = []
    for wanted in (..., None, t.bfloat16):
        x = leaf(t, 1.0)
        if wanted is not ...:
            x.grad_dtype = wanted
        Wide.apply(x).sum().backward()
        got.append(str(x.grad.dtype)[6:])
    x = leaf(t, 1.0)
    x.grad_dtype = t.float16
    return got, said(lambda: setattr(x, "grad", t.ones(1))), said(lambda: (x * 2).grad_dtype)


@program
def generators_without_gradients_take_exceptions(t):
    log = []

    class Benign(Exception):
        pass

    @t.no_grad()
    def numbers():
        try:
            for i in range(5):
                try:
                    log.append(t.is_grad_enabled())
                    log.append((yield i))
                except Benign:
                    log.append(["caught", t.is_grad_enabled()])
        except GeneratorExit:
            log.append(["closed", t.is_grad_enabled()])
            raise

    g = numbers()
    log.append([next(g), g.send("sent"), g.throw(Benign()), t.is_grad_enabled()])
    g.close()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        t.no_grad()(Benign)
    return log, [w.category.__name__ for w in told]


@program
def memory_that_was_exchanged_has_another_end(t):
    x = leaf(t, 1.0, 2.0)
    edge = t.autograd.graph.get_gradient_edge(x)
    out = x.clone().sum()
    with t.no_grad():
        x.set_(t.zeros(2))
    return said(lambda: t.autograd.grad(out, x, retain_graph=True)), t.autograd.grad(out, edge)


@program
def callbacks_at_the_end_of_a_pass(t):
    seen = []
    engine = t.autograd.Variable._execution_engine

    class Calls(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            engine.queue_callback(lambda: seen.append("first") or engine.queue_callback(lambda: seen.append("last")))
            return g

    x = leaf(t, 1.0)
    x.register_post_accumulate_grad_hook(lambda p: seen.append("leaf"))
    Calls.apply(x).sum().backward()
    return seen, said(lambda: engine.queue_callback(print))


@program
def anomalies_of_what_was_recorded_outside(t):
    class Bad(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    x = leaf(t, 1.0)
    out = Bad.apply(x).sum()
    y = leaf(t, 1.0) + 1
    square = y**2
    y += 1
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with t.autograd.detect_anomaly():
            errors = [said(out.backward)]
            try:
                square.sum().backward()
            except RuntimeError as error:
                errors.append(str(error).partition("Hint")[2])
    return errors, [str(w.message)[:100] for w in told]


@program
def checkpoints_compute_and_hand_out_once(t):
    def kept(x):
        count[0] += 1
        return (x * x).exp()

    def changing(first, then):
        runs = []

        def f(x):
            runs.append(1)
            return (first if len(runs) == 1 else then)(x)

        return f

    class Twice(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return ctx.saved_tensors[0] * ctx.saved_tensors[0] * g

    check = t.utils.checkpoint
    x, count = leaf(t, 1.0, 2.0), [0]
    out = check.checkpoint(kept, x, use_reentrant=False)
    counts = [count[0]]
    for _ in range(2):
        _ = out.grad_fn._saved_result
        counts.append(count[0])
    out.sum().backward()
    counts.append(count[0])

    def more():
        with check.set_checkpoint_early_stop(False):
            fn = changing(lambda x: x.sin(), lambda x: x.sin().exp())
            check.checkpoint(fn, x, use_reentrant=False).sum().backward()

    return (
        counts, x.grad, said(lambda: out.grad_fn._saved_result), said(more),
        said(lambda: check.checkpoint(lambda x: Twice.apply(x * 2), x, use_reentrant=False).sum().backward()),
        said(lambda: t.autograd.grad(check.checkpoint(t.exp, x, use_reentrant=True).sum(), x)),
        said(lambda: check.checkpoint(t.exp, x, use_reentrant=True).sum().backward(inputs=[x])),
    )  # fmt: skip


@program
def what_gradcheck_says(t):
    def shifted(x):
        y = x.clone()
        y.register_hook(lambda g: g + 1e-2)
        return y

    x = t.ones(2, dtype=t.float64, requires_grad=True)
    check = t.autograd.gradcheck
    return [
        said(lambda f=f, fast=fast: check(f, (x,), fast_mode=fast))[:70]
        for fast in (False, True)
        for f in (
            shifted,
            lambda x: x.detach(),
            lambda x: t.cat([x, x]) if bool((x >= 1).all()) else x,
            lambda x: x.float() if bool((x >= 1).all()) else x,
        )
    ] + [check(shifted, (x,), raise_exception=False), said(lambda: check(t.sin, (x.detach(),)))]


@program
def what_may_be_written_and_assigned(t):
    class Two(t.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a[:1], a + b

        @staticmethod
        def backward(ctx, a, b):
            return t.cat([a, a]) + b, b

    x = leaf(t, 1.0, 2.0)
    view, _ = Two.apply(x.clone(), x.clone())
    with t.inference_mode():
        made = t.ones(2)
    y = x * 1
    with t.autograd._unsafe_preserve_version_counter(y):
        y.add_(1)

    def message(value):
        try:
            x.grad = value
        except RuntimeError as error:
            return str(error)[:110]

    return (
        said(lambda: view.add_(1)), said(lambda: t.add(x.detach(), 1, out=made)), y._version,
        said(lambda: setattr(x, "requires_grad", 3)), message(x), message(t.ones(3, dtype=t.float64)),
        message(t.ones(3)), "volatile" in dir(x),
    )  # fmt: skip
