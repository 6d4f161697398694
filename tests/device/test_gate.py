"""The gate in front of the queue: what gathers behind it, what opens it, threads that wait, and the program's end."""

from __future__ import annotations

import threading
import time

import pytest

import cltorch
from cltorch.device import gate, program
from cltorch.errors import DeviceError


@pytest.fixture
def context(cl_device, monkeypatch):
    monkeypatch.setattr(program, "PACE", 1 << 40)  # a look at how far the device is behind opens the gate
    found = cltorch.device(cl_device).resolve().context
    if found.gate is None:
        pytest.skip("launches on this device wait for nothing")
    found.synchronize()
    was, found.gate._for_good = found.gate._for_good, False  # a test before may have had the queue
    yield found
    found.gate._for_good = was


def small(value, device):
    return cltorch.full((8,), value, device=device)


def test_small_launches_gather_up_to_a_number(context):
    x = small(1.0, context.device)
    context.synchronize()
    made = [x + 1]
    for k in range(1, gate._MOST):
        assert context.gate.behind == k
        made.append(x + 1)
    assert context.gate.behind == 0
    assert all(y.tolist() == [2.0] * 8 for y in made)


def test_short_fills_and_copies_gather_with_them(context):
    x = small(1.0, context.device)
    context.synchronize()
    filled, made, copied = cltorch.full((8,), 3.0, device=context.device), x + 1, x.clone()
    x.zero_()
    assert context.gate.behind == 4
    large = cltorch.zeros(1 << 16, device=context.device)
    assert context.gate.behind == 0
    assert filled.tolist() == [3.0] * 8 and made.tolist() == [2.0] * 8 and copied.tolist() == [1.0] * 8
    assert x.tolist() == [0.0] * 8 and not large.any()


@pytest.mark.parametrize(
    "ask",
    [
        lambda x, context: x.tolist(),
        lambda x, context: context.synchronize(),
        lambda x, context: context.marker(),
        lambda x, context: context.wait_for(context.marker()),
        lambda x, context: cltorch.ones(1 << 17, device=x.device) + 1,
        lambda x, context: x.copy_(cltorch.zeros(8)),
    ],
    ids=["read", "synchronize", "marker", "wait", "large", "write"],
)
def test_whatever_else_comes_opens_it(context, ask):
    y = small(1.0, context.device) + 1
    assert context.gate.behind > 0
    ask(y, context)
    assert context.gate.behind == 0


def test_a_launch_that_fails_is_an_error_at_its_own_line_and_keeps_nobody_waiting(context):
    kernel = context.kernel_from_source(
        "__kernel void ct_gate_one(__global int *x, const int value) { x[0] = value; }", "ct_gate_one", "bi"
    )
    out = context.alloc(8)
    too_many = (1,), (context.caps.max_work_group * 2,)
    with pytest.raises(DeviceError, match="launch of ct_gate_one"):
        kernel(*too_many, out, 1)  # the first, which makes the gate
    kernel((1,), None, out, 7)
    with pytest.raises(DeviceError, match="launch of ct_gate_one"):
        kernel(*too_many, out, 1)  # one behind it
    kernel((1,), None, out, 9)
    assert int(out.bytes().view("i4")[0]) == 9


def test_nobody_waits_for_another_threads_gate(context, monkeypatch):
    monkeypatch.setattr(gate, "_MOST", 1 << 20)
    x, ready, done = small(1.0, context.device), threading.Event(), threading.Event()
    busy = cltorch.ones(1 << 24, device=context.device)

    def launch_and_sleep():
        ready.wait()
        time.sleep(0.005)  # the other thread is inside finish() by now
        x + 1
        done.wait()

    thread = threading.Thread(target=launch_and_sleep)
    thread.start()
    for _ in range(8):
        busy.tanh_()
    ready.set()
    context.synchronize()
    done.set()
    thread.join()
    assert context.gate.behind <= 1


def test_threads_read_what_they_computed(context):
    wrong = []

    def work(k):
        x = small(float(k), context.device)
        for i in range(100):
            y = x + i
            if i % 7 == 0 and y.tolist() != [k + float(i)] * 8:
                wrong.append((k, i))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_who_has_the_queue_waits_for_nobody(context):
    y = small(1.0, context.device) + 1
    assert context.gate.behind > 0
    queue = context.queue
    queue.finish()  # would not come back if the gate were closed
    for _ in range(3):
        y = y + 1
        queue.finish()
    assert context.gate.behind == 0 and y.tolist() == [5.0] * 8
