"""Data types, their categories and PyTorch's promotion rules.

Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch import float_bits
from cltorch.float_bits import Float8, bfloat16_to_float, float_to_bfloat16


class dtype:
    """Describe an element type.

    ``np`` is the NumPy type of the stored bits (bfloat16 is stored as uint16), ``ctype`` the OpenCL C storage type,
    ``compute`` the OpenCL C type that arithmetic uses, ``family`` one of ``b`` bool, ``u`` unsigned, ``i`` signed,
    ``f`` floating point, ``c`` complex (real and imaginary part side by side in memory). ``few`` names the group of a
    dtype for which PyTorch has few operators ("unsigned", "float8", "scale"), ``form`` says how 8 bits hold a fraction.
    Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html
    """

    __slots__ = (
        "name", "itemsize", "np", "family", "ctype", "compute", "tag", "is_floating_point", "is_signed", "wide",
        "is_complex", "differentiable", "limits", "few", "rare", "form", "opaque",
    )  # fmt: skip

    def __init__(
        self, name: str, itemsize: int, npname: str, family: str, ctype: str, compute: str, tag: str, few: str = "",
        form: Float8 | None = None, limits: tuple[float, float, float, float] | None = None,
    ) -> None:  # fmt: skip
        self.name, self.itemsize, self.family, self.ctype, self.compute, self.tag = (
            name,
            itemsize,
            family,
            ctype,
            compute,
            tag,
        )
        self.np = np.dtype(npname)
        self.is_floating_point = family == "f"
        self.is_signed = family in "ifc" and (form is None or form.sign)
        self.is_complex = family == "c"
        self.differentiable = family in "fc"  # whether its tensors may require gradients
        self.limits = limits  # where NumPy does not know them: eps, the largest, the smallest, the smallest normal
        self.few, self.form = few, form
        self.rare = self.is_complex or few != ""  # whether operators have to say that they take it
        # the NumPy type in which the host computes: small fractions are storage types, so they widen to float32
        small = itemsize < (8 if family == "c" else 4)
        self.wide = np.dtype("complex64" if family == "c" else "float32") if family in "fc" and small else self.np
        self.opaque = self.np.kind != family  # whether NumPy has no type for it: its bits

    def widen(self, bits: np.ndarray) -> np.ndarray:
        """Return stored bits as NumPy's values, those of a type that it does not know as float32 or complex64."""
        if not self.opaque:
            return bits
        if self.is_complex:
            return np.ascontiguousarray(bits)[..., None].view(np.float16).astype(np.float32).view(np.complex64)[..., 0]
        return bfloat16_to_float(bits) if self.form is None else self.form.widen(bits)

    def round(self, a: np.ndarray) -> np.ndarray:
        """Return NumPy's values as the stored bits of a type that it does not know, by way of float32."""
        if self.is_complex:
            a = np.asarray(a, np.complex64)
            return np.stack([a.real, a.imag], -1).astype(np.float16).view(np.uint32)[..., 0]
        a = np.asarray(a, np.float32)
        return float_to_bfloat16(a) if self.form is None else self.form.round(a)

    def to_real(self) -> dtype:
        """Return the dtype of the parts of a complex dtype; any other itself."""
        return _PARTS.get(self, self)

    def to_complex(self) -> dtype:
        """Return the complex dtype whose parts can hold this dtype's values.

        bfloat16 gives complex64, and integers give the default complex dtype. Raises RuntimeError for the dtypes that
        have few operators.
        """
        if self.few:
            raise RuntimeError(f"Unknown Complex ScalarType for {TYPE_NAMES[self]}")
        return self if self.is_complex else _WHOLES.get(self) or _WHOLES[_default]

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (by_name, (self.name,))

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: Any) -> dtype:
        return self


bool_ = dtype("bool", 1, "bool", "b", "uchar", "int", "b8")
uint8 = dtype("uint8", 1, "uint8", "u", "uchar", "uchar", "u8")
int8 = dtype("int8", 1, "int8", "i", "char", "char", "i8")
int16 = dtype("int16", 2, "int16", "i", "short", "short", "i16")
int32 = dtype("int32", 4, "int32", "i", "int", "int", "i32")
int64 = dtype("int64", 8, "int64", "i", "long", "long", "i64")
float16 = dtype("float16", 2, "float16", "f", "half", "float", "f16")
bfloat16 = dtype("bfloat16", 2, "uint16", "f", "ushort", "float", "bf16")
float32 = dtype("float32", 4, "float32", "f", "float", "float", "f32")
float64 = dtype("float64", 8, "float64", "f", "double", "double", "f64")
uint16 = dtype("uint16", 2, "uint16", "u", "ushort", "ushort", "u16", "unsigned")
uint32 = dtype("uint32", 4, "uint32", "u", "uint", "uint", "u32", "unsigned")
uint64 = dtype("uint64", 8, "uint64", "u", "ulong", "ulong", "u64", "unsigned")
# limits: eps, the largest and the smallest value, the smallest normal number
float8_e4m3fn = dtype(
    "float8_e4m3fn", 1, "uint8", "f", "uchar", "float", "f8e4m3fn", "float8", float_bits.E4M3FN,
    (2.0**-3, 448.0, -448.0, 2.0**-6),
)  # fmt: skip
float8_e5m2 = dtype(
    "float8_e5m2", 1, "uint8", "f", "uchar", "float", "f8e5m2", "float8", float_bits.E5M2,
    (2.0**-2, 57344.0, -57344.0, 2.0**-14),
)  # fmt: skip
float8_e4m3fnuz = dtype(
    "float8_e4m3fnuz", 1, "uint8", "f", "uchar", "float", "f8e4m3fnuz", "float8", float_bits.E4M3FNUZ,
    (2.0**-3, 240.0, -240.0, 2.0**-7),
)  # fmt: skip
float8_e5m2fnuz = dtype(
    "float8_e5m2fnuz", 1, "uint8", "f", "uchar", "float", "f8e5m2fnuz", "float8", float_bits.E5M2FNUZ,
    (2.0**-3, 57344.0, -57344.0, 2.0**-15),
)  # fmt: skip
float8_e8m0fnu = dtype(
    "float8_e8m0fnu", 1, "uint8", "f", "uchar", "float", "f8e8m0fnu", "scale", float_bits.E8M0FNU,
    (1.0, 2.0**127, 2.0**-127, 2.0**-127),
)  # fmt: skip
complex32 = dtype("complex32", 4, "uint32", "c", "half2", "half2", "c32")  # NumPy has no type for it: its bits
complex64 = dtype("complex64", 8, "complex64", "c", "float2", "float2", "c64")
complex128 = dtype("complex128", 16, "complex128", "c", "double2", "double2", "c128")

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
FLOATS = (float16, bfloat16, float32, float64)
INTS = (uint8, int8, int16, int32, int64)
UNSIGNED = (uint16, uint32, uint64)
FLOAT8 = (float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu)
#: the tags of the dtypes that kernels read as float and round again by functions of the prelude
STORAGE_TAGS = tuple(t.tag for t in (float16, bfloat16, *FLOAT8))
COMPLEX = (complex32, complex64, complex128)  # complex32 is a storage type: it converts, and has no arithmetic
_PARTS = {complex32: float16, complex64: float32, complex128: float64}
_WHOLES = {**{part: whole for whole, part in _PARTS.items()}, bfloat16: complex64}
_BY_NAME = {t.name: t for t in (*ALL, *UNSIGNED, *FLOAT8, *COMPLEX)}
_BY_NAME.update(chalf=complex32, cfloat=complex64, cdouble=complex128)
_BY_NAME.update(half=float16, float=float32, double=float64, short=int16, int=int32, long=int64)
_BY_NUMPY = {t.np: t for t in (*ALL, *UNSIGNED, complex64, complex128) if not t.opaque}
_default = float32
on_default_change: list[Callable[[], None]] = []  # called after set_default_dtype, for who keeps a result's dtype

# category order of PyTorch's type promotion: bool < integer < floating point < complex
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def register(t: dtype) -> None:
    """Make a dtype known by its name."""
    _BY_NAME[t.name] = t


def by_name(name: str) -> dtype:
    """Return the dtype called ``name`` ("float32", "half", "long", …)."""
    return _BY_NAME[name]


def of_numpy(t: np.dtype) -> dtype | None:
    """Return the dtype of a NumPy type in the machine's byte order, None for one that has no counterpart."""
    return _BY_NUMPY.get(t)


def from_numpy_dtype(t: Any) -> dtype:
    """Return the dtype of a NumPy type; raise TypeError for one that has no counterpart."""
    t = np.dtype(t)
    found = _BY_NUMPY.get(t.newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type {t}. The only supported types are: float64, float32, float16, "
            "complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        )
    return found


def category(t: dtype) -> int:
    """Return 0 for bool, 1 for integers, 2 for floating point, 3 for complex."""
    return _CATEGORY[t.family]


def _promote(a: dtype, b: dtype) -> dtype:
    """Return the dtype that holds both; raise RuntimeError where PyTorch has none."""
    if a is b:
        return a
    if a.few or b.few:
        for x, other in ((a, b), (b, a)):
            if other.few == "unsigned" and x.family == "f" and not x.few:
                return x
        groups = "Float8 Types" if "f" in (a.few and a.family, b.few and b.family) else "uint16, uint32, uint64 types"
        raise RuntimeError(
            f"Promotion for {groups} is not supported, attempted to promote {TYPE_NAMES[a]} and {TYPE_NAMES[b]}"
        )
    ca, cb = category(a), category(b)
    if ca + cb == 5:  # a complex and a floating type: the parts hold both
        return _WHOLES[_promote(a.to_real(), b.to_real())]
    if ca != cb:
        return a if ca > cb else b
    if ca >= 2:
        if {a, b} == {float16, bfloat16}:
            return float32
        return a if a.itemsize >= b.itemsize else b
    if a.family == b.family:
        return a if a.itemsize >= b.itemsize else b
    signed, unsigned = (a, b) if a.family == "i" else (b, a)
    if signed.itemsize > unsigned.itemsize:
        return signed
    return {1: int16, 2: int32, 4: int64}[unsigned.itemsize]


# the dtypes that Python's own types stand for, wherever a dtype is asked for
OF_PYTHON: dict[Any, dtype] = {float: float64, int: int64, bool: bool_, complex: complex128}


def _given(function: str, name: str, value: Any, position: int = 1) -> dtype:
    """Return the dtype that an argument is, or that a Python type stands for. Raises TypeError for anything else."""
    if isinstance(value, dtype):
        return value
    found = OF_PYTHON.get(value) if isinstance(value, type) else None
    if found is None:
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be torch.dtype, not {type(value).__name__}"
        )
    return found


_PROMOTED: dict[tuple[dtype, dtype], dtype] = {}  # the pairs that there were


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Return the smallest dtype that holds both.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.promote_types.html

    >>> import cltorch as torch
    >>> torch.promote_types(torch.uint8, torch.int8)
    torch.int16
    """
    found = _PROMOTED.get((type1, type2))
    if found is None:
        type1, type2 = OF_PYTHON.get(type1, type1), OF_PYTHON.get(type2, type2)
    if found is None and isinstance(type1, dtype) and isinstance(type2, dtype):
        if type1 is type2:
            return type1
        if type1 not in TYPE_NAMES or type2 not in TYPE_NAMES:
            raise RuntimeError(f"promotion of {type1} and {type2} is not supported")
        _PROMOTED[type1, type2] = found = _promote(type1, type2)
        return found
    if found is None:
        i, bad = (1, type1) if not isinstance(type1, dtype) else (2, type2)
        raise TypeError(
            f"promote_types(): argument 'type{i}' (position {i}) must be torch.dtype, not {type(bad).__name__}"
        )
    return found


def can_cast(from_: dtype, to: dtype) -> bool:
    """Return whether PyTorch's casting rules allow storing ``from_`` in ``to`` (the category must not shrink).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.can_cast.html

    >>> import cltorch as torch
    >>> torch.can_cast(torch.float32, torch.int64)
    False
    """
    return category(_given("can_cast", "from_", from_, 1)) <= category(_given("can_cast", "to", to, 2))


def scalar_dtype(value: Any) -> dtype:
    """Return the dtype that a Python scalar stands for: bool, int64, or the default floating or complex type."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    return _WHOLES[_default] if isinstance(value, complex) else _default


def get_default_dtype() -> dtype:
    """Return the floating-point dtype of new tensors made from Python floats.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_default_dtype.html

    >>> import cltorch as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the floating-point dtype of new tensors.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_default_dtype.html

    >>> import cltorch as torch
    >>> torch.set_default_dtype(torch.float64); torch.tensor([1.0]).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    global _default
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    if d.few:
        raise TypeError(f"couldn't find storage object {TYPE_NAMES[d]}Storage")
    if d is not _default:
        _ = d.np  # a dtype that is a name: raises
        _default = d
        for notify in on_default_change:
            notify()


class finfo:
    """Hold the numerical limits of a floating-point dtype, or of the parts of a complex one.

    Source: https://docs.pytorch.org/docs/2.13/type_info.html

    >>> import cltorch as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None) -> None:
        t = _default if type is None else _given("finfo", "type", type)
        if not t.differentiable:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{t.name}'")
        t = t.to_real()
        self.dtype = t.name
        self.bits = t.itemsize * 8
        if t is bfloat16:
            self.eps, self.max, self.tiny = 2.0**-7, (2 - 2.0**-7) * 2.0**127, 2.0**-126
            self.resolution = 0.01
        elif t.limits is not None:
            self.eps, self.max, _, self.tiny = t.limits
            self.resolution = 1.0
        else:
            i = np.finfo(t.np)
            self.eps, self.max, self.tiny, self.resolution = (
                float(i.eps),
                float(i.max),
                float(i.tiny),
                10.0**-i.precision,
            )
        self.min = -self.max if t.limits is None else t.limits[2]
        self.smallest_normal = self.tiny

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Hold the numerical limits of an integer dtype.

    Source: https://docs.pytorch.org/docs/2.13/type_info.html

    >>> import cltorch as torch
    >>> torch.iinfo(torch.int8).max
    127
    """

    def __init__(self, type: dtype) -> None:
        t = _given("iinfo", "type", type)
        if t.is_floating_point or t.is_complex:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{t.name}'")
        if t is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if t.limits is not None:
            self.max, self.min = int(t.limits[1]), int(t.limits[2])
        else:
            i = np.iinfo(t.np)
            self.min, self.max = int(i.min), int(i.max)
        self.dtype, self.bits = t.name, t.itemsize * 8

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


# how PyTorch names the types of C++ in its messages
C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int",
    "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex32": "c10::complex<c10::Half>", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
    **{t.name: f"c10::F{t.name[1:]}" for t in FLOAT8},
    "uint16": "short unsigned int", "uint32": "unsigned int", "uint64": "long unsigned int",
}  # fmt: skip
#: the names that dtypes have in C++, and so in PyTorch's messages and typed classes
TYPE_NAMES = {
    bool_: "Bool", uint8: "Byte", int8: "Char", int16: "Short", int32: "Int", int64: "Long", float16: "Half",
    bfloat16: "BFloat16", float32: "Float", float64: "Double", complex32: "ComplexHalf", complex64: "ComplexFloat",
    complex128: "ComplexDouble", uint16: "UInt16", uint32: "UInt32", uint64: "UInt64",
    **{t: f"F{t.name[1:]}" for t in FLOAT8},
}  # fmt: skip
