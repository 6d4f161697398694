"""Ten thousand steps and operators leave buffers, events and the host's memory where they were.

``CLTORCH_LONG=1`` runs all of them; otherwise a part, which takes a few seconds.
"""

from __future__ import annotations

import json
import os

import pytest

COUNT = 10_000 if os.environ.get("CLTORCH_LONG") == "1" else 300

PROGRAM = """
    import gc, json, random, sys
    from cltorch import nn
    count, kind = int(sys.argv[1]), sys.argv[2]
    torch.manual_seed(0)
    random.seed(0)

    def steps():
        model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)).to("cl")
        optimiser = torch.optim.Adam(model.parameters())
        x, y = torch.rand(8, 16), torch.randint(4, (8,))
        while True:
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(x.to("cl")), y.to("cl"))
            loss.backward()
            optimiser.step()
            yield
            if random.random() < 0.1:
                loss.item()

    def operators():
        x = torch.rand(12, 10, device="cl")
        uses = [
            lambda: x + 1, lambda: x @ x.t(), lambda: x.sum(0), lambda: x[2:5].t().contiguous(), lambda: x.cumsum(1),
            lambda: x.sort(), lambda: torch.cat([x, x]), lambda: x.clone().mul_(2), lambda: x.softmax(1),
            lambda: x.tolist(), lambda: torch.tensor([1.0, 2.0]).to("cl"), lambda: x[x > 0.5], lambda: x.half().float(),
            lambda: torch.rand(5, device="cl"), lambda: x.view(3, 40).max(1), lambda: error(lambda: x @ x),
            lambda: torch.cl.Event(enable_timing=True).record(), lambda: x.max().item(),
        ]
        while True:
            random.choice(uses)()
            yield

    def resident():
        return int(open("/proc/self/statm").read().split()[1]) * 4

    def state():
        torch.cl.synchronize()
        gc.collect()
        stats = torch.cl.memory_stats()
        return {"buffers": alive("buffers"), "events": alive("events"), "bytes": alive("bytes"),
                "live": stats["active.all.current"], "objects": len(gc.get_objects()), "resident": resident()}

    work = {"steps": steps, "operators": operators}[kind]()
    for _ in range(min(count, 1000)):
        next(work)
    before = state()
    for _ in range(count):
        next(work)
    print(json.dumps([before, state()]))
"""


@pytest.mark.parametrize("kind", ["steps", "operators"])
def test_nothing_grows(first_device, faulty, kind):
    before, after = json.loads(faulty(PROGRAM, str(COUNT), kind))
    if COUNT >= 10_000:
        print(kind, before, after)
    assert min(before["events"], after["events"]) >= 0, "events are let go of that the library did not see"
    # a few events mark how far the device is, see Context.pace
    assert after["events"] <= before["events"] + 10, (before, after)
    for name in ("buffers", "bytes", "live"):
        assert after[name] <= before[name], (name, before, after)
    assert after["objects"] <= before["objects"] + 50, (before, after)
    # a leak of one kilobyte each time would be more, the allocator of the C library needs some room
    assert after["resident"] <= before["resident"] + max(2000, COUNT // 4), (before, after)
