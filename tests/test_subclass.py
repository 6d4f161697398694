"""Subclasses of Tensor: what keeps the class, what ``__torch_function__`` is told."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections import defaultdict

import pytest

import cltorch
from cltorch import torch_function
from tests.libraries import LIBRARIES


@pytest.fixture(params=LIBRARIES)
def lib(request):
    """Run the test with this library and, where it is installed, with PyTorch."""
    return LIBRARIES[request.param]()


def plain_class(lib):
    class Sub(lib.Tensor):
        pass

    return Sub


def logging_class(lib, log):
    """Return a class that notes the path and the arguments of every call."""

    class Logging(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            shown = ["S" if isinstance(a, cls) else "T" if isinstance(a, lib.Tensor) else a for a in args]
            log.append((lib.overrides.resolve_name(func), shown))
            return super().__torch_function__(func, types, args, kwargs)

    return Logging


KEPT = {
    "x + 1": lambda lib, x: x + 1,
    "1 - x": lambda lib, x: 1 - x,
    "plain * x": lambda lib, x: lib.ones(2, 2) * x,
    "x @ x": lambda lib, x: x @ x,
    "-x": operator.neg,
    "x < 1": lambda lib, x: x < 1,
    "x == 1": lambda lib, x: x == 1,
    "x[0]": lambda lib, x: x[0],
    "plain[x]": lambda lib, x: lib.arange(4)[x.long()],
    "iteration": lambda lib, x: next(iter(x)),
    "T": lambda lib, x: x.T,
    "mT": lambda lib, x: x.mT,
    "H": lambda lib, x: x.H,
    "mH": lambda lib, x: x.mH,
    "data": lambda lib, x: x.data,
    "real": lambda lib, x: x.real,
    "method": lambda lib, x: x.sum(),
    "in place": lambda lib, x: x.add_(1),
    "plain in place": lambda lib, x: lib.ones(2, 2).add_(x),
    "function": lambda lib, x: lib.exp(x),
    "second argument": lambda lib, x: lib.add(lib.ones(2, 2), x),
    "keyword": lambda lib, x: lib.add(lib.ones(2, 2), other=x),
    "out": lambda lib, x: lib.add(lib.ones(2, 2), 1, out=x),
    "list": lambda lib, x: lib.stack([lib.ones(2, 2), x]),
    "linear": lambda lib, x: lib.nn.functional.linear(x, lib.ones(2, 2)),
    "relu": lambda lib, x: lib.nn.functional.relu(x),
    "linalg": lambda lib, x: lib.linalg.norm(x),
    "fft": lambda lib, x: lib.fft.fft(x),
    "special": lambda lib, x: lib.special.expit(x),
    "to": lambda lib, x: x.to(lib.float64),
    "clone": lambda lib, x: x.clone(),
    "detach": lambda lib, x: x.detach(),
    "new_zeros": lambda lib, x: x.new_zeros(2),
    "zeros_like": lambda lib, x: lib.zeros_like(x),
    "module": lambda lib, x: lib.nn.Linear(2, 2)(x),
    "requires_grad_": lambda lib, x: x.requires_grad_(),
}
KEPT["-x"] = lambda lib, x: -x
LOST = {
    "tensor": lambda lib, x: lib.tensor(x.tolist()),
    "as_subclass": lambda lib, x: x.as_subclass(lib.Tensor),
    "shape": lambda lib, x: x.shape,
    "item": lambda lib, x: x.sum().item(),
    "numpy": lambda lib, x: x.numpy(),
    "tolist": lambda lib, x: x.tolist(),
    "zeros": lambda lib, x: lib.zeros(x.shape),
}


@pytest.mark.parametrize("call", KEPT)
def test_results_are_of_the_subclass(lib, call):
    Sub = plain_class(lib)
    got = KEPT[call](lib, lib.ones(2, 2).as_subclass(Sub))
    assert type(got) is Sub


@pytest.mark.parametrize("call", LOST)
def test_what_is_no_computation_on_a_tensor_is_not_of_the_subclass(lib, call):
    Sub = plain_class(lib)
    assert not isinstance(LOST[call](lib, lib.ones(2, 2).as_subclass(Sub)), Sub)


def test_values_are_those_of_plain_tensors(device):
    Sub = plain_class(cltorch)
    plain = cltorch.rand(3, 3, device=device)
    x = plain.as_subclass(Sub)
    assert x.device == plain.device and ((x @ x + x.T) / 2).tolist() == ((plain @ plain + plain.T) / 2).tolist()


def test_several_results_are_all_of_the_subclass(lib):
    Sub = plain_class(lib)
    x = lib.ones(2, 2).as_subclass(Sub)
    named = lib.max(x, 0)
    assert type(named).__name__ == "max" and type(named.values) is Sub and type(named.indices) is Sub
    parts = x.split(1)
    assert type(parts) is tuple and [type(p) for p in parts] == [Sub, Sub]


def test_changes_in_place_keep_the_object(lib):
    Sub = plain_class(lib)
    x = lib.ones(2).as_subclass(Sub)
    y = x
    y += 1
    assert y is x and x.add_(1) is x and lib.mul(x, 2, out=x) is x and x.tolist() == [6, 6]
    plain = lib.ones(2)
    made = plain.add_(x)
    assert type(plain) is lib.Tensor and type(made) is Sub and plain.tolist() == [7, 7]


def test_gradients_go_to_the_tensor_and_are_plain(lib):
    Sub = plain_class(lib)
    leaf = lib.ones(2, requires_grad=True)
    x = leaf.as_subclass(Sub)
    assert not x.is_leaf and type(x * 2) is Sub
    (x * x).sum().backward()
    assert type(leaf.grad) is lib.Tensor and leaf.grad.tolist() == [2, 2]
    own = lib.ones(2).as_subclass(Sub).requires_grad_()
    (own.exp() * 0 + own * 3).sum().backward()
    assert own.is_leaf and type(own.grad) is lib.Tensor and own.grad.tolist() == [3, 3] and own.grad is own.grad


def test_a_view_that_is_changed_in_place_changes_the_history_of_its_base(lib):
    Sub = plain_class(lib)
    leaf = lib.ones(2, requires_grad=True)
    base = (leaf * 1).as_subclass(Sub)
    base[0].mul_(5)
    base.sum().backward()
    assert leaf.grad.tolist() == [5, 1]


def test_make_subclass_gives_a_leaf_of_the_same_memory(lib):
    Sub = plain_class(lib)
    data = lib.ones(2)
    x = lib.Tensor._make_subclass(Sub, data, True)
    assert type(x) is Sub and x.is_leaf and x.requires_grad
    with lib.no_grad():
        x[0] = 7
    assert data.tolist() == [7, 1] and not lib.Tensor._make_subclass(Sub, data).requires_grad


def test_the_constructor_of_a_subclass(lib):
    Sub = plain_class(lib)
    assert Sub([1, 2]).tolist() == [1, 2] and Sub(2, 3).shape == (2, 3)
    assert [type(Sub(lib.ones(2))), type(Sub([1])), type(Sub(2))] == [Sub, Sub, Sub]
    assert repr(Sub([1, 2])) == "Sub([1., 2.])"


def test_operators_name_the_method_that_they_call():
    """Every operator of both libraries tells ``__torch_function__`` of the same method and the same arguments."""
    names = "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul eq ne lt le gt ge".split()
    names = [f"__{prefix}{name}__" for name in names for prefix in ("", "r", "i")]
    names += "__neg__ __pos__ __abs__ __invert__ __len__ __iter__ __reversed__ __hash__ __getitem__".split()
    told = {
        "__add__": "add", "__radd__": "add", "__iadd__": "add_", "__sub__": "sub", "__isub__": "sub_", "__mul__": "mul",
        "__rmul__": "mul", "__imul__": "mul_", "__truediv__": "div", "__itruediv__": "div_",
        "__ifloordiv__": "floor_divide_", "__mod__": "remainder", "__imod__": "remainder_", "__matmul__": "matmul",
        "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__rand__": "bitwise_and",
        "__ror__": "bitwise_or", "__rxor__": "bitwise_xor", "__neg__": "neg", "__pos__": "positive", "__abs__": "abs",
    }  # fmt: skip
    results = []
    for make in LIBRARIES.values():
        try:
            lib = make()
        except pytest.skip.Exception:
            continue
        log: list = []
        cls = logging_class(lib, log)
        seen = {}
        for name in names:
            kinds = [lib.int32] if any(w in name for w in ("and", "or_", "xor", "shift", "inv")) else [lib.float32]
            for kind in kinds:
                x = lib.ones(2, 2, dtype=kind).as_subclass(cls)
                if not hasattr(x, name):
                    continue
                log.clear()
                unary = name in names[-9:-1]
                getattr(x, name)(*([] if unary else [x if "matmul" in name else 0 if "get" in name else 3]))
                seen[name] = list(log)
        results.append(seen)
        for name, method in told.items():
            assert seen[name][0][0] == f"torch.Tensor.{method}"
        assert seen["__iter__"] and not seen["__hash__"]
    for other in results[1:]:
        shared = results[0].keys() & other.keys()
        assert {n: results[0][n] for n in shared if n != "__iter__"} == {n: other[n] for n in shared if n != "__iter__"}


def test_methods_functions_and_properties_are_told_apart(lib):
    log: list = []
    x = lib.ones(2, 2).as_subclass(logging_class(lib, log))
    calls = [
        lambda: lib.add(x, 1), lambda: x.add(1), lambda: x.shape, lambda: x.T, lambda: lib.nn.functional.linear(x, x),
        lambda: lib.linalg.norm(x), lambda: x.grad, lambda: setattr(x, "data", lib.ones(2, 2)), lambda: x.size(),
    ]  # fmt: skip
    found = []
    for call in calls:
        log.clear()
        call()
        found.append(log[0][0])
    paths = ["torch.add", "torch.Tensor.add", "torch.Tensor.shape.__get__", "torch.Tensor.T.__get__",
             "torch.nn.functional.linear", "torch.linalg.norm", "torch.Tensor.grad.__get__",
             "torch.Tensor.data.__set__", "torch.Tensor.size"]  # fmt: skip
    assert found == paths
    assert lib.Tensor.add is not lib.add and lib.Tensor.shape.__get__ == lib.Tensor.shape.__get__


def test_metadata_goes_along(lib):
    """The example of PyTorch's notes: a tensor that carries something beside its values."""

    class MetadataTensor:
        def __init__(self, data, metadata=None):
            self._t, self._metadata = lib.as_tensor(data), metadata

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            metadatas = tuple(a._metadata for a in args if hasattr(a, "_metadata"))
            args = [getattr(a, "_t", a) for a in args]
            assert len(metadatas) > 0
            return MetadataTensor(func(*args, **(kwargs or {})), metadata=metadatas[0])

    x = MetadataTensor([[1.0], [2.0]], metadata={"owner": "us"})
    y = lib.add(x, lib.ones(1))
    assert y._metadata == {"owner": "us"} and y._t.tolist() == [[2], [3]]
    z = lib.mul(lib.ones(2, 1), x)
    assert z._metadata == {"owner": "us"} and z._t.tolist() == [[1], [2]]


def test_objects_that_are_no_tensors(lib):
    """The other example of the notes: a scalar times the identity, with functions of its own."""
    handled = {}

    class ScalarTensor:
        def __init__(self, n, value):
            self.n, self.value = n, value

        def tensor(self):
            return self.value * lib.eye(self.n)

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func not in handled or not all(issubclass(t, (lib.Tensor, ScalarTensor)) for t in types):
                return NotImplemented
            return handled[func](*args, **(kwargs or {}))

    def dense(x):
        return x.tensor() if isinstance(x, ScalarTensor) else x

    handled[lib.mean] = lambda x: x.value / x.n
    handled[lib.add] = lambda a, b: (
        ScalarTensor(a.n, a.value + b.value) if type(a) is type(b) else lib.add(dense(a), dense(b))
    )
    handled[lib.stack] = lambda xs, dim=0: lib.stack([dense(x) for x in xs], dim)
    handled[lib.Tensor.add] = handled[lib.Tensor.matmul] = lambda a, b: ("method", a, b)
    s = ScalarTensor(2, 3)
    assert lib.mean(s) == 1.5 and lib.add(s, s).value == 6 and lib.add(s, lib.ones(2, 2)).tolist() == [[4, 1], [1, 4]]
    assert lib.stack([s, lib.ones(2, 2)]).shape == (2, 2, 2)
    assert (lib.ones(2) + s)[0] == "method" and (lib.ones(2) @ s)[2] is s
    with pytest.raises(TypeError, match=r"Multiple dispatch failed for 'torch.mul'; .* returned NotImplemented"):
        lib.mul(s, 3)
    with pytest.raises(TypeError, match="no implementation found for 'torch.*einsum' on types that implement"):
        lib.einsum("i->", s)
    with pytest.raises(TypeError):
        lib.add(object(), 1)


def test_the_subclass_of_a_subclass_is_asked_first(lib):
    asked = []

    class First(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            asked.append((cls.__name__, [t.__name__ for t in types]))
            return NotImplemented if cls is Second and func is lib.sub else "answer"

    class Second(First):
        pass

    class Other(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            asked.append((cls.__name__, [t.__name__ for t in types]))
            return NotImplemented

    a, b, c = lib.ones(1).as_subclass(First), lib.ones(1).as_subclass(Second), lib.ones(1).as_subclass(Other)
    assert lib.add(a, b) == "answer" and asked == [("Second", ["Second", "First"])]
    asked.clear()
    assert lib.sub(a, b) == "answer" and [n for n, _ in asked] == ["Second", "First"]
    asked.clear()
    assert lib.add(c, a) == "answer" and asked == [("Other", ["Other", "First"]), ("First", ["Other", "First"])]
    asked.clear()
    for call in (lambda: lib.add(c, 1), lambda: c.add(1), lambda: lib.nn.functional.relu(c), lambda: c.shape):
        with pytest.raises(TypeError, match="Other"):
            call()
    with pytest.raises(TypeError, match="unsupported operand"):
        c + 1


def test_unrelated_subclasses_do_not_mix_by_default(lib):
    A, B = plain_class(lib), plain_class(lib)
    with pytest.raises(TypeError, match="torch.add"):
        lib.add(lib.ones(1).as_subclass(A), lib.ones(1).as_subclass(B))


def test_guards_switch_it_off(lib):
    log: list = []
    x = lib.ones(2).as_subclass(logging_class(lib, log))
    for guard in (lib._C.DisableTorchFunctionSubclass, lib._C.DisableTorchFunction):
        log.clear()
        with guard():
            assert type(x + 1) is lib.Tensor and type(lib.exp(x)) is lib.Tensor and x.add_(0) is x
        assert not log
        x + 1
        assert log

    class Silent(lib.Tensor):
        __torch_function__ = lib._C._disabled_torch_function_impl

    assert type(lib.ones(1).as_subclass(Silent) + 1) is lib.Tensor


def test_super_calls_and_methods_of_the_subclass(lib):
    class Sub(lib.Tensor):
        def add(self, other):
            return super().add(other), "mine"

        def double(self):
            return self * 2

    x = lib.ones(1).as_subclass(Sub)
    result, note = x.add(1)
    assert type(result) is Sub and note == "mine" and type(x.double()) is Sub


def test_backward_functions_of_the_program_see_the_subclass(lib):
    log: list = []
    cls = logging_class(lib, log)

    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (x * 2).as_subclass(lib.Tensor)

    leaf = lib.ones(2).as_subclass(cls).requires_grad_()
    out = Square.apply(leaf).as_subclass(lib.Tensor).sum()
    log.clear()
    lib.autograd.backward(out)
    assert leaf.grad.tolist() == [2, 2]


def test_handlers_of_methods_may_be_listed_before_a_subclass_exists():
    """Methods stay the same objects when the first subclass is defined."""
    assert torch_function.on[0] in (True, False)
    before = cltorch.Tensor.add, cltorch.Tensor.shape, cltorch.add
    x = cltorch.ones(1).as_subclass(plain_class(cltorch))
    assert torch_function.on[0] and type(x + 1) is not cltorch.Tensor
    assert before == (cltorch.Tensor.add, cltorch.Tensor.shape, cltorch.add)
    counts: dict = defaultdict(int)

    class Counting(cltorch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            counts[func] += 1
            return super().__torch_function__(func, types, args, kwargs)

    cltorch.ones(1).as_subclass(Counting).add(1)
    assert counts[before[0]] == 1


def test_wrapper_subclasses_are_refused():
    with pytest.raises(NotImplementedError, match="__torch_dispatch__"):
        cltorch.Tensor._make_wrapper_subclass(plain_class(cltorch), (2,))
    with pytest.raises(TypeError, match="does not inherit from Tensor"):
        cltorch.ones(1).as_subclass(int)


def test_subclasses_that_handle_operators_are_refused():
    class Logging(cltorch.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    class Plain(cltorch.Tensor):
        __torch_dispatch__ = cltorch._C._disabled_torch_dispatch_impl

    with pytest.raises(NotImplementedError, match="Logging: __torch_dispatch__"):
        cltorch.ones(1).as_subclass(Logging)
    with pytest.raises(NotImplementedError, match="Logging: __torch_dispatch__"):
        cltorch.Tensor._make_subclass(Logging, cltorch.ones(1))
    assert type(cltorch.ones(1).as_subclass(Plain) + 1) is Plain
    assert Plain.__torch_dispatch__ is cltorch.Tensor.__torch_dispatch__


_FRESH = """
import cltorch as torch
from cltorch import torch_function

plain = torch.Tensor.add.__code__
assert (torch.ones(2) + 1).add(1).sum().item() == 6 and torch.add(torch.ones(1), 1).item() == 2

class Like:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.overrides.resolve_name(func), len(args), kwargs

like, x = Like(), torch.ones(1)
for call, path in [
    (lambda: torch.add(x, like), "torch.add"), (lambda: torch.add(like, 1), "torch.add"),
    (lambda: torch.exp(like), "torch.exp"), (lambda: torch.neg(like), "torch.neg"),
    (lambda: torch.mul(x, like), "torch.mul"),
    (lambda: torch.eq(like, x), "torch.eq"), (lambda: torch.maximum(x, like), "torch.maximum"),
    (lambda: torch.sum(like), "torch.sum"), (lambda: torch.stack([x, like]), "torch.stack"),
    (lambda: torch.nn.functional.softplus(like), "torch.nn.functional.softplus"),
    (lambda: x.mul(like), "torch.Tensor.mul"), (lambda: torch.linalg.det(like), "torch.linalg.det"),
    (lambda: torch.nn.functional.linear(like, like), "torch.nn.functional.linear"),
]:
    assert not torch_function.on[0] and torch.Tensor.add.__code__ is plain
    assert call()[0] == path, (call(), path)
assert torch.add(x, like, alpha=2) == ("torch.add", 2, {"alpha": 2})
assert (x + like)[0] == "torch.Tensor.add" and (like is not x)
for call in (lambda: torch.zeros(like), lambda: torch.add(x, object()), lambda: torch.tensor([1]).sub("a")):
    try:
        call()
    except TypeError:
        continue
    raise AssertionError
"""


def test_before_a_subclass_exists_methods_run_their_own_code_and_objects_are_asked_when_refused():
    done = subprocess.run([sys.executable, "-c", _FRESH], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", "is_conj is_neg resolve_conj resolve_neg conj linalg.cholesky linalg.eigh linalg.vander".split()
)
def test_objects_that_look_like_tensors_are_asked(lib, name):
    class Like:
        shape, dtype, device, ndim, requires_grad = lib.Size((2, 2)), lib.float32, lib.device("cpu"), 2, False

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "asked", func

    found = lib
    for part in name.split("."):
        found = getattr(found, part)
    assert found(Like()) == ("asked", found)
    with pytest.raises(TypeError):
        found(object())
