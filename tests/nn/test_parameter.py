"""Parameter and Buffer, and their forms without a shape."""

from __future__ import annotations

import copy
import pickle

import pytest

import cltorch
from cltorch import nn
from cltorch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy


def test_a_parameter_shares_memory_and_requires_a_gradient(device):
    t = cltorch.ones(2, device=device)
    p = nn.Parameter(t)
    assert isinstance(p, cltorch.Tensor) and isinstance(p, nn.Parameter) and not isinstance(t, nn.Parameter)
    assert p.requires_grad and p.is_leaf and p.data_ptr() == t.data_ptr() and p.device == t.device
    assert not nn.Parameter(t, requires_grad=False).requires_grad
    t.zero_()
    assert p.tolist() == [0.0, 0.0]


def test_a_parameter_is_made_of_nothing_a_result_or_another_parameter(lib):
    assert lib.nn.Parameter().shape == (0,)
    grown = lib.nn.Parameter(lib.ones(2, requires_grad=True) * 2)
    assert grown.is_leaf and grown.grad_fn is None
    again = lib.nn.Parameter(grown)
    assert again is not grown and again.requires_grad
    with pytest.raises(RuntimeError, match="can require gradients"):
        lib.nn.Parameter(lib.ones(2).long())
    assert not lib.nn.Parameter(lib.ones(2).long(), requires_grad=False).requires_grad


def test_operations_on_parameters_give_tensors(lib):
    p = lib.nn.Parameter(lib.ones(2))
    assert type(p + 1) is lib.Tensor and type(p.detach()) is lib.Tensor and type(p[0]) is lib.Tensor
    assert type(p.data) is lib.Tensor
    (p * 3).sum().backward()
    assert p.grad.tolist() == [3.0, 3.0] and type(p.grad) is lib.Tensor


def test_parameters_print_what_they_are(lib):
    assert repr(lib.nn.Parameter(lib.ones(2))) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"


def test_copies_and_pickles_of_parameters_are_parameters(device):
    p = nn.Parameter(cltorch.ones(2, device=device), requires_grad=False)
    for twin in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(twin) is nn.Parameter and not twin.requires_grad and twin.tolist() == [1.0, 1.0]
        assert twin.device == p.device and twin.data_ptr() != p.data_ptr()
    pair = copy.deepcopy([p, p])
    assert pair[0] is pair[1]


def test_a_subclass_of_tensor_can_be_a_parameter():
    class Own(cltorch.Tensor):
        def detach(self):
            return super().detach().as_subclass(Own)

    own = cltorch.ones(2).as_subclass(Own)
    p = nn.Parameter(own)
    assert type(p) is Own and isinstance(p, nn.Parameter) and p.requires_grad
    m = nn.Module()
    m.w = p
    assert [k for k, _ in m.named_parameters()] == ["w"]


def test_a_buffer_is_a_tensor_with_a_mark(lib):
    b = lib.nn.Buffer(lib.ones(2), persistent=False)
    assert isinstance(b, lib.nn.Buffer) and not isinstance(lib.ones(2), lib.nn.Buffer) and not b.persistent
    m = lib.nn.Module()
    m.b, m.c = b, lib.nn.Buffer(lib.ones(1))
    assert [k for k, _ in m.named_buffers()] == ["b", "c"] and list(m.state_dict()) == ["c"]


def test_tensors_without_a_shape_refuse_use_until_they_get_one(lib):
    p = lib.nn.UninitializedParameter()
    assert repr(p) == "<UninitializedParameter>" and isinstance(p, lib.nn.Parameter)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter or buffer"):
        p.shape  # noqa: B018
    p.materialize((2, 3), dtype=lib.float64)
    assert type(p) is lib.nn.Parameter and p.shape == (2, 3) and p.requires_grad
    b = lib.nn.UninitializedBuffer()
    b.materialize((4,))
    assert type(b) is lib.Tensor and b.shape == (4,)


def test_tensors_without_a_shape_are_copied_and_pickled():
    p, b = UninitializedParameter(dtype=cltorch.float64), UninitializedBuffer(persistent=False)
    assert is_lazy(p) and is_lazy(b) and not is_lazy(nn.Parameter())
    for twin in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(twin) is UninitializedParameter and twin.dtype is cltorch.float64
    assert type(pickle.loads(pickle.dumps(b))) is UninitializedBuffer


def test_subclasses_may_take_arguments_of_their_own(device):
    class Held(cltorch.nn.Parameter):
        def __new__(cls, data, place, requires_grad=True):
            made = cltorch.Tensor._make_subclass(cls, data, requires_grad)
            made.place = place
            return made

    class Marked(cltorch.Tensor):
        def __new__(cls, data, *, kind=None, requires_grad=False):
            made = cltorch.Tensor._make_subclass(cls, data, requires_grad)
            made.kind = kind
            return made

    class MarkedParameter(Marked, cltorch.nn.Parameter):
        def __new__(cls, data, *, kind=None, requires_grad=True):
            return Marked.__new__(cls, data, kind=kind, requires_grad=requires_grad)

    m = cltorch.nn.Module()
    m.a = Held(cltorch.ones(2, device=device), place="here")
    m.b = MarkedParameter(cltorch.ones(2, device=device), kind="ball")
    assert [name for name, _ in m.named_parameters()] == ["a", "b"] and (m.a.place, m.b.kind) == ("here", "ball")
    (m.a * m.b).sum().backward()
    assert m.b.grad.tolist() == [1, 1]
    with pytest.raises(TypeError):
        cltorch.nn.Parameter(cltorch.ones(1), place="here")


def test_a_class_that_handles_functions_is_not_asked_where_its_parameter_is_made(lib):
    class Fenced(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            raise TypeError(f"{cls.__name__} takes no functions")

    class Weight(Fenced, lib.nn.Parameter):
        pass

    weight = Weight(lib.ones(2), False)
    assert type(weight) is Weight and isinstance(weight, lib.nn.Parameter)
    with pytest.raises(TypeError, match="Weight takes no functions"):
        weight.sum()


def test_parameters_can_be_made_inside_transformed_functions(lib):
    made = lib.func.grad(lambda x: (x * lib.nn.Parameter(lib.ones(2))).sum())(lib.ones(2))
    assert made.tolist() == [1.0, 1.0]
