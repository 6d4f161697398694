"""The examples in docstrings run, and every public function says what it does."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import cltorch
from cltorch import amp, distributions, fft, func, linalg, masked, nn, optim, signal, special, vision
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


DOCUMENTED = [
    amp, distributions, fft, func, linalg, masked, nn, nn.functional, nn.init, nn.parallel, nn.utils,
    nn.utils.parametrize, nn.utils.prune, nn.utils.rnn, optim, optim.lr_scheduler, optim.swa_utils, public,
    signal.windows, special, vision.ops, vision.transforms, vision.transforms.v2,
]  # fmt: skip
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


@pytest.mark.parametrize("module", DOCUMENTED, ids=lambda module: module.__name__)
def test_what_a_module_offers_has_an_example(module):
    lacking = []
    for name in module.__all__:
        x = getattr(module, name)
        if name.endswith("_") or not callable(x) or (is_old(x) if inspect.isroutine(x) else is_error(x)):
            continue
        if ">>>" not in ((vars(x)["__doc__"] if inspect.isclass(x) else inspect.getdoc(x)) or ""):
            lacking.append(name)
    assert lacking == []


def is_old(function):
    """Return whether a function is a deprecated name of another."""
    return "FutureWarning" in inspect.unwrap(function).__code__.co_names


def is_error(x):
    return inspect.isclass(x) and issubclass(x, BaseException)


LAYERS = [
    x for x in map(vars(nn).get, nn.__all__)
    if inspect.isclass(x) and issubclass(x, nn.Module) and x.__module__.startswith("cltorch.nn.modules.")
    and x.__module__.rpartition(".")[2] not in ("container", "module", "parameter_containers")
]  # fmt: skip


@pytest.mark.parametrize("module", [m for m in DOCUMENTED if m is not public], ids=lambda module: module.__name__)
def test_what_a_module_offers_names_its_source(module):
    offered = {name: getattr(module, name) for name in module.__all__}
    lacking = [
        name for name, x in offered.items()
        if (inspect.isroutine(x) or inspect.isclass(x) and not is_error(x))
        and "https://docs.pytorch.org/" not in (inspect.getdoc(x) or "")
    ]  # fmt: skip
    assert lacking == []


def test_layers_say_what_shapes_they_take():
    assert len(LAYERS) > 130
    assert [x.__name__ for x in LAYERS if "Shape: " not in vars(x)["__doc__"]] == []


def test_every_public_function_says_what_it_does():
    for name in public.__all__:
        doc = inspect.getdoc(getattr(cltorch, name))
        assert doc and doc[0].isupper(), f"torch.{name} has no docstring"
        assert "." in doc.split("\n\n")[0] or ":" in doc.split("\n\n")[0], f"torch.{name}: {doc.splitlines()[0]}"
