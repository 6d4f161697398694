"""Programs as launchers start them, with unmodified imports of torch, run as the first of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cltorch
from cltorch.distributed.elastic.multiprocessing.errors import record
from cltorch.distributed.run import main as launch
from cltorch.distributed.run import parse_args

ROOT = Path(cltorch.__file__).resolve().parents[1]

SPAWNED = """
import os, sys
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel as DDP

def work(rank, world_size, folder):
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "localhost", "12355"
    dist.init_process_group("gloo", rank=rank, world_size=world_size)
    torch.manual_seed(0)
    model = DDP(torch.nn.Sequential(torch.nn.Linear(10, 10), torch.nn.ReLU(), torch.nn.Linear(10, 5)))
    path = os.path.join(folder, "weights.pt")
    if rank == 0:
        torch.save(model.state_dict(), path)
    dist.barrier()
    model.load_state_dict(torch.load(path, map_location={"cuda:0": "cpu"}))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y, losses = torch.randn(20, 10), torch.randn(20, 5), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"rank {rank} of {world_size}, smaller: {losses[-1] < losses[0]}")
    dist.destroy_process_group()

if __name__ == "__main__":
    mp.spawn(work, args=(1, sys.argv[1]), nprocs=1, join=True)
"""

LAUNCHED = """
import argparse, os
import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

class Meter:
    def __init__(self):
        self.sum = self.count = 0.0
    def update(self, value, n):
        self.sum, self.count = self.sum + value * n, self.count + n
    def all_reduce(self, device):
        total = torch.tensor([self.sum, self.count], dtype=torch.float32, device=device)
        dist.all_reduce(total, dist.ReduceOp.SUM, async_op=False)
        self.sum, self.count = total.tolist()

@record
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--multiprocessing-distributed", action="store_true")
    parser.add_argument("--world-size", default=-1, type=int)
    args = parser.parse_args()
    distributed = args.world_size > 1 or args.multiprocessing_distributed or int(os.environ.get("WORLD_SIZE", -1)) > 0
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if gpu else torch.device("cpu")
    if distributed:
        dist.init_process_group(backend="nccl" if gpu else "gloo", init_method="env://")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(),
                                torch.nn.Linear(144, 2)).to(device)
    if distributed:
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
        model = torch.nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if gpu else None)
    data = TensorDataset(torch.randn(16, 1, 8, 8), torch.arange(16) % 2)
    sampler = DistributedSampler(data) if distributed else None
    loader = DataLoader(data, 4, shuffle=sampler is None, sampler=sampler)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    for epoch in range(2):
        if sampler is not None:
            sampler.set_epoch(epoch)
        meter = Meter()
        for x, y in loader:
            loss = torch.nn.functional.cross_entropy(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            meter.update(loss.item(), len(x))
        if distributed:
            meter.all_reduce(device)
    print(distributed, type(model).__name__, meter.count, next(iter(model.state_dict())))
    if distributed:
        dist.destroy_process_group()

main()
"""


def run(folder, text, *arguments, by=(), **variables):
    script = folder / "train.py"
    script.write_text(text)
    given = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")} | variables
    command = [sys.executable, "-W", "ignore", "-m", "cltorch", "run", *by, str(script), *arguments]
    ran = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_program_that_spawns_its_only_process(tmp_path):
    assert run(tmp_path, SPAWNED, str(tmp_path)) == "rank 0 of 1, smaller: True"


def test_a_program_that_a_launcher_starts(tmp_path):
    launcher = "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"
    assert run(tmp_path, LAUNCHED, by=launcher) == "True DistributedDataParallel 16.0 module.0.weight"
    assert run(tmp_path, LAUNCHED) == "False Sequential 16.0 0.weight"


def test_an_exception_is_noted_for_the_launcher(tmp_path, monkeypatch):
    @record
    def main(x):
        return 1 / x

    assert main(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        main(0)
    path = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(path))
    with pytest.raises(ZeroDivisionError):
        main(0)
    noted = json.loads(path.read_text("utf-8"))["message"]
    assert noted["message"] == "ZeroDivisionError: division by zero" and "1 / x" in noted["extraInfo"]["py_callstack"]


@pytest.mark.parametrize("options", [["--nproc-per-node", "2"], ["--nnodes=1:2"]])
def test_a_launcher_refuses_more_processes(options, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotImplementedError, match="cannot start 2"):
        launch([*options, "train.py", "--lr", "1"])
    assert "RANK" not in os.environ
    given = parse_args(["--nnodes", "1", "-m", "train", "--nnodes", "3"])
    assert given.module and given.training_script_args == ["--nnodes", "3"]
