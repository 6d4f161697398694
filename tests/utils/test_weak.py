"""torch.utils.weak: keys are told apart by identity, and entries go with them."""

from __future__ import annotations

import copy
import gc

import pytest

import cltorch as torch
from cltorch.utils.weak import TensorWeakRef, WeakIdKeyDictionary, WeakIdRef, WeakTensorKeyDictionary


def test_keys_are_told_apart_by_identity(device):
    x, y = torch.ones(2, device=device), torch.ones(2, device=device)
    names = WeakTensorKeyDictionary({x: "x"})
    assert x in names and y not in names and 3 not in names
    names[y] = "y"
    assert names[x] == "x" and names.get(y) == "y" and len(names) == 2
    assert [k is t for k, t in zip(names, (x, y), strict=True)] == [True, True]
    assert names.pop(y) == "y" and names.pop(y, None) is None and names.setdefault(y, 5) == 5
    del names[y]
    with pytest.raises(KeyError):
        names[y]


def test_entries_go_with_their_keys_also_while_a_program_goes_through_them():
    kept = [torch.tensor(i) for i in range(4)]
    table = WeakIdKeyDictionary((t, i) for i, t in enumerate(kept))
    seen = []
    for key, value in table.items():
        seen.append(value)
        del key
        if value == 1:
            kept.clear()
            gc.collect()
    assert seen[:2] == [0, 1] and len(table) == 0 and list(table) == [] == table.keyrefs()
    with pytest.raises(KeyError):
        table.popitem()


def test_dictionaries_are_joined_copied_and_compared():
    a, b = torch.zeros(1), torch.zeros(1)
    first, second = WeakIdKeyDictionary({a: [1]}), WeakIdKeyDictionary({b: [2]})
    both = first | second
    assert both == WeakIdKeyDictionary({b: [2], a: [1]}) and both != first and both != 3
    assert ({b: [2]} | first) == both
    second |= {a: [1]}
    assert second == both and second.popitem()[0] is a
    shallow, deep = copy.copy(first), copy.deepcopy(first)
    assert shallow[a] is first[a] and deep[a] is not first[a] and deep == first
    with pytest.raises(TypeError):
        hash(first)

    class Few:  # no more of a mapping than this
        def keys(self):
            return [a]

        def __getitem__(self, key):
            return "few"

    first.update(Few())
    assert first[a] == "few"


def test_references_to_one_object_are_equal():
    x = torch.ones(1)
    r, same = WeakIdRef(x), WeakIdRef(x)
    assert r == same and hash(r) == hash(same) and r != WeakIdRef(torch.ones(1)) and r() is x
    del x
    assert r() is None and r != same and r == r
    y = torch.ones(1)
    alive = TensorWeakRef(y)
    assert alive() is y
    del y
    assert alive() is None
    with pytest.raises(TypeError, match="expected torch.Tensor"):
        TensorWeakRef(3)
