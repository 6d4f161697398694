"""What goes wrong between processes: the exceptions of torch.distributed."""

__all__ = ["DistBackendError", "DistError", "DistNetworkError", "DistStoreError", "QueueEmptyError"]


class DistError(RuntimeError):
    """An error of the package torch.distributed."""


class DistBackendError(DistError):
    """An error of what carries the collectives."""


class DistNetworkError(DistError):
    """An error of a connection."""


class DistStoreError(DistError):
    """An error of a store, as a key that does not come in time."""


class QueueEmptyError(DistStoreError):
    """There is nothing to take from a queue of a store."""
