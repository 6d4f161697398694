"""The command: reads its options, runs the workloads, prints the table."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

import cltorch
from cltorch.bench import report, startup, tinygrad_side
from cltorch.bench.timing import compare
from cltorch.bench.workload import Inexpressible, Side, Workload
from cltorch.bench.workloads import WORKLOADS, train
from cltorch.doctor import collect

_ROUNDS, _QUICK = (9, 0.2), (3, 0.01)  # rounds of a comparison, and the least seconds of a side in each


def main(arguments: list[str] | None = None) -> int:
    """Run ``python -m cltorch bench`` and return its exit status."""
    options = _parser().parse_args(arguments)
    if not cltorch.cl.is_available():
        print("no OpenCL device works here; `python -m cltorch doctor` says why", file=sys.stderr)
        return 1
    chosen = [w for w in WORKLOADS if options.only is None or re.search(options.only, w.name)]
    if options.list:
        print("\n".join(w.name for w in chosen))
        return 0
    rounds, least = _QUICK if options.quick else _ROUNDS
    context = cltorch.device(options.device).context
    threads = options.threads or context.caps.compute_units
    sides = [Side("cltorch", cltorch, options.device, context.synchronize)]
    if options.against:
        sides.append(_peer(options.against, threads))
    facts = {
        "device": context.caps.name,
        "driver": context.caps.driver,
        "threads": threads,
        "roofline": _roofline(context),
    }
    table = report.Table(facts, options.against)
    print(table.head())
    for workload in chosen:
        print(table.add(row(workload, sides, rounds, least, facts["roofline"], options.quick)), flush=True)
    if not options.no_startup:
        networks = [startup.MAIN] if options.quick else list(train.FIRST_STEPS)
        steps = {network: startup.measure(options.device, network) for network in networks}
        if options.against == "torch" and not options.quick:
            for network, found in steps.items():
                found["torch_peak_bytes"] = startup.peer_peak(network)
        print(report.first_step(steps))
        facts |= {"first_step": steps[startup.MAIN], "first_steps": steps}
    print(table.summary())
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({**facts, "rows": table.rows}, f, indent=1)
    return 1 if any(r.get("differs") for r in table.rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cltorch bench", description=__doc__)
    parser.add_argument(
        "--against",
        choices=["torch", "tinygrad"],
        help="time PyTorch on the processor, or tinygrad on its OpenCL device, beside it, and compare results",
    )
    parser.add_argument("--only", metavar="REGEX", help="only the workloads whose name matches")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, one start only")
    parser.add_argument("--list", action="store_true", help="print the names of the workloads and end")
    parser.add_argument("--device", default="cl", help="the OpenCL device (default: %(default)s, the current one)")
    parser.add_argument("--threads", type=int, help="threads of PyTorch (default: the device's compute units)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything there too")
    parser.add_argument("--no-startup", action="store_true", help="do not time the first step of a fresh process")
    return parser


def _peer(name: str, threads: int) -> Side:
    if name == "tinygrad":
        return tinygrad_side.load()
    try:
        torch: Any = importlib.import_module(name)
    except ImportError:
        sys.exit(f"--against {name} needs PyTorch: pip install torch==2.13.0")
    torch.set_num_threads(threads)
    return Side(f"{name} {torch.__version__}", torch, "cpu", lambda: None)


def _roofline(context: Any) -> dict[str, float]:
    """Return {"gflops", "gbs", "update_gbs"} of a device, as the doctor's probe measures them in its own process."""
    for platform in collect(measure=True, again=False)["platforms"]:
        for device in platform["devices"]:
            if device["device"] == str(context.device) and device["measured"] and "flops" in device["measured"]:
                found = device["measured"]
                return {
                    "gflops": found["flops"] / 1e9,
                    "gbs": found["bytes_per_second"] / 1e9,
                    "update_gbs": found["update_bytes_per_second"] / 1e9,
                }
    raise SystemExit(f"the roofline of {context.name} could not be measured")


def row(
    workload: Workload, sides: list[Side], rounds: int, least: float, roofline: dict[str, float], quick: bool = False
) -> dict[str, Any]:
    """Time one workload on every side and return its row of the table."""
    missing = None
    try:
        seconds, results = compare(workload, sides, rounds, least, quick)
    except Inexpressible as e:
        missing = f"{sides[1].name}: {e}"
        seconds, results = compare(workload, sides[:1], rounds, least, quick)
    mine = seconds[0]
    gflops = workload.flops / mine / 1e9 if workload.flops else None
    gbs = workload.bytes / mine / 1e9 if workload.bytes else None
    # the nearer of the two limits is the one that holds
    needed = max(workload.flops / roofline["gflops"], workload.bytes / roofline["gbs"]) / 1e9
    made: dict[str, Any] = {
        "workload": workload.name, "ms": mine * 1e3, "gflops": gflops, "gbs": gbs,
        "roofline_share": needed / mine if needed else None,
    }  # fmt: skip
    if workload.items:
        made["per_second"] = [workload.items / s for s in seconds]
    if missing:
        made["missing"] = missing
    elif len(sides) > 1:
        made[f"{sides[1].name.split()[0]}_ms"], made["ratio"] = seconds[1] * 1e3, seconds[1] / mine
        if workload.tolerance is not None:
            error = _error(results[0], results[1])
            made["error"], made["differs"] = error, bool(not error <= workload.tolerance)
    return made


def _error(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Return the largest difference, relative to the largest element."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape:
            return float("inf")
        scale = float(np.abs(b).max(initial=0)) or 1.0
        if not a.dtype == b.dtype == np.float32:  # whose differences are exact where they are small
            a, b = a.astype(np.float64), b.astype(np.float64)
        worst = max(worst, float(np.abs(a - b).max(initial=0)) / scale)
    return worst
