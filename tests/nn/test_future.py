"""torch.__future__ and utils.swap_tensors: other ways of changing a module's parameters. PyTorch is checked as well."""

from __future__ import annotations

import weakref
from types import SimpleNamespace

import pytest


@pytest.fixture
def choose(lib):
    """Return the switches, which are off again afterwards."""
    future = lib.__future__
    yield SimpleNamespace(
        overwrite=future.set_overwrite_module_params_on_conversion, swap=future.set_swap_module_params_on_conversion
    )
    future.set_overwrite_module_params_on_conversion(False)
    future.set_swap_module_params_on_conversion(False)


def layer(lib):
    m = lib.nn.Linear(2, 3)
    m.weight.grad = lib.ones(3, 2)
    return m, m.weight, m.weight.grad


@pytest.mark.parametrize(
    ("way", "same", "dtypes"),
    [("data", True, ("float64", "float64")), ("overwrite", False, ("float32", "float32")),
     ("swap", True, ("float64", "float64"))],
)  # fmt: skip
def test_a_conversion_keeps_the_parameters_or_makes_new_ones(way, same, dtypes, lib, choose):
    if way != "data":
        getattr(choose, way)(True)
    m, weight, grad = layer(lib)
    value = weight.detach().clone()
    assert m.double().weight.dtype is m.weight.grad.dtype is lib.float64
    assert (m.weight is weight) is same and m.weight.requires_grad and m.weight.is_leaf
    assert (weight.dtype, grad.dtype) == tuple(getattr(lib, d) for d in dtypes)
    assert m.weight.float().tolist() == value.tolist() and m.weight.grad.tolist() == [[1.0, 1.0]] * 3


def test_views_follow_a_parameter_that_is_overwritten_by_another(lib, choose):
    choose.overwrite(True)
    m = lib.nn.Linear(2, 3)
    view = m.weight[:]
    m.double()
    with lib.no_grad():
        view[0, 0] = 5
    assert view[0, 0] == view._base[0, 0] == 5


def test_a_graph_from_before_the_swap_is_refused(lib, choose):
    choose.swap(True)
    m = lib.nn.Linear(2, 3)
    out = m(lib.ones(1, 2))
    m.double()
    with pytest.raises(RuntimeError, match="poisoned by swap_tensors"):
        out.sum().backward()
    m(lib.ones(1, 2, dtype=lib.float64)).sum().backward()
    assert m.float().weight.grad.tolist() == [[1.0, 1.0]] * 3


@pytest.mark.parametrize("assign", [False, True])
def test_loading_swaps_what_module_load_returns(assign, lib, choose):
    choose.swap(True)
    m, other = lib.nn.Linear(2, 3), lib.nn.Linear(2, 3).double()
    m.register_buffer("count", lib.zeros(2))
    other.register_buffer("count", lib.ones(2))
    weight, count = m.weight, m.count
    m.load_state_dict(other.state_dict(), assign=assign)
    assert m.weight is weight and m.count is count and isinstance(weight, lib.nn.Parameter) and weight.requires_grad
    assert weight.dtype is (lib.float64 if assign else lib.float32) and count.tolist() == [1.0, 1.0]
    assert (weight - other.weight).abs().max() < 1e-6


def test_module_load_must_return_another_tensor(lib, choose):
    class Wrong(lib.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func is lib.Tensor.module_load:
                return args[1]
            return super().__torch_function__(func, types, args, kwargs or {})

    choose.swap(True)
    m = lib.nn.Linear(1, 1, bias=False)
    with pytest.raises(RuntimeError, match=r"(?s)Error\(s\) in loading .* returned one of self or other"):
        m.load_state_dict({"weight": lib.ones(1, 1).as_subclass(Wrong)})


def test_swapped_tensors_exchange_everything(lib):
    a, b = lib.ones(2, requires_grad=True), lib.zeros(3, dtype=lib.float64)
    a.note, a.grad = "mine", lib.full((2,), 7.0)
    lib.utils.swap_tensors(a, b)
    assert b.note == "mine" and not hasattr(a, "note") and (a.shape, b.shape) == ((3,), (2,))
    assert (a.requires_grad, b.requires_grad, b.grad.tolist()) == (False, True, [7.0, 7.0])
    reference = weakref.ref(a)
    for pair, name in (((a, b), "t1"), ((b, a), "t2")):
        with pytest.raises(RuntimeError, match=f"Cannot swap {name} because it has weakref"):
            lib.utils.swap_tensors(*pair)
    assert reference() is a


def test_tensors_with_views_or_of_other_slots_are_not_swapped(lib, choose):
    a, b = lib.nn.Parameter(lib.ones(2)), lib.nn.Parameter(lib.zeros(3))
    view = a.view(2)
    for pair, name in (((a, b), "t1"), ((b, a), "t2")):
        with pytest.raises(RuntimeError, match=f"Expected use_count of {name} to be 1 or 2"):
            lib.utils.swap_tensors(*pair)
    assert view.tolist() == a.tolist() == [1, 1]
    del view
    same = a.detach()
    lib.utils.swap_tensors(a, b)
    assert b.tolist() == same.tolist() == [1, 1] and a.tolist() == [0, 0, 0]

    class Slotted(lib.Tensor):
        __slots__ = ("mark",)

    with pytest.raises(RuntimeError, match="different slots"):
        lib.utils.swap_tensors(lib.ones(2).as_subclass(Slotted), a)
    choose.swap(True)
    m = lib.nn.Linear(2, 3)
    view = m.weight[0]
    with pytest.raises(RuntimeError, match="Couldn't swap Linear.weight"):
        m.double()
    del view
    assert m.double().weight.dtype is lib.float64
