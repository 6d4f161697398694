"""Programs and kernels: errors that say everything, binaries that are remembered, launches."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time

import numpy as np
import pyopencl as cl
import pytest

import cltorch
from cltorch.device import binaries, program
from cltorch.device.capabilities import build_options
from cltorch.errors import BuildError, DeviceError, OutOfMemoryError

ADD = """
__kernel void ct_test_add(__global int *x, const int value)
{
    x[get_global_id(0)] += value;
}
"""


@pytest.fixture
def context(cl_device):
    return cltorch.device(cl_device).resolve().context


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(binaries, "keep", True)
    return tmp_path / "cache" / binaries.FOLDER


def source(tag):
    """Return a program that no other test has built."""
    return f"// {tag} {time.time_ns()}\n" + ADD


def run(context, kernel, n=8):
    out = context.alloc(4 * n)
    context.write(out.buf, np.zeros(n, np.int32))
    kernel((n,), None, out, 3)
    return out.bytes().view(np.int32).tolist()


# ---- errors ------------------------------------------------------------------------------------------------------
def test_a_kernel_that_does_not_build_shows_everything(context):
    bad = "__kernel void ct_bad(__global float *x)\n{\n    x[0] = no_such_name;\n}\n"
    with pytest.raises(BuildError) as error:
        context.kernel_from_source(bad, "ct_bad", "b", "the test's kernel")
    text = str(error.value)
    assert "the test's kernel does not build" in text and context.name in text and context.caps.driver in text
    assert "-cl-mad-enable" in text  # the options
    assert "   3     x[0] = no_such_name;" in text  # the source, with the line numbers that the compiler uses
    assert text.index("no_such_name", text.index("   4 }")) > 0  # the compiler's own words come last
    assert isinstance(error.value, DeviceError) and isinstance(error.value, RuntimeError)


def test_a_template_that_does_not_build_names_its_file_and_parameters(context, monkeypatch):
    monkeypatch.setattr(program, "render", lambda template, params: "__kernel void broken(")
    with pytest.raises(BuildError, match=r"kernels/nothing.cl with \{'dtype': 'f32'\} does not build on cl:"):
        context.kernel("nothing", "ct_nothing", "b", dtype="f32")


def test_a_template_with_a_missing_parameter_names_it(context):
    with pytest.raises(BuildError, match="kernel template pointwise with"):
        context.kernel("pointwise", "ct_add", "b", nonsense=1)


def test_a_declaration_with_another_number_of_arguments_is_an_error(context):
    with pytest.raises(BuildError, match="ct_test_add takes 2 arguments, declared are 1: 'b'"):
        context.kernel_from_source(ADD, "ct_test_add", "b")


def test_a_launch_that_fails_names_kernel_device_and_sizes(context):
    if context.limits:
        pytest.skip("the forced limits refuse the launch before the driver does")
    kernel = context.kernel_from_source(ADD, "ct_test_add", "bi")
    group = context.caps.max_work_group * 2
    out = context.alloc(4 * group)
    with pytest.raises(DeviceError, match=rf"launch of ct_test_add on cl:.* failed: .*\(global \({group},\), local"):
        kernel((group,), (group,), out, 1)
    assert run(context, kernel) == [3] * 8  # the device goes on working


def test_a_launch_that_runs_out_of_memory_is_tried_again_with_the_cache_emptied(context, monkeypatch):
    kernel = context.kernel_from_source(ADD, "ct_test_add", "bi")
    real, failures = program.enqueue, []

    class Full(cl.MemoryError):
        code = cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE

    def fail(times):
        def enqueue(*args):
            if len(failures) < times:
                failures.append(args)
                raise Full("no memory for a buffer")
            return real(*args)

        failures.clear()
        monkeypatch.setattr(program, "enqueue", enqueue)

    fail(1)
    assert run(context, kernel) == [3] * 8
    fail(2)
    with pytest.raises(OutOfMemoryError, match="launch of ct_test_add on cl:.* out of memory"):
        run(context, kernel)


# ---- binaries ----------------------------------------------------------------------------------------------------
def test_a_program_is_compiled_once_and_read_from_disk_then(context, cache, monkeypatch):
    text = source("once")
    assert run(context, context.kernel_from_source(text, "ct_test_add", "bi")) == [3] * 8
    (file,) = cache.iterdir()
    made = []
    real = program._built
    monkeypatch.setattr(
        program, "_built", lambda p, *rest: made.append(p.get_info(cl.program_info.SOURCE)) or real(p, *rest)
    )
    again = program.build_source(context, text, "again")
    assert run(context, program.Kernel(context, cl.Kernel(again, "ct_test_add"), "ct_test_add", "bi")) == [3] * 8
    assert made == [""] and [f.name for f in cache.iterdir()] == [file.name]


@pytest.mark.parametrize("damage", ["empty", "cut off", "changed", "refused by the driver"])
def test_a_damaged_binary_is_built_anew(context, cache, damage, monkeypatch):
    text = source(damage)
    flags = [*program._OPTIONS, *context.build_options]
    key = binaries.key_of(context.cl_device, text, flags)
    program.build_source(context, text, "first")
    data = (cache / key).read_bytes()
    if damage == "refused by the driver":
        real, calls = program._built, []  # some drivers abort at a binary that is not theirs, so they get none

        def built(made, *rest):
            calls.append(made)
            if len(calls) == 1:
                raise cl.LogicError("clBuildProgram failed: INVALID_BINARY")
            return real(made, *rest)

        monkeypatch.setattr(program, "_built", built)
    else:
        (cache / key).write_bytes({"empty": b"", "cut off": data[:-1], "changed": data[:-1] + b"?"}[damage])
    built = program.build_source(context, text, "second")
    assert run(context, program.Kernel(context, cl.Kernel(built, "ct_test_add"), "ct_test_add", "bi")) == [3] * 8
    assert binaries.load(key)  # and kept again


def test_a_cache_that_cannot_be_written_only_costs_speed(context, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLTORCH_CACHE", str(tmp_path / "file" / "below"))
    assert run(context, context.kernel_from_source(source("no folder"), "ct_test_add", "bi")) == [3] * 8


def test_the_key_depends_on_source_options_and_device(context):
    d = context.cl_device

    class Other:
        platform = d.platform
        vendor, name, version, driver_version = d.vendor, d.name, d.version, d.driver_version + "1"

    keys = [
        binaries.key_of(d, "a", ["-x"]),
        binaries.key_of(d, "b", ["-x"]),
        binaries.key_of(d, "a", ["-y"]),
        binaries.key_of(d, "a", []),
        binaries.key_of(Other(), "a", ["-x"]),
    ]
    assert len(set(keys)) == 5 and keys[0] == binaries.key_of(d, "a", ["-x"])


def test_the_least_recently_used_binaries_go_first(tmp_path):
    for i in range(8):
        (tmp_path / str(i)).write_bytes(bytes(100))
        os.utime(tmp_path / str(i), (i, i))
    binaries.prune(tmp_path, 800)
    assert len(list(tmp_path.iterdir())) == 8
    binaries.prune(tmp_path, 799)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["3", "4", "5", "6", "7"]
    binaries.prune(tmp_path / "missing", 1)


def test_a_second_process_compiles_nothing(context, cache):
    code = f"""
import cltorch, sys
from cltorch.device import binaries
missed = []
real = binaries.store
binaries.store = lambda key, binary: missed.append(key) or real(key, binary)
x = cltorch.ones(10, device="{context.device}")
assert (x * 2 + 1).sum().item() == 30
print(len(missed))
"""
    counts = [
        int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(2)
    ]
    assert counts[0] > 0 and counts[1] == 0


def test_memory_of_the_host_is_no_argument(context):
    """To a driver it would be a pointer to nothing, which ends the process."""
    kernel = context.kernel_from_source("__kernel void ct_set(__global int *x) { x[0] = 1; }", "ct_set", "b")
    with pytest.raises(RuntimeError, match="argument 0 of ct_set is on the host"):
        kernel((1,), None, cltorch.ones(1)._storage)


@pytest.mark.parametrize(("version", "language"), [("3.0", "3.0"), ("2.1", "2.0"), ("1.2", "1.2"), ("1.1", None)])
def test_programs_are_built_in_the_language_of_the_device(context, version, language):
    caps = dataclasses.replace(context.caps, kind="cpu", c_version=version)
    assert build_options(caps) == ((f"-cl-std=CL{language}",) if language else ())


def test_quotients_and_roots_are_exact_where_a_device_can_make_them_so(context):
    asked = build_options(dataclasses.replace(context.caps, kind="gpu"))
    # the driver must know the option, for it says that it does what it asks for
    assert ("-cl-fp32-correctly-rounded-divide-sqrt" in asked) == context.caps.exact_division
    text = "__kernel void ct_f(__global float *x) { int i = get_global_id(0); x[i] = sqrt(x[i] / (i + 1)); }"
    built = program._built(cl.Program(context.cl_context, text), list(asked), "ct_f")
    x = np.arange(4096, dtype=np.float32) * 3 + 7
    buf = context.alloc(x.nbytes)
    context.write(buf.buf, x)
    kernel = program.Kernel(context, cl.Kernel(built, "ct_f"), "ct_f", "b")
    kernel((4096,), (1,), buf)
    if context.caps.exact_division or context.caps.kind == "cpu":
        np.testing.assert_array_equal(buf.bytes().view(np.float32), np.sqrt(x / np.arange(1, 4097, dtype=np.float32)))
