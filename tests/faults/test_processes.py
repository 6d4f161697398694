"""Several processes and the ends of processes: one cache for all, children that are spawned, exits amid queued work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cltorch

COMPUTE = """
import sys
import cltorch as torch
x = torch.arange(1000.0, device="cl")
print("ready", flush=True)
sys.stdin.readline()
print((x * 3 + 1).sum().item(), flush=True)
"""


def pair(folder: Path) -> list[str]:
    """Return what two processes print that compile the same programs into one folder at the same time."""
    env = {**os.environ, "PYTHONPATH": str(Path(cltorch.__file__).parents[1]), "CLTORCH_CACHE": str(folder)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", COMPUTE], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for child in both:
        assert child.stdout.readline() == "ready\n"
    for child in both:
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [child.communicate(timeout=600)[0] for child in both]
    assert [child.returncode for child in both] == [0, 0]
    return told


def test_two_processes_compile_into_one_folder(first_device, tmp_path):
    told = pair(tmp_path)
    assert told[0] == told[1]
    files = sorted(tmp_path.rglob("*"))
    assert len(files) > 3 and not any(file.suffix == ".part" for file in files)
    assert pair(tmp_path) == told and sorted(tmp_path.rglob("*")) == files


NO_ROOM = """
    import resource
    import cltorch as torch
    from cltorch.device import binaries, cachedir
    x = torch.arange(6.0, device="cl")
    assert (x * 3).tolist() == [0, 3, 6, 9, 12, 15]
    # every larger file fails, as on a disk without room; PoCL's own would, so all is built by now
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    assert not binaries.store("x", bytes(1000)) and not cachedir.write_bytes("y", bytes(1000))
    assert (x * 3).tolist() == [0, 3, 6, 9, 12, 15]
    print(sorted(p.suffix for p in cachedir.folder().rglob("*.part")))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs limits")
def test_a_cache_folder_without_room_only_costs_speed(first_device, run):
    assert run(NO_ROOM) == "[]"


NOT_WRITABLE = """
    import os
    import cltorch as torch
    print((torch.ones(3, device="cl") * 2).tolist(), os.environ["POCL_CACHE_DIR"])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a folder that nobody can write")
def test_a_home_that_cannot_be_written_only_costs_speed(first_device, run, tmp_path):
    nowhere = {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "POCL_CACHE_DIR": ""}
    values, folder = run(NOT_WRITABLE, CLTORCH_CACHE=str(tmp_path), **nowhere).rsplit(" ", 1)
    assert values == "[2.0, 2.0, 2.0]" and folder == str(tmp_path / "pocl")
    values, folder = run(NOT_WRITABLE, CLTORCH_CACHE="/proc/none", **nowhere).rsplit(" ", 1)
    assert values == "[2.0, 2.0, 2.0]" and not os.path.exists(folder)


ENDS = {
    "sys.exit": "sys.exit(3)",
    "a thread that goes on": "threading.Thread(target=work, args=(1 << 30,), daemon=True).start(); time.sleep(0.05)",
    "tensors in cycles": "cycle = [x, torch.cl.Event()]; cycle.append(cycle); cycle[1].record()",
}
QUEUED = """
    import sys, threading, time
    import cltorch as torch
    x = torch.ones(1 << 18, device="cl")
    def work(n):
        y = x
        for _ in range(n):
            y = y * 1.0001
    work(100)
    torch.ones(1 << 16).to("cl")
    print("queued", flush=True)
    {end}
"""


def test_a_process_may_end_amid_queued_work(first_device):
    env = {**os.environ, "PYTHONPATH": str(Path(cltorch.__file__).parents[1])}
    children = {}
    for name, end in ENDS.items():
        program = "\n".join(line[4:] for line in QUEUED.format(end=end).splitlines())
        children[name] = subprocess.Popen(
            [sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    for name, child in children.items():
        told, complaints = child.communicate(timeout=600)
        assert (told, complaints) == ("queued\n", ""), name
        assert child.returncode == (3 if "exit" in ENDS[name] else 0), name


SPAWN = """
import multiprocessing
import cltorch as torch

def work(x, results):
    results.put((x.to("cl") * 2 + torch.ones(3, device="cl")).cpu())

if __name__ == "__main__":
    kept = torch.arange(3.0, device="cl")  # the parent has used the device
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    child = context.Process(target=work, args=(kept.cpu(), results))
    child.start()
    print(results.get().tolist(), kept.tolist())
    child.join()
    assert child.exitcode == 0
"""


def test_a_spawned_child_uses_the_device(first_device, tmp_path):
    program = tmp_path / "spawns.py"
    program.write_text(SPAWN)
    env = {**os.environ, "PYTHONPATH": str(Path(cltorch.__file__).parents[1])}
    ran = subprocess.run([sys.executable, str(program)], env=env, capture_output=True, text=True, timeout=600)
    assert ran.stdout.strip() == "[1.0, 3.0, 5.0] [0.0, 1.0, 2.0]", ran.stderr
