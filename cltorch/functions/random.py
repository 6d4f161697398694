"""Random tensors of a given size, uniform, normal, integers and permutations; what random functions read."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.device import resolve
from cltorch.dtypes import dtype as DType
from cltorch.functions.arguments import (
    SCALAR_NAMES,
    check_layout,
    finish,
    need_array,
    read_dtype,
    read_int,
    read_size,
    wanted_dtype,
)
from cltorch.functions.create_like import like
from cltorch.ops import random as ops
from cltorch.ops.array import empty as empty_array
from cltorch.ops.few import refuse
from cltorch.ops.generator import Generator, default_generator

__all__ = ["rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm"]

# PyTorch's names of the kernels that refuse a dtype, which its messages quote
_REFUSAL = {"uniform": "check_uniform_bounds", "normal": "normal_kernel_cpu", "log_normal": "log_normal_cpu"}
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def need_float(dist: str, t: DType) -> None:
    """Raise NotImplementedError where a continuous distribution is to fill a dtype that is not floating point."""
    if not (t.differentiable if dist in ("uniform", "normal") else t.is_floating_point):
        raise NotImplementedError(f"\"{_REFUSAL.get(dist, dist)}\" not implemented for '{SCALAR_NAMES[t.name]}'")


def read_generator(name: str, generator: Any, dev: Any) -> Generator:
    """Return the generator to draw from: the one given, or the device's own."""
    if generator is None:
        return default_generator(dev)
    if not isinstance(generator, Generator):
        raise TypeError(f"{name}(): argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    if generator.device.type != dev.type and dev.type != "meta":
        raise RuntimeError(f"Expected a '{dev.type}' device type for generator but found '{generator.device.type}'")
    return generator


def new_random(
    name: str,
    size: Any,
    named: dict[str, Any],
    out: Any,
    dtype: Any,
    layout: Any,
    device: Any,
    default: DType | None = None,
) -> Any:
    """Return the tensor to fill: a new one, or ``out`` in the size asked for; raise TypeError where none is."""
    check_layout(layout)
    if "size" in named and not size:
        size = (named.pop("size"),)
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    if not size:
        raise TypeError(f"{name}() received an invalid combination of arguments: size is missing")
    shape = read_size(name, size)
    if out is not None:
        need_array(name, "out", len(size) + 1, out)
        return out if out.shape == shape else out.resize_(shape)
    t = read_dtype(name, dtype, default or dtypes.get_default_dtype())
    return empty_array(shape, t, resolve(device))


def fill_random(name: str, x: Any, dist: str, a: float, b: float, generator: Any, requires_grad: bool) -> Any:
    """Fill a tensor with numbers of a distribution and return it."""
    need_float(dist, x.dtype)
    ops.refill(x, dist, a, b, read_generator(name, generator, x.device))
    x._storage.version += 1
    return finish(x, requires_grad)


def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Any:
    """Return numbers uniformly distributed in [0, 1); the same seed gives the same bits on every device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.rand.html

    >>> import cltorch as torch
    >>> torch.rand(2, generator=torch.Generator().manual_seed(0))
    tensor([0.3990, 0.8805])
    """
    x = new_random("rand", size, named, out, dtype, layout, device)
    return fill_random("rand", x, "uniform", 0, 1, generator, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Any:
    """Return numbers from the normal distribution of mean 0 and variance 1.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.randn.html

    >>> import cltorch as torch
    >>> torch.randn(2, 3).shape
    torch.Size([2, 3])
    """
    x = new_random("randn", size, named, out, dtype, layout, device)
    return fill_random("randn", x, "normal", 0, 1, generator, requires_grad)


def _fill_like(
    name: str, x: Any, dist: str, a: float, b: float, dtype: Any, layout: Any, device: Any, memory_format: Any,
    grad: bool, generator: Any,
) -> Any:  # fmt: skip
    out, flat = like(name, x, dtype, device, layout, memory_format)
    if dist != "randint":
        need_float(dist, out.dtype)
    ops.draw(flat, dist, a, b, read_generator(name, generator, out.device))
    return finish(out, grad)


def rand_like(
    input: Any,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return numbers in [0, 1) with the size, dtype and device of a tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.rand_like.html

    >>> import cltorch as torch
    >>> torch.rand_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    return _fill_like(
        "rand_like", input, "uniform", 0, 1, dtype, layout, device, memory_format, requires_grad, generator
    )


def randn_like(
    input: Any,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return normally distributed numbers with the size, dtype and device of a tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.randn_like.html

    >>> import cltorch as torch
    >>> torch.randn_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    return _fill_like(
        "randn_like", input, "normal", 0, 1, dtype, layout, device, memory_format, requires_grad, generator
    )


# ---- integers ----------------------------------------------------------------------------------------------------
def check_range(low: int, high: int, t: DType) -> None:
    """Raise where integers from low to high - 1 are no range or do not fit a dtype."""
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if t.is_floating_point:
        largest = int(dtypes.finfo(t).max)
        limits = (-largest, largest)
    elif t is dtypes.bool_:
        limits = (0, 1)
    else:
        limits = (dtypes.iinfo(t).min, dtypes.iinfo(t).max)
    for word, value in (("from", low), ("to - 1", high - 1)):
        if not limits[0] <= value <= limits[1]:
            raise RuntimeError(f"{word} is out of bounds for {t.name}")


def _int64(name: str, argument: str, position: int, value: Any) -> int:
    number = read_int(name, argument, position, value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("Overflow when unpacking long long")
    return number


def randint(
    *args: Any,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Any:
    """Return integers from ``low`` (0) to ``high`` - 1: ``randint(high, size)`` or ``randint(low, high, size)``.

    Raises RuntimeError where the range is empty or does not fit the dtype (int64 unless given).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.randint.html

    >>> import cltorch as torch
    >>> torch.randint(3, 10, (2, 2)).shape
    torch.Size([2, 2])
    """
    given = list(args)
    size = named.pop("size", None)
    if size is None:
        size = given.pop() if len(given) > 1 or ("high" in named and given) else None
    if size is None:
        raise TypeError("randint() received an invalid combination of arguments: size is missing")
    if isinstance(size, int):
        raise TypeError("randint() received an invalid combination of arguments: size must be a tuple of ints")
    if "high" in named:
        given.append(named.pop("high"))
    if "low" in named:
        given.insert(0, named.pop("low"))
    if len(given) not in (1, 2):
        raise TypeError(
            "randint() received an invalid combination of arguments: expected (high, size) or (low, high, size)"
        )
    high = _int64("randint", "high", len(given), given[-1])
    low = _int64("randint", "low", 1, given[0]) if len(given) == 2 else 0
    x = new_random("randint", (size,), named, out, dtype, layout, device, dtypes.int64)
    check_range(low, high, x.dtype)
    ops.refill(x, "randint", low, high - low, read_generator("randint", generator, x.device))
    x._storage.version += 1
    return finish(x, requires_grad)


def randint_like(
    input: Any,
    low: Any = None,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return integers from ``low`` (0) to ``high`` - 1 with the size, dtype and device of a tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.randint_like.html

    >>> import cltorch as torch
    >>> torch.randint_like(torch.zeros(2), 4, 5)
    tensor([4., 4.])
    """
    if high is None:
        low, high = 0, low
    first = 0 if low is None else _int64("randint_like", "low", 2, low)
    last = _int64("randint_like", "high", 3, high)
    check_range(first, last, read_dtype("randint_like", dtype, need_array("randint_like", "input", 1, input).dtype))
    return _fill_like(
        "randint_like",
        input,
        "randint",
        first,
        last - first,
        dtype,
        layout,
        device,
        memory_format,
        requires_grad,
        generator,
    )


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return a random permutation of the integers from 0 to ``n`` - 1.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.randperm.html

    >>> import cltorch as torch
    >>> torch.randperm(4).sort().values
    tensor([0, 1, 2, 3])
    """
    check_layout(layout)
    count = read_int("randperm", "n", 1, n)
    if count < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {count}: [{count}]")
    t = wanted_dtype("randperm", out, dtype, dtypes.int64)
    refuse("randperm", t)
    if t is dtypes.bool_:
        raise NotImplementedError("\"randperm\" not implemented for 'Bool'")
    if t.is_floating_point:
        if count > 2 ** DIGITS[t.name] + 1:
            raise RuntimeError(f"n cannot be greater than {2 ** DIGITS[t.name] + 1} for {SCALAR_NAMES[t.name]} type.")
    elif count > dtypes.iinfo(t).max + 1:
        raise RuntimeError(f"value cannot be converted to type {t.name} without overflow")
    dev = out.device if out is not None else resolve(device)
    result = ops.permutation(count, t, dev, read_generator("randperm", generator, dev))
    if out is None:
        return finish(result, requires_grad)
    if out.shape != result.shape:
        out.resize_(result.shape)
    out.copy_(result)
    return out
