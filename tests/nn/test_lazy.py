"""Layers that take sizes from their first input, and batch normalisation of several processes in one."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cltorch
from cltorch import nn

LAYERS = [
    ("LazyLinear", (4,), (2, 5), "Linear"),
    ("LazyConv1d", (4, 3), (2, 6, 5), "Conv1d"),
    ("LazyConv2d", (4, 3), (6, 5, 5), "Conv2d"),
    ("LazyConv3d", (4, 2), (2, 6, 3, 3, 3), "Conv3d"),
    ("LazyConvTranspose1d", (4, 3), (2, 6, 5), "ConvTranspose1d"),
    ("LazyConvTranspose2d", (4, 3), (6, 5, 5), "ConvTranspose2d"),
    ("LazyConvTranspose3d", (4, 2), (2, 6, 3, 3, 3), "ConvTranspose3d"),
    ("LazyBatchNorm1d", (), (3, 5), "BatchNorm1d"),
    ("LazyBatchNorm2d", (), (2, 5, 3, 3), "BatchNorm2d"),
    ("LazyBatchNorm3d", (), (2, 5, 2, 2, 2), "BatchNorm3d"),
    ("LazyInstanceNorm1d", (), (2, 5, 4), "InstanceNorm1d"),
    ("LazyInstanceNorm2d", (), (2, 5, 3, 3), "InstanceNorm2d"),
    ("LazyInstanceNorm3d", (), (2, 5, 2, 2, 2), "InstanceNorm3d"),
]


@pytest.mark.parametrize(("name", "args", "shape", "becomes"), LAYERS, ids=[row[0] for row in LAYERS])
def test_the_first_input_decides(lib, name, args, shape, becomes):
    layer = getattr(lib.nn, name)(*args)
    assert layer.has_uninitialized_params()
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        _ = layer.weight.shape
    before = list(layer.state_dict())
    x = lib.ones(shape)
    layer(x).sum().backward()
    assert type(layer).__name__ == becomes and type(layer.weight) is lib.nn.Parameter
    assert list(layer.state_dict()) == before
    assert not layer._forward_pre_hooks and not layer._load_state_dict_pre_hooks
    assert layer.weight.grad is not None
    # a state of known shapes gives another lazy layer its own
    other = getattr(lib.nn, name)(*args)
    assert str(other.load_state_dict(layer.state_dict())) == "<All keys matched successfully>"
    assert not other.has_uninitialized_params() and type(other).__name__ == name
    if "Instance" not in name:  # which PyTorch's check of the number of channels, zero still, does not let run
        other(x)
        assert type(other).__name__ == becomes


def test_copies_and_files_stay_lazy(lib):
    net = lib.nn.Sequential(lib.nn.LazyConv2d(4, 3), lib.nn.ReLU(), lib.nn.Flatten(), lib.nn.LazyLinear(2))
    for made in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert made(lib.ones(2, 3, 4, 4)).shape == (2, 2)
        assert repr(made[3]) == "Linear(in_features=16, out_features=2, bias=True)"
    assert net[0].has_uninitialized_params()


def test_lazy_layers_move(device):
    layer = nn.LazyLinear(3).to(device)
    assert str(layer.weight.device) == device or device == "cpu"
    assert layer(cltorch.ones(2, 2, device=device)).device == cltorch.device(device)
    assert nn.LazyLinear(3).half().weight.dtype is cltorch.float16


def test_what_lazy_layers_refuse(lib):
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"):
        lib.nn.LazyConv2d(2, 1)(lib.ones(2, 2))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        lib.nn.LazyConv1d(4, 1, groups=2)(lib.ones(1, 3, 4))

    class Half(lib.nn.modules.lazy.LazyModuleMixin, lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = lib.nn.UninitializedParameter()

    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented for Half"):
        Half()(1)
    Half.initialize_parameters = lambda self, x: None
    with pytest.raises(RuntimeError, match="module Half has not been fully initialized"):
        Half()(1)


def test_batch_norm_of_several_processes_in_one(lib):
    lib.manual_seed(0)
    net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.ModuleDict({"a": lib.nn.BatchNorm2d(4, momentum=0.3)}))
    plain = net[1]["a"]
    converted = lib.nn.SyncBatchNorm.convert_sync_batchnorm(net)
    layer = converted[1]["a"]
    assert converted is net and type(layer) is lib.nn.SyncBatchNorm and layer.weight is plain.weight
    assert repr(layer) == repr(plain).replace("BatchNorm2d", "SyncBatchNorm") and layer.process_group is None
    x = lib.randn(2, 4, 3, 3)
    twin = copy.deepcopy(plain)
    for _ in range(2):
        np.testing.assert_array_equal(layer(x).detach().numpy(), twin(x).detach().numpy())
    np.testing.assert_array_equal(layer.running_var.numpy(), twin.running_var.numpy())
    assert int(layer.num_batches_tracked) == 2
    with pytest.raises(ValueError, match="at least 2D input"):
        layer(lib.ones(3))
    with pytest.raises(ValueError, match="input channels should be non-zero"):
        layer(lib.ones(2, 0))


def test_buffers_moved_before_they_have_a_shape_get_it_later(device):
    norm = cltorch.nn.LazyBatchNorm1d().to(device).to(cltorch.float32)
    norm(cltorch.ones(4, 3, device=device))
    assert norm.running_mean.shape == (3,) and norm.running_mean.device == cltorch.device(device)


def test_functions_refuse_what_has_no_shape_yet(lib):
    m = lib.nn.LazyLinear(2)
    for use in (
        lambda: m.weight + 1, lambda: lib.mul(2, m.weight), lambda: len(m.weight), m.weight.clone, m.weight.sum,
        lambda: lib.nn.utils.parameters_to_vector(m.parameters()),
        lambda: lib.nn.utils.spectral_norm(m), lambda: lib.nn.utils.weight_norm(m),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="uninitialized parameter"):
            use()
    assert m.weight.is_floating_point() and m.double().weight.dtype is lib.float64 and m.weight.device.type == "cpu"
    assert str(m.load_state_dict(lib.nn.LazyLinear(2).state_dict())) == "<All keys matched successfully>"
    assert m(lib.ones(1, 3, dtype=lib.float64)).shape == (1, 2)
