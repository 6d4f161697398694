"""cltorch.cl: devices, memory statistics, events, streams, seeds."""

import subprocess
import sys
import time

import pytest

import cltorch
from cltorch import _C, backends, cl


@pytest.fixture
def place(device):
    d = cltorch.device(device)
    if d.type != "cl":
        pytest.skip("this is about OpenCL devices")
    return d.resolve()


def test_cuda_is_the_same_module():
    assert cltorch.cuda is cltorch.cl
    code = "import cltorch.cuda, cltorch.cl; assert cltorch.cuda is cltorch.cl"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_import_does_not_touch_opencl():
    code = "import sys, cltorch, cltorch.cl; assert 'pyopencl' not in sys.modules; cltorch.autograd.profiler.profile"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_the_runtime_is_asked_as_cudas(place):
    runtime = cl.cudart()
    assert runtime.cudaMemGetInfo(place.index) == cl.mem_get_info(place)
    cl.check_error(runtime.cudaProfilerStart())
    assert runtime.cudaProfilerStop() == runtime.cudaError.success == cl.cudaStatus.SUCCESS
    with pytest.raises(cl.CudaError, match=r"unrecognized error code \(34\)"):
        cl.check_error(cl.cudaStatus.ERROR_NOT_READY)
    assert runtime.cudaGetErrorString(runtime.cudaError.success) == "no error"
    with cl.profiler.profile():
        assert cltorch.ones(2, device=place).sum() == 2
    cl.profiler.start(), cl.profiler.stop()
    with pytest.raises(AttributeError, match="cudaHostRegister of CUDA's runtime has no counterpart in cltorch"):
        _ = runtime.cudaHostRegister


def test_availability():
    assert cl.is_available() is (cl.device_count() > 0)


def test_properties(place):
    p = cl.get_device_properties(place)
    assert p.name == cl.get_device_name(place) and p.total_memory > 0 and p.multi_processor_count > 0
    assert (p.major, p.minor) == cl.get_device_capability(place) and p.name in repr(p)
    assert cl.is_bf16_supported() and not cl.is_bf16_supported(including_emulation=False)
    assert cl.can_device_access_peer(place, place) and cl.is_initialized()
    for name in (0, "cl", "cl:0", "cuda", None):
        assert isinstance(cl.get_device_name(name), str)
    with pytest.raises(ValueError, match="Expected a cl device, but got: cpu"):
        cl.get_device_name("cpu")
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        cl.get_device_name(cl.device_count())


def test_current_device(place):
    before = cl.current_device()
    cl.set_device(place)
    assert cl.current_device() == place.index
    cl.set_device(before)
    with cl.device(place):
        assert cl.current_device() == place.index
        assert cltorch.ones(1, device="cl").device is place
    assert cl.current_device() == before
    with cl.device(None), cl.device(-1), cl.device_of(cltorch.ones(1)):
        assert cl.current_device() == before
    with cl.device_of(cltorch.ones(1, device=place)):
        assert cl.current_device() == place.index


def test_memory(place):
    cl.synchronize(place)
    before = cl.memory_allocated(place)
    x = cltorch.empty(1 << 20, device=place)
    held = cl.memory_allocated(place) - before
    assert 1 << 22 <= held < 1 << 23
    assert cl.memory_reserved(place) >= cl.memory_allocated(place)
    assert cl.max_memory_allocated(place) >= before + held
    stats = cl.memory_stats(place)
    assert stats["allocated_bytes.all.current"] == cl.memory_allocated(place) and stats["num_ooms"] >= 0
    del x
    assert cl.memory_allocated(place) == before and cl.memory_reserved(place) >= held
    peak = cl.max_memory_allocated(place)
    cl.reset_peak_memory_stats(place)
    assert cl.max_memory_allocated(place) == before < peak
    free, total = cl.mem_get_info(place)
    assert 0 <= free <= total
    with cl.device(place):
        cl.empty_cache()
    assert cl.memory_reserved(place) < held + before + (1 << 20) or cl.memory_reserved(place) >= before
    table = cl.memory_summary(place)
    assert "Allocated memory" in table and len({len(line) for line in table.splitlines()}) == 1
    assert len(cl.memory_summary(place, abbreviated=True)) < len(table)


def test_older_names_of_memory(place):
    x = cltorch.empty(100, device=place)
    nested = cl.memory_stats_as_nested_dict(place)
    assert nested["allocated_bytes"]["all"]["current"] == cl.memory_allocated(place) > 0 and nested["num_ooms"] >= 0
    with pytest.warns(FutureWarning, match="`torch.cuda.memory_cached` has been renamed to `torch.cuda.memory_res"):
        assert cl.memory_cached(place) == cl.memory_reserved(place)
    with pytest.warns(FutureWarning):
        cl.reset_max_memory_cached(place)
    with pytest.warns(FutureWarning):
        assert cl.max_memory_cached(place) == cl.memory_reserved(place)
    assert cl.ipc_collect() is None and cl.get_arch_list() == [] and cl.get_gencode_flags() == "" and x.is_cl


def test_memory_fraction(place):
    limit = place.context.allocator.limit
    try:
        cl.set_per_process_memory_fraction(0.5, place)
        assert cl.get_per_process_memory_fraction(place) == pytest.approx(0.5)
        cl.set_per_process_memory_fraction(0.0, place)
        with cl.device(place):
            cl.empty_cache()
        with pytest.raises(cl.OutOfMemoryError, match="out of memory"):
            cltorch.empty(1 << 22, device=place)
        with pytest.raises(ValueError, match="Invalid fraction value: 2"):
            cl.set_per_process_memory_fraction(2, place)
    finally:
        place.context.allocator.limit = limit
    cltorch.empty(1 << 22, device=place)


def test_events(place):
    with cl.device(place):
        start, end = cl.Event(enable_timing=True), cl.Event(enable_timing=True)
        assert start.query()
        start.record()
        x = cltorch.zeros(1 << 20, device=place)
        for _ in range(5):
            x = x + 1
        end.record()
        end.synchronize()
        # a driver's clock may be too coarse for so little work
        assert end.query() and 0 <= start.elapsed_time(end) < 60_000 and end.elapsed_time(start) <= 0
        with pytest.raises(ValueError, match="enable_timing=True"):
            cl.Event().elapsed_time(end)
        with pytest.raises(ValueError, match="must be recorded"):
            start.elapsed_time(cl.Event(enable_timing=True))
    with pytest.raises(RuntimeError, match="between processes"):
        cl.Event(interprocess=True)


def test_the_time_between_events_is_what_the_device_took(place):
    with cl.device(place):
        start, end = cl.Event(enable_timing=True), cl.Event(enable_timing=True)
        x = cltorch.zeros(1 << 16, device=place)
        began = time.perf_counter()
        start.record()
        start.synchronize()
        reached = time.perf_counter()
        while time.perf_counter() - reached < 0.02:
            x = x + 1
            cl.synchronize(place)
        end.record()
        assert 19 < start.elapsed_time(end) < 1e3 * (time.perf_counter() - began) + 1


def test_streams(place):
    s = cl.Stream(place)
    with cl.stream(s), s:
        assert cl.current_device() == place.index and cl.current_stream() == s == cl.default_stream(place)
        x = cltorch.ones(1000, device=place) + 1
        event = s.record_event()
        s.wait_event(event)
        s.wait_stream(cl.Stream(place))
        event.wait(s)
    s.synchronize()
    assert s.query() and event.query() and x.sum().item() == 2000 and hash(s) == hash(cl.Stream(place))
    with cl.stream(None):
        pass


def test_seeds(place):
    with cl.device(place):
        cl.manual_seed(5)
        assert cl.initial_seed() == 5
        state = cl.get_rng_state()
        a = cltorch.rand(3, device=place)
        cl.set_rng_state(state)
        assert (a == cltorch.rand(3, device=place)).all().item()
        cl.manual_seed_all(5)
        assert (a == cltorch.rand(3, device=place)).all().item()
        states = cl.get_rng_state_all()
        b = cltorch.rand(3, device=place)
        cl.set_rng_state_all(states)
        assert (b == cltorch.rand(3, device=place)).all().item()
        cl.seed_all()
        cl.seed()
        assert cl.initial_seed() != 5
    assert cltorch.manual_seed(8).initial_seed() == 8 and cl.initial_seed() == 8


def test_what_pytorchs_inner_module_says_of_cuda():
    assert _C._has_cuda is backends.cuda.is_built() is True and _C.has_lapack is True
    built = [_C._has_cudnn, _C._has_mps, _C._has_xpu, _C._has_mkldnn, _C._has_magma, _C.has_mkl, _C.has_openmp]
    assert not any(built)
    with pytest.raises(NotImplementedError, match="OpenCL device 0 has no CUDA stream"):
        _C._cuda_getCurrentRawStream(0)
