"""Tensor: an Array that takes part in autograd. Its mathematics is attached from ``cltorch.functions`` by name.

What it is, its gradients, and its values for Python and NumPy are members of the classes in ``cltorch.tensor_parts``.
Source: https://docs.pytorch.org/docs/2.13/tensors.html
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from cltorch import dtypes, functions, printing, torch_function
from cltorch.attributes import Attributes
from cltorch.autograd.grad_mode import inference_count, mode
from cltorch.autograd.handle import warn_if_has_hooks
from cltorch.device import CPU, Storage
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.operators import attach
from cltorch.ops.array import Array
from cltorch.shapes import Size
from cltorch.storage_bytes import deepcopied
from cltorch.tensor_parts.facts import Facts
from cltorch.tensor_parts.gradients import Gradients
from cltorch.tensor_parts.values import Values
from cltorch.typed import legacy_tensor, tensor_class, tensor_type, type_name

_make = object.__new__
_FIELDS = frozenset(("_storage", "lay", "dtype"))


class _TensorMeta(type):
    """Let a subclass have Tensor's ``__dict__``, where another base class would bring one that shows the fields too."""

    def __new__(mcs, name: str, bases: tuple[type, ...], space: dict[str, Any], **kw: Any) -> Any:
        if not all(issubclass(base, Array) for base in bases):
            space.setdefault("__dict__", vars(Tensor)["__dict__"])
        return super().__new__(mcs, name, bases, space, **kw)


class Tensor(Array, metaclass=_TensorMeta):
    """A multi-dimensional array of one dtype on one device.

    ``Tensor(2, 3)`` is an uninitialised float tensor of that size, ``Tensor([1, 2])`` holds the values, as in PyTorch.
    Make tensors with ``cltorch.tensor``, ``zeros``, ``rand`` and the other factories.
    Source: https://docs.pytorch.org/docs/2.13/tensors.html

    >>> import cltorch as torch
    >>> torch.Tensor([1, 2])
    tensor([1., 2.])
    """

    is_quantized = is_sparse = is_sparse_csr = is_mkldnn = is_nested = False
    is_xpu = is_mps = is_xla = is_ipu = is_hpu = is_mtia = is_maia = is_vulkan = False
    names: tuple[None, ...]
    name = None
    __array_priority__ = 1000
    __torch_dispatch__ = staticmethod(torch_function.undispatched)

    def __new__(cls, *args: Any, device: Any = None, **kw: Any) -> Any:
        if "data" in kw and not args:
            args = (kw.pop("data"),)
        if kw:
            raise TypeError(f"new() got an unexpected keyword argument '{next(iter(kw))}'")
        dev = CPU if device is None else functions.resolve_device(device)
        made = legacy_tensor(args, dtypes.get_default_dtype(), dev, of_any=True)
        return made if cls is Tensor else made.as_subclass(cls)

    def __init__(self, *args: Any, **kw: Any) -> None:
        """Take and ignore what ``__new__`` has used, so that subclasses may call it."""

    def new(self, *args: Any, size: Any = None, data: Any = None, device: Any = None) -> Any:
        """Return a tensor of this dtype on this device: of a size, or with values, as the class called does."""
        if size is not None:
            args = (Size(size),)
        elif data is not None:
            args = (data,)
        return legacy_tensor(args, self.dtype, self.device if device is None else functions.resolve_device(device))

    def split(self, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
        """Return views of parts along a dimension, of one size or of the sizes of a list; see ``torch.split``."""
        return functions.split(self, split_size, dim)

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """Return the name of the typed class, or a copy converted to another type."""
        if dtype is Tensor:
            dtype = tensor_class(dtypes.get_default_dtype(), "cpu")
        return type_name(self) if dtype is None else tensor_type(self, dtype, non_blocking)

    # ---- conversions -----------------------------------------------------------------------------------------
    def cpu(self, memory_format: Any = None) -> Any:
        """Return the tensor on the host."""
        return functions.to(self, CPU)

    def cl(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Any:
        """Return the tensor on an OpenCL device (the current one by default)."""
        return functions.to(self, "cl" if device is None else device, non_blocking=non_blocking)

    cuda = cl

    @property
    def real(self) -> Any:
        """Return the real part as a view, of real numbers the tensor itself."""
        return functions.real(self)

    @real.setter
    def real(self, value: Any) -> None:
        functions.copy_(self.real, value)

    @property
    def imag(self) -> Any:
        """Return the imaginary part as a view; raise RuntimeError for real numbers."""
        return functions.imag(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        functions.copy_(self.imag, value)

    def record_stream(self, stream: Any) -> None:
        """Do nothing: memory is only used again by commands that the one queue of a device runs later."""

    # ---- subclasses ------------------------------------------------------------------------------------------
    def __init_subclass__(cls, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        if torch_function.asks(cls):
            torch_function.install(cls)

    def as_subclass(self, cls: Any) -> Any:
        """Return the same memory, with the same history, as an object of a subclass."""
        x = self
        if self._requires_grad and self._grad_fn is None and mode.enabled and not self._batch:
            x = functions.view_as(self, self)  # a leaf's gradient goes to the leaf
        out = _of_class(cls, x)
        for name in _HISTORY:
            if name in _whole_dict(x):
                setattr(out, name, getattr(x, name))
        return out

    @staticmethod
    def _make_subclass(cls: Any, data: Any, require_grad: bool = False, **kw: Any) -> Any:
        """Return the memory of a tensor, without its history, as an object of a subclass."""
        if not isinstance(data, Tensor):
            raise TypeError(f"_make_subclass(): argument 'data' must be Tensor, not {type(data).__name__}")
        out = _of_class(cls, data)
        return out._asking() if require_grad else out

    @staticmethod
    def _make_wrapper_subclass(cls: Any, *args: Any, **kw: Any) -> Any:
        """Refuse: a tensor without memory is for ``__torch_dispatch__``, below which there is nothing here."""
        raise NotImplementedError(
            f"{cls.__name__}: wrapper subclasses work by __torch_dispatch__, which is not looked at here; "
            "use __torch_function__ and as_subclass"
        )

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function as of plain tensors and return its results as of this class; a subclass may do otherwise.

        Returns NotImplemented where an argument's class is no base of this one.
        Source: https://docs.pytorch.org/docs/2.13/notes/extending.html#subclassing-torch-tensor

        >>> import cltorch as torch
        >>> class Weights(torch.Tensor):
        ...     pass
        >>> type(torch.ones(2).as_subclass(Weights) + 1).__name__
        'Weights'
        """
        if not all(issubclass(cls, t) for t in types):
            return NotImplemented
        with torch_function.without(1):
            result = func(*args, **(kwargs or {}))
        return result if func in torch_function.AS_THEY_ARE else _converted(result, cls)

    # ---- Python protocols ------------------------------------------------------------------------------------
    def __repr__(self, *, tensor_contents: Any = None) -> str:
        kind = type(self)
        if kind in torch_function.PLAIN:
            return printing.tensor_string(self)
        text = printing.tensor_string(self, f"{kind.__name__}(")
        parameter = getattr(kind, "_mark", "") == "_is_param" or getattr(self, "_is_param", False)
        return f"Parameter({text})" if parameter else text

    def __format__(self, spec: str) -> str:
        return printing.format_tensor(self, spec)

    def __len__(self) -> int:
        if not self.lay.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self.lay.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.lay.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))  # a method, for subclasses

    def __reversed__(self) -> Any:
        return functions.flip(self, (0,)) if self.lay.ndim else self

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, int, float, complex)):
            return bool(functions.any(functions.eq(self, element)))
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, index: Any) -> Any:
        return functions.getitem(self, index)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")

    def __setitem__(self, index: Any, value: Any) -> None:
        functions.setitem_(self, index, value)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """What the user has put on the tensor."""
        return Attributes(_whole_dict(self), _is_field)

    @__dict__.setter
    def __dict__(self, attributes: dict[str, Any]) -> None:
        own = self.__dict__
        given = dict(attributes)
        own.clear()
        own.update(given)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        if self._grad_fn is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment.  If you were attempting to deepcopy a module, this may be because of a torch.nn.utils."
                "weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
            )
        out = _make(type(self))
        out._storage, out.lay, out.dtype = deepcopied(self._storage, memo), self.lay, self.dtype
        out._requires_grad = self._requires_grad
        memo[id(self)] = out
        if self._grad is not None:
            out._grad = copy.deepcopy(self._grad, memo)
        out.__dict__.update(copy.deepcopy(dict(self.__dict__), memo))
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        warn_if_has_hooks(self)
        # storages go through pickle's memo, so that tensors which share memory do so afterwards
        lay = self.lay
        return _unpickled, (
            type(self), self._storage, self.dtype, tuple(lay.shape), lay.strides, lay.offset, self._requires_grad,
            dict(self.__dict__),
        )  # fmt: skip

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take what PyTorch has pickled of tensors: memory, offset, size and strides, or whether it wants a gradient.

        States of five are of Variables before 0.4: (data, gradient, hooks, requires_grad, volatile).
        """
        if self._grad_fn is not None:
            raise RuntimeError("__setstate__ can be only called on leaf Tensors")
        if len(state) == 4:
            self.set_(*state)
            return
        if len(state) == 5:
            self.data = state[0]
            state = state[3], state[4], state[2]
        self.requires_grad, _, self._backward_hooks = state

    def __dir__(self) -> list[str]:
        return sorted(set(object.__dir__(self)) - {"volatile"})  # which warns


_whole_dict = vars(Array)["__dict__"].__get__
# what a tensor of another class must have to stand for the same value
_HISTORY = (
    "_grad_fn", "_output_nr", "_requires_grad", "_base", "_view_version", "_base_seq", "_view_kind", "_inference",
    "_tangents", "_tangent_version",
)  # fmt: skip


def _of_class(cls: Any, x: Any) -> Any:
    if not isinstance(cls, type):
        raise TypeError(f"cls must be a type (got {type(cls).__name__})")
    if not issubclass(cls, Tensor):
        raise TypeError(
            "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. Make sure your "
            "class inherits from Tensor."
        )
    if cls.__torch_dispatch__ is not torch_function.undispatched:
        raise NotImplementedError(
            f"{cls.__name__}: __torch_dispatch__ of a Tensor subclass is not looked at; use __torch_function__, or a "
            "TorchDispatchMode for a part of the program"
        )
    if not torch_function.for_good[0] and torch_function.asks(cls) and cls is not Tensor:
        torch_function.switch_on()
    out = _make(cls)
    out._storage, out.lay, out.dtype = x._storage, x.lay, x.dtype
    return out


def _converted(result: Any, cls: Any) -> Any:
    """Return a result, or the tensors in a tuple or list of results, as of a class."""
    if isinstance(result, Tensor):
        return result if isinstance(result, cls) or cls is Tensor or result._batch else result.as_subclass(cls)
    if isinstance(result, (tuple, list)) and not isinstance(result, Size):
        items = [_converted(x, cls) for x in result]
        return result._make(items) if hasattr(result, "_make") else type(result)(items)
    return result


def _is_field(name: str) -> bool:
    return name in _FIELDS or hasattr(Tensor, name)


def _unpickled(
    cls: Any, storage: Storage, t: dtype, shape: Any, strides: Any, offset: int, requires_grad: bool, attributes: Any
) -> Any:
    made = _make(cls)
    made._storage, made.lay, made.dtype = storage, Layout.make(shape, strides, offset), t
    made._requires_grad = requires_grad
    made.__dict__.update(attributes)
    return made


def _new(storage: Storage, layout: Layout, dtype: dtype) -> Tensor:
    t = _make(Tensor)
    t._storage = storage
    t.lay = layout
    t.dtype = dtype
    if inference_count[0] and mode.inference:
        t._inference = True
    return t


Array.new = staticmethod(_new)  # type: ignore[method-assign]


attach(Tensor, Facts, Gradients, Values)


def is_tensor(obj: Any) -> bool:
    """Return whether an object is a Tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_tensor.html

    >>> import cltorch as torch
    >>> torch.is_tensor(torch.ones(1))
    True
    """
    return isinstance(obj, Tensor)
