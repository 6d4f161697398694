"""The process that builds and times candidates, and may be killed for it: one question per line of standard input."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import cltorch
from cltorch.ops import tuning
from cltorch.tune.jobs import Prepared, jobs

MARK = "cltorch-tune:"
_HOPELESS = 1.4  # a candidate that takes so many times the present parameters' time is not timed again
_FEW, _LONG = 3, 5.0  # rounds that are enough once they have taken so many seconds


class Bench:
    """The jobs of one kernel on one device."""

    def __init__(self, device: str, kernel: str) -> None:
        self.device, self.kernel = cltorch.device(device), kernel
        self.context = self.device.context
        rng = np.random.default_rng(0)
        found = jobs(kernel, self.context.caps.kind, self.context.caps.quirks)
        self.jobs = [(job.name, job.prepare(self.device, rng)) for job in found]

    def compare(self, present: Any, candidate: Any, rounds: int, least: float) -> dict[str, Any]:
        """Time present parameters and a candidate in turns; return {"times": {job: rounds of the two's seconds}}.

        ``{"ok": False, "why": …}`` when a result of the candidate is wrong. A round has at least ``least`` seconds of
        steps for each of the two.
        """
        times: dict[str, list[list[float]]] = {}
        for name, job in self.jobs:
            error = job.error(self._step(job, candidate)())
            if not error <= 1:
                return {"ok": False, "why": f"wrong result in {name}"}
            counts = [self._count(job, p, least) for p in (present, candidate)]
            times[name] = []
            began = time.perf_counter()
            for number in range(rounds):
                turn = [self._time(job, p, n) for p, n in zip((present, candidate), counts, strict=True)]
                times[name].append(turn)
                late = number + 1 >= _FEW and time.perf_counter() - began > _LONG
                if late or turn[1] > _HOPELESS * turn[0]:
                    break
        return {"ok": True, "times": times}

    def _step(self, job: Prepared, chosen: Any) -> Callable[[], Any]:
        tuning.try_out(self.context, self.kernel, chosen)
        return job.plan()

    def _count(self, job: Prepared, chosen: Any, least: float) -> int:
        n = 1
        while (took := self._time(job, chosen, n) * n) < least / 2 and n < 1 << 16:
            n *= 4
        return max(1, round(n * least / took))

    def _time(self, job: Prepared, chosen: Any, count: int) -> float:
        step = self._step(job, chosen)
        step()
        self.context.synchronize()
        begin = time.perf_counter()
        for _ in range(count):
            step()
        self.context.synchronize()
        return (time.perf_counter() - begin) / count


def answer(question: dict[str, Any], benches: dict[str, Bench]) -> dict[str, Any]:
    """Return the answer to one question; what a driver raises is an answer too."""
    kernel = question["kernel"]
    try:
        if kernel not in benches:
            benches.clear()  # one kernel's operands at a time
            benches[kernel] = Bench(question["device"], kernel)
        return benches[kernel].compare(*(question[name] for name in ("present", "candidate", "rounds", "least")))
    except Exception as error:
        return {"ok": False, "why": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer the questions on standard input until it ends."""
    benches: dict[str, Bench] = {}
    for line in sys.stdin:
        print("\n" + MARK + json.dumps(answer(json.loads(line), benches)), flush=True)


if __name__ == "__main__":
    main()
