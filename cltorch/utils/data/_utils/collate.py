"""Turning a list of samples into a batch.

Source: https://docs.pytorch.org/docs/2.13/data.html#dataloader-collate-fn
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from cltorch.dtypes import float64
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.utils.data._utils.batch import SampleBatch, SampleRows

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)

#: The kinds of NumPy dtypes, by their text, of which no tensor is made.
np_str_obj_array_pattern = re.compile(r"[SaUO]")

CollateMap = dict[type | tuple[type, ...], Callable[..., Any]]


def default_convert(data: Any) -> Any:
    """Turn NumPy arrays and scalars into tensors, through mappings and sequences, and leave the rest as it is.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.default_convert

    >>> import numpy as np
    >>> default_convert({"x": np.array([1, 2])})
    {'x': tensor([1, 2])}
    """
    if isinstance(data, Tensor):
        return data
    # masked arrays and records, which are no plain arrays, stay
    if isinstance(data, (np.ndarray, np.generic)) and type(data).__module__ == "numpy":
        return data if data.dtype.kind in "SUO" else functions.as_tensor(data)
    if isinstance(data, Mapping):
        return rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return rebuild_sequence(data, [default_convert(d) for d in data])
    return data


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack a list of samples field by field, by the rules of ``collate_fn_map`` (type to function).

    Mappings and sequences are walked; a tuple of fields becomes a list. Raises TypeError for an element of a type
    without a rule and RuntimeError for sequences of unequal length.
    """
    if isinstance(batch, SampleBatch) and collate_fn_map is default_collate_fn_map and len(batch):
        return list(batch.fields)
    if isinstance(batch, SampleRows) and collate_fn_map is default_collate_fn_map and batch.whole():
        return list(batch.fields)
    first = batch[0]
    kind = type(first)
    rules = collate_fn_map or {}
    rule = rules.get(kind)
    if rule is None:
        rule = next((fn for types, fn in rules.items() if isinstance(first, types)), None)
    if rule is not None:
        return rule(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        fields = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in first}
        return rebuild_mapping(first, fields)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        columns = zip(*batch, strict=False)
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in columns))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        stacked = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]
        return stacked if isinstance(first, tuple) else rebuild_sequence(first, stacked)
    raise TypeError(default_collate_err_msg_format.format(kind))


def collate_tensor_fn(batch: Sequence[Tensor], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Stack tensors of one shape along a new first dimension."""
    return functions.stack(list(batch), 0)


def collate_numpy_array_fn(batch: Sequence[np.ndarray], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Stack NumPy arrays of one shape into a tensor; different dtypes are promoted as those of tensors."""
    if batch[0].dtype.kind in "SUOM":
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    shape = batch[0].shape
    other = next((i for i, b in enumerate(batch) if b.shape != shape), None)
    if other is not None:
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
            f"{list(batch[other].shape)} at entry {other}"
        )
    if any(b.dtype != batch[0].dtype for b in batch):  # NumPy promotes other pairs of types than tensors do
        return functions.stack([functions.as_tensor(b) for b in batch], 0)
    return functions.from_numpy(np.stack(batch))


def collate_numpy_scalar_fn(batch: Sequence[np.generic], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Make a tensor of NumPy scalars, of their dtype."""
    alike = len({type(x) for x in batch}) == 1
    return functions.as_tensor(np.array(batch) if alike else list(batch))  # NumPy promotes others than PyTorch


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Make a float64 tensor of Python floats."""
    return functions.tensor(list(batch), dtype=float64)


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Make an int64 (or bool) tensor of Python integers."""
    return functions.tensor(list(batch))


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Leave strings and bytes in their list."""
    return batch


default_collate_fn_map: CollateMap = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """Stack a list of samples into a batch, keeping the structure of a sample.

    Tensors and NumPy arrays of one shape gain a first dimension; numbers become a tensor; strings stay a list;
    dicts, namedtuples and sequences are collated field by field. Raises TypeError for other elements.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.default_collate

    >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def rebuild_mapping(like: Mapping[Any, Any], fields: dict[Any, Any]) -> Any:
    # subclasses of dict (defaultdict, a config object) keep their type where it can be made
    if type(like) is dict:
        return fields
    try:
        if isinstance(like, MutableMapping):
            clone = copy.copy(like)
            clone.update(fields)
            return clone
        return type(like)(fields)  # type: ignore[call-arg]
    except TypeError:
        return fields


def rebuild_sequence(like: Sequence[Any], items: list[Any]) -> Any:
    if type(like) is list:
        return items
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for i, item in enumerate(items):
                clone[i] = item
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:  # a range, for one, cannot be made from items
        return items
