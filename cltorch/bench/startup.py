"""The first training step of a fresh process: its time with no kernel compiled before and with all, and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

_PROGRAM = """
import json, sys
from cltorch.bench.workload import Side
from cltorch.bench.workloads import train
import cltorch
context = cltorch.device(sys.argv[1]).context
train.FIRST_STEPS[sys.argv[2]](Side("cltorch", cltorch, sys.argv[1], context.synchronize))().item()
print(json.dumps(cltorch.cl.max_memory_allocated(sys.argv[1])))
"""


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
