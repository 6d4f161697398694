"""Leaving out whole residual branches at random (G. Huang et al., Deep Networks with Stochastic Depth, 2016).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.stochastic_depth.html
"""

from __future__ import annotations

import cltorch as torch
from cltorch import nn
from cltorch.fx import wrap
from cltorch.tensor import Tensor


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Return the input with whole samples (mode "row") or all of it ("batch") zero with probability ``p``.

    What stays is divided by 1 - p. Raises ValueError for another mode or a probability outside [0, 1].
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.stochastic_depth.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.stochastic_depth(torch.ones(2, 1), 0.5, "row", training=False).sum()
    tensor(2.)
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    survival = 1.0 - p
    size = [input.shape[0] if mode == "row" else 1] + [1] * (input.dim() - 1)
    noise = torch.empty(size, dtype=input.dtype, device=input.device).bernoulli_(survival)
    if survival > 0.0:
        noise.div_(survival)
    return input * noise


wrap("stochastic_depth")  # a node of its own where a network is traced


class StochasticDepth(nn.Module):
    """Do what ``stochastic_depth`` does while training.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.StochasticDepth.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.StochasticDepth(0.5, "row").eval()(torch.ones(2, 1)).sum()
    tensor(2.)
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
