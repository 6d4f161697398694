"""Connectionist temporal classification with ``reduction`` in words.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.ctc_loss.html
"""

from __future__ import annotations

from typing import Any

from cltorch import functions
from cltorch.nn.functional.reduction import REDUCTIONS, check_reduction

__all__ = ["ctc_loss"]


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Return the loss of labels against log-probabilities (T, N, C) or (T, C), summed over all alignments.

    -log Σ_π Π_t exp(log_probs[t, π_t]) over all paths π of T classes that become the labels where repeated classes are
    merged and then each ``blank`` is left out.
    The arguments are those of ``torch.ctc_loss`` but for ``reduction``: "none", "mean" or "sum".
    Shape: log_probs (T, N, C) or (T, C), targets (N, S) or all in one line, lengths (N) or (); result () or, with
    ``reduction="none"``, (N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.ctc_loss.html

    >>> import cltorch as torch
    >>> logp = torch.zeros(2, 3).log_softmax(1)
    >>> torch.nn.functional.ctc_loss(logp, torch.tensor([1]), torch.tensor(2), torch.tensor(1), reduction="none")
    tensor(1.0986)
    """
    check_reduction(reduction)
    return functions.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, REDUCTIONS.index(reduction), zero_infinity
    )
