"""What a formula asks of the numbers it is read for: whether they are floating point, complex, or bool."""

from __future__ import annotations


def m_is_float(m, x):
    """Return whether a formula's operand is floating point, whoever reads it."""
    compute = getattr(m, "compute", None)
    return compute.is_floating_point if compute is not None else getattr(x.dtype, "kind", "") == "f"


def m_is_complex(m, x):
    """Return whether a formula is read for complex numbers, whoever reads it."""
    return getattr(m, "is_complex", False) is True or getattr(getattr(x, "dtype", None), "kind", "") == "c"


def m_is_bool(m, x):
    """Return whether a formula's operand is bool, whoever reads it."""
    compute = getattr(m, "compute", None)
    return compute.kind == "b" if compute is not None else getattr(x.dtype, "kind", "") == "b"
