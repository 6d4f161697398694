"""SparseAdam: Adam for the rows of a parameter that a sparse gradient names."""

from __future__ import annotations

from typing import Any

from cltorch.optim.optimizer import GroupOptimizer
from cltorch.optim.rule import check_one_element

__all__ = ["SparseAdam"]


class SparseAdam(GroupOptimizer):
    """Take part in programs that name this optimiser; it steps over no gradient, for all are dense here.

    PyTorch's own refuses dense gradients, and so does this one, with its words: Adam is the optimiser for them.
    Raises ValueError for values out of range and complex parameters, and RuntimeError in a step where a parameter has a
    gradient.
    Shape: parameters (*).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.SparseAdam.html

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.ones(2))
    >>> torch.optim.SparseAdam([w], lr=0.1).step()  # no gradient, no step
    >>> w.detach()
    tensor([1., 1.])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 < lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        places = [
            [i, j] for i, group in enumerate(self.param_groups) for j, p in enumerate(group["params"]) if p.is_complex()
        ]
        if places:
            raise ValueError(f"Complex params at indices {places}: SparseAdam does not support complex parameters")

    def _step_group(self, group: dict[str, Any]) -> None:
        if any(p.grad is not None for p in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
