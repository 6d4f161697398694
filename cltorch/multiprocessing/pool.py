"""Pools of processes, under PyTorch's name; their queues send host tensors by their memory."""

from multiprocessing.pool import Pool
from multiprocessing.queues import SimpleQueue

__all__ = ["Pool", "SimpleQueue"]
