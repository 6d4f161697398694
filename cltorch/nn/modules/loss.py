"""Losses as modules.

Each calls the function of torch.nn.functional that has its name; ``size_average`` and ``reduce`` are what PyTorch had
before ``reduction`` and warn. A ``weight`` is a buffer, so it moves with ``to()``.
Source: https://docs.pytorch.org/docs/2.13/nn.html#loss-functions
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules._loss import _Loss, _WeightedLoss
from cltorch.nn.modules.linear import Linear
from cltorch.nn.modules.margin_loss import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    SoftMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "LinearCrossEntropyLoss", "MSELoss",
    "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss",
    "NLLLoss2d", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class L1Loss(_Loss):
    """Return the mean (or the sum) of |input - target|.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Other sizes broadcast, with a warning.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.L1Loss.html

    >>> import cltorch as torch
    >>> torch.nn.L1Loss()(torch.tensor([1.0, 3.0]), torch.zeros(2))
    tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """Return the mean (or the sum) of (input - target)².

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Other sizes broadcast, with a warning.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MSELoss.html

    >>> import cltorch as torch
    >>> torch.nn.MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Return the error d² / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    d is input - target; ``beta`` 0 makes it L1Loss, a negative one raises. R. Girshick, Fast R-CNN, 2015.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.SmoothL1Loss.html

    >>> import cltorch as torch
    >>> torch.nn.SmoothL1Loss()(torch.tensor([0.5, 3.0]), torch.zeros(2))
    tensor(1.3125)
    """

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Return the error d² / 2 where |d| < delta, delta · (|d| - delta / 2) elsewhere.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    d is input - target; ``delta`` of 0 or less raises. P. Huber, Robust Estimation of a Location Parameter, 1964.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.HuberLoss.html

    >>> import cltorch as torch
    >>> torch.nn.HuberLoss(delta=1.0)(torch.tensor([0.5, 3.0]), torch.zeros(2))
    tensor(1.3125)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, self.reduction, self.delta)


class BCELoss(_WeightedLoss):
    """Return -weight · (y log x + (1 - y) log(1 - x)) for probabilities x and targets y in [0, 1].

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    The logarithms are -100 at least. Raises ValueError for shapes that differ.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.BCELoss.html

    >>> import cltorch as torch
    >>> torch.nn.BCELoss()(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Return -weight · (pos_weight · y log σ(x) + (1 - y) log(1 - σ(x))), computed without overflow.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    ``weight`` and ``pos_weight`` broadcast. Raises ValueError for shapes that differ.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.BCEWithLogitsLoss.html

    >>> import cltorch as torch
    >>> torch.nn.BCEWithLogitsLoss()(torch.zeros(2), torch.tensor([0.0, 1.0]))
    tensor(0.6931)
    """

    weight: Any
    pos_weight: Any

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(_Loss):
    """Return target · (log(target) - input), or exp(target) · (target - input) with ``log_target``.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    The input holds log-probabilities. "batchmean" divides the sum by the first size, which is the divergence; "mean"
    divides by all elements, and warns.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.KLDivLoss.html

    >>> import cltorch as torch
    >>> torch.nn.KLDivLoss(reduction='batchmean')(torch.zeros(1, 2).log_softmax(1), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class NLLLoss(_WeightedLoss):
    """Return -weight[target] · input[target] for log-probabilities and class indices.

    Shape: input (N, C, *) or (C), target (N, *) or (), int64, weight (C); result () or, with ``reduction="none"``, (N,
    *).
    The mean is weighted; where the target is ``ignore_index`` the loss is 0.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.NLLLoss.html

    >>> import cltorch as torch
    >>> torch.nn.NLLLoss()(torch.zeros(1, 2).log_softmax(1), torch.tensor([1]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """Return -Σ_c weight[c] · target[c] · log softmax(input)[c] over the classes c of dimension 1.

    Shape: input (N, C, *) or (C), target class indices (N, *) or (), int64, or probabilities of the input's shape;
    result () or, with ``reduction="none"``, (N, *).
    The mean of losses of indices is weighted; where the target is ``ignore_index`` there is none. ``label_smoothing``
    mixes the target with 1 / C.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CrossEntropyLoss.html

    >>> import cltorch as torch
    >>> torch.nn.CrossEntropyLoss()(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class PoissonNLLLoss(_Loss):
    """Return exp(x) - y · x, or x - y · log(x + eps) without ``log_input``, for counts y.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    ``full`` adds Stirling's y log y - y + log(2 π y) / 2 where y > 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.PoissonNLLLoss.html

    >>> import cltorch as torch
    >>> torch.nn.PoissonNLLLoss()(torch.zeros(2), torch.ones(2))
    tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: Any = None,
        eps: float = 1e-8,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Any, target: Any) -> Any:
        return F.poisson_nll_loss(log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(_Loss):
    """Return (log max(var, eps) + (input - target)² / max(var, eps)) / 2, with ``full`` log(2 π) / 2 more.

    Shape: input (*), target the same, var the same, or with a last size of 1 or without it; result () or, with
    ``reduction="none"``, (*).
    Raises ValueError for a negative variance on the host. D. Nix, A. Weigend, Estimating the Mean and Variance of the
    Target, 1994.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GaussianNLLLoss.html

    >>> import cltorch as torch
    >>> torch.nn.GaussianNLLLoss()(torch.zeros(2), torch.ones(2), torch.ones(2))
    tensor(0.5000)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class CTCLoss(_Loss):
    """Return the loss of unaligned labels against the log-probabilities of classes over time.

    -log Σ_π Π_t exp(log_probs[t, π_t]) over all paths π of T classes that become the labels where repeated classes are
    merged and then each ``blank`` is left out.
    It sums over all ways to stretch the labels over the time with ``blank`` between them; "mean" divides each loss by
    the number of its labels first. ``zero_infinity`` leaves out samples whose labels do not fit in their time.
    A. Graves et al., Connectionist Temporal Classification, ICML 2006.
    Shape: log_probs (T, N, C) or (T, C), targets (N, S) or all in one line, lengths (N); result () or, with
    ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CTCLoss.html

    >>> import cltorch as torch
    >>> logp = torch.zeros(2, 1, 3).log_softmax(2)
    >>> torch.nn.CTCLoss()(logp, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1]))
    tensor(1.0986)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


class NLLLoss2d(NLLLoss):
    """Be NLLLoss by the name it once had for images; deprecated, and warns so.

    -weight[target] · input[target] at each place.
    Shape: input (N, C, H, W), target (N, H, W).
    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import warnings
    >>> import cltorch as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     loss = torch.nn.NLLLoss2d()
    >>> loss(torch.zeros(1, 2, 1, 1), torch.tensor([[[1]]]))
    tensor(0.)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is NLLLoss2d:
            warnings.warn(
                "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in replacement and see "
                "https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more details.",
                FutureWarning,
                stacklevel=2,
            )
        return super().__new__(cls)

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class LinearCrossEntropyLoss(_WeightedLoss):
    """Return the cross entropy of a linear layer's outputs, whose parameters are ``linear.weight`` and ``linear.bias``.

    -log softmax(linear.weight @ x + linear.bias)[target], weighted and averaged as in CrossEntropyLoss.
    The input is (N, in_features) or (in_features); with ``out_features`` there are as many losses of each sample.
    ``options``, a LinearCrossEntropyOptions, have batches computed in pieces. Raises RuntimeError for a weight that is
    not (num_classes) and a ``label_smoothing`` outside 0 … 1.
    Shape: input (N, in_features) or (in_features), target (N, *out_features); result () or, with ``reduction="none"``,
    the target's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LinearCrossEntropyLoss.html

    >>> import cltorch as torch
    >>> loss = torch.nn.LinearCrossEntropyLoss(5, 10, out_features=(4,))
    >>> loss(torch.randn(2, 5), torch.randint(0, 10, (2, 4))).shape
    torch.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        outputs = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, outputs, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Any, target: Any) -> Any:
        shape, bias = (self.num_classes, *self.out_features), self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape((*shape, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction}, "
            f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, options={self.options}"
        )
