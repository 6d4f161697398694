"""The attributes of layers that TorchScript takes for constants.

Nothing is compiled here: classes of other libraries, derived from these, add to the lists.
Source: https://docs.pytorch.org/docs/2.13/jit_language_reference.html
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["declare"]

_CLASSES = {
    "threshold value inplace": "Threshold",
    "inplace": "Hardsigmoid Hardswish Mish ReLU SELU SiLU",
    "lower upper inplace": "RReLU",
    "min_val max_val inplace": "Hardtanh",
    "alpha inplace": "CELU ELU",
    "dim": "GLU LogSoftmax Softmax Softmin",
    "approximate": "GELU",
    "lambd": "Hardshrink Softshrink",
    "inplace negative_slope": "LeakyReLU",
    "beta threshold": "Softplus",
    "batch_first": "MultiheadAttention",
    "num_parameters": "PReLU",
    "track_running_stats momentum eps num_features affine": "_NormBase",
    "groups": "ChannelShuffle",
    "stride padding dilation groups padding_mode output_padding in_channels out_channels kernel_size": "_ConvNd",
    "norm eps keepdim": "PairwiseDistance",
    "dim eps": "CosineSimilarity",
    "p inplace": "_DropoutNd",
    "start_dim end_dim": "Flatten",
    "dim unflattened_size": "Unflatten",
    "output_size kernel_size dilation padding stride": "Fold",
    "kernel_size dilation padding stride": "Unfold",
    "in_features out_features": "Linear",
    "in1_features in2_features out_features": "Bilinear",
    "reduction": (
        "BCELoss KLDivLoss L1Loss MSELoss MultiLabelMarginLoss MultiLabelSoftMarginLoss SmoothL1Loss SoftMarginLoss"
    ),
    "ignore_index reduction": "NLLLoss",
    "log_input full eps reduction": "PoissonNLLLoss",
    "full eps reduction": "GaussianNLLLoss",
    "margin reduction": "CosineEmbeddingLoss HingeEmbeddingLoss MarginRankingLoss",
    "reduction delta": "HuberLoss",
    "ignore_index reduction label_smoothing": "CrossEntropyLoss",
    "num_classes out_features reduction ignore_index label_smoothing": "LinearCrossEntropyLoss",
    "p margin reduction": "MultiMarginLoss",
    "margin p eps swap reduction": "TripletMarginLoss",
    "margin swap reduction": "TripletMarginWithDistanceLoss",
    "blank reduction": "CTCLoss",
    "size alpha beta k": "LocalResponseNorm",
    "normalized_shape eps elementwise_affine": "LayerNorm RMSNorm",
    "num_groups num_channels eps affine": "GroupNorm",
    "padding": "_CircularPadNd _ReflectionPadNd _ReplicationPadNd",
    "padding value": "ConstantPad2d _ConstantPadNd",
    "upscale_factor": "PixelShuffle",
    "downscale_factor": "PixelUnshuffle",
    "kernel_size stride padding dilation return_indices ceil_mode": "_MaxPoolNd",
    "kernel_size stride padding ceil_mode count_include_pad": "_AvgPoolNd",
    "kernel_size stride padding ceil_mode count_include_pad divisor_override": "AvgPool2d AvgPool3d",
    "kernel_size return_indices output_size output_ratio": "FractionalMaxPool2d FractionalMaxPool3d",
    "norm_type kernel_size stride ceil_mode": "_LPPoolNd",
    "output_size return_indices": "_AdaptiveMaxPoolNd",
    "output_size": "_AdaptiveAvgPoolNd",
    "mode input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size": "RNNBase",
    "input_size hidden_size bias": "RNNCellBase",
    "input_size hidden_size bias nonlinearity": "RNNCell",
    "num_embeddings embedding_dim padding_idx max_norm norm_type scale_grad_by_freq sparse": "Embedding",
    (
        "num_embeddings embedding_dim max_norm norm_type scale_grad_by_freq mode sparse include_last_offset padding_idx"
    ): "EmbeddingBag",
    "norm": "TransformerDecoder TransformerEncoder",
    "norm_first": "TransformerDecoderLayer TransformerEncoderLayer",
    "size scale_factor mode align_corners name recompute_scale_factor": "Upsample",
}


def declare(classes: Iterable[type]) -> None:
    """Give the classes, and their private bases, the list ``__constants__`` that PyTorch's have."""
    names = {name: attributes.split() for attributes, owners in _CLASSES.items() for name in owners.split()}
    for base in {base for cls in classes for base in cls.__mro__}:
        if base.__name__ in names and base.__module__.startswith("cltorch."):
            base.__constants__ = list(names[base.__name__])  # type: ignore[attr-defined]
