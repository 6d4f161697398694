"""What ``save`` and ``load`` do where a call does not say: torch.utils.serialization.config.

>>> from cltorch.utils.serialization import config
>>> config.load.mmap, config.save.storage_alignment
(False, 64)
"""

from cltorch.serialization.config import load, save

__all__ = ["load", "save"]
