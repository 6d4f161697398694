"""Nothing waits for ever: small launches that gather are let go by whatever waits, and signals may come at any line."""

from __future__ import annotations

import signal

import pytest

CLOSED = """
import copy, io, pickle, sys, threading, time
import numpy as np
import cltorch as torch
from cltorch.device import gate, program
gate._MOST = program.PACE = 1 << 30  # never opens by itself
x = torch.ones(8, device="cl")
context = x.device.resolve().context

def made():
    y = x + 1
    assert context.gate is None or context.gate.behind > 0
    return y
"""
USES = {
    "read": "assert made().tolist() == [2] * 8 and made().cpu().numpy()[3] == 2 and made()[2].item() == 2",
    "event": "e = torch.cl.Event(enable_timing=True); made(); e.record()\nwhile not e.query(): time.sleep(1e-4)",
    "events": """a, b = (torch.cl.Event(enable_timing=True) for _ in "ab"); a.record(); made(); b.record()
made(); b.wait(); assert a.elapsed_time(b) >= 0; made(); a.synchronize()""",
    "stream": """s = torch.cl.Stream()\nwith torch.cl.stream(s): made(); s.wait_stream(torch.cl.default_stream())
while not s.query(): time.sleep(1e-4)
made(); s.synchronize(); made(); torch.cl.synchronize()""",
    "kernel": """k = torch.cl.kernel("kernel void twice(global float *a) { a[get_global_id(0)] *= 2; }", "twice")
y = made(); k(a=y); assert y.tolist() == [4] * 8""",
    "dlpack": "made(); y = torch.from_dlpack(made()); made(); assert y.tolist() == [2] * 8",
    "files": """f = io.BytesIO(); torch.save(made(), f); f.seek(0); assert torch.load(f).tolist() == [2] * 8
assert pickle.loads(pickle.dumps(made())).tolist() == copy.deepcopy(made()).tolist() == [2] * 8""",
    "copies": """y = made(); p = torch.empty(8).pin_memory(); p.copy_(y, non_blocking=True); torch.cl.synchronize()
y.copy_(p, non_blocking=True); made(); assert repr(y).startswith("tensor(") and p.tolist() == [2] * 8""",
    "memory": "made(); torch.cl.empty_cache(); made(); torch.cl.memory_summary(); made(); torch.cl.mem_get_info()",
    "index": """made(); i = torch.tensor([9], device="cl"); torch.ones(3, device="cl")[i]; made()
try: torch.cl.synchronize()
except IndexError: pass
else: raise AssertionError""",
    "profiler": """made()
with torch.profiler.profile() as seen: made(); made()
assert seen.key_averages()""",
    "compile": "made(); assert x.cumsum(0).sort(descending=True).values.tolist() == list(range(8, 0, -1))",
    "threads": """right = []
def work():
    for _ in range(20): right.append((x + 1).tolist() == [2] * 8)  # others may open it, too
ts = [threading.Thread(target=work) for _ in range(3)]; [t.start() for t in ts]; [t.join() for t in ts]
assert right == [True] * 60""",
    "ended thread": """t = threading.Thread(target=lambda: right.append(made())); t.start(); t.join()
assert x.tolist() == [1] * 8 and right[60].tolist() == [2] * 8""",
    "forks": """import os
if hasattr(os, "fork"):
    y = made()
    for leave in (os._exit, sys.exit):
        child = os.fork()
        if not child:
            try: x + 1
            except RuntimeError: leave(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert y.tolist() == [2] * 8""",
    "the end": "y = made(); cycle = [y]; cycle.append(cycle); threading.Thread(target=made, daemon=True).start()",
}


def test_nothing_public_hangs_behind_a_closed_gate(first_device, run):
    program = CLOSED + "\n".join(f"print({name!r}, flush=True)\n{use}" for name, use in USES.items())
    assert run(program).endswith("the end")


STORM = """
import random, signal, sys, time
import cltorch as torch
x, rounds = torch.ones(8, device="cl"), 0

def work(k):
    a = x + k
    return (a * k - a).tolist()

def launches(*_):
    y = x + 5000
    if random.random() < 0.3:
        assert y.tolist() == [5001.0] * 8

class Stop(Exception):
    pass

def raises(*_):
    raise Stop

work(1), launches()
for handler in (launches, raises):
    signal.signal(signal.SIGALRM, handler)
    until = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < until:
        try:
            while time.monotonic() < until:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(5e-5, 4e-4))
                k = rounds % 1000
                assert work(k) == [(1.0 + k) * (k - 1)] * 8, (handler, k)
                rounds += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop:
            pass
torch.cl.synchronize()
assert x.tolist() == [1.0] * 8
print(rounds)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer's signals")
def test_signals_in_the_middle_of_launches_do_no_harm(first_device, run):
    """Handlers that raise, as Ctrl-C does, and handlers that compute, between any two lines."""
    assert int(run(STORM, "1.5")) > 10
