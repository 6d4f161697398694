"""torch.profiler and torch.autograd.profiler: what is recorded, its sums and times, schedules, tables and traces."""

import gzip
import json
import subprocess
import sys
import textwrap

import pytest

import cltorch as torch
from cltorch.autograd.profiler_util import DeviceType
from cltorch.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule


def names(events):
    return [event.name for event in events if event.device_type is DeviceType.CPU]


def test_operators_gradients_and_parts(device):
    x = torch.ones(4, 3, device=device, requires_grad=True)
    with profile(record_shapes=True) as seen:
        with record_function("the part"):
            y = (x.exp() @ torch.ones(3, 2, device=device)).sum()
        y.backward()
    events = seen.events()
    part = next(e for e in events if e.name == "the part")
    assert part.is_user_annotation and part.cpu_parent is None
    inside = names(part.cpu_children)
    assert [n for n in inside if n in ("aten::exp", "aten::matmul", "aten::sum")] == [
        "aten::exp", "aten::matmul", "aten::sum",
    ]  # fmt: skip
    matmul = next(e for e in events if e.name == "aten::matmul")
    assert matmul.input_shapes[:2] == [[4, 3], [3, 2]]
    backward = [n for n in names(events) if n.endswith("Backward0")]
    assert backward == ["SumBackward0", "MmBackward0", "ExpBackward0"]
    for event in events:
        assert event.time_range.end > event.time_range.start
        assert -1e-6 <= event.self_cpu_time_total <= event.cpu_time_total
    assert part.cpu_time_total >= sum(child.cpu_time_total for child in part.cpu_children)
    # outside of the profiler nothing is recorded, and everything is as it was
    x.exp()
    assert len(seen.events()) == len(events)
    assert not hasattr(type(y.grad_fn).apply, "__wrapped__")
    assert x.exp().sum().item() == pytest.approx(12 * 2.718281828, rel=1e-6)


def test_kernels_on_a_device(device):
    if torch.device(device).type == "cpu":
        pytest.skip("the host has no kernels")
    x = torch.ones(1 << 16, device=device)
    x.exp()
    with profile(profile_memory=True) as seen:
        y = x.exp()
    assert y.shape == x.shape
    exp = next(e for e in seen.events() if e.name == "aten::exp")
    if exp.kernels:  # the device has a clock
        kernel = next(e for e in seen.events() if e.device_type is DeviceType.CUDA)
        assert [k.name for k in exp.kernels] == [kernel.name] and "exp" in kernel.name
        assert exp.device_time_total == exp.self_device_time_total == pytest.approx(kernel.device_time_total)
        assert 0 < kernel.device_time_total < 1e7 and kernel.cpu_time_total == 0
        assert exp.cuda_time_total == exp.device_time_total
        total = f"Self CL time total: {seen.key_averages().total_average().self_device_time_total / 2:.3f}us"
        table = seen.key_averages().table(sort_by="self_cuda_time_total")
        assert total in table or "ms" in total or "ms" in table.splitlines()[-1]
        assert "Self CL" in table and "CL Mem" in table
    assert exp.device_memory_usage == 4 << 16
    with profile(activities=[ProfilerActivity.CPU]) as host_only:
        x.exp()
    assert "aten::exp" in names(host_only.events())
    assert all(e.device_type is DeviceType.CPU and not e.kernels for e in host_only.events())


def test_sums_over_names():
    x, y = torch.ones(3), torch.ones(2, 2)
    with profile(record_shapes=True, with_stack=True) as seen:
        for value in x, x, y:
            value.exp()
        x.add_(1)
    averages = {e.key: e for e in seen.key_averages()}
    exp = averages["aten::exp"]
    events = [e for e in seen.events() if e.name == "aten::exp"]
    assert exp.count == 3 and exp.cpu_time_total == pytest.approx(sum(e.cpu_time_total for e in events))
    assert exp.cpu_time == pytest.approx(exp.cpu_time_total / 3) and exp.cpu_time_str.endswith("s")
    assert averages["aten::add_"].count == 1
    by_shape = {e.input_shapes: e.count for e in seen.key_averages(True) if e.key == "aten::exp"}
    assert by_shape == {"[[3]]": 2, "[[2, 2]]": 1}
    by_line = [e for e in seen.key_averages(group_by_stack_n=1) if e.key == "aten::exp"]
    assert len(by_line) == 1 and "test_profiler.py" in by_line[0].stack[0]
    total = seen.key_averages().total_average()
    assert total.self_cpu_time_total == pytest.approx(seen.key_averages().self_cpu_time_total)
    table = seen.key_averages().table(sort_by="cpu_time_total", row_limit=1)
    rows = [line for line in table.splitlines() if "aten::" in line]
    longest = max(seen.key_averages(), key=lambda e: e.cpu_time_total)
    assert len(rows) == 1 and longest.key in rows[0]
    with pytest.raises(AttributeError, match="nonsense"):
        seen.key_averages().table(sort_by="nonsense")


def test_steps_of_a_schedule():
    ready = []

    def note(prof):
        ready.append((prof.step_num, [n for n in names(prof.events()) if n.startswith("Profiler")]))

    with profile(schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=note) as seen:
        for step in range(10):
            assert (seen.current_action is ProfilerAction.NONE) == (step in (0, 4, 8, 9))
            torch.ones(2).exp()
            seen.step()
    assert ready == [(4, ["ProfilerStep#2", "ProfilerStep#3"]), (8, ["ProfilerStep#6", "ProfilerStep#7"])]
    assert names(seen.events()).count("aten::exp") == 2
    once = []
    with profile(on_trace_ready=once.append) as seen:
        torch.ones(2).exp()
        seen.step()
        torch.ones(2).exp()
    assert once == [seen] and names(seen.events()).count("aten::exp") == 2


def test_traces(tmp_path):
    with profile(on_trace_ready=torch.profiler.tensorboard_trace_handler(str(tmp_path), "me", use_gzip=True)) as seen:
        seen.add_metadata_json("run", '{"number": 3}')
        with record_function("the part"):
            torch.ones(2).exp()
    [written] = tmp_path.iterdir()
    assert written.name.startswith("me.") and written.name.endswith(".pt.trace.json.gz")
    seen.export_chrome_trace(str(tmp_path / "trace.json"))
    plain = json.loads((tmp_path / "trace.json").read_text())
    assert json.loads(gzip.decompress(written.read_bytes())) == plain and plain["run"] == {"number": 3}
    traced = {event["name"]: event for event in plain["traceEvents"]}
    part, exp = traced["the part"], traced["aten::exp"]
    assert part["ts"] <= exp["ts"] and exp["ts"] + exp["dur"] <= part["ts"] + part["dur"]
    assert (part["cat"], exp["cat"], exp["ph"]) == ("user_annotation", "cpu_op", "X")


def test_parts_by_the_names_of_nvtx():
    nvtx = torch.cl.nvtx
    assert nvtx.range_pop() == -1 and nvtx.range_push("before") == 0 and nvtx.range_pop() == 0  # nobody looks
    with profile() as seen:
        assert [nvtx.range_push("outer"), nvtx.range_push("inner")] == [0, 1]
        torch.ones(2).exp()
        nvtx.mark("a moment")
        handle = nvtx.range_start("crossing")
        assert [nvtx.range_pop(), nvtx.range_pop()] == [1, 0]
        nvtx.range_end(handle)
        nvtx.range_end(handle)
        nvtx.range("step {}", 7)(torch.ones)(2)
        with pytest.raises(ZeroDivisionError), nvtx.range("failing"):
            _ = 1 / 0
    found = {event.name: event for event in seen.events()}
    assert {"outer", "inner", "a moment", "crossing", "step 7", "failing", "aten::exp"} <= set(found)
    assert "before" not in found and nvtx.range_pop() == -1
    assert found["outer"].time_range.start <= found["inner"].time_range.start
    assert found["inner"].time_range.end <= found["outer"].time_range.end


def test_the_older_profiler():
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.profiler.profile(record_shapes=True) as seen:
        assert str(seen) == "<unfinished torch.autograd.profile>"
        with pytest.raises(RuntimeError):
            seen.key_averages()
        with torch.autograd.profiler.record_function("the part"):
            x.exp().sum().backward()
    assert {"the part", "aten::exp", "ExpBackward0"} <= set(names(seen.function_events))
    assert "the part" in seen.table() and seen.self_cpu_time_total > 0
    with torch.autograd.profiler.profile(enabled=False):
        x.exp()


def test_what_is_refused():
    with pytest.raises(AssertionError):
        profile().events()
    with profile():
        with pytest.raises(RuntimeError, match="already"):
            profile().start()
    with pytest.raises(ZeroDivisionError):
        with profile() as seen:
            raise ZeroDivisionError
    assert seen.events() == []


def test_a_decorator_and_a_part_without_a_profiler():
    @record_function("whole")
    def twice(x):
        return x + x

    assert twice(torch.ones(1)).item() == 2
    with profile() as seen:
        twice(torch.ones(1))
        twice(torch.ones(1))
    assert names(seen.events()).count("whole") == 2


def test_in_a_program_for_pytorch(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(
        textwrap.dedent(
            """
            import torch
            from torch.autograd import profiler
            from torch.profiler.profiler import profile
            with profile(activities=[torch.profiler.ProfilerActivity.CPU]) as p:
                with profiler.record_function("model_inference"):
                    torch.nn.Linear(2, 2)(torch.ones(1, 2))
            print(sorted(e.key for e in p.key_averages() if e.key in ("model_inference", "aten::linear")))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "cltorch", "run", str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == ["['aten::linear', 'model_inference']"], done.stderr


def test_operators_within_operators_and_what_they_count(device):
    x, y = torch.ones(4, 3, device=device), torch.ones(2, 3, 5, device=device)
    image = torch.ones(1, 2, 4, 4, device=device, requires_grad=True)
    functional = torch.nn.functional
    with profile(record_shapes=True, with_flops=True) as seen:
        x @ y[0]
        x.mT.mT @ y
        y.mT @ y
        functional.linear(x, x)
        functional.linear(y.mT, x, x[:, 0])
        torch.baddbmm(y.mT @ y, y.mT, y)
        functional.conv2d(image, torch.ones(3, 2, 2, 2, device=device), stride=2, padding=1).sum().backward()
        functional.conv_transpose1d(y, torch.ones(3, 4, 2, device=device))
        x * 2 + x
    counted = [(e.name, e.flops) for e in seen.events() if e.flops]
    assert counted == [
        ("aten::mm", 2 * 4 * 3 * 5), ("aten::mm", 2 * 2 * 4 * 3 * 5), ("aten::bmm", 2 * 2 * 5 * 3 * 5),
        ("aten::mm", 2 * 4 * 3 * 4), ("aten::addmm", 2 * 10 * 3 * 4), ("aten::bmm", 2 * 2 * 5 * 3 * 5),
        ("aten::baddbmm", 2 * 2 * 5 * 3 * 5), ("aten::conv2d", 2 * 27 * 8), ("aten::conv_transpose1d", 2 * 30 * 8),
        ("aten::mul", 12), ("aten::add", 12),
    ]  # fmt: skip
    first = next(e for e in seen.events() if e.name == "aten::matmul")
    [inner] = [e for e in first.cpu_children if e.name == "aten::mm"]
    assert inner.input_shapes[:2] == [[4, 3], [3, 5]] and first.cpu_time_total >= inner.cpu_time_total > 0
    back = next(e for e in seen.events() if e.name == "ConvolutionBackward0")
    assert back.input_shapes == [[1, 3, 3, 3]]
    table = seen.key_averages().table()
    assert "Total FLOPs" in table and "1.050K" not in table and f"{12:.3f}" in table and "--" in table
    with profile() as seen:
        x @ y[0]
    assert "FLOPs" not in seen.key_averages().table() and not any(e.flops for e in seen.events())


def test_libraries_end_a_profiler_that_was_left():
    assert not torch.autograd._profiler_enabled()
    left, later = (profile(activities=[ProfilerActivity.CPU]) for _ in range(2))
    left.start()
    assert torch.autograd._profiler_enabled()
    torch.autograd._disable_profiler()
    assert not torch.autograd._profiler_enabled()
    torch.autograd._disable_profiler()  # which nobody runs
    later.start()
    left.stop()
    assert torch.autograd._profiler_enabled()
    torch.ones(2).exp()
    later.stop()
    events = later.events()
    assert "aten::exp" in {event.key for event in events.key_averages(group_by_input_shapes=True)}
    assert torch.profiler._default_schedule_fn(0) is ProfilerAction.RECORD


def test_bytes_of_tensors_on_the_host():
    x = torch.ones(256, 1024)
    with profile(profile_memory=True) as seen:
        with record_function("kept"):
            y = x.exp()
        with record_function("let go"):
            x.exp().sum().item()
        with record_function("a view"):
            z = x.view(-1)
            w = x.detach()
        with record_function("freed"):
            del y
    found = {e.name: e for e in seen.events() if e.is_user_annotation}
    assert found["kept"].cpu_memory_usage == 1 << 20 and abs(found["kept"].self_cpu_memory_usage) < 100
    assert found["let go"].cpu_memory_usage < 100 and found["freed"].cpu_memory_usage == -(1 << 20)
    assert found["a view"].cpu_memory_usage == 0 and z.shape == (1 << 18,) and w.shape == x.shape
    exp = next(e for e in seen.key_averages() if e.key == "aten::exp")
    assert exp.self_cpu_memory_usage == exp.cpu_memory_usage == 2 << 20
    rows = seen.key_averages().table(sort_by="self_cpu_memory_usage", row_limit=1).splitlines()
    assert "Self CPU Mem" in rows[1] and "aten::exp" in rows[3] and "2.00 MB" in rows[3]
    with profile() as seen:
        x.exp()
    assert all(e.cpu_memory_usage == 0 for e in seen.events()) and "CPU Mem" not in seen.key_averages().table()
