"""torch.func: derivatives of functions nest and detach, batches are stacked slices, modules take other values."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as torch
from cltorch import func
from cltorch.func import grad, hessian, jacrev, jvp, vjp, vmap
from cltorch.testing import assert_close

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


def cube(x):
    return (x**3).sum()


def test_gradients_nest_and_come_detached(device):
    x = torch.tensor([1.0, 2.0], device=device)
    first = grad(cube)(x)
    assert first.tolist() == [3, 12] and not first.requires_grad and not x.requires_grad
    second = grad(lambda y: grad(cube)(y).sum())(x)
    assert second.tolist() == [6, 12] and not second.requires_grad
    third = grad(grad(grad(lambda y: y**3)))(torch.tensor(5.0, device=device))
    assert third.item() == 6


def test_outer_graphs_go_on(device):
    w = torch.tensor(2.0, device=device, requires_grad=True)
    g = grad(lambda x: w * x**2)(torch.tensor(3.0, device=device))
    assert g.item() == 12 and g.requires_grad
    g.backward()
    assert w.grad.item() == 6
    x = torch.tensor(3.0, device=device, requires_grad=True)
    grad(lambda y: y**3)(x).backward()
    assert x.grad.item() == 18


def test_several_arguments_values_and_extras():
    x, y = torch.tensor(2.0), torch.tensor(5.0)
    assert grad(lambda a, b: a * b, argnums=(0, 1))(x, y) == (torch.tensor(5.0), torch.tensor(2.0))
    assert grad(lambda a, b: a * b, argnums=-1)(x, y).item() == 2
    (g, (value, aux)) = func.grad_and_value(lambda a: (a * a, {"a": a + 1}), has_aux=True)(x)
    assert (g.item(), value.item(), aux["a"].item()) == (4, 4, 3) and not aux["a"].requires_grad
    tree = grad(lambda p: (p["w"] * p["b"][0]).sum())({"w": torch.ones(2), "b": [torch.tensor(3.0)]})
    assert tree["w"].tolist() == [3, 3] and tree["b"][0].item() == 2
    assert grad(lambda a, b: a * 2)(x, y).item() == 2 and grad(lambda a, b: b * 2)(x, y).item() == 0


def test_what_is_no_scalar_is_told():
    with pytest.raises(RuntimeError, match="return a scalar Tensor, got tensor with 1 dims"):
        grad(lambda x: x * 2)(torch.ones(2))
    with pytest.raises(RuntimeError, match="return a Tensor, got"):
        grad(lambda x: 3.0)(torch.ones(2))
    with pytest.raises(RuntimeError, match=r"argnum=2, but only 1 positional"):
        grad(cube, argnums=2)(torch.ones(2))
    with pytest.raises(RuntimeError, match="has_aux is True"):
        grad(cube, has_aux=True)(torch.ones(2))


def test_products_with_the_jacobian(device):
    a = np.arange(6.0, dtype=np.float32).reshape(2, 3) - 2
    m, x = torch.tensor(a, device=device), torch.tensor([1.0, -1.0, 2.0], device=device)

    def f(t):
        return torch.sin(m @ t)

    jacobian = np.cos(a @ x.cpu().numpy())[:, None] * a
    value, pull = vjp(f, x)
    for v in ([1.0, 0.0], [2.0, 3.0]):  # as often as one likes
        (found,) = pull(torch.tensor(v, device=device))
        assert_close(found.cpu(), torch.tensor(np.array(v, np.float32) @ jacobian), rtol=1e-4, atol=1e-5)
        assert not found.requires_grad
    assert not value.requires_grad
    tangent = torch.tensor([0.5, 1.0, -1.0], device=device)
    value, pushed = jvp(f, (x,), (tangent,))
    assert_close(pushed.cpu(), torch.tensor(jacobian @ tangent.cpu().numpy()), rtol=1e-4, atol=1e-5)
    assert_close(func.linearize(f, x)[1](tangent), pushed)
    for way in (jacrev, func.jacfwd):
        assert_close(way(f)(x).cpu(), torch.tensor(jacobian), rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="structure of cotangents"):
        pull((torch.ones(2), torch.ones(2)))
    with pytest.raises(RuntimeError, match="Expected primals to be a tuple"):
        jvp(f, x, tangent)


def test_jacobians_of_trees():
    out = jacrev(lambda a, b: {"sum": a + b, "dot": (a * b).sum()}, argnums=(0, 1))(torch.ones(2), torch.zeros(2))
    assert out["sum"][0].tolist() == [[1, 0], [0, 1]] and out["dot"][1].tolist() == [1, 1]
    assert out["dot"][0].shape == (2,)


def test_hessians(device):
    x = torch.tensor([1.0, 2.0, 3.0], device=device)
    found = hessian(lambda t: t[0] ** 2 * t[1] + t[2] ** 3)(x)
    assert found.tolist() == [[4, 2, 0], [2, 0, 0], [0, 0, 18]]


def test_hessians_of_losses_and_products(device):
    x = torch.tensor(np.random.default_rng(0).standard_normal((3, 4)), dtype=torch.float32, device=device)
    targets = torch.tensor([0, 2, 1], device=device)
    found = hessian(lambda t: torch.nn.functional.cross_entropy(t, targets))(x)
    p = np.exp(np.asarray(x.tolist()))
    p /= p.sum(1, keepdims=True)
    expected = np.zeros((3, 4, 3, 4))
    for i in range(3):
        expected[i, :, i] = (np.diag(p[i]) - np.outer(p[i], p[i])) / 3
    np.testing.assert_allclose(np.asarray(found.tolist()), expected, atol=1e-6)

    def both(t):  # whose operands depend on x alike
        return torch.nn.functional.conv1d(t[None, :1], t[None, 1:2, :2]).pow(2).sum()

    np.testing.assert_allclose(hessian(both)(x).tolist(), jacrev(jacrev(both))(x).tolist(), atol=1e-5)


def test_gradients_of_a_level_leave_their_tangents_outside_of_its_graph(device):
    x = torch.ones(2, 3, device=device)
    value, tangent = jvp(grad(lambda t: torch.softmax(t, 1).pow(2).sum()), (x,), (x,))
    assert not value.requires_grad and not tangent.requires_grad


def test_vmap_stacks_slices(device):
    x = torch.arange(6.0, device=device).reshape(2, 3)
    assert vmap(torch.sum)(x).tolist() == [3, 12]
    assert vmap(torch.sum, in_dims=1)(x).tolist() == [3, 5, 7]
    assert vmap(lambda a, b: a * b, in_dims=(0, None), out_dims=1)(x, torch.tensor(2.0, device=device)).tolist() == [
        [0, 6], [2, 8], [4, 10],
    ]  # fmt: skip
    tree = vmap(lambda p, s: {"y": p["a"] + s, "z": (p["a"].sum(),)}, in_dims=({"a": 0}, None))({"a": x}, 1)
    assert tree["y"].tolist() == [[1, 2, 3], [4, 5, 6]] and tree["z"][0].tolist() == [3, 12]
    assert vmap(vmap(torch.neg))(x).tolist() == (-x).tolist()


def test_gradients_of_samples(device):
    model = torch.nn.Linear(3, 1).to(device)
    params = {name: p.detach() for name, p in model.named_parameters()}
    x, y = torch.randn(4, 3, device=device), torch.randn(4, 1, device=device)

    def loss(params, x, y):
        return ((func.functional_call(model, params, x) - y) ** 2).sum()

    found = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
    error = 2 * (model(x) - y).detach()
    assert_close(found["weight"], error[:, :, None] * x[:, None, :], rtol=1e-4, atol=1e-5)
    assert_close(found["bias"], error, rtol=1e-4, atol=1e-5)


def test_random_numbers_in_vmap(device):
    x = torch.zeros(3, 4, device=device)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(torch.rand_like)(x)
    same = vmap(torch.rand_like, randomness="same")(x)
    assert torch.equal(same[0], same[1]) and torch.equal(same[0], same[2])
    other = vmap(torch.rand_like, randomness="different")(x)
    assert not torch.equal(other[0], other[1]) and not torch.equal(other[0], same[0])
    with pytest.raises(RuntimeError, match="Got maybe"):
        vmap(torch.neg, randomness="maybe")


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: vmap(torch.neg)(), ValueError, "got no inputs"),
        (lambda: vmap(torch.neg)(3.0), ValueError, "in_dim=0 for an input but the input is of type"),
        (lambda: vmap(torch.neg, in_dims=2)(torch.ones(2)), ValueError, "-1 <= in_dim < 1"),
        (lambda: vmap(torch.add)(torch.ones(2), torch.ones(3)), ValueError, r"got sizes \[2, 3\]"),
        (lambda: vmap(torch.add, in_dims=(0,))(torch.ones(2), torch.ones(2)), ValueError, "in_dims is not compatible"),
        (lambda: vmap(torch.neg, in_dims=None)(torch.ones(2)), ValueError, "expected `in_dims` to be int"),
        (lambda: vmap(lambda x: 3)(torch.ones(2)), ValueError, "must only return Tensors, got type <class 'int'>"),
        (lambda: vmap(torch.neg, chunk_size=0), ValueError, "chunk_size"),
    ],
)
def test_wrong_batches_are_told(call, error, told):
    with pytest.raises(error, match=told):
        call()


def test_ensembles_of_modules(device):
    models = [torch.nn.Linear(2, 1).to(device) for _ in range(3)]
    params, buffers = func.stack_module_state(models)
    assert params["weight"].shape == (3, 1, 2) and params["weight"].requires_grad and not buffers
    x = torch.randn(5, 2, device=device)
    found = vmap(lambda p, b: func.functional_call(models[0], (p, b), (x,)))(params, buffers)
    assert_close(found, torch.stack([m(x) for m in models]))
    with pytest.raises(RuntimeError, match="at least one model"):
        func.stack_module_state([])
    with pytest.raises(RuntimeError, match="same class"):
        func.stack_module_state([models[0], torch.nn.ReLU()])
    with pytest.raises(ValueError, match="multiple dictionaries"):
        func.functional_call(models[0], (params, params), x)


def test_batch_norm_without_statistics():
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    assert func.replace_all_batch_norm_modules_(model) is model and model[0].running_mean is None
    x = torch.randn(4, 3, 2, 2)
    assert_close(model.eval()(x).mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)


def test_programs_agree_with_pytorch():
    pytorch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)

    def program(t, lib):
        f = lambda a: (a.tanh() * a.exp()).sum(-1)  # noqa: E731
        a = lib.tensor(x)
        _, pull = t.vjp(f, a)
        return [
            t.jacrev(f)(a), t.hessian(lambda b: f(b).sum())(a), t.jvp(f, (a,), (lib.ones_like(a),))[1],
            pull(lib.ones(2))[0], t.vmap(t.grad(lambda b: f(b)))(a), t.vmap(t.jacrev(f), in_dims=1, out_dims=-1)(a),
        ]  # fmt: skip

    for mine, other in zip(program(func, torch), program(pytorch.func, pytorch), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("pattern", "lengths", "want"),
    [
        ("a (h w) c -> (a h) c w", {"h": 2}, lambda x: x.reshape(2, 2, 3, 5).transpose(0, 1, 3, 2).reshape(4, 5, 3)),
        ("a ... -> ... a", {}, lambda x: np.moveaxis(x, 0, -1)),
        ("... a -> (... a)", {}, lambda x: x.reshape(-1)),
        ("a b c -> c 1 (b a)", {}, lambda x: x.transpose(2, 1, 0).reshape(5, 1, 12)),
    ],
)
def test_rearranged_dimensions(pattern, lengths, want):
    x = np.arange(60.0).reshape(2, 6, 5)
    assert torch.func.rearrange(torch.tensor(x), pattern, **lengths).numpy().tolist() == want(x).tolist()
    assert torch.func.rearrange(list(torch.tensor(x)), pattern, **lengths).numpy().tolist() == want(x).tolist()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a b", "'->'"), ("a b -> a c", "only on one side"), ("a a -> a", "duplicate dimension"),
        ("a b c -> c b a", "Number of dimensions"), ("(a x) b -> a x b", "sizes"), ("a (b -> b a", "Imbalanced"),
        ("a b) -> a b", "not balanced"), ("a ((b)) -> a b", "one-level"), ("a _b -> _b a", "underscore"),
        ("a 3 -> 3 a", "size 1"), ("a ? -> ? a", "Unknown character"), ("a .. -> .. a", "dots only inside ellipsis"),
        ("a (b ...) -> ... a b", "in the left side"), ("(a y) b -> a y b", "made of"),
    ],
)  # fmt: skip
def test_patterns_that_are_wrong(pattern, message):
    with pytest.raises(ValueError, match=message):
        torch.func.rearrange(torch.ones(2, 3), pattern, **({"y": 3} if "y" in pattern else {}))


def test_a_function_of_a_user_needs_a_context_of_its_own_under_transforms(device):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = torch.ones(2, device=device)
    for transform in (torch.func.grad, torch.func.jacrev):
        with pytest.raises(RuntimeError, match="it must override the setup_context staticmethod"):
            transform(lambda x: Square.apply(x).sum())(x)
    leaf = x.clone().requires_grad_()
    Square.apply(leaf).sum().backward()
    assert leaf.grad.tolist() == [2, 2]
    layer = torch.nn.Linear(2, 1, device=device)
    layer.register_full_backward_hook(lambda module, given, out: None)  # by a function of this package
    found = torch.func.grad(lambda p: torch.func.functional_call(layer, p, (x,)).sum())(dict(layer.named_parameters()))
    assert found["weight"].tolist() == [[1, 1]]


CHANGES = {
    "itself": lambda b, x: b.mul_(x),
    "with numbers alone": lambda b, x: b.add_(1),
    "an element": lambda b, x: b.__setitem__(0, x.detach().sum()),
    "through a view": lambda b, x: b.view(1, 2)[0].add_(1),
    "by a copy": lambda b, x: b.copy_(x),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_what_a_function_captures_is_not_changed_under_transforms(device, name):
    buffer, x = torch.zeros(2, device=device), torch.tensor([1.0, 2.0], device=device)

    def f(x):
        CHANGES[name](buffer, x)
        return (x * x).sum()

    for call in (
        lambda: func.grad(f)(x), lambda: func.vjp(f, x), lambda: func.jvp(f, (x,), (x,)), lambda: func.jacrev(f)(x),
        lambda: func.jacfwd(f)(x), lambda: func.grad(lambda x: func.grad(f)(x).sum())(x),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="would mutate a captured Tensor"):
            call()
    assert buffer.tolist() == [0.0, 0.0]
    CHANGES[name](buffer, x)  # and afterwards it may be


def test_what_a_function_makes_or_is_given_may_be_changed_under_transforms(device):
    x = torch.tensor([1.0, 2.0], device=device)

    def makes(x):
        y = torch.zeros(2, device=device)
        y[1] = x[0] * 3
        return y.add_(x).sum()

    def given(x, y):
        y.mul_(2)
        return (x * y).sum()

    assert func.grad(makes)(x).tolist() == [4.0, 1.0]
    assert func.jvp(makes, (x,), (x,))[1].item() == 6.0
    y = torch.ones(2, device=device)
    assert func.grad(given)(x, y).tolist() == [2.0, 2.0] and y.tolist() == [2.0, 2.0]
    inner = torch.ones(2, device=device)

    def outer(x):
        made = x * 1
        with pytest.raises(RuntimeError, match="would mutate a captured Tensor"):
            func.grad(lambda y: made.mul_(y).sum())(inner)  # of the outer function, not of this one
        return made.mul_(2).sum()

    assert func.grad(outer)(x).tolist() == [2.0, 2.0]


def test_what_transforms_are_given_and_return(device):
    x = torch.tensor([1.0, 2.0], device=device)
    with pytest.raises(RuntimeError, match="Expected tensors, got unsupported type"):
        func.grad(lambda x: (x.sum(), "text"), has_aux=True)(x)
    for f, name in ((func.jacrev, "jacrev"), (func.jacfwd, "jacfwd")):
        with pytest.raises(RuntimeError, match=f"{name}: Expected all inputs to be real"):
            f(lambda x: x * 2)(x.to(torch.complex64))
    value, back = func.vjp(torch.sin, x)
    assert torch.equal(back(x)[0], back(x, retain_graph=False)[0])
    with pytest.raises(RuntimeError, match="second time"):
        back(x)
