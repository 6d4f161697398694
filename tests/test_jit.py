"""torch.jit, torch.compile and their kin return what they decorate, and say what they cannot do."""

from __future__ import annotations

import warnings

import pytest

import cltorch as torch


def double(x):
    return x * 2


@pytest.mark.parametrize(
    "decorate",
    [
        torch.jit.script, torch.jit.export, torch.jit.unused, torch.jit.ignore, torch.jit.ignore(drop=True),
        torch.jit.script_if_tracing, lambda f: torch.jit.trace(f, (torch.ones(1),)), torch.compile,
        torch.compile(mode="reduce-overhead"), torch.compiler.disable, torch.compiler.disable(recursive=False),
        torch.compiler.set_stance("force_eager"),
    ],
)  # fmt: skip
def test_functions_stay_as_they_are(decorate):
    assert decorate(double) is double


def test_modules_stay_as_they_are():
    model = torch.nn.Linear(2, 2)
    assert torch.compile(model, dynamic=True) is model and torch.jit.script(model) is model
    assert not isinstance(model, torch.jit.ScriptModule)


def test_nothing_is_being_compiled():
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing() and not torch.compiler.is_compiling()
    assert torch.jit.wait(torch.jit.fork(double, 3)) == 6


def test_what_cannot_be_done_is_told(tmp_path):
    for refuse in (lambda: torch.jit.load(tmp_path), lambda: torch.jit.save(torch.nn.Linear(1, 1), tmp_path)):
        with pytest.raises(NotImplementedError, match=r"torch\.jit"):
            refuse()
    with pytest.raises(RuntimeError, match="can't be specified at the same time"):
        torch.compile(double, mode="default", options={})


def test_the_inner_marks_return_what_they_are_given():
    from cltorch import _jit_internal  # noqa: PLC0415 (a module that only libraries import)

    assert _jit_internal._copy_to_script_wrapper(len) is len and _jit_internal._overload_method(len) is len
    assert not _jit_internal.is_scripting()


def test_kinds_of_warnings_can_be_named():
    with pytest.warns(UserWarning), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        warnings.warn("another kind", stacklevel=1)


def test_modules_without_shapes_are_refused():
    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.LazyLinear(2))
    with pytest.raises(RuntimeError, match="'.*LazyLinear' has uninitialized parameters weight. Did you forget to run"):
        torch.jit.script(model)
    model(torch.ones(1, 3))
    assert torch.jit.script(model) is model
