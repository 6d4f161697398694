"""Random functions of torch.*: rand, randn, randint, randperm, normal, bernoulli, multinomial, poisson, binomial."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import Settings
from cltorch.autograd.record import apply
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
from cltorch.functions.create import empty
from cltorch.functions.create_like import like
from cltorch.layout import Size, broadcast_shapes
from cltorch.ops import multinomial as multinomial_ops
from cltorch.ops import random as ops
from cltorch.ops import random_counts
from cltorch.ops.array import Array, to_numpy
from cltorch.ops.array import empty as empty_array
from cltorch.ops.generator import Generator, default_generator
from cltorch.ops.table import TABLE

__all__ = [
    "bernoulli", "binomial", "multinomial", "normal", "poisson", "rand", "rand_like", "randint", "randint_like",
    "randn", "randn_like", "randperm",
]  # fmt: skip

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


def _new(
    name: str,
    size: Any,
    named: dict[str, Any],
    out: Any,
    dtype: Any,
    layout: Any,
    device: Any,
    default: DType | None = None,
) -> Any:
    check_layout(layout)
    if "size" in named and not size:
        size = (named.pop("size"),)
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    if not size:
        raise TypeError(f"{name}() received an invalid combination of arguments: size is missing")
    shape = read_size(name, size)
    if out is not None:
        return out if out.shape == shape else out.resize_(shape)
    t = read_dtype(name, dtype, default or dtypes.get_default_dtype())
    return empty_array(shape, t, resolve(device))


def _fill(name: str, x: Any, dist: str, a: float, b: float, generator: Any, requires_grad: bool) -> Any:
    need_float(dist, x.dtype)
    ops.refill(x, dist, a, b, read_generator(name, generator, x.device))
    x.storage.version += 1
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

    https://docs.pytorch.org/docs/2.13/generated/torch.rand.html

    >>> import cltorch as torch
    >>> torch.rand(2, generator=torch.Generator().manual_seed(0))
    tensor([0.3990, 0.8805])
    """
    x = _new("rand", size, named, out, dtype, layout, device)
    return _fill("rand", x, "uniform", 0, 1, generator, requires_grad)


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

    https://docs.pytorch.org/docs/2.13/generated/torch.randn.html

    >>> import cltorch as torch
    >>> torch.randn(2, 3).shape
    torch.Size([2, 3])
    """
    x = _new("randn", size, named, out, dtype, layout, device)
    return _fill("randn", x, "normal", 0, 1, generator, requires_grad)


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

    https://docs.pytorch.org/docs/2.13/generated/torch.rand_like.html
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

    https://docs.pytorch.org/docs/2.13/generated/torch.randn_like.html
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

    https://docs.pytorch.org/docs/2.13/generated/torch.randint.html

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
    x = _new("randint", (size,), named, out, dtype, layout, device, dtypes.int64)
    check_range(low, high, x.dtype)
    ops.refill(x, "randint", low, high - low, read_generator("randint", generator, x.device))
    x.storage.version += 1
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

    https://docs.pytorch.org/docs/2.13/generated/torch.randint_like.html
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
    """Return a random permutation of the integers from 0 to ``n`` - 1, sorted out on the host.

    https://docs.pytorch.org/docs/2.13/generated/torch.randperm.html

    >>> import cltorch as torch
    >>> torch.randperm(4).sort().values
    tensor([0, 1, 2, 3])
    """
    check_layout(layout)
    count = read_int("randperm", "n", 1, n)
    if count < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {count}: [{count}]")
    t = wanted_dtype("randperm", out, dtype, dtypes.int64)
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


# ---- distributions with tensors as parameters --------------------------------------------------------------------
def _any(condition: Any) -> bool:
    if condition.device.type == "meta":  # there are no values to refuse
        return False
    return bool(to_numpy(Settings.functions.any(condition)))


def _give(result: Any, out: Any) -> Any:
    if out is None:
        return result
    if out.shape != result.shape:
        out.resize_(result.shape)
    out.copy_(result)
    return out


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Return normally distributed numbers; ``mean`` and ``std`` are tensors (at least one), or numbers with a size.

    Raises RuntimeError for a negative deviation.

    https://docs.pytorch.org/docs/2.13/generated/torch.normal.html

    >>> import cltorch as torch
    >>> torch.normal(torch.zeros(3), 1.0).shape
    torch.Size([3])
    """
    arrays = [x for x in (mean, std) if isinstance(x, Array)]
    if not isinstance(std, Array) and not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if not arrays:
        if size is None:
            raise TypeError("normal() received an invalid combination of arguments: two numbers need a size")
        x = _new("normal", (size,), {}, out, dtype, layout, device)
        return _fill("normal", x, "normal", mean, std, generator, requires_grad)
    for x in arrays:
        need_float("normal", x.dtype)
    if isinstance(std, Array) and std.layout.numel and _any(std.detach() < 0):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    shape = broadcast_shapes(*(x.shape for x in arrays))
    dev = next((x.device for x in arrays if x.layout.ndim), arrays[0].device)
    source = read_generator("normal", generator, dev)

    def sample() -> Any:
        z = ops.draw(empty_array(shape, arrays[0].dtype, dev), "normal", 0, 1, source)
        scaled = TABLE["add"](TABLE["mul"](z, std), mean)
        return scaled if scaled.dtype is z.dtype else scaled.to(z.dtype)

    return _give(apply(ops.zero_gradient("normal"), sample, mean, std), out)


def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None, out: Any = None) -> Any:
    """Return ones and zeros: each element of ``input`` (or ``p`` for all of them) is the probability of a one.

    Raises RuntimeError for a probability outside [0, 1].

    https://docs.pytorch.org/docs/2.13/generated/torch.bernoulli.html

    >>> import cltorch as torch
    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    need_array("bernoulli", "input", 1, input)
    source = read_generator("bernoulli", generator, input.device)
    if p is None:
        need_float("bernoulli_tensor_cpu_p_", input.dtype)
        check_probabilities(input)
    else:
        check_probability(p)

    def sample() -> Any:
        x = empty_array(input.shape, input.dtype, input.device)
        if p is not None:
            return ops.draw(x, "bernoulli", p, 0, source)
        return ops.draw(x, "bernoulli_tensor", 0, 0, source, ops.dense(input))

    return _give(apply(ops.zero_gradient("bernoulli"), sample, input), out)


def check_probability(p: float) -> None:
    """Raise RuntimeError for a probability outside [0, 1]."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")


def check_probabilities(p: Any) -> None:
    """Raise RuntimeError for a tensor with a probability outside [0, 1] or NaN; waits for the device."""
    p = p.detach()
    if p.layout.numel and _any(~((p >= 0) & (p <= 1))):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false: a probability is outside [0, 1]")


def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Return counts with the Poisson distribution of every element of ``input``, a tensor of rates.

    Raises RuntimeError for a negative rate.

    https://docs.pytorch.org/docs/2.13/generated/torch.poisson.html

    >>> import cltorch as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])
    """
    need_float("poisson_cpu", need_array("poisson", "input", 1, input).dtype)
    source = read_generator("poisson", generator, input.device)
    if input.layout.numel and _any(~(input.detach() >= 0)):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return apply(ops.zero_gradient("poisson"), lambda: random_counts.poisson(ops.dense(input), source), input)


def binomial(count: Any, prob: Any, generator: Generator | None = None) -> Any:
    """Return numbers of successes in ``count`` trials of probability ``prob``, two tensors of floating type.

    https://docs.pytorch.org/docs/2.13/generated/torch.binomial.html

    >>> import cltorch as torch
    >>> torch.binomial(torch.tensor([4.0]), torch.tensor([1.0]))
    tensor([4.])
    """
    for name, x in (
        ("count", need_array("binomial", "count", 1, count)),
        ("prob", need_array("binomial", "prob", 2, prob)),
    ):
        if not x.dtype.is_floating_point:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {SCALAR_NAMES[x.dtype.name]}"
            )
    source = read_generator("binomial", generator, count.device)
    shape = broadcast_shapes(count.shape, prob.shape)

    def sample() -> Any:
        n, p = (ops.dense(x.detach().to(count.dtype).expand(shape)) for x in (count, prob))
        return random_counts.binomial(n, p, source)

    return apply(ops.zero_gradient("binomial"), sample, count, prob)


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None, out: Any = None
) -> Any:
    """Return indices of categories drawn by their probabilities, which need not add up to 1.

    ``input`` is (categories,) or (rows, categories); the result has ``num_samples`` in place of the categories. Raises
    RuntimeError for negative or non-finite probabilities, a sum of zero, or more samples without replacement than there
    are categories.

    https://docs.pytorch.org/docs/2.13/generated/torch.multinomial.html

    >>> import cltorch as torch
    >>> torch.multinomial(torch.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    p = need_array("multinomial", "input", 1, input).detach()
    samples = read_int("multinomial", "num_samples", 2, num_samples)
    if p.layout.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not p.dtype.is_floating_point:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {SCALAR_NAMES[p.dtype.name]}"
        )
    if out is not None and need_array("multinomial", "out", 3, out).dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {SCALAR_NAMES[out.dtype.name]}")
    if p.shape[-1] > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    if samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and samples > p.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    source = read_generator("multinomial", generator, p.device)
    m = Settings.functions
    if p.layout.numel:
        if _any(~((p >= 0) & m.isfinite(p))):
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        if _any(m.sum(p, -1) <= 0):
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    shape = Size((*p.shape[:-1], samples))
    if p.layout.numel == 0:
        return _give(empty(shape, dtype=dtypes.int64, device=p.device), out)
    if replacement:
        rows = ops.dense(p if p.layout.ndim == 2 else p.unsqueeze(0))
        return _give(multinomial_ops.multinomial(rows, samples, source).view(shape), out)
    # A race of exponential clocks: category i rings first with probability proportional to p[i].
    clocks = ops.draw(
        empty_array(p.shape, p.dtype if p.dtype.itemsize > 2 else dtypes.float32, p.device), "exponential", 1, 0, source
    )
    return _give(m.topk(p / clocks, samples, -1)[1], out)
