"""Losses as torch.* has them beside torch.nn.functional: the reduction is a number, 0 (none), 1 (mean) or 2 (sum).

They take their arguments in the order of PyTorch's operators, and call their namesakes here. Unlike those they do not
reduce by default: the operators' default is the mean, but PyTorch's Python functions read it as 0.
"""

from __future__ import annotations

from typing import Any

import cltorch.nn.functional as f
from cltorch import public_forms
from cltorch.nn.functional.embedding import shorten
from cltorch.nn.functional.linear import bilinear
from cltorch.nn.functional.reduction import REDUCTIONS, reduced

__all__ = [
    "bilinear", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "embedding_renorm_",
    "hinge_embedding_loss", "kl_div", "margin_ranking_loss", "poisson_nll_loss", "triplet_margin_loss",
]  # fmt: skip


def _named(reduction: int) -> str:
    if reduction not in (0, 1, 2):
        raise RuntimeError(f"reduction must be 0 (none), 1 (mean) or 2 (sum), but got {reduction}")
    return REDUCTIONS[reduction]


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 0
) -> Any:
    """Return the binary cross entropy of scores; see torch.nn.functional.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.binary_cross_entropy_with_logits.html

    >>> import cltorch as torch
    >>> torch.binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2))
    tensor([0.6931, 0.6931])
    """
    return f.binary_cross_entropy_with_logits(input, target, weight, reduction=_named(reduction), pos_weight=pos_weight)


def kl_div(input: Any, target: Any, reduction: int = 0, *, log_target: bool = False) -> Any:
    """Return the Kullback-Leibler divergence of log-probabilities; see torch.nn.functional.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.kl_div.html

    >>> import cltorch as torch
    >>> torch.kl_div(torch.zeros(2), torch.tensor([0.0, 1.0]), 0)
    tensor([0., 0.])
    """
    return reduced(f.kl_div(input, target, reduction="none", log_target=log_target), _named(reduction))


def poisson_nll_loss(input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int) -> Any:
    """Return the negative log-likelihood of counts; see torch.nn.functional.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.poisson_nll_loss.html

    >>> import cltorch as torch
    >>> torch.poisson_nll_loss(torch.zeros(2), torch.ones(2), True, False, 1e-8, 1)
    tensor(1.)
    """
    return f.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=_named(reduction))


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 0) -> Any:
    """Return how far two inputs' directions are from what the target says; see torch.nn.functional.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.cosine_embedding_loss.html

    >>> import cltorch as torch
    >>> torch.cosine_embedding_loss(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1))
    tensor([0.])
    """
    return f.cosine_embedding_loss(input1, input2, target, margin, reduction=_named(reduction))


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: int = 0) -> Any:
    """Return the hinge loss of distances; see torch.nn.functional.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.hinge_embedding_loss.html

    >>> import cltorch as torch
    >>> torch.hinge_embedding_loss(torch.tensor([0.5, 0.5]), torch.tensor([1.0, -1.0]))
    tensor([0.5000, 0.5000])
    """
    return f.hinge_embedding_loss(input, target, margin, reduction=_named(reduction))


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 0) -> Any:
    """Return how far two inputs are from the order that the target says; see torch.nn.functional.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.margin_ranking_loss.html

    >>> import cltorch as torch
    >>> torch.margin_ranking_loss(torch.ones(1), torch.ones(1), torch.ones(1), 0.5)
    tensor([0.5000])
    """
    return f.margin_ranking_loss(input1, input2, target, margin, reduction=_named(reduction))


def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
    swap: bool = False, reduction: int = 0,
) -> Any:  # fmt: skip
    """Return how much nearer to a positive than to a negative an anchor should be; see torch.nn.functional.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.triplet_margin_loss.html

    >>> import cltorch as torch
    >>> torch.triplet_margin_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[0.0, 0.5]]))
    tensor([0.5000])
    """
    return f.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=_named(reduction))


def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Scale the rows of a table that ``indices`` names, in place, to at most ``max_norm``; return the table."""
    shorten(indices, input, max_norm, norm_type)
    return input


public_forms.functions(__all__, globals(), "cltorch", "torch")
