"""Every layer of torch.nn on inputs that NumPy draws, written once for PyTorch and for this package.

A case is a constructor and inputs: ``f(2, 3)`` is drawn from a normal distribution, ``u(2, 3)`` from 0 … 1, ``s(2, 3)``
are signs, ``i(5, 2, 3)`` whole numbers below 5, the rest is what it says. Inputs, and the gradients that ``backward``
begins with, lie in memory as a layout says: one number after the other, transposed, with gaps, or with a dimension that
repeats the same numbers.
"""

from __future__ import annotations

import zlib

import numpy as np

from tests.golden import batchless

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
    **{f"{case} batchless": both for case, both in batchless.CASES.items()},
}  # fmt: skip
# what other modules are made of
PARTS = {
    "Container", "DataParallel", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "RNNBase",
    "RNNCellBase", "Sequential",
}  # fmt: skip
RANDOM = {
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout", "RReLU",
}  # fmt: skip


LAYOUTS = ("contiguous", "transposed", "strided", "expanded")
# where the first dimension is the one that statistics are taken over
NORMALISED = {"BatchNorm1d", "LazyBatchNorm1d", "SyncBatchNorm"}


# where a gradient is what rounding leaves of nothing once all numbers are the same
NOT_EXPANDED = {"CosineSimilarity batchless"}


def modes(case: str) -> tuple[str, ...]:
    """Return in which modes a case gives the same on every run."""
    return ("eval",) if case.split()[0] in RANDOM else ("eval", "train")


class Draw:
    """Numbers from one generator as tensors of a layout.

    What is expanded is drawn with one element along a dimension, so it has results of its own. The other layouts hold
    the same numbers, and what they lead to is the same.
    """

    def __init__(self, library, case: str, device: str, layout: str) -> None:
        self.library, self.device, self.layout = library, device, layout
        self.rng = np.random.default_rng(zlib.crc32(case.encode()))
        self.repeated = 1 if case.split()[0] in NORMALISED else 0
        self.inputs: list = []

    def tensor(self, values):
        values = np.asarray(values)
        if values.dtype.kind == "f":
            values = values.astype(np.float32)
        return self.library.tensor(values).to(self.device)

    def drawn(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of numbers that are drawn for a tensor of a shape."""
        longer = [d for d, size in enumerate(shape) if size > 1]
        if self.layout != "expanded" or not longer:
            return shape
        d = longer[min(self.repeated, len(longer) - 1)]
        return (*shape[:d], 1, *shape[d + 1 :])

    def laid(self, values):
        """Return numbers as a tensor of the layout; what would be read in its gaps is no number, or no index."""
        values = np.asarray(values)
        if not values.ndim or self.layout in ("contiguous", "expanded"):
            return self.tensor(values)
        if self.layout == "transposed":
            return self.tensor(np.ascontiguousarray(values.T)).permute(*reversed(range(values.ndim)))
        wide = np.full((*values.shape[:-1], 2 * values.shape[-1] + 1), np.nan if values.dtype.kind == "f" else 1 << 40)
        wide = wide.astype(np.float32 if values.dtype.kind == "f" else np.int64)
        wide[..., 1::2] = values
        return self.tensor(wide)[..., 1::2]

    def given(self, shape: tuple[int, ...], values):
        x = self.laid(values)
        return x if tuple(x.shape) == shape else x.expand(shape)

    def f(self, *shape: int):
        x = self.laid(self.rng.standard_normal(self.drawn(shape))).detach().requires_grad_()
        self.inputs.append(x)
        return x if tuple(x.shape) == shape else x.expand(shape)

    def u(self, *shape: int, low: float = 0.1, high: float = 0.9):
        return self.given(shape, self.rng.uniform(low, high, self.drawn(shape)))

    def s(self, *shape: int):
        return self.given(shape, self.rng.choice([-1.0, 1.0], self.drawn(shape)))

    def i(self, high: int, *shape: int):
        return self.given(shape, self.rng.integers(0, high, self.drawn(shape)))

    def names(self) -> dict:
        """Return what the text of a case may name."""
        return {"T": self.library, "np": np, "f": self.f, "u": self.u, "s": self.s, "i": self.i}


def run(library, case: str, mode: str, device: str = "cpu", layout: str = "contiguous") -> list[np.ndarray]:
    """Return what a module gives in a mode, then the gradients of inputs and parameters, then its buffers."""
    draw = Draw(library, case, device, layout)
    names = draw.names()
    made, called = CASES[case]
    module = eval(f"T.nn.{case.split()[0]}({made})", names).to(device)
    given = [draw.laid(x) if isinstance(x, np.ndarray) else x for x in eval(f"({called},)", names)]
    module.train(mode == "train")
    if case.startswith("Lazy"):
        with library.no_grad():
            module(*given)
    with library.no_grad():
        for p in module.parameters():
            p.copy_(draw.tensor(draw.rng.uniform(-0.7, 0.7, tuple(p.shape))))
    return gradients(draw, module(*given), list(module.parameters())) + [_array(x) for x in module.buffers()]


def gradients(draw: Draw, given, parameters: list) -> list[np.ndarray]:
    """Return results, then the gradients of inputs and parameters, the results' own being drawn."""
    results = [x for x in _flat(given) if x is not None]
    learned = [x for x in results if x.requires_grad]
    if learned:
        draw.library.autograd.backward(learned, [draw.u(*x.shape, low=0.5, high=1.5) for x in learned])
    found = [*results, *(x.grad for x in draw.inputs), *(p.grad for p in parameters)]
    return [_array(x) for x in found if x is not None]


def _array(x) -> np.ndarray:
    return np.asarray(x.detach().cpu().numpy(), np.float32)


def _flat(x):
    return [y for part in x for y in _flat(part)] if isinstance(x, (tuple, list)) else [x]
