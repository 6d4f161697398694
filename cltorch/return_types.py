"""torch.return_types: the classes of results of several tensors, tuples whose items have names.

Source: https://docs.pytorch.org/docs/2.13/torch.html

>>> import cltorch as torch
>>> isinstance(torch.sort(torch.tensor([2, 1])), torch.return_types.sort)
True
"""

from __future__ import annotations

from cltorch.functions.return_types import KINDS

all_return_types = [kind for _, kind in sorted(KINDS.items())]
globals().update(KINDS)
# what PyTorch calls the result of a call with out=
globals().update({f"{name}_out": kind for name, kind in KINDS.items() if name != "histogramdd"})
__all__ = sorted([*KINDS, *(f"{name}_out" for name in KINDS if name != "histogramdd"), "all_return_types"])
