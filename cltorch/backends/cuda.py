"""NVIDIA's CUDA, which is not used: torch.backends.cuda. ``cltorch.cuda`` is the module of OpenCL devices."""

from __future__ import annotations


class _Matmul:
    """Hold the flags of matrix products; float32 products always compute in float32."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    fp32_precision = "ieee"


matmul = _Matmul()


def is_built() -> bool:
    """Return False: nothing of CUDA is in this package."""
    return False
