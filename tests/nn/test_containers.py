"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict. Promises are checked on PyTorch as well."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest

from cltorch import nn


class Add:
    """Make a layer that adds a number."""

    def __new__(cls, lib, n):
        class Adding(lib.nn.Module):
            def forward(self, x):
                return x + n

        made = Adding()
        made.n = n
        return made


def numbers(modules):
    return [m.n for m in modules]


# ---- Sequential --------------------------------------------------------------------------------------------------
def test_sequential_passes_through_in_order(lib):
    m = lib.nn.Sequential(Add(lib, 1), lib.nn.Sequential(Add(lib, 2)), Add(lib, 3))
    assert m(0) == 6 and len(m) == 3 and lib.nn.Sequential()(5) == 5
    named = lib.nn.Sequential(OrderedDict(a=Add(lib, 1), b=Add(lib, 2)))
    assert named(0) == 3 and named.b.n == 2 and list(named._modules) == ["a", "b"]


def test_sequential_is_indexed_and_sliced_as_a_list(lib):
    m = lib.nn.Sequential(*(Add(lib, i) for i in range(4)))
    assert m[0].n == 0 and m[-1].n == 3
    part = m[1:3]
    assert isinstance(part, lib.nn.Sequential) and numbers(part) == [1, 2] and list(part._modules) == ["1", "2"]
    m[1] = Add(lib, 10)
    assert numbers(m) == [0, 10, 2, 3]
    del m[0]
    assert numbers(m) == [10, 2, 3] and list(m._modules) == ["0", "1", "2"]
    del m[1:]
    assert numbers(m) == [10]
    for wrong in (1, -2):
        with pytest.raises(IndexError, match=f"index {wrong} is out of range"):
            m[wrong]


def test_sequential_grows(lib):
    m = lib.nn.Sequential(Add(lib, 1))
    assert m.append(Add(lib, 2)) is m and m.extend([Add(lib, 3)]) is m and m.insert(0, Add(lib, 0)) is m
    assert numbers(m) == [0, 1, 2, 3]
    m.insert(-1, Add(lib, 9))
    assert numbers(m) == [0, 1, 2, 9, 3]
    assert m.pop(3).n == 9 and numbers(m.pop(slice(0, 2))) == [0, 1] and numbers(m) == [2, 3]
    with pytest.raises(AssertionError, match="module should be of type"):
        m.insert(0, 3)
    with pytest.raises(IndexError, match="Index out of range: 5"):
        m.insert(5, Add(lib, 1))


def test_sequential_adds_and_multiplies(lib):
    m, n = lib.nn.Sequential(Add(lib, 1)), lib.nn.Sequential(Add(lib, 2))
    assert numbers(m + n) == [1, 2] and numbers(m * 3) == [1, 1, 1] and numbers(2 * n) == [2, 2]
    m += n
    assert numbers(m) == [1, 2]
    m *= 2
    assert numbers(m) == [1, 2, 1, 2]
    with pytest.raises(ValueError, match="add operator supports only objects of Sequential class"):
        m + [1]
    with pytest.raises(TypeError, match="unsupported operand type"):
        m * 1.5
    with pytest.raises(ValueError, match="Non-positive multiplication factor 0"):
        m * 0


# ---- ModuleList --------------------------------------------------------------------------------------------------
def test_a_module_list_is_a_list(lib):
    m = lib.nn.ModuleList([Add(lib, 0), Add(lib, 1)])
    m.append(Add(lib, 2)).extend([Add(lib, 3)])
    m += [Add(lib, 4)]
    m.insert(1, Add(lib, 7))
    assert numbers(m) == [0, 7, 1, 2, 3, 4] and list(m._modules) == list("012345")
    assert m[1].n == 7 and m[-1].n == 4 and numbers(m[::2]) == [0, 1, 3] and isinstance(m[:1], lib.nn.ModuleList)
    m[0] = Add(lib, 8)
    del m[1]
    del m[2:4]
    assert numbers(m) == [8, 1, 4] and list(m._modules) == list("012")
    assert numbers(m + [Add(lib, 5)]) == [8, 1, 4, 5] and m.pop(0).n == 8
    with pytest.raises(IndexError, match="index 2 is out of range"):
        m[2]
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable, but got int"):
        m.extend(3)
    with pytest.raises(NotImplementedError, match="ModuleList"):
        m(1)


def test_lists_print_runs_of_equal_modules_together(lib):
    m = lib.nn.ModuleList([lib.nn.Linear(1, 2)] * 2 + [lib.nn.ReLU()] + [lib.nn.Linear(1, 2)])
    assert repr(m) == (
        "ModuleList(\n"
        "  (0-1): 2 x Linear(in_features=1, out_features=2, bias=True)\n"
        "  (2): ReLU()\n"
        "  (3): Linear(in_features=1, out_features=2, bias=True)\n"
        ")"
    )
    assert repr(lib.nn.ModuleList()) == "ModuleList()"


# ---- ModuleDict --------------------------------------------------------------------------------------------------
def test_a_module_dict_is_a_dictionary_in_order(lib):
    m = lib.nn.ModuleDict({"a": Add(lib, 1)})
    m["b"] = Add(lib, 2)
    m.update([("c", Add(lib, 3))])
    m.update(OrderedDict(a=Add(lib, 9)))
    m.update(lib.nn.ModuleDict({"d": Add(lib, 4)}))
    assert list(m) == list(m.keys()) == ["a", "b", "c", "d"] and numbers(m.values()) == [9, 2, 3, 4]
    assert [k for k, _ in m.items()] == list(m) and "b" in m and "x" not in m and len(m) == 4
    assert m.pop("b").n == 2
    del m["c"]
    assert list(m) == ["a", "d"]
    m.clear()
    assert len(m) == 0


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, TypeError, "ModuleDict.update should be called with an iterable of key/value pairs, but got int"),
        ([3], TypeError, "ModuleDict update sequence element #0 should be Iterable; is *int"),
        ([("a",)], ValueError, "ModuleDict update sequence element #0 has length 1; 2 is required"),
        ({"a.b": None}, KeyError, "module name can.*t contain"),
    ],
)
def test_a_module_dict_refuses_what_is_no_dictionary(given, error, message, lib):
    with pytest.raises(error, match=message):
        lib.nn.ModuleDict().update(given)


# ---- parameters --------------------------------------------------------------------------------------------------
def test_a_parameter_list_makes_parameters_of_tensors(lib):
    m = lib.nn.ParameterList([lib.ones(2), lib.nn.Parameter(lib.zeros(1), requires_grad=False)])
    m.append(lib.ones(1)).extend(["text"])
    m += [lib.ones(3)]
    assert [k for k, _ in m.named_parameters()] == ["0", "1", "2", "4"] and len(m) == 5 and m[3] == "text"
    assert m[0].requires_grad and not m[1].requires_grad and m[-1].shape == (3,)
    m[0] = lib.ones(4)
    assert isinstance(m[0], lib.nn.Parameter) and m[0].shape == (4,)
    assert isinstance(m[1:3], lib.nn.ParameterList) and len(m[1:3]) == 2
    assert [type(x).__name__ for x in m] == ["Parameter", "Parameter", "Parameter", "str", "Parameter"]
    with pytest.raises(TypeError, match="ParameterList.extend should be called with an iterable, but got Tensor"):
        m.extend(lib.ones(2))
    with pytest.raises(IndexError, match="index 5 is out of range"):
        m[5]
    with pytest.raises(RuntimeError, match="ParameterList should not be called."):
        m(1)


def test_a_parameter_dict_is_a_dictionary_of_parameters(lib):
    m = lib.nn.ParameterDict({"b": lib.ones(1), "a": lib.ones(2)})
    assert sorted(m.keys()) == ["a", "b"]
    m["c"] = lib.ones(3)
    m["note"] = 5
    assert isinstance(m["c"], lib.nn.Parameter) and m["note"] == 5 and len(m) == 4
    assert sorted(k for k, _ in m.named_parameters()) == ["a", "b", "c"]
    assert m.get("x") is None and m.get("x", 1) == 1 and "c" in m and "x" not in m
    assert m.setdefault("d", lib.ones(4)).shape == (4,) and m.setdefault("d").shape == (4,)
    assert m.popitem()[0] == "d" and m.pop("note") == 5
    more = m | lib.nn.ParameterDict({"e": lib.ones(5)})
    assert "e" in more and "e" not in m and more["c"] is m["c"]
    m |= {"f": lib.ones(6)}
    assert "f" in m and list(reversed(m))[0] == "f"
    assert list(m.copy()) == list(m) and list(lib.nn.ParameterDict().fromkeys(["x", "y"], 1)) == ["x", "y"]
    assert list(m.state_dict()) == [k for k, _ in m.named_parameters()]
    del m["f"]
    m.clear()
    assert len(m) == 0 and list(m.parameters()) == []
    with pytest.raises(TypeError, match="Index given to ParameterDict cannot be used as a key as it is not a string"):
        m[1] = lib.ones(1)
    with pytest.raises(RuntimeError, match="ParameterDict should not be called."):
        m(1)


def test_containers_of_parameters_print_them(lib):
    assert repr(lib.nn.ParameterList([lib.zeros(2, 3), 5])) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2x3]\n    (1): Object of type: int\n)"
    )
    assert repr(lib.nn.ParameterDict({"a": lib.zeros(2, 3)})) == (
        "ParameterDict(  (a): Parameter containing: [torch.FloatTensor of size 2x3])"
    )


def test_containers_are_copied_and_pickled():
    for m in (
        nn.Sequential(nn.ReLU(), nn.Linear(1, 2)),
        nn.ModuleList([nn.Linear(1, 2)]),
        nn.ModuleDict({"a": nn.Linear(1, 2)}),
        nn.ParameterList([nn.Linear(1, 2).weight, "x"]),
        nn.ParameterDict({"w": nn.Linear(1, 2).weight}),
    ):
        for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
            assert type(twin) is type(m) and repr(twin) == repr(m) and len(twin) == len(m)
            assert [p.tolist() for p in twin.parameters()] == [p.tolist() for p in m.parameters()]
            assert not {id(p) for p in twin.parameters()} & {id(p) for p in m.parameters()}
