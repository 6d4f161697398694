"""What the graph keeps alive, and for how long: nothing waits for Python's collector of cycles."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import cltorch


@pytest.fixture(autouse=True)
def no_collector():
    """Switch the collector of cycles off: what is not freed by counting references stays, and the test sees it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def leaf(device, *shape):
    return cltorch.ones(*shape or (4,), device=device, requires_grad=True)


class Square(cltorch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x * x
        ctx.save_for_backward(x, y)
        ctx.note = "kept"
        return y

    @staticmethod
    def backward(ctx, g):
        x, _ = ctx.saved_tensors
        return 2 * x * g


STEPS = {
    "arithmetic": lambda x: (x * x + 1) / (x + 2),
    "own result kept": lambda x: x.exp().sigmoid().tanh().sqrt(),
    "views": lambda x: x.view(2, 2).t()[0].unsqueeze(0).expand(3, 2),
    "several views": lambda x: cltorch.stack(list(x.unbind())) + cltorch.cat(x.split(2)),
    "in place": lambda x: (x * 2).mul_(3).add_(x).exp_(),
    "in place through views": lambda x: (x * 2).view(2, 2)[0].mul_(3),
    "indexing": lambda x: x[cltorch.tensor([0, 2], device=x.device)] * x[1:3],
    "reductions": lambda x: x.sum() + x.max() + x.mean() + x.prod() + cltorch.softmax(x, 0).sum(),
    "products": lambda x: x.view(2, 2) @ x.view(2, 2),
    "own function": Square.apply,
    "conversion": lambda x: x.half().float().to("cpu"),
}


@pytest.mark.parametrize("name", list(STEPS))
def test_a_graph_is_freed_when_its_last_result_goes(device, name):
    x = leaf(device)
    out = STEPS[name](x)
    node, storage, tensor = weakref.ref(out.grad_fn), weakref.ref(out._storage), weakref.ref(out)
    shared = out._storage is x._storage
    del out
    assert node() is None and tensor() is None and (storage() is None or shared)


@pytest.mark.parametrize("name", list(STEPS))
def test_a_graph_is_freed_after_backward(device, name):
    x = leaf(device)
    out = STEPS[name](x)
    middle = weakref.ref(out)
    loss = out.sum()
    del out
    loss.backward()
    node = weakref.ref(loss.grad_fn)
    del loss
    assert middle() is None and node() is None
    assert x.grad is not None


def test_what_is_kept_for_the_derivative_goes_with_backward(device):
    x = leaf(device)
    y = x * 2
    z = y * y
    kept = weakref.ref(y._storage)
    del y
    assert kept() is not None
    z.sum().backward()
    assert kept() is None
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        z.sum().backward()


def test_a_graph_that_is_retained_stays(device):
    x = leaf(device)
    y = x * 2
    z = (y * y).sum()
    kept = weakref.ref(y._storage)
    del y
    z.backward(retain_graph=True)
    assert kept() is not None
    z.backward()
    assert kept() is None and x.grad.tolist() == [16.0] * 4


def test_hooks_and_retained_gradients_make_no_cycle(device):
    x = leaf(device)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g + 1)
    y.grad_fn.register_hook(lambda gi, go: None)
    y.sum().backward()
    assert y.grad.tolist() == [2.0] * 4
    gone = weakref.ref(y)
    del y
    assert gone() is None


def test_a_leaf_goes_with_its_last_user(device):
    x = leaf(device)
    x.register_hook(lambda g: g)
    y = x * 2
    gone = weakref.ref(x)
    del x
    assert gone() is not None  # the graph ends in it
    y.sum().backward()
    del y
    assert gone() is None


def test_double_backward_frees_its_graph(device):
    x = leaf(device)
    (g,) = cltorch.autograd.grad((x * x * x).sum(), x, create_graph=True)
    gone = weakref.ref(g.grad_fn)
    g.sum().backward()
    del g
    assert gone() is None and x.grad.tolist() == [6.0] * 4


def test_results_without_gradients_keep_nothing(device):
    x = cltorch.ones(4, device=device)
    with cltorch.no_grad():
        y = leaf(device) * x
    gone = weakref.ref(x)
    del x
    assert gone() is None and y.grad_fn is None


def test_a_gradient_is_taken_over_rather_than_copied(device):
    x = leaf(device)
    seen = []
    x.exp().sum().backward()
    x.grad = None
    handle = x.register_hook(lambda g: seen.append(weakref.ref(g._storage)) or None)
    x.exp().sum().backward()
    handle.remove()
    assert seen[0]() is x.grad._storage


@pytest.mark.parametrize("count", [20_000])
def test_deep_graphs_run_and_are_freed_without_recursion(count):
    x = leaf("cpu", 1)
    y = x
    for _ in range(count):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1.0]
    gone = weakref.ref(y.grad_fn)
    del y
    assert gone() is None


def test_deep_graphs_of_every_kind_of_node_are_freed():
    x = leaf("cpu", 2)
    y = x
    for _ in range(2000):
        y = Square.apply(y.view(1, 2)).view(2).mul_(1)[:2]
        y = y.clone()
    gone = weakref.ref(y.grad_fn)
    del y
    assert gone() is None


def test_deep_graphs_are_freed_in_small_stacks():
    done = []

    def work():
        x = leaf("cpu", 1)
        y = x
        for _ in range(10_000):
            y = (y * 1).sum(0, keepdim=True)
        del y
        done.append(True)

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert done == [True]


def test_memory_of_the_device_is_back_after_a_step(cl_device):
    cl = cltorch.cl
    w = leaf(cl_device, 64, 64)
    x = cltorch.ones(32, 64, device=cl_device)

    def step():
        loss = ((x @ w).relu() ** 2).mean()
        loss.backward()
        w.grad = None

    step()
    before = cl.memory_allocated(cl_device)
    for _ in range(3):
        step()
    assert cl.memory_allocated(cl_device) == before
