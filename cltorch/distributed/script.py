"""Run a file as Python itself runs the one that it is given."""

from __future__ import annotations

import builtins
import os
import runpy
import sys
import zipfile
from importlib.machinery import SourceFileLoader
from types import ModuleType


def run_file(program: str) -> None:
    """Run a script, or a folder or archive with a ``__main__.py``, as the module ``__main__``.

    ``__file__`` is the whole path, so that it holds when the program goes to another folder, and the module stays when
    the file has run: threads that go on and functions that are called at the end find it. ``sys.argv`` is left alone.
    """
    path = os.path.join(os.getcwd(), program)
    if os.path.isdir(path) or path.endswith(".pyc") or zipfile.is_zipfile(path):
        sys.path.insert(0, os.path.dirname(path))
        runpy.run_path(program, run_name="__main__")
        return
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    loader = SourceFileLoader("__main__", path)
    module = ModuleType("__main__")
    vars(module).update(__file__=path, __loader__=loader, __builtins__=builtins, __cached__=None)
    code = loader.source_to_code(loader.get_data(path), path)
    sys.modules["__main__"] = module
    exec(code, vars(module))
