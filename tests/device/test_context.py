"""Contexts: copies that own their bytes, bounded memory, threads, forks, and the error where there is no device."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import cltorch
from cltorch.device import context as contexts
from cltorch.device import contexts as registry
from cltorch.device import discovery
from cltorch.errors import DeviceError


@pytest.fixture
def context(cl_device):
    return cltorch.device(cl_device).resolve().context


def process(program, **environment):
    """Run a program in a process of its own and return what it printed."""
    env = {**os.environ, **environment}
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=env, capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


# ---- copies ------------------------------------------------------------------------------------------------------
def test_the_caller_may_change_what_it_wrote_at_once(context):
    data = np.arange(1 << 18, dtype=np.int32)
    out = context.alloc(data.nbytes)
    context.write(out.buf, data)
    data[:] = -1
    assert out.bytes().view(np.int32).tolist() == list(range(1 << 18))


def test_many_small_copies_hold_no_memory(context):
    out = context.alloc(4096)
    data = np.zeros(4096, np.uint8)
    most = 0
    for i in range(10_000):
        data[0] = i % 251
        context.write(out.buf, data)
        most = max(most, len(context._staged))
    assert most <= contexts._STAGED_COPIES
    assert out.bytes()[0] == 9_999 % 251
    assert not context._staged and context._staged_bytes == 0


def test_large_copies_wait_for_the_oldest(context, monkeypatch):
    monkeypatch.setattr(contexts, "_STAGED_BYTES", 1 << 20)
    out = context.alloc(1 << 19)
    for i in range(16):
        context.write(out.buf, np.full(1 << 19, i, np.uint8))
        assert context._staged_bytes <= 1 << 20
    context.synchronize()
    assert not context._staged and (out.bytes() == 15).all()


def test_a_program_that_asks_for_no_value_does_not_run_ahead_without_end(context):
    x = cltorch.zeros(1000, device=context.device)
    before = context.syncs
    for _ in range(3000):
        x.add_(1)
    assert len(context._marks) <= contexts._MARKS + 1 and context.launches >= 3000
    assert context.syncs == before  # keeping pace is no read-back
    assert x[7].item() == 3000


def test_a_copy_that_fails_names_the_device(context):
    out = context.alloc(512)
    with pytest.raises(DeviceError, match="enqueue_copy on cl:"):
        context.write(out.buf, np.zeros(1 << 16, np.uint8))


def test_memory_of_a_gpu_is_taken_at_once(context, monkeypatch):
    """GPU drivers put off the allocation; moving the buffer to the device makes a lack of memory show."""
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, kind="gpu"))
    buf = context.create_buffer(4096)
    out = np.empty(4096, np.uint8)
    context.fill_bytes(buf, np.array([7], np.uint8), 0, 4096)
    context.read(buf, out)
    assert (out == 7).all()


def test_plans_are_forgotten_when_there_are_very_many(monkeypatch):
    monkeypatch.setattr(contexts.Ready, "LIMIT", 10)
    ready = contexts.Ready()
    ready["fault"] = "kept"
    for i in range(100):
        ready["op", i] = i
        assert len(ready) <= 10 and ready["op", i] == i
    assert ready["fault"] == "kept"


# ---- threads -----------------------------------------------------------------------------------------------------
def test_threads_share_a_device(cl_device):
    results, errors = {}, []

    def work(k):
        try:
            x = cltorch.full((1000,), float(k), device=cl_device)
            for _ in range(50):
                x = x * 1.0 + cltorch.tensor([1.0], device=cl_device)
            results[k] = x.sum().item()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and results == {k: 1000.0 * (k + 50) for k in range(4)}


# ---- forks -------------------------------------------------------------------------------------------------------
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("before", ["torch.cl.device_count()", "x = torch.ones(3, device='cl')"], ids=["asked", "used"])
@pytest.mark.parametrize(
    "use", ["torch.ones(2, device='cl')", "x.add_(1)", "x.tolist()", "torch.cl.synchronize()"], ids=lambda u: u
)
def test_a_forked_child_gets_a_clear_error(cl_device, before, use):
    if "x." in use and "x =" not in before:
        pytest.skip("there is no tensor")
    out = process(
        f"""
        import os, warnings
        warnings.simplefilter("ignore")
        import cltorch as torch
        from cltorch import _C
        {before}
        child = os.fork()
        if child == 0:
            try:
                {use}
            except RuntimeError as error:
                print(error, "spoilt:", torch.cl._is_in_bad_fork(), _C._cuda_isInBadFork(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        assert torch.ones(3, device="cl").sum().item() == 3  # the parent is as it was
        assert not _C._cuda_isInBadFork()
        """
    )
    assert "Cannot use an OpenCL device in a forked subprocess" in out and "spawn" in out
    assert out.endswith("spoilt: True True")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_before_any_question_uses_the_device(cl_device):
    out = process(
        """
        import os
        import cltorch as torch
        from cltorch import _C
        child = os.fork()
        if child == 0:
            print(torch.ones(3, device="cl").sum().item(), _C._cuda_isInBadFork(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert out == "3.0 False"


# ---- no device ---------------------------------------------------------------------------------------------------
NO_DEVICE = """
    import sys
    {before}
    import cltorch as torch
    assert not torch.cuda.is_available() and torch.cl.device_count() == 0
    assert torch.ones(2).sum().item() == 2
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert torch.device(device).type == "cpu"
    for use in (lambda: torch.ones(2, device="cl"), lambda: torch.ones(2).cuda(), torch.cl.current_device):
        try:
            use()
        except RuntimeError as error:
            print(error)
    print("pyopencl" in sys.modules)
"""


@pytest.mark.parametrize("name", ["CLTORCH_DEVICE", "CLTORCH_PLATFORM"])
def test_none_leaves_the_host_and_loads_no_driver(name):
    out = process(NO_DEVICE.format(before=""), **{name: "none"}).splitlines()
    assert len(out) == 4 and len(set(out[:3])) == 1
    assert "No OpenCL device is available" in out[0] and "python -m cltorch doctor" in out[0]
    assert "says none" in out[0]


def test_a_broken_pyopencl_leaves_the_host():
    wishes = {"CLTORCH_DEVICE": "", "CLTORCH_PLATFORM": ""}  # a wish for none would be the reason
    out = process(NO_DEVICE.format(before="sys.modules['pyopencl'] = None"), **wishes).splitlines()
    assert len(out) == 4 and len(set(out[:3])) == 1
    assert "PyOpenCL cannot be imported" in out[0] and "python -m cltorch doctor" in out[0]


def test_the_error_names_what_was_skipped(monkeypatch):
    skipped = [discovery.Skipped("P", "Old GPU", "gpu", "1", "the probe kernel does not build\nline 2")]
    monkeypatch.setattr(discovery, "_survey", discovery._Survey([], skipped))
    monkeypatch.setattr(registry, "_made", {})
    with pytest.raises(RuntimeError, match=r"\(Old GPU: the probe kernel does not build\). Run `python -m cltorch doc"):
        registry.get(0)


def test_a_device_that_does_not_exist_is_named(cl_device):
    with pytest.raises(RuntimeError, match="invalid device ordinal: cl:99, but there are"):
        cltorch.ones(1, device="cl:99")


def test_no_more_of_a_cache_is_counted_than_the_cores_share(context):
    told, units = context.cl_device.global_mem_cache_size, context.caps.compute_units
    assert context.caps.cache == min(told, units * (64 << 20))
