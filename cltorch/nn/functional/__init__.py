"""Functions of layers without state: torch.nn.functional.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html
"""

import sys

from cltorch import public_forms
from cltorch.functions import autocast
from cltorch.functions.shuffle import channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle
from cltorch.nn import _reduction as _Reduction  # noqa: F401
from cltorch.nn.functional.activation import (
    celu,
    celu_,
    elu,
    elu_,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    relu_,
    rrelu,
    rrelu_,
    selu,
    selu_,
    sigmoid,
    silu,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
    threshold_,
)
from cltorch.nn.functional.attention import (  # noqa: F401 (attention of other libraries is made of these)
    _in_projection,
    _in_projection_packed,
    _mha_shape_check,
    _none_or_dtype,
    multi_head_attention_forward,
    scaled_dot_product_attention,
)
from cltorch.nn.functional.attention import canonical_mask as _canonical_mask  # noqa: F401
from cltorch.nn.functional.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from cltorch.nn.functional.ctc import ctc_loss
from cltorch.nn.functional.distance import cosine_similarity, normalize, pairwise_distance, pdist
from cltorch.nn.functional.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from cltorch.nn.functional.embedding import embedding, one_hot
from cltorch.nn.functional.embedding_bag import embedding_bag
from cltorch.nn.functional.fold import fold, unfold
from cltorch.nn.functional.grouped_mm import grouped_mm
from cltorch.nn.functional.likelihood import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll_loss,
    kl_div,
    nll_loss,
    poisson_nll_loss,
)
from cltorch.nn.functional.linear import bilinear, linear
from cltorch.nn.functional.linear_cross_entropy import linear_cross_entropy
from cltorch.nn.functional.local_response import local_response_norm
from cltorch.nn.functional.loss import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from cltorch.nn.functional.margin_loss import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from cltorch.nn.functional.normalization import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from cltorch.nn.functional.other_pooling import (
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from cltorch.nn.functional.padding import pad
from cltorch.nn.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
)
from cltorch.nn.functional.scaled_mm import ScalingType, SwizzleType, scaled_grouped_mm, scaled_mm
from cltorch.nn.functional.softmax import _get_softmax_dim, gumbel_softmax, log_softmax, softmax, softmin  # noqa: F401
from cltorch.nn.functional.upsampling import interpolate, upsample, upsample_bilinear, upsample_nearest
from cltorch.nn.functional.vision import affine_grid, grid_sample
from cltorch.torch_function import handle_torch_function as handle_torch_function
from cltorch.torch_function import has_torch_function as has_torch_function
from cltorch.torch_function import has_torch_function_unary as has_torch_function_unary
from cltorch.torch_function import has_torch_function_variadic as has_torch_function_variadic

__all__ = [
    "ScalingType", "SwizzleType",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "affine_grid", "alpha_dropout", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "celu", "celu_", "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "ctc_loss",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "elu_", "embedding", "embedding_bag",
    "feature_alpha_dropout", "fold", "fractional_max_pool2d", "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d", "fractional_max_pool3d_with_indices", "gaussian_nll_loss", "gelu", "glu", "grid_sample",
    "group_norm", "grouped_mm", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "hinge_embedding_loss", "huber_loss", "instance_norm", "interpolate", "kl_div", "l1_loss", "layer_norm",
    "leaky_relu", "leaky_relu_", "linear", "linear_cross_entropy", "local_response_norm", "log_softmax", "logsigmoid",
    "lp_pool1d", "lp_pool2d", "lp_pool3d", "margin_ranking_loss", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d",
    "max_unpool3d", "mish", "mse_loss", "multi_head_attention_forward", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "native_channel_shuffle", "nll_loss", "normalize", "one_hot", "pad",
    "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6",
    "relu_", "rms_norm", "rrelu", "rrelu_", "scaled_dot_product_attention", "scaled_grouped_mm", "scaled_mm",
    "selu", "selu_", "sigmoid", "silu",
    "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh",
    "tanhshrink", "threshold", "threshold_", "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold",
    "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

# what is composed here of other functions is cast as a whole
autocast.install([m for name, m in sorted(sys.modules.items()) if f"{name}.".startswith(f"{__name__}.")])
public_forms.functions(__all__, globals(), "cltorch.nn.functional", "torch.nn.functional")
