"""Copies, files and parameters of subclasses of Tensor."""

from __future__ import annotations

import copy
import io
import pickle

import pytest

import cltorch
from tests.libraries import LIBRARIES


@pytest.fixture(params=LIBRARIES)
def lib(request):
    """Run the test with this library and, where it is installed, with PyTorch."""
    return LIBRARIES[request.param]()


class Ours(cltorch.Tensor):
    """A class at the top of a module, as pickle needs it."""


def top_class(lib):
    if lib is cltorch:
        return Ours
    if "Theirs" not in globals():
        made = type("Theirs", (lib.Tensor,), {"__module__": __name__, "__qualname__": "Theirs"})
        globals()["Theirs"] = made
    return globals()["Theirs"]


def made(lib):
    x = lib.ones(2).as_subclass(top_class(lib))
    x.note = ["kept"]
    return x


@pytest.mark.parametrize("way", ["copy", "pickle", "save"])
def test_copies_keep_class_and_attributes(lib, way):
    x = made(lib)
    if way == "copy":
        y = copy.copy(x)
    elif way == "pickle":
        y = pickle.loads(pickle.dumps(x))
    else:
        file = io.BytesIO()
        lib.save({"x": x}, file)
        file.seek(0)
        y = lib.load(file, weights_only=False)["x"]
    assert type(y) is type(x) and y.note == ["kept"] and y.tolist() == [1, 1] and y is not x


def test_deep_copies(device):
    x = cltorch.ones(2, device=device).as_subclass(Ours).requires_grad_()
    x.note = ["kept"]
    y = copy.deepcopy({"x": x, "again": x})
    assert y["x"] is y["again"] and type(y["x"]) is Ours and y["x"].requires_grad and y["x"].is_leaf
    assert y["x"].note == ["kept"] and y["x"].note is not x.note and y["x"].device == x.device
    with cltorch.no_grad():
        y["x"][0] = 5
    assert x.tolist() == [1, 1]


def test_a_handler_sees_copies(lib):
    log: list = []

    class Logging(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            log.append(func)
            return (
                "copied" if func is lib.Tensor.__deepcopy__ else super().__torch_function__(func, types, args, kwargs)
            )

    x = lib.ones(1).as_subclass(Logging)
    assert copy.deepcopy(x) == "copied" and log == [lib.Tensor.__deepcopy__]
    log.clear()
    copy.copy(x)
    assert log[0] == lib.Tensor.__reduce_ex__


def test_a_parameter_of_a_subclass(lib):
    p = lib.nn.Parameter(made(lib))
    assert type(p) is top_class(lib) and isinstance(p, lib.nn.Parameter) and p.requires_grad and p.is_leaf
    assert not isinstance(made(lib), lib.nn.Parameter)
    assert repr(p).replace("Ours", "Theirs") == "Parameter(Theirs([1., 1.], requires_grad=True))"
    layer = lib.nn.Linear(2, 1)
    layer.weight = lib.nn.Parameter(lib.ones(1, 2).as_subclass(top_class(lib)))
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    out = layer(lib.ones(1, 2))
    assert type(out) is top_class(lib)
    out.sum().backward()
    lib.optim.SGD(layer.parameters(), lr=0.5).step()
    assert type(layer.weight) is top_class(lib) and layer.weight.tolist() == [[0.5, 0.5]]
    with pytest.raises(RuntimeError, match="detach"):
        lib.nn.Parameter(lib.ones(1).as_subclass(type("Odd", (lib.Tensor,), {"detach": lambda self: lib.ones(1)})))


def test_results_with_subclasses_of_parameter_are_plain(lib):
    class Weight(lib.nn.Parameter):
        pass

    w = Weight(lib.ones(2))
    assert type(w) is Weight and type(w + 1) is lib.Tensor and type(lib.exp(w)) is lib.Tensor
    assert repr(w) == "Parameter containing:\nParameter(Weight([1., 1.], requires_grad=True))"


def test_batches_of_subclasses(lib):
    assert type(lib.utils.data.default_collate([made(lib), made(lib)])) is top_class(lib)


def test_functions_are_pickled_by_their_names(lib):
    for f in (lib.add, lib.nn.functional.relu, lib.linalg.norm, lib.Tensor.add):
        assert pickle.loads(pickle.dumps(f)) is f


def test_attributes_beside_another_base_class(lib):
    """What a program reads from ``__dict__`` and writes to it are its attributes, with a mixin before Tensor too."""

    class Meta:
        def take(self, other):
            self.__dict__ = dict(other.__dict__)

    class Sub(Meta, lib.Tensor):
        pass

    x = lib.arange(4.0).as_subclass(Sub)
    x.note = 1
    y = x.sum()
    y.take(x)
    assert y.item() == 6 and y.note == 1 and x.__dict__ == {"note": 1} and y.shape == ()
