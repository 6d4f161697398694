"""torch.distributed's answers for one process: it is not available.

Source: https://docs.pytorch.org/docs/2.13/distributed.html
"""

from cltorch.distributed import autograd, rpc

__all__ = [
    "autograd", "is_available", "is_gloo_available", "is_initialized", "is_mpi_available", "is_nccl_available",
    "is_torchelastic_launched", "is_ucc_available", "is_xccl_available", "rpc",
]  # fmt: skip


def is_available() -> bool:
    """Return False: cltorch computes in one process.

    >>> is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """Return False: there is no process group."""
    return False


is_gloo_available = is_mpi_available = is_nccl_available = is_ucc_available = is_xccl_available = is_available
is_torchelastic_launched = is_initialized
