"""torch.jit, torch.compile and their kin return what they decorate, and say what they cannot do."""

from __future__ import annotations

import copy
import pickle
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
        torch.compiler.set_stance("force_eager"), torch.jit.script_method,
        torch.jit._script_if_tracing,
    ],
)  # fmt: skip
def test_functions_stay_as_they_are(decorate):
    assert decorate(double) is double


def test_modules_stay_as_they_are():
    model = torch.nn.Linear(2, 2)
    assert torch.compile(model, disable=True) is model and torch.jit.script(model) is model
    assert not isinstance(model, torch.jit.ScriptModule)


class Doubling(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.factor = torch.nn.Linear(2, 2), 2

    def forward(self, x):
        return self.twice(self.inner(x))

    def twice(self, x):
        return x * self.factor


def test_a_compiled_module_stands_around_the_module():
    model, x = Doubling(), torch.ones(3, 2)
    compiled = torch.compile(model, dynamic=True)
    assert type(compiled) is torch._dynamo.OptimizedModule and compiled._orig_mod is model
    assert torch.equal(compiled(x), model(x)) and torch.equal(compiled.twice(x), x * 2)
    assert list(compiled.state_dict()) == ["_orig_mod.inner.weight", "_orig_mod.inner.bias"]
    assert [name for name, _ in compiled.named_modules()] == ["", "_orig_mod", "_orig_mod.inner"]
    assert repr(compiled).splitlines()[:2] == ["OptimizedModule(", "  (_orig_mod): Doubling("]
    compiled.factor, compiled.new = 3, torch.nn.Linear(2, 2)
    assert model.factor == 3 and dict(model.named_children()).keys() == {"inner", "new"} and "twice" in dir(compiled)
    del compiled.new
    assert not hasattr(model, "new") and not hasattr(compiled, "new")
    compiled.eval()
    assert not model.training and not compiled.training and not model.inner.training
    model.train()
    assert compiled.training and compiled.dynamo_ctx(len) is len
    assert torch.compile(compiled)._orig_mod is model and torch.compile(mode="default")(model)._orig_mod is model


def test_states_of_compiled_modules_go_both_ways(tmp_path):
    compiled = torch.compile(Doubling())
    torch.save(compiled.state_dict(), tmp_path / "state")
    other = torch.compile(Doubling())
    other.load_state_dict(torch.load(tmp_path / "state"))
    assert torch.equal(other.inner.weight, compiled.inner.weight)
    for made in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert type(made) is type(compiled) and made._orig_mod is not compiled._orig_mod
        assert torch.equal(made(torch.ones(2)), compiled(torch.ones(2))) and made.factor == 2
    assert compiled.to(torch.float64).inner.weight.dtype is torch.float64
    seen = []
    compiled.register_forward_hook(lambda *args: seen.append("around"))
    compiled._orig_mod.register_forward_hook(lambda *args: seen.append("inside"))
    compiled(torch.ones(2, dtype=torch.float64)).sum().backward()
    assert seen == ["inside", "around"] and compiled.inner.weight.grad is not None


def test_a_compiled_module_has_the_length_of_the_module():
    assert len(torch.compile(torch.nn.Sequential(Doubling(), Doubling()))) == 2
    with pytest.raises(TypeError, match=r"Doubling does not support len\(\)"):
        len(torch.compile(Doubling()))
    assert torch.compile(Doubling())


def test_nothing_is_being_compiled():
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing() and not torch.compiler.is_compiling()
    assert torch.jit.wait(torch.jit.fork(double, 3)) == 6


def test_what_cannot_be_done_is_told(tmp_path):
    for refuse in (lambda: torch.jit.load(tmp_path), lambda: torch.jit.save(torch.nn.Linear(1, 1), tmp_path)):
        with pytest.raises(NotImplementedError, match=r"torch\.jit"):
            refuse()
    with pytest.raises(RuntimeError, match="can't be specified at the same time"):
        torch.compile(double, mode="default", options={})


def test_settings_of_the_compiler_are_kept():
    before = torch.jit.set_fusion_strategy([("DYNAMIC", 3)])
    assert torch.jit.set_fusion_strategy(before) == [("DYNAMIC", 3)]
    with pytest.raises(ValueError, match="only supported 'STATIC' or 'DYNAMIC', got: SLOW"):
        torch.jit.set_fusion_strategy([("SLOW", 3)])
    torch.jit.enable_onednn_fusion(True)
    assert torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(False)
    assert not torch.jit.onednn_fusion_enabled()
    with torch.jit.fuser("fuser1"), torch.jit.optimized_execution(False):
        assert double(2) == 4
    with pytest.raises(Exception, match=r"unrecognized fuser option \(name: fuser9\)"), torch.jit.fuser("fuser9"):
        pass


def test_methods_and_attributes_of_script_modules_are_plain_ones():
    class Twice(torch.jit.ScriptModule):
        __constants__ = ("factor",)

        def __init__(self):
            super().__init__()
            self.factor = torch.jit.Attribute(2, int)

        @torch.jit.script_method
        def forward(self, x):
            return x * self.factor.value

    assert Twice()(3) == 6 and Twice().factor == (2, int) and issubclass(torch.jit.Error, Exception)


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
