"""Shape, strides and offset of a tensor as one immutable value, and the algebra of views on it.

A layout never touches data: every view operator (transpose, slice, expand, …) is a function from a layout to a
layout. Strides and offset count elements. Contiguous layouts with offset 0 are interned, so that the test "same
shape and densely packed", which every operator call makes, is one identity comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from math import prod
from typing import Any

from cltorch.shapes import Size, as_size, contiguous_strides, infer_shape, wrap_dim, wrap_dims


class layout:
    """Name a kind of storage: ``strided``, the ``layout`` of every dense tensor, or ``sparse_coo``.

    Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, layout) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __copy__(self) -> layout:
        return self

    def __deepcopy__(self, memo: Any) -> layout:
        return self

    def __reduce__(self) -> Any:
        return _of_name, (self._name,)


strided = layout("strided")


def _of_name(name: str) -> layout:
    return strided if name == "strided" else layout(name)


class Layout:
    """Describe where the elements of a tensor lie in its storage.

    It is what a tensor's ``lay`` is; its ``layout`` is what programs know by that name, ``strided``.

    ``key`` is a number that stands for shape and strides (not the offset): equal geometry, equal key, so that launch
    plans are found by hashing a few numbers. ``contiguous`` holds when the strides are row-major (dimensions of size 1
    do not count); ``dense`` when the
    offset is also 0. Make one with ``Layout.of(shape)`` (dense, interned) or ``Layout(shape, strides, offset)``.
    """

    __slots__ = ("shape", "strides", "offset", "numel", "contiguous", "dense", "ndim", "key", "__weakref__")

    shape: Size
    strides: tuple[int, ...]

    def __init__(self, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> None:
        self.shape = shape if shape.__class__ is Size else as_size(shape)
        self.strides = strides if strides.__class__ is tuple else tuple(strides)
        self.offset = offset
        self.dense = False
        geometry = (self.shape, self.strides)
        found = _KEYS.get(geometry)
        if found is None:
            if len(_KEYS) > 100_000:
                _KEYS.clear()
            numel = prod(self.shape)
            if numel > _MOST:
                raise RuntimeError(f"numel: integer multiplication overflow with sizes={list(self.shape)}")
            contiguous = numel == 0 or _row_major(self.shape, self.strides)
            found = _KEYS[geometry] = (next(_serial), numel, contiguous, len(self.shape))
        self.key, self.numel, self.contiguous, self.ndim = found

    @staticmethod
    def of(shape: Sequence[int]) -> Layout:
        """Return the dense layout of a shape; the same object for the same shape."""
        key = shape if shape.__class__ is Size else as_size(shape)
        found = _DENSE.get(key)
        if found is None:
            if len(_DENSE) > 20_000:
                _DENSE.clear()
            strides = contiguous_strides(key)
            # 16 bytes are the most that an element has
            if strides and strides[0] * max(key[0], 1) > _MOST // 16:
                raise RuntimeError(f"Storage size calculation overflowed with sizes={list(key)}")
            found = Layout(key, strides)
            found.dense = True
            _DENSE[key] = found
        return found

    @staticmethod
    def make(shape: Sequence[int], strides: Sequence[int], offset: int) -> Layout:
        """Return the interned dense layout where these values describe one, else a new layout."""
        lay = Layout(shape, strides, offset)
        if offset == 0 and lay.contiguous:
            dense = Layout.of(lay.shape)
            if dense.strides == lay.strides:
                return dense
        return lay

    def same(self, other: Layout) -> bool:
        """Return whether two layouts name the same elements."""
        return self is other or (
            self.offset == other.offset and tuple.__eq__(self.shape, other.shape) and self.strides == other.strides
        )

    def words(self) -> str:
        """Return shape, strides and offset in words."""
        return f"Layout({list(self.shape)}, strides={list(self.strides)}, offset={self.offset})"

    # ---- views -----------------------------------------------------------------------------------------------
    def transpose(self, dim0: int, dim1: int) -> Layout:
        """Swap two dimensions."""
        a, b = wrap_dim(dim0, self.ndim), wrap_dim(dim1, self.ndim)
        if a == b:
            return self
        shape, strides = list(self.shape), list(self.strides)
        shape[a], shape[b] = shape[b], shape[a]
        strides[a], strides[b] = strides[b], strides[a]
        return Layout.make(shape, strides, self.offset)

    def permute(self, dims: Sequence[int]) -> Layout:
        """Reorder all dimensions."""
        if len(dims) != self.ndim:
            raise RuntimeError(
                "permute(sparse_coo): number of dimensions in the tensor input does not match the length of "
                f"the desired ordering of dimensions i.e. input.dim() = {self.ndim} is not equal to len(dims) "
                f"= {len(dims)}"
            )
        order = [wrap_dim(d, self.ndim) for d in dims]
        if len(set(order)) != len(order):
            raise RuntimeError("permute(): duplicate dims are not allowed.")
        return Layout.make([self.shape[d] for d in order], [self.strides[d] for d in order], self.offset)

    def expand(self, sizes: Sequence[int]) -> Layout:
        """Broadcast dimensions of size 1 by a stride of 0; -1 keeps a size."""
        lead = len(sizes) - self.ndim
        if lead < 0:
            raise RuntimeError(
                f"expand(torch.FloatTensor{{{list(self.shape)}}}, size={list(sizes)}): the number of sizes "
                f"provided ({len(sizes)}) must be greater or equal to the number of dimensions in the tensor "
                f"({self.ndim})"
            )
        shape, strides = [], []
        for i in range(len(sizes) - 1, -1, -1):  # from behind: of several sizes that do not fit the last one is told
            n, j = sizes[i], i - lead
            have, step = (self.shape[j], self.strides[j]) if j >= 0 else (1, 0)
            if n == -1:
                if j < 0:
                    raise RuntimeError(
                        f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
                    )
                n = have
            if n != have:
                if n < 0 and have == 1:
                    raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(sizes)}")
                if have != 1:
                    raise RuntimeError(
                        f"The expanded size of the tensor ({n}) must match the existing size ({have}) at "
                        f"non-singleton dimension {i}.  Target sizes: {list(sizes)}.  Tensor sizes: "
                        f"{list(self.shape)}"
                    )
                step = 0
            shape.append(n)
            strides.append(step if j >= 0 else 0)
        shape.reverse()
        strides.reverse()
        for i in range(lead - 1, -1, -1):  # a new dimension of size 1 goes on where the next one ends, as PyTorch's
            if shape[i] == 1 and self.ndim:
                strides[i] = shape[i + 1] * strides[i + 1]
        return Layout.make(shape, strides, self.offset)

    def select(self, dim: int, index: int) -> Layout:
        """Take one index of a dimension and drop the dimension."""
        if self.ndim == 0:
            raise IndexError("select() cannot be applied to a 0-dim tensor.")
        d = wrap_dim(dim, self.ndim)
        n = self.shape[d]
        if index < -n or index >= n:
            raise IndexError(
                f"select(): index {index} out of range for tensor of size {list(self.shape)} at dimension {d}"
            )
        i = index + n if index < 0 else index
        shape = self.shape[:d] + self.shape[d + 1 :]
        return Layout.make(shape, self.strides[:d] + self.strides[d + 1 :], self.offset + i * self.strides[d])

    def narrow(self, dim: int, start: int, length: int) -> Layout:
        """Keep ``length`` indices of a dimension from ``start`` on."""
        if self.ndim == 0:
            raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
        d = wrap_dim(dim, self.ndim)
        n = self.shape[d]
        if length < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        if start < -n or start > n:
            raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
        s = start + n if start < 0 else start
        if s + length > n:
            raise RuntimeError(f"start ({s}) + length ({length}) exceeds dimension size ({n}).")
        return self.slice(d, s, s + length, 1)

    def slice(self, dim: int, start: int | None, stop: int | None, step: int = 1) -> Layout:
        """Apply a Python slice with a positive step to one dimension."""
        if self.ndim == 0:
            raise RuntimeError("slice() cannot be applied to a 0-dim tensor.")
        d = wrap_dim(dim, self.ndim)
        if step <= 0:
            raise ValueError("step must be greater than zero")
        lo, hi, _ = slice(start, stop, 1).indices(self.shape[d])
        length = max(0, (hi - lo + step - 1) // step)
        shape, strides = list(self.shape), list(self.strides)
        shape[d] = length
        strides[d] *= step
        return Layout.make(shape, strides, self.offset + lo * self.strides[d])

    def squeeze(self, dims: int | Sequence[int] | None = None) -> Layout:
        """Drop dimensions of size 1 (all of them, or those named)."""
        named = wrap_dims(dims, self.ndim) if dims is not None and dims != () else tuple(range(self.ndim))
        if dims == ():
            named = ()
        keep = [i for i in range(self.ndim) if not (i in named and self.shape[i] == 1)]
        return Layout.make([self.shape[i] for i in keep], [self.strides[i] for i in keep], self.offset)

    def unsqueeze(self, dim: int) -> Layout:
        """Insert a dimension of size 1."""
        d = wrap_dim(dim, self.ndim + 1)
        step = self.shape[d] * self.strides[d] if d < self.ndim else 1
        return Layout.make(
            (*self.shape[:d], 1, *self.shape[d:]), (*self.strides[:d], step, *self.strides[d:]), self.offset
        )

    def view(self, shape: Sequence[int]) -> Layout | None:
        """Reshape without moving data; None where the strides do not allow it. ``shape`` may hold one -1."""
        target = infer_shape(shape, self.numel)
        if self.contiguous and self.numel:
            if self.dense:
                return Layout.of(target)
            return Layout.make(target, contiguous_strides(target), self.offset)
        if self.numel == 0:
            return Layout.make(target, contiguous_strides(target), self.offset)
        strides = _view_strides(self.shape, self.strides, target)
        return None if strides is None else Layout.make(target, strides, self.offset)

    def as_strided(self, size: Sequence[int], stride: Sequence[int], offset: int | None = None) -> Layout:
        """Replace shape and strides outright (bounds are checked by the caller, who knows the storage)."""
        if len(size) != len(stride):
            raise RuntimeError("mismatch in length of strides and shape")
        if any(n < 0 for n in size):
            raise RuntimeError(
                f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}"
            )
        if offset is not None and offset < 0:
            raise RuntimeError(f"Tensor: invalid storage offset {offset}")
        if any(s < 0 for s in stride):
            raise RuntimeError(
                f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
            )
        return Layout.make(size, stride, self.offset if offset is None else offset)

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Layout:
        """Move the diagonal of two dimensions to the end, as a view."""
        a, b = wrap_dim(dim1, self.ndim), wrap_dim(dim2, self.ndim)
        if a == b:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        if offset >= 0:
            length, start = max(min(self.shape[a], self.shape[b] - offset), 0), offset * self.strides[b]
        else:
            length, start = max(min(self.shape[a] + offset, self.shape[b]), 0), -offset * self.strides[a]
        keep = [i for i in range(self.ndim) if i not in (a, b)]
        return Layout.make(
            [*(self.shape[i] for i in keep), length],
            [*(self.strides[i] for i in keep), self.strides[a] + self.strides[b]],
            self.offset + (start if length else 0),
        )

    def unfold(self, dim: int, size: int, step: int) -> Layout:
        """Append a dimension of windows of ``size`` every ``step`` along ``dim``, as a view."""
        d = wrap_dim(dim, self.ndim)
        n = self.shape[d] if self.ndim else 1
        if size < 0:
            raise RuntimeError(f"size is {size} but must be >= 0")
        if size > n:
            raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
        if step <= 0:
            raise RuntimeError(f"step is {step} but must be > 0")
        if self.ndim == 0:
            return Layout.make((size,), (1,), self.offset)
        shape, strides = list(self.shape), list(self.strides)
        shape[d] = (n - size) // step + 1
        strides[d] *= step
        return Layout.make([*shape, size], [*strides, self.strides[d]], self.offset)

    def overlaps(self) -> bool:
        """Return whether two indices may mean one element (a stride of 0 in a dimension larger than 1)."""
        if self.contiguous:
            return False
        return self.numel > 0 and any(s == 0 and n > 1 for n, s in zip(self.shape, self.strides, strict=True))

    def packed(self) -> bool:
        """Return whether the elements fill one stretch of memory, each place once (dimensions in any order)."""
        if self.contiguous:
            return True
        step = 1
        for stride, n in sorted((s, n) for n, s in zip(self.shape, self.strides, strict=True) if n != 1):
            if stride != step:
                return False
            step *= n
        return True

    def extent(self) -> int:
        """Return one past the last element used, counted from the start of the storage."""
        if self.numel == 0:
            return self.offset
        return self.offset + 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))


_MOST = 2**63 - 1  # what numbers of elements and of bytes must not go beyond
_DENSE: dict[Size, Layout] = {}
_KEYS: dict[Any, tuple[int, int, bool, int]] = {}  # what follows from shape and strides alone
_serial = count()  # never reused, so that a cleared table only costs new plans


def _row_major(shape: Sequence[int], strides: Sequence[int]) -> bool:
    step = 1
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n != 1:
            if s != step:
                return False
            step *= n
    return True


def _view_strides(shape: Sequence[int], strides: Sequence[int], target: Sequence[int]) -> list[int] | None:
    """Return strides for ``target``, splitting each run of dimensions that is one run in memory; None if impossible."""
    out = [0] * len(target)
    j = len(target) - 1
    run, base = 1, strides[-1] if strides else 1
    for i in range(len(shape) - 1, -1, -1):
        run *= shape[i]
        ends = i == 0 or (shape[i - 1] != 1 and strides[i - 1] != run * base)
        if ends:
            taken = 1
            while j >= 0 and (taken < run or target[j] == 1):
                out[j] = taken * base
                taken *= target[j]
                j -= 1
            if taken != run:
                return None
            if i > 0:
                run, base = 1, strides[i - 1]
    while j >= 0:
        if target[j] != 1:
            return None
        out[j] = base * run
        j -= 1
    return out


def coalesce(shape: Sequence[int], *strides: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """Merge neighbouring dimensions that every operand walks as one run, and drop dimensions of size 1.

    Returns the shorter shape and the strides of each operand; at least one dimension remains.
    """
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for i, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and all(o[-1] == s[i] * n for o, s in zip(steps, strides, strict=True)):
            sizes[-1] *= n
            for o, s in zip(steps, strides, strict=True):
                o[-1] = s[i]
        else:
            sizes.append(n)
            for o, s in zip(steps, strides, strict=True):
                o.append(s[i])
    if not sizes:
        return [1], [[0] for _ in strides]
    return sizes, steps


def coalesce_few(shape: Sequence[int], *strides: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """Do what ``coalesce`` does, filled up to 1, 2 or 4 dimensions by ones in front: kernels then come in few forms."""
    sizes, steps = coalesce(shape, *strides)
    if len(sizes) == 3:
        return [1, *sizes], [[0, *s] for s in steps]
    return sizes, steps
