"""The ``device`` value: a type and an index, the default device, and the way from it to an OpenCL context."""

from __future__ import annotations

import importlib
import threading
from typing import Any

_TYPES = {"cpu": "cpu", "cl": "cl", "opencl": "cl", "cuda": "cl", "meta": "meta"}
# what PyTorch knows besides: names, so that programs can compare with them, on which no tensor can be
_OTHERS = frozenset("hip hpu ideep ipu lazy maia mkldnn mps mtia opengl privateuseone ve vulkan xla xpu".split())
_interned: dict[tuple[str, int | None], device] = {}
_state = threading.local()
_default: device | None = None
_current_cl = 0


class _AlsoCuda(str):
    """The type ``cl`` for programs that look for ``cuda`` in it: equal to both, by its hash ``cl``."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return other == "cuda" or str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __contains__(self, part: Any) -> bool:
        return part in "cuda" or str.__contains__(self, part)

    def startswith(self, prefix: str | tuple[str, ...], *bounds: Any) -> bool:
        return "cuda".startswith(prefix, *bounds) or str.startswith(self, prefix, *bounds)

    def replace(self, old: str, new: str, *count: Any) -> str:
        return ("cuda" if old in "cuda" else str(self)).replace(old, new, *count)


_cl: str = "cl"


def answer_to_cuda(on: bool) -> None:
    """Let the type of every OpenCL device equal "cuda" besides "cl", or end that."""
    global _cl
    _cl = _AlsoCuda("cl") if on else "cl"
    for (kind, _), known in _interned.items():
        if kind == "cl":
            known.type = _cl


class device:
    """Name a place for tensors: ``cpu`` (the host), ``cl:N`` (an OpenCL device) or ``meta`` (shape and dtype only).

    PyTorch's other types, as ``mps`` or ``xpu``, are names: asking for a tensor there raises NotImplementedError.
    ``opencl`` and ``cuda`` are other names of ``cl``. Without an index, ``cl`` means the current OpenCL device.
    Works as a context manager that changes the default device.

    Raises RuntimeError for an unknown type or a bad index.
    Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html#torch.device

    >>> import cltorch as torch
    >>> torch.device("cl", 0)
    device(type='cl', index=0)
    """

    __slots__ = ("type", "index", "_context", "__weakref__")

    type: str
    index: int | None
    _context: Any

    def __new__(cls, type: Any, index: int | None = None) -> device:
        if isinstance(type, device):
            return type
        if isinstance(type, int):
            if type < 0:
                raise RuntimeError("Device index must not be negative")
            type, index = "cl", type
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, not {type.__class__.__name__}")
        name, colon, number = type.partition(":")
        kind = name if name in _OTHERS else _TYPES.get(name)
        if kind is None:
            raise RuntimeError(f"Expected one of cpu, cl, opencl, cuda device type at start of device string: {type}")
        if colon:
            if index is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed explicitly: " + type
                )
            if not number.isdigit() or number != str(int(number)):
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        elif index is not None and index < 0:
            raise RuntimeError("Device index must not be negative")
        key = (kind, index)
        found = _interned.get(key)
        if found is None:
            found = object.__new__(cls)
            found.type, found.index, found._context = _cl if kind == "cl" else kind, index, None
            _interned[key] = found
        return found

    @property
    def context(self) -> Any:
        """Return the OpenCL context of a ``cl`` device, made at its first use, or what takes its place on ``meta``."""
        if self._context is None:
            if self.type == "meta":
                self._context = importlib.import_module("cltorch.device.meta").MetaContext()
                return self._context
            if self.type != "cl":
                raise RuntimeError("the cpu device has no OpenCL context")
            self._context = _contexts().get(_current_cl if self.index is None else self.index)
        return self._context

    def resolve(self) -> device:
        """Return this device with its index filled in (``cl`` becomes ``cl:0``, say)."""
        if self.type == "cl" and self.index is None:
            return device("cl", _current_cl)
        if self.index is not None and self.type != "cl" and self.type not in _OTHERS:
            return device(self.type)  # there is one host, and one place without memory
        if self.type in _OTHERS:
            raise NotImplementedError(f"there is no device '{self}' in cltorch: a tensor can be on cpu, cl or meta")
        return self

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (")" if self.index is None else f", index={self.index})")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (str(self.type), self.index))

    def __copy__(self) -> device:
        return self

    def __deepcopy__(self, memo: Any) -> device:
        return self

    def __enter__(self) -> device:
        stack = _state.__dict__.setdefault("stack", [])
        stack.append(self)
        return self

    def __exit__(self, *exc: Any) -> None:
        _state.stack.pop()


CPU = device("cpu")


def _contexts() -> Any:
    # pyopencl is imported at the first use of an OpenCL device, not with the package
    try:
        return importlib.import_module("cltorch.device.contexts")
    except ImportError as error:
        discovery = importlib.import_module("cltorch.device.discovery")
        raise RuntimeError(discovery.none_available()) from error


def chosen_device() -> device | None:
    """Return what ``with device(...)``, else ``set_default_device``, has chosen, or None where neither has."""
    stack = _state.__dict__.get("stack")
    if stack:
        return stack[-1].resolve()
    return None if _default is None else _default.resolve()


def default_device() -> device:
    """Return the device of new tensors: the chosen one, else the host."""
    return chosen_device() or CPU


def set_default_device(d: Any) -> None:
    """Set the device of new tensors, and of those that ``asarray`` and ``as_tensor`` take; None: the host, or as is.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_default_device.html

    >>> import cltorch as torch
    >>> torch.set_default_device("cpu"); torch.get_default_device()
    device(type='cpu')
    >>> torch.set_default_device(None)
    """
    global _default
    _default = None if d is None else device(d)


def get_default_device() -> device:
    """Return the device on which factory functions make tensors by default.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_default_device.html

    >>> import cltorch as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    return default_device()


def resolve(d: Any) -> device:
    """Return the device that an argument ``device=`` means; None is the default device."""
    if d is None:
        return default_device()
    return d.resolve() if d.__class__ is device else device(d).resolve()


def current_cl() -> int:
    """Return the index of the current OpenCL device."""
    return _current_cl


def set_current_cl(index: int) -> None:
    """Make another OpenCL device current; raise RuntimeError when there is none of that index."""
    global _current_cl
    _contexts().get(index)
    device("cl", None)._context = None
    _current_cl = index
