"""Views as fresh tensors: ``NAME_copy`` does what ``NAME`` does, and its results share no memory with the input.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.view_copy.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.functions import complex_parts, dim_orders, parts, shape, split
from cltorch.functions.arguments import need_array
from cltorch.functions.convert import contiguous_copy, detach
from cltorch.functions.index import getitem
from cltorch.functions.pointwise import into_outs
from cltorch.shapes import wrap_dim

__all__: list[str] = []


def _slice(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    d = wrap_dim(dim, input.lay.ndim)
    return getitem(input, (*(slice(None),) * d, slice(start, end, step)))


def _expand(input: Any, size: Any, *, implicit: bool = False) -> Any:
    return shape.expand(input, size)


_VIEWS: dict[str, Callable[..., Any]] = {
    "alias": lambda input: input,
    "as_strided": parts.as_strided,
    "detach": detach,
    "diagonal": parts.diagonal,
    "expand": _expand,
    "permute": dim_orders.permute,
    "select": parts.select,
    "slice": _slice,
    "squeeze": shape.squeeze,
    "t": dim_orders.t,
    "transpose": dim_orders.transpose,
    "unfold": parts.unfold,
    "unsqueeze": shape.unsqueeze,
    "view": shape.view,
    "view_as_complex": complex_parts.view_as_complex,
    "view_as_real": complex_parts.view_as_real,
}
_SPLITS: dict[str, Callable[..., Any]] = {
    "split": split.split, "split_with_sizes": split.split_with_sizes, "unbind": split.unbind
}  # fmt: skip


_ARGUMENTS = {  # of the examples, which copy a matrix of two rows and two columns
    "as_strided": "(2,), (1,)", "expand": "(3, 2, 2)", "permute": "(1, 0)", "select": "0, 1", "slice": "0, 1",
    "split": "1", "split_with_sizes": "[1, 1]", "transpose": "0, 1", "unfold": "0, 2, 1", "unsqueeze": "0",
    "view": "(4,)",
}  # fmt: skip


def _copying(name: str, view: Callable[..., Any], several: bool) -> Callable[..., Any]:
    full = name + "_copy"

    def f(input: Any, *args: Any, out: Any = None, **named: Any) -> Any:
        need_array(full, "input", 1, input)
        found = view(input, *args, **named)
        results = tuple(contiguous_copy(x) for x in (found if several else (found,)))
        if out is not None:
            places = tuple(out) if several else (out,)
            if len(places) != len(results):
                raise RuntimeError(f"{full}(): expected {len(results)} tensors in out=, but got {len(places)}")
            results = into_outs(full, places, results)
            return None if several else results[0]
        return results if several else results[0]

    given = f"x, {_ARGUMENTS[name]}" if name in _ARGUMENTS else "x"
    dtype = ", dtype=torch.complex64" if name == "view_as_real" else ""
    f.__name__ = f.__qualname__ = full
    f.__doc__ = (
        f"Do what ``{name}`` does, with {'tensors' if several else 'a tensor'} of {'their' if several else 'its'} own "
        f"memory for a result.\n\nSource: https://docs.pytorch.org/docs/2.13/generated/torch.{full}.html\n\n"
        f">>> import cltorch as torch\n>>> x = torch.ones(2, 2{dtype})\n"
        f">>> torch.{full}({given}){'[0]' if several else ''}.data_ptr() == x.data_ptr()\nFalse\n"
    )
    return f


for _several, _table in ((False, _VIEWS), (True, _SPLITS)):
    for _name, _view in _table.items():
        globals()[_name + "_copy"] = _copying(_name, _view, _several)
        __all__.append(_name + "_copy")
