"""The functions of the torch namespace on Tensors; this is also what derivatives are composed of (``m``).

Every module lists its public names in ``__all__``; a new module is imported and listed here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cltorch.autograd.graph import Settings
from cltorch.device import resolve as resolve_device
from cltorch.functions import (
    activation,
    aliases,
    attention,
    autocast,
    broadcast,
    compare,
    complex_parts,
    conv,
    convert,
    create,
    create_like,
    distance,
    dropout,
    einsum,
    extremes,
    fold,
    from_data,
    gamma_sample,
    gather,
    host_memory,
    index,
    index_dim,
    join,
    linalg_covariance,
    linalg_distance,
    linalg_factor,
    linalg_lobpcg,
    linalg_lowrank,
    linalg_norm,
    linalg_power,
    linalg_removed,
    linalg_solve,
    linalg_spectrum,
    loss,
    masked,
    matmul,
    moments,
    norm,
    norms,
    pad,
    part_scatter,
    pointwise,
    pool,
    positions,
    products,
    random,
    random_inplace,
    ranges,
    rearrange,
    recurrent,
    reduce,
    resample,
    scan,
    search,
    shape,
    shuffle,
    softmax,
    sort,
    special,
    split,
    triangle,
    unique,
    unpool,
)
from cltorch.layout import broadcast_shapes, wrap_dim

__all__ = ["broadcast_shapes", "resolve_device", "wrap_dim"]

if TYPE_CHECKING:  # the names below are gathered at run time

    def __getattr__(name: str) -> Any: ...


for _module in (
    pointwise,
    aliases,  # after pointwise: pow, clamp and div choose between rows
    convert,
    broadcast,
    create,
    create_like,
    from_data,
    ranges,
    random,
    random_inplace,
    gamma_sample,
    dropout,
    shape,
    split,
    reduce,
    extremes,
    moments,
    norms,
    loss,
    softmax,
    positions,
    masked,
    index,
    gather,
    index_dim,
    part_scatter,
    join,
    complex_parts,
    rearrange,
    triangle,
    sort,
    search,
    unique,
    special,
    scan,
    matmul,
    recurrent,
    attention,
    einsum,
    products,
    linalg_factor,
    linalg_solve,
    linalg_spectrum,
    linalg_norm,
    linalg_power,
    linalg_lowrank,
    linalg_lobpcg,
    linalg_covariance,
    linalg_distance,
    linalg_removed,
    conv,
    pool,
    pad,
    resample,
    fold,
    shuffle,
    unpool,
    activation,
    distance,
    norm,
    compare,
    host_memory,
):
    autocast.install((_module,))
    for _name in _module.__all__:
        globals()[_name] = getattr(_module, _name)
        if _name not in __all__:
            __all__.append(_name)

Settings.functions = sys.modules[__name__]
