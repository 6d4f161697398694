"""Checkpoints in PyTorch's zip format (since PyTorch 1.6): objects from and to an archive."""

from __future__ import annotations

import io
import mmap
import pickle
import sys
from typing import Any

import numpy as np

from cltorch.device import CPU, Storage
from cltorch.serialization import config
from cltorch.serialization.archive import ArchiveReader, ArchiveWriter, CorruptArchiveError
from cltorch.serialization.options import mapped_shared, missing_byteorder, skipping
from cltorch.serialization.pickler import StorageTable, make_pickler
from cltorch.serialization.reading import Options, native, storage_id, unpickle
from cltorch.serialization.rebuild import storage_object
from cltorch.storage_types import TypedStorage, UntypedStorage


def save_zip(
    obj: Any, f: Any, prefix: str, protocol: int, byteorder_record: bool = True, pickle_module: Any = pickle
) -> None:
    """Write an object and its storages as an archive; storages on a device are read back one at a time."""
    table, graph = StorageTable(), io.BytesIO()
    make_pickler(graph, table, protocol, pickle_module).dump(obj)
    alignment = config.save.storage_alignment
    archive = ArchiveWriter(f, prefix, alignment)
    archive.write("data.pkl", graph.getbuffer())
    archive.write(".format_version", b"1")
    archive.write(".storage_alignment", str(alignment).encode())
    if byteorder_record:
        archive.write("byteorder", sys.byteorder.encode())
    for key, storage in table.storages.items():
        archive.write(f"data/{key}", np.zeros(storage.nbytes, np.uint8) if skipping() else storage.bytes())
    archive.close()


def load_zip(f: Any, name: str, options: Options, mapped: bool) -> Any:
    """Return the object of an archive."""
    archive = ArchiveReader(f, name)
    byteorder = missing_byteorder()
    if archive.has("byteorder"):
        byteorder = archive.read("byteorder").tobytes().decode("ascii", "replace")
        if byteorder not in ("little", "big"):
            raise CorruptArchiveError(f"{name}: unknown byte order {byteorder!r:.20}")
    pages = _map(f) if mapped else None
    if pages is not None and mapped_shared():
        # what the program writes goes to the file, whose checksums would no longer be true: 0 means that there is none
        for place in archive.checksum_places("data"):
            pages[place : place + 4] = 0
    storages: dict[str, UntypedStorage] = {}

    def persistent_load(pid: Any) -> TypedStorage | UntypedStorage:
        wanted = storage_id(pid)
        found = storages.get(wanted.key)
        if found is None:
            record = f"data/{wanted.key}"
            size = archive.size(record)
            if size != wanted.nbytes:
                raise CorruptArchiveError(
                    f"{name}: storage {wanted.key} has wrong byte size: expected {wanted.nbytes} got {size}"
                )
            if skipping():
                data = Storage.allocate(wanted.nbytes, CPU).bytes()
            elif pages is not None:
                start = archive.offset(record)
                data = pages[start : start + wanted.nbytes]
            else:
                data = archive.read(record)
            host = UntypedStorage(_raw=Storage.wrap(native(data, wanted.itemsize, byteorder)))
            found = storages[wanted.key] = options.restore(host, wanted.location)
        elif found.nbytes() < wanted.nbytes:
            raise pickle.UnpicklingError(f"storage {wanted.key} is named with two lengths")
        return storage_object(found, wanted.dtype)

    graph = archive.read("data.pkl").tobytes()
    return unpickle(io.BytesIO(graph), len(graph), persistent_load, options)


def _map(f: Any) -> np.ndarray:
    """Return the file as an array of pages that are read when touched; the options say what writing to it does."""
    access = mmap.ACCESS_WRITE if mapped_shared() else mmap.ACCESS_COPY
    return np.frombuffer(mmap.mmap(f.fileno(), 0, access=access), np.uint8)
