"""torch.cuda's counterpart for OpenCL devices; ``cltorch.cuda`` is this module."""

import sys
from importlib import import_module as _import_module
from typing import Any as _Any

from cltorch.cl import amp, profiler
from cltorch.cl.devices import (
    ClDeviceProperties,
    can_device_access_peer,
    current_device,
    device,
    device_count,
    device_of,
    get_arch_list,
    get_device_capability,
    get_device_name,
    get_device_properties,
    get_gencode_flags,
    init,
    is_available,
    is_bf16_supported,
    is_initialized,
    set_device,
    synchronize,
)
from cltorch.cl.devices import _is_in_bad_fork as _is_in_bad_fork
from cltorch.cl.devices import _lazy_call as _lazy_call
from cltorch.cl.devices import _lazy_init as _lazy_init
from cltorch.cl.kernels import CustomKernel, kernel
from cltorch.cl.memory import (
    OutOfMemoryError,
    empty_cache,
    get_per_process_memory_fraction,
    ipc_collect,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from cltorch.cl.random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from cltorch.cl.runtime import CudaError, check_error, cudart, cudaStatus
from cltorch.cl.streams import (
    Event,
    Stream,
    current_stream,
    default_stream,
    is_current_stream_capturing,
    set_stream,
    stream,
)
from cltorch.cl.types import (
    BFloat16Storage,
    BFloat16Tensor,
    BoolStorage,
    BoolTensor,
    ByteStorage,
    ByteTensor,
    CharStorage,
    CharTensor,
    DoubleStorage,
    DoubleTensor,
    FloatStorage,
    FloatTensor,
    HalfStorage,
    HalfTensor,
    IntStorage,
    IntTensor,
    LongStorage,
    LongTensor,
    ShortStorage,
    ShortTensor,
)

__all__ = [
    "BFloat16Storage", "BFloat16Tensor", "BoolStorage", "BoolTensor", "ByteStorage", "ByteTensor", "CharStorage",
    "CharTensor", "ClDeviceProperties", "CudaError", "CustomKernel", "DoubleStorage", "DoubleTensor", "Event",
    "FloatStorage", "FloatTensor", "HalfStorage", "HalfTensor", "IntStorage", "IntTensor", "LongStorage", "LongTensor",
    "OutOfMemoryError", "ShortStorage", "ShortTensor", "Stream", "amp", "can_device_access_peer", "check_error",
    "cudaStatus", "cudart", "current_device",
    "current_stream", "default_stream", "device", "device_count", "device_of", "empty_cache", "get_arch_list",
    "get_device_capability", "get_device_name", "get_device_properties", "get_gencode_flags",
    "get_per_process_memory_fraction", "get_rng_state", "get_rng_state_all", "init", "initial_seed", "ipc_collect",
    "is_available", "is_bf16_supported", "is_current_stream_capturing", "is_initialized",
    "kernel", "manual_seed", "manual_seed_all",
    "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory_allocated",
    "memory_cached", "memory_reserved", "memory_stats", "memory_stats_as_nested_dict", "memory_summary", "nvtx",
    "profiler",
    "reset_max_memory_allocated", "reset_max_memory_cached",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_per_process_memory_fraction", "set_rng_state",
    "set_rng_state_all", "set_stream", "stream", "synchronize",
]  # fmt: skip

# `import cltorch.cuda` finds this module too
sys.modules["cltorch.cuda"] = sys.modules[__name__]
sys.modules["cltorch.cuda.amp"] = amp


def __getattr__(name: str) -> _Any:
    if name == "nvtx":  # it brings the profiler along, and that PyOpenCL
        return _import_module("cltorch.cl.nvtx")
    if name == "_initialized":  # PyTorch's flag, which programs ask before they save a device's random state
        return is_initialized()
    raise AttributeError(f"module 'cltorch.cl' has no attribute {name!r}")
