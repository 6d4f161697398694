"""What the loader is made of: collating, fetching, seeds, pinning."""

from cltorch.utils.data._utils import collate, fetch, pin_memory

__all__ = ["collate", "fetch", "pin_memory"]
