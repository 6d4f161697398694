"""The caching allocator's statistics, under torch.cuda's names.

Sizes are bytes as allocated: rounded up to the allocator's size classes.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

from cltorch.cl.devices import context_of
from cltorch.device.allocator import readable
from cltorch.errors import OutOfMemoryError
from cltorch.ops.fallback import callers_level

__all__ = [
    "OutOfMemoryError", "empty_cache", "get_per_process_memory_fraction", "ipc_collect", "max_memory_allocated",
    "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_cached",
    "memory_reserved", "memory_stats", "memory_stats_as_nested_dict", "memory_summary", "reset_max_memory_allocated",
    "reset_max_memory_cached", "reset_peak_memory_stats", "set_per_process_memory_fraction",
]  # fmt: skip


def memory_allocated(device: Any = None) -> int:
    """Return the bytes that tensors hold on a device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.memory_allocated.html
    """
    return int(context_of(device).allocator.allocated)


def max_memory_allocated(device: Any = None) -> int:
    """Return the most bytes that tensors held since the program or the last reset_peak_memory_stats began.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.max_memory_allocated.html
    """
    return int(context_of(device).allocator.allocated_peak)


def memory_reserved(device: Any = None) -> int:
    """Return the bytes taken from the driver: held by tensors or kept for reuse.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.memory_reserved.html
    """
    return int(context_of(device).allocator.reserved)


def max_memory_reserved(device: Any = None) -> int:
    """Return the most bytes taken from the driver since the program or the last reset_peak_memory_stats began.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.max_memory_reserved.html
    """
    return int(context_of(device).allocator.reserved_peak)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Start the peaks anew from the present values.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.reset_peak_memory_stats.html
    """
    context_of(device).allocator.reset_peaks()


def reset_max_memory_allocated(device: Any = None) -> None:
    """Start the peaks anew from the present values; the older name of reset_peak_memory_stats.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.reset_max_memory_allocated.html
    """
    reset_peak_memory_stats(device)


def _older(name: str, now: Any) -> Any:
    def f(device: Any = None) -> Any:
        warnings.warn(
            f"`torch.cuda.{name}` has been renamed to `torch.cuda.{now.__name__}`", FutureWarning,
            stacklevel=callers_level(),
        )  # fmt: skip
        return now(device)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""Be the older name of ``{now.__name__}``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.{name}.html
    """
    return f


memory_cached = _older("memory_cached", memory_reserved)
max_memory_cached = _older("max_memory_cached", max_memory_reserved)
reset_max_memory_cached = _older("reset_max_memory_cached", reset_peak_memory_stats)


def ipc_collect() -> None:
    """Do nothing: a device's memory is not shared with other processes here.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.ipc_collect.html
    """


def empty_cache() -> None:
    """Give the memory that is kept for reuse back to the driver, on the current device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.empty_cache.html
    """
    context = context_of(None)
    context.let_go()
    context.allocator.empty_cache()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Return free and total bytes of a device; OpenCL cannot tell what other programs hold, so that counts as free.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.mem_get_info.html
    """
    context = context_of(device)
    total = int(context.caps.global_mem)
    return max(0, total - int(context.allocator.reserved)), total


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Limit what is taken from the driver to a fraction of the device's memory.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.set_per_process_memory_fraction.html
    """
    if not isinstance(fraction, (int, float)):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    context = context_of(device)
    context.allocator.limit = int(context.caps.global_mem * fraction)


def get_per_process_memory_fraction(device: Any = None) -> float:
    """Return the fraction of the device's memory that is taken from the driver at most.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_per_process_memory_fraction.html
    """
    context = context_of(device)
    limit = context.allocator.limit
    return limit / float(context.caps.global_mem)


def memory_stats(device: Any = None) -> dict[str, int]:
    """Return the allocator's counters by torch.cuda's names.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.memory_stats.html
    """
    a = context_of(device).allocator
    stats: dict[str, int] = OrderedDict()
    stats["active.all.current"] = a.live
    stats["active_bytes.all.current"], stats["active_bytes.all.peak"] = a.allocated, a.allocated_peak
    stats["allocated_bytes.all.current"], stats["allocated_bytes.all.peak"] = a.allocated, a.allocated_peak
    stats["allocation.all.allocated"], stats["allocation.all.current"] = a.requests, a.live
    stats["inactive_split_bytes.all.current"] = 0  # buffers are never split
    stats["num_alloc_retries"], stats["num_device_alloc"], stats["num_ooms"] = a.retries, a.driver_calls, a.failures
    stats["reserved_bytes.all.current"], stats["reserved_bytes.all.peak"] = a.reserved, a.reserved_peak
    return stats


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """Return the counters of memory_stats as dictionaries within dictionaries, by the parts of their names.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.memory_stats_as_nested_dict.html
    """
    nested: dict[str, Any] = {}
    for name, value in memory_stats(device).items():
        *path, last = name.split(".")
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """Return the allocator's counters as a table to print.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.memory_summary.html
    """
    context = context_of(device)
    stats, width = memory_stats(device), 70
    counts = f"OOMs: {stats['num_ooms']}   retries: {stats['num_alloc_retries']}   buffers: {stats['num_device_alloc']}"
    rows = [f" {'Metric':25}|{'Current':>20} |{'Peak':>20} "]
    for title, key in (("Allocated memory", "allocated_bytes"), ("Reserved memory", "reserved_bytes")):
        now, peak = readable(stats[f"{key}.all.current"]), readable(stats[f"{key}.all.peak"])
        rows.append(f" {title:25}|{now:>20} |{peak:>20} ")
    if not abbreviated:
        rows.append(f" {'Live buffers':25}|{stats['allocation.all.current']:>20} |")
        rows.append(f" {'Allocations so far':25}|{stats['allocation.all.allocated']:>20} |")
    title = f"OpenCL memory summary, device {context.name}"[:width].center(width)
    rule = ["=" * width]
    lines = [*rule, title, f" {counts}", *rule, *rows, *rule]
    return "".join(f"|{line:{width}}|\n" for line in lines)
