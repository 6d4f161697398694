"""Programs about views: what changes them in place, in functions of one's own and in forward mode; see ``programs``."""

from __future__ import annotations

import weakref

from tests.autograd.programs import leaf, program, said


@program
def views_made_in_other_modes(t):
    found = []
    w = t.ones(1, requires_grad=True)
    for recorded in (True, False):
        for wanted in (True, False):
            for made in (lambda x: x.view_as(x), lambda x: x.unbind()[1], lambda x: x.split(1)[0]):
                x = t.ones(2, requires_grad=wanted).clone()
                with t.set_grad_enabled(recorded):
                    y = made(x)
                found.append((y._is_view(), y.requires_grad, said(lambda y=y: y.add_(1)), said(lambda y=y: y.mul_(w))))
    x = t.ones(2)
    with t.no_grad():
        y = x.view(2)
    y.requires_grad_(True)
    z = y.view(2)
    found.append(said(lambda: z.div_(2)))
    with t.inference_mode():
        quiet, view = t.ones(2, requires_grad=True), x.view(1, 2)
        inner = quiet.view(1, 2)
    found += [inner.requires_grad, inner._is_view(), view._is_view()]
    return found


@program
def parts_that_are_no_views(t):
    x = leaf(t, 1.0, 2.0, 3.0)
    found = []
    for made in (
        lambda x: x.unsafe_split(1), lambda x: x.unsafe_split_with_sizes((1, 2)), lambda x: t.unsafe_chunk(x, 3),
    ):  # fmt: skip
        whole = x * 2
        first, second, *_ = made(whole)
        first.mul_(5)
        (first.sum() + second.sum()).backward()
        found.append((first._is_view(), whole, x.grad.clone()))
        x.grad = None
    return found


@program
def a_view_that_must_not_follow_prints_so(t):
    x = t.ones(1, requires_grad=True)
    with t.no_grad():
        y = x[:]
        y.mul_(2)
    return repr(y).split(",")[-1].strip() if y.device.type == "cpu" else "grad_fn=<Invalid>)", said(lambda: y.grad_fn)


@program
def functions_that_say_they_changed_tensors(t):
    def made(forward):
        class Made(t.autograd.Function):
            @staticmethod
            def backward(ctx, g, *more):
                return g

        Made.forward = staticmethod(forward)
        return Made

    def fresh(ctx, x):
        y = x * 3
        ctx.mark_dirty(y)
        return y

    def fresh_view(ctx, x):
        y = x.clone().view_as(x)
        ctx.mark_dirty(y)
        return y

    def kept(ctx, x):
        ctx.mark_dirty(x.mul_(2))
        return x.clone()

    def given(ctx, x):
        ctx.mark_dirty(x.mul_(2))
        return x

    def two(ctx, x):
        ctx.mark_dirty(x.mul_(2))
        return x, x + 1

    x = leaf(t, 1.0, 2.0)
    return (
        made(fresh).apply(x * 1).requires_grad, said(lambda: made(fresh_view).apply(x * 1)),
        said(lambda: made(kept).apply(x * 1)), said(lambda: made(given).apply(x.view_as(x))),
        said(lambda: made(given).apply((x * 1).split(1)[0])), said(lambda: made(two).apply((x * 1).view(2))),
        said(lambda: made(given).apply(x)), said(lambda: made(given).apply((x * 1).view(2)).sum().backward()), x.grad,
    )  # fmt: skip


@program
def functions_whose_results_are_views(t):
    class Part(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, pure, more):
            ctx._is_pure_view = pure
            return (x[:1], x * 2) if more else x[:1]

        @staticmethod
        def backward(ctx, g, *more):
            seen.append(1)
            return t.cat([g, g * 0]), None, None

    seen, found = [], []
    for pure in (False, True):
        for wanted in (True, False):
            x = t.ones(2, requires_grad=wanted)
            y = x * 1
            part = Part.apply(y, pure, False)
            found.append(said(lambda part=part: part.mul_(t.ones(1, requires_grad=True))))
            if pure and wanted:
                part.sum().backward()
                found.append((x.grad, len(seen)))
            found.append(said(lambda y=y, pure=pure: Part.apply(y, pure, True)[0].add_(1)))
    with t.no_grad():
        part = Part.apply(leaf(t, 1.0, 2.0), False, False)
    return found, part.requires_grad, said(lambda: part.zero_())


@program
def functions_that_hand_out_what_they_keep_once(t):
    class Once(t.autograd.Function):
        clear_saved_tensors_on_access = True

        @staticmethod
        def forward(ctx, x, again):
            ctx.save_for_backward(x)
            ctx.again = again
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            gone = weakref.ref(x)
            del x
            found.append(gone() is None)
            return (ctx.saved_tensors[0] if ctx.again else g * 2), None

    found, x = [], leaf(t, 1.0)
    Once.apply(x.clone(), False).sum().backward()
    return found, x.grad, said(Once.apply(x.clone(), True).sum().backward)


@program
def tangents_of_functions_that_return_their_input(t):
    ad = t.autograd.forward_ad

    def made(forward, jvp):
        class Made(t.autograd.Function):
            pass

        Made.forward, Made.jvp = staticmethod(forward), staticmethod(jvp)
        return Made

    def changed(ctx, x):
        ctx.mark_dirty(x.mul_(2))
        return x

    def outside(ctx, x):
        y = x.clone()
        ctx.mark_non_differentiable(y)
        return y

    cases = [
        (changed, lambda ctx, g: g.mul_(2)), (changed, lambda ctx, g: g), (changed, lambda ctx, g: g * 2),
        (outside, lambda ctx, g: None), (outside, lambda ctx, g: g * 1),
        (lambda ctx, x: x, lambda ctx, g: g.view_as(g)), (lambda ctx, x: x, lambda ctx, g: g),
        (lambda ctx, x: x[:1], lambda ctx, g: g[:1]), (lambda ctx, x: x[:1], lambda ctx, g: g[:1].clone()),
        (lambda ctx, x: x[:1], lambda ctx, g: g[:1].clone().view(1)),
    ]  # fmt: skip
    found = []
    for forward, jvp in cases:
        with ad.dual_level():
            x = ad.make_dual(leaf(t, 1.0, 2.0).detach(), t.ones(2))
            f = made(forward, jvp)
            found.append(said(lambda f=f, x=x: found.append(ad.unpack_dual(f.apply(x)).tangent)))
    with ad.dual_level():
        x = ad.make_dual(t.ones(2), t.ones(2)).view_as(t.ones(2))
        f = made(*cases[-1])
        found.append(said(lambda: f.apply(x)))
    return found


@program
def dual_tensors_changed_in_place(t):
    ad = t.autograd.forward_ad
    with ad.dual_level():
        x = leaf(t, 1.0, 2.0).detach()
        pair = ad.make_dual(x, t.ones(2))
        pair[:1].mul_(3)
        found = [ad.unpack_dual(x).tangent, *ad.unpack_dual(pair), x]
        value, _ = ad.unpack_dual(pair)
        value.mul_(2)
        found += [ad.unpack_dual(value).tangent, x]
        pair = pair.clone()
        pair.detach_()
        found += [ad.unpack_dual(pair * 2).tangent]
        pair = ad.make_dual(x, t.ones(2))
        found += [
            said(lambda: ad.make_dual(t.ones(2), pair))[:60], said(lambda: t.add(pair, 1, out=t.ones(2))),
            said(lambda: t.add(t.ones(2), 1, out=ad.make_dual(t.ones(2), t.ones(2)))),
        ]  # fmt: skip
    return found


@program
def distinct_elements_have_no_derivative(t):
    x = leaf(t, 1.0, 2.0, 1.0)
    found = []
    for call in (
        lambda: t.unique(x, return_inverse=True)[0], lambda: t.unique(x, dim=0), lambda: t.unique_consecutive(x),
    ):  # fmt: skip
        y = call()
        found.append((y.requires_grad, y.grad_fn.name(), said(y.sum().backward)))
    return found, t.unique(x, return_counts=True)[1].requires_grad, t.unique(x.detach()).requires_grad


@program
def what_hooks_ask_of_the_engine(t):
    kept = []
    x = leaf(t, 1.0)
    y = x * 2
    y.register_hook(lambda g: kept.append(t._C._autograd._get_current_graph_task_keep_graph()))
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    counts = [0, 0]

    def pack(x):
        counts[0] += 1
        return x

    def unpack(x):
        counts[1] += 1
        return x

    enabled = t._C._autograd._saved_tensors_hooks_is_enabled
    with t.autograd.graph.saved_tensors_hooks(pack, unpack):
        saved = t._C._autograd._make_saved_tensor(x, is_output=False)
        same = saved.unpack() is not None and saved.unpack() is not None
    with t.autograd.graph.disable_saved_tensors_hooks("no"):
        inside = enabled()
    return kept, counts, same, inside, enabled()
