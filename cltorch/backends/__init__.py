"""What other libraries' code PyTorch could call, none of which is here: torch.backends.

Programs ask these modules what there is, and set flags on them. The answers are true, and flags keep their values.
Source: https://docs.pytorch.org/docs/2.13/backends.html
"""

from cltorch.backends import cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
