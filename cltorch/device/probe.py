"""The program that asks drivers questions in a process of its own, where a driver that hangs or aborts does no harm.

Run by ``cltorch.device.sandbox``: a request as JSON on standard input, the answer as JSON on the last line of output.
It imports nothing of the package, so that it starts quickly and works when the package does not.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":
    # this file's folder stands first on the path of a script; its modules must not hide anybody else's
    del sys.path[0]

import numpy as np
import pyopencl as cl

MARK = "cltorch-probe:"
_ENOUGH = 2.0  # seconds after which a kernel that is measured is not launched again
_PART, _SLOW = 32, 0.01  # where a launch with a 32nd of the work takes these seconds, no more is launched
_RUN_BYTES = 1 << 16  # the stretch of memory that a work-item walks in the long forms of the bandwidth's kernels
DEVICE_FACTS = (
    "name vendor driver_version version opencl_c_version max_compute_units max_clock_frequency global_mem_size "
    "max_mem_alloc_size local_mem_size local_mem_type max_work_group_size max_work_item_dimensions max_work_item_sizes "
    "native_vector_width_float preferred_vector_width_float mem_base_addr_align max_parameter_size host_unified_memory "
    "available compiler_available extensions"
).split()
PLATFORM_FACTS = "name vendor version profile extensions".split()


def kind_of(device_type: int) -> str:
    """Return ``gpu``, ``accelerator``, ``cpu`` or ``custom`` for OpenCL's set of type bits."""
    kinds = cl.device_type
    named = ((kinds.GPU, "gpu"), (kinds.ACCELERATOR, "accelerator"), (kinds.CPU, "cpu"))
    return next((kind for bit, kind in named if device_type & bit), "custom")


def ask(thing: Any, name: str) -> Any:
    """Return one fact about a platform or device as something JSON can hold, or None when the driver does not tell."""
    try:
        value = getattr(thing, name)
    except (cl.Error, AttributeError):
        return None
    if isinstance(value, str):
        return value.replace("\0", "").strip()
    if isinstance(value, (list, tuple)):
        return [int(n) for n in value]
    return value if isinstance(value, (bool, int, float)) else str(value)


def load(request: dict[str, Any]) -> dict[str, Any]:
    """Load a driver's library, for the words of the system's linker when that fails (OpenCL's loader keeps silent)."""
    try:
        ctypes.CDLL(request["library"])
    except OSError as error:
        return refusal("load", str(error))
    return {"ok": True, "stage": "ok", "reason": "", "log": ""}


def list_everything(request: dict[str, Any]) -> dict[str, Any]:
    """Return every platform and device with its facts, in the loader's order."""
    platforms = []
    try:
        found = cl.get_platforms()
    except cl.Error as error:
        # the loader's way of saying that there is none
        if error.code == -1001:
            return {"platforms": []}
        raise
    for platform in found:
        facts = {name: ask(platform, name) for name in PLATFORM_FACTS}
        try:
            devices = platform.get_devices()
            facts["error"] = None
        except cl.Error as error:
            devices, facts["error"] = [], str(error)
        facts["devices"] = [describe(device) for device in devices]
        platforms.append(facts)
    return {"platforms": platforms}


def describe(device: Any) -> dict[str, Any]:
    """Return the facts about one device."""
    facts = {name: ask(device, name) for name in DEVICE_FACTS}
    extensions = str(facts.pop("extensions") or "").split()
    facts["kind"] = kind_of(ask(device, "type") or 0)
    facts["fp64"] = "cl_khr_fp64" in extensions or bool(ask(device, "double_fp_config"))
    facts["fp16"] = "cl_khr_fp16" in extensions
    facts["int64_atomics"] = "cl_khr_int64_base_atomics" in extensions
    facts["sub_groups"] = bool({"cl_khr_subgroups", "cl_intel_subgroups"} & set(extensions))
    facts["sub_groups"] |= bool(ask(device, "max_num_sub_groups"))
    facts["command_buffers"] = "cl_khr_command_buffer" in extensions
    facts["svm"] = bool(ask(device, "svm_capabilities"))
    facts["images"] = bool(ask(device, "image_support"))
    facts["extensions"] = extensions
    return facts


def refusal(stage: str, reason: str, log: str = "") -> dict[str, Any]:
    """Return the answer for a device or driver that does not work."""
    return {"ok": False, "stage": stage, "reason": reason, "log": log}


def pick(request: dict[str, Any]) -> Any:
    """Return the device that the request means; raise LookupError when the loader lists them differently here."""
    platform = cl.get_platforms()[request["platform"]]
    device = platform.get_devices()[request["device"]]
    here = [ask(platform, "name"), ask(device, "name"), ask(device, "driver_version")]
    if here != request["expect"]:
        raise LookupError(f"the probe's process found {here} where {request['expect']} was expected")
    return device


def build(device: Any, source: str, salt: int = 0) -> tuple[Any, Any, Any]:
    """Return context, queue and built program."""
    context = cl.Context([device])
    options = [f"-DPROBE_SALT={salt}"] + ([] if kind_of(device.type) == "cpu" else ["-DPROBE_LOCAL"])
    program = cl.Program(context, source).build(options, cache_dir=False)  # type: ignore[arg-type]
    queue = cl.CommandQueue(context, properties=cl.command_queue_properties.PROFILING_ENABLE)
    return context, queue, program


def check(request: dict[str, Any]) -> dict[str, Any]:
    """Build and run the probe kernels and compare what comes back."""
    device, started = pick(request), time.perf_counter()
    salt = time.time_ns() % 1_000_000_007
    try:
        context, queue, program = build(device, request["source"], salt)
    except cl.RuntimeError as error:
        return refusal("build", "the probe kernel does not build", str(error))
    n, offset = 64, 7
    x = np.linspace(-1, 1, n + offset, dtype=np.float32)
    halves = np.linspace(-2, 2, n, dtype=np.float16)
    flags = cl.mem_flags.COPY_HOST_PTR | cl.mem_flags.READ_ONLY
    x_buffer, h_buffer = (cl.Buffer(context, flags, hostbuf=data) for data in (x, halves))
    out, count = np.zeros(n, np.float32), np.zeros(n, np.int64)
    out_buffer, count_buffer = (cl.Buffer(context, cl.mem_flags.READ_WRITE, data.nbytes) for data in (out, count))
    program.ct_probe(queue, (n,), None, x_buffer, h_buffer, out_buffer, count_buffer, np.int64(offset))
    cl.enqueue_copy(queue, out, out_buffer)
    cl.enqueue_copy(queue, count, count_buffer)
    wide = x[offset:].astype(np.float64)
    wanted = wide * 2 + halves + np.exp(wide)
    if not np.allclose(out, wanted, rtol=1e-4, atol=1e-4) or not np.array_equal(
        count, np.arange(n) * 10**10 + offset + salt
    ):
        return refusal("result", f"the probe kernel computed {out[:4]} instead of {wanted[:4]}")
    if kind_of(device.type) != "cpu":
        sums = np.zeros(n // 16, np.float32)
        program.ct_probe_local(queue, (n,), (16,), x_buffer, out_buffer)
        cl.enqueue_copy(queue, sums, out_buffer)
        wanted = x[:n].reshape(-1, 16).sum(1)
        if not np.allclose(sums, wanted, rtol=1e-4, atol=1e-4):
            return refusal("result", f"local memory gave {sums} instead of {wanted}")
    seconds = time.perf_counter() - started
    return {"ok": True, "stage": "ok", "reason": f"built and ran in {seconds:.2f} s, right result", "log": ""}


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Return memory bandwidths (bytes read plus written) and float32 multiply-add throughput, the best of a few runs.

    Memory is walked in several forms: one vector for each work-item, or as many as make long stretches of a CPU
    device's work-items (or interleaved ones of others); vectors of 16 and of 4. An update in place counts more than a
    copy where a store fetches its line first. A slow device, as an interpreter is, gets less to do, for it has the time
    limit of a question too.
    """
    device = pick(request)
    context, queue, program = build(device, request["source"])
    nbytes = min(1 << 27, device.max_mem_alloc_size // 2, device.global_mem_size // 8) // _RUN_BYTES * _RUN_BYTES
    source, target = (cl.Buffer(context, cl.mem_flags.READ_WRITE, nbytes) for _ in range(2))
    for buffer in (source, target):
        cl.enqueue_fill_buffer(queue, buffer, np.ones(1, np.float32), 0, nbytes)
    copy, copy4, update, fma = (cl.Kernel(program, f"ct_probe_{name}") for name in ("copy", "copy4", "update", "fma"))
    part = max(nbytes // _PART // _RUN_BYTES, 1) * _RUN_BYTES
    nbytes = _amount(nbytes, part, lambda n: _memory(queue, copy, n // 64, 1, False, source, target))
    copied, updated = (
        max(
            passes * nbytes / best(_memory(queue, kernel, nbytes // width, run, apart, source, target))
            for kernel, width in kernels
            for run, apart in ((1, False), (_RUN_BYTES // width, kind_of(device.type) != "cpu"))
        )
        for passes, kernels in (
            (2, ((copy, 64), (copy4, 16))),
            (3, ((update, 64),)),
        )
    )
    items = min(device.max_compute_units * (64 if kind_of(device.type) == "cpu" else 2048), nbytes // 64)

    def arithmetic(rounds: int) -> Any:
        return lambda: fma(queue, (items,), None, target, np.float32(0.999), np.int32(rounds))

    rounds = _amount(2000, 2000 // _PART, arithmetic)
    flops = 2 * 8 * 16 * items * rounds / best(arithmetic(rounds))
    return {"bytes_per_second": copied, "update_bytes_per_second": updated, "flops": flops}


def _amount(whole: int, part: int, launch_of: Callable[[int], Any]) -> int:
    """Return how much a launch shall do: the whole, or a part where the device takes long for that already."""
    return part if best(launch_of(part)) > _SLOW else whole


def _memory(queue: Any, kernel: Any, vectors: int, run: int, apart: bool, source: Any, target: Any) -> Any:
    """Return the launch of a form of the memory kernels: every work-item takes ``run`` vectors, together or apart."""
    items = vectors // run
    step = np.int32(items if apart else 1)
    return lambda: kernel(queue, (items,), None, source, target, np.int32(run), step)


def best(launch: Any) -> float:
    """Return the shortest time in seconds of some launches, the first of which does not count.

    It is the device's time, or the host's where the device has no clock (Mesa 22.3 tells of each event the same).
    """
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 2 or (len(times) < 6 and time.perf_counter() - began < _ENOUGH):
        asked = time.perf_counter()
        event = launch()
        event.wait()
        waited = time.perf_counter() - asked
        clock = event.command_queue.device.profiling_timer_resolution
        times.append((event.profile.end - event.profile.start) * 1e-9 if clock else waited)
    return max(min(times[1:]), 1e-9)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return what a request asks for; whatever a driver raises is the verdict on it."""
    if request.get("vendors"):
        # read by the loader at the first call, and PyOpenCL's import has set the second
        os.environ["OCL_ICD_VENDORS"], os.environ["PYOPENCL_HOME"] = request["vendors"], os.devnull
    todo = {"load": load, "list": list_everything, "check": check, "measure": measure}[request["do"]]
    try:
        return todo(request)
    except Exception as error:
        return refusal("run", f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    print("\n" + MARK + json.dumps(answer(json.load(sys.stdin))), flush=True)
