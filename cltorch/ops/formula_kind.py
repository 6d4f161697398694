"""What a formula asks of the numbers it is read for: whether they are floating point, complex, or bool."""

from __future__ import annotations


def _family(x):
    t = getattr(x, "dtype", None)  # ours, or NumPy's, which calls it kind
    return getattr(t, "family", None) or getattr(t, "kind", "")


def m_is_float(m, x):
    """Return whether a formula's operand is floating point, whoever reads it."""
    compute = getattr(m, "compute", None)
    return compute.is_floating_point if compute is not None else _family(x) == "f"


def m_is_complex(m, x):
    """Return whether a formula is read for complex numbers, whoever reads it."""
    return getattr(m, "is_complex", False) is True or _family(x) == "c"


def m_is_bool(m, x):
    """Return whether a formula's operand is bool, whoever reads it."""
    compute = getattr(m, "compute", None)
    return compute.family == "b" if compute is not None else _family(x) == "b"
