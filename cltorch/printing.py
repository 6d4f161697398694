"""How tensors are written as text: ``repr``, ``str``, ``format`` and ``set_printoptions``.

Only the values that appear are read from the device: a tensor of a million elements is cut to its edges first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from cltorch.autograd import forward_ad
from cltorch.dtypes import bool_, complex64, complex128, float64, get_default_dtype, int64
from cltorch.ops.array import values, view

if TYPE_CHECKING:
    from cltorch.tensor import Tensor

__all__ = ["PRINT_OPTS", "format_tensor", "get_printoptions", "printoptions", "set_printoptions", "tensor_string"]


@dataclasses.dataclass
class PrintOptions:
    """What `set_printoptions` sets; the values here are the profile 'default'."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PRINT_OPTS = PrintOptions()

PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed.

    ``precision`` is the number of digits after the point, ``threshold`` the number of elements above which the middle
    is left out, ``edgeitems`` how many are then shown at each end of a dimension, ``linewidth`` the characters per
    line, ``sci_mode`` forces (True), forbids (False) or leaves open (None) the scientific notation. ``profile`` is
    'default', 'short' or 'full', and by another name nothing is set; single options override it. Options that are not
    named keep their values, apart from ``sci_mode``, which goes back to None, as in PyTorch.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_printoptions.html

    Example::

        >>> import cltorch as torch
        >>> torch.set_printoptions(precision=2)
        >>> torch.tensor([1.12345])
        tensor([1.12])
        >>> torch.set_printoptions(profile="default")
    """
    if profile is not None:
        for name, value in PROFILES.get(profile, {}).items():
            setattr(PRINT_OPTS, name, value)
    named = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, given in named.items():
        if given is not None:
            setattr(PRINT_OPTS, name, given)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """Return how tensors are printed: the options of ``set_printoptions`` with their values."""
    return dataclasses.asdict(PRINT_OPTS)


@contextmanager
def printoptions(**kwargs: Any) -> Iterator[dict[str, Any]]:
    """Print tensors with other options within a ``with`` block.

    >>> import cltorch as torch
    >>> with printoptions(precision=1):
    ...     print(torch.tensor([0.25, 1.0]))
    tensor([0.2, 1.0])
    """
    before = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield get_printoptions()
    finally:
        for name, value in before.items():
            setattr(PRINT_OPTS, name, value)


class ElementFormat:
    """One width and one notation for all the elements of a tensor, chosen from the values that will be shown."""

    def __init__(self, values: np.ndarray) -> None:
        self.floating = values.dtype.kind == "f"
        self.scientific = False
        self.integral = True
        self.width = 1
        if self.floating:
            self._choose_notation(values)
        elif values.size:
            self.width = max(1, max(len(str(v)) for v in values.ravel().tolist()))

    def _choose_notation(self, values: np.ndarray) -> None:
        shown = values[np.isfinite(values) & (values != 0)].astype(np.float64)
        if shown.size:
            size = np.abs(shown)
            low, high = float(size.min()), float(size.max())
            self.integral = bool((shown == np.ceil(shown)).all())
            self.scientific = high > 1e8 or high / low > 1000.0 or low < 1e-4
            if PRINT_OPTS.sci_mode is not None:
                self.scientific = PRINT_OPTS.sci_mode
            digits = PRINT_OPTS.precision
            if self.scientific:
                spec = f".{digits}e"
            else:
                spec = ".0f" if self.integral else f".{digits}f"
            point = 1 if self.integral and not self.scientific else 0
            self.width = max(1, max(len(format(v, spec)) for v in shown.tolist()) + point)

    def __call__(self, value: Any) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = format(value, f".{PRINT_OPTS.precision}e")
        elif self.integral:
            text = format(value, ".0f") + ("." if math.isfinite(value) else "")
        else:
            text = format(value, f".{PRINT_OPTS.precision}f")
        return text.rjust(self.width)


class ComplexFormat:
    """The notations of real and imaginary part, each chosen by itself."""

    def __init__(self, values: np.ndarray) -> None:
        self.real, self.imag = ElementFormat(values.real), ElementFormat(values.imag)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: Any) -> str:
        imag = self.imag(value.imag).lstrip() + "j"
        return self.real(value.real) + (imag if imag[0] in "+-" else "+" + imag)


def element_format(values: np.ndarray) -> ElementFormat | ComplexFormat:
    """Return how elements are written."""
    return ComplexFormat(values) if values.dtype.kind == "c" else ElementFormat(values)


def edges(x: Any, dim: int = 0) -> np.ndarray:
    """Read the elements that a summary shows: the first and last `edgeitems` of every long dimension."""
    keep = PRINT_OPTS.edgeitems
    if dim == x.lay.ndim:
        return values(x)
    if keep == 0:
        return np.empty((0,) * x.lay.ndim)
    size = x.lay.shape[dim]
    if size <= 2 * keep:
        return edges(x, dim + 1)
    starts = (0, size - keep)
    return np.concatenate([edges(view(x, x.lay.narrow(dim, i, keep)), dim + 1) for i in starts], axis=dim)


def vector_text(texts: list[str], width: int, size: int, indent: int, summary: bool) -> str:
    per_line = max(1, (PRINT_OPTS.linewidth - indent) // (width + 2))
    keep = PRINT_OPTS.edgeitems
    if summary and keep == 0:
        texts = ["..."]
    elif summary and size > 2 * keep:
        texts = [*texts[:keep], " ...", *texts[keep:]]
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def nested_text(values: np.ndarray, shape: tuple[int, ...], indent: int, summary: bool, one: Any) -> str:
    """Write `values` (cut to its edges where `summary` says so) as the nested list of a tensor of `shape`."""
    if not shape:
        return one(values.item())
    if len(shape) == 1:
        return vector_text([one(v) for v in values.tolist()], one.width, shape[0], indent, summary)
    keep = PRINT_OPTS.edgeitems
    parts = [nested_text(row, shape[1:], indent + 1, summary, one) for row in values]
    if summary and shape[0] > 2 * keep:
        parts.insert(keep, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"


def with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > PRINT_OPTS.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def tensor_string(x: Tensor, prefix: str = "tensor(") -> str:
    """Write a tensor as PyTorch does: its values, then what is not the default (device, size, dtype, gradient).

    >>> import cltorch as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    indent = len(prefix)
    shape = tuple(x.shape)
    suffixes = []
    if x.device.type != "cpu":
        suffixes.append(f"device='{x.device}'")
    if x.is_meta:
        text = "..."
        suffixes.append(f"size={shape}")
        if x.dtype is not get_default_dtype():
            suffixes.append(f"dtype={x.dtype}")
    elif x.numel() == 0:
        # Without elements neither the shape nor the dtype can be told from the brackets.
        text = "[]"
        if len(shape) != 1:
            suffixes.append(f"size={shape}")
        if x.dtype is not get_default_dtype():
            suffixes.append(f"dtype={x.dtype}")
    else:
        if PRINT_OPTS.edgeitems == 0:
            suffixes.append(f"size={shape}")
        usual = complex128 if get_default_dtype() is float64 else complex64
        if x.dtype not in (get_default_dtype(), usual, int64, bool_):
            suffixes.append(f"dtype={x.dtype}")
        summary = x.numel() > PRINT_OPTS.threshold
        shown = edges(x) if summary else values(x)
        text = nested_text(shown, shape, indent, summary, element_format(shown))
    try:
        maker = "" if x.grad_fn is None else type(x.grad_fn).__name__
    except RuntimeError:  # a view that must not have followed its base
        maker = "Invalid"
    if maker:
        suffixes.append(f"grad_fn=<{maker}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    if x._tangents is not None:
        tangent = forward_ad.unpack_dual(x).tangent
        if tangent is not None:
            suffixes.append(f"tangent={tangent!r}")
    return with_suffixes(prefix + text, suffixes, indent)


def format_tensor(x: Tensor, spec: str) -> str:
    """Format a 0-d tensor as the number it holds, any other as its text (and then without a format specification).

    >>> import cltorch as torch
    >>> f"{torch.tensor(3.14159):.2f}"
    '3.14'
    """
    if x.dim() == 0 and not x.is_meta:
        return format(x.item(), spec)
    if spec:
        raise TypeError(f"unsupported format string passed to {type(x).__name__}.__format__")
    return str(x)
