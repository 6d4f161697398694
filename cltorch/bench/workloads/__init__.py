"""The workloads, a list of rows per subject. A new one is a row in its file."""

from cltorch.bench.workloads import layers, loader, matrix, networks, order, pointwise, reduce, train

WORKLOADS = [
    *pointwise.ROWS, *reduce.ROWS, *order.ROWS, *matrix.ROWS, *layers.ROWS, *networks.ROWS, *train.ROWS, *loader.ROWS
]  # fmt: skip

__all__ = ["WORKLOADS"]
