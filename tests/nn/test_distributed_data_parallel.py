"""DistributedDataParallel in a group of one process: the module's own gradients, hooks, names, errors."""

import copy
import inspect
import io

import pytest

import cltorch
from cltorch import distributed as dist
from cltorch import nn
from cltorch.distributed.algorithms import Join
from cltorch.distributed.algorithms.ddp_comm_hooks import default_hooks
from cltorch.nn.parallel import DistributedDataParallel as DDP
from cltorch.nn.parallel.distributed import _find_tensors


@pytest.fixture(autouse=True)
def alone():
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    yield
    dist.destroy_process_group()


def net(device="cpu"):
    cltorch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)).to(device)


def gradients(module):
    return [p.grad.tolist() for p in module.parameters()]


def test_it_trains_as_its_module(device):
    plain, wrapped = net(device), DDP(net(device), device_ids=None if device == "cpu" else [0])
    x = cltorch.randn(6, 4)
    for model in (plain, wrapped):
        optimizer = cltorch.optim.SGD(model.parameters(), 0.1)
        for _ in range(2):
            optimizer.zero_grad()
            model(x.to(device)).square().sum().backward()
            optimizer.step()
    assert gradients(plain) == gradients(wrapped) and wrapped.device == cltorch.device(device).resolve()
    assert list(wrapped.state_dict()) == [f"module.{name}" for name in plain.state_dict()]
    plain.load_state_dict(wrapped.module.state_dict())
    assert wrapped.eval() is wrapped and not wrapped.module.training and wrapped.train().module.training


def test_inputs_are_moved_to_the_device(cl_device):
    wrapped = DDP(nn.Linear(2, 1).to(cl_device), device_ids=[cltorch.device(cl_device)])
    assert wrapped(input=cltorch.ones(3, 2)).device.type == "cl" and wrapped.device_ids == [0] == [
        wrapped.output_device
    ]


def test_hooks_take_the_gradients_in_one_bucket():
    seen = []

    def twice(state, bucket):
        seen.append((state, bucket.index(), bucket.is_last(), [tuple(g.shape) for g in bucket.gradients()]))
        assert all(p.grad is not None for p in bucket.parameters())
        future = cltorch.futures.Future()
        future.set_result(2 * bucket.buffer())
        return future

    plain, wrapped = net(), DDP(net())
    wrapped.register_comm_hook("state", twice)
    x = cltorch.randn(6, 4)
    for model in (plain, wrapped):
        model(x).square().sum().backward()
    assert [(2 * p.grad).tolist() for p in plain.parameters()] == gradients(wrapped)
    assert seen[0][:3] == ("state", 0, True) and sorted(seen[0][3]) == sorted(
        tuple(p.shape) for p in plain.parameters()
    )
    with wrapped.no_sync():
        wrapped(x).sum().backward()
    assert len(seen) == 1 and wrapped.require_backward_grad_sync
    with pytest.raises(RuntimeError, match="only be called once"):
        wrapped.register_comm_hook(None, twice)


@pytest.mark.parametrize("name", ["allreduce_hook", "fp16_compress_hook", "bf16_compress_hook"])
def test_default_hooks_round_to_their_dtype(name):
    dtype = {"f": cltorch.float16, "b": cltorch.bfloat16, "a": cltorch.float32}[name[0]]
    plain, wrapped = net(), DDP(net())
    wrapped.register_comm_hook(None, getattr(default_hooks, name))
    x = cltorch.randn(6, 4)
    for model in (plain, wrapped):
        model(x).square().sum().backward()
    assert [p.grad.to(dtype).float().tolist() for p in plain.parameters()] == gradients(wrapped)


def test_a_hook_is_wrapped_for_half_precision():
    seen = []

    def hook(state, bucket):
        seen.append(bucket.buffer().dtype)
        return default_hooks.allreduce_hook(state, bucket)

    wrapped = DDP(net())
    wrapped.register_comm_hook(None, default_hooks.fp16_compress_wrapper(hook))
    wrapped(cltorch.randn(6, 4)).sum().backward()
    assert seen == [cltorch.float16] and wrapped.module[0].weight.grad.dtype == cltorch.float32


def test_a_join_ends_with_the_last_hook():
    wrapped, calls = DDP(net()), []
    hook = wrapped.join_hook()
    hook.post_hook = calls.append
    wrapped.join_hook = lambda **kwargs: hook
    with wrapped.join():
        wrapped(cltorch.randn(6, 4)).sum().backward()
    assert calls == [True]
    with pytest.raises(ValueError, match="at least one joinable"):
        Join([])


def test_it_is_saved_with_the_default_group_only():
    wrapped = DDP(net())
    buffer = io.BytesIO()
    cltorch.save(wrapped, buffer)
    buffer.seek(0)
    again = cltorch.load(buffer, weights_only=False)
    x = cltorch.randn(6, 4)
    assert cltorch.equal(again(x), wrapped(x)) and again.process_group is dist.group.WORLD
    with pytest.raises(RuntimeError, match="default process group"):
        copy.deepcopy(DDP(net(), process_group=dist.new_group()))


def test_statistics_of_all_processes_are_those_of_one(device):
    plain, synced = net(device), DDP(nn.SyncBatchNorm.convert_sync_batchnorm(net(device), dist.group.WORLD))
    x = cltorch.randn(6, 4, device=device)
    for model in (plain, synced):
        model(x).square().sum().backward()
    assert gradients(plain) == gradients(synced) and isinstance(synced.module[1], nn.SyncBatchNorm)
    assert cltorch.equal(plain[1].running_var, synced.module[1].running_var)


def test_errors():
    frozen = net().requires_grad_(False)
    with pytest.raises(RuntimeError, match="doesn't have any parameter that requires a gradient"):
        DDP(frozen)
    with pytest.raises(ValueError, match="contain a single element"):
        DDP(net(), device_ids=[0, 1])
    with pytest.raises(ValueError, match="device_ids and output_device arguments only work"):
        DDP(net(), device_ids=[0])
    with pytest.raises(RuntimeError, match="uninitialized parameters"):
        DDP(nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(2)))
    with pytest.raises(ValueError, match="at the same time"):
        DDP(net(), delay_all_reduce_named_params=[])
    with pytest.raises(NotImplementedError, match="mixed_precision"):
        DDP(net(), mixed_precision=object())
    with pytest.warns(FutureWarning, match="`broadcast_buffers` is deprecated"):
        assert not DDP(net(), broadcast_buffers=False).broadcast_buffers
    with pytest.raises(TypeError, match="callable"):
        DDP(net()).register_comm_hook(None, 3)
    wrapped = DDP(net())
    wrapped.register_comm_hook(None, lambda state, bucket: bucket.buffer())
    with pytest.raises(TypeError, match="Future"):
        wrapped(cltorch.randn(6, 4)).sum().backward()


def test_its_arguments_are_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = inspect.signature(torch.nn.parallel.DistributedDataParallel).parameters
    ours = inspect.signature(DDP).parameters
    assert [(p.name, p.default) for p in theirs.values()] == [(p.name, p.default) for p in ours.values()]


def test_trainers_prepare_its_reducer():
    wrapped = DDP(net(), find_unused_parameters=True)
    x = cltorch.randn(6, 4)
    found = {"a": [(loss := wrapped(x).sum()), 3], "b": (x, None)}
    assert [t is u for t, u in zip(_find_tensors(found), (loss, x), strict=True)] == [True, True]
    wrapped.reducer.prepare_for_backward(_find_tensors(found))
    assert isinstance(wrapped.reducer, dist.Reducer) and not wrapped.reducer._rebuild_buckets()
    loss.backward()
    assert wrapped._get_ddp_logging_data()["world_size"] == 1 and wrapped.will_sync_module_buffers()
