"""Programs about changes in place, and about views; see ``programs``."""

from __future__ import annotations

from tests.autograd.programs import leaf, program, said


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


@program
def second_derivatives_of_what_was_overwritten(t):
    def twice(run):
        x = leaf(t, 0.5, -1.0, 2.0)
        (first,) = t.autograd.grad(run(x * 1).sum(), x, create_graph=True)
        return first, t.autograd.grad((first * first).sum(), x)

    def by_part(y):
        y[1:].sin_()
        return y.mul_(y.detach() + 2 * y[:1])

    x = t.tensor([0.5, -1.0, 2.0])
    h, k = (lambda a: a.clone().mul_(a).add_(1).sin_().sum()), (lambda a: a.clone().cos_().sum())
    return (
        [twice(f) for f in (t.sin_, t.square_, lambda y: y.pow_(3), lambda y: y.cos_().mul_(3).tanh_(), by_part)],
        [twice(f) for f in (lambda y: y.mul_(y + y), lambda y: t.ones(3).div_(y + 3), lambda y: y.cumprod_(0))],
        [twice(f) for f in (lambda y: y[None].renorm_(2, 0, 0.75), lambda y: y.addcmul_(y + 1, y + 2))],
        [t.func.hessian(f)(x) for f in (h, k)], [t.func.jacrev(t.func.jacrev(f))(x) for f in (h, k)],
        t.func.jvp(t.func.grad(h), (x,), (x,)),
    )  # fmt: skip


@program
def parts_whose_changes_count_apart(t):
    def changed(cut):
        x = leaf(t, 1.0, 2.0, 3.0)
        first, second, third = cut(x * 2)
        first.mul_(second).sum().backward()
        return x.grad, first._version, second._version, third._version, first._base

    return [
        changed(cut)
        for cut in (
            lambda y: y.unsafe_split(1), lambda y: y.unsafe_chunk(3), lambda y: y.unsafe_split_with_sizes([1, 1, 1]),
        )
    ]  # fmt: skip


@program
def results_written_into_what_is_kept(t):
    with t.autograd.graph.allow_mutation_on_saved_tensors():
        a, b = leaf(t, 1.0), t.tensor([1.0])
        y = a * b
        t.sin(t.tensor([2.0]), out=b)
        y.sum().backward()
    return a.grad, b


@program
def inference_tensors_outside_of_their_mode(t):
    with t.inference_mode():
        x, y = leaf(t, 1.0, 2.0), t.ones(2)
    view = x.view(-1)
    return (
        view.requires_grad, view.is_leaf, view._is_view(), x[0].requires_grad, said(lambda: x.add_(1)),
        said(lambda: y.add_(1))[:60],
    )  # fmt: skip
