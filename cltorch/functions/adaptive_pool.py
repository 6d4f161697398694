"""Pooling by as many windows as are wanted: their largest elements, or their averages.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.functions.arguments import SCALAR_NAMES, need_array, read_int
from cltorch.functions.pool import NO_AVG, hashable
from cltorch.functions.reduce import mean
from cltorch.ops import pool as ops
from cltorch.ops.channels import suggested
from cltorch.ops.pool_windows import Windows

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "functional_adaptive_max_pool1d",
]  # fmt: skip


_ADAPTIVE_MAX = {1: ops.AdaptiveMaxPool2d, 2: ops.AdaptiveMaxPool2d, 3: ops.AdaptiveMaxPool3d}


_ADAPTIVE_AVG = {1: ops.AdaptiveAvgPool2d, 2: ops.AdaptiveAvgPool2d, 3: ops.AdaptiveAvgPool3d}


_NO_ADAPTIVE = (*NO_AVG, "int64")


@lru_cache(maxsize=4096)
def _adaptive(name: str, n: int, sizes: tuple[int, ...], output_size: Any) -> Windows:
    wanted: Sequence[Any] = output_size if isinstance(output_size, tuple) else (output_size,) * n
    if len(wanted) != n:
        raise RuntimeError(
            f"{name}: output_size must be {n}"
            if n > 1
            else f"{name}() argument 'output_size' should contain one int (got {len(wanted)})"
        )
    out = [size if o is None else read_int(name, "output_size", 2, o) for o, size in zip(wanted, sizes, strict=True)]
    if min(out) < 0:
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{', '.join(map(str, out))}}}"
        )
    return Windows(sizes, out)


def _check_adaptive(name: str, x: Any, n: int, first: int, output_size: Any) -> None:
    need_array(name, "input", 1, x)
    shape = x.lay.shape
    if n > 1 and len(shape) <= n and isinstance(output_size, (tuple, list)):
        raise ValueError(f"Input dimension should be at least {n + 1}")
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got {list(shape)}")
    for d in range(max(first, len(shape) - n - 1), len(shape)):
        if shape[d] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(shape)} with dimension {d} being empty"
            )


def _adaptive_max(n: int, x: Any, output_size: Any, indices: bool) -> Any:
    name = f"adaptive_max_pool{n}d"
    _check_adaptive(name, x, n, 0, output_size)
    if x.dtype.name in _NO_ADAPTIVE:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[x.dtype.name]}'")
    w = _adaptive(name, n, tuple(x.lay.shape[-n:]), hashable(output_size))
    return apply(_ADAPTIVE_MAX[n], x, w, bool(indices))


def _adaptive_avg(n: int, x: Any, output_size: Any) -> Any:
    name = f"adaptive_avg_pool{n}d"
    need_array(name, "input", 1, x)
    _check_adaptive(name, x, n, x.lay.ndim - n, output_size)
    w = _adaptive(name, n, tuple(x.lay.shape[-n:]), hashable(output_size))
    if x.dtype.name in _NO_ADAPTIVE:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[x.dtype.name]}'")
    if any(size != 1 for size in w.out):
        return apply(_ADAPTIVE_AVG[n], x, w, False, 0)
    # one window over all is a mean, which the host takes with fewer steps
    if x.device.type == "cpu" and suggested(x.lay) is None:
        return mean(x, tuple(range(-n, 0)), True)
    return called(apply(_ADAPTIVE_AVG[n], x, w, False, 0), "MeanBackward1")


def adaptive_max_pool1d(input: Any, output_size: Any) -> tuple[Any, Any]:
    """Return the largest elements of ``output_size`` windows that share a line evenly, and their places.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_max_pool1d.html

    >>> import cltorch as torch
    >>> torch.adaptive_max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return _adaptive_max(1, input, output_size, True)


def functional_adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of ``output_size`` windows of a line, with their places only if asked for.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), L' = output_size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_max_pool1d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_max_pool1d(torch.arange(4.0).view(1, 1, 4), 2)
    tensor([[[1., 3.]]])
    """
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that share a plane evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), the sizes being those of ``output_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_max_pool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_max_pool2d(torch.ones(1, 4, 5), (2, None)).shape
    torch.Size([1, 2, 5])
    """
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that share a volume evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: as of ``adaptive_max_pool2d``, with a depth D in front of H.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_max_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_max_pool3d(torch.ones(1, 4, 5, 6), 2).shape
    torch.Size([1, 2, 2, 2])
    """
    return _adaptive_max(3, input, output_size, return_indices)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Return the averages of ``output_size`` windows that share a line evenly.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, L) or (C, L) to (N, C, L') or (C, L'), L' = output_size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_avg_pool1d.html

    >>> import cltorch as torch
    >>> torch.adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([[1.5000, 2.5000]])
    """
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Return the averages of windows that share a plane evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: (N, C, H, W) or (C, H, W) to (N, C, H', W') or (C, H', W'), the sizes being those of ``output_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_avg_pool2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.ones(1, 4, 5), (2, None)).shape
    torch.Size([1, 2, 5])
    """
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Return the averages of windows that share a volume evenly; None keeps a dimension's size.

    Window i reaches from floor(i L / L') to ceil((i + 1) L / L') for L elements and L' windows.
    Shape: as of ``adaptive_avg_pool2d``, with a depth D in front of H.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.adaptive_avg_pool3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 4, 5, 6), 2).shape
    torch.Size([1, 2, 2, 2])
    """
    return _adaptive_avg(3, input, output_size)
