"""Losses of margins, of labels that are 1 or -1, and of pairs and triples of vectors, as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#loss-functions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules._loss import _Loss, _WeightedLoss
from cltorch.nn.modules.distance import PairwiseDistance

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "SoftMarginLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class HingeEmbeddingLoss(_Loss):
    """Return x where the target is 1 and max(margin - x, 0) where it is -1.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.HingeEmbeddingLoss.html

    >>> import cltorch as torch
    >>> torch.nn.HingeEmbeddingLoss()(torch.tensor([0.5, 0.5]), torch.tensor([1.0, -1.0]))
    tensor(0.5000)
    """

    def __init__(
        self, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """Return max(margin - target · (x1 - x2), 0).

    Shape: x1, x2 and target (N) or (); result () or, with ``reduction="none"``, (N).
    The target is 1 where x1 shall be greater, else -1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MarginRankingLoss.html

    >>> import cltorch as torch
    >>> torch.nn.MarginRankingLoss(margin=0.5)(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([1.0]))
    tensor(1.5000)
    """

    def __init__(
        self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """Return log(1 + exp(-target · x)) for targets of 1 or -1.

    Shape: input (*), target the same; result () or, with ``reduction="none"``, (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.SoftMarginLoss.html

    >>> import cltorch as torch
    >>> torch.nn.SoftMarginLoss()(torch.zeros(2), torch.tensor([1.0, -1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """Return 1 - cos(x1, x2) where the target is 1 and max(cos(x1, x2) - margin, 0) where it is -1.

    Shape: x1 and x2 (N, D) or (D), target (N) or (); result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CosineEmbeddingLoss.html

    >>> import cltorch as torch
    >>> torch.nn.CosineEmbeddingLoss()(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1))
    tensor(0.)
    """

    def __init__(
        self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Return -Σ (y log σ(x) + (1 - y) log(1 - σ(x))) / C over the C classes of the last dimension.

    Shape: input (N, C), target the same of 0 or 1, weight (C); result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MultiLabelSoftMarginLoss.html

    >>> import cltorch as torch
    >>> torch.nn.MultiLabelSoftMarginLoss()(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Return Σ max(margin - x[target] + x[i], 0)^p / C over the classes i other than the target.

    Shape: input (N, C) or (C), target (N) or (), int64, weight (C); result () or, with ``reduction="none"``, (N).
    ``p`` is 1 or 2, else ValueError; ``weight`` of the target multiplies.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MultiMarginLoss.html

    >>> import cltorch as torch
    >>> torch.nn.MultiMarginLoss()(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    tensor(0.)
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D instead")
        self.p, self.margin = p, margin

    def forward(self, input: Any, target: Any) -> Any:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """Return max(d(anchor, positive) - d(anchor, negative) + margin, 0) with the distance of the p-norm.

    Shape: anchor, positive and negative (N, D) or (D); result () or, with ``reduction="none"``, (N).
    With ``swap`` d(positive, negative) replaces the second distance where it is less. ValueError for a margin of 0 or
    less.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.TripletMarginLoss.html

    >>> import cltorch as torch
    >>> torch.nn.TripletMarginLoss()(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[0.0, 0.5]]))
    tensor(0.5000)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(_Loss):
    """Return max(d(anchor, positive) - d(anchor, negative) + margin, 0) with any distance d.

    Shape: anchor, positive and negative (N, *), of which ``distance_function`` makes (N); result () or, with
    ``reduction="none"``, (N).
    It is PairwiseDistance unless given.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.TripletMarginWithDistanceLoss.html

    >>> import cltorch as torch
    >>> torch.nn.TripletMarginWithDistanceLoss()(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[0.0, 0.5]]))
    tensor(0.5000)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = margin, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class MultiLabelMarginLoss(_Loss):
    """Return Σ max(1 - (x[target j] - x[i]), 0) / C over targets j and classes i that are none.

    The input is (N, C) or (C), the target of the same shape names classes up to the first -1.
    Shape: input (N, C) or (C), target the same, int64; result () or, with ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.MultiLabelMarginLoss.html

    >>> import cltorch as torch
    >>> torch.nn.MultiLabelMarginLoss()(torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)
