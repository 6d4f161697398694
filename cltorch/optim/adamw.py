"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from cltorch.optim.adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    r"""Descend as Adam does after every parameter was multiplied by :math:`1 - \gamma\lambda`.

    The decay ``weight_decay`` :math:`\lambda` enters neither mean. Arguments and state are those of ``Adam``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.AdamW.html; Loshchilov and Hutter, "Decoupled
    Weight Decay Regularization", https://arxiv.org/abs/1711.05101.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8500, -1.8000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True  # even where Adam's state was loaded
