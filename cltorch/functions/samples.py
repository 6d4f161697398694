"""Samples of distributions whose parameters are tensors: normal, bernoulli, poisson, binomial, multinomial."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import Settings
from cltorch.autograd.record import apply
from cltorch.dtypes import dtype as DType
from cltorch.functions.arguments import SCALAR_NAMES, need_array, read_int, read_number
from cltorch.functions.create import empty
from cltorch.functions.outputs import resize_out
from cltorch.functions.random import fill_random, need_float, new_random, read_generator
from cltorch.ops import multinomial as multinomial_ops
from cltorch.ops import random as ops
from cltorch.ops import random_counts
from cltorch.ops.array import Array, to_numpy
from cltorch.ops.array import empty as empty_array
from cltorch.ops.generator import Generator
from cltorch.ops.table import TABLE
from cltorch.shapes import Size, broadcast_shapes

__all__ = ["bernoulli", "binomial", "multinomial", "normal", "poisson"]


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

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.normal.html

    >>> import cltorch as torch
    >>> torch.normal(torch.zeros(3), 1.0).shape
    torch.Size([3])
    """
    if out is not None:
        need_array("normal", "out", 4, out)
    arrays = [x for x in (mean, std) if isinstance(x, Array)]
    mean, std = (
        x if isinstance(x, Array) else read_number("normal", argument, i, x)
        for i, (argument, x) in enumerate((("mean", mean), ("std", std)), 1)
    )
    if not isinstance(std, Array) and not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if not arrays:
        if size is None:
            raise TypeError("normal() received an invalid combination of arguments: two numbers need a size")
        x = new_random("normal", (size,), {}, out, dtype, layout, device)
        return fill_random("normal", x, "normal", mean, std, generator, requires_grad)
    for x in arrays:
        need_float("normal", x.dtype)
    if isinstance(std, Array) and std.lay.numel and _any(std.detach() < 0):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    shape = broadcast_shapes(*(x.shape for x in arrays))
    dev = next((x.device for x in arrays if x.lay.ndim), arrays[0].device)
    source = read_generator("normal", generator, dev)

    def sample() -> Any:
        z = ops.draw(empty_array(shape, arrays[0].dtype, dev), "normal", 0, 1, source)
        scaled = TABLE["add"](TABLE["mul"](z, std), mean)
        return scaled if scaled.dtype is z.dtype else scaled.to(z.dtype)

    if out is not None:
        resize_out(out, shape)
    return _give(apply(ops.zero_gradient("normal"), sample, mean, std), out)


def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None, out: Any = None) -> Any:
    """Return ones and zeros: each element of ``input`` (or ``p`` for all of them) is the probability of a one.

    Raises RuntimeError for a probability outside [0, 1].

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.bernoulli.html

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
    if p.lay.numel and _any(~((p >= 0) & (p <= 1))):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false: a probability is outside [0, 1]")


def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Return counts with the Poisson distribution of every element of ``input``, a tensor of rates.

    Raises RuntimeError for a negative rate.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.poisson.html

    >>> import cltorch as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])
    """
    need_float("poisson_cpu", need_array("poisson", "input", 1, input).dtype)
    source = read_generator("poisson", generator, input.device)
    if input.lay.numel and _any(~(input.detach() >= 0)):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return apply(ops.zero_gradient("poisson"), lambda: random_counts.poisson(ops.dense(input), source), input)


def binomial(count: Any, prob: Any, generator: Generator | None = None) -> Any:
    """Return numbers of successes in ``count`` trials of probability ``prob``, two tensors of floating type.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.binomial.html

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
    Shape: (m, n) or (n) to (m, num_samples) or (num_samples), int64.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.multinomial.html

    >>> import cltorch as torch
    >>> torch.multinomial(torch.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    p = need_array("multinomial", "input", 1, input).detach()
    samples = read_int("multinomial", "num_samples", 2, num_samples)
    if p.lay.ndim not in (1, 2):
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
    if p.shape[-1] == 0:
        raise RuntimeError(f"cannot sample from no categories: prob_dist has shape {list(p.shape)}")
    source = read_generator("multinomial", generator, p.device)
    m = Settings.functions
    if p.lay.numel:
        if _any(~((p >= 0) & m.isfinite(p))):
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        if _any(m.sum(p, -1) <= 0):
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    shape = Size((*p.shape[:-1], samples))
    if p.lay.numel == 0:
        return _give(empty(shape, dtype=dtypes.int64, device=p.device), out)
    if replacement:
        rows = ops.dense(p if p.lay.ndim == 2 else p.unsqueeze(0))
        return _give(multinomial_ops.multinomial(rows, samples, source).view(shape), out)
    # A race of exponential clocks: category i rings first with probability proportional to p[i].
    clocks = ops.draw(
        empty_array(p.shape, p.dtype if p.dtype.itemsize > 2 else dtypes.float32, p.device), "exponential", 1, 0, source
    )
    return _give(m.topk(p / clocks, samples, -1)[1], out)
