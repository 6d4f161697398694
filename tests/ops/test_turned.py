"""Conjugates and negatives that are views: what PyTorch shows of them, on every device."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import cltorch

Z = np.array([[1 + 2j, 3 - 4j], [5 + 1j, -2j]], np.complex64)


def on(device, values=Z):
    return cltorch.tensor(values, device=device)


def same(x, want):
    assert np.array_equal(x.detach().cpu().resolve_conj().resolve_neg().numpy(), want)


VIEWS = {
    "conj": (lambda z: z.conj(), Z.conj(), True, False),
    "conj of conj": (lambda z: z.conj().conj(), Z, False, False),
    "imag of conj": (lambda z: z.conj().imag, -Z.imag, False, True),
    "real of conj": (lambda z: z.conj().real, Z.real, False, False),
    "mH": (lambda z: z.mH, Z.conj().T, True, False),
    "adjoint": (cltorch.adjoint, Z.conj().T, True, False),
    "row": (lambda z: z.conj()[1], Z.conj()[1], True, False),
    "column": (lambda z: z.conj()[:, 1], Z.conj()[:, 1], True, False),
    "flat": (lambda z: z.conj().reshape(4), Z.conj().reshape(4), True, False),
    "expanded": (lambda z: z[:1].expand(3, 2).conj(), np.repeat(Z[:1].conj(), 3, 0), True, False),
    "strided": (lambda z: z[:, 0].conj().as_strided((3,), (1,)), Z.conj().reshape(4)[:3], True, False),
    "negative": (lambda z: z._neg_view(), -Z, False, True),
    "real of negative": (lambda z: z._neg_view().real, -Z.real, False, True),
    "negative of conj": (lambda z: z.conj()._neg_view(), -Z.conj(), True, True),
    "imag of negative conj": (lambda z: z._neg_view().conj().imag, Z.imag, False, False),
    "pairs of negative": (lambda z: cltorch.view_as_real(z._neg_view()), -np.stack([Z.real, Z.imag], -1), False, True),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_and_show_it_turned(name, device):
    make, want, conj, neg = VIEWS[name]
    z = on(device)
    view = make(z)
    assert (view.is_conj(), view.is_neg()) == (conj, neg) == (cltorch.is_conj(view), cltorch.is_neg(view))
    assert view.untyped_storage().data_ptr() == z.untyped_storage().data_ptr() and view._base is z
    same(view, want)
    assert np.array_equal(np.array(view.tolist()), want)
    z.mul_(2)  # of which the view knows
    same(view, 2 * want)


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "expanded"])
def test_changes_in_place_reach_the_memory_turned(name, device):
    make, want, *_ = VIEWS[name]
    z, other = on(device), on(device)
    view, copied = make(z), make(other).resolve_conj().resolve_neg().clone()
    for x in (view, copied):
        x.mul_(3).add_(1)
        x[..., 0] = 7
        x[..., -1:].neg_()
    same(view, copied.cpu().numpy())
    with cltorch.no_grad():  # and nothing else has changed
        make(other).copy_(copied)
    same(z, other.cpu().numpy())
    assert z._version == view._version > 0


def test_operators_take_them(device):
    z = on(device)
    same(z.conj() @ z, Z.conj() @ Z)
    same(z.mH @ z, Z.conj().T @ Z)
    same(z.conj() + z, Z.conj() + Z)
    same(z.conj().imag + 1, 1 - Z.imag)
    same(cltorch.cat([z.conj(), z]), np.concatenate([Z.conj(), Z]))
    same(z.conj().cumsum(0), Z.conj().cumsum(0))
    np.testing.assert_allclose(z.conj().norm().item(), np.linalg.norm(Z), 1e-6)
    np.testing.assert_allclose(cltorch.vdot(z[0], z[1]).item(), np.vdot(Z[0], Z[1]), 1e-6)
    same(z.copy_(z.conj()), Z.conj())
    out = on(device).conj()
    cltorch.add(on(device), 1, out=out)
    same(out, Z + 1)
    assert out.is_conj()
    assert f"{z.conj()[0, 0].item():.0f}" == "1+2j" and "1.+2.j" in repr(z.conj())


def test_copies_are_plain_and_the_same_place_is_not_copied(device):
    z = on(device)
    c = z.conj()
    assert c.contiguous() is c and c.to(cltorch.complex64) is c
    for x in (c.clone(), c.resolve_conj(), c.t().contiguous(), c.imag.resolve_neg(), z.conj_physical(), c + 0):
        assert not x.is_conj() and not x.is_neg() and x.data_ptr() != z.data_ptr()
    assert z.resolve_conj() is z and z.resolve_neg() is z
    assert c.detach().is_conj() and c.data.is_conj() and c.data_ptr() == z.data_ptr()
    assert c.stride() == z.stride() and z[1:].conj().storage_offset() == 2
    for x in (copy.deepcopy(c), cltorch.zeros_like(c), cltorch.empty_like(c)):
        assert not x.is_conj()
    again = pickle.loads(pickle.dumps(c))
    assert again.is_conj()
    same(again, Z.conj())
    for view, conj in ((c, True), (c.imag, False), (c[1:], True)):
        stream = io.BytesIO()
        cltorch.save(view, stream)
        stream.seek(0)
        loaded = cltorch.load(stream)
        assert (loaded.is_conj(), loaded.is_neg()) == (conj, not conj)
        same(loaded, view.cpu().resolve_conj().resolve_neg().numpy())


def test_what_would_show_the_memory_as_it_is_raises():
    c = on("cpu").conj()
    with pytest.raises(RuntimeError, match="conjugate bit set. Use tensor.resolve_conj"):
        c.numpy()
    with pytest.raises(RuntimeError, match="negative bit set. Use tensor.resolve_neg"):
        np.asarray(c.imag)
    assert np.array_equal(c.numpy(force=True), Z.conj())
    with pytest.raises(RuntimeError, match="view_as_real doesn't work on unresolved conjugated tensors"):
        cltorch.view_as_real(c)
    with pytest.raises(RuntimeError, match="not supported for conjugate view tensors when converting"):
        c.view(cltorch.float32)
    with pytest.raises(RuntimeError, match="with negative bit set when converting"):
        c.imag.view(cltorch.int32)
    with pytest.raises(BufferError, match="conjugate bit set"):
        cltorch.to_dlpack(c)


def test_gradients_go_through_them(device):
    w = on(device).requires_grad_()
    c = w.conj()
    assert c.grad_fn.name() == "ConjBackward0" and w.conj_physical().grad_fn.name() == "ConjPhysicalBackward0"
    (c * 1j).sum().backward(cltorch.tensor(1 + 0j, device=device))
    same(w.grad, np.full((2, 2), 1j))
    for change in (lambda b: b.conj().mul_(2j), lambda b: b.conj().imag.mul_(3), lambda b: b._neg_view()[0].mul_(1j)):
        found = []
        for plain in (False, True):
            x = on(device).requires_grad_()
            b = x * 1
            if plain:  # the same without views
                if change(on(device).clone()).is_conj():
                    b = (b.conj_physical() * 2j).conj_physical()
                elif change(on(device).clone()).is_neg() and not change(on(device).clone()).is_complex():
                    b = cltorch.complex(b.real, b.imag * 3)
                else:
                    b = cltorch.cat([b[:1] * 1j, b[1:]])
            else:
                view = change(b)
                assert view.grad_fn is not None
            (b * on(device, Z.T) + b * b.real).sum().abs().backward()
            found.append(x.grad.cpu().resolve_conj().numpy())
        np.testing.assert_allclose(*found, 1e-5, 1e-5)


def test_second_derivatives(fp64, device):
    if fp64:
        z = cltorch.tensor(Z.astype(np.complex128), device=device, requires_grad=True)
        assert cltorch.autograd.gradcheck(lambda z: z.conj() * z * z.mH, (z,))
        assert cltorch.autograd.gradgradcheck(lambda z: (z.conj().imag * z.real, z.conj() ** 2), (z,))


def test_transforms_see_the_conjugate(device):
    z = on(device)
    same(cltorch.vmap(lambda x: x.conj() * x)(z), Z.conj() * Z)
    same(cltorch.vmap(lambda x: x * 2)(z.conj()), Z.conj() * 2)
    out, tangent = cltorch.func.jvp(lambda x: x.conj() * 2j, (z.conj(),), (z.conj(),))
    same(out, Z * 2j)
    same(tangent, Z * 2j)
