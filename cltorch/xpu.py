"""Intel's GPUs through SYCL, which are not used: torch.xpu. Where such a device has an OpenCL driver it is ``cl``."""

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """Return False: Intel's GPUs are reached by OpenCL."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0
