"""Masks of attention by blocks, for ``flex_attention``.

Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions
from cltorch.functions.pad import pad

__all__ = ["BlockMask", "create_block_mask", "create_mask", "noop_mask", "places"]

f: Any = functions
_BLOCK = _DEFAULT_SPARSE_BLOCK_SIZE = 128
_TENSORS = (
    "kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices",
    "q_num_blocks", "q_indices", "full_q_num_blocks", "full_q_indices",
    "dq_write_order", "dq_write_order_full", "dq_kv_order",
)  # fmt: skip


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """Return True for everything.

    Shape: any four that broadcast, to ().
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> from cltorch.nn.attention.flex_attention import create_mask, noop_mask
    >>> create_mask(noop_mask, 1, 1, 2, 3).tolist()
    [[[[True, True, True], [True, True, True]]]]
    """
    return f.ones((), dtype=dtypes.bool_, device=batch.device)


def places(b: int, h: int, lq: int, lk: int, device: Any) -> tuple[Any, ...]:
    """Return the numbers of batches, heads, queries and keys as int32 tensors that broadcast against each other."""
    return tuple(
        f.reshape(f.arange(n, dtype=dtypes.int32, device=device), tuple(n if d == axis else 1 for d in range(4)))
        for axis, n in enumerate((b, h, lq, lk))
    )


def create_mask(mod_fn: Any, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None) -> Any:
    """Return a mask (B, H, Q_LEN, KV_LEN) from ``mask_mod(b, h, q_idx, kv_idx)``, B and H being 1 for None.

    mask[b, h, i, j] = mask_mod(b, h, i, j).
    The function is called once, with int32 tensors that broadcast against each other, and is to compute elementwise; a
    ``score_mod`` is called with scores of zero, and gives the scores. ``device`` is the default device for None.
    Shape: (B, H, Q_LEN, KV_LEN).
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention.flex_attention import create_mask
    >>> create_mask(lambda b, h, q, kv: q >= kv, None, None, 2, 2)[0, 0]
    tensor([[ True, False],
            [ True,  True]])
    """
    b, h = B or 1, H or 1
    shape = (b, h, Q_LEN, KV_LEN)
    device = functions.resolve_device(device)
    at = places(b, h, Q_LEN, KV_LEN, device)
    if _takes_scores(mod_fn):
        return f.contiguous(f.expand(mod_fn(f.zeros(shape, device=device), *at), shape))
    return f.contiguous(f.expand(mod_fn(*at), shape))


def _takes_scores(mod_fn: Any) -> bool:
    needed = [
        p
        for p in inspect.signature(mod_fn).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) not in (4, 5):
        raise ValueError("mod_fn must take 4 arguments (a mask_mod) or 5 (a score_mod)")
    return len(needed) == 5


def _ordered(dense: Any) -> tuple[Any, Any]:
    """Return per row the number of blocks set in ``dense`` and their columns, the others after them."""
    count = f.to(f.sum(dense, -1), dtypes.int32)
    return count, f.to(f.argsort(f.to(dense, dtypes.int32), dim=-1, descending=True, stable=True), dtypes.int32)


def _dense(count: Any, indices: Any) -> Any:
    """Return what ``_ordered`` was given, as int32."""
    width = indices.shape[-1]
    steps = f.arange(width, dtype=dtypes.int32, device=count.device)
    wanted = f.to(f.lt(steps, f.unsqueeze(count, -1)), dtypes.int32)
    zeros = f.zeros(indices.shape, dtype=dtypes.int32, device=count.device)
    return f.scatter(zeros, -1, f.to(indices, dtypes.int64), wanted)


def _transposed(count: Any, indices: Any) -> tuple[Any, Any]:
    if count is None:
        return None, None
    return _ordered(f.transpose(_dense(count, indices), -2, -1))


class BlockMask:
    """Say which blocks of queries and keys meet: for each row of blocks their number, and the columns in order.

    ``kv_num_blocks`` (B, H, rows) and ``kv_indices`` (B, H, rows, columns) name the blocks to which ``mask_mod`` is
    applied, ``full_kv_num_blocks`` and ``full_kv_indices`` those in which all is allowed; ``q_…`` are the same seen
    from the keys. Made by ``create_block_mask`` or ``BlockMask.from_kv_blocks``. Indexing selects batches and heads.
    Shape: (B, H, Q_LEN, KV_LEN), 1 for what does not matter.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention.flex_attention import create_block_mask
    >>> mask = create_block_mask(lambda b, h, q, kv: q >= kv, None, None, 4, 4, BLOCK_SIZE=2)
    >>> mask.shape, mask.to_dense()[0, 0].tolist(), mask.sparsity()
    ((1, 1, 4, 4), [[1, 0], [1, 1]], 25.0)
    """

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Any,
        kv_indices: Any,
        full_kv_num_blocks: Any,
        full_kv_indices: Any,
        q_num_blocks: Any,
        q_indices: Any,
        full_q_num_blocks: Any,
        full_q_indices: Any,
        BLOCK_SIZE: tuple[int, int] = (_BLOCK, _BLOCK),
        mask_mod: Callable[..., Any] = noop_mask,
        *,
        dq_write_order: Any = None,
        dq_write_order_full: Any = None,
        dq_kv_order: Any = None,
        dq_kv_order_spt: bool | None = None,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError("full_kv_num_blocks and full_kv_indices must be both provided or omitted")
        if (full_q_num_blocks is None) != (full_q_indices is None):
            raise AssertionError("full_q_num_blocks and full_q_indices must be both provided or omitted")
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = q_num_blocks, q_indices
        self.full_q_num_blocks, self.full_q_indices = full_q_num_blocks, full_q_indices
        self.dq_write_order, self.dq_write_order_full = dq_write_order, dq_write_order_full
        self.dq_kv_order, self.dq_kv_order_spt = dq_kv_order, dq_kv_order_spt

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Any,
        kv_indices: Any,
        full_kv_num_blocks: Any = None,
        full_kv_indices: Any = None,
        BLOCK_SIZE: int | tuple[int, int] = _BLOCK,
        mask_mod: Callable[..., Any] | None = None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
        *,
        dq_write_order: Any = None,
        dq_write_order_full: Any = None,
        dq_kv_order: Any = None,
    ) -> BlockMask:
        """Return a mask from the blocks of keys that each row of blocks of queries meets."""
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError("full_kv_num_blocks and full_kv_indices must be both provided or omitted")
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        q = full_q = (None, None)
        if compute_q_blocks:
            q = _transposed(kv_num_blocks, kv_indices)
            full_q = _transposed(full_kv_num_blocks, full_kv_indices)
        if seq_lengths is None:
            seq_lengths = (kv_indices.shape[-2] * size[0], kv_indices.shape[-1] * size[1])
        spt = dq_kv_order if isinstance(dq_kv_order, bool) else None
        return cls(
            seq_lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, *q, *full_q, size,
            mask_mod or noop_mask, dq_write_order=dq_write_order, dq_write_order_full=dq_write_order_full,
            dq_kv_order=None if spt is not None else dq_kv_order, dq_kv_order_spt=spt,
        )  # fmt: skip

    def as_tuple(self, flatten: bool = True) -> tuple[Any, ...]:
        """Return all members in PyTorch's order, sizes flat or as pairs."""
        lengths, size = (self.seq_lengths, self.BLOCK_SIZE) if flatten else ((self.seq_lengths,), (self.BLOCK_SIZE,))
        tensors = (getattr(self, name) for name in _TENSORS)
        return (*lengths, *tensors, self.dq_kv_order_spt, *size, self.mask_mod)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (B, H, queries, keys)."""
        return (*map(int, self.kv_indices.shape[:-2]), *self.seq_lengths)

    def numel(self) -> int:
        """Return the number of elements of the mask as a whole."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """Return how many percent of the scores need not be computed; negative where blocks reach over the end."""
        blocks = self.kv_num_blocks.sum().item()
        if self.full_kv_num_blocks is not None:
            blocks += self.full_kv_num_blocks.sum().item()
        return float(100 * (1 - blocks * math.prod(self.BLOCK_SIZE) / self.numel()))

    def to_dense(self) -> Any:
        """Return which blocks are not empty, (B, H, rows, columns) of 0 and 1."""
        partial = _dense(self.kv_num_blocks, self.kv_indices)
        return partial if self.full_kv_num_blocks is None else f.add(partial, self._full())

    def _full(self) -> Any:
        return _dense(self.full_kv_num_blocks, self.full_kv_indices)

    def _elements(self, blocks: Any) -> Any:
        """Return a mask of blocks as one of elements, cut to the lengths."""
        size, (lq, lk) = self.BLOCK_SIZE, self.seq_lengths
        wide = f.repeat_interleave(f.repeat_interleave(blocks, size[0], -2), size[1], -1)
        return f.to(wide[..., :lq, :lk], dtypes.bool_)

    def to_mask(self, b: int, h: int) -> Any:
        """Return the mask of elements for ``b`` batches and ``h`` heads, True where attention is allowed."""
        lq, lk = self.seq_lengths
        allowed = self.mask_mod(*places(b, h, lq, lk, self.kv_indices.device))
        allowed = f.logical_and(allowed, self._elements(_dense(self.kv_num_blocks, self.kv_indices)))
        if self.full_kv_num_blocks is not None:
            allowed = f.logical_or(allowed, self._elements(self._full()))
        return f.expand(allowed, (b, h, lq, lk))

    def to(self, device: Any) -> BlockMask:
        """Return the mask on another device."""
        return self._with(lambda x: x.to(device))

    def _with(self, fn: Callable[[Any], Any]) -> BlockMask:
        new: dict[str, Any] = {
            name: None if getattr(self, name) is None else fn(getattr(self, name)) for name in _TENSORS
        }
        return BlockMask(
            self.seq_lengths, **new, BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=self.mask_mod,
            dq_kv_order_spt=self.dq_kv_order_spt,
        )  # fmt: skip

    def __getitem__(self, index: Any) -> BlockMask:
        parts = index if isinstance(index, tuple) else (index,)
        # a number keeps its dimension, so that (batch, head) stay where they are
        kept = tuple(slice(i, i + 1 or None) if isinstance(i, int) else i for i in parts)
        return self._with(lambda x: x[kept])

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """Draw the blocks of each batch and head, at most ``limit``: full ones, partial ones of ░, empty ones blank."""
        dense = f.to(self.to_dense(), dtypes.float32)
        most = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        lead = dense.shape[:-2]
        drawn = []
        for number in range(min(limit, math.prod(lead))):
            rest = number
            index: list[int] = []
            for n in reversed(lead):
                rest, i = divmod(rest, n)
                index.insert(0, i)
            rows = dense[tuple(index)]
            # a cell of the drawing stands for as many blocks as let it fit
            tile = [max(1, math.ceil(n / m)) if m > 0 else 1 for n, m in zip(rows.shape, most, strict=True)]
            lines = []
            values = rows.tolist()
            for y in range(0, len(values), tile[0]):
                line = ""
                for x in range(0, len(values[0]), tile[1]):
                    cell = [v for row in values[y : y + tile[0]] for v in row[x : x + tile[1]]]
                    line += "██" if all(cell) else "░░" if any(cell) else "  "
                lines.append(line)
            drawn.append(f"{tuple(index)}\n" + "\n".join(lines) + "\n")
        if math.prod(lead) > limit:
            drawn.append("...\nTo print out more, set BlockMask.to_string(limit=N)\n")
        return "\n".join(drawn)

    def __str__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n{self.to_string().strip()}\n)"

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in _TENSORS}
        sizes = "".join(
            f"    {name}={None if x is None else x.shape},\n"
            for name, x in values.items()
            if x is not None or not name.startswith("dq_")
        )
        name = getattr(self.mask_mod, "__name__", repr(self.mask_mod))
        return (
            f"BlockMask(\n{sizes}    BLOCK_SIZE={self.BLOCK_SIZE},\n    shape={self.shape},\n"
            f"    sparsity={self.sparsity():.2f}%,\n    mask_mod={name}\n)"
        )


def create_block_mask(
    mask_mod: Callable[..., Any],
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _BLOCK,
    _compile: bool = False,
    separate_full_blocks: bool = True,
    compute_dq_write_order: bool = False,
    dq_kv_order: bool = True,
) -> BlockMask:
    """Return the BlockMask of ``mask_mod(b, h, q_idx, kv_idx)``, which is True where attention is allowed.

    Block (r, c) is kept where mask[b, h, i, j] is True for some i in row r and j in column c of blocks.
    The function is called as ``create_mask`` says. Raises NotImplementedError for ``compute_dq_write_order``, which
    prepares a backward pass of CUDA.
    Shape: (B, H, Q_LEN, KV_LEN), B and H being 1 for None.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.flex_attention.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention.flex_attention import create_block_mask
    >>> print(create_block_mask(lambda b, h, q, kv: q >= kv, 1, 1, 384, 384))
    BlockMask(shape=(1, 1, 384, 384), sparsity=33.33%,
    (0, 0)
    ██
    ████
    ██████
    )
    """
    if compute_dq_write_order:
        raise NotImplementedError("create_block_mask: compute_dq_write_order is not supported")
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    allowed = f.to(create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device), dtypes.int32)
    rows, columns = -(-Q_LEN // size[0]), -(-KV_LEN // size[1])
    allowed = pad(allowed, (0, columns * size[1] - KV_LEN, 0, rows * size[0] - Q_LEN))
    tiles = f.reshape(allowed, (*allowed.shape[:2], rows, size[0], columns, size[1]))
    inside = f.sum(tiles, (3, 5))
    full = f.eq(inside, math.prod(size))
    some, all_of = f.gt(inside, 0), (None, None)
    if separate_full_blocks:
        some, all_of = f.logical_and(some, f.logical_not(full)), _ordered(full)
    lengths = (Q_LEN, KV_LEN)
    return BlockMask.from_kv_blocks(*_ordered(some), *all_of, size, mask_mod, lengths)
