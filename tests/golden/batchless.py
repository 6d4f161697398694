"""Every layer of torch.nn that takes one sample without a batch's dimension, with such a sample."""

from __future__ import annotations

_SPACES = {1: "7", 2: "5, 6", 3: "4, 3, 5"}
_PLAIN = [
    "CELU", "ELU", "GELU", "Hardshrink", "Hardtanh", "LeakyReLU", "LogSigmoid", "Mish", "PReLU", "ReLU", "RReLU",
    "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
]  # fmt: skip

# as in modules.py, the name followed by " batchless" there
CASES: dict[str, tuple[str, str]] = {
    # activations, a line or a single number
    **dict.fromkeys(_PLAIN, ("", "f(5)")),
    "GELU number": ("", "f()"),
    "PReLU number": ("", "f()"),
    "GLU": ("", "f(6)"),
    "Hardsigmoid": ("", "4 * f(5)"),
    "Hardswish": ("", "4 * f(5)"),
    "LogSoftmax": ("-1", "f(5)"),
    "LogSoftmax number": ("0", "f()"),
    "PReLU channels": ("3", "f(2, 3)"),
    "ReLU6": ("", "5 * f(5)"),
    "Softmax": ("-1", "f(5)"),
    "Softmax2d": ("", "f(3, 2, 2)"),
    "Softmin": ("-1", "f(5)"),
    "Threshold": ("0.1, 2.0", "f(5)"),
    # linear
    "Bilinear": ("2, 3, 4", "f(2), f(3)"),
    "Identity": ("", "f(3)"),
    "Linear": ("3, 4", "f(3)"),
    "LazyLinear": ("4", "f(3)"),
    # convolutions
    "Conv1d": ("2, 4, 3, padding='same', groups=2", "f(2, 6)"),
    "Conv2d": ("2, 3, 3, stride=2, padding=1, padding_mode='reflect'", "f(2, 5, 6)"),
    "Conv3d": ("2, 2, 2, dilation=2", "f(2, 3, 4, 3)"),
    "ConvTranspose1d": ("2, 3, 3, stride=2, output_padding=1", "f(2, 4)"),
    "ConvTranspose2d": ("2, 2, 3, stride=2, padding=1, groups=2", "f(2, 3, 4)"),
    "ConvTranspose3d": ("2, 2, 2", "f(2, 2, 3, 2)"),
    **{f"LazyConv{d}d": ("2, 2", f"f(1{', 3' * d})") for d in (1, 2, 3)},
    **{f"LazyConvTranspose{d}d": ("2, 2", f"f(1{', 2' * d})") for d in (1, 2, 3)},
    "Fold": ("(3, 4), 2", "f(8, 6)"),
    "Unfold": ("2, padding=1", "f(2, 3, 3)"),
    # pools
    **{f"AdaptiveAvgPool{d}d": ("3", f"f(2, {s})") for d, s in _SPACES.items()},
    **{f"AdaptiveMaxPool{d}d": ("2, return_indices=True", f"f(2, {s})") for d, s in _SPACES.items()},
    **{f"AvgPool{d}d": ("3, 2, 1", f"f(2, {s})") for d, s in _SPACES.items()},
    **{f"LPPool{d}d": ("2, 2", f"f(2, {s})") for d, s in _SPACES.items()},
    **{f"MaxPool{d}d": ("3, 2, 1, return_indices=True", f"f(2, {s})") for d, s in _SPACES.items()},
    "FractionalMaxPool2d": ("2, 2, _random_samples=u(1, 2, 2)", "f(2, 5, 5)"),
    "FractionalMaxPool3d": ("2, 2, _random_samples=u(1, 1, 3)", "f(1, 4, 4, 4)"),
    "MaxUnpool1d": ("2", "f(1, 3), np.array([[1, 2, 5]])"),
    "MaxUnpool2d": ("2", "f(1, 2, 2), np.array([[[1, 6], [8, 11]]])"),
    "MaxUnpool3d": ("2", "f(1, 1, 2, 1), np.array([[[[1], [6]]]])"),
    # padding and shuffling
    **{f"{kind}Pad{d}d": ("1", f"f(2{', 3' * d})") for kind in ("Circular", "Reflection", "Replication", "Zero")
       for d in (1, 2, 3)},
    **{f"ConstantPad{d}d": ("1, 0.5", f"f(2{', 2' * d})") for d in (1, 2, 3)},
    "Flatten": ("0", "f(2, 3)"),
    "Unflatten": ("0, (2, 3)", "f(6)"),
    "PixelShuffle": ("2", "f(4, 2, 2)"),
    "PixelUnshuffle": ("2", "f(1, 4, 2)"),
    # norms
    "InstanceNorm1d": ("2, affine=True, track_running_stats=True", "f(2, 5)"),
    "InstanceNorm2d": ("2", "f(2, 3, 2)"),
    "InstanceNorm3d": ("2", "f(2, 2, 2, 2)"),
    "LayerNorm": ("(2, 3)", "f(2, 3)"),
    "RMSNorm": ("4", "f(4)"),
    # what is random in training
    "AlphaDropout": ("", "f(3)"),
    "Dropout": ("", "f(3)"),
    "Dropout1d": ("", "f(3, 2)"),
    "Dropout3d": ("", "f(2, 2, 1, 2)"),
    "FeatureAlphaDropout": ("", "f(3, 2)"),
    # tables, recurrence, attention
    "Embedding": ("5, 3", "i(5, 2)"),
    "RNN": ("3, 4, num_layers=2, nonlinearity='relu'", "f(5, 3)"),
    "LSTM": ("3, 4, bidirectional=True, proj_size=2", "f(5, 3), (f(2, 2), f(2, 4))"),
    "GRU": ("3, 4, num_layers=2, batch_first=True", "f(5, 3), f(2, 4)"),
    "RNNCell": ("3, 4", "f(3), f(4)"),
    "LSTMCell": ("3, 4", "f(3), (f(4), f(4))"),
    "GRUCell": ("3, 4, bias=False", "f(3)"),
    "MultiheadAttention": ("4, 2, kdim=3, vdim=5", "f(3, 4), f(5, 3), f(5, 5)"),
    "TransformerEncoderLayer": ("4, 2, 6, 0.0, 'gelu', batch_first=True", "f(3, 4)"),
    "TransformerDecoderLayer": ("4, 2, 6, 0.0, norm_first=True", "f(3, 4), f(2, 4)"),
    "TransformerEncoder": ("T.nn.TransformerEncoderLayer(4, 2, 6, 0.0), 2, enable_nested_tensor=False", "f(3, 4)"),
    "TransformerDecoder": ("T.nn.TransformerDecoderLayer(4, 2, 6, 0.0), 1", "f(3, 4), f(2, 4)"),
    "Transformer": ("4, 2, 1, 1, 6, 0.0", "f(3, 4), f(2, 4)"),
    # distances
    "CosineSimilarity": ("0", "f(5), f(5)"),
    "PairwiseDistance": ("3.0", "f(5), f(5)"),
    # losses
    "AdaptiveLogSoftmaxWithLoss": ("6, 9, [3, 6], div_value=2.0", "f(6), np.array(7)"),
    "BCELoss": ("", "u(5), u(5)"),
    "BCEWithLogitsLoss": ("", "f(5), u(5)"),
    "CTCLoss": ("", "f(6, 4).log_softmax(1), 1 + i(3, 2), np.array(6), np.array(2)"),
    "CosineEmbeddingLoss": ("0.1", "f(4), f(4), s()"),
    "CrossEntropyLoss": ("weight=u(4), label_smoothing=0.1, reduction='sum'", "f(4), i(4)"),
    "CrossEntropyLoss probabilities": ("", "f(4), u(4)"),
    "GaussianNLLLoss": ("full=True", "f(4), f(4), u(4)"),
    "HingeEmbeddingLoss": ("", "f(4), s(4)"),
    "HuberLoss": ("delta=0.5", "f(4), f(4)"),
    "KLDivLoss": ("reduction='sum'", "f(4).log_softmax(0), u(4)"),
    "L1Loss": ("reduction='none'", "f(4), f(4)"),
    "LinearCrossEntropyLoss": ("3, 5", "f(3), i(5)"),
    "MSELoss": ("", "f(4), f(4)"),
    "MarginRankingLoss": ("0.2", "f(), f(), s()"),
    "MultiLabelMarginLoss": ("", "f(4), np.array([3, 0, -1, 1])"),
    "MultiLabelSoftMarginLoss": ("", "f(4), u(4)"),
    "MultiMarginLoss": ("p=2", "f(4), i(4)"),
    "NLLLoss": ("weight=u(4)", "f(4), i(4)"),
    "PoissonNLLLoss": ("full=True", "f(4), 3 * u(4)"),
    "SmoothL1Loss": ("beta=0.5", "f(4), f(4)"),
    "SoftMarginLoss": ("", "f(4), s(4)"),
    "TripletMarginLoss": ("swap=True", "f(4), f(4), f(4)"),
    "TripletMarginWithDistanceLoss": ("margin=0.5", "f(4), f(4), f(4)"),
}  # fmt: skip
# the first dimension of what these take is a batch's, however many there are; lazy ones learn from the second
BATCHED = {
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "ChannelShuffle", "CrossMapLRN2d", "Dropout2d", "EmbeddingBag",
    "GroupNorm", "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d", "LocalResponseNorm", "NLLLoss2d", "SyncBatchNorm", "Upsample", "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
}  # fmt: skip
