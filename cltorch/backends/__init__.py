"""What other libraries' code PyTorch could call, none of which is here: torch.backends.

Programs ask these modules what there is, and set flags on them. The answers are true, and flags keep their values.
Source: https://docs.pytorch.org/docs/2.13/backends.html
"""

from cltorch.backends import (
    cpu,
    cuda,
    cudnn,
    cusparselt,
    kleidiai,
    mha,
    mkl,
    mkldnn,
    mps,
    nnpack,
    openmp,
    opt_einsum,
    quantized,
)

__all__ = [
    "cpu", "cuda", "cudnn", "cusparselt", "fp32_precision", "kleidiai", "mha", "mkl", "mkldnn", "mps", "nnpack",
    "openmp", "opt_einsum", "quantized",
]  # fmt: skip

fp32_precision: str = "none"
