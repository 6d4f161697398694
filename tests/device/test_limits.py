"""The device profile that CLTORCH_LIMITS forces: what its text means, and that nothing gets past it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import cltorch
from cltorch.device import limits
from cltorch.errors import BuildError, DeviceError, OutOfMemoryError


def test_the_strict_profile_names_every_limit():
    assert limits.parse("strict") == {
        "group": 64, "local": 16384, "dims": 1, "fp64": 0, "fp16": 0, "subgroups": 0, "int64_atomics": 0, "c": "1.2",
        "alloc": 256 << 20, "slow_transfer": 1,
    }  # fmt: skip


def test_single_limits_and_later_ones_win():
    assert limits.parse("") == {}
    assert limits.parse(" group = 32 , local=8k") == {"group": 32, "local": 8192}
    assert limits.parse("strict,alloc=1G")["alloc"] == 1 << 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("group=0", "group='0' is not a positive integer"),
        ("group=-4", "is not a positive integer"),
        ("local=16Q", "local='16Q' is not"),
        ("dims=4", "dims='4' is not 1, 2 or 3"),
        ("fp64=no", "fp64='no' is not 0 or 1"),
        ("c=4.0", "is not one of 1.1, 1.2, 2.0, 3.0, 3.1"),
        ("lenient", "unknown limit 'lenient'; known are strict, group"),
        ("=3", "unknown limit ''"),
        ("strict=1", "unknown limit 'strict'"),
    ],
)
def test_what_a_value_does_not_mean_is_an_error(text, words):
    with pytest.raises(ValueError, match="CLTORCH_LIMITS: ") as raised:
        limits.parse(text)
    assert words in str(raised.value)


@pytest.fixture
def context(cl_device):
    return cltorch.device(cl_device).resolve().context


@pytest.fixture
def strict(context, monkeypatch):
    """The device of the tests with the strict profile."""
    monkeypatch.setattr(context, "limits", limits.parse("strict"))
    monkeypatch.setattr(context, "caps", limits.lessened(context.caps, context.limits))
    return context


def test_a_limit_takes_away_and_never_adds(context):
    less = limits.lessened(context.caps, limits.parse("strict"))
    assert (less.max_work_group, less.max_dims, less.c_version) == (64, 1, "1.2")
    assert less.local_mem <= 16384 and less.max_alloc <= 256 << 20
    assert not (less.fp64 or less.fp16 or less.sub_groups or less.int64_atomics)
    same = limits.lessened(context.caps, limits.parse("group=64G,local=64G,dims=3,c=3.1,fp64=1,alloc=1000000G"))
    assert same == context.caps


SOURCE = """
#define UNUSED(x) ((double)(x))  // a double that nothing asks for
__kernel void ct_limits_sum(__global float *x) {
    __local float kept[%d];
    kept[get_local_id(0)] = x[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    x[get_global_id(0)] = kept[get_local_id(0)] + 1;
}
"""


def test_a_kernel_that_exceeds_a_limit_is_refused(strict):
    x = strict.alloc(4096)
    strict.fill_bytes(x.buf, np.zeros(1, np.float32), 0, 4096)
    kernel = strict.kernel_from_source(SOURCE % 1024, "ct_limits_sum", "b")
    kernel((128,), (64,), x)
    kernel((128, 1), (64, 1), x)
    assert (x.bytes().view(np.float32)[:128] == 2).all()
    with pytest.raises(DeviceError, match="64 items"):
        kernel((128,), (128,), x)
    with pytest.raises(DeviceError, match="in 1 dimensions"):
        kernel((8, 8), (8, 8), x)
    assert kernel.max_work_group() <= 64
    with pytest.raises(BuildError, match="20000 bytes of local memory, of 16384"):
        strict.kernel_from_source(SOURCE % 5000, "ct_limits_sum", "b")
    with pytest.raises(BuildError, match="uses double2, but CLTORCH_LIMITS takes fp64 away"):
        strict.kernel_from_source("__kernel void ct_f(__global double2 *x) {}", "ct_f", "b")


@pytest.mark.parametrize("number", ["0.5", "2.", ".5e3", "1e-3", "0x1p-24"])
def test_a_number_that_is_double_elsewhere_is_refused(strict, number):
    text = "__kernel void ct_f(__global float4 *x) { x[0].s1 = v0.x * %s; }"
    with pytest.raises(BuildError, match=f"uses {re.escape(number)}, but CLTORCH_LIMITS takes fp64 away"):
        strict.kernel_from_source(text % number, "ct_f", "b")
    limits.check_source(strict.caps, text % f"{number}f + x[1].s2 - 0x1e5 - 3", "text")


PROGRAM = """
import cltorch as torch
x = torch.arange(6.0, device="cl").reshape(2, 3)
print((x @ x.T).tolist(), torch.cl.get_device_properties().has_fp64)
for bad in (lambda: torch.zeros(2, dtype=torch.float64, device="cl"), lambda: torch.empty(1 << 28, device="cl")):
    try:
        bad()
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_the_environment_forces_the_profile(cl_device):
    env = {**os.environ, "CLTORCH_LIMITS": "strict"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    product, no_double, too_large = ran.stdout.strip().splitlines()
    assert product == "[[5.0, 14.0], [14.0, 50.0]] False"
    assert "float64" in no_double and "Error" in no_double
    assert too_large.startswith(OutOfMemoryError.__name__) and "256.00 MiB" in too_large


def test_an_invalid_profile_is_named_at_the_first_use(cl_device):
    env = {**os.environ, "CLTORCH_LIMITS": "group=many"}
    program = "import cltorch as torch; torch.ones(1, device='cl')"
    ran = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=600)
    assert ran.returncode and "CLTORCH_LIMITS: group='many'" in ran.stderr
