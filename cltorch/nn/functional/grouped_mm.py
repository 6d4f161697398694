"""Matrix products of groups: a mixture of experts in one call.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.grouped_mm.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cltorch import dtypes
from cltorch import functions as f
from cltorch.functions.arguments import need_array

__all__ = ["grouped_mm"]


def grouped_mm(mat_a: Any, mat_b: Any, *, offs: Any = None, bias: Any = None, out_dtype: Any = None) -> Any:
    """Return the products of groups of matrices; ``offs``, int32, is where each group ends along a dimension.

    out[r] = a[r] @ b[g] for the rows r of group g, and so for what else is cut.
    (M, K) by (G, K, N) gives (M, N), whose rows are cut; (G, M, K) by (K, N) gives (M, N), whose columns are cut;
    (M, K) by (K, N) gives (G, M, N), of which K is cut; (G, M, K) by (G, K, N) needs no ``offs``. What lies beyond the
    last group is 0. The ends are read, which waits for the device they lie on. Raises RuntimeError for other shapes
    and dtypes and for a ``bias``, which PyTorch does not support either.
    Shape: as said above; ``offs`` (G).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.grouped_mm.html

    >>> import cltorch as torch
    >>> tokens, experts = torch.ones(3, 2), torch.stack([torch.eye(2), 2 * torch.eye(2)])
    >>> torch.nn.functional.grouped_mm(tokens, experts, offs=torch.tensor([1, 3], dtype=torch.int32))
    tensor([[1., 1.],
            [2., 2.],
            [2., 2.]])
    """
    _check(mat_a, mat_b, offs, bias, out_dtype)
    if offs is None:
        return f.bmm(mat_a, mat_b)
    if mat_a.dim() == 2 and mat_b.dim() == 2:
        groups = [f.mm(mat_a[:, at], mat_b[at]) for at in _groups(offs)]
        return f.stack(groups)
    if mat_a.dim() == 2:
        parts = [f.mm(mat_a[at], mat_b[i]) for i, at in enumerate(_groups(offs))]
        return _filled(parts, mat_a.shape[0], 0)
    parts = [f.mm(mat_a[i], mat_b[:, at]) for i, at in enumerate(_groups(offs))]
    return _filled(parts, mat_b.shape[1], 1)


def _check(a: Any, b: Any, offs: Any, bias: Any, out_dtype: Any) -> None:
    need_array("grouped_mm", "mat_a", 1, a)
    need_array("grouped_mm", "mat_b", 2, b)
    if a.dtype is not b.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}")
    for name, x in (("mat_a", a), ("mat_b", b)):
        if x.dim() not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
    if a.shape[-1] != b.shape[-2] and not (a.dim() == 2 and b.dim() == 2):
        raise RuntimeError("contraction dimension of mat_a and mat_b must match")
    if a.dim() == 3 and b.dim() == 3 and a.shape[0] != b.shape[0]:
        raise RuntimeError("batched dimension has to match")
    if (offs is not None) == (a.dim() == 3 and b.dim() == 3):
        raise RuntimeError("Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d")
    if offs is not None:
        need_array("grouped_mm", "offs", 3, offs)
        if offs.dim() != 1:
            raise RuntimeError("offs has to be 1D")
        if offs.dtype is not dtypes.int32:
            raise RuntimeError("Offsets have to be int32")
        batched = a if a.dim() == 3 else b
        if batched.dim() == 3 and batched.shape[0] != offs.shape[0]:
            raise RuntimeError("matrix batch sizes have to match")
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype is not a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")


def _groups(offs: Any) -> Iterator[slice]:
    begin = 0
    for end in offs.tolist():
        yield slice(begin, end)
        begin = end


def _filled(parts: list[Any], size: int, dim: int) -> Any:
    missing = size - sum(p.shape[dim] for p in parts)
    if missing > 0:
        shape = list(parts[0].shape)
        shape[dim] = missing
        parts.append(f.zeros(shape, dtype=parts[0].dtype, device=parts[0].device))
    return f.cat(parts, dim)
