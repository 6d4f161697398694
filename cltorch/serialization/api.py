"""save and load.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.save.html and torch.load.html
"""

from __future__ import annotations

import io
import os
import pickle
from typing import Any

from cltorch.serialization import config
from cltorch.serialization.archive import is_zip
from cltorch.serialization.atomic import atomic_write
from cltorch.serialization.legacy import load_legacy, save_legacy
from cltorch.serialization.location import restore_location
from cltorch.serialization.options import mapped_shared, skipping
from cltorch.serialization.reading import Options
from cltorch.serialization.zipfiles import load_zip, save_zip

DEFAULT_PROTOCOL = 2


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Save an object to a file that PyTorch reads too.

    ``f`` is a path or a binary stream. Tensors that share a storage share it again after loading; the whole storage
    is saved, also for a small view of it. A path is replaced only once everything is written and synced: a crash
    leaves the previous file. Raises RuntimeError where the folder is missing. Storages on ``cl:N`` are tagged
    ``cuda:N``. The ``Pickler`` of ``pickle_module`` writes what is not PyTorch's, functions for one.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.save.html

    >>> import cltorch as torch, io
    >>> f = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, f)
    >>> _ = f.seek(0)
    >>> torch.load(f)
    {'weight': tensor([1., 1.])}
    """
    if not 0 <= pickle_protocol <= pickle.HIGHEST_PROTOCOL:
        raise ValueError(f"pickle protocol must be 0 to {pickle.HIGHEST_PROTOCOL}, got {pickle_protocol}")

    def write(obj: Any, f: Any, prefix: str) -> None:
        if _use_new_zipfile_serialization:
            name = prefix if prefix.isprintable() and prefix.isascii() and prefix else "archive"
            save_zip(obj, f, name, pickle_protocol, not _disable_byteorder_record, pickle_module)
        elif skipping():
            raise RuntimeError("skip_data leaves out the data of the zip format only")
        else:
            save_legacy(obj, f, pickle_protocol, pickle_module)

    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        prefix = os.path.splitext(os.path.basename(path))[0]
        with atomic_write(path) as stream:
            write(obj, stream, prefix)
        return
    if not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    write(obj, f, "archive")


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load an object that ``save`` here or ``torch.save`` wrote, in the zip format or the one before PyTorch 1.6.

    ``map_location`` says where storages go: None to where they were (``cuda:N`` is ``cl:N``), a device or string for
    all, a dict from tag to tag, or a function (storage, tag) -> storage or None. ``weights_only`` (the default) builds
    tensors, numbers, strings and containers only and runs nothing that the file says; see ``add_safe_globals``.
    ``mmap=True`` maps the file instead of reading it; ``torch.utils.serialization.config`` holds the default.

    Raises ``pickle.UnpicklingError`` for what is not allowed, RuntimeError or EOFError for a damaged file.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.load.html

    >>> import cltorch as torch
    >>> import io
    >>> f = io.BytesIO()
    >>> torch.save({"w": torch.ones(2)}, f)
    >>> _ = f.seek(0)
    >>> torch.load(f)
    {'w': tensor([1., 1.])}
    """
    if weights_only is None:
        weights_only = _default_weights_only(pickle_module)
    elif _forced("TORCH_FORCE_WEIGHTS_ONLY_LOAD"):
        weights_only = True
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only and (unknown := [name for name in pickle_load_args if name != "encoding"]):
        raise TypeError(f"load with weights_only=True got an unexpected keyword argument '{unknown[0]}'")
    options = Options(weights_only, restore_location(map_location), pickle_module or pickle, pickle_load_args)
    if isinstance(f, (str, os.PathLike)):
        mapped = config.load.mmap if mmap is None else bool(mmap)
        with open(f, "r+b" if mapped and mapped_shared() else "rb") as stream:
            return _read(stream, os.fspath(f), options, mapped)
    if mmap:
        raise ValueError(f"f must be a file path in order to use the mmap argument, got {type(f).__name__}")
    _check_stream(f)
    return _read(f, str(getattr(f, "name", "the stream")), options, False)


def load_from_bytes(b: bytes) -> Any:
    """Return the storage in the bytes of a file, as pickles that PyTorch has written call it for their tensors."""
    return load(io.BytesIO(b), weights_only=False)


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """Return the names in a file that ``load`` with ``weights_only=True`` would refuse; builds and runs nothing."""
    found: set[str] = set()
    options = Options(True, lambda storage, tag: storage, pickle, {}, found)
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as stream:
            _read(stream, os.fspath(f), options, False)
    else:
        _check_stream(f)
        _read(f, "the stream", options, False)
    return sorted(found)


def _read(f: Any, name: str, options: Options, mapped: bool) -> Any:
    if is_zip(f):
        # a stream may hold something before the archive: positions count from the archive's start
        if f.tell():
            f = io.BytesIO(f.read())
        return load_zip(f, name, options, mapped)
    if mapped:
        raise RuntimeError(
            "mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True)`, "
            f"but {name} is not a zip archive"
        )
    if skipping():
        raise RuntimeError(f"skip_data leaves out the data of the zip format only, but {name} is not a zip archive")
    return load_legacy(f, name, options)


def _check_stream(f: Any) -> None:
    if not all(hasattr(f, method) for method in ("read", "readline", "tell", "seek")):
        raise AttributeError(
            f"'{type(f).__name__}' object has no attribute 'seek'. You can only load from a file that is seekable. "
            "Please pre-load the data into a buffer like io.BytesIO and try to load from it instead."
        )
    try:
        f.seek(f.tell())
    except (io.UnsupportedOperation, OSError) as error:
        raise io.UnsupportedOperation(
            f"{error}. You can only load from a file that is seekable. Please pre-load the data into a buffer like "
            "io.BytesIO and try to load from it instead."
        ) from error


def _forced(variable: str) -> bool:
    return os.environ.get(variable, "0").lower() in ("1", "y", "yes", "true")


def _default_weights_only(pickle_module: Any) -> bool:
    if _forced("TORCH_FORCE_WEIGHTS_ONLY_LOAD"):
        return True
    return pickle_module is None and not _forced("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
