"""Functions that are no operators under vmap: random numbers, and what has a rule by name or runs slice after slice.

Random numbers follow ``randomness``: "different" draws for each slice, "same" begins each slice at the same place of
the stream, "error" refuses. Source: https://docs.pytorch.org/docs/2.13/generated/torch.vmap.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cltorch.autograd.batch_levels import OWN, level_of, outside, state, wrap
from cltorch.autograd.batches import warn
from cltorch.autograd.graph import Settings
from cltorch.autograd.layers import active
from cltorch.functions.batch_functions import RULES, named_arguments
from cltorch.ops import generator as generators
from cltorch.ops.array import Array, arrays_in

__all__ = ["ELEMENTWISE", "LOOPED", "RANDOM", "install", "looping"]

# what draws random numbers
RANDOM = frozenset(
    """
    alpha_dropout alpha_dropout_ bernoulli bernoulli_ binomial cauchy_ dropout dropout_ exponential_
    feature_alpha_dropout feature_alpha_dropout_ feature_dropout feature_dropout_ geometric_ log_normal_ multinomial
    native_dropout normal normal_ poisson rand rand_like randint randint_like randn randn_like random_ randperm rrelu
    rrelu_ sample_dirichlet standard_gamma uniform_
    """.split()
)
# random functions of one tensor and numbers that treat every element alike: all slices can be drawn for at once
ELEMENTWISE = frozenset(
    """
    alpha_dropout alpha_dropout_ bernoulli bernoulli_ cauchy_ dropout dropout_ exponential_ geometric_ log_normal_
    native_dropout normal_ poisson rand_like randint_like randn_like random_ rrelu rrelu_ sample_dirichlet
    standard_gamma uniform_
    """.split()
)
# what is computed outside of the graph by a function of its own, and has a result whose shape does not depend on values
# (that of argwhere does: as in PyTorch all slices must agree on it)
LOOPED = frozenset(
    """
    all any argmax argmin argsort argwhere aminmax bincount bucketize cholesky_inverse count_nonzero cov ctc_loss
    hash_tensor histc histogram isin linalg_lu linalg_lu_solve linalg_lstsq linalg_matrix_exp linspace logspace lu_solve
    lu_unpack masked_scatter matrix_exp mode nanmedian nonzero_static repeat_interleave searchsorted
    """.split()
)
# what is computed slice after slice only where these arguments, which are read, are batches
_READ = {
    "ctc_loss": ("input_lengths", "target_lengths"),
    "embedding_bag": ("offsets",),
    "masked_select": ("mask",),
    "repeat_interleave": ("repeats",),
}
# what makes a tensor for each slice, to be written into
_LIKE = frozenset("empty_like full_like ones_like zeros_like".split())
_NEW = frozenset("new_empty new_full new_ones new_zeros".split())
# what answers with one truth value for all numbers
_JUDGED = {
    "allclose": "vmap over torch.allclose isn't supported yet. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues if you need this feature.",
    "equal": "Batching rule not implemented for aten::equal. We could not generate a fallback.",
}
_DYNAMIC = (
    "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over aten::{}. Please "
    "file an issue at https://github.com/pytorch/pytorch/issues if you need this feature."
)
# what has a result whose shape depends on values
_DYNAMIC_NAMES = {"nonzero": "nonzero", "unique": "_unique2", "unique_consecutive": "unique_consecutive"}
_JUDGED |= {name: _DYNAMIC.format(told) for name, told in _DYNAMIC_NAMES.items()}
_JUDGED["masked_select"] = (
    "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot support this because for each "
    "batch this would return a differently shaped Tensor. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues if you need this feature."
)
# what draws by the values of its operands, which are not the same for all slices
_BY_VALUES = frozenset(
    "bernoulli bernoulli_ binomial multinomial normal poisson sample_dirichlet standard_gamma".split()
)
_REFUSED = {
    "error": "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap",
    OWN: "vmap: We do not yet support calling random operations inside of vmap. Please perform random operations "
    "outside of vmap as a workaround",
}


def install(module: Any) -> None:
    """Wrap the listed functions of a module."""
    names = vars(module)
    for name in getattr(module, "__all__", ()):
        if name in RANDOM or name in LOOPED or name in _JUDGED:
            names[name] = looping(names[name], name, name in RANDOM)
        elif name in _LIKE or name in _NEW:
            names[name] = _creating(names[name], name in _NEW)


def _creating(fn: Callable[..., Any], sized: bool) -> Callable[..., Any]:
    """Let a function that makes a tensor like another make one for each slice of a batch."""

    @functools.wraps(fn)
    def f(*args: Any, **kw: Any) -> Any:
        number = level_of(args[0]) if args and active else 0
        if not number:
            return fn(*args, **kw)
        x, *rest = args
        if sized:
            given = [kw.pop("size")] if "size" in kw else rest
            first = given[0] if given else ()
            shape = first if isinstance(first, (tuple, list)) else given
            rest = [(x._inner.lay.shape[0], *shape), *(rest[1:] if shape is first else ())]
        with outside(number):
            return wrap(f(x._inner, *rest, **kw), number)

    return f


def looping(fn: Callable[..., Any], name: str, draws: bool = False) -> Callable[..., Any]:
    """Return a function that follows vmap's randomness, or that takes a batch by its rule or slice after slice."""

    @functools.wraps(fn)
    def f(*args: Any, **kw: Any) -> Any:
        if active:
            number = max(map(level_of, arrays_in((args, kw))), default=0)
            if draws and state.levels and not _idle(fn, args, kw):
                return _drawn(f, args, kw, number)
            if number and not draws and not _composed(fn, name, args, kw):
                return _whole(f, name, args, kw, number)
        return fn(*args, **kw)

    return f


def _idle(fn: Callable[..., Any], args: Any, kw: Any) -> bool:
    """Return whether a call is of a kind of dropout that drops nothing, or of a rrelu that draws no slopes."""
    if fn.__name__ in ("rrelu", "rrelu_"):
        return not (named_arguments(fn, args, kw) or {"training": True})["training"]
    if "dropout" not in fn.__name__:
        return False
    given = named_arguments(fn, args, kw)
    return given is not None and (given["train"] is False or given["p"] == 0)


def _composed(fn: Callable[..., Any], name: str, args: Any, kw: Any) -> bool:
    """Return whether a call is made of functions that take batches, and reads none: covariances without weights …"""
    if name in _READ:
        given = named_arguments(fn, args, kw) or {}
        return not any(level_of(given.get(k)) for k in _READ[name])
    return name == "cov" and kw.get("fweights") is None and kw.get("aweights") is None


def _whole(fn: Callable[..., Any], name: str, args: Any, kw: Any, number: int) -> Any:
    """Run a function on the whole batch by its rule, or slice after slice."""
    if name in _JUDGED:
        raise RuntimeError(_JUDGED[name])
    rule = RULES.get(name)
    given = None if rule is None else named_arguments(fn, args, kw)
    if rule is not None and given is not None and given.get("out") is None:
        with outside(number):
            found = rule(fn, given, number, _size(args, kw, number))
            if found is not NotImplemented:
                return _wrapped(found, number)
    warn(name)
    return _slices(fn, args, kw, number, None)


def _wrapped(out: Any, number: int) -> Any:
    if not isinstance(out, tuple):
        return wrap(out, number)
    parts = [wrap(x, number) for x in out]
    return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)


def _sliced(tree: Any, number: int, i: int) -> Any:
    if isinstance(tree, (tuple, list)):
        return type(tree)(_sliced(x, number, i) for x in tree)
    if isinstance(tree, dict):
        return {k: _sliced(x, number, i) for k, x in tree.items()}
    if isinstance(tree, Array) and tree._batch == number:
        return Settings.functions.select(tree._inner, 0, i)
    return tree


def _slices(fn: Callable[..., Any], args: Any, kw: Any, number: int, draw: Callable[[int], None] | None) -> Any:
    """Run a function for every slice; one that changes its first argument in place returns that."""
    size = next(s for n, s, _ in state.levels if n == number) if draw else _size(args, kw, number)
    rows = []
    with outside(number):
        for i in range(size):
            if draw is not None:
                draw(i)
            out = fn(*_sliced(args, number, i), **_sliced(kw, number, i))
            rows.append(out if isinstance(out, tuple) else (out,))
        if args and isinstance(args[0], Array) and fn.__name__.endswith("_"):
            return args[0]
        stack = Settings.functions.stack
        columns = [
            wrap(stack(list(column)), number) if isinstance(column[0], Array) else column[0]
            for column in zip(*rows, strict=True)
        ]
    if not isinstance(out, tuple):
        return columns[0]
    return type(out)(*columns) if hasattr(out, "_fields") else _like(out, columns)


def _like(out: Any, columns: list[Any]) -> Any:
    return tuple(columns) if type(out) is tuple else type(out)(columns)


def _size(args: Any, kw: Any, number: int) -> int:
    return next(int(x._inner.lay.shape[0]) for x in arrays_in((args, kw)) if x._batch == number)


def _drawn_at_once(fn: Callable[..., Any], args: Any, kw: Any, level: int, size: int) -> Any:
    """Draw for all slices by one call where the function allows it, else return None."""
    name = fn.__name__
    if name in ("rand", "randn") and args and not kw.get("out") and "size" not in kw:
        shape = args[0] if isinstance(args[0], (tuple, list)) else args
        with outside(level):
            return wrap(fn((size, *shape), **kw), level)
    if name not in ELEMENTWISE or not args or len(arrays_in((args, kw))) != 1 or level_of(args[0]) != level:
        return None
    x = args[0]
    with outside(level):
        out = fn(x._inner, *args[1:], **kw)
    return x if name.endswith("_") else _wrapped(out, level)


def _drawn(fn: Callable[..., Any], args: Any, kw: Any, number: int) -> Any:
    """Draw random numbers at the innermost level, as its ``randomness`` says."""
    level, size, randomness = state.levels[-1]
    if randomness in _REFUSED:
        raise RuntimeError(_REFUSED[randomness])
    here = any(x._batch == level for x in arrays_in((args, kw)))
    if randomness == "same" and not here:
        with outside(level):
            return fn(*args, **kw)
    by = args[1:] if fn.__name__ == "bernoulli_" else args
    if randomness == "same" and fn.__name__ in _BY_VALUES and any(x._batch == level for x in arrays_in((by, kw))):
        raise RuntimeError(
            "Vmap does not currently support same randomness with a batched tensor input. Please file an issue with "
            "functorch"
        )
    if fn.__name__.endswith("_") and not here:
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same "
            "randomness. If this is necessary for your usage, please file an issue with functorch."
        )
    if randomness == "different":
        found = _drawn_at_once(fn, args, kw, level, size)
        if found is not None:
            return found
    elif fn.__name__ == "dropout":  # one mask for all slices
        x, m = args[0], Settings.functions
        with outside(level):
            mask = fn(m.ones(x.lay.shape, dtype=x.dtype, device=x.device), *args[1:], **kw)
        return m.mul(x, mask)
    before = generators.snapshot() if randomness == "same" else None

    def begin(i: int) -> None:
        if before is not None and i:
            for dev in before:
                generators.restore(before, dev)

    return _slices(fn, args, kw, level, begin)
