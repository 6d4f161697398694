"""torch.overrides: modes, functions of the program's own that can be overridden, and questions about functions."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import threading
import types

import numpy as np
import pytest

import cltorch
from tests.libraries import LIBRARIES


@pytest.fixture(params=LIBRARIES)
def lib(request):
    """Run the test with this library and, where it is installed, with PyTorch."""
    return LIBRARIES[request.param]()


def logging_mode(lib, log, note=""):
    class Logging(lib.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            log.append(note + (lib.overrides.resolve_name(func) or func.__name__))
            return func(*args, **(kwargs or {}))

    return Logging()


def test_a_mode_sees_functions_methods_operators_and_properties(lib):
    log: list = []
    x = lib.ones(2)
    with logging_mode(lib, log) as mode:
        assert lib.overrides._get_current_function_mode() is mode
        y = lib.zeros(2)
        y + 1
        y.sum()
        assert y.shape == (2,)
        y.add_(x)
        y[0]
        lib.nn.functional.linear(y, lib.ones(1, 2))
        lib.tensor([1])
    assert log == [
        "torch.zeros", "torch.Tensor.add", "torch.Tensor.sum", "torch.Tensor.shape.__get__", "torch.Tensor.add_",
        "torch.Tensor.__getitem__", "torch.ones", "torch.nn.functional.linear", "torch.tensor",
    ]  # fmt: skip
    log.clear()
    x + 1
    assert not log and lib.overrides._get_current_function_mode() is None


def test_modes_nest_and_the_inner_one_is_asked_first(lib):
    log: list = []
    with logging_mode(lib, log, "outer "), logging_mode(lib, log, "inner "):
        lib.add(lib.ones(1), 1)
        assert len(lib.overrides._get_current_function_mode_stack()) == 2
    assert log == ["inner torch.ones", "outer torch.ones", "inner torch.add", "outer torch.add"]


def test_a_mode_may_answer_by_itself_or_decline(lib):
    class Mode(lib.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is lib.add:
                return "added"
            if func is lib.mul:
                return NotImplemented
            return func(*args, **(kwargs or {}))

    with Mode():
        x = lib.ones(1)
        assert lib.add(x, 1) == "added" and (x - 1).item() == 0
        with pytest.raises(TypeError, match="torch.mul"):
            lib.mul(x, 1)


def test_a_mode_ends_with_its_block_even_after_an_error(lib):
    log: list = []
    with pytest.raises(ValueError, match="mine"), logging_mode(lib, log):
        raise ValueError("mine")
    with pytest.raises(RuntimeError), logging_mode(lib, log):
        lib.ones(2) + lib.ones(3)
    log.clear()
    lib.ones(1)
    assert not log


def test_subclasses_are_told_of_after_modes_and_guards_tell_them_apart(lib):
    log: list = []

    class Sub(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            log.append("class")
            return super().__torch_function__(func, types, args, kwargs)

    x = lib.ones(1).as_subclass(Sub)
    with logging_mode(lib, log):
        lib.exp(x)
        assert log == ["torch.exp", "class"]
        log.clear()
        with lib._C.DisableTorchFunctionSubclass():
            lib.exp(x)
        assert log == ["torch.exp"]
        log.clear()
        with lib._C.DisableTorchFunction():
            lib.exp(x)
        assert not log


def test_other_threads_are_not_in_the_mode(lib):
    log: list = []
    with logging_mode(lib, log):
        thread = threading.Thread(target=lambda: lib.ones(2) + 1)
        thread.start()
        thread.join()
    assert not log


def test_a_mode_does_not_see_what_a_backward_pass_computes(lib):
    log: list = []
    x = lib.ones(2, requires_grad=True)
    with logging_mode(lib, log):
        (x.exp() * x).sum().backward()
    assert log == ["torch.Tensor.exp", "torch.Tensor.mul", "torch.Tensor.sum", "torch.Tensor.backward"]
    assert x.grad.shape == (2,)


def test_default_devices_go_on_in_modes(lib):
    log: list = []
    with lib.device("meta"), logging_mode(lib, log):
        assert lib.zeros(2).device.type == "meta"
    assert log == ["torch.zeros", "torch.Tensor.device.__get__"]


def test_layers_make_their_parameters_by_functions_that_modes_see():
    log: list = []
    with logging_mode(cltorch, log):
        cltorch.nn.Linear(2, 2)
    assert "torch.empty" in log and "torch.nn.init.kaiming_uniform_" in log


def test_the_base_mode_and_leaving_one_for_a_while(lib):
    overrides = lib.overrides
    with overrides.BaseTorchFunctionMode() as mode:
        assert lib.ones(1).item() == 1
        with overrides._pop_mode_temporarily() as popped:
            assert popped is mode and overrides._get_current_function_mode() is None
        assert overrides._get_current_function_mode() is mode
    with pytest.raises(NotImplementedError), overrides.TorchFunctionMode():
        lib.ones(1)


def test_functions_of_the_program_can_be_overridden(lib):
    overrides = lib.overrides
    seen: list = []

    class Sub(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func, kwargs))
            return super().__torch_function__(func, types, args, kwargs)

    class Decline:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    def scaled(x, factor=2):
        if overrides.has_torch_function_unary(x):
            return overrides.handle_torch_function(scaled, (x,), x, factor=factor)
        return x * factor

    @overrides.wrap_torch_function(lambda x: (x,))
    def wrapped(x):
        return x + 1

    x = lib.ones(1).as_subclass(Sub)
    assert type(scaled(x)) is Sub and seen[0] == (scaled, {"factor": 2}) and len(seen) == 1
    assert type(wrapped(x)) is Sub and seen[1][0] is wrapped
    assert scaled(lib.ones(1)).item() == 2 and type(wrapped(lib.ones(1))) is lib.Tensor
    assert overrides.has_torch_function([1, x]) and overrides.has_torch_function_variadic(1, x)
    assert not overrides.has_torch_function([lib.ones(1), 1, None]) and not overrides.has_torch_function_variadic()
    assert not overrides.has_torch_function_unary(lib.nn.Parameter(lib.ones(1)))
    with logging_mode(lib, []):
        assert not overrides.has_torch_function(()) and overrides.has_torch_function((1,))
    with pytest.raises(TypeError, match="scaled"):
        scaled(Decline())


def test_changes_in_place_by_what_is_no_tensor_are_left_to_the_other_operand(lib):
    class Decline:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

        def __radd__(self, other):
            return "added"

    class Other:
        def __radd__(self, other):
            return "added"

        def __rtruediv__(self, other):
            return "divided"

    for kind in (Decline, Other):
        x = lib.ones(2)
        x += kind()
        assert x == "added"
    x = lib.ones(2)
    x /= Other()
    assert x == "divided"
    x = y = lib.ones(2)
    x += np.array([1.0, 2.0])
    assert x.tolist() == [2, 3] and x.dtype is lib.float64 and y.tolist() == [1, 1]
    for other in ("a", None, [1.0, 2.0]):
        x = lib.ones(2)
        with pytest.raises(TypeError, match="unsupported operand"):
            x -= other
        with pytest.raises(TypeError, match="unsupported operand"):
            x //= other


def test_redispatch_skips_one_question(lib):
    overrides = lib.overrides
    log: list = []

    class Sub(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            log.append(func.__name__)
            return overrides.redispatch_function(func, types, args, kwargs)

    def scaled(a, b):
        if overrides.has_torch_function((a, b)):
            return overrides.handle_torch_function(scaled, (a, b), a, b)
        return a * b + 1

    x = lib.tensor([3.0]).as_subclass(Sub)
    result = scaled(x, x)
    assert log == ["scaled", "mul"] and type(result) is lib.Tensor and result.tolist() == [10]


def test_questions_about_functions(lib):
    overrides = lib.overrides

    class Like:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return -1

    class Sub(lib.Tensor):
        pass

    assert (
        overrides.is_tensor_like(lib.ones(1)) and overrides.is_tensor_like(Like()) and overrides.is_tensor_like(Sub())
    )
    assert not overrides.is_tensor_like(6) and not overrides.is_tensor_like(None)
    assert overrides.is_tensor_method_or_property(lib.Tensor.add)
    assert overrides.is_tensor_method_or_property(lib.Tensor.shape.__get__)
    assert not overrides.is_tensor_method_or_property(lib.add)
    for path in ("torch.add", "torch.Tensor.add", "torch.linalg.norm", "torch.nn.functional.relu",
                 "torch.Tensor.shape.__get__"):  # fmt: skip
        assert overrides.resolve_name(eval(path, {"torch": lib})) == path
    for name in ("__add__", "__rsub__", "__iadd__", "__matmul__", "__lt__", "__eq__", "__getitem__"):
        assert overrides.resolve_name(getattr(lib.Tensor, name)) == "torch.Tensor." + name
        assert overrides.is_tensor_method_or_property(getattr(lib.Tensor, name))
    assert not overrides.is_tensor_method_or_property(lib.Tensor.__iter__)
    assert overrides.resolve_name(lib.ops.aten.add.Tensor) == "aten.add.Tensor"
    assert overrides.resolve_name(lib.ops.aten.add) == "aten.add"
    assert overrides.resolve_name(print) is None
    assert lib.Tensor.grad.__get__ in overrides.get_default_nowrap_functions()
    assert lib.Tensor.T.__get__ not in overrides.get_default_nowrap_functions()
    found = overrides.get_overridable_functions()
    assert lib.add in found[lib] and lib.Tensor.add in found[lib.Tensor] and lib.linalg.det in found[lib.linalg]
    ignored = overrides.get_ignored_functions()
    assert {lib.zeros, lib.tensor, lib.is_tensor} <= ignored and lib.add not in ignored
    assert not ignored & set(found[lib])


def test_testing_overrides_have_the_signatures_of_their_functions():
    made = cltorch.overrides.get_testing_overrides()
    assert made[cltorch.add](1, 2) == -1 and made[cltorch.Tensor.add](1, 2) == -1
    assert inspect.signature(made[cltorch.add]) == inspect.signature(cltorch.add)


def test_every_overridable_function_asks():
    """A class that answers everything is asked by every function and every method, with nothing computed."""

    class Answer(cltorch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "answer", func

    x = cltorch.ones(1).as_subclass(Answer)
    for functions in cltorch.overrides.get_overridable_functions().values():
        for func in functions:
            path = cltorch.overrides.resolve_name(func)
            operator = path.startswith("torch.Tensor.__") and "other" in inspect.signature(func).parameters
            getter = path.split(".")[-2] if path.endswith("__get__") else None
            got = getattr(x, getter) if getter else func(x, x) if operator else func(x)
            assert got == ("answer", func), path


def test_enabling_within_a_guard(lib):
    class Sub(lib.Tensor):
        pass

    x = lib.ones(1).as_subclass(Sub)
    with lib._C.DisableTorchFunctionSubclass():
        with lib.overrides._enable_torch_function():
            assert type(x + 1) is Sub
        assert type(x + 1) is lib.Tensor


_SPACES = ("", "nn.functional", "nn.init", "linalg", "fft", "special")


@pytest.mark.parametrize("space", _SPACES)
def test_functions_are_methods_of_a_class_where_pytorch_has_written_them_in_python(space):
    ours, theirs = cltorch, pytest.importorskip("torch")
    for part in filter(None, space.split(".")):
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    kinds = {n: type(getattr(theirs, n)) for n in dir(theirs) if not n.startswith("_") and hasattr(ours, n)}
    names = [n for n, kind in kinds.items() if kind in (types.FunctionType, types.BuiltinFunctionType)]
    names = [n for n in names if inspect.isroutine(getattr(ours, n)) and not n.startswith("has_torch_function")]
    assert len(names) > 20
    wrong = []
    for name in names:
        kept = type("Kept", (), {"f": getattr(ours, name)})().f
        if isinstance(kept, types.MethodType) != (kinds[name] is types.FunctionType):
            wrong.append(name)
    assert wrong == []


def test_a_function_kept_in_a_class_is_called_as_it_is(lib):
    class Kept:
        conv = lib.conv2d
        flat = lib.nn.functional.linear
        norm = lib.linalg.norm

    x = lib.ones(1, 1, 2, 2)
    assert Kept().conv(x, weight=x).item() == 4 and Kept.conv is Kept().conv is lib.conv2d
    assert Kept().flat(x, lib.ones(1, 2)).tolist() == [[[[2.0], [2.0]]]]
    assert Kept().norm(x).item() == 2


def test_functions_that_are_no_methods_can_be_pickled_copied_and_asked_for_their_names(lib):
    for f in (lib.add, lib.linalg.norm, lib.nn.functional.conv2d, lib.promote_types):
        assert pickle.loads(pickle.dumps(f)) is f and copy.deepcopy(f) is f
        assert inspect.isroutine(f) and f.__doc__
    assert lib.add.__name__ == "add" and "add" in repr(lib.add)
    assert str(inspect.signature(cltorch.mm)).startswith("(input: 'Any', mat2: 'Any', out_dtype: 'Any' = None, *, ")
    half = functools.partial(lib.mul, lib.ones(2))
    assert half.func is lib.mul and half(0.5).tolist() == [0.5, 0.5]
