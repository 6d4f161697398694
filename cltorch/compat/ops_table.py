"""Which of PyTorch's public names there are, and where and for which dtypes they compute: ``python -m cltorch ops``.

The names are those of the committed list (``reference``). How the state of each is found:

- *missing*: the module here has no attribute of that name. Of nearly all such names ``not_planned.json`` says why.
- For a function of tensors, a call is made up from its signature (``probe``) and made with tensors of each class of
  dtypes, on the host, so that no driver is needed and every machine gives the same answer. A call that runs an operator
  declared with ``on_host`` makes it *host*: for a tensor on an OpenCL device that operator copies to the host and back;
  or the name of a package, where all such operators of the call run on the device through that one.
  Any other that succeeds is *device*: nothing but those operators may take values off a device to compute with them.
  A dtype that every such call refuses is shown as *no*: PyTorch mostly refuses it too, but what is not written yet for
  a dtype looks the same.
- *there*: present, but no class or function that the probe could call; nothing is said of dtypes.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

import cltorch
from cltorch import dtypes
from cltorch.compat import probe, reference
from cltorch.compat.finder import counterpart
from cltorch.ops import fallback
from cltorch.random import fork_rng

#: The modules whose names are given one by one; of all others the numbers are told.
MODULES = (
    "torch", "torch.Tensor", "torch.linalg", "torch.fft", "torch.special", "torch.signal.windows",
    "torch.nn.functional", "torch.nn", "torch.nn.init", "torch.nn.utils", "torch.nn.utils.rnn", "torch.optim",
    "torch.optim.lr_scheduler", "torch.autograd", "torch.autograd.functional", "torch.autograd.forward_ad",
    "torch.autograd.graph", "torch.func", "torch.distributions", "torch.utils.data", "torch.utils.checkpoint",
    "torch.random", "torch.amp", "torch.return_types",
)  # fmt: skip
#: The modules whose functions are probed.
PROBED = frozenset(MODULES[:7])
CLASSES = {
    "float32": ("float32",), "float64": ("float64",), "half": ("float16", "bfloat16"),
    "int": ("int64", "int32", "int16", "int8", "uint8"), "bool": ("bool",), "complex": ("complex64", "complex128"),
}  # fmt: skip
DEVICE, HOST, REFUSED, THERE, MISSING = "device", "host", "no", "there", "missing"


def home(module: str) -> Any:
    """Return the module or class here that stands for one of PyTorch, or None."""
    if module == "torch.Tensor":
        return cltorch.Tensor
    try:
        return importlib.import_module(counterpart(module))
    except ImportError:
        return None


def has(place: Any, name: str) -> bool:
    """Return whether a name is there; of a Tensor, also what only its objects have."""
    return hasattr(place, name) or (place is cltorch.Tensor and hasattr(cltorch.zeros(()), name))


def _dtypes(names: tuple[str, ...]) -> list[Any]:
    known = {t.name: t for t in vars(dtypes).values() if isinstance(t, dtypes.dtype)}
    return [known[n] for n in names if n in known]


def _runs(function: Callable[..., Any], name: str, t: Any) -> str | None:
    """Return DEVICE, HOST or the name of a package where a call with tensors of a dtype succeeds, else None."""
    for args, named in probe.calls(function, name, t):
        fallback.CALLED.clear()
        try:
            function(*args, **named)
        except Exception:  # whatever it is, this call is none
            continue
        packages = {fallback.THROUGH.get(called, HOST) for called in fallback.CALLED}
        return DEVICE if not packages else packages.pop() if len(packages) == 1 else HOST
    return None


def states(function: Any, name: str) -> dict[str, str]:
    """Return the state of a function for each class of dtypes, THERE throughout where no call can be made up."""
    if not probe.callable_with_tensors(function, name):
        return dict.fromkeys(CLASSES, THERE)
    found = {}
    before = set(fallback.CALLED)
    with warnings.catch_warnings(), np.errstate(all="ignore"), fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        for label, members in CLASSES.items():
            results = (_runs(function, name, t) for t in _dtypes(members))
            found[label] = next(filter(None, results), REFUSED)
    fallback.CALLED.clear()
    fallback.CALLED.update(before)
    return dict.fromkeys(CLASSES, THERE) if set(found.values()) == {REFUSED} else found


@cache
def _states(function: Any, name: str) -> dict[str, str]:
    return states(function, name)  # a method of Tensor and a function of torch.* are mostly one


def rows(module: str) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yield the public names of a module of PyTorch with their states, None for what is missing."""
    place = home(module)
    for name in sorted(reference.names(module)):
        if place is None or not has(place, name):
            yield name, None
        elif module in PROBED:
            yield name, _states(inspect.getattr_static(place, name, None) if isinstance(place, type)
                               else getattr(place, name), name)  # fmt: skip
        else:
            yield name, dict.fromkeys(CLASSES, THERE)


def _wrapped(names: list[str]) -> list[str]:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 116:
            lines.append("")
        lines[-1] += f"`{name}` "
    return [line.rstrip() for line in lines]


def _section(module: str) -> list[str]:
    found = list(rows(module))
    present = [(name, s) for name, s in found if s is not None]
    absent = {name: reference.not_planned(module, name) for name, s in found if s is None}
    left_out = Counter(kind for kind in absent.values() if kind is not None)
    more = f"; {left_out.total()} are not planned" if left_out else ""
    lines = [f"## {module}", "", f"{len(present)} of {len(found)} names{more}.", ""]
    tabled = [(name, s) for name, s in present if THERE not in s.values()]
    if tabled:
        lines += ["| name | " + " | ".join(CLASSES) + " |", "|---" * (len(CLASSES) + 1) + "|"]
        lines += [f"| `{name}` | " + " | ".join(s[c] for c in CLASSES) + " |" for name, s in tabled]
        lines.append("")
    for title, names in (
        ("There, not probed:", [name for name, s in present if THERE in s.values()]),
        ("Missing:", [name for name, kind in absent.items() if kind is None]),
        *((f"Not planned, {k}:", [n for n, kind in absent.items() if kind == k]) for k in sorted(left_out)),
    ):
        if names:
            lines += [title, *_wrapped(names), ""]
    return lines


def _others() -> list[str]:
    lines = ["## Other modules", "", "| module | there | of | not there |", "|---|---|---|---|"]
    groups: dict[str, list[int]] = {}
    absent: dict[str, Counter[str]] = {}
    for module in reference.modules():
        names = reference.names(module)
        if module in MODULES or not names:
            continue
        place = home(module)
        label = ".".join(module.split(".")[:2])
        count = groups.setdefault(label, [0, 0])
        missing = [name for name in names if place is None or not has(place, name)]
        count[0] += len(names) - len(missing)
        count[1] += len(names)
        kinds = (reference.not_planned(module, name) or MISSING for name in missing)
        absent.setdefault(label, Counter()).update(kinds)
    for label, (there, of) in sorted(groups.items()):
        why = ", ".join(f"{kind} {n}" for kind, n in sorted(absent[label].items()))
        lines.append(f"| `{label}` and below | {there} | {of} | {why} |")
    return lines


def _left_out() -> list[str]:
    rows = [f"| {kind} | {why} |" for kind, why in sorted(reference.families().items())]
    return ["## Not planned", "", "| kind | what |", "|---|---|", *rows, ""]


def report() -> str:
    """Return the whole table in Markdown."""
    head = [
        "# PyTorch's names in cltorch",
        "",
        f"Written by `python ci/ops_table.py` (`python -m cltorch ops` prints it) from the code and the list of public "
        f"names of PyTorch {reference.version()}.",
        "",
        "- **device**: computed where its tensors lie. **host**: for a tensor on an OpenCL device its values are",
        "  copied to the host and the results back (see `set_host_fallback`). **no**: refused for this dtype.",
        "- **pyvkfft**: on the device through that package where it is installed, on the host otherwise.",
        "- half stands for float16 and bfloat16, int for the integers, complex for complex64 and complex128: a call",
        "  with at least one of them runs.",
        "- float64 needs a device with double precision.",
        "- What is not planned is listed by kinds, which the first table explains.",
        "- The docstring of `cltorch/compat/ops_table.py` says how the states are found.",
        "",
    ]
    sections = [line for module in MODULES for line in _section(module)]
    return "\n".join([*head, *_left_out(), *sections, *_others()]) + "\n"


def _listed(state: dict[str, str]) -> str:
    return ", ".join(f"{label}: {s}" for label, s in state.items())


def _absence(module: str, name: str) -> str:
    kind = reference.not_planned(module, name)
    return MISSING if kind is None else f"not planned: {reference.families()[kind]}"


def main(arguments: list[str]) -> int:
    """Print the table, or the rows of the names given as arguments; return 1 where one of them is no public name."""
    parser = argparse.ArgumentParser(prog="python -m cltorch ops", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="a public name of PyTorch; all of them when none is given"
    )
    wanted = parser.parse_args(arguments).names
    if not wanted:
        print(report(), end="")
        return 0
    status = 0
    for asked in wanted:
        modules = [m for m in MODULES if asked.rpartition(".")[2] in reference.names(m)]
        for module in modules:
            for name, state in rows(module):
                if name == asked.rpartition(".")[2] and asked in (name, f"{module}.{name}"):
                    words = _absence(module, name) if state is None else _listed(state)
                    print(f"{module}.{name}: {words}")
        if not modules:
            print(f"PyTorch has no public name {asked!r}", file=sys.stderr)
            status = 1
    return status
