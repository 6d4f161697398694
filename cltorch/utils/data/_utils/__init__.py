"""What the loader is made of: collating, fetching, seeds, pinning, workers."""

from cltorch.utils.data._utils import collate, fetch, pin_memory, worker

MP_STATUS_CHECK_INTERVAL = 5.0  # seconds; workers that end are noticed at once here

__all__ = ["collate", "fetch", "pin_memory", "worker"]
