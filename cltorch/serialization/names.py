"""The names by which PyTorch's files call dtypes, storages and functions, and what they mean here.

Files made here use the same names, so that PyTorch reads them, and neither side needs the other to be installed.
"""

from __future__ import annotations

import _compat_pickle
import codecs
import importlib
from collections import Counter, OrderedDict
from typing import Any

from cltorch import dtypes
from cltorch.device import device
from cltorch.formats import strided
from cltorch.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from cltorch.serialization import rebuild
from cltorch.serialization.rebuild import StorageType
from cltorch.serialization.safe_globals import user_allowed
from cltorch.shapes import Size
from cltorch.storage_types import STORAGE_NAMES
from cltorch.tensor import Tensor

UNTYPED = StorageType("storage.UntypedStorage", None)
STORAGE_TYPES = {t: StorageType(f"{name}Storage", t) for t, name in STORAGE_NAMES.items()}


# ---- what a file may call -------------------------------------------------------------------------------------------
def ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
    """Return an OrderedDict of pairs."""
    return OrderedDict(_pairs(items))


def counter(items: Any = ()) -> Counter[Any]:
    """Return a Counter of a dict of counts."""
    return Counter(dict(_pairs(items)))


def make_set(items: Any = ()) -> set[Any]:
    """Return a set of a list of plain values."""
    return set(check_keys(_sequence(items)))


def make_frozenset(items: Any = ()) -> frozenset[Any]:
    """Return a frozenset of a list of plain values."""
    return frozenset(check_keys(_sequence(items)))


def make_bytearray(data: Any = b"", encoding: Any = None) -> bytearray:
    """Return a bytearray of bytes, or of text in Latin-1; never of a length, which could be any."""
    if isinstance(data, str) and encoding in ("latin-1", "latin1"):
        data = data.encode("latin-1")
    if not isinstance(data, bytes):
        raise TypeError(f"bytearray() of {type(data).__name__}")
    return bytearray(data)


def encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Return the bytes that protocol 2 writes as Latin-1 text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise TypeError(f"encode() of {type(text).__name__} as {encoding!r:.40}")
    return text.encode(encoding)


def make_complex(real: Any = 0.0, imag: Any = 0.0) -> complex:
    """Return a complex number of two floats."""
    return complex(float(real), float(imag))


def get_layout(name: Any) -> Any:
    """Return the layout value of a name; only strided tensors exist here."""
    if name != "torch.strided":
        raise RuntimeError(f"{name!r:.80} is a layout without a counterpart in cltorch")
    return strided


def make_device(type: Any, index: Any = None) -> device:
    """Return a device; one that only PyTorch knows raises RuntimeError."""
    return device(type) if index is None else device(type, index)


def make_size(sizes: Any = ()) -> Size:
    """Return a Size."""
    return Size(_sequence(sizes))


# what a file names -> what stands for it. Everything in this table is harmless whatever its arguments.
SAFE: dict[str, Any] = {
    "collections.OrderedDict": ordered_dict,
    "collections.Counter": counter,
    "builtins.set": make_set,
    "builtins.frozenset": make_frozenset,
    "builtins.bytearray": make_bytearray,
    "builtins.complex": make_complex,
    "_codecs.encode": encode,
    "torch.Size": make_size,
    "torch.device": make_device,
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.serialization._get_layout": get_layout,
    "torch._utils._rebuild_tensor": rebuild.rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild.rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": rebuild.rebuild_tensor_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": rebuild.rebuild_meta_tensor,
    "torch._utils._rebuild_parameter": rebuild.rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": rebuild.rebuild_parameter_with_state,
    "torch._tensor._rebuild_from_type_v2": rebuild.rebuild_from_type_v2,
    "torch.storage.UntypedStorage": UNTYPED,
    "torch.UntypedStorage": UNTYPED,
    **{f"torch.{t.name}": t for t in dtypes.TYPE_NAMES},
    **{f"torch.{kind.name}": kind for kind in STORAGE_TYPES.values()},
    **{f"torch.cuda.{kind.name}": kind for kind in STORAGE_TYPES.values()},
}

# classes that a file calls through the checking functions above, as an unrestricted load finds them
_REAL = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "_codecs.encode": codecs.encode,
    "torch.Size": Size,
    "torch.device": device,
}

# what stands for it -> the name to write
WRITTEN: dict[Any, tuple[str, str]] = {
    **{value: tuple(name.rsplit(".", 1)) for name, value in SAFE.items() if name.startswith("torch.")},  # type: ignore[misc]
    **{kind: ("torch", kind.name) for kind in STORAGE_TYPES.values()},
    UNTYPED: ("torch.storage", "UntypedStorage"),
    Size: ("torch", "Size"),
    device: ("torch", "device"),
    **{kind: ("torch.nn.parameter", kind.__name__) for kind in (UninitializedParameter, UninitializedBuffer)},
}


def full_name(module: str, name: str) -> str:
    """Return one name for what Python 2 and 3 call differently: a pickle of protocol 2 holds the older one."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        module, name = _compat_pickle.NAME_MAPPING[module, name]
    return f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"


def unrestricted(module: str, name: str) -> Any:
    """Return what a name means in a trusted file, or None where it is not PyTorch's business.

    Classes of PyTorch are looked up here, not in PyTorch: ``torch.nn.modules.linear.Linear`` is ``cltorch.nn.Linear``.
    Raises AttributeError for one without a counterpart.
    """
    full = full_name(module, name)
    found = _REAL.get(full, SAFE.get(full) if full.startswith("torch") else None)
    if found is not None or module.split(".")[0] != "torch":
        return found
    for place in _places(module):
        try:
            value = getattr(importlib.import_module(place), name, None)
        except ModuleNotFoundError:
            continue
        if value is not None:
            return value
    raise AttributeError(f"this file needs {full}, which has no counterpart in cltorch")


def _places(module: str) -> tuple[str, ...]:
    """Return where to look for what a module of PyTorch holds."""
    if module.startswith("torch._C"):  # functions written in C++, as the activation of a layer
        return "cltorch.nn.functional", "cltorch"
    package = module.split(".")[1] if "." in module else ""
    return (f"cltorch.{module[6:]}", f"cltorch.{package}") if package else ("cltorch",)


# ---- checks ---------------------------------------------------------------------------------------------------------
_MOST_PARTS = 1000  # of a key
_PLAIN = (str, int, float, bool, bytes, complex, type(None), dtypes.dtype, device)


def check_keys(keys: Any) -> Any:
    """Return keys of a dict or set, each a plain value or a shallow tuple of such; raise TypeError otherwise.

    Hashing anything else could run code, and hashing a tuple nested a million deep ends the process.
    """
    for key in keys:
        if type(key) is not str:
            _check_key(key, [_MOST_PARTS])
    return keys


def _check_key(key: Any, left: list[int], depth: int = 16) -> None:
    left[0] -= 1  # counted over the whole key: parts that hold each other twice double with every level
    if isinstance(key, tuple) and depth and left[0] > 0:
        for part in key:
            _check_key(part, left, depth - 1)
    elif not isinstance(key, (*_PLAIN, Tensor)) and not any(type(key) is f for f in user_allowed().values()):
        raise TypeError(f"{type(key).__name__} is not a key that a checkpoint may use")


def _sequence(items: Any) -> Any:
    if not isinstance(items, (list, tuple)):
        raise TypeError(f"expected a list or tuple, got {type(items).__name__}")
    return items


def _pairs(items: Any) -> list[Any]:
    pairs: list[Any] = list(items.items()) if isinstance(items, dict) else _sequence(items)
    if any(not isinstance(p, (list, tuple)) or len(p) != 2 for p in pairs):
        raise TypeError("expected pairs of a key and a value")
    check_keys([p[0] for p in pairs])
    return pairs
