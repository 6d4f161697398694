"""Programs about hooks, kept tensors, edges of the graph and control flow; see ``programs``."""

from __future__ import annotations

import re
import warnings

from tests.autograd.programs import leaf, plain, program, said


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


@program
def hooks_of_several_tensors(t):
    x, y, seen = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0), []
    c, d = x * y, x + y
    hook = t.autograd.graph.register_multi_grad_hook
    handle = hook((x, y, c, d), lambda grads: seen.append([g is not None for g in grads]))
    first = hook((c, x, t.ones(1)), lambda g: seen.append(g), mode="any")
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(x,), retain_graph=True)
    handle.remove()
    (c * 3).sum().backward(retain_graph=True)
    first.remove()
    c.sum().backward()
    return (
        seen, x.grad, said(lambda: hook((x,), print, mode="some")), said(lambda: hook((x, t.ones(1)), print)),
    )  # fmt: skip


@program
def changes_of_saved_tensors(t):
    allow = t.autograd.graph.allow_mutation_on_saved_tensors
    with allow():
        x = leaf(t, 1.0, 2.0)
        y = x.clone()
        out = (y * y * y).sum()
        y.mul_(5)
        later = (y * y).sum()
        y[0] = 3.0
        (g,) = t.autograd.grad(out, x, create_graph=True)
        found = [g, t.autograd.grad(g.sum(), x)[0], t.autograd.grad(later, x)[0]]
        w, v = leaf(t, 1.0), leaf(t, 2.0)
        z = w * v
        with t.no_grad():
            w.add_(5)
        z.backward()
        found += [w.grad, v.grad]

        def nested():
            with allow():
                pass

        found.append(said(nested))
        left = (x.clone() * x).sum()
    found.append(said(left.backward)[:60])
    y = x.clone()
    out = (y * y).sum()
    with allow():
        y.mul_(2)
        found.append(said(out.backward)[:60])
    return found


@program
def hooks_of_saved_tensors_that_are_refused(t):
    graph = t.autograd.graph
    x = leaf(t, 1.0, 2.0)

    def under(pack, unpack=lambda a: a):
        with graph.saved_tensors_hooks(pack, unpack):
            return (x * x).sum()

    def disabled(inside):
        with graph.disable_saved_tensors_hooks("none here"):
            inside()

    def outside():
        with graph.save_on_cpu(), graph.disable_saved_tensors_hooks("none inside"):
            pass

    def nested():
        with graph.disable_saved_tensors_hooks("none"):
            pass
        under(lambda a: a)

    seen = []
    under(lambda a: seen.append((a.requires_grad, a.is_leaf)) or a)
    return (
        said(lambda: under(lambda a: a.detach().add_(1))), said(under(lambda a: a, lambda a: 3).backward),
        said(lambda: disabled(lambda: under(lambda a: a))), said(outside), said(lambda: disabled(nested)), seen,
        said(lambda: disabled((x * x).sum().backward)), graph.disable_saved_tensors_hooks("none")(lambda: 4)(), x.grad,
    )  # fmt: skip


@program
def edges_of_the_graph(t):
    x, w = leaf(t, 1.0, 2.0), leaf(t, 3.0)
    y = (x * 3).exp()
    edge = t.autograd.graph.get_gradient_edge
    at_x, at_y = edge(x), edge(y)
    total = (y * 2).sum()
    found = [
        t.autograd.grad(total, at_y, retain_graph=True), t.autograd.grad(total, (at_x, x), retain_graph=True),
        t.autograd.grad(at_y, x, t.ones(2), retain_graph=True), t.autograd.grad(edge(total), x, retain_graph=True),
        said(lambda: t.autograd.grad(at_y, x)), said(lambda: edge(t.ones(1))), at_x.node.name(), at_y.output_nr,
    ]  # fmt: skip
    t.autograd.backward(at_y, t.ones(2), retain_graph=True)
    t.autograd.backward(x.sum() * w, inputs=[edge(w)])
    versions = [t.ones(1), t.ones(1)]
    t.autograd.graph.increment_version(versions)
    return (
        found, x.grad, w.grad, [v._version for v in versions], said(lambda: t.autograd.graph.increment_version(3)),
        isinstance(y.grad_fn, t.autograd.graph.Node), t.autograd.is_multithreading_enabled(),
    )  # fmt: skip


@program
def nodes_and_what_they_keep(t):
    x, seen = leaf(t, 1.0, 2.0), []
    y, z = x.exp(), x * 2
    z.grad_fn.register_hook(lambda to, come: seen.append((to, come)))
    z.grad_fn.register_prehook(lambda come: (come[0] * 2,))
    found = [y.grad_fn._saved_result, (x * x).grad_fn._saved_self is x, (x * x).grad_fn._saved_other]
    order = z.grad_fn._sequence_nr() > y.grad_fn._sequence_nr()
    (y + z).sum().backward()
    return found, seen, order, x.grad, said(lambda: y.grad_fn._saved_result)


@program
def chosen_branches_and_loops(t):
    x = leaf(t, 1.0, 2.0)
    cond, loop = t.cond, t.while_loop
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = cond(x.sum() > 2, lambda a: a * 5, lambda a: a.exp(), (x,))
        y.sum().backward()
        return (
            y, x.grad, cond(False, lambda: t.ones(1), lambda: t.zeros(2)),
            cond(x.sum() > 9, lambda a: {"a": a["a"] + 1}, lambda a: {"a": a["a"] * 3}, ({"a": t.ones(2)},))["a"],
            loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 2), (t.tensor(0), t.ones(2))),
            said(lambda: cond("a", t.exp, t.exp, (x,))), said(lambda: cond(x > 0, t.exp, t.exp, (x,)))[:70],
            said(lambda: cond(x.sum() > 2, 3, t.exp, (x,))), said(lambda: cond(x.sum() > 2, t.exp, t.exp, x)),
            said(lambda: loop(3, lambda i: (i,), (t.tensor(0),))), t.thread_safe_generator(),
        )  # fmt: skip


@program
def hooks_where_no_gradient_comes(t):
    class Stop(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return None

    seen = []
    x = leaf(t, 1.0, 2.0)
    x.register_hook(lambda g: seen.append(("leaf", g)))
    first, second = x.unbind()
    first.register_hook(lambda g: seen.append(("first", g)))
    second.backward()
    y = x * 2
    y.register_hook(lambda g: seen.append(("y", g)))
    y.grad_fn.register_prehook(lambda gs: seen.append(("before", *gs)))
    y.grad_fn.register_hook(lambda gs, hs: seen.append(("after", *gs, *hs)))
    y.retain_grad()
    Stop.apply(y).sum().backward()
    z = x * 2
    z.register_hook(lambda g: t.ones(2) if g is None else g)
    return [plain(row) for row in seen], x.grad, y.grad, said(Stop.apply(z).sum().backward)


@program
def the_order_in_which_nodes_run(t):
    found = []

    def hook(g):
        found.append([node.name() for node in t._C._current_graph_task_execution_order()])

    def run(step):
        with t.autograd.set_multithreading_enabled(False):
            step()

    a, b = t.tensor(1.0, requires_grad=True), t.tensor(2.0, requires_grad=True)
    c, d = b.sin(), a.cos()
    out = c * d
    out.register_hook(hook)
    run(lambda: out.backward(retain_graph=True))
    run(lambda: t.autograd.grad(out, (a,), retain_graph=True))
    e, f = (a * 2).sin(), (a * 3).cos()
    f.register_hook(hook)
    run(lambda: t.autograd.grad((e, f), (a,)))
    return found, said(out.backward), said(t._C._current_graph_task_execution_order)


@program
def clones_of_saved_tensors(t):
    found = []
    with t.autograd.graph.allow_mutation_on_saved_tensors() as context:
        x = leaf(t, 2.0, 3.0)
        y = x.clone()
        first = y**2
        y.sin_()
        found.append(len(context.cloned))
        second = y * y
        y.mul_(3)
        y.mul_(3)
        found.append(len(context.cloned))
        (first.sum() + second.sum()).backward()
        del first, second
        found.append((len(context.cloned), x.grad))
        x = leaf(t, 4.0)
        y = x.clone()
        lost = y * y
        context.clear()
        kept = y * y
        y.zero_()
        found.append((said(lost.sum().backward)[:60], len(context.cloned)))
        kept.sum().backward()
    return found, x.grad


@program
def inference_tensors_keep_their_size(t):
    with t.inference_mode():
        x = t.ones(4)
        y = t.ones(2).resize_(3)
    return said(lambda: x.resize_(2)), tuple(y.shape)


@program
def hooks_of_accumulated_gradients_return_nothing(t):
    x = leaf(t, 1.0)
    found = []
    for value in (5, (None, None), t.ones(1)):
        handle = x.register_post_accumulate_grad_hook(lambda p, value=value: value)
        found.append(said((x * 2).backward))
        handle.remove()
    return found, x.grad
