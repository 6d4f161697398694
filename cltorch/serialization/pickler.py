"""A pickler that writes tensors, dtypes and devices under PyTorch's names, and storages as persistent ids."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from types import FunctionType
from typing import Any

from cltorch.autograd.handle import warn_if_has_hooks
from cltorch.device import Storage, device
from cltorch.dtypes import dtype
from cltorch.formats import layout
from cltorch.nn.parameter import Parameter, UninitializedTensorMixin
from cltorch.ops.turned import plain, turns
from cltorch.serialization import names, rebuild
from cltorch.serialization.location import location_tag
from cltorch.shapes import Size
from cltorch.sparse.coordinates import SparseTensor
from cltorch.storage_types import TypedStorage, UntypedStorage
from cltorch.tensor import Tensor


class StorageTable:
    """Number the storages of an object, one key for each, whatever number of tensors views it."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self._keys: dict[Any, tuple[str, dtype | None]] = {}

    def persistent_id(self, storage: Storage, t: dtype | None) -> tuple[Any, ...]:
        """Return the tuple that stands for a storage in the pickle: kind, class, key, location, length."""
        # detached tensors have storages of their own over the same bytes
        identity = (storage.device, storage.data_ptr(), storage.nbytes) if storage.nbytes else id(storage)
        key, known = self._keys.setdefault(identity, (str(len(self._keys)), t))
        if known is not t:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types "
                f"({known or 'bytes'} and {t or 'bytes'})"
            )
        self.storages[key] = storage
        kind = names.UNTYPED if t is None else names.STORAGE_TYPES[t]
        return ("storage", kind, key, location_tag(UntypedStorage(_raw=storage)), storage.nbytes // kind.itemsize)


# Python's own pickler in Python: the one in C looks every global up by importing its module, and there is no module
# "torch" to import
_PythonPickler: Any = vars(pickle)["_Pickler"]


class Pickler(_PythonPickler):
    """Write one pickle; the storages it met are in ``table``."""

    def __init__(self, f: Any, table: StorageTable, protocol: int) -> None:
        super().__init__(f, protocol=protocol)
        self._table = table
        self.module: _OtherReducers | None = None

    def persistent_id(self, obj: Any) -> Any:
        """Return the id of a storage, None for anything else."""
        if isinstance(obj, TypedStorage):
            return self._table.persistent_id(obj._raw, obj.dtype)
        if isinstance(obj, UntypedStorage):
            return self._table.persistent_id(obj._raw, None)
        return None

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a reference to a class or function, under PyTorch's name where it has one."""
        written = _written(obj)
        if written is None:
            super().save_global(obj, name)
            return
        module, name = written
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    # the base class's table holds its own save_global, not ours
    dispatch = {**_PythonPickler.dispatch, FunctionType: save_global}

    def reducer_override(self, obj: Any) -> Any:
        """Return how to rebuild our own values; NotImplemented leaves it to the object."""
        if isinstance(obj, (UninitializedTensorMixin, SparseTensor)):
            return obj.__reduce_ex__(self.proto)
        if isinstance(obj, Tensor):
            return _reduce_tensor(obj)
        if isinstance(obj, (dtype, rebuild.StorageType)):
            return str(obj)  # a global by itself
        if isinstance(obj, layout):
            return names.get_layout, (str(obj),)
        if isinstance(obj, Size):
            return Size, (tuple(obj),)
        if isinstance(obj, device):
            kind = "cuda" if obj.type == "cl" else obj.type
            return device, (kind,) if obj.index is None else (kind, obj.index)
        return NotImplemented if self.module is None or _written(obj) is not None else self.module.reduce(obj)


class _OtherReducers:
    """Ask the pickler of another module how to rebuild an object that is not PyTorch's."""

    def __init__(self, module: Any, protocol: int) -> None:
        self._pickler = module.Pickler(io.BytesIO(), protocol)
        self.table = getattr(self._pickler, "dispatch_table", None)

    def reduce(self, obj: Any) -> Any:
        override = getattr(self._pickler, "reducer_override", None)
        return NotImplemented if override is None else override(obj)


def make_pickler(f: Any, table: StorageTable, protocol: int, module: Any) -> Any:
    """Return a Pickler that leaves what is not PyTorch's to the pickler of ``module``, a ``pickle_module`` argument.

    A pickler in Python, as dill's, is derived from; one in C, as cloudpickle's, is asked for its reducers.
    """
    if module is pickle:
        return Pickler(f, table, protocol)
    kind = module.Pickler
    if not issubclass(kind, _PythonPickler):
        pickler = Pickler(f, table, protocol)
        pickler.module = _OtherReducers(module, protocol)
        if pickler.module.table is not None:
            pickler.dispatch_table = pickler.module.table
        return pickler
    save_function = kind.dispatch.get(FunctionType, Pickler.save_global)

    def save_ours_or(self: Any, obj: Any, *args: Any, **named: Any) -> None:
        if _written(obj) is not None:
            Pickler.save_global(self, obj)
        else:
            save_function(self, obj, *args, **named)

    derived = type("Pickler", (Pickler, kind), {"dispatch": {**kind.dispatch, FunctionType: save_ours_or}})
    return derived(f, table, protocol)


def _written(obj: Any) -> tuple[str, str] | None:
    try:
        return names.WRITTEN.get(obj)
    except TypeError:  # not hashable
        return None


def _reduce_tensor(x: Tensor) -> tuple[Any, ...]:
    if x.is_leaf:
        warn_if_has_hooks(x)
    if isinstance(x, Parameter):
        attributes = dict(vars(x))
        data = x.detach()
        if attributes:
            return rebuild.rebuild_parameter_with_state, (data, x.requires_grad, OrderedDict(), attributes)
        if type(x) is Parameter:
            return rebuild.rebuild_parameter, (data, x.requires_grad, OrderedDict())
    func, args = _call(x)
    attributes = dict(vars(x))
    if type(x) is Tensor and not attributes:
        return func, args
    return rebuild.rebuild_from_type_v2, (func, type(x), args, attributes)


def _call(x: Tensor) -> tuple[Any, tuple[Any, ...]]:
    """Return the function and the arguments that make a plain tensor."""
    lay = x.lay
    if x.is_meta:
        return rebuild.rebuild_meta_tensor, (x.dtype, tuple(lay.shape), tuple(lay.strides), x.requires_grad)
    shape, strides = tuple(lay.shape), tuple(lay.strides)
    untyped = UntypedStorage(_raw=plain(x._storage))
    if x.dtype not in names.STORAGE_TYPES:  # PyTorch has no class of storages for it
        return rebuild.rebuild_tensor_v3, (
            untyped, lay.offset, shape, strides, x.requires_grad, OrderedDict(), x.dtype,
        )  # fmt: skip
    storage = TypedStorage(wrap_storage=untyped, dtype=x.dtype)
    bits = {name: True for name, on in zip(("conj", "neg"), turns(x), strict=True) if on}
    given: Any = (storage, lay.offset, shape, strides, x.requires_grad, OrderedDict())
    return rebuild.rebuild_tensor_v2, (*given, bits) if bits else given
