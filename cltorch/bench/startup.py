"""Time from the start of Python to the end of the first training step, with no kernel compiled before and with all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

_PROGRAM = """
import sys
from cltorch.bench.workload import Side
from cltorch.bench.workloads.train import first_step
import cltorch
context = cltorch.device(sys.argv[1]).context
first_step(Side("cltorch", cltorch, sys.argv[1], context.synchronize))().item()
"""


def measure(device: str) -> dict[str, float]:
    """Return {"cold_s", "warm_s"}: seconds of a process of its own that takes one training step and ends."""
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
            subprocess.run([sys.executable, "-c", _PROGRAM, device], env=environment, check=True)
            seconds.append(time.perf_counter() - begin)
    return {"cold_s": seconds[0], "warm_s": seconds[1]}
