"""Calls of any public function with arguments that are often wrong, as recipes that each library builds for itself.

A recipe is a plain value or says how to make a tensor: its dtype, shape, strides, and numbers. So one call is made
three times with arguments that are alike: on the host, on an OpenCL device and by PyTorch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

DTYPES = ("float32", "int64", "bool", "float64", "uint8", "int32", "float16", "complex64", "bfloat16", "int8")
_NUMBERS = np.array([1, 2, 0, 3, -1, 2, 1, 0, 4, -2, 1, 3])
_FRACTIONS = np.array([0.5, 1.25, -0.75, 2.0, 0.25, -1.5, 0.0, 3.25, 0.125, 1.75, -0.25, 0.875])


@dataclass
class T:
    """Say how to make a tensor; ``strides`` are those of a longer line of numbers, from ``offset`` on."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    start: int = 0  # where in the list of numbers its own begin
    kind: str = "numbers"  # "index": small whole numbers of at least 0; "wild": numbers far outside too
    away: bool = False  # on the host, where the other operands are on a device, and the other way round
    grad: bool = False

    @property
    def length(self) -> int:
        if 0 in self.shape:
            return self.offset
        return self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)) + 1

    def line(self) -> np.ndarray:
        """Return the numbers behind the tensor."""
        if self.kind == "index":
            numbers = np.abs(_NUMBERS) % 2
        elif self.kind == "wild":
            numbers = np.where(_NUMBERS > 2, 1000, _NUMBERS)
        elif self.dtype.startswith(("float", "bfloat", "complex")):
            numbers = _FRACTIONS
        else:
            numbers = np.abs(_NUMBERS) if self.dtype == "uint8" else _NUMBERS
        line = np.resize(np.roll(numbers, -self.start), self.length)
        return line.astype("float32" if self.dtype == "bfloat16" else self.dtype)

    def __repr__(self) -> str:
        extra = "".join(f", {k}" for k in ("away", "grad") if getattr(self, k))
        return f"<{self.dtype}{list(self.shape)}{list(self.strides)}+{self.offset} {self.kind}@{self.start}{extra}>"


@dataclass
class Same:
    """Stand for an operand that was given before: itself, or a view of it."""

    operand: T
    how: str  # "itself", "turned", "shifted", "expanded", "part"

    def __repr__(self) -> str:
        return f"<{self.how}: {self.operand!r}>"


@dataclass
class Name:
    """Stand for something that the library has by this name, as a dtype."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass
class Call:
    """One call of a function."""

    space: str  # "torch", "Tensor", "nn.functional", …
    name: str
    args: list[Any]
    named: dict[str, Any]

    def __repr__(self) -> str:
        given = [repr(x) for x in self.args] + [f"{k}={v!r}" for k, v in self.named.items()]
        return f"{self.space}.{self.name}({', '.join(given)})"


def strides_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of rows that lie one behind the other."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def may_lie(lib: Any, recipe: T, device: str) -> bool:
    """Return whether a device has numbers of an operand's dtype."""
    return recipe.dtype not in ("float64", "complex128") or lib.device(device).context.caps.fp64


class Built:
    """The arguments of a call in one library, with what its tensors held before."""

    def __init__(self, library: Any, call: Call, device: str | None) -> None:
        self.library, self.device = library, device
        self.made: dict[int, tuple[Any, Any, Any]] = {}  # by recipe: the tensor, the line behind it, its numbers
        self.args = [self.build(x) for x in call.args]
        self.named = {k: self.build(x) for k, x in call.named.items()}

    def tensor(self, recipe: T) -> Any:
        if id(recipe) in self.made:
            return self.made[id(recipe)][0]
        lib, where = self.library, self.device
        if recipe.away and where is not None and (where != "cpu" or may_lie(lib, recipe, "cl:0")):
            where = "cpu" if where != "cpu" else "cl:0"
        line = lib.tensor(recipe.line())
        if recipe.dtype == "bfloat16":
            line = line.to(lib.bfloat16)
        if where not in (None, "cpu"):
            line = line.to(where)
        x = line.as_strided(recipe.shape, recipe.strides, recipe.offset)
        if recipe.grad:
            x = x.detach().requires_grad_(True)
        self.made[id(recipe)] = (x, line, self.held(line))
        return x

    def held(self, line: Any) -> np.ndarray:
        if line.dtype is self.library.bfloat16:
            line = line.to(self.library.float32)
        return line.numpy(force=True).copy()

    def build(self, recipe: Any) -> Any:
        if isinstance(recipe, T):
            return self.tensor(recipe)
        if isinstance(recipe, Same):
            return same(self.tensor(recipe.operand), recipe.how)
        if isinstance(recipe, Name):
            return getattr(self.library, recipe.name)
        if type(recipe) in (list, tuple):
            return type(recipe)(self.build(x) for x in recipe)
        return recipe

    def changed(self) -> list[Any]:
        """Return the tensors that hold other numbers than before, or have another shape."""
        out = []
        for x, line, before in self.made.values():
            now = self.held(line)
            if now.shape != before.shape or now.tobytes() != before.tobytes():
                out.append(x)
        return out


def same(x: Any, how: str) -> Any:
    """Return a view of a tensor, which shares its memory."""
    x = x.detach()
    if how == "turned":
        return x.permute(tuple(reversed(range(x.ndim))))
    if how == "shifted" and x.ndim:
        return x[1:]
    if how == "part" and x.ndim:
        return x[..., :-1] if x.shape[-1] else x
    if how == "expanded":
        return x.as_strided((2, *x.shape), (0, *x.stride()))
    return x
