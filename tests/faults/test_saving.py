"""Saving while the disk fills up or the process is killed: the old file is whole, or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cltorch as torch

posix = pytest.mark.skipif(os.name != "posix", reason="needs limits and signals")

FULL = """
    import resource, sys, os
    import cltorch as torch
    path, limit = sys.argv[1], 1 << 20
    model = torch.nn.Linear(1 << 9, 1 << 10)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # files as large as a disk without room
    for zip in (True, False):
        try:
            torch.save(model.state_dict(), path, _use_new_zipfile_serialization=zip)
        except OSError as error:
            print(type(error).__name__, error)
        assert os.listdir(os.path.dirname(path)) == ["model.pt"], os.listdir(os.path.dirname(path))
    assert torch.load(path)["epoch"] == 3
    torch.save({"epoch": 4}, path)
    assert torch.load(path)["epoch"] == 4
"""


@posix
def test_a_full_disk_leaves_the_old_file(run, tmp_path):
    torch.save({"epoch": 3}, tmp_path / "model.pt")
    told = run(FULL, str(tmp_path / "model.pt"))
    assert told.count("OSError") == 2 and "File too large" in told
    assert torch.load(tmp_path / "model.pt") == {"epoch": 4}


KILLED = """
import sys
import cltorch as torch
path, values = sys.argv[1], torch.zeros(1 << 18)
for epoch in range(1, 1_000_000):
    values.fill_(epoch)
    torch.save({"epoch": epoch, "values": values}, path)
    if epoch == 3:
        print("saving", flush=True)
"""


@posix
def test_a_process_that_is_killed_while_it_saves_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model.pt"
    env = {**os.environ, "PYTHONPATH": str(Path(torch.__file__).parents[1])}
    for wait in (0.0, 0.013):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], env=env, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "saving\n"
        try:
            child.wait(wait)
        except subprocess.TimeoutExpired:
            pass
        child.kill()
        assert child.wait(30) == -signal.SIGKILL
        child.stdout.close()
        saved = torch.load(path)
        assert saved["epoch"] >= 3 and (saved["values"] == saved["epoch"]).all()
    torch.save(1, path)  # what the killed processes left beside it is in nobody's way
    assert torch.load(path) == 1
