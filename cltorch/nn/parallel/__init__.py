"""Modules spread over devices, of which there is one here: torch.nn.parallel."""

from cltorch.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
