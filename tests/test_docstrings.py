"""The examples in docstrings run, and every public function says what it does."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import cltorch
from cltorch.functions import public

ROOT = Path(cltorch.__file__).parent
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages([str(ROOT)], "cltorch.")
    if not m.name.endswith("__main__") and m.name != "cltorch.device.probe"
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=FLAGS, extraglobs={"__name__": "__main__"})
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [t for name in MODULES for t in finder.find(importlib.import_module(name)) if t.examples]
    assert len(found) > 100


def test_every_public_function_says_what_it_does():
    for name in public.__all__:
        doc = inspect.getdoc(getattr(cltorch, name))
        assert doc and doc[0].isupper(), f"torch.{name} has no docstring"
        assert "." in doc.split("\n\n")[0] or ":" in doc.split("\n\n")[0], f"torch.{name}: {doc.splitlines()[0]}"
