"""How long collectives wait for other processes, under PyTorch's names."""

from datetime import timedelta

from cltorch.distributed.world import default_pg_timeout

__all__ = ["default_pg_nccl_timeout", "default_pg_timeout"]

default_pg_nccl_timeout = timedelta(minutes=10)
