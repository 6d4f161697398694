"""What libraries ask about Triton, a compiler of kernels for GPUs, before they use it: it is not used here."""

from __future__ import annotations


def has_triton_package() -> bool:
    """Return False: programs need not look for kernels that a tensor here could not be given to."""
    return False


def has_triton() -> bool:
    """Return whether a device runs Triton's kernels: none does."""
    return False
