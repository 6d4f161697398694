"""Every layer is PyTorch's: names, order and shapes of its state, what it prints, its outputs and gradients."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import cltorch
from cltorch import nn

ONE, IMAGE, VOLUME = (2, 4, 7), (2, 4, 6, 5), (2, 2, 4, 5, 6)

# (constructor, positional arguments, keyword arguments, shapes of the inputs)
LAYERS = [
    ("Identity", (), {}, [(2, 3)]),
    ("Linear", (5, 3), {}, [(4, 5)]),
    ("Linear", (5, 3), {"bias": False}, [(2, 2, 5)]),
    ("Linear", (5, 1), {}, [(5,)]),
    ("Bilinear", (3, 4, 2), {}, [(5, 3), (5, 4)]),
    ("Bilinear", (3, 4, 2), {"bias": False}, [(2, 5, 3), (2, 5, 4)]),
    ("Conv1d", (4, 6, 3), {}, [ONE]),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 2, "dilation": 2, "groups": 2, "bias": False}, [ONE]),
    ("Conv2d", (4, 6, 3), {}, [IMAGE]),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0)}, [IMAGE]),
    ("Conv2d", (4, 4, 3), {"padding": "same", "groups": 4}, [IMAGE]),
    ("Conv2d", (4, 2, 3), {"padding": "valid"}, [IMAGE]),
    ("Conv2d", (4, 2, 3), {"padding": 1, "padding_mode": "reflect"}, [IMAGE]),
    ("Conv2d", (4, 2, 3), {"padding": (2, 1), "padding_mode": "replicate"}, [IMAGE]),
    ("Conv2d", (4, 2, (3, 2)), {"padding": "same", "padding_mode": "circular", "dilation": 2}, [IMAGE]),
    ("Conv3d", (2, 3, 3), {"padding": (1, 0, 1)}, [VOLUME]),
    ("ConvTranspose1d", (4, 2, 3), {"stride": 2}, [ONE]),
    ("ConvTranspose2d", (4, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, [IMAGE]),
    ("ConvTranspose3d", (2, 3, 2), {"bias": False}, [VOLUME]),
    ("BatchNorm1d", (4,), {}, [(5, 4)]),
    ("BatchNorm1d", (4,), {"momentum": None}, [ONE]),
    ("BatchNorm2d", (4,), {}, [IMAGE]),
    ("BatchNorm2d", (4,), {"bias": False}, [IMAGE]),
    ("BatchNorm2d", (4,), {"eps": 1e-3, "momentum": 0.5, "affine": False}, [IMAGE]),
    ("BatchNorm2d", (4,), {"track_running_stats": False}, [IMAGE]),
    ("BatchNorm3d", (2,), {}, [VOLUME]),
    ("InstanceNorm1d", (4,), {}, [ONE]),
    ("InstanceNorm2d", (4,), {"affine": True, "track_running_stats": True}, [IMAGE]),
    ("InstanceNorm2d", (4,), {"affine": True, "bias": False}, [IMAGE[1:]]),
    ("InstanceNorm3d", (2,), {}, [VOLUME]),
    ("LayerNorm", (5,), {}, [IMAGE]),
    ("LayerNorm", ((6, 5),), {"bias": False}, [IMAGE]),
    ("LayerNorm", ([5],), {"elementwise_affine": False, "eps": 1e-3}, [IMAGE]),
    ("GroupNorm", (2, 4), {}, [IMAGE]),
    ("GroupNorm", (4, 4), {"affine": False}, [ONE]),
    ("GroupNorm", (2, 4), {"bias": False}, [ONE]),
    ("RMSNorm", (5,), {}, [IMAGE]),
    ("RMSNorm", ((6, 5),), {"eps": 1e-3, "elementwise_affine": False}, [IMAGE]),
    ("MaxPool1d", (2,), {}, [ONE]),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, [IMAGE]),
    ("MaxPool2d", ((2, 3),), {"dilation": 2, "ceil_mode": True}, [(2, 4, 8, 9)]),
    ("MaxPool3d", (2,), {}, [VOLUME]),
    ("AvgPool1d", (3,), {"stride": 2, "padding": 1}, [ONE]),
    ("AvgPool2d", (2,), {"padding": 1, "count_include_pad": False}, [IMAGE]),
    ("AvgPool2d", ((2, 3),), {"ceil_mode": True, "divisor_override": 5}, [IMAGE]),
    ("AvgPool3d", (2,), {}, [VOLUME]),
    ("AdaptiveAvgPool1d", (3,), {}, [ONE]),
    ("AdaptiveAvgPool2d", ((3, None),), {}, [IMAGE]),
    ("AdaptiveAvgPool2d", (1,), {}, [IMAGE]),
    ("AdaptiveAvgPool3d", (2,), {}, [VOLUME]),
    ("AdaptiveMaxPool1d", (3,), {}, [ONE]),
    ("AdaptiveMaxPool2d", ((None, 2),), {}, [IMAGE]),
    ("AdaptiveMaxPool3d", (2,), {}, [VOLUME]),
    ("ReLU", (), {}, [ONE]),
    ("ReLU", (True,), {}, [ONE]),
    ("ReLU6", (), {}, [ONE]),
    ("ReLU6", (), {"inplace": True}, [ONE]),
    ("LeakyReLU", (0.2,), {}, [ONE]),
    ("LeakyReLU", (), {"inplace": True}, [ONE]),
    ("ELU", (0.5,), {}, [ONE]),
    ("ELU", (), {"inplace": True}, [ONE]),
    ("CELU", (0.5,), {}, [ONE]),
    ("SELU", (), {}, [ONE]),
    ("SELU", (), {"inplace": True}, [ONE]),
    ("GELU", (), {}, [ONE]),
    ("GELU", ("tanh",), {}, [ONE]),
    ("SiLU", (), {}, [ONE]),
    ("SiLU", (), {"inplace": True}, [ONE]),
    ("Mish", (), {}, [ONE]),
    ("Hardswish", (), {}, [ONE]),
    ("Hardsigmoid", (), {"inplace": True}, [ONE]),
    ("Hardtanh", (), {}, [ONE]),
    ("Hardtanh", (-0.5, 2.0), {"inplace": True}, [ONE]),
    ("Threshold", (0.1, 3.0), {}, [ONE]),
    ("Threshold", (0.1, 3.0, True), {}, [ONE]),
    ("Softplus", (), {}, [ONE]),
    ("Softplus", (2.0, 1.0), {}, [ONE]),
    ("Softsign", (), {}, [ONE]),
    ("Softshrink", (), {}, [ONE]),
    ("Hardshrink", (0.3,), {}, [ONE]),
    ("Tanhshrink", (), {}, [ONE]),
    ("Tanh", (), {}, [ONE]),
    ("Sigmoid", (), {}, [ONE]),
    ("LogSigmoid", (), {}, [ONE]),
    ("GLU", (), {}, [(3, 6)]),
    ("GLU", (1,), {}, [ONE]),
    ("PReLU", (), {}, [ONE]),
    ("PReLU", (4, 0.1), {}, [ONE]),
    ("Softmax", (1,), {}, [ONE]),
    ("Softmax", (), {}, [ONE]),
    ("LogSoftmax", (), {"dim": -1}, [ONE]),
    ("Softmin", (), {"dim": -1}, [ONE]),
    ("Softmax2d", (), {}, [IMAGE]),
    ("Flatten", (), {}, [IMAGE]),
    ("Flatten", (0, 1), {}, [IMAGE]),
    ("Unflatten", (1, (2, -1)), {}, [IMAGE]),
    ("CosineSimilarity", (), {}, [(3, 4), (3, 4)]),
    ("CosineSimilarity", (0, 1e-3), {}, [(3, 4), (4,)]),
    ("PairwiseDistance", (), {}, [(3, 4), (3, 4)]),
    ("PairwiseDistance", (1.0, 1e-3, True), {}, [(3, 4), (4,)]),
    ("ZeroPad1d", (2,), {}, [ONE]),
    ("ZeroPad2d", ((1, 2, 0, 3),), {}, [IMAGE]),
    ("ZeroPad3d", (1,), {}, [VOLUME]),
    ("ConstantPad1d", ((1, -2), 3.5), {}, [ONE]),
    ("ConstantPad2d", (1, -1.0), {}, [IMAGE]),
    ("ConstantPad3d", (1, 2.0), {}, [VOLUME]),
    ("ReflectionPad1d", (2,), {}, [ONE]),
    ("ReflectionPad2d", ((1, 2, 0, 3),), {}, [IMAGE]),
    ("ReflectionPad3d", (1,), {}, [VOLUME]),
    ("ReplicationPad1d", (2,), {}, [ONE]),
    ("ReplicationPad2d", ((1, 2, 0, 3),), {}, [IMAGE]),
    ("ReplicationPad3d", (1,), {}, [VOLUME]),
    ("CircularPad1d", (2,), {}, [ONE]),
    ("CircularPad2d", ((1, 2, 0, 3),), {}, [IMAGE]),
    ("CircularPad3d", (1,), {}, [VOLUME]),
]  # fmt: skip
# layers whose call is tested elsewhere, for it is random, or wants integers or a target
CONSTRUCTED = [
    ("Dropout", (), {}),
    ("Dropout", (0.2, True), {}),
    ("Dropout1d", (), {}),
    ("Dropout2d", (0.1,), {}),
    ("Dropout3d", (), {}),
    ("AlphaDropout", (0.3,), {}),
    ("FeatureAlphaDropout", (), {}),
    ("RReLU", (0.1, 0.3), {}),
    ("RReLU", (), {"inplace": True}),
    ("Embedding", (5, 3), {}),
    ("Embedding", (5, 3, -1, 1.5, 1.0, True), {}),
    ("RNN", (3, 4), {}),
    ("RNN", (3, 4, 2, "relu"), {"bidirectional": True}),
    ("LSTM", (3, 4, 2), {"batch_first": True}),
    ("LSTM", (3, 5), {"proj_size": 2, "bias": False}),
    ("GRU", (3, 4), {}),
    ("RNNCell", (3, 4), {}),
    ("LSTMCell", (3, 4, False), {}),
    ("GRUCell", (3, 4), {}),
    ("MultiheadAttention", (8, 2), {}),
    ("MultiheadAttention", (8, 2, 0.1), {"add_bias_kv": True, "kdim": 3}),
    ("L1Loss", (), {}),
    ("MSELoss", (), {"reduction": "sum"}),
    ("SmoothL1Loss", (), {"beta": 0.5}),
    ("HuberLoss", ("none", 2.0), {}),
    ("BCELoss", (), {}),
    ("BCEWithLogitsLoss", (), {}),
    ("KLDivLoss", (), {"log_target": True}),
    ("NLLLoss", (), {"ignore_index": 3}),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1}),
    ("PoissonNLLLoss", (), {"full": True}),
    ("GaussianNLLLoss", (), {}),
    ("HingeEmbeddingLoss", (0.5,), {}),
    ("MarginRankingLoss", (0.5,), {}),
    ("SoftMarginLoss", (), {}),
    ("CosineEmbeddingLoss", (0.5,), {}),
    ("MultiLabelSoftMarginLoss", (), {}),
    ("MultiMarginLoss", (2, 0.5), {}),
    ("TripletMarginLoss", (), {"swap": True}),
    ("TripletMarginWithDistanceLoss", (), {"margin": 2.0}),
    ("Sequential", (), {}),
    ("ModuleList", (), {}),
    ("ModuleDict", (), {}),
    ("ParameterList", (), {}),
    ("ParameterDict", (), {}),
]


def _id(case):
    name, args, kw = case[:3]
    return "-".join([name, *map(str, args), *(f"{k}={v}" for k, v in kw.items())]).replace(" ", "")


def _public(module):
    return {
        k: v
        for k, v in vars(module).items()
        if k == "_reversed_padding_repeated_twice" or not k.startswith("_") and k != "distance_function"
    }


@pytest.mark.parametrize("case", [*LAYERS, *CONSTRUCTED], ids=_id)
def test_a_layer_has_pytorchs_state_attributes_and_repr(case, peer):
    name, args, kw = case[:3]
    ours, theirs = getattr(nn, name)(*args, **kw), getattr(peer.nn, name)(*args, **kw)
    assert repr(ours) == repr(theirs)
    assert _public(ours) == _public(theirs)
    for kind in ("named_parameters", "named_buffers"):
        assert [(k, tuple(v.shape), str(v.dtype), v.requires_grad) for k, v in getattr(ours, kind)()] == [
            (k, tuple(v.shape), str(v.dtype), v.requires_grad) for k, v in getattr(theirs, kind)()
        ]
    assert list(ours._parameters) == list(theirs._parameters)
    assert list(ours._buffers) == list(theirs._buffers)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.state_dict()._metadata == theirs.state_dict()._metadata


@pytest.mark.parametrize("name", sorted({case[0] for case in [*LAYERS, *CONSTRUCTED]}))
def test_a_constructor_takes_pytorchs_arguments_with_their_defaults(name, peer):
    def arguments(library):
        found = inspect.signature(getattr(library, name).__init__).parameters.values()
        return [(p.name, p.default, p.kind) for p in found]

    assert arguments(nn) == arguments(peer.nn)


def test_all_layers_of_the_table_are_exported():
    # the base classes, and what has tests of its own against PyTorch
    left_out = {
        "ChannelShuffle",
        "Container",
        "Fold",
        "FractionalMaxPool2d",
        "FractionalMaxPool3d",
        "LPPool1d",
        "LPPool2d",
        "LPPool3d",
        "LocalResponseNorm",
        "MaxUnpool1d",
        "MaxUnpool2d",
        "MaxUnpool3d",
        "Module",
        "PixelShuffle",
        "PixelUnshuffle",
        "RNNBase",
        "RNNCellBase",
        "Transformer",
        "TransformerDecoder",
        "TransformerDecoderLayer",
        "TransformerEncoder",
        "TransformerEncoderLayer",
        "Unfold",
        "Upsample",
        "UpsamplingBilinear2d",
        "UpsamplingNearest2d",
        # test_lazy, test_many_classes, test_ctc, test_embedding_bag, test_old_layers
        "AdaptiveLogSoftmaxWithLoss",
        "CTCLoss",
        "CrossMapLRN2d",
        "DataParallel",
        "EmbeddingBag",
        "LinearCrossEntropyLoss",
        "MultiLabelMarginLoss",
        "NLLLoss2d",
        "SyncBatchNorm",
        "LazyLinear",
        "LazyBatchNorm1d",
        "LazyBatchNorm2d",
        "LazyBatchNorm3d",
        "LazyConv1d",
        "LazyConv2d",
        "LazyConv3d",
        "LazyConvTranspose1d",
        "LazyConvTranspose2d",
        "LazyConvTranspose3d",
        "LazyInstanceNorm1d",
        "LazyInstanceNorm2d",
        "LazyInstanceNorm3d",
    }
    tested = {case[0] for case in [*LAYERS, *CONSTRUCTED]}
    classes = {k for k in nn.__all__ if inspect.isclass(getattr(nn, k)) and issubclass(getattr(nn, k), nn.Module)}
    assert classes - left_out == tested


def _filled(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _run(library, module, inputs, grad, mode, device=None):
    """Return the output, the gradients of inputs and parameters, and the buffers after one call."""
    tensors = []
    for x in inputs:
        t = library.tensor(x) if device is None else library.tensor(x, device=device)
        tensors.append(t.requires_grad_())
    # what works in place must not change a leaf
    given = [t * 1 for t in tensors] if getattr(module, "inplace", False) else tensors
    out = module.train(mode == "training")(*given)
    g = grad(out)
    wanted = [*tensors, *module.parameters()]
    grads = library.autograd.grad(
        out, wanted, library.tensor(g) if device is None else library.tensor(g, device=device)
    )
    return [out.detach(), *grads, *module.buffers()]


def _numpy(t):
    return t.detach().cpu().numpy()


@pytest.mark.parametrize("case", LAYERS, ids=_id)
def test_outputs_and_gradients_are_pytorchs(case, device, peer):
    name, args, kw, shapes = case
    theirs = getattr(peer.nn, name)(*args, **kw)
    ours = getattr(nn, name)(*args, **kw, **({"device": device} if _takes_device(name) else {}))
    if theirs.state_dict():
        with peer.no_grad():
            for i, t in enumerate(theirs.state_dict().values()):
                if t.is_floating_point():
                    t.copy_(peer.tensor(abs(_filled(tuple(t.shape), 10 + i)) + 0.1))
        ours.load_state_dict({k: cltorch.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    inputs = [_filled(s, i) for i, s in enumerate(shapes)]

    def grad(out):
        return _filled(tuple(out.shape), 99)

    for mode in ("training", "evaluation"):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Implicit dimension")
            expected = _run(peer, theirs, inputs, grad, mode)
            found = _run(cltorch, ours, inputs, grad, mode, device)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert tuple(a.shape) == tuple(b.shape)
            np.testing.assert_allclose(_numpy(a), _numpy(b), rtol=2e-4, atol=2e-5, err_msg=mode)


def _takes_device(name):
    return "device" in inspect.signature(getattr(nn, name).__init__).parameters


@pytest.mark.parametrize("name", sorted({case[0] for case in LAYERS if _takes_device(case[0])} | {"Embedding"}))
def test_parameters_are_made_on_the_device_and_of_the_dtype_asked_for(name, device):
    args, kw = next((c[1], c[2]) for c in [*LAYERS, *CONSTRUCTED] if c[0] == name)
    module = getattr(nn, name)(*args, **kw, device=device, dtype=cltorch.float16)
    for key, t in module.state_dict().items():
        assert t.device == cltorch.device(device)
        assert t.dtype is (cltorch.int64 if key == "num_batches_tracked" else cltorch.float16)
