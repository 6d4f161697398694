"""Gradients across processes, torch.distributed.autograd: not available."""

__all__ = ["is_available"]


def is_available() -> bool:
    """Return False."""
    return False
