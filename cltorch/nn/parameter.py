"""Parameter and Buffer: tensors that a Module registers when they are assigned to it; and their lazy forms.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parameter.Parameter.html
"""

from __future__ import annotations

from typing import Any

from cltorch import functions, torch_function
from cltorch.tensor import Tensor


class _MarkedMeta(type(Tensor)):  # type: ignore[misc]
    """Count a tensor of a user's own subclass as an instance once it bears the class's mark."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        mark = cls.__dict__.get("_mark")
        return mark is not None and isinstance(instance, Tensor) and getattr(instance, mark, False) is True


class Parameter(Tensor, metaclass=_MarkedMeta):
    """Hold a tensor that a Module lists among its parameters when it is assigned as an attribute.

    ``data`` shares its memory with the parameter (an empty tensor if None); ``requires_grad`` is True by default.
    Shape: that of ``data`` (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parameter.Parameter.html

    >>> import cltorch as torch
    >>> p = torch.nn.Parameter(torch.ones(2))
    >>> p
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    _mark = "_is_param"
    __torch_function__ = torch_function.disabled

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = functions.empty(0)
        if requires_grad and not data.dtype.differentiable:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        bare = data.detach()
        kind = type(data)
        plain = type(bare) is Tensor and (kind is Tensor or not torch_function.asks(kind))
        if plain or isinstance(bare, cls):
            return bare.as_subclass(cls)._asking(requires_grad)
        if type(bare) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns "
                f"an instance of the same type, but return type {type(bare).__name__} was found instead."
            )
        bare._is_param = True
        return bare.requires_grad_(requires_grad)

    def __init__(self, *given: Any, **named: Any) -> None:
        # everything is made in __new__, which a subclass may give arguments of its own, and which may return a user's
        # own subclass of Tensor
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return found

    def __repr__(self) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor, metaclass=_MarkedMeta):
    """Make a tensor that a Module lists among its buffers when it is assigned as an attribute.

    With ``persistent=False`` the buffer is left out of the module's ``state_dict``.
    Shape: that of ``data`` (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parameter.Buffer.html

    >>> import cltorch as torch
    >>> m = torch.nn.Module()
    >>> m.count = torch.nn.Buffer(torch.zeros(()))
    >>> [name for name, _ in m.named_buffers()]
    ['count']
    """

    _mark = "_is_buffer"
    __torch_function__ = torch_function.disabled

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = functions.empty(0)
        t = data.detach().requires_grad_(data.requires_grad)
        t.persistent = persistent
        t._is_buffer = True
        return t


_ParameterMeta = _BufferMeta = _MarkedMeta  # PyTorch's names of the classes' class
torch_function.PLAIN.update((Parameter, Buffer))


def is_lazy(param: Any) -> bool:
    """Return whether a parameter or buffer has no shape yet.

    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import cltorch as torch
    >>> torch.nn.parameter.is_lazy(torch.nn.LazyLinear(2).weight)
    True
    """
    return isinstance(param, UninitializedTensorMixin)


def refuse_lazy(param: Any, class_name: str, what: str) -> None:
    """Raise ValueError for a parameter without a shape, of which ``what`` cannot be made by a class."""
    if is_lazy(param):
        raise ValueError(
            f"The module passed to `{class_name}` can't have uninitialized parameters. Make sure to run the dummy "
            f"forward before applying {what}"
        )


# what needs no shape, and the tensor's properties
_BEFORE_THE_SHAPE = frozenset(
    """
    __get__ __hash__ __set__ char copy_ cpu cuda double float get_device half int is_complex is_floating_point long
    short size to
    """.split()
)


def _without_shape(cls: type, requires_grad: bool, device: Any, dtype: Any) -> Any:
    made = functions.empty(0, device=device, dtype=dtype).as_subclass(cls)
    return torch_function.disabled(Tensor.requires_grad_, (), (made, requires_grad))


class UninitializedTensorMixin:
    """Refuse the use of a tensor that has no shape yet, until ``materialize`` gives it one.

    Shape: none before ``materialize``.
    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import cltorch as torch
    >>> isinstance(torch.nn.UninitializedParameter(), torch.nn.parameter.UninitializedTensorMixin)
    True
    """

    cls_to_become: type = Tensor

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name not in _BEFORE_THE_SHAPE:
            raise ValueError(
                f"Attempted to use an uninitialized parameter in {func}. This error happens when you are using a "
                f"`LazyModule` or explicitly manipulating `torch.nn.parameter.{cls.__name__}` objects. When using "
                "LazyModules Call `forward` with a dummy batch to initialize the parameters before calling torch "
                "functions"
            )
        return torch_function.disabled(func, types, args, kwargs)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give the tensor its shape, memory and final class; the values are whatever lay in its memory."""
        raw: Any = self
        data = functions.empty(shape, device=device or raw.device, dtype=dtype or raw.dtype)
        raw.__class__ = self.cls_to_become
        raw.data = data

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` "
            "to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        """Raise RuntimeError: there is no memory yet."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """Stand for a parameter whose shape a lazy module learns from its first input.

    Shape: none before ``materialize``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parameter.UninitializedParameter.html

    >>> import cltorch as torch
    >>> torch.nn.LazyLinear(2).weight
    <UninitializedParameter>
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return _without_shape(cls, requires_grad, device, dtype)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (type(self), (self.requires_grad, self.device, self.dtype))


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """Stand for a buffer whose shape a lazy module learns from its first input.

    Shape: none before ``materialize``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parameter.UninitializedBuffer.html

    >>> import cltorch as torch
    >>> torch.nn.LazyBatchNorm1d().running_mean
    <UninitializedBuffer>
    """

    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        t = _without_shape(cls, requires_grad, device, dtype)
        t.persistent = persistent
        t._is_buffer = True
        return t

    def __init__(self, *args: Any, **kw: Any) -> None:
        pass

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (type(self), (self.requires_grad, self.device, self.dtype, self.persistent))
