"""Parts of the graph and its switches that programs seldom use: nodes, kept tensors, threads, hooks that fail."""

from __future__ import annotations

import threading
import warnings

import pytest

import cltorch
from cltorch.autograd import graph, record
from cltorch.nn import functional as F
from cltorch.ops.matmul import Linear


def leaf(*values, device=None):
    return cltorch.tensor(values, requires_grad=True, device=device)


def test_each_operation_has_a_class_of_its_own():
    x = leaf(1.0, 2.0)
    y = x * 2
    assert type(y.grad_fn).__name__ == y.grad_fn.name() == "MulBackward0" and repr(y.grad_fn).startswith(
        "<MulBackward0 "
    )
    assert type(y.grad_fn) is type((x * 3).grad_fn) and type(y.grad_fn) is not type((x + 3).grad_fn)
    assert isinstance(y.grad_fn, graph.Node)
    (accumulate, nr), other = y.grad_fn.next_functions
    assert accumulate.variable is x and nr == 0 and other == (None, 0)
    assert accumulate.name() == "torch::autograd::AccumulateGrad" and accumulate.next_functions == ()
    assert (x + 1).grad_fn.next_functions[0][0] is accumulate  # one end for one leaf
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}


def test_asking_a_result_for_its_gradient_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf Tensor is being accessed"):
        assert y.grad is None
    y.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert y.grad is None and leaf(1.0).grad is None
        y.backward()
        assert y.grad.item() == 1.0


def test_own_functions_show_their_context_at_the_node():
    class Scale(cltorch.autograd.Function):
        @staticmethod
        def forward(ctx, x, by):
            ctx.by = by
            ctx.save_for_backward(x)
            return x * by

        @staticmethod
        def backward(ctx, g):
            return g * ctx.by, None

    x = leaf(1.0)
    y = Scale.apply(x, 3.0)
    assert y.grad_fn.by == 3.0 and y.grad_fn.saved_tensors[0] is x and y.grad_fn.name() == "ScaleBackward"
    y.backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        y.grad_fn.saved_tensors  # noqa: B018


def test_kept_tensors_may_be_packed_elsewhere(device):
    x = leaf(2.0, 3.0, device=device)
    kept = []

    def pack(t):
        kept.append(t)
        return len(kept) - 1

    with graph.saved_tensors_hooks(pack, lambda i: kept[i]):
        y = x * x
        z = y.exp()
    assert len(kept) == 3 and kept[2].tolist() == pytest.approx(z.tolist())
    (g,) = cltorch.autograd.grad(z.sum(), x, create_graph=True)
    assert g.tolist() == pytest.approx((2 * x * (x * x).exp()).tolist())
    (h,) = cltorch.autograd.grad(g.sum(), x)  # what was unpacked is part of the graph again
    assert h.tolist() == pytest.approx(((2 + 4 * x * x) * (x * x).exp()).tolist())


def test_kept_tensors_may_wait_on_the_host(cl_device):
    x = leaf(2.0, 3.0, device=cl_device)
    with graph.save_on_cpu():
        y = x.exp() * x
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx((x.exp() * (1 + x)).tolist())


def test_packing_can_be_forbidden():
    x = leaf(1.0)
    hooks = graph.saved_tensors_hooks(lambda t: t, lambda t: t)
    with graph.disable_saved_tensors_hooks("not here"):
        x * x
        with pytest.raises(RuntimeError, match="not here"), hooks:
            pass
    with hooks, pytest.raises(RuntimeError, match="not here"):
        with graph.disable_saved_tensors_hooks("not here"):
            pass
    assert (x * x).item() == 1.0


def test_switches_are_of_one_thread():
    seen = {}

    def other():
        seen["grad"] = cltorch.is_grad_enabled()
        seen["inference"] = cltorch.is_inference_mode_enabled() or cltorch.ones(1).is_inference()
        x = leaf(1.0)
        seen["hooks"] = (x * x).item()

    def fail(t):
        raise AssertionError("hooks of another thread")

    with cltorch.inference_mode(), graph.saved_tensors_hooks(fail, fail):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == {"grad": True, "inference": False, "hooks": 1.0}


def test_threads_may_run_graphs_of_one_leaf():
    x = leaf(1.0, 2.0)
    losses = [((i + 1) * x).exp().sum() for i in range(8)]
    found = [None] * 8

    def work(i):
        (found[i],) = cltorch.autograd.grad(losses[i], x)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, g in enumerate(found):
        assert g.tolist() == pytest.approx(((i + 1) * ((i + 1) * x).exp()).tolist())


def test_hooks_that_fail_leave_the_graph_usable():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    handle = x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.backward(retain_graph=True)
    handle.remove()
    handle.remove()
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0] and cltorch.is_grad_enabled()
    with x.register_hook(lambda g: "no tensor"), pytest.raises(TypeError, match="hook returned 'str'"):
        (x * 2).sum().backward()


def test_backward_within_backward():
    class Twice(cltorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            with cltorch.enable_grad():
                (x,) = ctx.saved_tensors
                y = x.detach().requires_grad_()
                (y * y).sum().backward()
            return g * y.grad

    x = leaf(1.0, 3.0)
    Twice.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 6.0]


def test_anomalies_name_the_place():
    x = leaf(0.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with cltorch.autograd.detect_anomaly():
            y = x.sqrt() * 0  # the culprit
            with pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output"):
                y.backward()
    assert any("SqrtBackward0" in str(w.message) and "the culprit" in str(w.message) for w in caught)
    assert not cltorch.is_anomaly_enabled() and y.grad_fn is not None
    with cltorch.autograd.set_detect_anomaly(True):
        assert cltorch.is_anomaly_enabled()
    assert not cltorch.is_anomaly_enabled() and (x + 1).grad_fn.trace is None


def test_gradients_of_a_tensor_whose_data_was_replaced():
    x = leaf(1.0, 2.0)
    y = x * 3
    x.data = cltorch.tensor([10.0, 20.0])
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and x.tolist() == [10.0, 20.0]
    with cltorch.no_grad():
        x += 1
    assert x._version == 1


def test_leaves_do_not_share_a_gradient(device):
    for create_graph in (False, True):
        x, y = leaf(1.0, 2.0, device=device), leaf(3.0, 4.0, device=device)
        g = cltorch.ones(2, device=device)
        (x + y).backward(g, create_graph=create_graph)
        with cltorch.no_grad():
            x.grad.mul_(5)
        assert y.grad.tolist() == g.tolist() == [1.0, 1.0] and x.grad.tolist() == [5.0, 5.0]


def test_the_order_of_work_is_by_age_not_by_depth():
    """A short way and a long way to one node: it must wait for both."""
    x = leaf(1.0)
    y = x * 2
    long = y
    for _ in range(50):
        long = long * 1
    calls = []
    y.grad_fn.register_prehook(lambda g: calls.append(g[0].item()))
    (long + y * 10).backward()
    assert calls == [11.0] and x.grad.item() == 22.0


def test_only_the_gradients_asked_for_are_computed(device):
    x = cltorch.randn(4, 3, device=device, requires_grad=True)
    w = cltorch.randn(2, 3, device=device, requires_grad=True)
    asked = []

    class Watched(Linear):
        @staticmethod
        def vjp(m, c, *grads):
            asked.append(c.needs)
            return Linear.vjp(m, c, *grads)

    y = record.apply(Watched, x, w, None)
    (g,) = cltorch.autograd.grad(y.sum(), w, retain_graph=True)
    assert g.shape == w.shape and asked == [(False, True, None)]
    y.sum().backward()
    assert asked[1] == (True, True, None) and x.grad is not None and cltorch.equal(w.grad, g)


@pytest.mark.parametrize("kind", ["its input", "a view of its input", "a view of its own"])
def test_views_that_a_function_of_a_user_returns_are_not_changed_in_place(kind, device):
    class Twice(cltorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            if kind == "its input":
                return x
            return x[:] if kind == "a view of its input" else (x * 1)[:]

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    x = cltorch.ones(2, device=device, requires_grad=True)
    (Twice.apply(x) * 3).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
    for change in (lambda y: y.add_(1), lambda y: y[:1].add_(1)):
        with pytest.raises(RuntimeError, match="This view was created inside a custom Function"):
            change(Twice.apply(x))
    if kind != "a view of its own":
        base = x * 1
        y = Twice.apply(base)
        base.add_(1)
        with pytest.raises(RuntimeError, match="Output 0 of Twice is a view and its base or another view"):
            y.sum()
    assert Twice.apply(x).clone().add_(1).tolist() == [2.0, 2.0]


def test_numbers_that_a_product_has_kept_are_freed_too(device):
    x = cltorch.ones(2, device=device, requires_grad=True)
    for y in ((x * 2).sum(), (3 * x).sum(), (x / 2).sum()):
        y.backward()
        with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
            y.backward()
    for y in ((x + 2).sum(), (x - 1).sum(), (-x).sum()):  # nothing of these is kept
        y.backward()
        y.backward()
    y = (x * 2).sum()
    y.backward(retain_graph=True)
    y.backward()


def test_a_retained_gradient_has_memory_of_its_own(device):
    x = cltorch.ones(2, 3, device=device, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.sum().backward()
    assert y.grad.stride() == (3, 1)
    y.grad[0, 0] = 5
    assert y.grad.tolist() == [[5, 1, 1], [1, 1, 1]]


def test_views_by_indices_are_named_after_the_last_index(device):
    x = cltorch.ones(2, 3, 4, device=device, requires_grad=True)
    for index, name in (
        (0, "Select"), (slice(1), "Slice"), (slice(None), "Slice"), (None, "Unsqueeze"), (..., "Alias"),
        ((0, 1), "Select"), ((..., None), "Unsqueeze"), ((0, slice(1)), "Slice"), ((slice(None), 0), "Select"),
        ((slice(0, 1), slice(None)), "Slice"), ((slice(None), slice(None)), "Alias"), ((None, 0), "Select"),
    ):  # fmt: skip
        assert x[index].grad_fn.name() == f"{name}Backward0", index


NAMES = {
    "SumBackward0": [lambda x: x.sum()],
    "SumBackward1": [lambda x: x.sum(0), lambda x: cltorch.sum(x, (0, 1), keepdim=True)],
    "MeanBackward0": [lambda x: x.mean(), lambda x: F.l1_loss(x, x.detach())],
    "MeanBackward1": [lambda x: x.mean(-1)],
    "PowBackward0": [lambda x: x**2, lambda x: x**2.5, lambda x: x**0.5, lambda x: x**-1],
    "PowBackward1": [lambda x: x**x],
    "PowBackward2": [lambda x: 2**x],
    "ClampBackward0": [lambda x: x.clamp(x, x + 1), lambda x: x.clamp(x)],
    "ClampBackward1": [lambda x: x.clamp(0, 1), lambda x: x.clamp(min=0), lambda x: x.clamp(max=1)],
    "ClampMinBackward0": [lambda x: x.clamp_min(0)],
    "ClampMinBackward1": [lambda x: x.clamp_min(x)],
    "XlogyBackward2": [lambda x: cltorch.xlogy(x, 2.0)],
    "ConstantPadNdBackward0": [lambda x: F.pad(x, (1, 0))],
    "torch::autograd::CopyBackwards": [lambda x: cltorch.zeros(2, 2).copy_(x)],
    "MseLossBackward0": [lambda x: F.mse_loss(x, cltorch.ones(2, 2)), lambda x: F.mse_loss(x, x + 1, reduction="none")],
    "SmoothL1LossBackward0": [lambda x: F.smooth_l1_loss(x, cltorch.ones(2, 2))],
    "HuberLossBackward0": [lambda x: F.huber_loss(x, cltorch.ones(2, 2))],
    "BinaryCrossEntropyBackward0": [lambda x: F.binary_cross_entropy(x, cltorch.ones(2, 2))],
    "BinaryCrossEntropyWithLogitsBackward0": [lambda x: F.binary_cross_entropy_with_logits(x, cltorch.ones(2, 2))],
    "SoftMarginLossBackward0": [lambda x: F.soft_margin_loss(x, cltorch.ones(2, 2))],
}


@pytest.mark.parametrize("name", NAMES)
def test_nodes_are_numbered_as_the_forms_of_an_operator(name):
    x = cltorch.full((2, 2), 0.5, requires_grad=True)
    for call in NAMES[name]:
        assert call(x).grad_fn.name() == name


def test_what_is_written_keeps_its_node():
    x = cltorch.full((2,), 0.5, requires_grad=True)
    y = x.exp()
    with cltorch.no_grad():
        cltorch.pow(x, 2, out=y)
        cltorch.clamp(x, 0, out=y)
    assert y.grad_fn.name() == "ExpBackward0"


def test_a_loss_is_one_node_with_its_reduction(device):
    x, y = leaf(1.0, 2.0, device=device), leaf(3.0, 5.0, device=device)
    target = cltorch.zeros(2, device=device)
    loss = F.mse_loss(x * x, target)
    (before, nr), other = loss.grad_fn.next_functions
    assert before.name() == "MulBackward0" and nr == 0 and other == (None, 0)
    seen = []
    loss.grad_fn.register_hook(lambda inner, outer: seen.append((len(inner), inner[1], len(outer))))
    (g,) = cltorch.autograd.grad(loss, x, create_graph=True)
    assert g.tolist() == [2.0, 16.0] and seen == [(2, None, 1)]  # of the mean of x⁴ over two: 2 x³
    (second,) = cltorch.autograd.grad(g.sum(), x)
    assert second.tolist() == [6.0, 24.0]
    loss = F.mse_loss(x, y, reduction="sum")
    loss.backward()
    assert x.grad.tolist() == [-4.0, -6.0] and y.grad.tolist() == [4.0, 6.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()


def test_what_a_node_keeps_is_listed():
    x = leaf(1.0, 2.0)
    node = (x**x).grad_fn
    kept = {name for name in dir(node) if name.startswith("_saved_")}
    assert {"_saved_self", "_saved_exponent"} <= kept and node._saved_exponent is x
    assert not any(name.startswith("_saved_") for name in dir((x + 1).grad_fn))
    assert [name for name in dir(x.exp().grad_fn) if "saved_" in name] == ["_raw_saved_result", "_saved_result"]


def test_a_change_of_size_is_a_change():
    x = cltorch.ones(2, 3)
    before = x._version
    x.resize_(3, 3)
    assert x._version == before + 1


def test_a_leaf_that_is_a_view_is_not_changed_in_place(device):
    x = cltorch.ones(6, device=device).view(2, 3).requires_grad_()
    for change in (lambda: x.add_(2), lambda: x[0].mul_(2), lambda: x.view(6).zero_()):
        with pytest.raises(RuntimeError, match="view of a leaf Variable that requires grad"):
            change()
    with cltorch.no_grad():
        x.add_(2)
    assert x.is_leaf and x.tolist() == [[3] * 3] * 2
    base = cltorch.ones(3, device=device)
    part = base[1:].requires_grad_()
    base.mul_(2)
    part.sum().backward()
    assert part.grad.tolist() == [1, 1]


def test_gradients_within_a_graph_lie_as_their_leaves(device):
    x = cltorch.arange(24.0).reshape(2, 3, 4).to(device).requires_grad_()
    t = cltorch.arange(12.0).reshape(3, 4).to(device).t().detach().requires_grad_()
    y = (x.permute(2, 0, 1).contiguous() ** 2).sum() + (t @ t.t()).sum()
    y.backward(create_graph=True)
    assert x.grad.stride() == (12, 4, 1) and t.grad.stride() == (1, 4)
    x.grad.view(-1).sum().backward()
    assert x.grad[0, 0].tolist() == [2.0, 4.0, 6.0, 8.0]
