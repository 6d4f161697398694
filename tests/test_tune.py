"""The tuner: it measures, finds what is better, survives candidates that hang or crash, and writes what it says."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import cltorch
from cltorch.device.caps import Caps
from cltorch.ops import tuning
from cltorch.ops.tuning_defaults import KERNELS
from cltorch.tune import command, jobs, main, worker
from cltorch.tune.child import Child
from cltorch.tune.search import search

# a worker whose "device" likes one choice, hangs at another, ends at a third and computes nonsense at a fourth
FAKE = """
import json, os, sys, time
for line in sys.stdin:
    question = json.loads(line)
    p = question["candidate"]
    if p["rows_together"] == 2 and p["run_vectors"] == question["present"]["run_vectors"]:
        time.sleep(3600)
    if p["rows_together"] == 8:
        print("a driver's last words", file=sys.stderr, flush=True)
        os.abort()
    print("chatter of a driver", flush=True)
    def seconds(p):
        return 0.001 * (0.5 if p["run_vectors"] == 64 else 1.0) * (0.9 if p["least_work"] == 4096 else 1.0)
    rounds = [[seconds(question["present"]), seconds(p)]] * question["rounds"]
    answer = {"ok": True, "times": {"job": rounds}} if p["vector_bytes"] == 64 else {"ok": False, "why": "wrong result"}
    print("cltorch-tune:" + json.dumps(answer), flush=True)
"""
KERNEL = "matrix vector cpu"
PRESENT = KERNELS[KERNEL]["cpu-avx512"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of tuned parameters that is the tests' own."""
    path = tmp_path / "tuned.json"
    monkeypatch.setenv("CLTORCH_TUNING", str(path))
    tuning.forget()
    yield path
    monkeypatch.undo()
    tuning.forget()


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(command, "Child", lambda: Child([sys.executable, "-c", FAKE]))


def question(**changes):
    return {"kernel": KERNEL, "present": PRESENT, "candidate": PRESENT | changes, "rounds": 2, "least": 0.0}


# ---- the child process -------------------------------------------------------------------------------------------


def test_a_candidate_that_hangs_or_crashes_loses_only_itself():
    with Child([sys.executable, "-c", FAKE]) as child:
        assert child.ask(question(), 30)["times"] == {"job": [[0.001, 0.001]] * 2}
        assert child.ask(question(rows_together=2), 0.5) == {"ok": False, "why": "no answer within 0.5 s"}
        assert child.ask(question(), 30)["ok"]
        crashed = child.ask(question(rows_together=8), 30)
        assert not crashed["ok"] and "SIGABRT" in crashed["why"] and "a driver's last words" in crashed["why"]
        assert child.ask(question(run_vectors=64), 30)["times"] == {"job": [[0.001, 0.0005]] * 2}
        folder = child._folder
    assert not tuning.Path(folder).exists()


# ---- the search --------------------------------------------------------------------------------------------------


def test_the_search_climbs_to_the_best_within_what_fits():
    caps = replace(_caps(), local_mem=16384)
    wanted = {"block_rows": 128, "group_rows": 16, "vector_width": 2, "unroll": 4}
    measured = []

    def measure(p):
        assert tuning.misfit("matmul gpu", p, caps) == "" and p not in measured
        measured.append(p)
        return 1.0 + 0.1 * sum(
            abs(np.log2(p[n] / v)) - abs(np.log2(KERNELS["matmul gpu"]["gpu"][n] / v)) for n, v in wanted.items()
        )

    best, tried = search("matmul gpu", caps, KERNELS["matmul gpu"]["gpu"], measure, lambda: True)
    assert {n: best[n] for n in wanted} == wanted and tried == len(measured)


def test_the_search_keeps_what_there_is_when_nothing_is_better_or_works():
    for ratio in (1.0, 0.995, None):
        best, _ = search(KERNEL, _caps(), PRESENT, lambda p, r=ratio: r, lambda: True)
        assert best == PRESENT


def test_the_search_ends_with_the_time():
    left = iter([True, True, True, True, False])
    best, tried = search(KERNEL, _caps(), PRESENT, lambda p: 2.0, lambda: next(left, False))
    assert best == PRESENT and tried <= 4


def _caps():
    return Caps("gpu", "d", "v", "1", "1.2", 8, 1 << 30, 1 << 28, 32768, 256, 3, 1, False, False, False, False, False)


# ---- the command -------------------------------------------------------------------------------------------------


def test_it_writes_what_is_better_and_only_that(cl_device, file, fake, monkeypatch, capsys):
    context = cltorch.device(cl_device).context
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import json"], check=True)
    patience = 1.5 + 20 * (time.monotonic() - began)  # on a busy machine the worker takes long to start
    monkeypatch.setattr(command, "_PATIENCE", (patience, 0.0))
    tuning.try_out(context, KERNEL, PRESENT)
    try:
        arguments = ["--device", cl_device, "--only", f"^{KERNEL}$", "--all", "--budget", "300"]
        assert main([*arguments, "--dry-run"]) == 0
        assert not file.exists()
        assert main(arguments) == 0
    finally:
        tuning.try_out(context, KERNEL, None)
    out = capsys.readouterr().out
    assert f"no answer within {patience:.3g} s" in out and "SIGABRT" in out and "wrong result" in out
    assert f"written to {file}" in out
    entry = json.loads(file.read_text())["devices"][tuning.device_key(context.caps)][KERNEL]
    assert entry["parameters"] == PRESENT | {"run_vectors": 64, "least_work": 4096}
    assert entry["before_ms"] == {"job": 1.0} and entry["after_ms"] == {"job": 0.45} and entry["gain"] == 0.55
    assert tuning.parameters(context, KERNEL) == entry["parameters"]
    context.ready.clear()


def test_a_real_run_measures_and_prints_a_table(cl_device, file, capsys):
    kernel = "matrix vector cpu" if cltorch.device(cl_device).context.caps.kind == "cpu" else "matrix vector gpu"
    assert main(["--device", cl_device, "--only", f"^{kernel}$", "--budget", "1", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"{kernel} (" in out and "NN" in out and "NT" in out and not file.exists()


def test_list_shows_each_parameter_and_where_it_comes_from(cl_device, file, capsys):
    assert main(["--device", cl_device, "--list", "--all", "--only", "matrix vector gpu"]) == 0
    out = capsys.readouterr().out
    assert "group_items" in out and "work-items that add up one line together" in out
    assert tuning.device_class(cltorch.device(cl_device).context.caps) in out


def test_without_a_device_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(cltorch.cl, "is_available", lambda: False)
    assert main(["--list"]) == 1
    assert "no OpenCL device works here" in capsys.readouterr().err


def test_there_must_be_a_place_to_write(cl_device, monkeypatch, capsys):
    monkeypatch.setenv("CLTORCH_TUNING", "off")
    assert main(["--device", cl_device, "--only", "^softmax gpu$"]) == 1
    assert "nowhere to write" in capsys.readouterr().err


# ---- what is measured --------------------------------------------------------------------------------------------

MEASURED = [k for k in KERNELS if jobs.jobs(k, "cpu")]


@pytest.mark.parametrize("kernel", MEASURED)
def test_the_present_parameters_pass_each_job(kernel, cl_device, request):
    if " cpu" in kernel:
        request.getfixturevalue("processor_kernels")
    context = cltorch.device(cl_device).context
    rng = np.random.default_rng(0)
    for job in jobs.jobs(kernel, "cpu"):
        prepared = job.prepare(cltorch.device(cl_device), rng)
        result = prepared.plan()()
        assert prepared.error(result) <= 1, job.name
        prepared.reference.flat[-1] += 1e-3 * prepared.scale.flat[-1]
        assert prepared.error(result) > 1, job.name
    context.synchronize()


@pytest.mark.parametrize("kernel", ["reduction gpu", "softmax gpu", "normalisation gpu"])
def test_functions_agree_with_their_references(kernel, device, monkeypatch):
    real = jobs._function
    monkeypatch.setattr(jobs, "_function", lambda name, shape, *rest: real(name, (7, shape[1]), *rest))
    found = jobs.jobs(kernel, "gpu")
    assert len(found) == 2
    for job in found:
        prepared = job.prepare(cltorch.device(device), np.random.default_rng(0))
        assert prepared.error(prepared.plan()()) <= 1


def test_wrong_results_and_failures_are_answers(cl_device, processor_kernels, monkeypatch):
    bench = worker.Bench(cl_device, KERNEL)
    present = dict(tuning.parameters(bench.context, KERNEL))
    try:
        found = bench.compare(present, present | {"rows_together": 2}, 2, 1e-4)
        assert found["ok"] and len(found["times"]) == 3
        assert all(0 < t < 10 for rounds in found["times"].values() for pair in rounds for t in pair)
        monkeypatch.setattr(jobs.Prepared, "error", lambda self, result: 2.0)
        assert bench.compare(present, present, 2, 1e-4)["why"].startswith("wrong result in 1x2048")
        asked = {"device": cl_device, "kernel": KERNEL, "present": present, "candidate": {}, "rounds": 1, "least": 0}
        assert "KeyError" in worker.answer(asked, {KERNEL: bench})["why"]
    finally:
        tuning.try_out(bench.context, KERNEL, None)
