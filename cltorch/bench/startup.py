"""The first training step of a fresh process: its time with no kernel compiled before and with all, and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

MAIN = "ResNet-18"  # the network whose times are promised

_PROGRAM = """
import json, sys
from cltorch.bench.workload import Side
from cltorch.bench.workloads import train
import cltorch
context = cltorch.device(sys.argv[1]).context
train.FIRST_STEPS[sys.argv[2]](Side("cltorch", cltorch, sys.argv[1], context.synchronize))().item()
print(json.dumps(cltorch.cl.max_memory_allocated(sys.argv[1])))
"""

# what PyTorch's allocator gave and took back, in the order of time
_PEER = """
import json, sys
import torch
from torch.profiler import ProfilerActivity, profile
from cltorch.bench.workload import Side
from cltorch.bench.workloads import train
with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
    train.FIRST_STEPS[sys.argv[1]](Side("torch", torch, "cpu", lambda: None))().item()
events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
now = peak = 0
for e in sorted(events, key=lambda e: e.start_ns()):
    now += e.nbytes()
    peak = max(peak, now)
print(json.dumps(peak))
"""


def peer_peak(network: str) -> int:
    """Return the largest number of bytes that PyTorch has in tensors on the processor in the same first step."""
    ran = subprocess.run([sys.executable, "-c", _PEER, network], check=True, stdout=subprocess.PIPE)
    return int(json.loads(ran.stdout.splitlines()[-1]))


def measure(device: str, network: str) -> dict[str, float]:
    """Return {"cold_s", "warm_s", "peak_bytes"} of a process of its own that takes one training step and ends.

    ``network`` is a name in ``train.FIRST_STEPS``; the bytes are the largest amount of device memory in tensors.
    """
    with tempfile.TemporaryDirectory() as folder:
        # the caches of this package and of the drivers that keep one
        caches = {
            "CLTORCH_CACHE": folder,
            "POCL_CACHE_DIR": folder,
            "CUDA_CACHE_PATH": folder,
            "XDG_CACHE_HOME": folder,
        }
        environment = {**os.environ, **caches}
        seconds = []
        for _ in range(2):
            begin = time.perf_counter()
            ran = subprocess.run(
                [sys.executable, "-c", _PROGRAM, device, network], env=environment, check=True, stdout=subprocess.PIPE
            )
            seconds.append(time.perf_counter() - begin)
    return {"cold_s": seconds[0], "warm_s": seconds[1], "peak_bytes": json.loads(ran.stdout)}
