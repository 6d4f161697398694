"""Operators and gradients from several threads at once, on one device and on several: the right sums, every time."""

from __future__ import annotations

import json

import pytest

PROGRAM = """
    import json, sys, threading
    import numpy as np
    import cltorch as torch
    sys.setswitchinterval(1e-5)
    devices = sys.argv[1].split(",")
    if torch.cl.device_count() < len({d for d in devices if d != "cpu"}):
        print("[]")
        sys.exit()
    rounds, sums, failures = int(sys.argv[2]), {}, []
    shared = {d: torch.arange(64.0, device=d).view(8, 8) for d in devices}
    barrier = threading.Barrier(2 * len(devices))

    def expected(k):
        # whole numbers below 2**24, so that every order of the sums gives the same float32
        a, total = np.arange(64.0).reshape(8, 8), 0.0
        for i in range(rounds):
            x = np.full((8, 8), float((k + i) % 5))
            y = np.maximum((a @ x) % 7, 1) + x.T
            total += y.sum() + 2 * y.sum() + x.sum()
        return total

    def work(k, d):
        try:
            barrier.wait()
            total, a = 0.0, shared[d]
            for i in range(rounds):
                x = torch.full((8, 8), float((k + i) % 5), device=d)
                y = torch.clamp((a @ x) % 7, min=1) + x.t()
                w = torch.ones(8, 8, device=d, requires_grad=True)
                (w * w * y).sum().backward()
                total += y.sum().item() + w.grad.sum().item()
                total += torch.tensor(x.tolist()).to(d).sum().item()
            sums[k] = total
        except BaseException as error:
            failures.append(repr(error))

    before = [torch.cl.memory_stats(d)["active.all.current"] for d in devices if d != "cpu"]
    threads = [threading.Thread(target=work, args=(k, devices[k % len(devices)])) for k in range(2 * len(devices))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures
    after = [torch.cl.memory_stats(d)["active.all.current"] for d in devices if d != "cpu"]
    assert after == before, (before, after)
    print(json.dumps([[sums[k] for k in range(len(threads))], [expected(k) for k in range(len(threads))]]))
"""


def test_threads_on_one_device_and_the_host(first_device, run):
    found, wanted = json.loads(run(PROGRAM, "cl:0,cl:0,cpu", "12"))
    assert found == wanted


def test_threads_on_several_devices(first_device, run):
    told = json.loads(run(PROGRAM, "cl:0,cl:1", "8", POCL_DEVICES="pthread basic"))  # two devices of PoCL
    if not told:
        pytest.skip("there is one device, and it is not PoCL's")
    assert told[0] == told[1]


def test_threads_on_a_device_without_threads_of_its_own(first_device, run):
    """Its commands run inside of the calls that enqueue them, which PoCL's do not do side by side."""
    told = json.loads(run(PROGRAM, "cl:0,cl:0,cl:0,cl:0", "100", POCL_DEVICES="basic"))  # eight threads, one queue
    assert told[0] == told[1]
