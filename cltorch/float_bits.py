"""Fractions of 8 and 16 bits as integers hold them: rounded from float32 and widened to it by integer arithmetic.

Sources: https://www.opencompute.org/documents/ocp-8-bit-floating-point-specification-ofp8-revision-1-0-2023-12-01-pdf-1,
https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf, and for the forms without a
negative zero https://arxiv.org/abs/2206.02915
"""

from __future__ import annotations

import numpy as np


def float_to_bfloat16(a: np.ndarray) -> np.ndarray:
    """Round float32 values to bfloat16 bits (uint16), to nearest even, NaN kept quiet."""
    bits = np.ascontiguousarray(a, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    nan = np.isnan(a)
    if nan.any():
        rounded = np.where(nan, (bits >> 16) | 0x40, rounded)
    return rounded.astype(np.uint16).reshape(np.shape(a))


def bfloat16_to_float(bits: np.ndarray) -> np.ndarray:
    """Widen bfloat16 bits (uint16) to float32 values."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


class Float8:
    """Describe how 8 bits hold a fraction; the kernels' prelude is written from the same numbers.

    ``mantissa`` is its number of bits, ``bias`` that of the exponent; ``largest`` is the code of the largest number,
    ``over`` what larger ones become and ``nan`` what NaN becomes. ``sign`` says whether there is a bit of a sign,
    ``negative_zero`` whether the code of the sign alone is a zero: where it is not, it is the only NaN.
    ``subnormal`` says whether the exponent 0 stands for numbers without a leading one.
    """

    __slots__ = ("mantissa", "bias", "largest", "over", "nan", "sign", "negative_zero", "subnormal", "_values")

    def __init__(self, mantissa: int, bias: int, largest: int, over: int, nan: int, sign: bool, negative_zero: bool):
        self.mantissa, self.bias, self.largest, self.over, self.nan = mantissa, bias, largest, over, nan
        self.sign, self.negative_zero, self.subnormal = sign, negative_zero, mantissa > 0
        self._values = self._widened()

    @property
    def infinity(self) -> bool:
        """Return whether one code stands for infinity."""
        return self.over not in (self.largest, self.nan)

    def _widened(self) -> np.ndarray:
        code = np.arange(256)
        size = code & (0x7F if self.sign else 0xFF)
        exponent, fraction = size >> self.mantissa, size & ((1 << self.mantissa) - 1)
        low = self.subnormal & (exponent == 0)
        steps = np.where(low, fraction, fraction + (1 << self.mantissa)).astype(np.float64)
        values = np.ldexp(steps, np.where(low, 1, exponent) - self.bias - self.mantissa)
        if self.infinity:
            values[size == self.over] = np.inf
        values[size > max(self.largest, self.over) if self.negative_zero else code == self.nan] = np.nan
        if self.sign:
            values = np.where((code & 0x80 != 0) & (self.negative_zero | (code != self.nan)), -values, values)
        return values.astype(np.float32)

    def widen(self, bits: np.ndarray) -> np.ndarray:
        """Return the float32 values of codes (uint8)."""
        return self._values[bits]

    def round(self, a: np.ndarray) -> np.ndarray:
        """Return the codes (uint8) nearest to float32 values, of two equally near ones the even one."""
        bits = np.asarray(a, np.float32).view(np.uint32)
        size = bits & np.uint32(0x7FFFFFFF)
        exponent, fraction = (size >> np.uint32(23)).astype(np.int32), size & np.uint32(0x7FFFFF)
        steps = np.where(exponent > 0, fraction | np.uint32(0x800000), fraction).astype(np.int64)
        exponent = np.maximum(exponent, 1)
        least = 128 - self.bias  # the exponent that float32 has of the smallest normal number
        shift = np.minimum(23 - self.mantissa + np.maximum(least - exponent, 0), 31)
        whole, rest, half = steps >> shift, steps & ((1 << shift) - 1), 1 << (shift - 1)
        whole += (rest > half) | ((rest == half) & ((whole & 1) == 1))
        code = (np.maximum(exponent - least, 0) << self.mantissa) + whole
        code = np.where(code > self.largest, self.over, code)
        code = np.where(size > 0x7F800000, self.nan, code)
        if not self.subnormal:
            code = np.where(size == 0x7F800000, self.nan, code)
        elif self.sign:
            signed = (code != self.nan) & (code != 0) if not self.negative_zero else True
            code = np.where(signed, code | ((bits >> np.uint32(24)) & np.uint32(0x80)), code)
        return code.astype(np.uint8)


# mantissa, bias, the codes of the largest number, of what is larger and of NaN, sign, negative zero
E4M3FN = Float8(3, 7, 0x7E, 0x7E, 0x7F, True, True)
E5M2 = Float8(2, 15, 0x7B, 0x7C, 0x7F, True, True)
E4M3FNUZ = Float8(3, 8, 0x7F, 0x80, 0x80, True, False)
E5M2FNUZ = Float8(2, 16, 0x7F, 0x80, 0x80, True, False)
E8M0FNU = Float8(0, 127, 0xFE, 0xFF, 0xFF, False, False)
