"""Settings of the torch namespace, torch.backends, torch.accelerator and the constants: what programs ask and set."""

from __future__ import annotations

import math
import os

import pytest

import cltorch


def test_threads():
    before = cltorch.get_num_threads()
    assert 1 <= before <= (os.cpu_count() or 1)
    try:
        cltorch.set_num_threads(1)
        assert cltorch.get_num_threads() == 1
        cltorch.set_num_interop_threads(3)
        assert cltorch.get_num_interop_threads() == 3
        for wrong, words in ((0, "expects a positive integer"), (1.5, "expects an int, but got float")):
            with pytest.raises(RuntimeError, match="set_num_threads " + words):
                cltorch.set_num_threads(wrong)
            with pytest.raises(RuntimeError, match="set_num_interop_threads " + words):
                cltorch.set_num_interop_threads(wrong)
    finally:
        cltorch.set_num_threads(before)


def test_determinism():
    assert not cltorch.are_deterministic_algorithms_enabled() and cltorch.get_deterministic_debug_mode() == 0
    try:
        cltorch.use_deterministic_algorithms(True)
        assert cltorch.are_deterministic_algorithms_enabled() and cltorch.get_deterministic_debug_mode() == 2
        cltorch.use_deterministic_algorithms(True, warn_only=True)
        assert cltorch.is_deterministic_algorithms_warn_only_enabled() and cltorch.get_deterministic_debug_mode() == 1
        for word, number in (("default", 0), ("warn", 1), ("error", 2)):
            for mode in (word, number):
                cltorch.set_deterministic_debug_mode(mode)
                assert cltorch.get_deterministic_debug_mode() == number
        for wrong in ("loud", 3):
            with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
                cltorch.set_deterministic_debug_mode(wrong)
        for mode, warn_only in ((1, False), (True, 1)):
            with pytest.raises(TypeError, match="must be bool, not int"):
                cltorch.use_deterministic_algorithms(mode, warn_only=warn_only)
        cltorch.use_deterministic_algorithms(False, warn_only=True)
        assert cltorch.is_deterministic_algorithms_warn_only_enabled() and cltorch.get_deterministic_debug_mode() == 0
        with pytest.raises(TypeError, match="must be str or int"):
            cltorch.set_deterministic_debug_mode(1.5)
    finally:
        cltorch.use_deterministic_algorithms(False)


def test_precision_and_warnings():
    assert cltorch.get_float32_matmul_precision() == "highest"
    cltorch.set_float32_matmul_precision("medium")
    assert cltorch.get_float32_matmul_precision() == "medium"
    with pytest.warns(UserWarning, match="lowest is not one of"):
        cltorch.set_float32_matmul_precision("lowest")
    cltorch.set_float32_matmul_precision("highest")
    assert cltorch.set_flush_denormal(True) is False
    cltorch.set_warn_always(True)
    assert cltorch.is_warn_always_enabled()
    cltorch.set_warn_always(False)
    with pytest.raises(RuntimeError, match="expects a bool, but got int"):
        cltorch.set_warn_always(1)


def test_constants():
    assert (cltorch.pi, cltorch.e, cltorch.inf, cltorch.newaxis) == (math.pi, math.e, math.inf, None)
    assert math.isnan(cltorch.nan)
    x = cltorch.ones(3)
    assert x[cltorch.newaxis].shape == (1, 3)
    assert cltorch.version.cuda is None and cltorch.version.__version__ == cltorch.__version__


def test_the_default_generator_is_the_hosts():
    cltorch.manual_seed(5)
    a = cltorch.rand(3)
    cltorch.default_generator.manual_seed(5)
    assert cltorch.equal(a, cltorch.rand(3)) and cltorch.random.default_generator is cltorch.default_generator


def test_type_names():
    assert cltorch.typename(cltorch.ones(1).long()) == "torch.LongTensor"
    assert cltorch.typename(3) == "int" and cltorch.typename(int) == "int"
    assert (
        cltorch.typename(cltorch.nn.Module)
        == cltorch.typename(cltorch.nn.Module())
        == ("cltorch.nn.modules.module.Module")
    )


def test_backends_answer_what_programs_ask():
    b = cltorch.backends
    assert not any(m.is_available() for m in (b.cudnn, b.mps, b.mkl, b.mkldnn, b.openmp))
    assert not b.mps.is_built() and b.cuda.is_built() and b.cudnn.version() is None
    b.cudnn.benchmark = True
    with b.cudnn.flags(benchmark=False, deterministic=True):
        assert (b.cudnn.benchmark, b.cudnn.deterministic) == (False, True)
    assert (b.cudnn.benchmark, b.cudnn.deterministic) == (True, False)
    b.cudnn.benchmark = False
    b.cuda.matmul.allow_tf32 = False
    b.cudnn.set_flags(enabled=True), b.nnpack.set_flags(enabled=True)
    with b.mkldnn.flags(enabled=False):
        assert not b.mkldnn.enabled
    assert b.mkldnn.enabled and b.cudnn.conv.fp32_precision == b.fp32_precision == "none"
    assert b.quantized.engine in b.quantized.supported_engines and isinstance(b.cpu.get_cpu_capability(), str)
    assert not b.kleidiai.is_available() and b.cusparselt.version() is None
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"), b.cudnn.flags(speed=1):
        pass


def test_attention_by_blocks_can_be_forbidden():
    b, q = cltorch.backends.cuda, cltorch.rand(1, 2, 3, 4)
    arguments = b.SDPAParams(q, q, q, None, 0.0, False, False)
    by_blocks = cltorch.nn.functional.scaled_dot_product_attention(q, q, q)
    with pytest.warns(FutureWarning, match="Please see `torch.nn.attention.sdpa_kernel"):
        without = b.sdp_kernel(enable_flash=False, enable_mem_efficient=False, enable_cudnn=False)
    with without:
        assert b.math_sdp_enabled() and not b.flash_sdp_enabled() and not b.can_use_flash_attention(arguments)
        assert cltorch.allclose(cltorch.nn.functional.scaled_dot_product_attention(q, q, q), by_blocks)
    assert b.can_use_flash_attention(arguments) and b.is_flash_attention_available()
    b.enable_flash_sdp(False), b.enable_mem_efficient_sdp(False)
    try:
        assert not b.mem_efficient_sdp_enabled() and b.cudnn_sdp_enabled() and not b.can_use_flash_attention(arguments)
    finally:
        b.enable_flash_sdp(True), b.enable_mem_efficient_sdp(True)


def test_the_accelerator_is_the_opencl_device(device):
    a = cltorch.accelerator
    assert a.is_available() == cltorch.cl.is_available() and a.device_count() == cltorch.cl.device_count()
    if not a.is_available():
        assert a.current_accelerator() is None
        return
    place = a.current_accelerator(check_available=True)
    assert place.type == "cl" and place.index is None
    x = cltorch.ones(4, device=place)
    a.synchronize()
    assert x.device.index == a.current_device_index() == a.current_device_idx()
    assert 0 < a.memory_allocated() <= a.memory_reserved() and a.max_memory_allocated() >= a.memory_allocated()
    a.set_device_index(a.current_device_index())
    with a.device_index(0):
        assert a.current_device_index() == 0
    assert isinstance(a.current_stream(), cltorch.Stream)
    a.empty_cache()
    free, total = a.get_memory_info()
    assert 0 <= free <= total


def test_the_same_answers_as_torch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    names = [n for n in dir(torch.accelerator) if n in cltorch.accelerator.__all__]
    assert set(names) == set(cltorch.accelerator.__all__)  # nothing of our own invention
    for thing in (3, int, "x", [1], len):
        assert cltorch.typename(thing) == torch.typename(thing)
    for name in ("e", "pi", "inf", "newaxis"):
        assert getattr(cltorch, name) == getattr(torch, name)


def test_small_things_that_programs_ask():
    assert cltorch.finfo(cltorch.float32) == cltorch.finfo(cltorch.complex64) != cltorch.finfo(cltorch.float16)
    assert cltorch.iinfo(cltorch.int8) == cltorch.iinfo(cltorch.int8) != cltorch.iinfo(cltorch.uint8)
    assert len({cltorch.finfo(cltorch.float32), cltorch.finfo(cltorch.float32), cltorch.iinfo(cltorch.int8)}) == 2
    for wrong, words in ((("cpu", -1), "must not be negative"), (("cpu:01",), "Invalid device string: 'cpu:01'")):
        with pytest.raises(RuntimeError, match=words):
            cltorch.device(*wrong)
    generator = cltorch.Generator()
    assert generator.set_state(generator.get_state()) is generator
    storage = cltorch.ones(2).storage()
    assert not storage.is_pinned() and not storage.is_sparse and not storage.untyped().is_pinned()
    for call in (
        lambda: cltorch.result_type("a", 1), lambda: cltorch.std(cltorch.ones(2), unbiased=True, correction=1)
    ):  # fmt: skip
        with pytest.raises(TypeError, match="invalid combination of arguments"):
            call()
