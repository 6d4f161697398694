"""Tensor: an Array that takes part in autograd. Its mathematics is attached from ``cltorch.functions`` by name.

Source: https://docs.pytorch.org/docs/2.13/tensors.html
"""

from __future__ import annotations

import copy
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cltorch import dlpack, dtypes, functions, printing, torch_function
from cltorch.attributes import Attributes
from cltorch.autograd import batches, gradients
from cltorch.autograd.grad_mode import inference_count, mode
from cltorch.autograd.graph import Retained, Settings, needs_grad, refresh_view, refuse_in_transform
from cltorch.autograd.handle import RemovableHandle, add_hook, warn_if_has_hooks
from cltorch.device import CPU, Storage
from cltorch.dtypes import dtype
from cltorch.formats import follows, need_format
from cltorch.layout import Layout, Size
from cltorch.operators import attach
from cltorch.ops.array import Array, host, to_numpy, values
from cltorch.ops.notices import warn_once
from cltorch.ops.turned import plain, turns
from cltorch.storage import storage_class
from cltorch.storage_types import TypedStorage, UntypedStorage, deepcopied
from cltorch.typed import legacy_tensor, tensor_class, tensor_type, type_name

_make = object.__new__
_FIELDS = frozenset(("_storage", "layout", "dtype"))


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

    _grad_fn: Any = None
    _output_nr = 0
    _requires_grad = False
    _grad: Any = None
    _grad_dtype: Any = ...  # the tensor's own
    _base: Any = None
    _view_version = 0
    _accumulate: Any = None
    _hooks: dict[int, Any] | None = None
    _post_hooks: dict[int, Any] | None = None
    _retains: Retained | None = None
    _base_seq = 0  # the number of the base's grad_fn when this view took its history from it
    _view_kind: str | None = None  # why a view must not be changed in place
    _inference = False
    _batch = 0  # the level at which it is a batch under vmap
    _tangents: dict[int, Any] | None = None  # of forward-mode derivatives, by level
    _tangent_version = -1  # the storage's version when they were made
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

    # ---- what it is ------------------------------------------------------------------------------------------
    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dimension."""
        return self.layout.shape if dim is None else self.layout.shape[functions.wrap_dim(dim, self.layout.ndim)]

    def stride(self, dim: int | None = None) -> Any:
        """Return the strides in elements, or the stride of one dimension."""
        return self.layout.strides if dim is None else self.layout.strides[functions.wrap_dim(dim, self.layout.ndim)]

    def storage_offset(self) -> int:
        """Return the position of the first element in the storage."""
        return self.layout.offset

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.layout.ndim

    ndimension = dim
    ndim = property(dim)

    def numel(self) -> int:
        """Return the number of elements."""
        return self.layout.numel

    nelement = numel

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.dtype.itemsize

    itemsize = property(element_size)
    nbytes = property(lambda self: self.layout.numel * self.dtype.itemsize)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Return whether the elements lie in row-major order without gaps."""
        if memory_format is not None and need_format(memory_format)._ndim is not None:
            return follows(self.layout, memory_format)
        return self.layout.contiguous

    def data_ptr(self) -> int:
        """Return the address of the first element (on a device: of its buffer, plus the offset in bytes; 0 on meta)."""
        if not self.layout.numel or self.is_meta:
            return 0
        return self._storage.data_ptr() + self.layout.offset * self.dtype.itemsize

    def new(self, *args: Any, size: Any = None, data: Any = None, device: Any = None) -> Any:
        """Return a tensor of this dtype on this device: of a size, or with values, as the class called does."""
        if size is not None:
            args = (Size(size),)
        elif data is not None:
            args = (data,)
        return legacy_tensor(args, self.dtype, self.device if device is None else functions.resolve_device(device))

    def untyped_storage(self) -> Any:
        """Return the bytes behind the tensor, shared by its views."""
        return UntypedStorage(_raw=plain(self._storage))

    def storage(self) -> Any:
        """Return the elements behind the tensor, shared by its views, as a TypedStorage of this dtype."""
        return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype)

    _typed_storage = storage

    def _fix_weakref(self) -> None:
        """Do nothing: a weak reference to a tensor finds it as long as anything has it."""

    def storage_type(self) -> Any:
        """Return the class FloatStorage, ByteStorage … of the storage."""
        return storage_class(self.dtype, self.device.type)

    def get_device(self) -> int:
        """Return the index of the OpenCL device, -1 on the host."""
        index = self.device.index
        return -1 if index is None else index

    def split(self, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
        """Return views of parts along a dimension, of one size or of the sizes of a list; see ``torch.split``."""
        return functions.split(self, split_size, dim)

    def is_floating_point(self) -> bool:
        """Return whether the dtype is a floating-point type."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Return whether the dtype is complex."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Return whether the dtype has a sign."""
        return self.dtype.is_signed

    def is_conj(self) -> bool:
        """Return whether this is a view that shows its memory conjugated."""
        return functions.is_conj(self)

    def is_neg(self) -> bool:
        """Return whether this is a view that shows its memory negated."""
        return functions.is_neg(self)

    @property
    def is_cl(self) -> bool:
        """Return whether the tensor lies on an OpenCL device."""
        return self._storage.device.type == "cl"

    is_cuda = is_cl
    is_cpu = property(lambda self: self._storage.device.type == "cpu")
    is_meta = property(lambda self: self._storage.device.type == "meta")

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """Return the name of the typed class, or a copy converted to another type."""
        if dtype is Tensor:
            dtype = tensor_class(dtypes.get_default_dtype(), "cpu")
        return type_name(self) if dtype is None else tensor_type(self, dtype, non_blocking)

    # ---- autograd --------------------------------------------------------------------------------------------
    @property
    def grad_fn(self) -> Any:
        """Return the node that made this tensor, None for a leaf."""
        if self._base is not None and self._view_version != self._storage.version:
            refresh_view(self)
        return self._grad_fn

    @property
    def requires_grad(self) -> bool:
        """Return whether a gradient is wanted."""
        return needs_grad(self)

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if not isinstance(on, bool):
            raise RuntimeError("requires_grad must be a bool")
        _want_grad(self, on)  # not by the method, which a subclass may write by this

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Say whether a gradient is wanted; raise RuntimeError where that cannot change, or under torch.func."""
        if Settings.transforms or batches.state.levels:
            refuse_in_transform("requires_grad_()", " (or perhaps using torch.autograd.functional.* APIs)")
        return self._asking(requires_grad)

    def _asking(self, requires_grad: bool = True) -> Tensor:
        _want_grad(self, requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Return whether no recorded operation made this tensor."""
        return self.grad_fn is None

    @property
    def grad(self) -> Any:
        """Return the accumulated gradient."""
        if self._grad is None and self._grad_fn is not None and self._retains is None:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for "
                "a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
                "mistake, make sure you access the leaf Tensor instead.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            wanted = self.dtype if self._grad_dtype is ... else self._grad_dtype
            if value.dtype is not wanted and wanted is not None:
                have, names = dtypes.C_NAMES.get(value.dtype.name), dtypes.TYPE_NAMES
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{have}' to a tensor with grad_dtype "
                    f"'{names.get(wanted)}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's "
                    "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any "
                    "dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break "
                    "downstream systems that assume they match."
                )
            if value._storage.device is not self._storage.device:
                raise RuntimeError(
                    f"attempting to assign a gradient with device type '{value.device.type}' to a tensor with device "
                    f"type '{self.device.type}'. Please ensure that the gradient and the tensor are on the same device"
                )
            if value.layout.shape != self.layout.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self) -> Any:
        """Return the dtype to which a leaf's gradients are cast, its own unless it was set; None for as they come.

        Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.grad_dtype.html

        >>> import cltorch as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> x.grad_dtype = torch.float16
        >>> x.sum().backward(); x.grad
        tensor([1., 1.], dtype=torch.float16)
        """
        self._need_leaf("accessed")
        return self.dtype if self._grad_dtype is ... else self._grad_dtype

    @grad_dtype.setter
    def grad_dtype(self, value: Any) -> None:
        self._need_leaf("set")
        if value is not None and not isinstance(value, dtype):
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}")
        if self._grad is not None and value is not None and self._grad.dtype is not value:
            have = dtypes.C_NAMES.get(self._grad.dtype.name)
            raise RuntimeError(
                f"Cannot set grad_dtype to '{dtypes.TYPE_NAMES.get(value)}' because there is already a gradient with "
                f"dtype '{have}'. Please clear the gradient (.grad = None) before changing grad_dtype, or "
                "ensure the new grad_dtype matches the existing gradient's dtype."
            )
        self._grad_dtype = value

    def __delattr__(self, name: str) -> None:
        if name == "_grad_fn":
            raise RuntimeError("Deletion of _grad_fn not allowed. Detach tensor instead!")
        object.__delattr__(self, name)

    def _need_leaf(self, what: str) -> None:
        if self.grad_fn is not None:
            raise RuntimeError(f"grad_dtype can only be {what} on leaf tensors.")

    @property
    def output_nr(self) -> int:
        """Return which result of ``grad_fn`` this is."""
        return self._output_nr

    @property
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._storage.version

    def _is_view(self) -> bool:
        return self._base is not None

    def is_inference(self) -> bool:
        """Return whether the tensor was made in inference mode."""
        return self._inference

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Accumulate gradients into the leaves of this tensor's graph; see ``autograd.backward``."""
        gradients.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad)`` when this tensor's gradient is computed; what it returns replaces it."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        fn = self.grad_fn
        if fn is not None:
            return fn.register_tensor_hook(self._output_nr, hook)
        if self._hooks is None:
            self._hooks = OrderedDict()
        return add_hook(self._hooks, hook)

    @property
    def _backward_hooks(self) -> Any:
        fn = self.grad_fn
        if fn is None:
            return self._hooks
        return None if fn.hooks is None else fn.hooks.tensor.get(self._output_nr)

    @_backward_hooks.setter
    def _backward_hooks(self, hooks: Any) -> None:
        fn = self.grad_fn
        if fn is None:
            self._hooks = hooks
        elif hooks is None:
            fn._extras().tensor.pop(self._output_nr, None)
        else:
            fn._extras().tensor[self._output_nr] = hooks

    @_backward_hooks.deleter
    def _backward_hooks(self) -> None:
        raise RuntimeError("Deletion of _backwards_hooks not allowed!")

    @property
    def volatile(self) -> bool:
        """Return False, with a warning: ``no_grad`` took its place."""
        warnings.warn("volatile was removed (Variable.volatile is always False)", stacklevel=2)
        return False

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` after its ``grad`` was accumulated."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._post_hooks is None:
            self._post_hooks = OrderedDict()
        return add_hook(self._post_hooks, hook)

    def retain_grad(self) -> None:
        """Keep ``grad`` of a tensor that is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if Settings.transforms:
            refuse_in_transform("retain_grad()")
        fn = self.grad_fn
        if fn is not None and self._retains is None:
            self._retains = Retained(self)
            self._retains.move(None, fn, self._output_nr)

    @property
    def retains_grad(self) -> bool:
        """Return whether ``retain_grad`` was asked for."""
        return self._retains is not None

    @property
    def data(self) -> Any:
        """Return the same memory outside the graph; changing it in place is not noticed by autograd."""
        out = Array.new(self._storage.alias(), self.layout, self.dtype)
        if self._inference or out._inference:
            out._inference = self._inference
        return out

    @data.setter
    def data(self, value: Any) -> None:
        functions.set_data(self, value)

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    def _detached(self, tangents: bool = False) -> Any:
        """Return the same memory outside the graph; ``tangents`` says whether they go along."""
        out = Array.new(self._storage, self.layout, self.dtype)
        if self._inference or out._inference:
            out._inference = self._inference
        if tangents and self._tangents is not None:
            out._tangents, out._tangent_version = self._tangents, self._tangent_version
        return out

    # ---- conversions -----------------------------------------------------------------------------------------
    def cpu(self, memory_format: Any = None) -> Any:
        """Return the tensor on the host."""
        return functions.to(self, CPU)

    def cl(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Any:
        """Return the tensor on an OpenCL device (the current one by default)."""
        return functions.to(self, "cl" if device is None else device, non_blocking=non_blocking)

    cuda = cl

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Return a NumPy array that shares the memory of a host tensor.

        Raises TypeError for a tensor on a device (``force=True`` copies it) or of a dtype NumPy lacks, RuntimeError
        for one that requires a gradient, unless gradients are switched off.
        """
        if self.dtype.opaque:
            raise TypeError(f"Got unsupported ScalarType {dtypes.TYPE_NAMES[self.dtype]}")
        conj, neg = turns(self)
        if (conj or neg) and not force:
            bit, how = ("conjugate", "resolve_conj") if conj else ("negative", "resolve_neg")
            raise RuntimeError(
                f"Can't call numpy() on Tensor that has {bit} bit set. Use tensor.{how}().numpy() instead."
            )
        if self._storage.array is None:
            if not force:
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the "
                    "tensor to host memory first."
                )
            return to_numpy(self)
        if self.requires_grad and not force and mode.enabled:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return to_numpy(self) if conj or neg else host(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        a = self.numpy()
        if dtype is not None and a.dtype != dtype:
            if copy is False:
                raise ValueError(f"an array of {dtype} cannot share the memory of a tensor of {self.dtype}")
            return a.astype(dtype)
        return a.copy() if copy else a

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return functions.from_numpy(np.asarray(array))

    def item(self) -> Any:
        """Return the one element as a Python number; waits for the device."""
        if self.layout.numel != 1:
            raise RuntimeError(f"a Tensor with {self.layout.numel} elements cannot be converted to Scalar")
        return self._one()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers, a number for 0-d."""
        return values(self).tolist()

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        return dlpack.dlpack(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.dlpack_device(self)

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
        if not self.layout.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self.layout.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.layout.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))  # a method, for subclasses

    def __reversed__(self) -> Any:
        return functions.flip(self, (0,)) if self.layout.ndim else self

    def __bool__(self) -> bool:
        if self.layout.numel != 1:
            what = "no values" if self.layout.numel == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
        return bool(self.item())

    __nonzero__ = __bool__

    def _one(self) -> Any:
        if self.is_meta:
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")
        return values(self).item()

    def _scalar(self) -> Any:
        if self.layout.numel != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        if needs_grad(self):
            warn_once(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                "Consider using tensor.detach() first."
            )
        return self._one()

    def _real_scalar(self, kind: str) -> Any:
        value = self._scalar()
        if isinstance(value, complex):
            if value.imag:
                raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
            value = value.real
        return value

    def __int__(self) -> int:
        return int(self._real_scalar("int64_t"))

    __long__ = __int__  # Python 2's name, which libraries that list Tensor's methods ask for

    def __float__(self) -> float:
        return float(self._real_scalar("double"))

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def __index__(self) -> int:
        if self.layout.numel != 1 or self.dtype.differentiable:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

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
        out._storage, out.layout, out.dtype = deepcopied(self._storage, memo), self.layout, self.dtype
        out._requires_grad = self._requires_grad
        memo[id(self)] = out
        if self._grad is not None:
            out._grad = copy.deepcopy(self._grad, memo)
        out.__dict__.update(copy.deepcopy(dict(self.__dict__), memo))
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        warn_if_has_hooks(self)
        # storages go through pickle's memo, so that tensors which share memory do so afterwards
        lay = self.layout
        return _unpickled, (
            type(self), self._storage, self.dtype, tuple(lay.shape), lay.strides, lay.offset, self._requires_grad,
            dict(self.__dict__),
        )  # fmt: skip

    def __dir__(self) -> list[str]:
        return sorted(set(object.__dir__(self)) - {"volatile"})  # which warns


def _want_grad(x: Any, requires_grad: Any) -> None:
    if not isinstance(requires_grad, int):
        raise TypeError(
            f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {type(requires_grad).__name__}"
        )
    if requires_grad and not x.dtype.differentiable:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    if x._inference and requires_grad and not mode.inference:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
    if not requires_grad and x._grad_fn is not None:
        raise RuntimeError(
            "you can only change requires_grad flags of leaf variables. If you want to use a computed "
            "variable in a subgraph "
            "that doesn't require differentiation use var_no_grad = var.detach()."
        )
    x._requires_grad = bool(requires_grad)


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
    out._storage, out.layout, out.dtype = x._storage, x.layout, x.dtype
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
    made._storage, made.layout, made.dtype = storage, Layout.make(shape, strides, offset), t
    made._requires_grad = requires_grad
    made.__dict__.update(attributes)
    return made


def _new(storage: Storage, layout: Layout, dtype: dtype) -> Tensor:
    t = _make(Tensor)
    t._storage = storage
    t.layout = layout
    t.dtype = dtype
    if inference_count[0] and mode.inference:
        t._inference = True
    return t


Array.new = staticmethod(_new)  # type: ignore[method-assign]


attach(Tensor)


def is_tensor(obj: Any) -> bool:
    """Return whether an object is a Tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_tensor.html

    >>> import cltorch as torch
    >>> torch.is_tensor(torch.ones(1))
    True
    """
    return isinstance(obj, Tensor)
