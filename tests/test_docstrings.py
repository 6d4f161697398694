"""The examples in docstrings run, and every public function says what it does."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import cltorch
from cltorch import amp, nn, optim
from cltorch.functions import public, row_docs
from cltorch.functions.row_examples import EXAMPLES
from cltorch.ops.pointwise import INNER
from cltorch.ops.table import TABLE

ROOT = Path(cltorch.__file__).parent
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages([str(ROOT)], "cltorch.")
    if not m.name.endswith("__main__") and m.name != "cltorch.device.probe"
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Finder(doctest.DocTestFinder):
    """Find the examples of decorated functions too, where they are written."""

    def _from_module(self, module, object):
        return super()._from_module(module, inspect.unwrap(object) if inspect.isroutine(object) else object)


def examples(name):
    return [t for t in Finder(exclude_empty=True).find(importlib.import_module(name)) if t.examples]


ROWS = [row for row in TABLE.values() if row.scope != INNER]


def test_examples_of_rows_are_found():
    assert len(examples("cltorch.functions.pointwise")) >= len(ROWS), "run `python ci/stubs.py`"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_examples_of_rows_print_the_same_in_pytorch(row):
    torch = pytest.importorskip("torch")
    assert repr(eval(row_docs.call(row), {"torch": torch})) == EXAMPLES[row.name]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in examples(name):
        test.globs["__name__"] = "__main__"
        runner.run(test)
    assert runner.failures == 0


def test_there_are_examples():
    assert sum(len(examples(name)) for name in MODULES) > 800


@pytest.mark.parametrize(
    "module",
    [
        amp, nn, nn.functional, nn.init, nn.parallel, nn.utils, nn.utils.parametrize, nn.utils.prune, nn.utils.rnn,
        optim, optim.lr_scheduler,
    ],
)  # fmt: skip
def test_layers_functions_and_optimisers_have_an_example(module):
    lacking = []
    for name in module.__all__:
        x = getattr(module, name)
        if name.endswith("_") or not callable(x) or inspect.isroutine(x) and is_row_or_old(x):
            continue
        if ">>>" not in (inspect.getdoc(x) or "") or (inspect.isclass(x) and ">>>" not in (vars(x)["__doc__"] or "")):
            lacking.append(name)
    assert lacking == []


def is_row_or_old(function):
    """Return whether a function is made from a row of the pointwise table, or is an old name of another."""
    inner = inspect.unwrap(function)
    return inner.__module__ == "cltorch.functions.pointwise" or "FutureWarning" in inner.__code__.co_names


CLASSES = [
    x for m in (nn, optim, optim.lr_scheduler, optim.swa_utils) for x in (getattr(m, n) for n in m.__all__)
    if inspect.isclass(x)
]  # fmt: skip
LAYERS = [
    x for x in CLASSES
    if issubclass(x, nn.Module) and x.__module__.startswith("cltorch.nn.modules.")
    and x.__module__.rpartition(".")[2] not in ("container", "module", "parameter_containers")
]  # fmt: skip


def test_layers_and_optimisers_name_their_source():
    assert [x.__name__ for x in CLASSES if "https://docs.pytorch.org/docs/2.13/" not in vars(x)["__doc__"]] == []


def test_functions_of_layers_name_their_source():
    functions = {name: inspect.unwrap(getattr(nn.functional, name)) for name in nn.functional.__all__}
    assert [n for n, f in functions.items() if "https://docs.pytorch.org/docs/2.13/" not in (f.__doc__ or "")] == []


def test_layers_say_what_shapes_they_take():
    assert len(LAYERS) > 130
    assert [x.__name__ for x in LAYERS if "Shape: " not in vars(x)["__doc__"]] == []


def test_every_public_function_says_what_it_does():
    for name in public.__all__:
        doc = inspect.getdoc(getattr(cltorch, name))
        assert doc and doc[0].isupper(), f"torch.{name} has no docstring"
        assert "." in doc.split("\n\n")[0] or ":" in doc.split("\n\n")[0], f"torch.{name}: {doc.splitlines()[0]}"
