"""Saving and loading of a module's state. Every promise is checked on PyTorch as well, and state goes both ways."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import cltorch
from cltorch import nn


def model(lib):
    return lib.nn.Sequential(OrderedDict(fc=lib.nn.Linear(2, 3), norm=lib.nn.BatchNorm1d(3)))


# ---- saving ------------------------------------------------------------------------------------------------------
def test_state_is_ordered_detached_and_shares_memory(lib):
    m = model(lib)
    state = m.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == [
        "fc.weight", "fc.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
        "norm.num_batches_tracked",
    ]  # fmt: skip
    assert not any(t.requires_grad for t in state.values())
    with lib.no_grad():
        m.fc.bias.fill_(5)
    assert state["fc.bias"].tolist() == [5.0] * 3
    assert m.state_dict(keep_vars=True)["fc.bias"] is m.fc.bias
    assert list(m.state_dict(prefix="net."))[0] == "net.fc.weight"
    assert state._metadata == {"": {"version": 1}, "fc": {"version": 1}, "norm": {"version": 2}}


def test_state_can_be_added_to_a_dictionary(lib):
    given = OrderedDict(mine=1)
    assert lib.nn.Linear(1, 1).state_dict(destination=given, prefix="a.") is given
    assert list(given) == ["mine", "a.weight", "a.bias"]
    with pytest.warns(FutureWarning, match="Positional args are being deprecated"):
        assert list(lib.nn.Linear(1, 1).state_dict(OrderedDict(), "b.")) == ["b.weight", "b.bias"]


def test_hooks_see_and_change_the_state(lib):
    m, calls = lib.nn.Linear(1, 1), []
    m.register_state_dict_pre_hook(lambda mod, prefix, keep_vars: calls.append((prefix, keep_vars)))

    def post(mod, state, prefix, metadata):
        state[prefix + "extra"] = metadata["version"]

    m.register_state_dict_post_hook(post)
    both = lib.nn.Sequential(m)
    assert list(both.state_dict()) == ["0.weight", "0.bias", "0.extra"]
    assert calls == [("0.", False)]
    with pytest.raises(RuntimeError, match="Cannot register the same function"):
        m._register_state_dict_hook(post)
    m._register_state_dict_hook(lambda mod, state, prefix, metadata: OrderedDict(other=1))
    assert m.state_dict() == {"other": 1}
    n = lib.nn.Linear(1, 1)
    n.register_state_dict_post_hook(lambda *_: {})
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        n.state_dict()


class Counter:
    """A mix-in with state beyond tensors."""

    count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state_is_saved_and_loaded(lib):
    kind = type("Counting", (Counter, lib.nn.Module), {})
    a, b = kind(), kind()
    a.count = 3
    assert a.state_dict() == {"_extra_state": {"count": 3}}
    assert str(b.load_state_dict(a.state_dict())) == "<All keys matched successfully>"
    assert b.count == 3
    with pytest.raises(RuntimeError, match='Missing key\\(s\\) in state_dict: "_extra_state"'):
        b.load_state_dict({})
    with pytest.raises(RuntimeError, match='Unexpected key\\(s\\) in state_dict: "_extra_state"'):
        lib.nn.Module().load_state_dict(a.state_dict())


# ---- loading -----------------------------------------------------------------------------------------------------
def test_loading_copies_into_the_parameters(lib):
    a, b = model(lib), model(lib)
    before = b.fc.weight
    with lib.no_grad():
        a.norm.num_batches_tracked.fill_(9)
    assert str(b.load_state_dict(a.state_dict())) == "<All keys matched successfully>"
    assert b.fc.weight is before and b.fc.weight.tolist() == a.fc.weight.tolist()
    assert b.norm.num_batches_tracked.item() == 9 and b.fc.weight.requires_grad
    with lib.no_grad():
        a.fc.weight.zero_()
    assert b.fc.weight.abs().sum().item() > 0


def test_loading_converts_dtypes(lib):
    a, b = lib.nn.Linear(2, 2).double(), lib.nn.Linear(2, 2)
    b.load_state_dict(a.state_dict())
    assert str(b.weight.dtype) == "torch.float32"


def test_assigned_tensors_take_the_place_of_the_parameters(lib):
    a, b = lib.nn.Linear(2, 2).double(), lib.nn.Linear(2, 2)
    b.bias.requires_grad_(False)
    state = a.state_dict()
    b.load_state_dict(state, assign=True)
    assert str(b.weight.dtype) == "torch.float64" and isinstance(b.weight, lib.nn.Parameter)
    assert b.weight.requires_grad and not b.bias.requires_grad
    with lib.no_grad():
        state["weight"].fill_(1)
    assert b.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda s, lib: s.pop("fc.bias"), ['Missing key\\(s\\) in state_dict: "fc.bias". ']),
        (lambda s, lib: s.update(more=lib.ones(1)), ['Unexpected key\\(s\\) in state_dict: "more". ']),
        (lambda s, lib: s.update({"fc.x": lib.ones(1)}), ['Unexpected key\\(s\\) in state_dict: "fc.x". ']),
        (lambda s, lib: s.update({"fc.bias.x": lib.ones(1)}), ['Unexpected key\\(s\\) in state_dict: "fc.bias.x". ']),
        (
            lambda s, lib: (s.pop("fc.weight"), s.pop("norm.bias"), s.update(a=1, b=1)),
            ['Missing key\\(s\\) in state_dict: "fc.weight", "norm.bias". \n\tUnexpected.*: "a", "b". '],
        ),
        (
            lambda s, lib: s.update({"fc.weight": lib.ones(3, 3), "fc.bias": lib.ones(1)}),
            [
                "size mismatch for fc.weight: copying a param with shape torch.Size\\(\\[3, 3\\]\\) from checkpoint, "
                "the shape in current model is torch.Size\\(\\[3, 2\\]\\).",
                "size mismatch for fc.bias: copying a param with shape torch.Size\\(\\[1\\]\\)",
            ],
        ),
        (
            lambda s, lib: s.update({"fc.bias": [1.0, 2.0, 3.0]}),
            ['While copying the parameter named "fc.bias", expected torch.Tensor .* but received <class .list.>'],
        ),
    ],
)  # fmt: skip
def test_strict_loading_lists_what_does_not_fit(change, messages, lib):
    m = model(lib)
    state = m.state_dict()
    change(state, lib)
    with pytest.raises(RuntimeError, match="Error\\(s\\) in loading state_dict for Sequential:\n\t") as info:
        m.load_state_dict(state)
    for message in messages:
        info.match(message)


def test_loading_that_is_not_strict_returns_the_keys(lib):
    m = model(lib)
    state = m.state_dict()
    state["extra"] = state.pop("fc.bias")
    found = m.load_state_dict(state, strict=False)
    assert found.missing_keys == ["fc.bias"] and found.unexpected_keys == ["extra"]
    assert "missing_keys=['fc.bias'], unexpected_keys=['extra']" in repr(found)
    with pytest.raises(RuntimeError, match="size mismatch for fc.weight"):
        m.load_state_dict({"fc.weight": lib.ones(1)}, strict=False)
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
        m.load_state_dict([])


def test_buffers_that_are_not_persistent_are_unexpected(lib):
    m = lib.nn.Module()
    m.register_buffer("scratch", lib.ones(1), persistent=False)
    assert m.load_state_dict({"scratch": lib.ones(1)}, strict=False).unexpected_keys == ["scratch"]


def test_loading_hooks_run_before_and_after(lib):
    m, calls = lib.nn.Linear(1, 1), []

    def rename(mod, state, prefix, metadata, strict, missing, unexpected, errors):
        calls.append((mod is m, prefix, strict))
        if prefix + "w" in state:
            state[prefix + "weight"] = state.pop(prefix + "w")

    m.register_load_state_dict_pre_hook(rename)
    m.register_load_state_dict_post_hook(lambda mod, keys: keys.missing_keys.clear())
    given = {"w": lib.ones(1, 1)}
    assert str(m.load_state_dict(given)) == "<All keys matched successfully>"
    assert m.weight.tolist() == [[1.0]] and list(given) == ["w"]
    assert calls == [(True, "", True)]
    m.register_load_state_dict_post_hook(lambda mod, keys: 1)
    with pytest.raises(AssertionError, match="register_load_state_dict_post_hook"):
        m.load_state_dict(given)


def test_the_count_of_batches_may_be_missing_in_old_files(lib):
    m = lib.nn.BatchNorm1d(2)
    state = m.state_dict()
    del state["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        m.load_state_dict(state)  # says that it is of version 2
    state._metadata[""]["version"] = 1
    assert str(m.load_state_dict(state)) == "<All keys matched successfully>"
    assert str(m.load_state_dict(dict(state))) == "<All keys matched successfully>"
    with lib.device("meta"):
        empty = lib.nn.BatchNorm1d(2)
    empty.load_state_dict({}, strict=False, assign=True)
    assert empty.num_batches_tracked.item() == 0 and empty.running_mean.is_meta


def test_old_files_of_scalars_with_one_dimension_load(lib):
    m = lib.nn.Module()
    m.w = lib.nn.Parameter(lib.tensor(0.0))
    m.load_state_dict({"w": lib.tensor([4.0])})
    assert m.w.item() == 4.0 and m.w.dim() == 0


# ---- between devices and libraries -------------------------------------------------------------------------------
def test_state_loads_across_devices(cl_device):
    a, b = model(cltorch).to(cl_device), model(cltorch)
    b.load_state_dict(a.state_dict())
    assert b.fc.weight.device.type == "cpu" and b.fc.weight.tolist() == a.fc.weight.tolist()
    a.load_state_dict(b.state_dict())
    assert a.fc.weight.device == cltorch.device(cl_device)


def test_state_moves_to_pytorch_and_back(device, peer):
    ours, theirs = model(cltorch).to(device), model(peer)
    theirs.load_state_dict({k: peer.tensor(v.cpu().numpy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    linear = ours.fc(cltorch.tensor(x, device=device)).detach().cpu().numpy()
    np.testing.assert_allclose(linear, theirs.fc(peer.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)
    with peer.no_grad():
        theirs.fc.weight.fill_(2)
    ours.load_state_dict({k: cltorch.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    assert ours.fc.weight.tolist() == [[2.0, 2.0]] * 3 and isinstance(ours.fc.weight, nn.Parameter)
