"""The workloads, a list of rows per subject. A new one is a row in its file."""

from cltorch.bench.workloads import layers, matrix, pointwise, reduce, train

WORKLOADS = [*pointwise.ROWS, *reduce.ROWS, *matrix.ROWS, *layers.ROWS, *train.ROWS]

__all__ = ["WORKLOADS"]
