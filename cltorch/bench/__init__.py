"""The benchmark, ``python -m cltorch bench``: this machine's roofline, then workloads, each beside PyTorch's time."""

from cltorch.bench.command import main

__all__ = ["main"]
