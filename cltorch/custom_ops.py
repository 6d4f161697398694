"""Functions of tensors that have a name, kernels for kinds of devices and a derivative: torch.library's operators.

Source: https://docs.pytorch.org/docs/2.13/library.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from inspect import Signature, signature
from typing import Any

from cltorch import ops
from cltorch.autograd import Function
from cltorch.ops.array import Array
from cltorch.ops.overloads import Namespace, OpOverload, OpOverloadPacket, listers, namespaces, resolvers

known: dict[str, CustomOpDef] = {}


class CustomOpDef:
    """Call a function of tensors that has a name, kernels of its own for types of devices, and a derivative."""

    def __init__(self, name: str, fn: Callable[..., Any] | None) -> None:
        namespace, separator, short = name.partition("::")
        if not (separator and namespace and short):
            raise ValueError(f"custom_op(name=...): expected name to be 'namespace::name', got {name!r}")
        self._namespace, self._qualname = namespace, name
        self._name, _, overload = short.partition(".")
        self._title = f"{namespace}.{self._name}.{overload or 'default'}"
        self._kernels: dict[str | None, Callable[..., Any]] = {}
        self._recorded: dict[str | None, Callable[..., Any]] = {}  # whose own operations make the derivative
        self._signature: Signature | None = None if fn is None else signature(fn)
        self._backward: Callable[..., Any] | None = None
        self._setup_context: Callable[..., Any] | None = None
        self._batches: Callable[..., Any] | None = None  # the rule for vmap
        self._closed = False  # whether no derivative is taken of what the function itself does
        self._fake: Callable[..., Any] | None = None  # what tells the results' shapes
        self._mutates: str | tuple[str, ...] = ()
        self._defined = True  # a kernel may come before the schema: until then it cannot be called
        if fn is not None:
            self._kernels[None] = fn
            functools.update_wrapper(self, fn)
        known[name] = self
        if namespace not in namespaces:  # as torch.ops.namespace.name it can be found from now on
            namespaces[namespace] = Namespace(namespace)
            if not hasattr(ops, namespace):
                setattr(ops, namespace, namespaces[namespace])

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    @property
    def default(self) -> CustomOpDef:
        """The operator itself, which is one overload."""
        return self

    def _takes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError | None:
        """Return why the schema does not take arguments, None where it does."""
        try:
            if self._signature is not None:
                self._signature.bind(*args, **kwargs)
        except TypeError as error:
            return error
        return None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        device = _device_of((*args, *kwargs.values()))
        recorded = self._recorded.get(device) or self._recorded.get(None)
        run = recorded or self._kernel(device)
        if self._signature is not None:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if recorded is not None:
            return run(*args, **kwargs)
        setup = self._setup_context
        of_batches = any(isinstance(x, Array) and x._batch for x in args)
        if of_batches and self._batches is None:  # PyTorch runs slices one by one: what the function does is batched
            return run(*args, **kwargs)
        if self._backward is None and self._batches is None and not self._closed:
            return run(*args, **kwargs)
        derivative: Callable[..., Any] = self._backward or self._refuse

        class Derived(Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                output = run(*inputs, **kwargs)
                if setup is not None:
                    by_keyword = {"keyword_only_inputs": kwargs} if kwargs else {}
                    setup(ctx=ctx, inputs=inputs, output=output, **by_keyword)
                return output

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return derivative(ctx, *grads)

        rule = self._batches
        if rule is not None:
            Derived.vmap = staticmethod(rule)  # type: ignore[method-assign]
        return Derived.apply(*args)

    def _refuse(self, ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            f"Trying to backward through {self._title} but no autograd formula was registered. Please use "
            "register_autograd to add one."
        )

    def _kernel(self, device: str | None) -> Callable[..., Any]:
        """Return what runs on a kind of devices."""
        kernel = self._kernels.get(device) or self._kernels.get(None)
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self._qualname}' with arguments from the '{device}' backend: there are kernels for "
                f"{', '.join(str(kind) for kind in self._kernels) or 'none'}"
            )
        return kernel

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Take a function that returns tensors as the results would be: it runs on the device ``meta``."""
        self._fake = fn
        self._kernels.setdefault("meta", fn)
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

    def register_vmap(self, func: Callable[..., Any] | None = None) -> Any:
        """Set the rule for vmap: ``func(info, in_dims, *args)`` returns the output and its ``out_dims``."""
        if func is None:
            return self.register_vmap
        self._batches = func
        return func


def _device_of(args: Iterable[Any]) -> str | None:
    """Return the kind of device of the first tensor among arguments, or in a list among them."""
    each = (y for x in args for y in (x if isinstance(x, (list, tuple)) else (x,)))
    return next((x.device.type for x in each if isinstance(x, Array)), None)


# what is another device's name here; the kernel for "default" serves all that have none of their own
_OWN_NAMES: dict[str | None, str | None] = {"cuda": "cl", "opencl": "cl", "default": None}


def _device_types(given: str | Iterable[str] | None) -> list[str | None]:
    names = [given] if given is None or isinstance(given, str) else list(given)
    return [_OWN_NAMES.get(name, name) for name in names]


def custom_op(
    name: str, fn: Callable[..., Any] | None = None, /, *, mutates_args: str | Iterable[str],
    device_types: str | Iterable[str] | None = None, schema: str | None = None, tags: Any = None,
) -> Any:  # fmt: skip
    """Make a function of tensors an operator with a name, as a call or as a decorator.

    The function runs as it is written, on the device of its tensors; unless it changes tensors in place, its
    derivative is what ``register_autograd`` says, and RuntimeError without. What else ``mutates_args`` and ``schema``
    say is for a compiler: nothing here reads it.

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
    made._mutates = mutates_args if isinstance(mutates_args, str) else tuple(mutates_args)
    made._closed = not made._mutates
    for kind in _device_types(device_types):
        made._kernels[kind] = fn
    return made


def triton_op(
    name: str, fn: Callable[..., Any] | None = None, /, *, mutates_args: str | Iterable[str], schema: str | None = None
) -> Any:
    """Make a function that may call kernels of Triton an operator with a name, as ``custom_op`` does.

    Such a function chooses itself what it runs; Triton's compiler has no OpenCL, so its kernels do not run here.
    Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.triton_op

    >>> import cltorch as torch
    >>> @triton_op("docs::twice", mutates_args=())
    ... def twice(x: torch.Tensor) -> torch.Tensor:
    ...     return 2 * x
    >>> twice(torch.ones(2))
    tensor([2., 2.])
    """
    return custom_op(name, fn, mutates_args=mutates_args, schema=schema)


def _key(op: Any) -> str:
    """Return the name under which an operator is known, given that or an object of torch.ops."""
    if isinstance(op, OpOverload):
        return op.name()
    return f"{op}".replace(".", "::", 1) if isinstance(op, OpOverloadPacket) else op


def found_at(op: Any) -> CustomOpDef | None:
    """Return an operator, or only the kernels for one, None where there is neither."""
    return op if isinstance(op, CustomOpDef) else known.get(_key(op))


def defined(op: Any) -> CustomOpDef | None:
    """Return an operator, None where there is none or only kernels for it."""
    found = found_at(op)
    return None if found is None or not found._defined else found


def ahead(op: Any) -> CustomOpDef:
    """Return an operator that gets kernels, which may be told before it is defined."""
    found = found_at(op)
    if found is None:
        found = CustomOpDef(op, None)
        found._defined = False
    return found


def operator_of(op: Any) -> CustomOpDef:
    """Return an operator, given itself or its name; raise RuntimeError where there is none."""
    found = defined(op)
    if found is None:
        raise RuntimeError(f"operator {op} does not exist: torch.library.custom_op makes one")
    return found


def _overloads(namespace: str, name: str) -> dict[str, CustomOpDef]:
    """Return the operators that share a name, by the names of their overloads."""
    own = f"{namespace}::{name}"
    return {
        key[len(own) + 1 :] or "default": op
        for key, op in known.items()
        if op._defined and (key == own or key.startswith(own + "."))
    }


def _fitting(ops: dict[str, CustomOpDef], *args: Any, **kwargs: Any) -> Any:
    """Call the first of several overloads whose schema takes the arguments."""
    reasons = []
    for op in ops.values():
        reason = op._takes(args, kwargs)
        if reason is None:
            return op(*args, **kwargs)
        reasons.append(f"{op._qualname}{op._signature}: {reason}")
    raise RuntimeError(
        "Overloaded torch operator invoked from Python failed to match any schema:\n" + "\n".join(reasons)
    )


def _resolved(namespace: str, name: str) -> Any:
    short, _, overload = name.partition(".")
    if overload:
        return defined(f"{namespace}::{short if overload == 'default' else name}")
    ops = _overloads(namespace, short)
    if len(ops) < 2:
        return next(iter(ops.values()), None)
    return functools.partial(_fitting, ops)


resolvers.append(_resolved)
listers.append(lambda namespace, name: list(_overloads(namespace, name)))
