"""Apple's GPUs through Metal, which are not used: torch.mps. Where such a device has an OpenCL driver it is ``cl``."""

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """Return False."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0
