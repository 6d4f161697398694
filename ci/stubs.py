"""Write the stubs of what is put together at run time, so that editors and type checkers see it.

    python ci/stubs.py            renew cltorch/tensor.pyi (Tensor, with its methods), cltorch/functions/public.pyi, and
                                  what the examples of pointwise functions print, cltorch/functions/row_examples.py
    python ci/stubs.py --check    fail where they are not what this would write

A function's own annotations are taken over. A result annotated ``Any`` is a Tensor unless it is listed in ``_VARIES``.
"""

from __future__ import annotations

import argparse
import builtins
import difflib
import inspect
import keyword
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cltorch  # noqa: E402
from cltorch.functions import public, row_docs  # noqa: E402
from cltorch.ops.pointwise import INNER  # noqa: E402
from cltorch.ops.table import TABLE  # noqa: E402
from cltorch.tensor import Tensor  # noqa: E402

# whose result depends on the arguments, is several tensors, or a value of Python
_VARIES = frozenset(
    "__array__ __array_wrap__ __dlpack__ __reduce_ex__ aminmax cummax cummin data_ptr frexp geqrf grad_fn histogram "
    "histogramdd item kthvalue lu max median min mode nanmedian nonzero numpy qr size slogdet sort split_copy "
    "split_with_sizes_copy storage storage_type stride svd tolist topk triangular_solve type typed_storage unbind_copy "
    "unique unique_consecutive untyped_storage where".split()
)
_IDENTIFIER = re.compile(r"\.?\b[A-Za-z_]\w*")
_HEAD = '"""Written by ci/stubs.py; renew it with `python ci/stubs.py`."""\n\n'


class Stub:
    """Collect the lines of one stub and the imports that its annotations need."""

    def __init__(self, members: frozenset[str], local: frozenset[str]) -> None:
        self.members = members  # names of the class, which hide the types of the same name
        self.local = local  # names that the stub defines itself
        self.imports: set[str] = set()

    def annotation(self, text: Any, scope: dict[str, Any]) -> str:
        """Return an annotation as it must be written in the stub."""
        if not isinstance(text, str):
            text = inspect.formatannotation(text)

        def resolve(found: re.Match[str]) -> str:
            word = found.group()
            if word.startswith(".") or word in ("None", "True", "False"):
                return word
            return self.name(word, scope)

        return _IDENTIFIER.sub(resolve, text)

    def name(self, word: str, scope: dict[str, Any]) -> str:
        """Return the name under which the stub knows a type, importing it where needed."""
        if word in self.local:
            return word
        value = scope.get(word, getattr(builtins, word, None))
        if word in ("Any", "TypeVar") or value is Any:
            module, name = "typing", "Any"
        elif word == "Tensor":
            module, name = "cltorch.tensor", "Tensor"
        elif isinstance(value, types.ModuleType):
            self.imports.add(f"import {value.__name__} as {word}")
            return word
        elif value is None:
            raise SystemExit(f"error: the annotation {word!r} means nothing in {scope.get('__name__')}")
        else:
            module, name = value.__module__, getattr(value, "__name__", word)
        alias = f"_{word}" if word in self.members else word
        if module == "builtins" and alias == word:
            return word
        self.imports.add(f"from {module} import {name}" + (f" as {alias}" if alias != name else f" as {name}"))
        return alias

    def function(self, name: str, fn: Callable[..., Any], indent: str = "", method: bool = False) -> list[str]:
        """Return the lines of one function or method."""
        plain = inspect.unwrap(fn)
        scope = getattr(plain, "__globals__", {})
        try:
            signature = inspect.signature(fn)
        except ValueError as error:
            raise SystemExit(f"error: {name} has no signature: {error}") from error
        words, seen = [], ""
        for i, p in enumerate(signature.parameters.values()):
            if p.kind is p.VAR_POSITIONAL:
                seen = "*"
            elif p.kind is p.KEYWORD_ONLY and not seen:
                words.append("*")
                seen = "*"
            lead = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
            if method and i == 0 and not lead:
                words.append("self")
                continue
            note = p.annotation
            kind = self.annotation("Any" if note is p.empty else note, scope)
            text = f"{lead}{p.name}: {kind}"
            if p.default is not p.empty:
                text += (
                    f" = {p.default!r}"
                    if p.default is None or isinstance(p.default, (bool, int, float, str))
                    else " = ..."
                )
            words.append(text)
        if method and words[:1] != ["self"]:
            words.insert(0, "self, /" if words and words[0].startswith("*") else "self")
        note = signature.return_annotation
        if note in (signature.empty, "Any", Any):
            note = "Any" if name in _VARIES or note is signature.empty else "Tensor"
        result = self.annotation(note, {**scope, "Tensor": Tensor})
        return [f"{indent}def {name}({', '.join(words)}) -> {result}: ..."]


def tensor_stub() -> str:
    """Return the stub of cltorch.tensor: the class with what is attached to it, and the module's functions."""
    own = {n: v for n, v in vars(Tensor).items() if not n.startswith("_") or n in _DUNDERS}
    inherited = {"storage": None, "dtype": None, "device": None, "shape": None}
    stub = Stub(frozenset(own) | frozenset(inherited), frozenset({"Tensor"}))
    body = []
    any_ = stub.name("Any", {})
    for name, value in sorted(own.items(), key=lambda item: (not item[0].startswith("__"), item[0])):
        if isinstance(value, property):
            getter = value.fget
            lines = stub.function(name, getter, "    ", True) if not _is_lambda(getter) else []
            body += ["    @property", *(lines or [f"    def {name}(self) -> {any_}: ..."])]
            if value.fset is not None:
                body += [f"    @{name}.setter", f"    def {name}(self, value: {any_}) -> None: ..."]
            if value.fdel is not None:
                body += [f"    @{name}.deleter", f"    def {name}(self) -> None: ..."]
        elif callable(value):
            lines = stub.function(name, value, "    ", True)
            body += [line + (_OVERRIDES if name in ("__eq__", "__ne__", "new") else "") for line in lines]
        else:
            body.append(f"    {name}: {stub.name(type(value).__name__, {}) if value is not None else any_}")
    functions = []
    for name, value in sorted(vars(sys.modules[Tensor.__module__]).items()):
        if inspect.isfunction(value) and value.__module__ == Tensor.__module__ and not name.startswith("_"):
            functions += stub.function(name, value)
    array = "from cltorch.ops.array import Array as Array"
    head = sorted({*stub.imports, array})
    members = "\n".join(body)
    return _HEAD + "\n".join(head) + f"\n\nclass Tensor(Array):\n{members}\n\n" + "\n".join(functions) + "\n"


_DUNDERS = (
    frozenset(
        name for name in vars(Tensor) if name.startswith("__") and name not in ("__doc__", "__module__", "__dict__")
    )
    - {"__annotations__", "__hash__", "__weakref__", "__firstlineno__", "__static_attributes__", "__slots__", "__new__"}
    - {"__init_subclass__", "__torch_function__"}
)
_OVERRIDES = "  # type: ignore[override]"


def _is_lambda(fn: Any) -> bool:
    return getattr(fn, "__name__", "") == "<lambda>"


def public_stub() -> str:
    """Return the stub of cltorch.functions.public: the functions of the torch namespace."""
    stub = Stub(frozenset(public.__all__), frozenset())
    body = []
    for name in sorted(public.__all__):
        value = getattr(public, name)
        if keyword.iskeyword(name):
            raise SystemExit(f"error: {name} is a keyword")
        if callable(value) and not inspect.isclass(value):
            body += stub.function(name, value)
        else:
            raise SystemExit(f"error: {name} of cltorch.functions.public is no function")
    return _HEAD + "\n".join(sorted(stub.imports)) + "\n\n" + "\n".join(body) + "\n"


def row_examples() -> str:
    """Return what the examples in the docstrings of the pointwise table's functions print on the host."""
    lines = [
        f'    "{row.name}": "{eval(row_docs.call(row), {"torch": cltorch})}",'
        for row in sorted(TABLE.values(), key=lambda row: row.name)
        if row.scope != INNER
    ]
    return _HEAD + "EXAMPLES: dict[str, str] = {\n" + "\n".join(lines) + "\n}\n"


STUBS = {
    "cltorch/tensor.pyi": tensor_stub,
    "cltorch/functions/public.pyi": public_stub,
    "cltorch/functions/row_examples.py": row_examples,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a stub is out of date")
    check = parser.parse_args().check
    stale = 0
    for name, write in STUBS.items():
        path = ROOT / name
        have, want = path.read_text(encoding="utf-8") if path.is_file() else "", write()
        if have == want:
            continue
        stale += 1
        if check:
            lines = difflib.unified_diff(
                have.splitlines(), want.splitlines(), name, "as it should be", lineterm="", n=0
            )
            print("\n".join([*lines][:40]))
        else:
            path.write_text(want, encoding="utf-8")
            print(f"wrote {name}")
    if check and stale:
        print("stubs are out of date: run `python ci/stubs.py`")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
