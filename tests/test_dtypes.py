"""dtypes as values, their limits, and bfloat16's bits."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cltorch
from cltorch.dtypes import ALL, bfloat16_to_float, float_to_bfloat16, from_numpy_dtype


@pytest.mark.parametrize("t", ALL, ids=lambda t: t.name)
def test_a_dtype_is_one_object(t):
    assert getattr(cltorch, t.name) is t and repr(t) == f"torch.{t.name}"
    assert pickle.loads(pickle.dumps(t)) is t and copy.deepcopy(t) is t and copy.copy(t) is t
    assert t.itemsize == cltorch.empty(1, dtype=t).element_size() and not t.is_complex and t.to_real() is t
    assert t.is_floating_point == (t.name in ("float16", "bfloat16", "float32", "float64"))
    assert t.is_signed == (t.name not in ("bool", "uint8"))


def test_other_names():
    names = {
        "half": "float16",
        "float": "float32",
        "double": "float64",
        "short": "int16",
        "int": "int32",
        "long": "int64",
    }
    for name, same in names.items():
        assert getattr(cltorch, name) is getattr(cltorch, same)


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_limits_of_floats_are_numpys(name):
    ours, numpys = cltorch.finfo(getattr(cltorch, name)), np.finfo(name)
    for field in ("bits", "eps", "max", "min", "tiny"):
        assert getattr(ours, field) == float(getattr(numpys, field))
    assert ours.resolution == 10.0**-numpys.precision  # NumPy rounds it to the dtype
    with pytest.raises(TypeError, match="must be torch.dtype, not str"):
        cltorch.finfo(name)
    assert ours.smallest_normal == ours.tiny and ours.dtype == name and f"dtype={name}" in repr(ours)


def test_limits_of_bfloat16_and_of_integers():
    b = cltorch.finfo(cltorch.bfloat16)
    assert (b.bits, b.eps, b.tiny, b.resolution) == (16, 0.0078125, 2.0**-126, 0.01)
    assert b.max == -b.min == 3.3895313892515355e38
    assert cltorch.finfo().dtype == "float32"
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        ours, numpys = cltorch.iinfo(getattr(cltorch, name)), np.iinfo(name)
        assert (ours.bits, ours.min, ours.max, ours.dtype) == (numpys.bits, numpys.min, numpys.max, name)
    for call, kind in ((cltorch.finfo, cltorch.int32), (cltorch.iinfo, cltorch.float32), (cltorch.iinfo, cltorch.bool)):
        with pytest.raises(TypeError, match="requires|not supported"):
            call(kind)


def test_the_default_dtype():
    try:
        cltorch.set_default_dtype(cltorch.float64)
        assert cltorch.get_default_dtype() is cltorch.float64
        assert cltorch.tensor([1.0]).dtype is cltorch.ones(1).dtype is cltorch.float64
        assert cltorch.tensor([1]).dtype is cltorch.int64 and cltorch.tensor([np.float32(1)]).dtype is not None
    finally:
        cltorch.set_default_dtype(cltorch.float32)
    for bad in (cltorch.int32, "float32"):
        with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
            cltorch.set_default_dtype(bad)
    with pytest.raises(TypeError, match="argument 'type2' .* must be torch.dtype, not str"):
        cltorch.promote_types(cltorch.int32, "x")


def test_types_of_numpy():
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64"):
        assert from_numpy_dtype(name) is getattr(cltorch, name) and from_numpy_dtype(np.dtype(name).newbyteorder(">"))
    for bad in ("longdouble", "U3", "O", "datetime64[s]"):
        with pytest.raises(TypeError, match="can't convert np.ndarray of type"):
            from_numpy_dtype(bad)


def test_bfloat16_rounds_to_nearest_even_and_keeps_nan_quiet():
    bits = np.arange(2**16, dtype=np.uint16)
    exact = bfloat16_to_float(bits)
    nan = np.isnan(exact)
    np.testing.assert_array_equal(float_to_bfloat16(exact)[~nan], bits[~nan])
    assert np.isnan(bfloat16_to_float(float_to_bfloat16(exact)))[nan].all()
    low, high = exact[0x3F80:0x4000].astype(np.float64), exact[0x3F81:0x4001].astype(np.float64)
    middle = ((low + high) / 2).astype(np.float32)
    even = np.where(bits[0x3F80:0x4000] % 2 == 0, low, high)
    np.testing.assert_array_equal(bfloat16_to_float(float_to_bfloat16(middle)), even)
    up = np.nextafter(middle, np.float32(np.inf))
    np.testing.assert_array_equal(bfloat16_to_float(float_to_bfloat16(up)), high)
    assert bfloat16_to_float(float_to_bfloat16(np.float32(3.4e38))) == np.inf
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)
    assert np.isnan(bfloat16_to_float(float_to_bfloat16(signalling))).all()


def test_dtypes_that_are_names():
    for name, size in (("float4_e2m1fn_x2", 1), ("uint7", 1), ("bits16", 2), ("qint32", 4), ("int4", 1)):
        t = getattr(cltorch, name)
        assert isinstance(t, cltorch.dtype) and repr(t) == f"torch.{name}" and t.itemsize == size
        assert pickle.loads(pickle.dumps(t)) is t and copy.deepcopy(t) is t and {t: 1}[t] == 1
        assert t.is_floating_point == name.startswith("float") and cltorch.promote_types(t, t) is t
        x = cltorch.ones(2)
        for use in (
            lambda t=t: cltorch.zeros(2, dtype=t),
            lambda t=t: cltorch.empty(2, dtype=t),
            lambda t=t: cltorch.tensor([1.0], dtype=t),
            lambda t=t, x=x: x.to(t),
            lambda t=t, x=x: x.view(t),
            lambda t=t: cltorch.randn(2, dtype=t),
        ):
            with pytest.raises((NotImplementedError, RuntimeError)):
                use()
        with pytest.raises(RuntimeError, match="promotion of"):
            cltorch.promote_types(t, cltorch.float32)
    e5m2, u16 = cltorch.finfo(cltorch.float8_e5m2), cltorch.iinfo(cltorch.uint16)
    assert (e5m2.bits, e5m2.max, e5m2.min, e5m2.eps, e5m2.tiny) == (8, 57344.0, -57344.0, 0.25, 2.0**-14)
    assert (u16.min, u16.max, u16.bits) == (0, 65535, 16)


def test_types_of_python_stand_for_dtypes():
    assert cltorch.finfo(float) == cltorch.finfo(cltorch.float64) == cltorch.finfo(complex)
    assert cltorch.iinfo(int) == cltorch.iinfo(cltorch.int64)
    assert cltorch.promote_types(float, cltorch.int32) is cltorch.float64
    assert cltorch.can_cast(int, float) and not cltorch.can_cast(float, int)
    assert cltorch.zeros(2, dtype=cltorch.int64).view(float).dtype is cltorch.float64
    for call in (lambda: cltorch.finfo(str), lambda: cltorch.iinfo("int8"), lambda: cltorch.can_cast(str, int)):
        with pytest.raises(TypeError, match="must be torch.dtype, not"):
            call()
    for wrong in (bool, cltorch.bool):
        with pytest.raises(TypeError, match=r"torch\.bool is not supported by torch\.iinfo"):
            cltorch.iinfo(wrong)
    for wrong in (float, cltorch.complex64):
        with pytest.raises(TypeError, match="requires an integer input type"):
            cltorch.iinfo(wrong)


def test_a_dtype_is_not_taken_for_one_of_numpy():
    # libraries ask for NumPy's attribute to tell its floating-point types, where PyTorch's have none
    assert not hasattr(cltorch.float32, "kind") and not hasattr(cltorch.int4, "kind")
