"""Dimensions rearranged by a pattern of names: torch.func.rearrange.

A. Rogozhnikov, Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation, ICLR 2022.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from cltorch import functions

__all__ = ["rearrange"]

_TOKENS = re.compile(r"\s+|\.\.\.|\w+|[()]|.")


def _side(text: str) -> list[list[str]]:
    """Return one side of a pattern as dimensions, each the list of its axes; "..." stands for several dimensions."""
    if text.replace("...", "", 1).count("."):
        one = "; only one ellipsis for tensor " if "..." in text else ""
        raise ValueError(f"Expression may contain dots only inside ellipsis (...){one}")
    dims: list[list[str]] = []
    seen: set[str] = set()
    group: list[str] | None = None
    for token in _TOKENS.findall(text):
        if token.isspace():
            continue
        if token == "(":
            if group is not None:
                raise ValueError("Axis composition is one-level (brackets inside brackets not allowed)")
            group = []
        elif token == ")":
            if group is None:
                raise ValueError("Brackets are not balanced")
            dims.append(group)
            group = None
        elif token == "1":  # a dimension of one element is no axis
            if group is None:
                dims.append([])
        else:
            _check_name(token, seen)
            seen.add(token)
            if group is None:
                dims.append([token])
            else:
                group.append(token)
    if group is not None:
        raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
    return dims


def _check_name(token: str, seen: set[str]) -> None:
    if token in seen:
        raise ValueError(f"Indexing expression contains duplicate dimension '{token}'")
    if token == "...":
        return
    if not re.fullmatch(r"\w+", token):
        raise ValueError(f"Unknown character '{token}'")
    if token.isdecimal():
        raise ValueError(f"rearrange only supports unnamed axes of size 1, not {token}")
    if not token.isidentifier():
        raise ValueError(f"Invalid axis identifier: {token}\nnot a valid python identifier")
    if token[0] == "_" or token[-1] == "_":
        raise ValueError(f"Invalid axis identifier: {token}\naxis name should should not start or end with underscore")


def _axes(dims: Sequence[Sequence[str]]) -> list[str]:
    return [axis for dim in dims for axis in dim]


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Return a tensor whose dimensions are permuted, split and merged as a pattern "before -> after" of names says.

    A group in parentheses is one dimension made of several axes, of which all lengths but one are given by keyword;
    ``...`` stands for any number of dimensions, ``1`` for one of one element. A list of tensors is stacked first.
    Raises ValueError for a pattern that is none or does not fit the shape.
    Shape: as the pattern says: "b (h w) -> b h w" makes (B, H · W) to (B, H, W).
    Source: https://docs.pytorch.org/docs/2.13/func.api.html

    >>> import cltorch as torch
    >>> torch.func.rearrange(torch.ones(2, 6, 5), "b (h w) c -> (b h) c w", h=2).shape
    torch.Size([4, 5, 3])
    """
    x = functions.stack(list(tensor)) if isinstance(tensor, (list, tuple)) else tensor
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    before, after = map(_side, sides)
    _check_sides(before, after, axes_lengths)
    before, after, lengths = _spelled_out(before, after, list(x.shape))
    for dim, size in zip(before, x.shape, strict=True):
        unknown = [axis for axis in dim if axis not in axes_lengths and axis not in lengths]
        if len(unknown) > 1:
            raise ValueError(f"Could not infer sizes for {set(unknown)}")
        lengths |= {axis: axes_lengths[axis] for axis in dim if axis in axes_lengths}
        known = math.prod(lengths[axis] for axis in dim if axis not in unknown)
        if unknown and known and size % known == 0:
            lengths[unknown[0]] = size // known
        elif unknown or known != size:
            raise ValueError(f"Expected a dimension of {size} to be made of {dim} with {axes_lengths} in '{pattern}'")
    axes = _axes(before)
    x = functions.reshape(x, [lengths[axis] for axis in axes])
    x = functions.permute(x, [axes.index(axis) for axis in _axes(after)])
    return functions.reshape(x, [math.prod(lengths[axis] for axis in dim) for dim in after])


def _check_sides(before: Any, after: Any, given: dict[str, int]) -> None:
    left, right = set(_axes(before)), set(_axes(after))
    if left ^ right:
        raise ValueError(f"Identifiers only on one side of rearrange expression (should be on both): {left ^ right}")
    if any("..." in dim and len(dim) > 1 for dim in before):
        raise ValueError("Ellipsis in parentheses in the left side is not allowed")
    if given.keys() - left:
        raise ValueError(f"Identifiers not found in rearrange expression: {given.keys() - left}")


def _spelled_out(before: Any, after: Any, shape: Sequence[int]) -> tuple[Any, Any, dict[str, int]]:
    """Return both sides with an axis for each dimension that "..." stands for, and these axes' lengths."""
    more = len(shape) - len(before)
    if "..." not in _axes(before):
        if more:
            raise ValueError(
                f"Number of dimensions in pattern ({len(before)}) must be equal to the number of dimensions in the "
                f"tensor ({len(shape)})"
            )
        return before, after, {}
    at = before.index(["..."])
    if more < -1:
        raise ValueError(
            f"Number of dimensions in pattern ({len(before) - 1}) must be less than or equal to the number of "
            f"dimensions in the tensor ({len(shape)})"
        )
    names = [f"...{i}" for i in range(more + 1)]
    before = [*before[:at], *([name] for name in names), *before[at + 1 :]]
    spread: list[list[str]] = []
    for dim in after:
        if dim == ["..."]:
            spread += [[name] for name in names]
        else:
            spread.append([axis for given in dim for axis in (names if given == "..." else [given])])
    return before, spread, {name: shape[at + i] for i, name in enumerate(names)}
