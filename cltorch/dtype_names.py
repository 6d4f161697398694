"""Dtypes that are names here: programs ask for them, compare and print them, and no operator computes with them.

Source: https://docs.pytorch.org/docs/2.13/tensor_attributes.html
"""

from __future__ import annotations

from typing import Any

from cltorch.dtypes import dtype, register


class named_dtype(dtype):
    """Describe an element type that tensors cannot have: what would compute or store raises NotImplementedError.

    >>> import cltorch as torch
    >>> torch.int4.itemsize, torch.int4.is_floating_point
    (1, False)
    >>> torch.zeros(2, dtype=torch.int4)
    Traceback (most recent call last):
    NotImplementedError: torch.int4 is a dtype without operators here
    """

    __slots__ = ()

    def __init__(self, name: str, itemsize: int, family: str, limits: tuple[float, float, float, float] | None = None):
        self.name, self.itemsize, self.family, self.tag, self.limits = name, itemsize, family, name, limits
        self.is_floating_point, self.is_complex = family == "f", False
        self.is_signed = family in "if"
        self.differentiable = family == "f"
        self.few, self.form, self.rare, self.opaque = "", None, False, False
        register(self)

    def __getattribute__(self, name: str) -> Any:
        if name in ("np", "wide", "ctype", "compute"):  # what kernels, the host and storages ask of a dtype
            raise NotImplementedError(f"{self!r} is a dtype without operators here")
        return super().__getattribute__(name)


float4_e2m1fn_x2 = named_dtype("float4_e2m1fn_x2", 1, "f")  # two numbers in a byte
int1, int2, int3, int4, int5, int6, int7 = (named_dtype(f"int{n}", 1, "i") for n in range(1, 8))
uint1, uint2, uint3, uint4, uint5, uint6, uint7 = (named_dtype(f"uint{n}", 1, "u") for n in range(1, 8))
bits1x8, bits2x4, bits4x2, bits8 = (named_dtype(f"bits{n}", 1, "u") for n in ("1x8", "2x4", "4x2", "8"))
bits16 = named_dtype("bits16", 2, "u")
quint2x4, quint4x2, quint8 = (named_dtype(f"quint{n}", 1, "u") for n in ("2x4", "4x2", "8"))
qint8, qint32 = named_dtype("qint8", 1, "i"), named_dtype("qint32", 4, "i")
