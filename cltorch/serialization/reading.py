"""Unpickling shared by both file formats: which unpickler, and what a storage's persistent id says."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cltorch.dtypes import dtype
from cltorch.serialization import names
from cltorch.serialization.rebuild import StorageType
from cltorch.serialization.unpickler import RestrictedUnpickler


class Options(NamedTuple):
    """Hold what ``load`` was asked for."""

    weights_only: bool
    restore: Callable[[Any, str], Any]
    pickle_module: Any
    pickle_args: dict[str, Any]
    collect: set[str] | None = None


class StorageId(NamedTuple):
    """Hold a persistent id ``('storage', class, key, location, numel)``, checked."""

    dtype: dtype | None
    key: str
    location: str
    numel: int

    @property
    def itemsize(self) -> int:
        """Return the bytes of one element."""
        return 1 if self.dtype is None else self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Return the bytes of the storage."""
        return self.numel * self.itemsize


def storage_id(pid: Any) -> StorageId:
    """Check a persistent id; raise UnpicklingError for one that is not a storage's."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
        raise pickle.UnpicklingError("Only persistent_load of storage is allowed, but got another persistent id")
    _, kind, key, location, numel = pid[:5]
    if not isinstance(kind, StorageType):
        raise pickle.UnpicklingError(f"a storage of an unknown class {type(kind).__name__}")
    key, location = (part.decode() if isinstance(part, bytes) else part for part in (key, location))
    if type(key) is not str or type(location) is not str or type(numel) is not int or not 0 <= numel < 2**60:
        raise pickle.UnpicklingError("the key, location or length of a storage is malformed")
    return StorageId(kind.dtype, key, location, numel)


def unpickle(f: Any, limit: int, persistent_load: Callable[[Any], Any] | None, options: Options) -> Any:
    """Return the stream's next object through the unpickler that the options ask for."""
    if options.weights_only:
        encoding = options.pickle_args.get("encoding", "utf-8")
        return RestrictedUnpickler(
            f, limit=limit, persistent_load=persistent_load, encoding=encoding, collect=options.collect
        ).load()

    class TrustingUnpickler(options.pickle_module.Unpickler):  # type: ignore[name-defined]
        """Find any class, PyTorch's among our own."""

        def find_class(self, module: str, name: str) -> Any:
            found = names.unrestricted(module, name)
            return super().find_class(module, name) if found is None else found

        def persistent_load(self, pid: Any) -> Any:
            if persistent_load is None:
                raise pickle.UnpicklingError("a persistent id where none can be")
            return persistent_load(pid)

    return TrustingUnpickler(f, **{"encoding": "utf-8", **options.pickle_args}).load()


def native(data: np.ndarray, itemsize: int, byteorder: str) -> np.ndarray:
    """Return bytes in this machine's order."""
    if byteorder == sys.byteorder or itemsize == 1:
        return data
    return data.reshape(-1, itemsize)[:, ::-1].reshape(-1).copy()
