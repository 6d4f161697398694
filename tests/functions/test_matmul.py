"""Matrix products, einsum and what is made of them: results, errors and gradients, against PyTorch and NumPy."""

import warnings

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.autograd import gradcheck, gradgradcheck

# a (2, 3), b (3, 4), v (3), u (2), w (4), B (5, 2, 3), C (5, 3, 4), s 0-d, q (3, 3), i int64 (2, 3), k uint8 (2, 3)
RESULTS = """
torch.mm(a, b)
a.mm(b)
torch.mm(b.t(), a.t())
torch.mm(i, i.t())
torch.mm(k, k.t())
torch.mm(a.half(), b.half())
torch.mm(a.bfloat16(), b.bfloat16())
torch.mm(a[:, :0], b[:0])
torch.mm(a[:0], b)
torch.bmm(B, C)
torch.bmm(B, C.flip(0))
torch.bmm(B[:, :, :0], C[:, :0])
torch.mv(a, v)
torch.mv(a.t(), u)
torch.mv(i, i[0])
torch.mv(a[:, :0], v[:0])
torch.dot(v, v)
torch.dot(v[:0], v[:0])
torch.dot(i[0], i[1])
torch.vdot(v, a[1])
a @ b
v @ b
a @ v
v @ v
B @ C
B @ b
a @ C
B @ v
v @ C
u @ B
B[:, None] @ C[None, :, :, :2]
B[None] @ C[:, None]
torch.matmul(B.half(), b.half())
i @ i.t()
B.transpose(0, 1) @ C[:1]
B[:0] @ C[:0]
B[:, :, :0] @ b[:0]
a.matmul(b)
torch.addmm(a[:, :1], a, b)
torch.addmm(w, a, b, beta=0.5, alpha=2)
torch.addmm(s, a, b)
torch.addmm(w * float("nan"), a, b, beta=0)
torch.addmm(i[:, :2], i, i.t(), alpha=2, beta=3)
torch.addmm(w, a[:, :0], b[:0], beta=2)
torch.baddbmm(w, B, C)
torch.baddbmm(B[:, :, :1], B, C, beta=2, alpha=0.5)
torch.addbmm(w, B, C, beta=2, alpha=0.5)
torch.addmv(u, a, v, beta=2, alpha=3)
torch.addmv(s, a, v)
torch.addmv(u * float("nan"), a, v, beta=0)
torch.addr(a, u, v, beta=0.5, alpha=2)
torch.addr(s, u, v)
torch.addr(i, i[:, 0], i[0])
torch.addr(a > 0, u > 0, v > 0)
torch.outer(u, v)
torch.ger(u, v)
torch.outer(v, i[0])
torch.inner(a, q)
torch.inner(a, v)
torch.inner(v, v)
torch.inner(s, a)
torch.inner(B, q)
torch.nn.functional.linear(a, q)
torch.nn.functional.linear(B, q, v)
torch.nn.functional.linear(v, q, v)
torch.nn.functional.linear(a, v)
torch.nn.functional.linear(a, q, s)
torch.nn.functional.linear(a.half(), q.half(), v.half())
torch.nn.functional.linear(a[:0], q, v)
torch.trace(a)
torch.trace(i)
torch.trace(k)
torch.kron(a, b)
torch.kron(v, a)
torch.kron(s, a)
torch.kron(B, a)
torch.kron(i, a)
torch.cross(a, a.flip(1))
torch.cross(q, q.t(), dim=0)
torch.cross(q, q.t(), dim=-1)
torch.cross(B[:, :1], B, dim=2)
torch.cross(i, i.flip(1), 1)
torch.tensordot(a, b, 1)
torch.tensordot(a, a, 2)
torch.tensordot(B, C, ([0, 2], [0, 1]))
torch.tensordot(B, C, dims=([2], [1]))
torch.tensordot(u, v, 0)
torch.tensordot(B, a, ([1, 2], [0, 1]))
torch.tensordot(B[:, :, :1], C, ([2], [1]))
torch.tensordot(k[:1], k, ([0], [0]))
torch.nn.functional.bilinear(k, k, k.reshape(1, 2, 3).repeat(1, 2, 1)[:, :3])
torch.chain_matmul(a, b, b.t(), q)
torch.chain_matmul(a)
torch.matrix_power(q, 0)
torch.matrix_power(q, 1)
torch.matrix_power(q, 5)
torch.matrix_power(i[:, :2], 3)
torch.einsum("ij,jk", a, b)
torch.einsum("ij,jk->ki", a, b)
torch.einsum("ij,jk->", a, b)
torch.einsum("ij , jk -> ik", a, b)
torch.einsum("ij,jk", [a, b])
torch.einsum("iJ,Jk", a, b)
torch.einsum("ba,ca", a, q)
torch.einsum("zA,Ab", a, b)
torch.einsum("ii", q)
torch.einsum("ii->i", q)
torch.einsum("iij->ij", B[:2, :, :2])
torch.einsum("iij,jk->k", B[:2, :, :2], a)
torch.einsum("ij->ji", a)
torch.einsum("ij->j", a)
torch.einsum("ij->", a)
torch.einsum("", s)
torch.einsum(",", s, s)
torch.einsum("i,->i", v, s)
torch.einsum("i,i", v, v)
torch.einsum("i,i->i", v, v)
torch.einsum("i,j", u, v)
torch.einsum("i,j->ji", u, v)
torch.einsum("bij,bjk->bik", B, C)
torch.einsum("bij,bjk->ki", B, C)
torch.einsum("bij,bjk->bk", B, C)
torch.einsum("bij,jk->bik", B, b)
torch.einsum("...ij,...jk", B, C)
torch.einsum("...ij,jk->...ik", B, b)
torch.einsum("...,...", B, B[0])
torch.einsum("i...->...", B)
torch.einsum("i...->", B)
torch.einsum("i...j->ij", B)
torch.einsum("b...,a", B, v)
torch.einsum("...", a)
torch.einsum("...a,...b->...ab", B, C.transpose(1, 2)[:, :1])
torch.einsum("i,ij,j", u, a, v)
torch.einsum("bn,anm,bm->ba", a, B.permute(0, 2, 1), a[:, :2])
torch.einsum("ij,jk,kl->il", a, b, b.t())
torch.einsum("i,i", v, v[:1])
torch.einsum("ij,jk", a[:, :1], b)
torch.einsum("ij,ij->ij", i, i)
torch.einsum("ij,kj->ik", i, i)
torch.einsum("ij,kj->ik", a.half(), a.half())
torch.einsum("ij,jk->ik", a[:, :0], b[:0])
torch.einsum(a, [0, 1], b, [1, 2], [0, 2])
torch.einsum(a, [0, 1], b, [1, 2])
torch.einsum(B, [..., 0, 1], C, [..., 1, 2], [..., 0, 2])
torch.einsum(q, [3, 3])
""".strip().splitlines()

ERRORS = """
torch.mm(a, a)
torch.mm(a, v)
torch.mm(v, a)
torch.mm(a, b.double())
torch.mm(a, i.t())
torch.mm(a > 0, b > 0)
torch.mm(a, [1])
torch.mm(a, b, out=torch.ones(2, 4, dtype=torch.float64))
torch.bmm(B, B)
torch.bmm(a, b)
torch.bmm(B, C[:4])
torch.mv(a, b)
torch.mv(a, u)
torch.dot(v, u)
torch.dot(a, a)
torch.dot(v, i[0])
torch.matmul(s, a)
torch.matmul(a, a)
torch.matmul(v, a)
torch.matmul(B, C[:4])
torch.matmul(B, a)
torch.matmul(a, [1])
a @ 2
torch.addmm(a, a, b)
torch.baddbmm(v, B, C)
torch.addmv(v, a, v)
torch.addr(w, u, v)
torch.outer(a, v)
torch.inner(a, b)
torch.nn.functional.linear(a, b)
torch.nn.functional.linear(a, q, w)
torch.nn.functional.linear(a, q.double())
torch.trace(v)
torch.trace(a > 0)
torch.cross(a, a, dim=0)
torch.cross(a, v, dim=1)
torch.cross(a, a.double())
torch.cross(b[:2], b[:2])
torch.tensordot(a, b, 2)
torch.tensordot(a, b, 3)
torch.tensordot(a, b, ([0], [0, 1]))
torch.chain_matmul(a, a)
torch.matrix_power(a, 2)
torch.matrix_power(v, 2)
torch.einsum("ij", a, b)
torch.einsum("ij,kl->i", a)
torch.einsum("ij,jk->iz", a, b)
torch.einsum("ij,ik->jk", a, b)
torch.einsum("i1", a)
torch.einsum("ijk", a)
torch.einsum("ijk...", a)
torch.einsum("ij->ii", a)
torch.einsum("..", a)
torch.einsum("......", a)
torch.einsum("ii", a)
torch.einsum("ij->i->j", a)
torch.einsum("a")
torch.einsum(a, [0, 60])
torch.einsum("ij,jk", i, b)
""".strip().splitlines()


def scope(module, device="cpu"):
    rng = np.random.default_rng(0)
    shapes = {
        "a": (2, 3),
        "b": (3, 4),
        "v": (3,),
        "u": (2,),
        "w": (4,),
        "B": (5, 2, 3),
        "C": (5, 3, 4),
        "s": (),
        "q": (3, 3),
    }
    arrays = {k: rng.standard_normal(shape).astype(np.float32) for k, shape in shapes.items()}
    arrays["i"] = rng.integers(-5, 6, (2, 3))
    arrays["k"] = rng.integers(0, 200, (2, 3)).astype(np.uint8)
    names = {k: module.tensor(a) for k, a in arrays.items()}
    if module is cltorch:
        names = {k: x.to(device) for k, x in names.items()}
    return {"torch": module, **names}


def plain(x):
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) in ("torch.bfloat16", "torch.float16") else x).numpy()


def same(ours, theirs):
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    rtol = {"torch.float16": 3e-3, "torch.bfloat16": 2e-2}.get(str(theirs.dtype), 1e-5)
    np.testing.assert_allclose(plain(ours), plain(theirs), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("text", RESULTS)
def test_result_is_torchs(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(eval(text, scope(cltorch, device)), eval(text, scope(torch)))


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    with pytest.raises(Exception) as ours:
        eval(text, scope(cltorch))
    assert isinstance(ours.value, (RuntimeError, TypeError, ValueError)) and str(ours.value)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eval(text, scope(torch))
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


def test_errors_name_both_shapes(device):
    a, b = cltorch.ones(2, 3, device=device), cltorch.ones(4, 5, device=device)
    with pytest.raises(RuntimeError, match=r"\(2x3 and 4x5\)"):
        a @ b
    with pytest.raises(RuntimeError, match=r"size mismatch, got input \(2\), mat \(2x3\), vec \(4\)"):
        cltorch.mv(a, b[:, 0])
    with pytest.raises(RuntimeError, match=r"\[2, 3\] and \[4, 5\]"):
        cltorch.inner(a, b)
    with pytest.raises(RuntimeError, match="float != double|same dtype"):
        a @ b.to(dtypes.float16)


def test_two_devices_raise(cl_device):
    with pytest.raises(RuntimeError, match="same device"):
        cltorch.ones(2, 2) @ cltorch.ones(2, 2, device=cl_device)


def test_out_and_in_place(device):
    a, b = cltorch.randn(2, 3, device=device), cltorch.randn(3, 4, device=device)
    out = cltorch.empty(0, device=device)
    for f, args in (
        (cltorch.mm, (a, b)),
        (cltorch.matmul, (a, b)),
        (cltorch.mv, (a, b[:, 0])),
        (cltorch.dot, (a[0], a[1])),
    ):
        assert f(*args, out=out) is out
        np.testing.assert_array_equal(plain(out), plain(f(*args)))
    c = cltorch.ones(2, 4, device=device)
    expected = plain(cltorch.addmm(c, a, b, beta=2, alpha=3))
    assert c.addmm_(a, b, beta=2, alpha=3) is c
    np.testing.assert_array_equal(plain(c), expected)
    with pytest.raises(RuntimeError, match=r"input tensor size \[1, 4\] and output tensor size \[2, 4\] should match"):
        cltorch.ones(1, 4, device=device).addmm_(a, b)
    x = cltorch.ones(5, device=device)
    y = cltorch.ones(3, 5, device=device)
    np.testing.assert_array_equal(plain(x.addmv_(y.t(), y[:, 0], alpha=2)), [7] * 5)


DIFFERENTIABLE = {
    "mm": (lambda a, b: a @ b, (2, 3), (3, 2)),
    "mm transposed": (lambda a, b: a.t() @ b.t(), (3, 2), (2, 3)),
    "bmm": (cltorch.bmm, (2, 1, 3), (2, 3, 2)),
    "matmul broadcast": (lambda a, b: a @ b, (2, 1, 2, 3), (2, 3, 1)),
    "matmul matrix on the left": (lambda a, b: a @ b, (2, 3), (2, 3, 2)),
    "matmul matrix on the right": (lambda a, b: a @ b, (2, 2, 3), (3, 2)),
    "matmul vector on the left": (lambda a, b: a @ b, (3,), (2, 3, 2)),
    "matmul vector on the right": (lambda a, b: a @ b, (2, 2, 3), (3,)),
    "row times matrix": (lambda a, b: a @ b, (3,), (3, 2)),
    "mv": (cltorch.mv, (2, 3), (3,)),
    "dot": (cltorch.dot, (3,), (3,)),
    "outer": (cltorch.outer, (2,), (3,)),
    "inner": (cltorch.inner, (2, 3), (2, 3)),
    "addmm": (lambda a, b: cltorch.addmm(a[0, :2], a, b, beta=0.5, alpha=2), (2, 3), (3, 2)),
    "baddbmm": (lambda a, b: cltorch.baddbmm(b[:, :1], a, b, beta=0.5, alpha=2), (2, 1, 3), (2, 3, 2)),
    "addbmm": (lambda a, b: cltorch.addbmm(b[0, :1], a, b, beta=0.5, alpha=2), (2, 1, 3), (2, 3, 2)),
    "addmv": (lambda a, b: cltorch.addmv(b[:2], a, b, beta=0.5, alpha=2), (2, 3), (3,)),
    "addr": (lambda a, b: cltorch.addr(a, a[:, 0], b, beta=0.5, alpha=2), (2, 3), (3,)),
    "linear": (lambda a, b: cltorch.nn.functional.linear(a, b, b[:, 0]), (2, 3), (2, 3)),
    "linear of a batch": (lambda a, b: cltorch.nn.functional.linear(a, b, b[:, 0]), (2, 1, 3), (2, 3)),
    "linear without bias": (cltorch.nn.functional.linear, (3,), (2, 3)),
    "kron": (cltorch.kron, (2,), (1, 3)),
    "cross": (lambda a, b: cltorch.cross(a, b, dim=1), (2, 3), (1, 3)),
    "tensordot": (lambda a, b: cltorch.tensordot(a, b, ([0, 2], [1, 0])), (2, 2, 3), (3, 2)),
    "einsum": (lambda a, b: cltorch.einsum("bij,jk->ki", a, b), (2, 2, 3), (3, 2)),
    "einsum of a diagonal": (lambda a, b: cltorch.einsum("ii,ij->j", a, b), (2, 2), (2, 3)),
    "einsum broadcast": (lambda a, b: cltorch.einsum("...i,ji->j...", a, b), (2, 1, 3), (2, 3)),
    "chain": (lambda a, b: cltorch.chain_matmul(a, b, a), (2, 3), (3, 2)),
    "power": (lambda a, b: cltorch.matrix_power(a, 3) @ b, (2, 2), (2, 1)),
    "trace": (lambda a, b: cltorch.trace(a) * b, (2, 3), (2,)),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_of_first_and_second_order(name, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    f, left, right = DIFFERENTIABLE[name]
    rng = np.random.default_rng(0)
    both = [
        cltorch.tensor(rng.standard_normal(s), dtype=dtypes.float64, device=device, requires_grad=True)
        for s in (left, right)
    ]
    gradcheck(f, both)
    if device == "cpu":  # they are made of the same functions on every device
        gradgradcheck(f, both)


def test_a_layer_trained_on_half_precision_keeps_it(device):
    x = cltorch.randn(4, 3, device=device).half().requires_grad_()
    w = cltorch.randn(2, 3, device=device).half().requires_grad_()
    cltorch.nn.functional.linear(x, w).sum().backward()
    assert x.grad.dtype is w.grad.dtype is dtypes.float16
    np.testing.assert_allclose(plain(w.grad), np.tile(plain(x).sum(0), (2, 1)), rtol=5e-3, atol=5e-3)


def test_random_equations_are_numpys_einsum(device):
    rng = np.random.default_rng(7)
    for _ in range(60):
        letters = "abcde"
        sizes = {c: int(rng.integers(1, 4)) for c in letters}
        terms = ["".join(rng.choice(list(letters), rng.integers(0, 4))) for _ in range(int(rng.integers(1, 4)))]
        used = sorted(set("".join(terms)))
        output = "".join(rng.permutation(used)[: rng.integers(0, len(used) + 1)]) if used else ""
        arrays = [rng.integers(-3, 4, [sizes[c] for c in t]).astype(np.float32) for t in terms]
        equation = ",".join(terms) + "->" + output
        got = cltorch.einsum(equation, *(cltorch.tensor(a, device=device) for a in arrays))
        np.testing.assert_array_equal(plain(got), np.einsum(equation, *arrays), err_msg=equation)


@pytest.mark.parametrize("name", ["mm", "bmm"])
@pytest.mark.parametrize("t", ["float16", "bfloat16"])
def test_products_of_16_bits_have_a_wider_result(cl_device, name, t):
    a, b = np.array([[1.0, 1.0], [2048.0, 1.0]], np.float32), np.array([[1.0, 0.5], [1.0, 0.25]], np.float32)
    lead = () if name == "mm" else (None,)
    x, y = (cltorch.tensor(v[lead], device=cl_device).to(getattr(cltorch, t)) for v in (a, b))
    f = getattr(cltorch, name)
    found = f(x, y, out_dtype=cltorch.float32)
    assert found.dtype is cltorch.float32 and np.array_equal(found.cpu().numpy()[(0,) * len(lead)], a @ b)
    assert f(x, y, x.dtype).dtype is x.dtype
    with pytest.raises(RuntimeError, match="out_dtype must be the same as input dtype or fp32"):
        f(x, y, out_dtype=cltorch.float64)
    with pytest.raises(NotImplementedError, match=rf"aten::{name}.dtype"):
        f(x.cpu(), y.cpu(), out_dtype=cltorch.float32)


@pytest.mark.parametrize("name", ["addmm", "baddbmm"])
def test_added_products_of_16_bits_have_a_wider_result(cl_device, name):
    a, b = np.array([[1.0, 1.0], [2048.0, 1.0]], np.float32), np.array([[1.0, 0.5], [1.0, 0.25]], np.float32)
    lead = () if name == "addmm" else (None,)
    x, y = (cltorch.tensor(v[lead], device=cl_device).half() for v in (a, b))
    f = getattr(cltorch, name)
    for t in (cltorch.float16, cltorch.float32):
        found = f(cltorch.ones(2, device=cl_device, dtype=t), x, y, cltorch.float32, beta=3)
        assert found.dtype is cltorch.float32
        np.testing.assert_array_equal(found.cpu().numpy()[(0,) * len(lead)], 3 + a @ b)
    one = cltorch.ones(2, device=cl_device)
    for call, words in (
        (lambda: f(one.double(), x, y, cltorch.float32), "self dtype must match either out_dtype or mat1 dtype"),
        (lambda: f(one, x, y, out_dtype=cltorch.float64), "out_dtype must be the same as input dtype or fp32"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()
    with pytest.raises(NotImplementedError, match=rf"aten::{name}.dtype"):
        f(one.cpu(), x.cpu(), y.cpu(), out_dtype=cltorch.float32)


@pytest.mark.parametrize(
    "equation",
    ["ij,jk->ki", "bij,bkj->bki", "bi,ij->jb", "i,j->ji", "bi,bj->bji", "bij->jb", "bij,bj->bi", "bij,kj->bik"],
)
def test_einsum_gives_what_view_takes(equation, device):
    sizes = {"b": 2, "i": 3, "j": 4, "k": 5}
    given = [
        np.arange(1.0, 1 + np.prod(s)).reshape(s)
        for s in ([sizes[n] for n in t] for t in equation.split("->")[0].split(","))
    ]
    found = cltorch.einsum(equation, *(cltorch.tensor(a, dtype=cltorch.float32).to(device) for a in given))
    np.testing.assert_allclose(found.view(-1).cpu().numpy(), np.einsum(equation, *given).ravel(), rtol=1e-5)
