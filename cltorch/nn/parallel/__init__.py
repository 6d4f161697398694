"""Modules spread over devices: torch.nn.parallel."""

from cltorch.nn.parallel.data_parallel import DataParallel, data_parallel
from cltorch.nn.parallel.distributed import DistributedDataParallel
from cltorch.nn.parallel.parallel_apply import parallel_apply
from cltorch.nn.parallel.replicate import replicate
from cltorch.nn.parallel.scatter_gather import gather, scatter

__all__ = [
    "DataParallel", "DistributedDataParallel", "data_parallel", "gather", "parallel_apply", "replicate", "scatter",
]  # fmt: skip
