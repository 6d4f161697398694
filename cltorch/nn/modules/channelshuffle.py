"""Channel shuffle as a module.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ChannelShuffle.html
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Let the channels of ``groups`` groups take turns.

    Channel g · C/groups + i becomes channel i · groups + g.
    Shape: (N, C, *) to the same; RuntimeError unless ``groups`` divides C.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ChannelShuffle.html

    >>> import cltorch as torch
    >>> torch.nn.ChannelShuffle(2)(torch.arange(4.0).view(1, 4, 1, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
