"""Work-arounds of runtimes' defects: which runtime gets which, and that each gives right results on the device here."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyopencl as cl
import pytest

import cltorch
from cltorch.device import quirks, templates
from cltorch.device.quirks import Quirk, Runtime


@pytest.mark.parametrize(
    ("platform", "runtime"),
    [
        (
            ("Portable Computing Language", "OpenCL 3.0 PoCL 3.1+debian  Linux, LLVM 15.0.6", "3.1+debian"),
            ("pocl", (3, 1)),
        ),
        (("Portable Computing Language", "OpenCL 3.0 PoCL 6.0  Linux", "6.0"), ("pocl", (6, 0))),
        (("rusticl", "OpenCL 3.0 ", "22.3.6"), ("rusticl", (22, 3, 6))),
        (("Oclgrind\\0", "OpenCL 1.2 (Oclgrind 21.10)", "Oclgrind 21.10"), ("oclgrind", (21, 10))),
        (("Intel(R) OpenCL", "OpenCL 3.0 LINUX", "2026.22.10.0"), ("intel-cpu", (2026, 22, 10, 0))),
        (("NVIDIA CUDA", "OpenCL 3.0 CUDA 12.4", "550.54"), ("nvidia cuda", (550, 54))),
        (("Another", "OpenCL 3.0", "none"), ("another", ())),
    ],
)
def test_a_platform_names_its_runtime(platform, runtime):
    assert quirks.runtime_of(*(text.replace("\\0", "\0") for text in platform)) == Runtime(*runtime)


def test_a_quirk_ends_with_the_version_that_mends_it():
    row = Quirk("q", (("pocl", (4, 0)), ("rusticl", None)), "", "", "")
    assert row.applies(Runtime("pocl", (3, 1))) and row.applies(Runtime("pocl"))
    assert not row.applies(Runtime("pocl", (4, 0))) and not row.applies(Runtime("intel-cpu", (3, 1)))
    assert row.applies(Runtime("rusticl", (99,)))
    assert quirks.of(Runtime("pocl", (4, 0, 1)), quirks=[row]) == frozenset()


def test_a_quirk_may_be_one_of_some_devices_of_a_runtime():
    row = Quirk("q", (("rusticl", None),), "", "", "", on="llvmpipe")
    assert quirks.of(Runtime("rusticl", (22, 3)), "llvmpipe (LLVM 15.0.6, 256 bits)", [row]) == {"q"}
    assert not quirks.of(Runtime("rusticl", (22, 3)), "AMD Radeon RX 6600", [row])


def test_every_row_says_all_and_is_asked_for_somewhere():
    asked = set()
    package = templates.kernel_dir().parent / "cltorch"
    files = [
        *templates.kernel_dir().glob("*.cl"),
        *(package / "ops").glob("*.py"),
        *(package / "device").glob("[cp]*.py"),
    ]
    for path in files:
        asked |= set(re.findall(r'"(\w+)" (?:not )?in [\w.]*caps\.quirks', path.read_text(encoding="utf-8")))
    assert asked == {row.name for row in quirks.QUIRKS}
    assert all(row.what and row.why and row.instead and row.runtimes for row in quirks.QUIRKS)


def test_operators_and_kernels_know_no_runtime_by_its_name():
    root = templates.kernel_dir().parent
    layers = [path for path in (root / "cltorch").rglob("*.py") if "device" not in path.parts]
    texts = {path: re.sub(r'#.*|""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.S) for path in layers}
    assert len(texts) > 100
    for path, text in texts.items():
        assert not re.search("platform_name|rusticl|llvmpipe|oclgrind|pocl(?!_CACHE)", text), path
        # GPUs' classes in the database of tuned parameters, and what programs are told of a device
        told = {"tuning.py", "devices.py", "doctor.py"}
        assert path.name in told or ".vendor" not in text, path


@pytest.mark.parametrize("t", ["int8", "uint8", "int16", "bool", "bfloat16"])
def test_narrow_vectors_load_from_and_store_to_any_element(t, cl_device):
    t = getattr(cltorch, t)
    a = np.arange(300) * 7 % 120
    whole = cltorch.tensor(a, device=cl_device).to(t)
    wanted = (a != 0) if t is cltorch.bool else a
    for first in range(1, 5):
        part = whole[first:]
        np.testing.assert_array_equal((part | part if t is cltorch.bool else part + 0).int().cpu(), wanted[first:])
        np.testing.assert_array_equal(part.flip(0).int().cpu(), wanted[first:][::-1])
        np.testing.assert_array_equal(part.amax().int().cpu(), wanted[first:].max())
        target = cltorch.zeros_like(whole)
        target[first:-3].copy_(whole[: -first - 3])
        np.testing.assert_array_equal(target[first:-3].int().cpu(), wanted[: -first - 3])
        assert not target[:first].any() and not target[-3:].any()


def test_halves_load_from_any_element(cl_device):
    a = np.linspace(-4, 4, 67, dtype=np.float16)
    x = cltorch.tensor(a, device=cl_device)
    for start in (1, 3):
        np.testing.assert_array_equal((x[start:] * 2).cpu().numpy(), a[start:] * 2)


def test_halves_are_stored_from_any_element(cl_device):
    column = cltorch.tensor([[1.5], [-2.0], [0.25]], dtype=cltorch.float16, device=cl_device)
    for width in (17, 20, 41):  # rows that begin where no vector of halves does; their value is made before the loop
        assert (column.expand(3, width).contiguous() == column).all()


def test_doubles_beside_infinite_and_large_ones(cl_device):
    if not cltorch.device(cl_device).resolve().context.caps.fp64:
        pytest.skip("the device has no float64")
    a, b = np.tile([2.0, np.inf, 0.5, 3.0], 8), np.tile([3.0, 2.0, np.inf, -1.0], 8)
    x, y = (cltorch.tensor(v, device=cl_device) for v in (a, b))
    np.testing.assert_allclose((x**y).cpu().numpy(), a**b, rtol=1e-15)
    a = np.tile([7.5, 1e300, -2.25, 5.0], 8)
    found = cltorch.fmod(cltorch.tensor(a, device=cl_device), 2.0).cpu().numpy()
    np.testing.assert_array_equal(found, np.fmod(a, 2.0))


def test_bytes_are_chosen_one_by_one(cl_device):
    for dtype in (cltorch.int8, cltorch.uint8):
        x = cltorch.arange(7, dtype=dtype, device=cl_device)  # fewer than a vector, and then a vector and a rest
        for y in (x, cltorch.cat([x, x])):
            expected = [3 if n <= 4 else n for n in y.tolist()]
            assert cltorch.nn.functional.threshold(y, 4, 3).tolist() == expected
            assert cltorch.where(y > 4, y, 3 * cltorch.ones_like(y)).tolist() == expected


def test_an_index_of_32_bits_counts_from_the_end(cl_device):
    x = cltorch.arange(12.0, device=cl_device).view(6, 2)
    for dtype in (cltorch.int32, cltorch.int64):
        at = cltorch.tensor([-1, 0, -6, 5], dtype=dtype, device=cl_device)
        assert x[at].tolist() == [[10, 11], [0, 1], [0, 1], [10, 11]]


def test_a_product_builds_where_prefetching_does_not(cl_device):
    a = np.arange(70 * 40, dtype=np.float32).reshape(70, 40) % 7
    x = cltorch.tensor(a, device=cl_device)
    np.testing.assert_array_equal((x @ x.T).cpu().numpy(), a @ a.T)


def test_vectors_of_one_work_item_are_left_as_they_are(cl_device):
    context = cltorch.device(cl_device).resolve().context
    if "widens_one_item" not in context.caps.quirks:
        pytest.skip("this device leaves them alone")
    x = cltorch.ones(1, 5, 11, 12, device=cl_device)
    cltorch.nn.functional.conv2d(x, cltorch.ones(6, 5, 5, 5, device=cl_device))
    params = next(dict(key[1]) for key in context._programs if key[0] == "conv")
    sizes = []
    for names in (context.caps.quirks, context.caps.quirks - {"widens_one_item"}):
        source = templates.render("conv", {**params, "caps": replace(context.caps, quirks=names)})
        built = cl.Program(context.cl_context, source).build(options=list(context.build_options), cache_dir=False)
        sizes.append(len(built.get_info(cl.program_info.BINARIES)[0]))
    assert 2 * sizes[0] < sizes[1]  # what is widened is there beside what is not, and is longer


def test_products_over_long_lines_do_not_end_early(cl_device):
    a = np.random.default_rng(0).integers(-3, 4, (40, 30_000)).astype(np.float32)
    x, y = cltorch.tensor(a, device=cl_device), cltorch.ones(40, 40, device=cl_device)
    np.testing.assert_array_equal((x @ x.T).cpu().numpy(), a @ a.T)
    np.testing.assert_array_equal(cltorch.addmm(y, x, x.T, beta=2, alpha=3).cpu().numpy(), 3 * (a @ a.T) + 2)
    np.testing.assert_array_equal(
        (x.view(2, 20, -1) @ x.view(2, -1, 20)).cpu().numpy(), a.reshape(2, 20, -1) @ a.reshape(2, -1, 20)
    )
    large = cltorch.tensor(a[:, :7000].reshape(500, 560), device=cl_device)
    np.testing.assert_array_equal(
        (large @ large.T).sum(1).cpu().numpy(), (large.cpu().numpy() @ large.cpu().numpy().T).sum(1)
    )


@pytest.mark.parametrize("dtype", [cltorch.float32, cltorch.int16])
def test_large_copies_and_fills_keep_every_bit(cl_device, dtype):
    n = (1 << 20) // dtype.itemsize + 3
    bits = np.random.default_rng(0).integers(0, 1 << 32, n, np.uint64).astype(f"uint{8 * dtype.itemsize}")
    a = bits.view(dtype.name)  # among them NaNs with every payload
    x = cltorch.tensor(a, device=cl_device)
    copied = x[1:].clone()
    np.testing.assert_array_equal(copied.cpu().numpy().view(bits.dtype), bits[1:])
    copied[1:-1].fill_(-7)
    assert (copied.cpu().numpy()[1:-1] == -7).all()
    np.testing.assert_array_equal(copied.cpu().numpy().view(bits.dtype)[[0, -1]], bits[[1, -1]])


def test_a_released_buffer_is_free_though_a_kernel_had_it(cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    x = cltorch.arange(7.0, device=cl_device)
    y = x.exp()
    held = cl.Buffer.from_int_ptr(x._storage.buf.int_ptr, retain=True)
    del x
    context.synchronize()  # what is queued may hold it as well
    with cltorch.cl.device(cl_device):
        cltorch.cl.empty_cache()
    until = time.monotonic() + 5  # the driver's thread lets go of what a command held a little after it has run
    while held.get_info(cl.mem_info.REFERENCE_COUNT) > 1 and time.monotonic() < until:
        time.sleep(0.001)
    assert held.get_info(cl.mem_info.REFERENCE_COUNT) == 1  # ours
    monkeypatch.setattr(context, "caps", replace(context.caps, quirks=context.caps.quirks | {"arguments_kept"}))
    context.settle()  # and what it does where it is not needed does no harm
    np.testing.assert_allclose(y.exp().cpu().numpy()[:4], np.exp(np.exp(np.arange(4))), rtol=1e-5)


ENDS = """
import time
import cltorch
x = cltorch.ones(64, device="{device}")
context = x.device.context
for n in range(2):  # programs that no cache knows
    body = f"for (int i = 0; i < 9; ++i) a[j] = sin(a[j]) * {{time.time_ns()}}.0f + {{n}};"
    source = "kernel void ct_end(global float *a) {{ const size_t j = get_global_id(0); " + body + "}}"
    context.kernel_from_source(source, "ct_end", "b")((64,), None, x._storage)
"""


def test_a_program_may_end_while_its_commands_are_queued(cl_device):
    ran = subprocess.run(
        [sys.executable, "-c", ENDS.format(device=cl_device)], capture_output=True, text=True, timeout=200
    )
    assert ran.returncode == 0, ran.stderr
