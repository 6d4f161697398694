"""Read the schemas in which PyTorch writes operators: ``name(Tensor x, int[2] n=0, *, bool flag=False) -> Tensor``.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/README.md
"""

from __future__ import annotations

import ast
import re
from inspect import Parameter, Signature
from typing import Any

_SCHEMA = re.compile(r"\s*([\w.:]+)\s*\((.*)\)\s*->\s*(\S.*)$", re.DOTALL)
_ARGUMENT = re.compile(r"\s*\S.*?\s+(\w+)\s*(?:=\s*(.+?))?\s*$", re.DOTALL)


def parsed(schema: str) -> tuple[str, Signature]:
    """Return the name, with an overload's behind a point, and what can be passed; raise RuntimeError for no schema.

    >>> parsed("cut(Tensor x, int[2] n=[1, 2], *, bool out=False) -> (Tensor, Tensor)")
    ('cut', <Signature (x, n=[1, 2], *, out=False)>)
    """
    whole = _SCHEMA.match(schema)
    if whole is None:
        raise RuntimeError(f"expected a schema as 'name(Tensor x) -> Tensor', got {schema!r}")
    parameters: list[Parameter] = []
    kind: Any = Parameter.POSITIONAL_OR_KEYWORD
    for text in _split(whole[2]):
        if text.strip() == "*":
            kind = Parameter.KEYWORD_ONLY
            continue
        argument = _ARGUMENT.match(text)
        if argument is None:
            raise RuntimeError(f"expected 'type name' or 'type name=default', got {text.strip()!r} in {schema!r}")
        default = Parameter.empty if argument[2] is None else _value(argument[2])
        parameters.append(Parameter(argument[1], kind, default=default))
    try:
        return whole[1], Signature(parameters)
    except ValueError as error:
        raise RuntimeError(f"{schema}: {error}") from error


def _split(text: str) -> list[str]:
    """Split at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return [p for p in parts if p.strip()]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text  # a word of PyTorch's, as Mean
