"""Programs about the nodes that operators leave in the graph: their names and where they lead; see ``programs``."""

from __future__ import annotations

from tests.autograd.programs import leaf, program, said


def nodes(made):
    """Return the name of each result's node and of those that it leads to, with their output's number."""
    found = []
    for y in made if isinstance(made, (tuple, list)) else (made,):
        if y.grad_fn is not None:
            ends = [None if n is None else (n.name(), nr) for n, nr in y.grad_fn.next_functions]
            found.append((y.grad_fn.name(), ends))
    return found


def operands(t):
    """Return two leaves, a constant, and what is no leaf, all 3 x 3."""
    x = (t.arange(9.0).reshape(3, 3) / 10 + 0.1).requires_grad_()
    return x, (0.5 - x.detach() / 3).requires_grad_(), t.ones(3, 3), x * 1


@program
def nodes_of_operators_with_numbers_and_constants(t):
    x, y, c, _ = operands(t)
    return [
        nodes(made)
        for made in (
            x + 1, 1 - x, x * c, x**2, x**3, 2**x, x**y, t.pow(x, c), t.xlogy(x, 2.0), t.xlogy(2.0, x), t.xlogy(x, y),
            x % 2, x % y, t.fmod(x, 2), t.fmod(c, y), t.lerp(x, y, 0.5), t.lerp(x, c, y), x.clamp(0, 1), x.clamp(min=0),
            x.clamp(c, y), x.clamp_min(0), t.div(x, y, rounding_mode="floor"), t.div(x, 2, rounding_mode="trunc"),
            t.where(c > 0, x, c), t.where(c > 0, x, 1.0), x.masked_fill(c > 0, 2.0), x.masked_fill(c > 0, y[0, 0]),
            t.log1p(x), t.deg2rad(x), t.rad2deg(x), x.round(decimals=1), t.heaviside(x, y), t.floor_divide(x, 2),
        )
    ]  # fmt: skip


@program
def nodes_of_products(t):
    x, y, c, _ = operands(t)
    a, b = x[None], y[None]
    return [
        nodes(made)
        for made in (
            x @ y, c @ x, t.mm(x, c), t.bmm(a, b.detach()), t.mv(x, c[0]), t.dot(c[0], x[0]), t.addmm(c, x, y),
            t.addmm(x, c, y), t.baddbmm(a, b, c[None]), t.nn.functional.linear(x, c),
            t.cholesky_solve(x, y), t.linalg.solve(c + t.eye(3), x),
        )
    ]  # fmt: skip


@program
def nodes_of_what_joins_and_picks(t):
    x, y, c, _ = operands(t)
    i = t.tensor([2, 0])
    return [
        nodes(made)
        for made in (
            t.cat([x, c, y]), t.stack([c, x]), x.prod(), x.prod(0), x.max(), x.min(1), x.median(0),
            x.nanmedian(1), x.mode(0), x.cummax(0), x.cummin(1), x.sum(0), x.mean(1), x.tril(), x.triu(),
            x[:1].squeeze(), x[:1].squeeze(0), x[:1].squeeze((0,)), t.unique(x), x.kthvalue(1), t.var_mean(x, 1),
            x.scatter(0, c.long(), 1.0), x.scatter(0, c.long(), y), x.scatter_add(0, c.long(), c),
            x.index_add(0, i, c[:2]), c.index_copy(0, i, y[:2]), x.index_put((i,), c[:2]),
            x.select_scatter(c[0], 0, 1), x.slice_scatter(y[:1], 0, 1, 2),
            x.diagonal_scatter(c[0]), x.as_strided_scatter(y[0], (3,), (1,)), t.fft.fft(x),
        )
    ]  # fmt: skip


@program
def nodes_of_changes_in_place(t):
    x, y, c, _ = operands(t)
    f = t.nn.functional

    def part(change):
        z = x * 1
        change(z[0])
        return z

    def whole(change):
        z = x * 1
        change(z)
        return z

    return [
        nodes(made)
        for made in (
            t.zeros(3, 3).copy_(x), whole(lambda z: z.copy_(c)), whole(lambda z: z.zero_()),
            whole(lambda z: z.fill_(2.0)), whole(lambda z: z.t_()), whole(lambda z: z.transpose_(0, 1)),
            whole(lambda z: z.unsqueeze_(0)), whole(lambda z: z.squeeze_()), whole(lambda z: z.squeeze_(0)),
            whole(lambda z: f.elu(z, inplace=True)), whole(lambda z: f.celu(z, inplace=True)),
            whole(lambda z: f.selu(z, inplace=True)), whole(lambda z: f.leaky_relu(z, inplace=True)),
            whole(lambda z: f.threshold(z, 0.1, 0.0, inplace=True)), whole(lambda z: f.relu(z, inplace=True)),
            whole(lambda z: z.pow_(2)), whole(lambda z: z.mul_(y)), whole(lambda z: z.clamp_(0, 1)),
            part(lambda z: z.mul_(2)), part(lambda z: z.mul_(y[0])), part(lambda z: z.copy_(y[1])),
            part(lambda z: z.exp_()),
        )
    ]  # fmt: skip


@program
def nodes_of_layers(t):
    x, y, c, _ = operands(t)
    f = t.nn.functional
    image, kernel = x[None, None], y[None, None]
    scores = t.ones(1, 2, 2, 2, requires_grad=True)
    return [
        nodes(made)
        for made in (
            f.conv2d(c[None, None], kernel), f.conv2d(image, kernel, x[0, :1]), f.conv_transpose1d(x[None], c[:, None]),
            f.layer_norm(x, (3,)), f.layer_norm(c, (3,), y[0]), f.group_norm(t.ones(1, 2, 3, requires_grad=True), 2),
            f.batch_norm(x, None, None, training=True), f.batch_norm(x, c[0], c[0], y[0], y[1]),
            f.nll_loss(scores, t.zeros(1, 2, 2).long()), f.nll_loss(x, t.tensor([0, 1, 2])), f.mse_loss(x, c),
            f.binary_cross_entropy_with_logits(x, c), f.smooth_l1_loss(x, y), f.embedding(t.tensor([0, 1]), x),
        )
    ]  # fmt: skip


@program
def hooks_see_a_place_for_every_operand(t):
    x, _, c, _ = operands(t)
    w = t.ones(1, 1, 2, 2, requires_grad=True)
    seen = []

    def watch(made):
        made.grad_fn.register_hook(lambda inner, outer: seen.append([None if g is None else g.shape for g in inner]))
        made.sum().backward()

    watch(c @ x)
    watch(t.nn.functional.conv2d(c[None, None], w))
    watch(x**3)
    watch(x.masked_fill(c > 0, 1.0))
    z = x * 1
    z[0].mul_(2)
    watch(z)
    swapped = c @ x
    swapped.grad_fn.register_hook(lambda inner, outer: (None, inner[1] * 2))
    x.grad = None
    swapped.sum().backward()
    return seen, x.grad


@program
def operators_of_several_parts_are_one_node(t):
    functional = t.nn.functional
    x = t.arange(1.0, 17.0, requires_grad=True)
    m, v = x.view(4, 4), x[:4]
    image = x.view(1, 4, 2, 2)
    made = {
        "1/x": 1 / m, "3/x": 3 / m, "trace": m.trace(), "rot90": m.rot90(), "rot90 back": m.rot90(-1),
        "half turn": m.rot90(2), "diag": m.diag(1), "diag of a vector": v.diag(-1), "embedded": t.diag_embed(m, 1),
        "cross": t.linalg.cross(m[:, :3], t.ones(1, 3)), "crossed": t.linalg.cross(v[None, :3], m[:, 1:]),
        "addmv": t.addmv(v[:1], m, v, beta=2, alpha=3), "one vector": t.addmv(t.ones(4), t.ones(4, 4), v),
        "addbmm": t.addbmm(v, m.view(2, 4, 2), m.view(2, 2, 4), beta=2, alpha=3),
        "addr": t.addr(v, v, m[0], beta=2, alpha=3),
        "complex": t.complex(m, v).abs(), "polar": t.polar(v, m / 99).real, "polar's": t.polar(m / 99, v).imag,
        "shuffled": functional.pixel_shuffle(image, 2), "unshuffled": functional.pixel_unshuffle(image, 2),
        "dealt": functional.channel_shuffle(x.view(1, 8, 2), 2), "mean": functional.adaptive_avg_pool2d(image, 1),
        "mean of a volume": functional.adaptive_avg_pool3d(image[None], 1),
    }  # fmt: skip
    found = []
    for name, y in made.items():
        weights = t.arange(1.0, y.numel() + 1).view(y.shape)
        (g,) = t.autograd.grad((y * weights).sum(), x, create_graph=True)
        second = None
        if g.requires_grad:
            (second,) = t.autograd.grad((g * g).sum(), x, allow_unused=True)
        made_by = [None if node is None else node.name() for node, _ in y.grad_fn.next_functions]
        found.append([name, y.grad_fn.name(), made_by, g, None if second is None or not second.any() else second])
    return found


@program
def what_operators_of_several_parts_keep(t):
    x, w = leaf(t, 1.0, 2.0, 3.0), leaf(t, 3.0, 2.0, 1.0)
    c = t.linalg.cross(x * 1, w * 1)
    c.sum().backward()
    kept = w * 1
    d = t.linalg.cross(x, kept)
    kept.mul_(2)
    return x.grad, w.grad, said(c.sum().backward)[:60], said(d.sum().backward)[:80], said(lambda: t.trace(x))


@program
def operators_of_several_parts_give_memory_of_their_own(t):
    functional = t.nn.functional
    x = t.arange(1.0, 17.0, requires_grad=True)
    last = {"memory_format": t.channels_last}
    made = [
        lambda x: x.view(4, 4).rot90(), lambda x: x.view(4, 4).rot90(2), lambda x: x.view(4, 4).rot90(0),
        lambda x: functional.pixel_shuffle(x.view(1, 4, 2, 2), 2),
        lambda x: functional.pixel_shuffle(x.view(1, 4, 4), 1),
        lambda x: functional.pixel_unshuffle(x.view(1, 4, 2, 2), 2),
        lambda x: functional.pixel_unshuffle(x.view(1, 4, 4), 1),
        lambda x: functional.channel_shuffle(x.view(1, 8, 2), 1),
        lambda x: functional.channel_shuffle(x.view(1, 8, 2), 8),
        lambda x: functional.channel_shuffle(x.view(1, 4, 2, 2).contiguous(**last), 2),
        lambda x: functional.pixel_shuffle(x.view(1, 4, 2, 2).contiguous(**last), 2),
        lambda x: x.view(4, 4).trace(), lambda x: x.view(4, 4).diag(), lambda x: t.complex(x, x),
        lambda x: t.addmv(x[:4], x.view(4, 4), x[4:8]), lambda x: t.linalg.cross(x[:3], x[3:6]),
        lambda x: functional.adaptive_avg_pool2d(x.view(1, 4, 2, 2), 1),
    ]  # fmt: skip
    found = []
    for f in made:
        y = x * 1
        z = f(y)
        apart = (z.data_ptr() != y.data_ptr(), z._is_view(), y._version)
        z.mul_(2)
        (g,) = t.autograd.grad(z.abs().sum(), x)
        with t.no_grad():
            free = f(y.detach())
        free.requires_grad_().mul(2)
        found.append([*apart, y._version, z.stride(), g.sum(), free._is_view()])
    return found
