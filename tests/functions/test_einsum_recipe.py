"""einsum of two operands as one product of matrices: every order of labels, and what must not be taken for one."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.functions.einsum_recipe import recipe_for

SIZES = dict(zip("abijkl", (2, 3, 4, 1, 5, 2), strict=True))


def drawn(rng):
    """Return an equation of two operands with a batch, rows, columns and terms in any order and number."""
    kinds = [rng.integers(1, 4) for _ in SIZES]  # 1 the first has it, 2 the second, 3 both
    first, second = ([c for c, k in zip(SIZES, kinds, strict=True) if k & side] for side in (1, 2))
    output = [c for c, k in zip(SIZES, kinds, strict=True) if k < 3 or rng.random() < 0.5]
    words = ["".join(rng.permutation(part)) if part else "" for part in (first, second, output)]
    return f"{words[0]},{words[1]}->{words[2]}"


def test_any_order_of_labels(device):
    rng, taken = np.random.default_rng(0), 0
    for _ in range(40):
        equation = drawn(rng)
        arrays = [
            rng.integers(-4, 5, [SIZES[c] for c in part]).astype(np.float32)
            for part in equation[: equation.index("-")].split(",")
        ]
        taken += recipe_for(equation, *(a.shape for a in arrays)) is not None
        found = cltorch.einsum(equation, *(cltorch.tensor(a, device=device) for a in arrays))
        np.testing.assert_array_equal(found.cpu().numpy(), np.einsum(equation, *arrays), err_msg=equation)
    assert taken > 20


def test_gradients_and_strided_operands(device):
    rng = np.random.default_rng(1)
    q, k = (cltorch.tensor(rng.standard_normal((2, 5, 3, 4)), device=device).float() for _ in range(2))
    x, y = q.transpose(0, 1).requires_grad_(), k.requires_grad_()
    scores = cltorch.einsum("qbhd,bkhd->bhqk", x, y)
    assert scores.is_contiguous()
    scores.square().sum().backward()
    a, b = (v.detach().cpu().numpy() for v in (x, y))
    s = np.einsum("qbhd,bkhd->bhqk", a, b)
    np.testing.assert_allclose(scores.detach().cpu().numpy(), s, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(x.grad.cpu().numpy(), 2 * np.einsum("bhqk,bkhd->qbhd", s, b), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(y.grad.cpu().numpy(), 2 * np.einsum("bhqk,qbhd->bkhd", s, a), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "equation, x, y",
    [
        ("ij,jk->i", (2, 3), (3, 4)),  # k is summed over alone
        ("ij,jk->ijk", (2, 3), (3, 4)),  # nothing is
        ("ij,jk->ik", (2, 1), (3, 4)),  # j is broadcast
        ("ii,ij->j", (2, 2), (2, 3)),
        ("...j,jk->...k", (2, 3), (3, 4)),
        ("ij,jk->iz", (2, 3), (3, 4)),
        ("ij,jk->ikk", (2, 3), (3, 4)),
        ("ij,jk->ik", (2, 3), (4, 4)),
        ("ij,jk->ik", (2, 3, 1), (3, 4)),
        ("ij->ij", (2, 3), (3, 4)),
        ("i1,1k->ik", (2, 3), (3, 4)),
    ],
)
def test_what_is_no_product_of_matrices(equation, x, y):
    assert recipe_for(equation, x, y) is None


def test_dtypes_of_sums_of_integers_and_bool(device):
    def ones(kind, *shape):
        return cltorch.ones(shape, dtype=getattr(cltorch, kind), device=device)

    for kind in ("int32", "uint8", "bool"):  # nothing is summed
        found = cltorch.einsum("ij,ij,ij->ij", ones(kind, 1, 3), ones(kind, 2, 1), ones(kind, 2, 3))
        assert found.dtype is getattr(cltorch, kind) and found.tolist() == [[1, 1, 1]] * 2
    for equation, shapes in (("ij,k->ik", ((2, 3), (2,))), ("ij,jk->ik", ((2, 1), (2, 2)))):
        assert cltorch.einsum(equation, *(ones("int32", *shape) for shape in shapes)).dtype is cltorch.int64
    for equation, shapes in (
        ("ij,jk->ik", ((2, 2), (2, 2))),
        ("i,i", ((2,), (2,))),
        ("ij,j,jk->ik", ((2, 2), (2,), (2, 2))),
    ):
        with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
            cltorch.einsum(equation, *(ones("bool", *shape) for shape in shapes))
