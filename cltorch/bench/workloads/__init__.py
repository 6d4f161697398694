"""The workloads, a list of rows per subject. A new one is a row in its file."""

from cltorch.bench.workloads import layers, matrix, networks, order, pointwise, reduce, train

WORKLOADS = [*pointwise.ROWS, *reduce.ROWS, *order.ROWS, *matrix.ROWS, *layers.ROWS, *networks.ROWS, *train.ROWS]

__all__ = ["WORKLOADS"]
