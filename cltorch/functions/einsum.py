"""einsum and tensordot: sums of products over named dimensions, as batched matrix products of views.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.einsum.html
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from cltorch import dtypes
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import need_array
from cltorch.functions.convert import to
from cltorch.functions.dim_orders import permute
from cltorch.functions.einsum_order import order
from cltorch.functions.einsum_parse import DOTS, LETTERS, parse_equation, parse_sublists
from cltorch.functions.einsum_recipe import by_recipe, comes_first, recipe_for, summed_product
from cltorch.functions.parts import diagonal
from cltorch.functions.pointwise import into_out
from cltorch.functions.shape import reshape, squeeze
from cltorch.ops.array import Array, two_devices
from cltorch.shapes import wrap_dim

__all__ = ["einsum", "tensordot"]


class _Term:
    """An operand with a label for each of its dimensions."""

    __slots__ = ("x", "labels")

    def __init__(self, x: Any, labels: Sequence[int]) -> None:
        self.x, self.labels = x, list(labels)

    def size(self, label: int) -> int:
        """Return the size of a label, 1 where the operand does not have it."""
        return self.x.lay.shape[self.labels.index(label)] if label in self.labels else 1

    def arranged(self, *groups: Sequence[int]) -> Any:
        """Return the operand with its dimensions in this order, each group of labels as one dimension."""
        order = [self.labels.index(label) for group in groups for label in group]
        x = self.x if order == list(range(len(order))) else permute(self.x, order)
        return reshape(x, [prod(self.size(label) for label in group) for group in groups])

    def squeezed(self, labels: Sequence[int]) -> _Term:
        """Return the operand without these labels, whose size is 1."""
        if not labels:
            return self
        rest = [label for label in self.labels if label not in labels]
        return _Term(squeeze(self.x, [self.labels.index(label) for label in labels]), rest)

    def without(self, labels: Sequence[int]) -> _Term:
        """Return the operand summed over these labels."""
        dims = [self.labels.index(label) for label in labels]
        if not dims:
            return self
        if self.x.dtype.differentiable and all(self.x.lay.shape[d] == 1 for d in dims):
            return self.squeezed(labels)
        rest = [label for label in self.labels if label not in labels]
        return _Term(r.sum(self.x, dims), rest)  # integers count in int64, as in every sum


def _multiply(a: _Term, b: _Term, keep: set[int], mixed: bool) -> _Term:
    """Multiply two operands, summing over the labels that nothing later needs.

    ``mixed`` operands, those of several dtypes, are promoted where nothing is summed and refused where it is.
    """
    # a dimension of size 1 that meets a larger one is only there to be broadcast
    shared = [label for label in a.labels if label in b.labels]
    a, b = (x.squeezed([label for label in shared if x.size(label) == 1 != y.size(label)]) for x, y in ((a, b), (b, a)))
    a = a.without([label for label in a.labels if label not in b.labels and label not in keep])
    b = b.without([label for label in b.labels if label not in a.labels and label not in keep])
    shared = [label for label in a.labels if label in b.labels]
    batch = [label for label in shared if label in keep]
    inner = [label for label in shared if label not in keep]
    left = [label for label in a.labels if label not in b.labels]
    right = [label for label in b.labels if label not in a.labels]
    if not inner:
        # nothing is summed: an elementwise product of views
        names = [*batch, *left, *right]
        x = permute(a.x, [a.labels.index(label) for label in (*batch, *left)])
        y = permute(b.x, [b.labels.index(label) for label in (*batch, *right)])
        head = x.lay.shape[: len(batch)]
        x = reshape(x, (*x.lay.shape, *[1] * len(right)))
        y = reshape(y, (*head, *[1] * len(left), *y.lay.shape[len(batch) :]))
        return _Term(p.mul(x, y), names)
    groups = [batch] if batch else []
    if mixed:
        _same_dtype(a.x, b.x)
    a, b = _alike(a, b)
    product = summed_product(a.arranged(*groups, left, inner), b.arranged(*groups, inner, right))
    names = [*batch, *left, *right]
    sizes = [(a if label in a.labels else b).size(label) for label in names]
    return _Term(reshape(product, sizes), names)


def _alike(a: _Term, b: _Term) -> tuple[_Term, _Term]:
    """Return two operands in one dtype: a sum of integers has made int64 of one of them."""
    if a.x.dtype is b.x.dtype:
        return a, b
    return _Term(a.x.to(dtypes.int64), a.labels), _Term(b.x.to(dtypes.int64), b.labels)


def _same_dtype(a: Any, b: Any) -> None:
    if a.dtype is not b.dtype:
        raise RuntimeError(f"expected scalar type {TYPE_NAMES[a.dtype]} but found {TYPE_NAMES[b.dtype]}")


def _contract(terms: list[_Term], output: Sequence[int]) -> Any:
    """Return the sum of products of operands, with these labels left."""
    for term in terms[1:]:
        if term.x.device is not terms[0].x.device:
            raise two_devices(terms[0].x.device, term.x.device)
    mixed = len({term.x.dtype for term in terms}) > 1
    left = list(terms)
    for places in order([t.labels for t in terms], [t.x.lay.shape for t in terms], output):
        chosen = [left[i] for i in places]
        left = [t for i, t in enumerate(left) if i not in places]
        product = chosen[0]
        for i, term in enumerate(chosen[1:], 2):
            keep = {*output, *(label for later in (*chosen[i:], *left) for label in later.labels)}
            pair = (term, product) if comes_first(term.labels, product.labels, output) else (product, term)
            product = _multiply(*pair, keep, mixed)
        left.append(product)
    (total,) = left
    dims = [total.labels.index(label) for label in output]
    dims += [at for at in range(len(total.labels)) if at not in dims]  # these are summed over
    if dims != list(range(len(dims))):
        total = _Term(permute(total.x, dims), [total.labels[at] for at in dims])
    return total.without(total.labels[len(output) :]).x


def _named(x: Any, labels: list[int], number: int) -> _Term:
    """Return an operand with a label for each dimension: the ellipsis numbered, diagonals taken of repeated ones."""
    named = len([label for label in labels if label != DOTS])
    n = x.lay.ndim
    if DOTS in labels and named <= n:
        at = labels.index(DOTS)
        labels = [*labels[:at], *range(named - n, 0), *labels[at + 1 :]]
    elif named != n:
        what = "is more than" if DOTS in labels else "does not match"
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named}) {what} the number of dimensions ({n}) for "
            f"operand {number}" + ("" if DOTS in labels else " and no ellipsis was given")
        )
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.lay.shape[i] != x.lay.shape[j]:
                name = LETTERS[label]
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated for operand {number} but the sizes don't match, "
                    f"{x.lay.shape[j]} != {x.lay.shape[i]}"
                )
            x = diagonal(x, 0, i, j)
            labels = [*labels[:i], *labels[i + 1 : j], *labels[j + 1 :], label]
    return _Term(x, labels)


def einsum(*args: Any) -> Any:
    """Sum the products of operands over dimensions that an equation names.

    ``einsum("ij,jk->ik", a, b)`` multiplies matrices. Dimensions of one letter run together, letters that the output
    does not name are summed over; without ``->`` the output has the letters that occur once, in alphabetical order. A
    letter twice in an operand takes its diagonal; ``...`` stands for further dimensions, which broadcast. Operands may
    come as a list, and labels as lists of numbers: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``. More than two operands are
    multiplied in the order that the package opt_einsum finds, where it is installed, else from left to right.
    Raises RuntimeError for an equation that is not one or does not fit the operands, NotImplementedError for products
    of bool that are summed.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.einsum.html

    >>> import cltorch as torch
    >>> a = torch.tensor([[1, 2], [3, 4]])
    >>> torch.einsum("ij->ji", a)
    tensor([[1, 3],
            [2, 4]])
    >>> torch.einsum("ij,jk", a, a)
    tensor([[ 7, 10],
            [15, 22]])
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    output: list[int] | None
    if isinstance(args[0], str):
        if len(args) == 3:
            _, x, y = args
            if isinstance(x, Array) and isinstance(y, Array) and x.dtype is y.dtype and x.device is y.device:
                recipe = recipe_for(args[0], x.lay.shape, y.lay.shape)
                if recipe is not None:
                    return by_recipe(recipe, x, y)
        operands = list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
        labels, output = parse_equation(args[0], len(operands))
    else:
        operands, labels, output = parse_sublists(args)
    for i, x in enumerate(operands):
        need_array("einsum", "operands", i + 2, x)
    terms = [_named(x, named, i) for i, (x, named) in enumerate(zip(operands, labels, strict=True))]
    sizes: dict[int, int] = {}
    counts: dict[int, int] = {}
    for i, (term, named) in enumerate(zip(terms, labels, strict=True)):
        for label in named:
            counts[label] = counts.get(label, 0) + 1
        for label in term.labels:
            n, seen = term.size(label), sizes.setdefault(label, term.size(label))
            if n != seen and 1 not in (n, seen):
                name = LETTERS[label] if label >= 0 else "..."
                raise RuntimeError(
                    f"einsum(): subscript {name} has size {n} for operand {i} which does not broadcast with previously "
                    f"seen size {seen}"
                )
            sizes[label] = max(n, seen) if 0 not in (n, seen) else 0
    dots = sorted(label for label in sizes if label < 0)
    if output is None:
        wanted = [*dots, *sorted(label for label in sizes if label >= 0 and counts[label] == 1)]
    else:
        wanted = []
        for label in output:
            if label == DOTS:
                wanted += dots
                continue
            if label not in sizes:
                raise RuntimeError(
                    f"einsum(): output subscript {LETTERS[label]} does not appear in the equation for any input operand"
                )
            if label in wanted:
                raise RuntimeError(f"einsum(): output subscript {LETTERS[label]} appears more than once in the output")
            wanted.append(label)
    return _contract(terms, wanted)


def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Sum the products of two tensors over the last ``dims`` dimensions of one and the first of the other.

    ``dims`` may also be a pair of lists that name the dimensions of each. Raises RuntimeError where sizes differ,
    NotImplementedError for bool.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.tensordot.html

    >>> import cltorch as torch
    >>> torch.tensordot(torch.ones(3, 4, 5), torch.ones(4, 3, 2), dims=([1, 0], [0, 1])).shape
    torch.Size([5, 2])
    """
    need_array("tensordot", "a", 1, a)
    need_array("tensordot", "b", 2, b)
    if a.dtype is dtypes.bool_ and b.dtype is dtypes.bool_:
        raise NotImplementedError("\"tensordot\" not implemented for 'Bool'")
    n, m = a.lay.ndim, b.lay.ndim
    if isinstance(dims, Array):
        dims = dims.tolist() if dims.lay.numel > 1 else int(dims.item())
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(n, m):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        first, second = list(range(n - dims, n)), list(range(dims))
    else:
        first, second = ([wrap_dim(int(d), k) for d in part] for part, k in zip(dims, (n, m), strict=True))
    if len(first) != len(second):
        raise RuntimeError(f"both dimension lists should have same length, got {first} and {second}")
    for i, j in zip(first, second, strict=True):
        x, y = a.lay.shape[i], b.lay.shape[j]
        if x != y and 1 not in (x, y):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {x} in dim {i} and second has size {y} in "
                f"dim {j}"
            )
    # the contracted dimensions share their labels, all others have one of their own
    left = list(range(n))
    right = [n + j for j in range(m)]
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    output = [label for label in (*left, *right) if not (label in left and label in right)]
    result = _contract([_Term(a, left), _Term(b, right)], output)
    # integers that were summed over one operand alone counted in int64, which wraps to the same
    if result.dtype is not a.dtype and not a.dtype.differentiable:
        result = to(result, a.dtype)
    return result if out is None else into_out("tensordot", out, result)
