"""``torch.embedding_bag``, which torch.nn.functional.embedding_bag calls in PyTorch: the mode is a number, and what the
gradient needs is returned beside the bags."""

from __future__ import annotations

from typing import Any

from cltorch import functions as f
from cltorch import public_forms
from cltorch.functions.gather import gather
from cltorch.nn.functional.embedding_bag import bags_of, first_largest
from cltorch.nn.functional.embedding_bag import embedding_bag as by_name

__all__ = ["embedding_bag"]
_MODES = ("sum", "mean", "max")


def embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Return the sums (``mode`` 0), means (1) or largest values (2) of bags of rows, and what they were made of.

    The results are the bags (b, d) as of torch.nn.functional.embedding_bag; the bag of each index (n); the number of
    rows that count in each bag (b); and for mode 2 the row of each largest value (b, d), else again the numbers.
    Shape: weight (rows, d), indices (n), offsets (b), or b + 1 with include_last_offset.
    Raises RuntimeError for another mode, and for per_sample_weights with modes other than 0.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.embedding_bag.html

    >>> import cltorch as torch
    >>> table = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> bags, bag, size, _ = torch.embedding_bag(table, torch.tensor([0, 1, 2]), torch.tensor([0, 2]))
    >>> bags, bag, size
    (tensor([[2., 4.],
            [4., 5.]]), tensor([0, 0, 1]), tensor([2, 1]))
    """
    if mode not in (0, 1, 2):
        raise RuntimeError("`mode` must be sum, mean, or max.")
    if per_sample_weights is not None and mode:
        raise RuntimeError("embedding_bag: per_sample_weights only supported with mode='sum'")
    line = f.reshape(indices, (-1,))
    if padding_idx is not None and padding_idx < 0:
        padding_idx += weight.shape[0]
    # the largest of a bag have neither a sparse gradient nor one by frequency, whatever is asked for
    found = by_name(
        line, weight, offsets, scale_grad_by_freq=scale_grad_by_freq and mode != 2, mode=_MODES[mode],
        sparse=sparse and mode != 2, per_sample_weights=per_sample_weights, include_last_offset=include_last_offset,
        padding_idx=padding_idx,
    )  # fmt: skip
    _, bag, bags = bags_of(line, offsets, include_last_offset)
    kept = None if padding_idx is None else f.ne(line, padding_idx)
    ones = f.ones_like(bag) if kept is None else kept.to(bag.dtype)
    # one bag more takes what comes behind the last offset
    size = f.index_add(f.zeros(bags + 1, dtype=bag.dtype, device=bag.device), 0, bag, ones)[:bags]
    if mode != 2:
        return found, bag.to(line.dtype), size.to(line.dtype), size.to(line.dtype)
    shape = (bags + 1, weight.shape[1])
    if not line.numel():
        return (
            found,
            bag.to(line.dtype),
            size.to(line.dtype),
            f.zeros(bags, shape[1], dtype=line.dtype, device=bag.device),
        )
    rows = weight.detach()[line]
    first = first_largest(rows, None if kept is None else f.unsqueeze(kept, 1), bag, shape)[:bags]
    any_ = f.lt(first, line.numel())
    wide = f.expand(f.unsqueeze(line, 1), rows.shape)
    chosen = f.where(any_, gather(wide, 0, f.where(any_, first, 0)), 0)
    return found, bag.to(line.dtype), size.to(line.dtype), chosen.to(line.dtype)


public_forms.functions(__all__, globals(), "cltorch", "torch")
