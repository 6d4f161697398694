"""Saving and loading in PyTorch's file formats: torch.save, torch.load, torch.serialization."""

import pickle as pickle  # the default of save's pickle_module, which libraries name as torch.serialization.pickle

from cltorch.serialization.api import DEFAULT_PROTOCOL, get_unsafe_globals_in_checkpoint, load, save
from cltorch.serialization.location import default_restore_location, location_tag, register_package
from cltorch.serialization.options import (
    LoadEndianness,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
)
from cltorch.serialization.safe_globals import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)

__all__ = [
    "DEFAULT_PROTOCOL",
    "LoadEndianness",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
]
