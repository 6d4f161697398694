"""gradient and unravel_index against NumPy, and what they refuse."""

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("spacing", [(0.5, 2.0), "coordinates"])
def test_gradient(device, order, spacing):
    a = np.random.rand(4, 5).astype(np.float32)
    steps = spacing
    if spacing == "coordinates":
        steps = [np.array([0, 1, 3, 3.5], np.float32), np.array([-1, 0, 0.5, 2, 4], np.float32)]
    ours = [cltorch.tensor(s, device=device) if isinstance(s, np.ndarray) else s for s in steps]
    got = cltorch.gradient(cltorch.tensor(a, device=device), spacing=ours, edge_order=order)
    for g, w in zip(got, np.gradient(a, *steps, edge_order=order), strict=True):
        np.testing.assert_allclose(g.numpy(force=True), w, rtol=1e-4, atol=1e-5)
    (one,) = cltorch.gradient(cltorch.tensor(a, device=device), spacing=ours[1:], dim=-1, edge_order=order)
    np.testing.assert_allclose(one.numpy(force=True), got[1].numpy(force=True))


def test_gradient_of_integers_and_derivative():
    assert cltorch.gradient(cltorch.arange(4) ** 2)[0].tolist() == [1, 2, 4, 5]
    assert cltorch.gradient(cltorch.arange(4) ** 2, spacing=None)[0].tolist() == [1, 2, 4, 5]
    assert cltorch.gradient(cltorch.tensor(1.0)) == ()
    x = cltorch.randn(3, 4, dtype=cltorch.float64, requires_grad=True)
    assert gradcheck(lambda x: cltorch.gradient(x, spacing=2.0, edge_order=2), (x,))


def test_gradient_errors():
    x = cltorch.ones(2, 3)
    for wrong, message in (
        (lambda: cltorch.gradient(x, edge_order=3), "only supports edge_order=1 and edge_order=2"),
        (lambda: cltorch.gradient(x, edge_order=2), r"at least edge_order\+1"),
        (lambda: cltorch.gradient(x, spacing=[1.0]), "a list of length 1"),
        (lambda: cltorch.gradient(x, spacing=[x, x]), "to have one dimension"),
        (lambda: cltorch.gradient(x, dim=(0, 0)), "appears multiple times"),
        (lambda: cltorch.gradient(x.to(cltorch.uint8)), "does not support uint8"),
    ):
        with pytest.raises(RuntimeError, match=message):
            wrong()


def test_unravel_index(device):
    flat = np.random.randint(0, 60, (4, 3))
    got = cltorch.unravel_index(cltorch.tensor(flat, device=device), (3, 4, 5))
    for g, w in zip(got, np.unravel_index(flat, (3, 4, 5)), strict=True):
        assert g.tolist() == w.tolist()
    assert [i.item() for i in cltorch.unravel_index(cltorch.tensor(5), 6)] == [5]
    small = cltorch.tensor([1, 200], device=device).to(cltorch.uint8)
    rows, columns = cltorch.unravel_index(small, (300, 3))  # 900 numbers, more than the indices' dtype counts to
    assert rows.dtype is columns.dtype is cltorch.int64 and (rows.tolist(), columns.tolist()) == ([0, 66], [1, 2])


def test_unravel_index_errors():
    i = cltorch.tensor([3])
    for wrong, kind, message in (
        (lambda: cltorch.unravel_index(i.float(), 6), TypeError, "integer dtype, but got torch.float32"),
        (lambda: cltorch.unravel_index(i, (2, -3)), ValueError, "cannot have negative values"),
        (lambda: cltorch.unravel_index(i, (2.0, 3)), TypeError, "only contain ints"),
        (lambda: cltorch.unravel_index(i, (2, 0)), RuntimeError, "ZeroDivisionError"),
        (lambda: cltorch.unravel_index(i, i), TypeError, "int or sequence of ints"),
    ):
        with pytest.raises(kind, match=message):
            wrong()
