"""What the loader is made of: collating, fetching, seeds, pinning, workers."""

from cltorch.utils.data._utils import collate, fetch, pin_memory, worker

__all__ = ["collate", "fetch", "pin_memory", "worker"]
