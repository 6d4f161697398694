"""Checkpoints in the stream format that PyTorch wrote before 1.6.

Five pickles (a magic number, a version, the writer's byte order, the object, the keys of its storages) and then, for
each key, the length of the storage and its bytes.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.device import CPU, Storage
from cltorch.serialization.pickler import StorageTable, make_pickler
from cltorch.serialization.reading import Options, StorageId, native, storage_id, unpickle
from cltorch.serialization.rebuild import StorageView
from cltorch.storage_types import UntypedStorage

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001


def save_legacy(obj: Any, f: Any, protocol: int, pickle_module: Any = pickle) -> None:
    """Write an object and its storages as a stream."""
    info = {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for head in (MAGIC_NUMBER, PROTOCOL_VERSION, info):
        f.write(pickle.dumps(head, protocol))
    table, graph = _LegacyTable(), io.BytesIO()
    make_pickler(graph, table, protocol, pickle_module).dump(obj)
    f.write(graph.getbuffer())
    keys = sorted(table.storages)
    f.write(pickle.dumps(keys, protocol))
    for key in keys:
        f.write(struct.pack("<q", table.numel[key]))
        f.write(table.storages[key].bytes().data)


class _LegacyTable(StorageTable):
    """Remember the lengths in elements, and add the field for views, which is always None now."""

    def __init__(self) -> None:
        super().__init__()
        self.numel: dict[str, int] = {}

    def persistent_id(self, storage: Storage, t: Any) -> tuple[Any, ...]:
        pid = super().persistent_id(storage, t)
        self.numel[pid[2]] = pid[4]
        return (*pid, None)


class _Pending:
    """Hold a storage whose tensors exist already and whose bytes come later in the stream."""

    def __init__(self, wanted: StorageId, storage: UntypedStorage) -> None:
        self.wanted, self.storage, self.filled = wanted, storage, False


def load_legacy(f: Any, name: str, options: Options) -> Any:
    """Return the object of a stream."""
    here = f.tell()
    f.seek(0, 2)
    length = f.tell() - here
    f.seek(here)
    if length == 0:
        raise EOFError(f"Ran out of input: {name} is empty")
    _refuse_tar(f, name, here)
    heads = options._replace(weights_only=True)
    if unpickle(f, length, None, heads) != MAGIC_NUMBER:
        raise RuntimeError(f"Invalid magic number; corrupt file? ({name})")
    version = unpickle(f, length, None, heads)
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version!r:.40}")
    info = unpickle(f, length, None, heads)
    little = info.get("little_endian", True) if isinstance(info, dict) else True
    pending: dict[str, _Pending] = {}
    claimed = 0
    later: list[Callable[[], Any]] = []

    def persistent_load(pid: Any) -> Any:
        nonlocal claimed
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            return pid[1]  # a class with its source code, which is not compared
        wanted = storage_id(pid)
        entry = pending.get(wanted.key)
        if entry is None:
            claimed += wanted.nbytes
            if claimed > length:
                raise RuntimeError(f"{name}: its storages claim {claimed} bytes, the file has {length}; corrupt file?")
            host = UntypedStorage(_raw=Storage.allocate(wanted.nbytes, CPU))
            entry = pending[wanted.key] = _Pending(wanted, options.restore(host, wanted.location))
        offset, count = _part(pid, wanted)
        if wanted.dtype is None and not offset:
            return entry.storage
        view = StorageView(wrap_storage=entry.storage, dtype=wanted.dtype)
        view.offset, view.later = offset, later
        if count < wanted.numel:
            later.append(lambda: view.shorten(offset, count))
        return view

    result = unpickle(f, length, persistent_load, options)
    keys = unpickle(f, length, None, heads)
    if not isinstance(keys, list):
        raise RuntimeError(f"{name}: the list of storages is malformed; corrupt file?")
    for key in keys:
        key = key.decode() if isinstance(key, bytes) else key  # as Python 2 wrote it, with encoding="bytes"
        entry = pending.get(key) if isinstance(key, str) else None
        if entry is None:
            raise RuntimeError(f"{name}: it holds a storage {key!r:.40} that nothing uses; corrupt file?")
        _fill(f, name, entry, "little" if little else "big")
    missing = next((key for key, entry in pending.items() if not entry.filled), None)
    if missing is not None and options.collect is None:
        raise RuntimeError(f"{name}: the bytes of storage {missing} are missing; corrupt file?")
    for finish in later:
        finish()
    return result


def _part(pid: tuple[Any, ...], wanted: StorageId) -> tuple[int, int]:
    """Return from which element on a persistent id means how many of a storage: files of PyTorch 0.3 cut them."""
    view = pid[5] if len(pid) > 5 else None
    if view is None:
        return 0, wanted.numel
    if not isinstance(view, tuple) or len(view) != 3 or any(type(n) is not int or n < 0 for n in view[1:]):
        raise pickle.UnpicklingError("the view of a storage is malformed")
    if view[1] + view[2] > wanted.numel:
        raise pickle.UnpicklingError("the view of a storage reaches past its end")
    return int(view[1]), int(view[2])


def _fill(f: Any, name: str, entry: _Pending, byteorder: str) -> None:
    wanted = entry.wanted
    head = f.read(8)
    if len(head) != 8 or struct.unpack("<q", head)[0] != wanted.numel:
        raise RuntimeError(f"{name}: storage {wanted.key} has the wrong size; the file is cut off or corrupt")
    data = f.read(wanted.nbytes)
    if len(data) != wanted.nbytes:
        raise RuntimeError(
            f"{name}: unexpected EOF, expected {wanted.nbytes - len(data)} more bytes. The file might be corrupted."
        )
    values = native(np.frombuffer(data, np.uint8), wanted.itemsize, byteorder)
    entry.storage.copy_(UntypedStorage(_raw=Storage.wrap(values)))
    entry.filled = True


def _refuse_tar(f: Any, name: str, here: int) -> None:
    f.seek(here + 257)
    magic = f.read(5)
    f.seek(here)
    if magic == b"ustar":
        raise RuntimeError(
            f"{name} is in the tar format of PyTorch 0.1.10 and before, which load does not read; "
            "save it anew in PyTorch"
        )
