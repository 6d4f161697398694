"""The command: reads its options, searches kernel by kernel, prints the table, writes what is better."""

from __future__ import annotations

import argparse
import re
import sys
import time
from math import exp, log
from statistics import mean, median
from typing import Any

import cltorch
from cltorch.ops import tuning
from cltorch.ops.tuning_defaults import KERNELS
from cltorch.tune.child import Child
from cltorch.tune.jobs import jobs
from cltorch.tune.search import search

_QUICK, _SURE = (3, 0.02), (9, 0.05)  # rounds of a comparison and seconds of each: in the search, and of its winner
_GAIN = 0.03  # less than this is not worth an entry: the next run may find it gone
# a candidate may take longer to compile than the present one, but not without end: seconds, and times that of the first
_PATIENCE = (15.0, 5.0)
_FIRST = 120.0  # seconds for the first answer of a process: it loads drivers and computes in float64


def main(arguments: list[str] | None = None) -> int:
    """Run ``python -m cltorch tune`` and return its exit status: 1 where there is no device or no place to write."""
    options = _parser().parse_args(arguments)
    if not cltorch.cl.is_available():
        print("no OpenCL device works here; `python -m cltorch doctor` says why", file=sys.stderr)
        return 1
    context = cltorch.device(options.device).context
    names = [
        n for n in KERNELS if jobs(n, context.caps.kind) and _belongs(n, context.caps.kind, options.all)
        and (options.only is None or re.search(options.only, n))
    ]  # fmt: skip
    print(f"{context.caps.name}, driver {context.caps.driver}, class {tuning.device_class(context.caps)}")
    if options.list:
        for name in names:
            print(f"{name}: {tuning.source(context, name)}")
            _show(name, tuning.parameters(context, name))
        return 0
    if tuning.path() is None and not options.dry_run:
        print("nowhere to write: CLTORCH_TUNING is off, or there is no home folder (--dry-run)", file=sys.stderr)
        return 1
    rows = []
    end = time.monotonic() + options.budget
    with Child() as child:
        for number, name in enumerate(names):
            share = (end - time.monotonic()) / (len(names) - number)
            rows.append(Tuner(context, str(context.device), name, child).run(share))
    print("\n" + table(rows))
    better = [row for row in rows if row["gain"] is not None]
    if better and not options.dry_run:
        try:
            for row in better:
                entry = {k: row[k] for k in ("parameters", "before_ms", "after_ms", "gain")}
                file = tuning.remember(context.caps, row["kernel"], entry | {"date": time.strftime("%Y-%m-%d")})
        except (OSError, ValueError) as error:
            print(f"not written: {error}", file=sys.stderr)
            return 1
        print(f"written to {file}")
    elif not better:
        print("nothing better was found; nothing is written")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cltorch tune",
        description="Search better parameters of kernels for a device. Everything works well without.",
        epilog="What is found better by 3 % or more is added to tuning.json in the user's cache folder, or to the file "
        "that CLTORCH_TUNING names, and used from the next start on. Let nothing else run meanwhile.",
    )
    parser.add_argument("--device", default="cl", help="the OpenCL device (default: %(default)s, the current one)")
    parser.add_argument("--only", metavar="REGEX", help="only the kernels whose name matches")
    parser.add_argument("--budget", metavar="SECONDS", type=float, default=300, help="time for all (default: 300)")
    parser.add_argument("--list", action="store_true", help="print the kernels and their parameters now, and end")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--all", action="store_true", help="a GPU's kernels on a processor too, which tests use")
    return parser


def _belongs(kernel: str, kind: str, everything: bool) -> bool:
    return everything or (" gpu" in kernel) == (kind != "cpu")


def _show(kernel: str, chosen: Any) -> None:
    for name, meaning in KERNELS[kernel]["meaning"].items():
        print(f"    {name:15} {chosen[name]!s:>8}   {meaning}")


class Tuner:
    """Search one kernel's parameters on one device with the help of a child process."""

    def __init__(self, context: Any, device: str, kernel: str, child: Any) -> None:
        self.caps, self.device, self.kernel, self.child = context.caps, device, kernel, child
        self.present = dict(tuning.parameters(context, kernel))
        self.limit = _FIRST
        self.failed = 0

    def run(self, budget: float) -> dict[str, Any]:
        """Return {kernel, parameters, before_ms, after_ms, gain, tried, failed}; gain is None if nothing is better."""
        begin = time.monotonic()
        end = begin + budget
        print(f"\n{self.kernel}, {budget:.0f} s: {_words(self.present)}", flush=True)
        row: dict[str, Any] = {
            "kernel": self.kernel, "parameters": self.present, "before_ms": {}, "after_ms": {}, "gain": None,
            "tried": 0,
        }  # fmt: skip
        times = None if tuning.valid(self.kernel, self.present) else self._times(self.present, *_SURE)
        if times is None:
            print("    the present parameters cannot be measured; left as they are")
            return row | {"failed": self.failed}
        self.limit = _PATIENCE[0] + _PATIENCE[1] * (time.monotonic() - begin)
        reserve = time.monotonic() - begin  # for the winner's comparison
        row["before_ms"] = row["after_ms"] = _milliseconds(times, 0)
        best, row["tried"] = search(
            self.kernel, self.caps, self.present, self._measure, lambda: time.monotonic() < end - reserve
        )
        if best != self.present:
            times = self._times(best, *_SURE)
            gain = _certain_gain(times) if times else None
            if times and gain is not None:
                row |= {"parameters": best, "gain": gain}
                row["before_ms"], row["after_ms"] = _milliseconds(times, 0), _milliseconds(times, 1)
            else:
                print("    measured again, that is no certain gain")
        return row | {"failed": self.failed}

    def _times(self, candidate: Any, rounds: int, least: float) -> dict[str, list[list[float]]] | None:
        question = {
            "device": self.device, "kernel": self.kernel, "present": self.present, "candidate": candidate,
            "rounds": rounds, "least": least,
        }  # fmt: skip
        answer = self.child.ask(question, self.limit)
        if answer["ok"]:
            found: dict[str, list[list[float]]] = answer["times"]
            return found
        self.failed += 1
        why = answer["why"].strip().splitlines()
        print(f"    {_words(self._changes(candidate))}: {why[0][:200] if why else 'failed'}", flush=True)
        return None

    def _measure(self, candidate: Any) -> float | None:
        times = self._times(candidate, *_QUICK)
        if times is None:
            return None
        ratio = exp(mean(log(median(after / before for before, after in rounds)) for rounds in times.values()))
        if ratio < 0.99:
            print(f"    {ratio:6.2f} of the time  {_words(self._changes(candidate))}", flush=True)
        return ratio

    def _changes(self, candidate: Any) -> dict[str, Any]:
        return {n: v for n, v in candidate.items() if v != self.present[n]} or candidate


def _certain_gain(times: dict[str, list[list[float]]]) -> float | None:
    """Return the part of the time that is saved, or None where it is little or not the same in most rounds."""
    ratio = exp(mean(log(median(after / before for before, after in rounds)) for rounds in times.values()))
    rounds = [exp(mean(log(after / before) for before, after in turn)) for turn in zip(*times.values(), strict=False)]
    if ratio > 1 - _GAIN or sum(r < 1 for r in rounds) < 0.75 * len(rounds):
        return None
    return round(1 - ratio, 3)


def _milliseconds(times: dict[str, list[list[float]]], side: int) -> dict[str, float]:
    return {name: round(median(turn[side] for turn in rounds) * 1e3, 4) for name, rounds in times.items()}


def _words(chosen: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of what was measured: before, after and gain by job, and how many candidates were tried."""
    lines = [f"{'kernel and job':46}{'before ms':>11}{'after ms':>11}{'gain':>7}"]
    for row in rows:
        tried = f"{row['tried']} tried, {row['failed']} failed"
        gain = f"{row['gain']:.1%}" if row["gain"] is not None else "-"
        lines.append(f"{row['kernel'] + ' (' + tried + ')':68}{gain:>7}")
        for job, before in row["before_ms"].items():
            after = row["after_ms"][job]
            lines.append(f"  {job:44}{before:11.4f}{after:11.4f}{1 - after / before:7.1%}")
    return "\n".join(lines)
