"""Operators written in Python and known by a name: torch.library, as far as eager programs need it.

Source: https://docs.pytorch.org/docs/2.13/library.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from cltorch import ops
from cltorch.autograd import Function
from cltorch.ops.array import Array
from cltorch.ops.overloads import Namespace, resolvers

__all__ = ["CustomOpDef", "custom_op", "register_autograd", "register_fake", "register_kernel"]

_known: dict[str, CustomOpDef] = {}
resolvers.append(lambda namespace, name: _known.get(f"{namespace}::{name}"))


class CustomOpDef:
    """Call a function of tensors that has a name, kernels of its own for types of devices, and a derivative."""

    def __init__(self, name: str, fn: Callable[..., Any]) -> None:
        namespace, separator, short = name.partition("::")
        if not (separator and namespace and short):
            raise ValueError(f"custom_op(name=...): expected name to be 'namespace::name', got {name!r}")
        self._namespace, self._name, self._qualname = namespace, short, name
        self._kernels: dict[str | None, Callable[..., Any]] = {None: fn}
        self._backward: Callable[..., Any] | None = None
        self._setup_context: Callable[..., Any] | None = None
        functools.update_wrapper(self, fn)
        _known[name] = self
        if not hasattr(ops, namespace):  # as torch.ops.namespace.name it can be found from now on
            setattr(ops, namespace, Namespace(namespace))

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        device = next((x.device.type for x in (*args, *kwargs.values()) if isinstance(x, Array)), None)
        run = self._kernels.get(device) or self._kernels[None]
        setup = self._setup_context
        if self._backward is None:
            return run(*args, **kwargs)
        derivative: Callable[..., Any] = self._backward

        class Derived(Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                output = run(*inputs, **kwargs)
                if setup is not None:
                    setup(ctx, inputs, output, **({"keyword_only_inputs": kwargs} if kwargs else {}))
                return output

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return derivative(ctx, *grads)

        return Derived.apply(*args)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Return the function: the shapes that it tells are those of a compiler, and there is none."""
        return fn

    def register_kernel(self, device_types: Any, fn: Callable[..., Any] | None = None, /) -> Any:
        """Take another function on the types of devices named."""
        if fn is None:
            return functools.partial(self.register_kernel, device_types)
        for kind in _device_types(device_types):
            self._kernels[kind] = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Set the derivative: ``setup_context(ctx, inputs, output)`` saves what ``backward(ctx, *grads)`` needs."""
        self._backward, self._setup_context = backward, setup_context


def _device_types(given: str | Iterable[str] | None) -> list[str | None]:
    names = [given] if given is None or isinstance(given, str) else list(given)
    return ["cl" if name in ("cuda", "opencl") else name for name in names]


def custom_op(
    name: str, fn: Callable[..., Any] | None = None, /, *, mutates_args: str | Iterable[str],
    device_types: str | Iterable[str] | None = None, schema: str | None = None, tags: Any = None,
) -> Any:  # fmt: skip
    """Make a function of tensors an operator with a name, as a call or as a decorator.

    The function runs as it is written, on the device of its tensors. ``mutates_args`` and ``schema`` tell a compiler
    what the code does; nothing here reads them.

    >>> import cltorch as torch
    >>> @custom_op("docs::cube", mutates_args=())
    ... def cube(x: torch.Tensor) -> torch.Tensor:
    ...     return x**3
    >>> def save(ctx, inputs, output): ctx.save_for_backward(*inputs)
    >>> cube.register_autograd(lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g, setup_context=save)
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> y = cube(x)
    >>> y.backward(); y.item(), x.grad
    (8.0, tensor(12.))
    >>> torch.ops.docs.cube(torch.tensor(3.0))
    tensor(27.)
    """
    if fn is None:
        return lambda f: custom_op(
            name, f, mutates_args=mutates_args, device_types=device_types, schema=schema, tags=tags
        )
    made = CustomOpDef(name, fn)
    for kind in _device_types(device_types):
        made._kernels[kind] = fn
    return made


def _operator(op: Any) -> CustomOpDef:
    found = op if isinstance(op, CustomOpDef) else _known.get(op)
    if found is None:
        raise RuntimeError(f"operator {op} does not exist: torch.library.custom_op makes one")
    return found


def register_fake(op: Any, func: Any = None, /, *, lib: Any = None, allow_override: bool = False) -> Any:
    """Return the function: the shapes that it tells are those of a compiler, and there is none."""
    return func if func is not None else (lambda f: f)


def register_kernel(op: Any, device_types: Any, func: Any = None, /, *, lib: Any = None) -> Any:
    """Take another function on the types of devices named; raises RuntimeError for an unknown operator."""
    return _operator(op).register_kernel(device_types, func)


def register_autograd(op: Any, backward: Any, /, *, setup_context: Any = None, lib: Any = None) -> None:
    """Set the derivative of an operator; raises RuntimeError for an unknown one."""
    _operator(op).register_autograd(backward, setup_context=setup_context)
