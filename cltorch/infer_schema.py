"""The schema of an operator, as PyTorch writes it, from a function's annotations.

Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.infer_schema
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from cltorch.device import device
from cltorch.dtypes import dtype
from cltorch.tensor import Tensor

__all__ = ["infer_schema"]

_NUMBER = frozenset((int, float, bool))
_WORDS: dict[Any, str] = {
    Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", _NUMBER: "Scalar", dtype: "ScalarType",
    device: "Device",
}  # fmt: skip
_IN_LISTS = ("Tensor", "SymInt", "float", "bool", "Scalar")
_OPTIONAL_LISTS = ("SymInt[]", "float[]", "bool[]")
_RESULTS = ("Tensor", "Tensor[]", "SymInt", "float", "bool", "Scalar")


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return what a union is of apart from None, and whether None is among it."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation, False
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    optional = len(kinds) < len(typing.get_args(annotation))
    return (kinds[0] if len(kinds) == 1 else frozenset(kinds)), optional


def _word(annotation: Any) -> str | None:
    """Return a type's name in schemas, or None where it has none."""
    kind, optional = _without_none(annotation)
    if typing.get_origin(kind) in (list, collections.abc.Sequence):
        (of,) = typing.get_args(kind)
        item, holes = _without_none(of)
        name = _WORDS.get(item) if not isinstance(item, list) else None
        if name not in _IN_LISTS or (holes and name != "Tensor"):
            return None
        name += "?[]" if holes else "[]"
        return None if optional and name not in _OPTIONAL_LISTS else name + "?" * optional
    name = _WORDS.get(kind) if isinstance(kind, collections.abc.Hashable) else None
    return None if name is None else name + "?" * optional


def infer_schema(
    prototype_function: Callable[..., Any], /, *, mutates_args: str | Iterable[str], op_name: str | None = None,
    tags: Any = (),
) -> str:  # fmt: skip
    """Return the schema that a function's annotations say, with its name if that is given.

    ``mutates_args`` names the arguments that the function changes in place, or is ``"unknown"``: any tensor. ``tags``
    are for a compiler and not looked at. Raises ValueError for an argument without annotation or of a type that
    operators do not take, and for names that are no arguments.
    Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.infer_schema

    >>> import cltorch as torch
    >>> def scaled(x: torch.Tensor, by: float = 2.0) -> torch.Tensor: return x * by
    >>> torch.library.infer_schema(scaled, op_name="scaled", mutates_args=())
    'scaled(Tensor x, float by=2.0) -> Tensor'
    """
    signature = inspect.signature(prototype_function)

    def refuse(what: str) -> NoReturn:
        raise ValueError(f"infer_schema(func): {what} Got func with signature {signature})")

    def read(annotation: Any) -> Any:
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, prototype_function.__globals__)
        except Exception as error:
            refuse(f"Unsupported type annotation {annotation}. It is not a type. ({type(error).__name__}: {error})")

    if isinstance(mutates_args, str) and mutates_args != "unknown":
        raise ValueError(
            "mutates_args must either be a sequence of the names of the arguments that are mutated or the string "
            "'unknown'. "
        )
    changed = mutates_args if isinstance(mutates_args, str) else tuple(mutates_args)
    found: list[str] = []
    for i, (name, p) in enumerate(signature.parameters.items()):
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            refuse("We do not support positional-only args, varargs, or varkwargs.")
        if p.kind is p.KEYWORD_ONLY and "*" not in found:
            found.append("*")
        if p.annotation is p.empty:
            refuse(f"Parameter {name} must have a type annotation.")
        word = _word(read(p.annotation))
        if word is None:
            advice = " We do not support Tuple inputs in schema. As a workaround, please try to use List instead."
            is_tuple = typing.get_origin(read(p.annotation)) is tuple
            refuse(f"Parameter {name} has unsupported type {p.annotation}.{advice * is_tuple}")
        if changed == "unknown" or name in changed:
            if word.startswith("Tensor"):
                word = f"Tensor(a{i}!){word[len('Tensor') :]}"
            elif changed != "unknown":
                refuse(f"Parameter {name} is in mutable_args but only Tensors or collections of Tensors can be mutated")
        found.append(f"{word} {name}" + ("" if p.default is p.empty else f"={_default(name, p.default, refuse)}"))
    missing = set() if changed == "unknown" else set(changed) - set(signature.parameters)
    if missing:
        refuse(
            f"{missing} in mutates_args were not found in the custom op's signature. mutates_args should contain the "
            "names of all args that the custom op mutates, or just the string 'unknown' if you don't know."
        )
    return f"{op_name or ''}({', '.join(found)}) -> {_returned(read(signature.return_annotation), refuse)}"


def _default(name: str, value: Any, refuse: Callable[[str], NoReturn]) -> str:
    if value is None or isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (str, device)):
        return f'"{value}"'
    if isinstance(value, dtype):
        return str(value).removeprefix("torch.")
    refuse(f"Parameter {name} has an unsupported default value type {type(value)}.")


def _returned(annotation: Any, refuse: Callable[[str], NoReturn]) -> str:
    if annotation is None:
        return "()"
    if annotation is inspect.Signature.empty:
        refuse("No return type annotation was provided. Please add one.")
    several = typing.get_origin(annotation) is tuple
    words = [_word(kind) for kind in (typing.get_args(annotation) if several else (annotation,))]
    if not all(word in _RESULTS for word in words):
        refuse(f"Return has unsupported type {annotation}.")
    if not several:
        return str(words[0])
    inner = ", ".join(map(str, words))
    return f"(({inner}))" if len(words) == 1 else f"({inner})"
