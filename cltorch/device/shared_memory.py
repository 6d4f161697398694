"""Memory of the host that several processes see: files without names, whose descriptors travel between processes.

Nothing is left behind however a process ends: such a file disappears with its last descriptor and mapping. Where
descriptors cannot be sent (on Windows), storages travel by their values.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import weakref
from multiprocessing import reduction
from typing import Any

import numpy as np

from cltorch.device.device import CPU
from cltorch.device.storage import Storage, mapping_of

SHARES = hasattr(reduction, "send_handle") and os.name == "posix"


def anonymous_file(nbytes: int) -> int:
    """Return the descriptor of a file of this size that has no name; raise RuntimeError where there is no room."""
    try:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("cltorch")
        else:
            with tempfile.TemporaryFile() as f:
                descriptor = os.dup(f.fileno())
    except OSError as error:
        raise _refused(nbytes, error) from error
    try:
        os.truncate(descriptor, nbytes)
    except OSError as error:
        os.close(descriptor)
        raise _refused(nbytes, error) from error
    return descriptor


def _refused(nbytes: int, error: OSError) -> RuntimeError:
    more = "; each shared storage needs two: `ulimit -n` raises the limit" if error.errno == errno.EMFILE else ""
    return RuntimeError(f"cannot get {nbytes} bytes of shared memory: {error}{more}")


class Pages(mmap.mmap):
    """Map an anonymous file; ``descriptor`` is open as long as the mapping lives."""

    descriptor: int

    @staticmethod
    def make(nbytes: int) -> Pages:
        """Return new memory, which is zero."""
        return Pages.attach(anonymous_file(max(nbytes, 1)))

    @staticmethod
    def attach(descriptor: int) -> Pages:
        """Return the mapping of a file, and own its descriptor; the same mapping for the same file."""
        about = os.fstat(descriptor)
        key = about.st_dev, about.st_ino
        known = _mapped.get(key)
        if known is not None:
            if known.descriptor != descriptor:
                os.close(descriptor)
            return known
        try:
            pages = Pages(descriptor, about.st_size)
        except OSError as error:
            os.close(descriptor)
            raise _refused(about.st_size, error) from error
        pages.descriptor = descriptor
        weakref.finalize(pages, os.close, descriptor).atexit = False
        _mapped[key] = pages
        return pages


_mapped: weakref.WeakValueDictionary[tuple[int, int], Pages] = weakref.WeakValueDictionary()


def share(storage: Storage) -> None:
    """Move the bytes of a host storage into shared memory, unless they lie there."""
    if mapping_of(storage) is None:
        pages = Pages.make(storage.nbytes) if SHARES else mmap.mmap(-1, max(storage.nbytes, 1))
        shared = np.frombuffer(pages, np.uint8, storage.nbytes)
        shared[:] = storage.array
        storage.array, storage._owner = shared, None


def _storage_on(pages: Pages, nbytes: int) -> Storage:
    return Storage(CPU, nbytes, array=np.frombuffer(pages, np.uint8, nbytes))


def _attached(descriptor: Any) -> Pages:
    return Pages.attach(descriptor.detach())


def _reduce_storage(storage: Storage) -> Any:
    if storage.array is None:
        return storage.__reduce__()
    share(storage)
    return _storage_on, (mapping_of(storage), storage.nbytes)


def _reduce_pages(pages: Pages) -> Any:
    return _attached, (reduction.DupFd(pages.descriptor),)


if SHARES:  # the pickler of processes' arguments, pipes and queues; other pickles hold values
    reduction.register(Storage, _reduce_storage)
    reduction.register(Pages, _reduce_pages)
