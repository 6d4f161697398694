"""Calls made up from signatures: what ``ops_table`` tries a function with.

An argument is chosen by its parameter's name, from tensors of one dtype on the host and plain numbers. Several forms of
the first tensors are tried (a matrix, vectors, images), for what wants one refuses another.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

import cltorch

# what would change the process, wait for a device, open files or never return a tensor
LEFT_OUT = frozenset(
    """
    cl compile cuda from_dlpack from_file from_numpy frombuffer hub ipu load manual_seed pin_memory record_stream save
    seed set_ set_rng_state share_memory_ vmap backward register_hook retain_grad storage untyped_storage xpu
    requires_grad_ __array__ numpy tolist item data_ptr
    """.split()
)
_PLAIN = {
    "dim": 0, "dim0": 0, "dim1": 1, "axis": 0, "axis0": 0, "axis1": 1, "k": 1, "n": 2, "N": 2, "p": 0.5, "q": 0.5,
    "diagonal": 0, "offset": 0, "start": 0, "end": 1, "length": 1, "chunks": 2, "index_dim": 0, "min": 0, "max": 1,
    "kernel_size": 2, "output_size": 2, "stride": (2, 1), "size": (2, 2), "sizes": (1, -1), "shape": (-1,),
    "repeats": 2, "shifts": 1, "dims": (0,), "source": 0, "destination": 1, "upper": True, "right": False,
    "sections": 2, "split_size": 1, "split_sizes": [1, 2], "split_size_or_sections": 1, "indices_or_sections": 3,
    "reduce": "sum", "value": 1, "fill_value": 1, "exponent": 2, "negative_slope": 0.1, "threshold": 0.5,
    "upscale_factor": 1, "downscale_factor": 1, "groups": 1, "num_groups": 1, "num_classes": 9, "pad": (1, 1),
    "normalized_shape": (3,), "step": 1, "dimension": 0, "maxnorm": 1.0, "decimals": 0, "M": 3, "m": 2,
    "window_length": 3, "steps": 3, "high": 3, "low": 0, "std": 1.0, "mean": 0.0, "median": 0.0, "sigma": 1.0,
    "lambd": 1.0, "num_samples": 2, "equation": "ij,jk->ik", "mode": "constant", "dtype": cltorch.float32,
    "num_embeddings": 3, "wrap": False, "scale": 1.0, "zero_point": 0, "a": [0.5, 0.5], "row": 3, "col": 3,
    "total_length": 3, "alpha": 1.0, "lower": 0.1, "training": True, "eps": 0.1,
}  # fmt: skip
_INDICES = frozenset("index indices positions pivots LU_pivots".split())
_SEQUENCES = frozenset("tensors matrices operands".split())
# calls that no rule makes up: functions of the tensors made by _forms
_SPECIAL: dict[str, Callable[[Any, Any], tuple[Any, ...]]] = {
    "einsum": lambda x, i: ("ij,jk->ik", x, x),
    "gather": lambda x, i: (x, 0, i),
    "take_along_dim": lambda x, i: (x, i, 0),
    "index_select": lambda x, i: (x, 0, i[0]),
    "take": lambda x, i: (x, i),
    "embedding": lambda x, i: (i, x),
    "where": lambda x, i: (i > 0, x, x),
    "repeat_interleave": lambda x, i: (x, 2),
    "masked_select": lambda x, i: (x, i > 0),
    "masked_fill": lambda x, i: (x, i > 0, 1),
    "masked_fill_": lambda x, i: (x, i > 0, 1),
    "masked_scatter": lambda x, i: (x, i > 0, x),
    "masked_scatter_": lambda x, i: (x, i > 0, x),
    "scatter": lambda x, i: (x, 0, i, x),
    "scatter_": lambda x, i: (x, 0, i, x),
    "scatter_add": lambda x, i: (x, 0, i, x),
    "scatter_add_": lambda x, i: (x, 0, i, x),
    "scatter_reduce": lambda x, i: (x, 0, i, x, "sum"),
    "scatter_reduce_": lambda x, i: (x, 0, i, x, "sum"),
    "index_add": lambda x, i: (x, 0, i[0], x),
    "index_add_": lambda x, i: (x, 0, i[0], x),
    "index_copy": lambda x, i: (x, 0, i[0], x),
    "index_copy_": lambda x, i: (x, 0, i[0], x),
    "index_fill": lambda x, i: (x, 0, i[0], 1),
    "index_fill_": lambda x, i: (x, 0, i[0], 1),
    "index_reduce": lambda x, i: (x, 0, i[0], x, "prod"),
    "index_reduce_": lambda x, i: (x, 0, i[0], x, "prod"),
    "index_put": lambda x, i: (x, (i[0],), x),
    "index_put_": lambda x, i: (x, (i[0],), x),
    "put": lambda x, i: (x, i, x),
    "put_": lambda x, i: (x, i, x),
    "cross_entropy": lambda x, i: (x, i[0]),
    "nll_loss": lambda x, i: (x, i[0]),
    "reshape": lambda x, i: (x, (-1,)),
    "view": lambda x, i: (x, (-1,)),
    "view_copy": lambda x, i: (x, (-1,)),
    "permute": lambda x, i: (x, (1, 0)),
    "permute_copy": lambda x, i: (x, (1, 0)),
    "transpose_copy": lambda x, i: (x, 0, 1),
    "expand": lambda x, i: (x, (2, 3, 3)),
    "expand_copy": lambda x, i: (x, (2, 3, 3)),
    "broadcast_to": lambda x, i: (x, (2, 3, 3)),
    "repeat": lambda x, i: (x, (2, 1)),
    "tile": lambda x, i: (x, (2, 1)),
    "as_strided_copy": lambda x, i: (x, (2,), (1,)),
    "select_copy": lambda x, i: (x, 0, 0),
    "split_copy": lambda x, i: (x, 1),
    "split_with_sizes_copy": lambda x, i: (x, [1, 2]),
    "unfold_copy": lambda x, i: (x, 0, 2, 1),
    "unsqueeze_copy": lambda x, i: (x, 0),
    "flip": lambda x, i: (x, (0,)),
    "unflatten": lambda x, i: (x, 0, (1, 3)),
    "multinomial": lambda x, i: (x, 1),
    "ormqr": lambda x, i: (x, x[0], x),
}


@lru_cache(maxsize=64)
def _forms(t: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the tensors of a dtype that are tried in turn, and indices."""
    a = np.array([[3, 1, 0], [1, 3, 1], [0, 1, 3]], np.float32)
    symmetric, unit = cltorch.tensor(a).to(t), cltorch.tensor(a / 4 + 0.1).to(t)
    image = cltorch.tensor(np.tile(a[:2, :2] / 4, (1, 2, 3, 3)).astype(np.float32)).to(t)
    forms = (symmetric, unit, symmetric[0], image, image[0], cltorch.stack([image, image], 2))
    return forms, cltorch.tensor([[0, 1, 2], [2, 0, 1], [1, 2, 0]])


@lru_cache(maxsize=4096)
def _required(function: Any) -> tuple[str, ...] | None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return tuple(
        p.name for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        or (p.kind is p.VAR_POSITIONAL and p.name in ("tensors", "given"))
    )  # fmt: skip


def callable_with_tensors(function: Any, name: str) -> bool:
    """Return whether calls to a function can be made up."""
    if name in LEFT_OUT or name.startswith(("set_", "get_", "is_autocast", "autocast_", "sym_", "clear_", "use_")):
        return False
    if not inspect.isroutine(function):
        return False
    return name in _SPECIAL or bool(_required(function))


def calls(function: Any, name: str, t: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield (arguments, named arguments) to try with tensors of a dtype; every call gets tensors of its own."""
    forms, indices = _forms(t)
    if name == "where" and _required(function) == ("self", "condition", "other"):  # the method
        yield (forms[0].clone(), indices > 0, forms[0].clone()), {}
        return
    if name in _SPECIAL:
        yield tuple(x.clone() if isinstance(x, cltorch.Tensor) else x for x in _SPECIAL[name](forms[0], indices)), {}
        return
    required = _required(function) or ()
    for form in forms:
        # a name that may be a number or a tensor is tried as each
        for plain in (True, False) if any(p in _PLAIN for p in required) else (True,):
            yield tuple(_argument(p, i, form, indices, plain, name) for i, p in enumerate(required)), {}


def _argument(parameter: str, position: int, form: Any, indices: Any, plain: bool, name: str) -> Any:
    if parameter in _SEQUENCES:
        return form.clone() if name in ("block_diag", "cartesian_prod") else (form.clone(), form.clone())
    if parameter in _INDICES and position:
        return indices
    if parameter in _PLAIN and plain and (position or parameter not in ("a", "m", "p", "q")):
        return _PLAIN[parameter]
    return form.clone()
