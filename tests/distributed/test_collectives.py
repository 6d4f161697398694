"""Collectives of tensors on every device: what is written, what is left alone, where gradients go."""

import importlib

import numpy as np
import pytest

import cltorch
from cltorch import distributed as dist

nn = importlib.import_module("cltorch.distributed.nn.functional")


@pytest.mark.usefixtures("alone")
def test_what_is_gathered_and_scattered_is_copied(device):
    x = cltorch.arange(6.0, device=device).reshape(2, 3)
    expected = np.arange(6.0).reshape(2, 3)
    results = [cltorch.zeros(2, 3, device=device) for _ in range(6)]
    dist.all_gather([results[0]], x)
    dist.all_gather_single(results[1], x)
    dist.gather(x, [results[2]])
    dist.scatter(results[3], [x])
    dist.reduce_scatter(results[4], [x])
    dist.all_to_all([results[5]], [x])
    x.zero_()
    for y in results:
        assert np.array_equal(y.cpu().numpy(), expected)


@pytest.mark.usefixtures("alone")
def test_what_is_reduced_in_place_stays(device):
    x = cltorch.tensor([1.5, -2.0], device=device)
    for act in (dist.all_reduce, lambda y: dist.reduce(y, 0), lambda y: dist.broadcast(y, 0)):
        assert act(x) is None and x.tolist() == [1.5, -2.0]
    work = dist.all_reduce(x, async_op=True)
    assert isinstance(work, dist.Work) and work.wait() and work.result()[0] is x


@pytest.mark.usefixtures("alone")
def test_gradients_flow_through(device):
    x = cltorch.tensor([1.0, 2.0], device=device, requires_grad=True)
    with pytest.warns(FutureWarning, match="all_gather is deprecated"):
        (y,) = nn.all_gather(x)
    with pytest.warns(FutureWarning, match="all_reduce is deprecated"):
        z = nn.all_reduce(x * y)
    nn.reduce(z, 0).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


@pytest.mark.usefixtures("alone")
def test_a_group_takes_the_devices_of_its_backend(cl_device):
    made = dist.new_group(backend="nccl")
    x = cltorch.ones(2, dtype=cltorch.int16, device=cl_device)
    dist.all_reduce(x, op=dist.ReduceOp.AVG, group=made)
    assert x.tolist() == [1, 1] and dist.get_backend(made) == "nccl" and dist.get_backend_config(made) == "cuda:nccl"
    with pytest.raises(RuntimeError, match="No backend type associated with device type cpu"):
        dist.all_reduce(cltorch.ones(2), group=made)
    with pytest.raises(RuntimeError, match="ReduceOp.BOR with NCCL"):
        dist.all_reduce(x, op=dist.ReduceOp.BOR, group=made)
    with pytest.raises(ValueError, match="only implemented for GLOO"):
        dist.monitored_barrier(made)
    with pytest.raises(RuntimeError, match="device type meta"):
        dist.all_reduce(cltorch.ones(2, device="meta"))


@pytest.mark.usefixtures("alone")
def test_there_is_nobody_to_send_to():
    x = cltorch.ones(2)
    for act in (dist.isend, dist.irecv, dist.recv, dist.send):
        with pytest.raises(ValueError, match="no rank 1"):
            act(x, 1)
    with pytest.raises(ValueError, match="no rank 0"):
        dist.batch_isend_irecv([dist.P2POp(dist.isend, x, 0)])
    with pytest.raises(ValueError, match="no rank 2"):
        dist.send_object_list([1], 2)
    with pytest.raises(ValueError, match="no rank -1"):
        dist.recv(x)


@pytest.mark.usefixtures("alone")
def test_outside_of_a_group_nothing_happens():
    outside = dist.new_group([])
    assert outside == dist.GroupMember.NON_GROUP_MEMBER and dist.get_rank(outside) == dist.get_world_size(outside) == -1
    x, y = cltorch.ones(1), cltorch.zeros(1)
    with pytest.warns(UserWarning, match="Running all_gather on global rank 0 which does not belong"):
        dist.all_gather([y], x, group=outside)
    assert y.item() == 0
    with pytest.raises(ValueError, match="Invalid process group"):
        dist.get_backend(outside)
