"""Exceptions that PyTorch has no name for, or names in its own modules."""

from __future__ import annotations


class OutOfMemoryError(RuntimeError):
    """Raise when a device or the host cannot provide a buffer, after the cache was freed and the request retried."""


class AcceleratorError(RuntimeError):
    """Raise when what runs on a device fails: PyTorch's name for that, which DeviceError refines."""


class DeviceError(AcceleratorError):
    """Raise when an OpenCL device is missing, lacks a capability, or fails at run time."""


class DeviceMemoryError(DeviceError):
    """Raise when a kernel has written in front of a buffer or behind its end, which ``CLTORCH_DEBUG=1`` looks for."""


class DeviceIndexError(IndexError, AcceleratorError):
    """Raise when a kernel has met an index out of range: at the next read-back or synchronisation of its device.

    It is an IndexError, as on the host, and an AcceleratorError (a RuntimeError), as PyTorch raises for CUDA devices.
    """


class BuildError(DeviceError):
    """Raise when a kernel does not compile; the message holds device, kernel, options and the compiler's log."""
