"""Calls between processes, torch.distributed.rpc: not available."""

__all__ = ["is_available"]


def is_available() -> bool:
    """Return False."""
    return False
