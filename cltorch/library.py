"""Operators written in Python and known by a name: torch.library, as far as eager programs need it.

Source: https://docs.pytorch.org/docs/2.13/library.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from cltorch.custom_ops import CustomOpDef, ahead, custom_op, defined, found_at, operator_of, triton_op
from cltorch.infer_schema import infer_schema
from cltorch.opcheck import DEFAULT, checked
from cltorch.ops.overloads import OpOverload, OpOverloadPacket
from cltorch.ops.schema import parsed

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "impl", "infer_schema", "opcheck", "register_autograd",
    "register_fake", "register_kernel", "register_vmap", "triton_op",
]  # fmt: skip


class Library:
    """Hold operators of one namespace: their schemas (``"DEF"``, ``"FRAGMENT"``), their kernels (``"IMPL"``).

    Operators of PyTorch's own cannot get others here: NotImplementedError.

    Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.Library

    >>> import cltorch as torch
    >>> lib = Library("docs", "FRAGMENT")
    >>> lib.define("scaled(Tensor x, float by=2.0) -> Tensor")
    'scaled'
    >>> lib.impl("scaled", lambda x, by: x * by, "CompositeExplicitAutograd")
    >>> torch.ops.docs.scaled(torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("DEF", "FRAGMENT", "IMPL"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns in ("aten", "prim", "prims"):
            raise NotImplementedError(f"operators of {ns} cannot be defined or replaced in cltorch")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Make an operator of a schema, as ``"name(Tensor x, int n=1) -> Tensor"``, and return its name.

        Raises RuntimeError for a second one of that name.
        """
        if self.kind == "IMPL":
            raise RuntimeError(f"a Library of kind IMPL gives kernels to operators, it cannot define {schema}")
        name, signature = parsed(schema)
        name = name.removeprefix(f"{self.ns}::")
        if defined(f"{self.ns}::{name}") is not None:
            raise RuntimeError(
                f"Tried to register an operator ({self.ns}::{schema}) with the same name and overload name multiple "
                "times"
            )
        op = ahead(f"{self.ns}::{name}")
        op._signature, op._defined = signature, True
        return op._name

    def impl(
        self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "", *, with_keyset: bool = False,
        allow_override: bool = False,
    ) -> None:  # fmt: skip
        """Give an operator a kernel for a kind of devices.

        ``dispatch_key`` is ``"CPU"``, ``"CUDA"`` (OpenCL devices here), ``"Meta"`` or, for every device,
        ``"CompositeImplicitAutograd"`` or ``"CompositeExplicitAutograd"``. ``"Autograd"``, ``"AutogradCPU"`` and
        ``"AutogradCUDA"`` name a kernel that is run before any other, and whose operations make the derivative.
        Raises NotImplementedError for other keys.
        """
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        if key not in _KEYS or with_keyset:
            raise NotImplementedError(f"{op_name}: kernels for {key} are not dispatched to in cltorch")
        op = ahead(f"{self.ns}::{op_name}" if isinstance(op_name, str) and "::" not in op_name else op_name)
        kernels = op._recorded if key.startswith("Autograd") else op._kernels
        if _KEYS[key] in kernels and not allow_override:
            raise RuntimeError(
                "This is not allowed since there's already a kernel registered from python overriding "
                f"{op._qualname}'s behavior for {key} dispatch key and {self.ns} namespace."
            )
        kernels[_KEYS[key]] = fn


_KEYS = {
    "CPU": "cpu", "CUDA": "cl", "PrivateUse1": "cl", "Meta": "meta", "CompositeImplicitAutograd": None,
    "CompositeExplicitAutograd": None, "Autograd": None, "AutogradCPU": "cpu", "AutogradCUDA": "cl",
    "AutogradPrivateUse1": "cl",
}  # fmt: skip


def _given(lib: Library, name: str, key: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    lib.impl(name, fn, key)
    return fn


def define(qualname: Any, schema: Any, *, lib: Any = None, tags: Any = ()) -> Any:
    """Make an operator of a name and a schema, as ``define("docs::cut", "(Tensor x, int n) -> Tensor")``.

    As in older programs, ``define(library, schema)`` is ``library.define(schema)``.

    Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.define

    >>> import cltorch as torch
    >>> define("docs::halved", "(Tensor x) -> Tensor")
    >>> @impl("docs::halved", "cpu")
    ... def halved(x): return x / 2
    >>> torch.ops.docs.halved(torch.ones(1))
    tensor([0.5000])
    """
    if isinstance(qualname, Library):
        name = qualname.define(schema)
        return functools.partial(_given, qualname, name, "")
    if not isinstance(qualname, str):
        raise ValueError(f"define(qualname, schema): expected qualname to be instance of str, got {type(qualname)}")
    namespace, _, name = qualname.partition("::")
    (lib or Library(namespace, "FRAGMENT")).define(name + schema, tags=tags)
    return None


def impl(qualname: Any, types: Any, func: Any = None, *, lib: Any = None) -> Any:
    """Give an operator a kernel for types of devices (``"cpu"``, ``"cuda"``, ``"default"``), or be a decorator for it.

    The keys of ``Library.impl`` do as well, and the operator may be defined later.
    As in older programs, ``impl(library, name, key)`` is a decorator for ``library.impl``.

    Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.impl
    """
    if isinstance(qualname, Library):
        return functools.partial(_given, qualname, types, func or "")
    if func is None:
        return lambda f: (impl(qualname, types, f, lib=lib), f)[1]
    op = ahead(qualname)
    for kind in [types] if isinstance(types, str) else types:
        if kind in _KEYS:
            (lib or Library(op._namespace, "FRAGMENT")).impl(op, func, kind)
        else:
            op.register_kernel(kind, func)
    return None


def register_fake(op: Any, func: Any = None, /, *, lib: Any = None, allow_override: bool = False) -> Any:
    """Take a function that returns tensors as an operator's results would be: it runs on the device ``meta``.

    For an operator that does not exist here, as one of a compiled library, nothing comes of it.
    """
    if func is None:
        return lambda f: register_fake(op, f, lib=lib, allow_override=allow_override)
    own = found_at(op)
    return func if own is None else own.register_fake(func)


class _Checked:
    """What ``opcheck`` asks of an operator."""

    def __init__(self, op: Any, own: CustomOpDef | None) -> None:
        self.op, self.own = op, own

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.op(*args, **kwargs)

    def __str__(self) -> str:
        return str(self.op) if self.own is None else self.own._title

    @property
    def differentiable(self) -> bool:
        """Whether a rule says its derivative, or that there is none."""
        own = self.own
        return own is None or own._backward is not None or own._closed or bool(own._mutates)

    def changes(self, name: str) -> bool:
        """Return whether an argument may be changed in place."""
        own = self.own
        return own is not None and (own._mutates == "unknown" or name in own._mutates)

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by their names, where those are known."""
        signature = None if self.own is None else self.own._signature
        if signature is None:
            return {**{str(i): x for i, x in enumerate(args)}, **kwargs}
        return dict(signature.bind(*args, **kwargs).arguments)

    def fake(self, *args: Any, **kwargs: Any) -> Any:
        """Return tensors as the results would be."""
        if self.own is None:
            return self.op(*args, **kwargs)
        if self.own._fake is None:
            raise RuntimeError(
                f"There was no fake impl registered for {self.own}. This is necessary for "
                f"torch.compile/export/fx tracing to work. Please use `{self.own._name}.register_fake` to add an fake "
                "impl."
            )
        return self.own._fake(*args, **kwargs)


def opcheck(
    op: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *,
    test_utils: str | Sequence[str] = DEFAULT, raise_exception: bool = True, atol: float | None = None,
    rtol: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Check an operator of one's own on arguments, and return what came of each check: "SUCCESS" or the exception.

    ``test_schema``: no argument changes but those of ``mutates_args``, and results share no memory with arguments or
    one another. ``test_autograd_registration``: gradients flow by a rule. ``test_faketensor``: what ``register_fake``
    was given tells the results' shapes, strides and dtypes. ``test_aot_dispatch_dynamic``, for which PyTorch compiles:
    results and gradients of two calls agree. Raises OpCheckError unless ``raise_exception`` is False, ValueError for
    what is no operator.
    Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.opcheck

    >>> import cltorch as torch
    >>> @custom_op("docs::cut_in_two", mutates_args=())
    ... def cut_in_two(x: torch.Tensor) -> torch.Tensor:
    ...     return x / 2
    >>> _ = cut_in_two.register_fake(lambda x: torch.empty_like(x))
    >>> opcheck(cut_in_two, (torch.ones(2),), test_utils=("test_schema", "test_faketensor"))
    {'test_schema': 'SUCCESS', 'test_faketensor': 'SUCCESS'}
    """
    if isinstance(op, OpOverloadPacket) and found_at(op) is None:
        raise RuntimeError(f"opcheck can only test operators without overloads: name one, as {op}.default")
    own = op if isinstance(op, CustomOpDef) else None
    if isinstance(op, (OpOverload, OpOverloadPacket)):
        own = found_at(op)
    elif own is None:
        raise ValueError(
            "opcheck(op, ...): op must be instance of torch._ops.OpOverload, e.g. torch.ops.aten.sin.default, got "
            f"{type(op)}"
        )
    return checked(_Checked(op, own), args, kwargs or {}, test_utils, raise_exception, rtol, atol)


def register_kernel(op: Any, device_types: Any, func: Any = None, /, *, lib: Any = None) -> Any:
    """Take another function on the types of devices named; raises RuntimeError for an unknown operator."""
    return operator_of(op).register_kernel(device_types, func)


def register_autograd(op: Any, backward: Any, /, *, setup_context: Any = None, lib: Any = None) -> None:
    """Set the derivative of an operator; raises RuntimeError for an unknown one."""
    operator_of(op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op: Any, func: Any = None, /, *, lib: Any = None) -> Any:
    """Set an operator's rule for vmap, or be a decorator for it; raises RuntimeError for an unknown operator.

    ``func(info, in_dims, *args)`` gets whole batches, the dimensions that they lie along (None: no batch), and the
    batch's size in ``info``; it returns the output and its ``out_dims``.
    Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.register_vmap

    >>> import cltorch as torch
    >>> @custom_op("docs::tripled", mutates_args=())
    ... def tripled(x: torch.Tensor) -> torch.Tensor:
    ...     return 3 * x
    >>> _ = register_vmap(tripled, lambda info, in_dims, x: (3 * x, in_dims[0]))
    >>> torch.vmap(tripled)(torch.ones(2))
    tensor([3., 3.])
    """
    return operator_of(op).register_vmap(func)
