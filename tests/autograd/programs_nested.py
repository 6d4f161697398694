"""Programs about passes within passes, what is kept by hooks, and checks of gradients of a program's own functions."""

from __future__ import annotations

import warnings
import weakref

from tests.autograd.programs import leaf, plain, program, said


@program
def passes_within_passes(t):
    class Down(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with t.enable_grad():
                ctx.x = x.detach().requires_grad_() - 1
            return ctx.x.detach()

        @staticmethod
        def backward(ctx, g):
            order.append(t.is_grad_enabled())
            if ctx.x > 0:
                with t.enable_grad():
                    Down.apply(ctx.x).backward()
            return g

    order = []
    x = t.tensor(120.0, requires_grad=True)
    Down.apply(x).backward()

    class Wrong(Down):
        @staticmethod
        def backward(ctx, g):
            if ctx.x < 1:
                raise ValueError("the innermost one")
            with t.enable_grad():
                Wrong.apply(ctx.x).backward()
            return g

    return x.grad, len(order), any(order), said(Wrong.apply(t.tensor(60.0, requires_grad=True)).backward)


@program
def hooks_of_several_tensors_some_of_which_no_gradient_reaches(t):
    a, b, c = (leaf(t, 1.0, 2.0) * 2 for _ in range(3))
    seen = []
    t.autograd.graph.register_multi_grad_hook((a, b, c), lambda grads: seen.append([g is not None for g in grads]))
    out = (b * c).sum()
    for inputs in ((b, c), (a,), (a, c)):
        out.backward(inputs=inputs, retain_graph=True)
    return seen


@program
def hooks_entered_in_a_pass_end_with_it(t):
    found = []

    def unpack(x):
        known().__enter__()
        return x

    hooks = t.autograd.graph.saved_tensors_hooks(lambda x: (found.append("packed"), x)[1], unpack)
    known = weakref.ref(hooks)
    with hooks:
        y = leaf(t, 1.0).sin()
    y.backward()
    leaf(t, 1.0).sin().backward()
    return found


@program
def kept_tensors_that_were_detached_in_place(t):
    a, b = leaf(t, 1.0) * 1, leaf(t, 1.0) * 1
    sine, power = a.sin(), b.exp()
    a.detach_(), b.detach_()
    return said(sine.backward)[:70], said(power.backward)


@program
def leaves_that_hooks_give_back_are_leaves(t):
    a = leaf(t, 2.0)
    with t.autograd.graph.saved_tensors_hooks(lambda x: x * 2, lambda x: x / 2):
        y = a * a
    kept = y.grad_fn._saved_self
    (g,) = t.autograd.grad(y, a, create_graph=True)
    g.backward()
    return kept.grad_fn, kept.is_leaf, kept.requires_grad, a.grad


@program
def what_is_refused_of_kept_tensors_and_marks(t):
    def made(what, value):
        class Marking(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                getattr(ctx, what)(value)
                return x * 1

            @staticmethod
            def backward(ctx, g):
                return g

        return said(Marking.apply, leaf(t, 1.0))[:60]

    y = leaf(t, 1.0).exp()
    kept = y.grad_fn._raw_saved_result
    return (
        said(t.autograd.SavedTensor), said(lambda: kept.register_hooks(str))[:55],
        said(lambda: kept.register_hooks(1, 2))[:55], said(lambda: t.autograd.graph.increment_version([y, 3])),
        made("mark_dirty", 3)[:48], made("mark_non_differentiable", 3)[:60], made("save_for_forward", 3),
    )  # fmt: skip


@program
def checks_of_ones_own_functions_for_batches(t):
    calls = []

    class Pair(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x.clone(), y.clone()

        @staticmethod
        def jvp(ctx, x, y):
            calls.append(1)
            return x, y

    class Reads(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            g.sum().item()
            return g * 2

    class Draws(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 2

        @staticmethod
        def jvp(ctx, x):
            t.randn_like(x)
            return x * 2

    x, y = (t.ones(1, dtype=t.float64, requires_grad=True) for _ in range(2))
    check = t.autograd.gradcheck
    forward = {"check_forward_ad": True, "check_backward_ad": False, "check_batched_forward_grad": True}
    batches = {"check_batched_grad": True}
    ok = check(Pair.apply, (x, y), check_undefined_grad=False, **forward)
    both = {"check_forward_ad": True, "check_batched_forward_grad": True}
    return (
        ok, len(calls), said(lambda: check(Reads.apply, (x,), **batches))[:54],
        check(Reads.apply, (x,), raise_exception=False, **batches), said(lambda: check(Draws.apply, (x,), **both))[:90],
        said(lambda: t.autograd.gradgradcheck(t.sin, (x.detach(),))),
    )  # fmt: skip


@program
def derivatives_of_what_has_none_in_strict_mode(t):
    hessian = t.autograd.functional.hessian
    x = t.ones(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            said(lambda: hessian(lambda a: a.detach().sum(), x, strict=True)),
            said(lambda: hessian(lambda a: (3 * a).sum(), x, strict=True))[:60],
            said(lambda: t.func.grad(t.dot, argnums=("0",))(x, x)), said(lambda: t.func.grad(t.dot, argnums=[0])(x, x)),
            plain(hessian(lambda a: (a**3).sum(), x, strict=True)),
        )  # fmt: skip


@program
def views_of_what_is_changed_are_checked(t):
    def second(r):
        x = t.ones(3, dtype=t.float64)
        view = x.select(0, 1)
        x.add_(r * r)
        return view

    r = t.ones(1, dtype=t.float64, requires_grad=True)
    return t.autograd.gradcheck(second, [r]), t.autograd.gradgradcheck(second, [r])


@program
def products_with_two_zeros_have_no_second_derivative(t):
    def slopes(*numbers):
        src = leaf(t, *numbers)
        out = leaf(t, 1.0).scatter_reduce(0, t.tensor([0, 0]), src, "prod")
        (once,) = t.autograd.grad(out, src, create_graph=True)
        return plain(once), said(lambda: t.autograd.grad(once.sum(), src))

    return slopes(0.0, 0.0), slopes(2.0, 0.0)[0], slopes(2.0, 3.0)[1]


@program
def rules_for_batches_in_lists(t):
    class Sums(t.autograd.Function):
        @staticmethod
        def forward(x, ys):
            return x + ys[0] * ys[1], [x, ys[0]]

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x, ys):
            seen.append((in_dims, type(in_dims[1]).__name__, info.batch_size))
            return (x + ys[0] * ys[1], [x, ys[0]]), (0, [0, None])

    seen = []
    x, y = t.tensor([[1.0, 2.0], [3.0, 4.0]]), t.tensor([5.0, 6.0])
    found, (first, second) = t.vmap(Sums.apply, in_dims=(0, [None, 0]))(x, [y, x])
    return seen, found, first, second.shape


@program
def gradients_keep_their_layout_where_asked(t):
    def strides(on):
        x = t.ones(2, 3).t().requires_grad_()
        with t.autograd.enforce_grad_layout_policy(on):
            x.backward(t.ones(3, 2))
            y = t.ones(2, 3).t().requires_grad_()
            t.autograd.backward(y * 1.0, t.ones(3, 2))
        return x.grad.stride(), y.grad.stride()

    return strides(True), strides(False)


@program
def parts_of_unit_vectors(t):
    parts = t.autograd.functional._construct_standard_basis_for((t.ones(2), t.ones(1)), (2, 1))
    return [plain(p) for p in parts], [list(p.shape) for p in parts]


@program
def functions_ask_no_subclass_what_their_operands_are(t):
    seen = []

    class Own(t.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            seen.append(function.__name__)
            return super().__torch_function__(function, types, args, kwargs or {})

    class Double(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = t.ones(2).as_subclass(Own).requires_grad_()
    seen.clear()
    y = Double.apply(x)
    return seen, type(y).__name__
