"""Tensors on the bytes of a file: from_file.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.from_file.html
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import Storage, resolve
from cltorch.functions.arguments import check_layout, finish, read_dtype, read_int
from cltorch.layout import Layout
from cltorch.ops.array import Array

__all__ = ["from_file"]


def mapped_storage(filename: Any, shared: bool, nbytes: int) -> Storage:
    """Return a host storage on the first bytes of a file; changes are written to it if it is shared, else not.

    A file that is shared is made, or made longer, where that is needed. Raises RuntimeError where it cannot be opened
    or is too short.
    """
    name = os.fspath(filename)
    try:
        if shared:
            with open(name, "ab") as file:
                if file.tell() < nbytes:
                    file.truncate(nbytes)
        size = os.stat(name).st_size
        if size < nbytes:
            raise RuntimeError(f"file <{name}> size <{size}> is smaller than the required mapping size <{nbytes}>")
        if not nbytes:
            return Storage.wrap(np.empty(0, np.uint8))
        return Storage.wrap(np.asarray(np.memmap(name, np.uint8, "r+" if shared else "c", shape=(nbytes,))))
    except OSError as error:
        how = "read-write" if shared else "read-only"
        raise RuntimeError(f"unable to open file <{name}> in {how} mode: {error.strerror} ({error.errno})") from error


def from_file(
    filename: Any, shared: bool | None = None, size: int = 0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """Return a vector of ``size`` elements on the bytes of a file, without reading it into memory.

    With ``shared`` the file is changed with the tensor, and made where it is not there; without it the tensor's changes
    stay in memory. On the host only. Raises RuntimeError for other devices and for a file that is missing or too short.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.from_file.html

    >>> import cltorch as torch
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "x")
    >>> torch.from_file(path, shared=True, size=3).fill_(2)
    tensor([2., 2., 2.])
    >>> torch.from_file(path, size=3)
    tensor([2., 2., 2.])
    """
    check_layout(layout, pin_memory)
    t = read_dtype("from_file", dtype, dtypes.get_default_dtype())
    n = read_int("from_file", "size", 3, size)
    dev = resolve("cpu" if device is None else device)
    if dev.type != "cpu":
        raise RuntimeError(f"from_file(): only tensors on the cpu can lie in a file, but got device {dev}")
    storage = mapped_storage(filename, bool(shared), n * t.itemsize)
    return finish(Array.new(storage, Layout.of((n,)), t), requires_grad)
