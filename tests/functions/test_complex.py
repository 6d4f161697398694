"""Complex tensors: NumPy is the reference of values, finite differences that of derivatives."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck

Z = np.array([[1 + 2j, 3 - 1j, -0.5j], [0, -2, 0.25 + 4j]], np.complex64)
W = np.array([[0.5 - 1j, 2j, 1], [1 + 1j, -3 - 2j, 0.125j]], np.complex64)
X = np.array([[1.5, -2, 0.25], [3, -1, 2]], np.float32)

BINARY = {
    "add": lambda z, w: z + w,
    "sub": lambda z, w: z - w,
    "mul": lambda z, w: z * w,
    "div": lambda z, w: z / w,
    "eq": lambda z, w: z == w,
    "ne": lambda z, w: z != w,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
UNARY = {
    "neg": lambda z: -z,
    "abs": np.abs,
    "angle": np.angle,
    "conj": np.conj,
    "conj_physical": np.conj,
    "sgn": lambda z: z / np.where(z == 0, 1, np.abs(z)),
    "square": lambda z: z * z,
    "logical_not": np.logical_not,
    "isnan": np.isnan,
    "real": np.real,
    "imag": np.imag,
    "isreal": np.isreal,
    "sum": np.sum,
    "mean": np.mean,
    "any": np.any,
    "all": np.all,
    "count_nonzero": lambda z: np.asarray(np.count_nonzero(z)),
}


def on(device, *arrays):
    return [cltorch.tensor(a, device=device) for a in arrays]


def check(got, want, rtol=3e-6):
    got, want = got.detach().cpu().resolve_conj().resolve_neg().numpy(), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("name", BINARY)
def test_two_operands(device, name):
    z, w, x = on(device, Z, W, X)
    f, ref = getattr(cltorch, name), BINARY[name]
    check(f(z, w), ref(Z, W))
    if device != "cpu" and name not in ("mul", "div", "ne"):
        return  # the other forms of operands are the same for all: every kernel takes time to build
    check(f(z, x + 0.5), ref(Z, X + np.float32(0.5)))
    check(f(x, z + 0.5), ref(X, Z + np.float32(0.5)))
    if not name.startswith("logical"):  # whose operands are tensors only
        check(f(z, 2 - 1j), ref(Z, np.complex64(2 - 1j)))
        check(f(x, 2 - 1j), ref(X, np.complex64(2 - 1j)))
    check(f(z.t(), w.t()[:, :1]), ref(Z.T, W.T[:, :1]))


@pytest.mark.parametrize("name", UNARY)
def test_one_operand(device, name):
    z, ref = cltorch.tensor(Z, device=device), UNARY[name]
    check(getattr(cltorch, name)(z), ref(Z))
    if device == "cpu" or name in ("abs", "conj", "sum", "real"):
        check(getattr(cltorch, name)(z[:, ::2].t()), ref(Z[:, ::2].T))


def test_reciprocal_and_scaled_sums(device):
    w, z = on(device, W, Z)
    check(w.reciprocal(), 1 / W)
    check(1j / w, 1j / W)
    check(cltorch.add(z, w, alpha=2j), Z + np.complex64(2j) * W)
    check(cltorch.sub(z, w, alpha=1 - 1j), Z - np.complex64(1 - 1j) * W)
    check(z.sum(0), Z.sum(0))
    check(z.mean((0, 1), keepdim=True), Z.mean((0, 1), keepdims=True))


def test_division_does_not_overflow_halfway(device):
    z, w = on(device, np.array([1e30 + 1e30j], np.complex64), np.array([2e30 - 1e30j], np.complex64))
    check(z / w, np.array([(1 + 1j) / (2 - 1j)], np.complex64))


def test_parts_are_views_of_the_same_memory(device):
    z = cltorch.tensor(Z, device=device)
    assert z.real.data_ptr() == z.data_ptr() and z.imag.data_ptr() == z.data_ptr() + 4
    z.real.fill_(7)
    z.imag[0] = 2
    want = Z.copy()
    want.real[:] = 7
    want.imag[0] = 2
    check(z, want)
    z.real = cltorch.tensor(X, device=device)
    check(z.real, X)
    pairs = cltorch.view_as_real(z)
    assert pairs.shape == (2, 3, 2) and pairs.stride() == (6, 2, 1) and pairs.dtype is cltorch.float32
    back = cltorch.view_as_complex(pairs)
    assert back.dtype is cltorch.complex64 and back.data_ptr() == z.data_ptr() and cltorch.equal(back, z)
    turned = cltorch.view_as_real(z.t())
    assert turned.stride() == (2, 6, 1)
    check(turned[..., 1], want.imag.T)


def test_pairs_that_are_no_complex_numbers():
    for bad, words in (
        (cltorch.ones(3), "last dimension of size 2"),
        (cltorch.tensor(1.0), "one or more dimensions"),
        (cltorch.ones(2, 4)[:, ::2], "last dimension with stride 1"),
        (cltorch.ones(9)[1:].view(4, 2), "storage_offset divisible by 2"),
        (cltorch.ones(4, 3)[:, :2], "stride divisible by 2"),
        (cltorch.ones(3, 2, dtype=cltorch.int32), "scalar type: Int"),
    ):
        with pytest.raises(RuntimeError, match=words):
            cltorch.view_as_complex(bad)
    with pytest.raises(RuntimeError, match="only supported for complex"):
        cltorch.view_as_real(cltorch.ones(2))
    with pytest.raises(RuntimeError, match="imag is not implemented"):
        cltorch.ones(2).imag  # noqa: B018


def test_of_two_real_tensors(device):
    x, y = on(device, X, X[:1] * 2)
    check(cltorch.complex(x, y), X + 1j * (X[:1] * 2).astype(np.float32))
    check(cltorch.polar(x.abs(), y), np.abs(X) * np.exp(1j * X[:1] * 2).astype(np.complex64))
    with pytest.raises(RuntimeError, match="Half, Float or Double tensors but got Int and Float"):
        cltorch.complex(x.int(), y)
    with pytest.raises(RuntimeError, match="Float but got scalar type Half for second"):
        cltorch.polar(x, y.half())


def test_made_from_numbers(device):
    check(cltorch.full((2,), 2j, device=device), np.full(2, 2j, np.complex64))
    check(cltorch.zeros(3, dtype=cltorch.complex64, device=device), np.zeros(3, np.complex64))
    check(cltorch.ones(40000, 2, dtype=cltorch.cfloat, device=device)[-1], np.ones(2, np.complex64))
    check(cltorch.eye(2, 3, dtype=cltorch.complex64, device=device), np.eye(2, 3, dtype=np.complex64))
    z = cltorch.tensor(Z, device=device)
    check(cltorch.full_like(z, 1 - 1j), np.full_like(Z, 1 - 1j))
    check(z.new_tensor([1, 2j]), np.array([1, 2j], np.complex64))
    check(cltorch.empty_like(z.t()).fill_(3), np.full((3, 2), 3, np.complex64))
    assert cltorch.tensor([1, 2j], device=device).tolist() == [1, 2j]
    assert cltorch.tensor(1 + 2j, device=device).item() == 1 + 2j
    u = cltorch.rand(2000, dtype=cltorch.complex64, device=device).cpu().numpy()
    assert u.real.min() >= 0 and u.imag.max() < 1 and abs(u.mean() - (0.5 + 0.5j)) < 0.05
    n = cltorch.randn(2000, dtype=cltorch.complex64, device=device).cpu().numpy()
    assert abs(n.mean()) < 0.1 and abs((abs(n) ** 2).mean() - 1) < 0.1


def test_numbers_in_order(device):
    lines = cltorch.linspace(1, 2j, 3, device=device)
    check(lines, np.array([1, 0.5 + 1j, 2j], np.complex64))
    check(cltorch.linspace(-2, -3, 1, dtype=cltorch.complex64, device=device), np.array([-2], np.complex64))
    check(cltorch.logspace(1, 2j, 3, device=device), np.power(10, np.array([1, 0.5 + 1j, 2j], np.complex64)))
    assert cltorch.linspace(cltorch.tensor(1j), 2, 2, device=device).tolist() == [1j, 2]
    with pytest.raises(RuntimeError, match="complex64 can't be safely cast to the dtype .*float32"):
        cltorch.linspace(1, 2j, 3, dtype=cltorch.float32, device=device)


def test_positions_and_what_stands_around(device):
    z = cltorch.tensor([[0, 1j, 2], [0j, 0, 3]], device=device)
    assert cltorch.nonzero(z).tolist() == cltorch.argwhere(z).tolist() == [[0, 1], [0, 2], [1, 2]]
    check(cltorch.nn.functional.pad(z, (1, -1), value=2.0), np.array([[2, 0, 1j], [2, 0, 0]], np.complex64))
    check(cltorch.constant_pad_nd(z, (0, 0, 1, 0), 1 - 2j)[0], np.full(3, 1 - 2j, np.complex64))


def test_copies_and_casts(device, each_warning):
    z, x = on(device, Z, X)
    check(x.to(cltorch.complex64), X.astype(np.complex64))
    check(cltorch.tensor([1, 2], device=device).cfloat(), np.array([1, 2], np.complex64))
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        check(z.float(), Z.real)
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        check(z.t().long(), Z.T.real.astype(np.int64))
    check(z.bool(), Z != 0)
    check(z.t().contiguous(), Z.T)
    check(z[:, ::2].clone(), Z[:, ::2])
    check(cltorch.zeros(3, 2, dtype=cltorch.complex64, device=device).copy_(x.t()), X.T.astype(np.complex64))
    with pytest.raises(RuntimeError, match="without overflow"):
        x.fill_(1j)
    with pytest.raises(RuntimeError, match="result type ComplexFloat can't be cast to the desired output type Float"):
        x.mul_(1j)
    check(x, X)


def test_double_precision(device, fp64):
    if not fp64:
        with pytest.raises(cltorch.DeviceError, match="complex128 tensors are not possible"):
            cltorch.zeros(2, dtype=cltorch.complex128, device=device)
        return
    z = cltorch.tensor(Z, device=device).to(cltorch.complex128)
    wide = Z.astype(np.complex128)
    check(z * z, wide * wide, 1e-15)
    check(z[:, [2, 0]], wide[:, [2, 0]])
    check(cltorch.ones(2, 3, device=device) + z, wide + 1)
    check(z + 1j, wide + 1j)
    assert (z.to(cltorch.complex64) + z).dtype is cltorch.complex128


def test_pairs_of_halves(device):
    """complex32 is stored so and computed in complex64: the results are rounded to float16, part by part."""

    def rounded(a):
        return a.real.astype(np.float16).astype(np.float32) + 1j * a.imag.astype(np.float16).astype(np.float32)

    z, w = (cltorch.tensor(a, device=device).chalf() for a in (Z, W))
    a, b = rounded(Z), rounded(W)
    assert z.dtype is cltorch.complex32 and z.element_size() == 4
    for got, want in (
        (z, a), (z * w, rounded(a * b)), (z - w, rounded(a - b)), (-z, -a), (z + 1.5, rounded(a + 1.5)),
        (z.conj(), a.conj()), (z.t(), a.T), (z.t().contiguous(), a.T), (z[:, [2, 0]], a[:, [2, 0]]),
        (cltorch.cat([z, w]), np.concatenate([a, b])), (z.clone().add_(w), rounded(a + b)),
        (cltorch.full((2,), 1 + 2j, dtype=cltorch.complex32, device=device), np.full(2, 1 + 2j)),
        (cltorch.zeros(3, 2, dtype=cltorch.complex32, device=device).copy_(cltorch.tensor(Z.T, device=device)), a.T),
        (cltorch.tensor(X, device=device).chalf(), rounded(X.astype(np.complex64))),
    ):  # fmt: skip
        assert got.dtype is cltorch.complex32
        check(got.to(cltorch.complex64), want.astype(np.complex64), 1e-3)
        assert np.array_equal(
            np.array(got.tolist(), np.complex64), got.to(cltorch.complex64).cpu().resolve_conj().numpy()
        )
    assert z.real.dtype is cltorch.float16 and z.abs().dtype is cltorch.float16 and (z == z).all()
    check(z.abs().float(), np.abs(a), 1e-3)
    halves = cltorch.tensor(X, device=device).half()
    check(cltorch.complex(halves, -halves).to(cltorch.complex64), (1 - 1j) * rounded(X + 0j), 1e-3)
    assert repr(cltorch.tensor([1 + 2j]).chalf()) == "tensor([1.+2.j], dtype=torch.complex32)"
    x = cltorch.tensor(Z, device=device, requires_grad=True)
    (x.chalf() * w).to(cltorch.complex64).real.sum().backward()
    check(x.grad, b.conj(), 1e-3)


def test_parts_of_tensors(device):
    z, w, x = on(device, Z, W, X)
    check(cltorch.cat([z, w], 1), np.concatenate([Z, W], 1))
    check(cltorch.cat([x, z]), np.concatenate([X, Z]))
    check(cltorch.stack([z.t(), w.t()], 1), np.stack([Z.T, W.T], 1))
    check(z[cltorch.tensor([1, 0, 1], device=device)], Z[[1, 0, 1]])
    check(z[cltorch.tensor(Z == 0, device=device)], Z[Z == 0])
    check(
        cltorch.gather(z, 1, cltorch.tensor([[2, 0], [1, 1]], device=device)),
        np.take_along_axis(Z, np.array([[2, 0], [1, 1]]), 1),
    )
    check(z.flip(1), Z[:, ::-1])
    check(z.roll(1, 1), np.roll(Z, 1, 1))
    check(z.triu(), np.triu(Z))
    check(cltorch.where(x > 0, z, 1j), np.where(X > 0, Z, np.complex64(1j)))
    check(z.masked_fill(x > 0, 2j), np.where(X > 0, np.complex64(2j), Z))
    y, v = z.clone(), Z.copy()
    y[0, 1:] = w[1, 1:]
    v[0, 1:] = W[1, 1:]
    y[:, 0] = 5j
    v[:, 0] = 5j
    y.index_put_(
        (cltorch.tensor([1, 1], device=device), cltorch.tensor([2, 2], device=device)), w[0, :2], accumulate=True
    )
    np.add.at(v, ([1, 1], [2, 2]), W[0, :2])
    check(y, v)
    y.scatter_add_(1, cltorch.tensor([[0, 0], [2, 1]], device=device), w[:, :2].contiguous())
    np.add.at(v, ([0, 0, 1, 1], [0, 0, 2, 1]), W[:, :2].reshape(-1))
    check(y, v)
    y += w
    check(y, v + W)
    check(cltorch.nn.functional.pad(z, (1, 0, 0, 2)), np.pad(Z, ((0, 2), (1, 0))))
    with pytest.raises(NotImplementedError, match="sort is not implemented for complex"):
        z.sort()


def test_written_as_text():
    assert repr(cltorch.tensor(Z[0])) == "tensor([1.+2.0000j, 3.-1.0000j, -0.-0.5000j])"
    assert repr(cltorch.tensor(1.5 + 2j)) == "tensor(1.5000+2.j)"
    assert repr(cltorch.tensor([1e-5 + 1j, 100000.5 - 2j])) == "tensor([1.0000e-05+1.j, 1.0000e+05-2.j])"
    assert repr(cltorch.tensor([1j], dtype=cltorch.complex128)) == "tensor([0.+1.j], dtype=torch.complex128)"
    assert repr(cltorch.empty(0, dtype=cltorch.complex64)) == "tensor([], dtype=torch.complex64)"


def test_kept_and_exchanged(device, fp64):
    for t in (cltorch.complex64, cltorch.complex128) if fp64 else (cltorch.complex64,):
        z = cltorch.tensor(Z, dtype=t, device=device)
        for made in (pickle.loads(pickle.dumps(z)), copy.deepcopy(z)):
            assert made.dtype is t and cltorch.equal(made, z)
        file = io.BytesIO()
        cltorch.save({"z": z}, file)
        file.seek(0)
        assert cltorch.equal(cltorch.load(file)["z"], z)


def test_shared_with_numpy():
    a = Z.copy()
    z = cltorch.from_numpy(a)
    z[0, 0] = 9j
    assert a[0, 0] == 9j and z.numpy() is not a and z.numpy().ctypes.data == a.ctypes.data
    lent = np.from_dlpack(z)
    assert lent.dtype == np.complex64 and lent.ctypes.data == a.ctypes.data
    assert cltorch.from_dlpack(a.astype(np.complex128)).dtype is cltorch.complex128


def test_dtypes():
    c32, c64, c128 = cltorch.complex32, cltorch.complex64, cltorch.complex128
    assert (c32.itemsize, c64.itemsize, c128.itemsize) == (4, 8, 16)
    assert (c64.to_real(), cltorch.bfloat16.to_complex(), cltorch.float64.to_complex()) == (cltorch.float32, c64, c128)
    assert c64.is_complex and not c64.is_floating_point and c64.is_signed and not cltorch.float32.is_complex
    assert cltorch.finfo(c64).eps == cltorch.finfo(cltorch.float32).eps and cltorch.finfo(c128).bits == 64
    promote = cltorch.promote_types
    assert promote(c64, cltorch.float64) is c128 and promote(c64, cltorch.int64) is c64 and promote(c32, c64) is c64
    assert promote(cltorch.float16, c64) is c64 and promote(cltorch.bfloat16, c32) is c64
    ones = cltorch.ones(2)
    assert (ones * 1j).dtype is c64 and (ones.double() * 1j).dtype is c128 and (ones.int() * 1j).dtype is c64
    assert (ones + cltorch.tensor(1j, dtype=c128)).dtype is c64 and cltorch.result_type(ones.half(), 1j) is c32
    assert not cltorch.can_cast(c64, cltorch.float32) and cltorch.can_cast(cltorch.int64, c64)
    assert cltorch.is_complex(ones * 1j) and (ones * 1j).type() == "torch.ComplexFloatTensor"
    before = cltorch.get_default_dtype()
    cltorch.set_default_dtype(cltorch.float64)
    try:
        assert cltorch.tensor(1j).dtype is c128
    finally:
        cltorch.set_default_dtype(before)


def test_refusals():
    z = cltorch.tensor(Z)
    for name in ("lt", "remainder", "fmod", "erf", "atan2", "bitwise_and"):
        with pytest.raises(NotImplementedError, match="ComplexFloat"):
            getattr(cltorch, name)(*(z, z)[: 1 if name == "erf" else 2])
    with pytest.raises(NotImplementedError, match="floor is not supported for complex inputs"):
        cltorch.floor(z)
    with pytest.raises(RuntimeError, match="real scalar outputs but got torch.complex64"):
        z.clone().requires_grad_().sum().backward()
    with pytest.raises(RuntimeError, match="alpha must not be a complex number"):
        cltorch.add(cltorch.ones(2), cltorch.ones(2), alpha=1j)
    with pytest.raises(TypeError, match="must be real number, not complex"):
        cltorch.tensor([1j], dtype=cltorch.float32)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        cltorch.tensor([1j], dtype=cltorch.int64)
    with pytest.raises(RuntimeError, match="without overflow"):
        float(cltorch.tensor(1j))
    with pytest.raises(NotImplementedError, match="\"exp\" not implemented for 'ComplexHalf'"):
        cltorch.empty(2, dtype=cltorch.complex32).exp()
    with pytest.raises(TypeError, match="Got unsupported ScalarType ComplexHalf"):
        cltorch.empty(2, dtype=cltorch.complex32).numpy()
    assert complex(cltorch.tensor(1 + 2j)) == 1 + 2j and int(cltorch.tensor(3 + 0j)) == 3


DIFFERENTIABLE = {
    "add": lambda z, w, x: cltorch.add(z, w, alpha=2 - 1j),
    "sub": lambda z, w, x: z - w * 1j,
    "mul": lambda z, w, x: z * w * x,
    "div": lambda z, w, x: (z / w) / x,
    "real divided": lambda z, w, x: x / w,
    "neg and reciprocal": lambda z, w, x: -w.reciprocal(),
    "abs": lambda z, w, x: z.abs() * x,
    "angle": lambda z, w, x: w.angle() * x,
    "sgn": lambda z, w, x: w.sgn() * z,
    "conj": lambda z, w, x: z.conj() * w,
    "square": lambda z, w, x: z.square(),
    "real and imag": lambda z, w, x: z.real * w.imag + z.imag * x,
    "view_as_real": lambda z, w, x: cltorch.view_as_real(z * w),
    "complex": lambda z, w, x: cltorch.complex(x, w.real) * z,
    "polar": lambda z, w, x: cltorch.polar(x, z.imag),
    "sum and mean": lambda z, w, x: z.sum(0) * w.mean(),
    "broadcast": lambda z, w, x: z[:1] * w[:, :1] + x[0],
    "join": lambda z, w, x: cltorch.cat([z, w.t().reshape(2, 3)]),
    "stack": lambda z, w, x: cltorch.stack([z, w], -1)[..., 0],
    "index": lambda z, w, x: z[:, [0, 0, 2]] * w,
    "where": lambda z, w, x: cltorch.where(x > 0, z, w),
    "pad": lambda z, w, x: cltorch.nn.functional.pad(z, (1, 2)),
    "cast": lambda z, w, x: x.to(cltorch.complex128) * z,
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name):
    z, w = (cltorch.tensor(a + (0.5 + 0.25j), dtype=cltorch.complex128, requires_grad=True) for a in (Z, W))
    x = cltorch.tensor(X, dtype=cltorch.float64, requires_grad=True)
    f = DIFFERENTIABLE[name]
    assert gradcheck(f, (z, w, x)) and gradgradcheck(f, (z, w, x))


def test_gradient_convention(device):
    """The gradient of a real loss is dL/dRe + i dL/dIm: of |z|² it is 2 z."""
    z = cltorch.tensor(Z, device=device, requires_grad=True)
    (z * z.conj()).real.sum().backward()
    check(z.grad, 2 * Z)
    x = cltorch.tensor(X, device=device, requires_grad=True)
    (x * z.detach()).abs().sum().backward()
    check(x.grad, np.sign(X) * np.abs(Z))
    w = cltorch.tensor(W, device=device, requires_grad=True)
    (w.sgn() / w.conj()).imag.sum().backward()
    assert w.grad.dtype is cltorch.complex64


def test_changes_in_place_through_parts_are_recorded():
    def f(z, x):
        y = z * 1
        y.real.mul_(x)
        y.imag = x
        return y * z

    def g(x):
        pairs = x.reshape(3, 2) * 1
        c = cltorch.view_as_complex(pairs)
        c *= 2j
        return pairs * x.reshape(3, 2)

    z = cltorch.tensor(Z, dtype=cltorch.complex128, requires_grad=True)
    x = cltorch.tensor(X, dtype=cltorch.float64, requires_grad=True)
    assert gradcheck(f, (z, x)) and gradcheck(g, (x,))


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n != "polar"])
def test_derivatives_forward(name):
    z, w = (cltorch.tensor(a + (0.5 + 0.25j), dtype=cltorch.complex128, requires_grad=True) for a in (Z, W))
    x = cltorch.tensor(X, dtype=cltorch.float64, requires_grad=True)
    assert gradcheck(DIFFERENTIABLE[name], (z, w, x), check_forward_ad=True, check_backward_ad=False)


def test_adjoints_are_conjugated(device):
    z = np.arange(6).reshape(1, 2, 3) * (1 + 2j)
    x = cltorch.tensor(z.astype(np.complex64), device=device)
    for found in (x.mH, x.adjoint(), cltorch.adjoint(x), x[0].H[None]):
        assert np.array_equal(found.cpu().resolve_conj().numpy(), z.conj().swapaxes(1, 2))


def test_a_complex_number_that_was_not_broadcast_keeps_its_gradient(device):
    x = cltorch.tensor(2j, device=device, requires_grad=True)
    y = x.expand(())
    assert cltorch.autograd.grad(y, x, cltorch.tensor(3 + 4j, device=device))[0].item() == 3 + 4j
    assert x.sum_to_size(()).dtype is cltorch.complex64


def test_plus_is_the_tensor_itself(device):
    for x in (cltorch.tensor([1 + 2j, -3j], device=device), cltorch.ones(2, device=device, requires_grad=True)):
        assert +x is x and cltorch.positive(x) is x and x.positive() is x
    assert cltorch.vmap(lambda row: +row * 2)(cltorch.ones(2, 2, device=device)).tolist() == [[2, 2], [2, 2]]
    with pytest.raises(RuntimeError, match="on a bool tensor is not supported"):
        +cltorch.tensor([True], device=device)
