"""A device that fails in the middle of a program: the documented error, and nothing else is lost."""

from __future__ import annotations

import json

PROGRAM = """
    import json
    x, y = torch.arange(4.0, device="cl"), torch.arange(4.0)
    w = torch.ones(4, device="cl", requires_grad=True)
    event = torch.cl.Event()
    event.record()
    torch.cl.synchronize()
    (x + 1).tolist()
    uses = {
        "launch": [lambda: x + 1, lambda: x.add_(1), lambda: (w * x).sum().backward()],
        "copy": [lambda: x.tolist(), lambda: torch.tensor([1.0]).to("cl"), lambda: x.cpu(), lambda: x[1].item()],
        "finish": [torch.cl.synchronize, event.synchronize],
    }
    told = {}
    for name, works in uses.items():
        fault(name, -5)
        told[name] = [error(work) for work in works]
        assert (y * 2).tolist() == [0, 2, 4, 6]  # the host goes on meanwhile
        fault(name)
        # a device that comes back finds everything as it was
        assert x.tolist() == [0, 1, 2, 3] and (x + 1).tolist() == [1, 2, 3, 4] and w.grad is None
    (w * x).sum().backward()
    assert w.grad.tolist() == [0, 1, 2, 3]
    fault("launch", -5)  # lost for good: the process ends as usual
    error(lambda: x + 1)
    print(json.dumps(told))
"""


def test_a_device_that_is_lost_is_a_device_error_and_tensors_are_intact(first_device, faulty):
    told = json.loads(faulty(PROGRAM))
    assert all(text.startswith("DeviceError: launch of ct_") for text in told["launch"])
    assert all("cl:0 (" in text and "OUT_OF_RESOURCES" in text for text in told["launch"] + told["finish"])
    assert all(text.startswith("DeviceError: enqueue_copy on cl:0") for text in told["copy"][:3])
    assert all("failed while it ran what was queued" in text for text in told["finish"])


FULL = """
    import json
    cap = 64 << 20
    kept = [torch.full((1 << 20,), float(i), device="cl") for i in range(8)]  # 32 MiB
    torch.empty(1 << 22, device="cl")  # 16 MiB that the cache keeps
    fault("memory", cap)
    more = torch.zeros(7 << 20, device="cl")  # 28 MiB: fits once the cache is freed
    stats = torch.cl.memory_stats()
    assert stats["num_alloc_retries"] == 1 and stats["num_ooms"] == 0
    told = [error(lambda: torch.cat(kept)), error(lambda: more * 2), error(lambda: more.exp_() + more)]
    told.append(error(lambda: torch.empty(1 << 58, device="cl")))
    assert torch.cl.memory_stats()["num_ooms"] == 4
    assert [k.mean().item() for k in kept] == list(range(8)) and more[:2].tolist() == [1, 1]
    del more
    assert torch.cat(kept[:4]).sum().item() == 6 << 20
    assert torch.cl.max_memory_allocated() <= cap and alive("bytes") <= cap
    fault("launch", -4)  # a driver that allocates when a kernel first uses a buffer
    told.append(error(lambda: kept[0] + 1))
    fault("launch")
    fault("copy", -4)
    told.append(error(lambda: kept[0].tolist()))
    fault("copy")
    assert (kept[1] + kept[2]).max().item() == 3
    print(json.dumps(told))
"""


def test_a_full_device_is_an_error_with_sizes_after_the_cache_was_freed(first_device, faulty):
    told = json.loads(faulty(FULL))
    assert all(text.startswith("OutOfMemoryError: ") for text in told)
    assert [text.split("Tried to allocate ")[1].split(".")[0] for text in told[:3]] == ["32", "28", "28"]
    assert all("is held by tensors and" in text and "is cached" in text for text in (*told[:3], *told[4:]))
    assert "in one buffer: its limit for one allocation is" in told[3]
    assert "launch of ct_" in told[4] and "enqueue_copy on cl:0" in told[5]


HOST = """
    import json, resource
    import numpy as np
    x, a = torch.ones(1 << 22), torch.ones(1 << 11, 1 << 11, requires_grad=True)  # 16 MiB each
    d = torch.ones(1 << 22, device="cl")
    a @ a  # OpenBLAS takes memory of its own at its first use, and ends the process where there is none
    (d + d).sum().item(); (x + x).sum(); (a * a).sum().backward()
    a.grad = None
    torch.empty(1 << 24, device="cl")
    assert torch.cl.memory_reserved() - torch.cl.memory_allocated() >= 64 << 20
    room = 512 << 20
    resource.setrlimit(resource.RLIMIT_AS, (int(open("/proc/self/statm").read().split()[0]) * 4096 + room,) * 2)
    filled = []
    try:
        while True:
            filled.append(np.empty(1 << 20, np.uint8))
    except MemoryError:
        pass
    works = [
        lambda: x + 1, lambda: x.add_(1), lambda: a @ a, lambda: torch.zeros(1 << 22), lambda: torch.arange(1 << 22),
        lambda: x.sort(), lambda: (a * a).sum().backward(), lambda: torch.cat([x, x]), lambda: d.cpu(),
    ]
    torch.ones(1 << 22)  # what the device's cache keeps is given up for the host
    torch.cl.empty_cache()
    try:
        while True:
            filled.append(np.empty(1 << 20, np.uint8))
    except MemoryError:
        pass
    told = [error(work) for work in works]
    del filled
    assert x.sum().item() == x.numel() and a.grad is None and torch.equal(x + 1, x * 2)
    (a * a).sum().backward()
    assert (a.grad == 2).all()
    print(json.dumps(told))
"""


def test_a_full_host_is_the_same_error_and_the_process_goes_on(first_device, faulty):
    told = json.loads(faulty(HOST))
    assert all(text.startswith("OutOfMemoryError: ") for text in told), told
    assert all("the host is out of memory" in text and "MiB" in text for text in told), told
