"""Programs about ``autograd.Function``: operations of one's own; see ``programs``."""

from __future__ import annotations

import importlib

from tests.autograd.programs import leaf, plain, program, said


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

    class Number(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, g):
            return g, g

    x = leaf(t, 1.0, 2.0)
    return (
        said(Number.apply(x, 3).sum().backward), said(Number.apply(x, t.ones(2)).sum().backward),
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


@program
def functions_with_defaults_and_names(t):
    class Scale(t.autograd.Function):
        @staticmethod
        def forward(x, factor=2.0, shift=0.0):
            return x * factor + shift

        @staticmethod
        def setup_context(ctx, inputs, output):
            _, ctx.factor, ctx.shift = inputs

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None, None

        @staticmethod
        def jvp(ctx, x, factor, shift):
            return x * ctx.factor

    x = leaf(t, 1.0, 2.0)
    made = [Scale.apply(x), Scale.apply(x, 3.0), Scale.apply(x, shift=1.0), Scale.apply(x=x, factor=5.0)]
    sum(made).sum().backward()
    return (
        made, x.grad, said(Scale.apply), said(lambda: Scale.apply(x, 1.0, 2.0, 3.0)),
        said(lambda: Scale.apply(x, no=1)),
        t.func.jvp(lambda v: Scale.apply(v, shift=4.0), (x.detach(),), (x.detach(),)),
        t.func.grad(lambda v: Scale.apply(v, factor=7.0).sum())(x.detach()),
    )  # fmt: skip


@program
def functions_that_keep_or_return_odd_things(t):
    class Kept(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, other):
            ctx.save_for_backward(x, other)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g, None

    class Same(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(t, 1.0)
    Kept.apply(x, None).backward()
    with t.no_grad():
        same = Same.apply(x)
    return (
        x.grad, said(lambda: Kept.apply(x, 3)), same.requires_grad, same is x, same.is_leaf,
        str(type(Same.apply(x).grad_fn)).rpartition(".")[2], Same.apply(x.detach()).requires_grad,
    )  # fmt: skip
