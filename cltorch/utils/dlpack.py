"""Exchange of tensors with other libraries: torch.utils.dlpack.

Source: https://docs.pytorch.org/docs/2.13/dlpack.html
"""

from cltorch.dlpack import DLDeviceType, from_dlpack, to_dlpack

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]
