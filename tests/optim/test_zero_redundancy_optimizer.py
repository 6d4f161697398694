"""An optimiser over a group of one process does as the optimiser that it is made of."""

import pytest

import cltorch
from cltorch import distributed as dist
from cltorch.distributed.algorithms import Join
from cltorch.optim.zero_redundancy_optimizer import ZeroRedundancyOptimizer


@pytest.fixture(autouse=True)
def alone():
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    yield
    dist.destroy_process_group()


def net(device="cpu"):
    cltorch.manual_seed(1)
    return cltorch.nn.Linear(3, 2).to(device)


def train(model, optimizer, steps=3):
    x = cltorch.ones(4, 3, device=model.weight.device)
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    return [p.tolist() for p in model.parameters()]


def test_steps_groups_and_states_are_those_of_the_optimiser(device):
    plain, spread = net(device), net(device)
    adam = cltorch.optim.Adam(plain.parameters(), lr=0.1)
    ours = ZeroRedundancyOptimizer(spread.parameters(), cltorch.optim.Adam, lr=0.1)
    schedules = [cltorch.optim.lr_scheduler.StepLR(o, 1, 0.5) for o in (adam, ours)]
    for _ in range(2):
        assert train(plain, adam) == train(spread, ours)
        for schedule in schedules:
            schedule.step()
    assert ours.param_groups[0]["lr"] == ours.optim.param_groups[0]["lr"] == 0.025
    with pytest.raises(RuntimeError, match=r"consolidate_state_dict\(to=0\)"):
        ours.state_dict()
    ours.consolidate_state_dict(to=1)
    with pytest.raises(RuntimeError, match="not been consolidated"):
        ours.state_dict()
    ours.consolidate_state_dict()
    again = ZeroRedundancyOptimizer(spread.parameters(), cltorch.optim.Adam, lr=1.0)
    again.load_state_dict(ours.state_dict())
    assert train(plain, adam) == train(spread, again)


def test_groups_are_added():
    first, second = net(), net()
    ours = ZeroRedundancyOptimizer([{"params": first.parameters(), "lr": 0.5}], cltorch.optim.SGD, lr=0.1)
    ours.add_param_group({"params": second.parameters()})
    assert [g["lr"] for g in ours.param_groups] == [g["lr"] for g in ours.optim.param_groups] == [0.5, 0.1]
    before = [p.tolist() for p in second.parameters()]
    assert train(second, ours, 1) != before
    assert ours.step(lambda: 3) == 3
    with Join([ours]):
        ours.step()
    assert ours.join_device.type == "cpu" and ours.join_process_group is dist.group.WORLD


def test_errors():
    sgd = cltorch.optim.SGD
    with pytest.raises(ValueError, match="empty parameter list"):
        ZeroRedundancyOptimizer([], sgd, lr=0.1)
    with pytest.raises(TypeError, match="iterable of Tensors"):
        ZeroRedundancyOptimizer(cltorch.ones(2), sgd, lr=0.1)
    with pytest.raises(ValueError, match="same dense type"):
        ZeroRedundancyOptimizer([cltorch.ones(1), cltorch.ones(1, dtype=cltorch.float64)], sgd, lr=0.1)
    with pytest.raises(NotImplementedError, match="overlap_with_ddp"):
        ZeroRedundancyOptimizer(net().parameters(), sgd, overlap_with_ddp=True, lr=0.1)
