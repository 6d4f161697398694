"""What a device of PyOpenCL tells of itself."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pyopencl as cl

from cltorch.device import quirks
from cltorch.device.caps import Caps

# of the last cache for each compute unit: a virtual machine of few cores is told the whole one, which others use too
_SHARE = 64 << 20


def capabilities(d: Any) -> Caps:
    """Read the capabilities of a pyopencl device."""
    extensions = set(d.extensions.split())
    version = re.search(r"(\d+\.\d+)", d.opencl_c_version)
    kind = "cpu" if d.type & cl.device_type.CPU else "gpu" if d.type & cl.device_type.GPU else "accelerator"
    caps = Caps(
        kind=kind,
        name=d.name.strip(),
        vendor=d.vendor.strip(),
        driver=d.driver_version,
        c_version=version.group(1) if version else "1.1",
        compute_units=d.max_compute_units,
        global_mem=d.global_mem_size,
        max_alloc=d.max_mem_alloc_size,
        local_mem=d.local_mem_size,
        max_work_group=d.max_work_group_size,
        max_dims=d.max_work_item_dimensions,
        float_width=max(d.native_vector_width_float, d.preferred_vector_width_float, 1),
        fp64="cl_khr_fp64" in extensions or bool(d.double_fp_config),
        fp16="cl_khr_fp16" in extensions,
        int64_atomics="cl_khr_int64_base_atomics" in extensions,
        sub_groups="cl_khr_subgroups" in extensions or "cl_intel_subgroups" in extensions,
        host_unified=bool(d.host_unified_memory),
        quirks=quirks.of(quirks.runtime_of(d.platform.name, d.platform.version, d.driver_version), d.name),
        exact_division=bool(d.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT),
        cache=min(d.global_mem_cache_size, _SHARE * d.max_compute_units),
    )
    return dataclasses.replace(caps, kind="gpu") if "loops_end_early" in caps.quirks else caps


def build_options(caps: Caps) -> tuple[str, ...]:
    """Return the options with which a device's programs are built: the language that it has, and exact quotients.

    Without being asked, GPUs divide by way of a reciprocal, whose error of 2.5 units in the last place turns
    trunc(6 / 3) into 1 for some such numbers, and puts what lies on a bin's border into the bin below. Processors
    have an instruction that rounds correctly.
    """
    major, minor = (int(n) for n in caps.c_version.split("."))
    language = "3.0" if major >= 3 else "2.0" if major == 2 else "1.2" if minor >= 2 else ""
    exact = caps.kind != "cpu" and caps.exact_division
    return (
        *((f"-cl-std=CL{language}",) if language else ()),
        *(("-cl-fp32-correctly-rounded-divide-sqrt",) if exact else ()),
    )
