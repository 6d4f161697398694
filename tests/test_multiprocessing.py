"""Tensors between processes, and functions that run in several of them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

import cltorch
from cltorch import multiprocessing as mp
from cltorch.device import shared_memory

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
shares = pytest.mark.skipif(not shared_memory.SHARES, reason="descriptors cannot be sent here")


def sent(obj):
    """Return an object as another process gets it."""
    return pickle.loads(ForkingPickler.dumps(obj))


@shares
@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16", "int64", "bool", "complex64"])
def test_what_arrives_is_the_same_memory(name):
    x = cltorch.arange(6).reshape(2, 3).to(getattr(cltorch, name))
    views = {"whole": x, "column": x.t()[1], "detached": x.detach(), "empty": x[:0]}
    got = sent(views)
    assert x.is_shared() and got["column"].is_shared() and got["empty"].shape == (0, 3)
    assert all(got[k].dtype is x.dtype and got[k].stride() == views[k].stride() for k in views)
    assert cltorch.equal(got["whole"], x) and got["column"].tolist() == x.t()[1].tolist()
    x[0, 1] = 0
    assert got["column"][0].item() == 0 and got["detached"][0, 1].item() == 0
    got["whole"][1, 1] = 1
    assert x[1, 1].item() == 1 and sent(x)[1, 1].item() == 1


@shares
def test_tensors_detached_before_sharing_keep_their_values():
    x = cltorch.zeros(3)
    before = x.data
    x.share_memory_()
    x.fill_(1)
    assert x.is_shared() and not before.is_shared() and sent(before).tolist() == [0, 0, 0]
    assert x.data.is_shared() and sent(x.data).tolist() == [1, 1, 1]


@shares
def test_parameters_and_modules_arrive_as_such():
    layer = cltorch.nn.Linear(2, 2)
    layer.note = "kept"
    got = sent(layer)
    assert type(got.weight) is cltorch.nn.Parameter and got.weight.requires_grad and got.note == "kept"
    with cltorch.no_grad():
        layer.weight.fill_(3)
    assert got.weight.tolist() == [[3, 3], [3, 3]]
    with pytest.raises(RuntimeError, match="refusing to serialize non-leaf tensor which requires_grad"):
        ForkingPickler.dumps(layer.weight * 2)
    assert sent((layer.weight * 2).detach()).tolist() == [[6, 6], [6, 6]]
    assert pickle.loads(pickle.dumps(layer.weight * 2)).tolist() == [[6, 6], [6, 6]]  # by value, in this process


def test_tensors_of_a_device_go_by_value(cl_device):
    x = cltorch.tensor([1.0, 2.0], device=cl_device)
    got = sent(x)
    assert got.device == x.device and got.tolist() == [1, 2]
    x.fill_(0)
    assert got.tolist() == [1, 2]


@shares
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors by Linux's /proc")
def test_descriptors_close_with_the_last_tensor():
    sent(cltorch.zeros(1))
    before = len(os.listdir("/proc/self/fd"))
    kept = [sent(cltorch.full((5,), float(i))) for i in range(20)]
    assert len(os.listdir("/proc/self/fd")) >= before + 20 and [k[0].item() for k in kept] == list(range(20))
    del kept
    # the thread that hands descriptors on may not have closed its own yet
    for _ in range(100):
        if len(os.listdir("/proc/self/fd")) <= before:
            return
        time.sleep(0.02)
    pytest.fail("descriptors stay open")


def _doubles(inbox, outbox):
    x = inbox.get()
    x *= 2
    outbox.put(cltorch.from_numpy(np.arange(3)))
    inbox.get()  # until the other side has what was sent


@needs_fork
@shares
def test_queues_carry_tensors_both_ways():
    context = mp.get_context("fork")
    inbox, outbox = context.Queue(), context.Queue()
    child = context.Process(target=_doubles, args=(inbox, outbox))
    child.start()
    x = cltorch.ones(1000)
    inbox.put(x)
    got = outbox.get(timeout=60)
    inbox.put(None)
    child.join(60)
    assert child.exitcode == 0 and x.sum().item() == 2000 and got.tolist() == [0, 1, 2]


def _fails(index, how, x):
    if index == 1:
        if how == "raise":
            raise ValueError("no such thing")
        if how == "exit":
            sys.exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
    x[index] += 1
    time.sleep(60)


@needs_fork
@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("raise", mp.ProcessRaisedException, "-- Process 1 terminated with the following error:\nTraceback"),
        ("exit", mp.ProcessExitedException, "process 1 terminated with exit code 3"),
        ("kill", mp.ProcessExitedException, "process 1 terminated with signal SIGKILL"),
    ],
)
def test_the_first_failure_ends_all_and_is_told(how, kind, text):
    begin = time.monotonic()
    context = mp.start_processes(_fails, (how, cltorch.zeros(2)), 2, join=False, start_method="fork")
    pids = context.pids()
    with pytest.raises(kind) as error:
        while not context.join(grace_period=1):
            pass
    assert text in str(error.value) and (how != "raise" or "ValueError: no such thing" in str(error.value))
    assert error.value.error_index == 1 and error.value.error_pid == pids[1]
    assert not any(p.is_alive() for p in context.processes) and time.monotonic() - begin < 50
    if how != "raise":
        assert (error.value.exit_code, error.value.signal_name) == ((3, None) if how == "exit" else (-9, "SIGKILL"))
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value) and again.error_index == 1


PROGRAM = """
import torch
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import ProcessContext
from torch.utils.data import DataLoader

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 2
    def __getitem__(self, i):
        return torch.full((2,), float(i))

def work(rank, model, results):
    assert torch.__name__ == "torch" and model.weight.is_shared() and model.weight.requires_grad
    with torch.no_grad():
        model.weight[rank] += rank + 1
    results.put((rank, torch.ones(1).device.type))

if __name__ == "__main__":
    model = torch.nn.Linear(1, 2)
    torch.nn.init.zeros_(model.weight)
    model.share_memory()
    results = mp.get_context("spawn").SimpleQueue()
    context = mp.spawn(work, (model, results), nprocs=2, join=False)
    assert isinstance(context, ProcessContext)
    while not context.join():
        pass
    print(model.weight.tolist(), sorted([results.get(), results.get()]))
    print([b.tolist() for b in DataLoader(Data(), num_workers=1, multiprocessing_context="spawn")])
"""


@shares
def test_processes_that_a_program_for_pytorch_spawns_share_its_tensors(tmp_path):
    program = tmp_path / "spawns.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "cltorch", "run", "--device", "cpu", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[[1.0], [2.0]] [(0, 'cpu'), (1, 'cpu')]", "[[[0.0, 0.0]], [[1.0, 1.0]]]"]


def test_the_strategies_have_names():
    assert {mp.get_sharing_strategy()} < mp.get_all_sharing_strategies()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(ValueError, match="unknown sharing strategy 'pigeon'"):
        mp.set_sharing_strategy("pigeon")
    with pytest.warns(FutureWarning, match="only supports start_method=spawn"):
        assert mp.spawn(print, nprocs=0, start_method="fork") is None
