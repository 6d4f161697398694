"""Queues between processes, under PyTorch's name; they send host tensors by their memory."""

from multiprocessing.queues import Queue, SimpleQueue

__all__ = ["Queue", "SimpleQueue"]
