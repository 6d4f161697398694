"""Every layer of torch.nn on inputs that NumPy draws, written once for PyTorch and for this package.

A case is a constructor and inputs: ``f(2, 3)`` is drawn from a normal distribution, ``u(2, 3)`` from 0 … 1, ``s(2, 3)``
are signs, ``i(5, 2, 3)`` whole numbers below 5, the rest is what it says.
"""

from __future__ import annotations

import zlib

import numpy as np

# name or several: constructor arguments, then what it is called with
CASES: dict[str, tuple[str, str]] = {
    # activations
    "CELU": ("0.7", "f(2, 5)"),
    "ELU": ("0.7", "f(2, 5)"),
    "GELU": ("", "f(2, 5)"),
    "GELU tanh": ("approximate='tanh'", "f(2, 5)"),
    "GLU": ("", "f(2, 6)"),
    "Hardshrink": ("", "f(2, 5)"),
    "Hardsigmoid": ("", "4 * f(2, 5)"),
    "Hardswish": ("", "4 * f(2, 5)"),
    "Hardtanh": ("", "f(2, 5)"),
    "LeakyReLU": ("0.2", "f(2, 5)"),
    "LogSigmoid": ("", "f(2, 5)"),
    "LogSoftmax": ("1", "f(2, 5)"),
    "Mish": ("", "f(2, 5)"),
    "PReLU": ("3", "f(2, 3, 2)"),
    "ReLU": ("", "f(2, 5)"),
    "ReLU6": ("", "5 * f(2, 5)"),
    "RReLU": ("", "f(2, 5)"),
    "SELU": ("", "f(2, 5)"),
    "SiLU": ("", "f(2, 5)"),
    "Sigmoid": ("", "f(2, 5)"),
    "Softmax": ("1", "f(2, 5)"),
    "Softmax2d": ("", "f(2, 3, 2, 2)"),
    "Softmin": ("1", "f(2, 5)"),
    "Softplus": ("2.0", "f(2, 5)"),
    "Softshrink": ("", "f(2, 5)"),
    "Softsign": ("", "f(2, 5)"),
    "Tanh": ("", "f(2, 5)"),
    "Tanhshrink": ("", "f(2, 5)"),
    "Threshold": ("0.1, 2.0", "f(2, 5)"),
    # linear
    "Bilinear": ("2, 3, 4", "f(5, 2), f(5, 3)"),
    "Identity": ("", "f(2, 3)"),
    "Linear": ("3, 4", "f(2, 3)"),
    "LazyLinear": ("4", "f(2, 3)"),
    # convolutions
    "Conv1d": ("2, 4, 3, padding='same', groups=2", "f(2, 2, 6)"),
    "Conv2d": ("2, 3, 3, stride=2, padding=1, padding_mode='reflect'", "f(2, 2, 5, 6)"),
    "Conv3d": ("2, 2, 2, dilation=2", "f(1, 2, 3, 4, 3)"),
    "ConvTranspose1d": ("2, 3, 3, stride=2, output_padding=1", "f(2, 2, 4)"),
    "ConvTranspose2d": ("2, 2, 3, stride=2, padding=1, groups=2", "f(1, 2, 3, 4)"),
    "ConvTranspose3d": ("2, 2, 2", "f(1, 2, 2, 3, 2)"),
    "LazyConv1d": ("2, 3", "f(1, 2, 5)"),
    "LazyConv2d": ("2, 2", "f(1, 2, 3, 3)"),
    "LazyConv3d": ("2, 2", "f(1, 1, 2, 3, 2)"),
    "LazyConvTranspose1d": ("2, 3", "f(1, 2, 3)"),
    "LazyConvTranspose2d": ("2, 2", "f(1, 1, 2, 3)"),
    "LazyConvTranspose3d": ("1, 2", "f(1, 1, 2, 2, 2)"),
    "Fold": ("(3, 4), 2", "f(1, 8, 6)"),
    "Unfold": ("2, padding=1", "f(1, 2, 3, 3)"),
    # pools
    "AdaptiveAvgPool1d": ("3", "f(1, 2, 7)"),
    "AdaptiveAvgPool2d": ("(2, 3)", "f(1, 2, 5, 4)"),
    "AdaptiveAvgPool3d": ("2", "f(1, 1, 3, 4, 5)"),
    "AdaptiveMaxPool1d": ("3", "f(1, 2, 7)"),
    "AdaptiveMaxPool2d": ("(2, 3), return_indices=True", "f(1, 2, 5, 4)"),
    "AdaptiveMaxPool3d": ("2", "f(1, 1, 3, 4, 5)"),
    "AvgPool1d": ("3, 2, 1", "f(1, 2, 7)"),
    "AvgPool2d": ("3, 2, 1, count_include_pad=False", "f(1, 2, 5, 4)"),
    "AvgPool3d": ("2, 1, divisor_override=3", "f(1, 1, 3, 3, 3)"),
    "FractionalMaxPool2d": ("2, 2, _random_samples=u(1, 2, 2)", "f(1, 2, 5, 5)"),
    "FractionalMaxPool3d": ("2, 2, _random_samples=u(1, 1, 3)", "f(1, 1, 4, 4, 4)"),
    "LPPool1d": ("2, 3", "f(1, 2, 6)"),
    "LPPool2d": ("2, 2", "f(1, 2, 4, 4)"),
    "LPPool3d": ("2, 2", "f(1, 1, 2, 4, 4)"),
    "MaxPool1d": ("3, 2, 1, return_indices=True", "f(1, 2, 7)"),
    "MaxPool2d": ("3, 2, 1, ceil_mode=True", "f(1, 2, 6, 5)"),
    "MaxPool3d": ("2, dilation=2", "f(1, 1, 4, 3, 4)"),
    "MaxUnpool1d": ("2", "f(1, 1, 3), np.array([[[1, 2, 5]]])"),
    "MaxUnpool2d": ("2", "f(1, 1, 2, 2), np.array([[[[1, 6], [8, 11]]]])"),
    "MaxUnpool3d": ("2", "f(1, 1, 1, 2, 1), np.array([[[[[1], [6]]]]])"),
    # padding and shuffling
    **{f"{kind}Pad{d}d": ("1", f"f(1, 2{', 3' * d})") for kind in ("Circular", "Reflection", "Replication", "Zero")
       for d in (1, 2, 3)},
    **{f"ConstantPad{d}d": ("1, 0.5", f"f(1, 2{', 2' * d})") for d in (1, 2, 3)},
    "ChannelShuffle": ("2", "f(1, 4, 2, 2)"),
    "Flatten": ("1", "f(2, 2, 3)"),
    "Unflatten": ("1, (2, 3)", "f(2, 6)"),
    "PixelShuffle": ("2", "f(1, 4, 2, 2)"),
    "PixelUnshuffle": ("2", "f(1, 1, 4, 2)"),
    "Upsample": ("scale_factor=2, mode='bicubic'", "f(1, 1, 3, 4)"),
    "Upsample linear": ("size=5, mode='linear', align_corners=True", "f(1, 2, 3)"),
    "UpsamplingBilinear2d": ("scale_factor=2", "f(1, 1, 2, 3)"),
    "UpsamplingNearest2d": ("size=(3, 4)", "f(1, 1, 2, 3)"),
    # norms
    "BatchNorm1d": ("3", "f(4, 3)"),
    "BatchNorm2d": ("3, momentum=None", "f(2, 3, 2, 2)"),
    "BatchNorm3d": ("2, affine=False", "f(2, 2, 2, 2, 2)"),
    "LazyBatchNorm1d": ("", "f(4, 3)"),
    "LazyBatchNorm2d": ("", "f(2, 2, 2, 2)"),
    "LazyBatchNorm3d": ("", "f(2, 1, 2, 2, 2)"),
    "SyncBatchNorm": ("3", "f(4, 3)"),
    "InstanceNorm1d": ("2, affine=True, track_running_stats=True", "f(2, 2, 5)"),
    "InstanceNorm2d": ("2", "f(2, 2, 3, 2)"),
    "InstanceNorm3d": ("2", "f(1, 2, 2, 2, 2)"),
    "LazyInstanceNorm1d": ("affine=True", "f(2, 2, 5)"),
    "LazyInstanceNorm2d": ("", "f(1, 2, 3, 2)"),
    "LazyInstanceNorm3d": ("", "f(1, 2, 2, 2, 2)"),
    "GroupNorm": ("2, 4", "f(2, 4, 3)"),
    "LayerNorm": ("(2, 3)", "f(2, 2, 3)"),
    "RMSNorm": ("4", "f(2, 4)"),
    "LocalResponseNorm": ("3", "f(1, 4, 2, 2)"),
    "CrossMapLRN2d": ("3", "u(1, 4, 2, 2)"),  # PyTorch's gradient sums over the wrong channels
    # what is random in training
    "AlphaDropout": ("", "f(2, 3)"),
    "Dropout": ("", "f(2, 3)"),
    "Dropout1d": ("", "f(2, 3, 2)"),
    "Dropout2d": ("", "f(1, 3, 2, 2)"),
    "Dropout3d": ("", "f(1, 2, 2, 1, 2)"),
    "FeatureAlphaDropout": ("", "f(2, 3, 2)"),
    # tables, recurrence, attention
    "Embedding": ("5, 3, padding_idx=1, max_norm=0.5", "i(5, 2, 3)"),
    "EmbeddingBag": ("5, 3, mode='mean'", "i(5, 2, 4)"),
    "EmbeddingBag max": ("5, 3, mode='max'", "i(5, 6), np.array([0, 2, 4])"),
    "RNN": ("3, 4, num_layers=2, nonlinearity='relu'", "f(5, 2, 3)"),
    "LSTM": ("3, 4, bidirectional=True, proj_size=2", "f(5, 2, 3)"),
    "GRU": ("3, 4, num_layers=2, batch_first=True", "f(2, 5, 3), f(2, 2, 4)"),
    "RNNCell": ("3, 4", "f(2, 3), f(2, 4)"),
    "LSTMCell": ("3, 4", "f(2, 3), (f(2, 4), f(2, 4))"),
    "GRUCell": ("3, 4, bias=False", "f(2, 3), f(2, 4)"),
    "MultiheadAttention": ("4, 2, kdim=3, vdim=5", "f(3, 2, 4), f(5, 2, 3), f(5, 2, 5)"),
    "TransformerEncoderLayer": ("4, 2, 6, 0.0, 'gelu', batch_first=True", "f(2, 3, 4)"),
    "TransformerDecoderLayer": ("4, 2, 6, 0.0, norm_first=True", "f(3, 2, 4), f(2, 2, 4)"),
    "TransformerEncoder": ("T.nn.TransformerEncoderLayer(4, 2, 6, 0.0), 2, enable_nested_tensor=False", "f(3, 2, 4)"),
    "TransformerDecoder": ("T.nn.TransformerDecoderLayer(4, 2, 6, 0.0), 1", "f(3, 2, 4), f(2, 2, 4)"),
    "Transformer": ("4, 2, 1, 1, 6, 0.0", "f(3, 2, 4), f(2, 2, 4)"),
    # distances
    "CosineSimilarity": ("1", "f(2, 5), f(2, 5)"),
    "PairwiseDistance": ("3.0", "f(2, 5), f(2, 5)"),
    # losses
    "AdaptiveLogSoftmaxWithLoss": ("6, 9, [3, 6], div_value=2.0", "f(4, 6), np.array([0, 4, 7, 8])"),
    "BCELoss": ("weight=u(5)", "u(2, 5), u(2, 5)"),
    "BCEWithLogitsLoss": ("pos_weight=2 * u(5)", "f(2, 5), u(2, 5)"),
    "CTCLoss": ("reduction='sum'", "f(6, 2, 4).log_softmax(2), 1 + i(3, 2, 2), np.array([6, 5]), np.array([2, 1])"),
    "CosineEmbeddingLoss": ("0.1", "f(3, 4), f(3, 4), s(3)"),
    "CrossEntropyLoss": ("weight=u(4), label_smoothing=0.1, ignore_index=2", "f(3, 4, 2), i(4, 3, 2)"),
    "CrossEntropyLoss probabilities": ("reduction='none'", "f(3, 4), u(3, 4)"),
    "GaussianNLLLoss": ("full=True", "f(3, 4), f(3, 4), u(3, 4)"),
    "HingeEmbeddingLoss": ("", "f(3, 4), s(3, 4)"),
    "HuberLoss": ("delta=0.5", "f(3, 4), f(3, 4)"),
    "KLDivLoss": ("reduction='batchmean'", "f(3, 4).log_softmax(1), u(3, 4)"),
    "L1Loss": ("", "f(3, 4), f(3, 4)"),
    "LinearCrossEntropyLoss": ("3, 5", "f(4, 3), i(5, 4)"),
    "MSELoss": ("reduction='sum'", "f(3, 4), f(3, 4)"),
    "MarginRankingLoss": ("0.2", "f(4), f(4), s(4)"),
    "MultiLabelMarginLoss": ("", "f(2, 4), np.array([[3, 0, -1, 1], [1, -1, 0, 0]])"),
    "MultiLabelSoftMarginLoss": ("u(4)", "f(3, 4), u(3, 4)"),
    "MultiMarginLoss": ("p=2", "f(3, 4), i(4, 3)"),
    "NLLLoss": ("weight=u(4)", "f(3, 4), i(4, 3)"),
    "NLLLoss2d": ("", "f(1, 3, 2, 2), i(3, 1, 2, 2)"),
    "PoissonNLLLoss": ("full=True", "f(3, 4), 3 * u(3, 4)"),
    "SmoothL1Loss": ("beta=0.5", "f(3, 4), f(3, 4)"),
    "SoftMarginLoss": ("", "f(3, 4), s(3, 4)"),
    "TripletMarginLoss": ("swap=True", "f(3, 4), f(3, 4), f(3, 4)"),
    "TripletMarginWithDistanceLoss": ("margin=0.5", "f(3, 4), f(3, 4), f(3, 4)"),
}  # fmt: skip
# what other modules are made of
PARTS = {
    "Container", "DataParallel", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "RNNBase",
    "RNNCellBase", "Sequential",
}  # fmt: skip
RANDOM = {
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout", "RReLU",
}  # fmt: skip


def modes(case: str) -> tuple[str, ...]:
    """Return in which modes a case gives the same on every run."""
    return ("eval",) if case in RANDOM else ("eval", "train")


def run(library, case: str, mode: str, device: str = "cpu") -> list[np.ndarray]:
    """Return what a module gives in a mode, then the gradients of inputs and parameters, then its buffers."""
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    inputs = []

    def tensor(values):
        return library.tensor(np.asarray(values, np.float32)).to(device)

    def f(*shape):
        inputs.append(tensor(rng.standard_normal(shape)).requires_grad_())
        return inputs[-1]

    names = {
        "T": library, "np": np, "f": f, "u": lambda *shape: tensor(rng.uniform(0.1, 0.9, shape)),
        "s": lambda *shape: tensor(rng.choice([-1.0, 1.0], shape)),
        "i": lambda high, *shape: library.tensor(rng.integers(0, high, shape)).to(device),
    }  # fmt: skip
    made, called = CASES[case]
    module = eval(f"T.nn.{case.split()[0]}({made})", names).to(device)
    given = [library.tensor(x).to(device) if isinstance(x, np.ndarray) else x for x in eval(f"({called},)", names)]
    module.train(mode == "train")
    if case.startswith("Lazy"):
        with library.no_grad():
            module(*given)
    with library.no_grad():
        for p in module.parameters():
            p.copy_(tensor(rng.uniform(-0.7, 0.7, tuple(p.shape))))
    results = [x for x in _flat(module(*given)) if x is not None]
    learned = [x for x in results if x.requires_grad]
    if learned:
        total = sum((x * tensor(rng.uniform(0.5, 1.5, tuple(x.shape)))).sum() for x in learned)
        total.backward()
    found = [*results, *(x.grad for x in inputs), *(p.grad for p in module.parameters()), *module.buffers()]
    return [np.asarray(x.detach().cpu().numpy(), np.float32) for x in found if x is not None]


def _flat(x):
    return [y for part in x for y in _flat(part)] if isinstance(x, (tuple, list)) else [x]
