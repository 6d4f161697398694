"""A device profile that is forced upon every OpenCL device by ``CLTORCH_LIMITS``: what a lesser device would lack.

``CLTORCH_LIMITS=strict`` is the least that is supported; ``group=64,local=16K,dims=1`` and so on limits single
abilities, and ``strict,alloc=1G`` changes one of the profile. A limit never adds what the device lacks. A kernel that
does not keep to the forced limits is refused, as the lesser device would do, so that a test finds it.

| name | limits |
|---|---|
| ``group`` | work-items in a group |
| ``local`` | bytes of local memory; ``K``, ``M`` and ``G`` multiply by powers of 1024 |
| ``dims`` | dimensions in which a group may extend: 1, 2 or 3 |
| ``fp64``, ``fp16``, ``subgroups``, ``int64_atomics`` | 0 takes the ability away |
| ``c`` | the version of OpenCL C: 1.1, 1.2, 2.0, 3.0 or 3.1 |
| ``alloc`` | bytes of one buffer |
| ``slow_transfer`` | 1 makes copies between host and device take 20 µs and 1 ns per byte longer |
"""

from __future__ import annotations

import dataclasses
import os
import re
import time
from typing import Any

from cltorch.errors import BuildError, DeviceError

STRICT = "group=64,local=16K,dims=1,fp64=0,fp16=0,subgroups=0,int64_atomics=0,c=1.2,alloc=256M,slow_transfer=1"
_LATENCY, _PER_BYTE = 20e-6, 1e-9  # seconds
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_FLAGS = {"fp64": "fp64", "fp16": "fp16", "subgroups": "sub_groups", "int64_atomics": "int64_atomics"}
_SIZES = {"group": "max_work_group", "local": "local_mem", "dims": "max_dims", "alloc": "max_alloc"}
_VERSIONS = ("1.1", "1.2", "2.0", "3.0", "3.1")
# what a source must not use where the ability was taken away
_NEEDS = {
    # its type, and numbers without the letter of another one, which make what they stand beside double elsewhere
    "fp64": re.compile(
        r"\bdouble\d*\b|(?<![\w.])(?:(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|0[xX][\da-fA-F.]+[pP][+-]?\d+)(?![\w.])"
    ),
    "sub_groups": re.compile(r"\bsub_group_\w+|\bintel_sub_group_\w+|\bget_sub_group_\w+"),
    "int64_atomics": re.compile(r"\batom_\w+"),
}
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def parse(text: str) -> dict[str, Any]:
    """Return the limits that a value of ``CLTORCH_LIMITS`` names; raise ValueError for what it does not mean.

    >>> parse("group=64, local=16K, c=1.2")
    {'group': 64, 'local': 16384, 'c': '1.2'}
    """
    limits: dict[str, Any] = {}
    for part in text.split(","):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if name == "strict" and not sign:
            limits.update(parse(STRICT))
        elif name or sign:
            limits[name] = _value(name, value)
    return limits


def forced() -> dict[str, Any]:
    """Return the limits that the environment forces, empty where it forces none."""
    return parse(os.environ.get("CLTORCH_LIMITS", ""))


def lessened(caps: Any, limits: dict[str, Any]) -> Any:
    """Return a device's capabilities, each no better than the limits allow."""
    less: dict[str, Any] = {}
    for name, field in _SIZES.items():
        if name in limits:
            less[field] = min(getattr(caps, field), limits[name])
    for name, field in _FLAGS.items():
        if not limits.get(name, 1):
            less[field] = False
    if "c" in limits:
        less["c_version"] = min(caps.c_version, limits["c"], key=float)
    return dataclasses.replace(caps, **less)


def check_source(caps: Any, source: str, what: str) -> None:
    """Raise BuildError where OpenCL C uses what the forced limits took away."""
    code = None
    for field, pattern in _NEEDS.items():
        if not getattr(caps, field):
            code = _COMMENT.sub("", source) if code is None else code
            found = pattern.search(_without_macros(code))
            if found:
                raise BuildError(f"{what} uses {found.group()}, but CLTORCH_LIMITS takes {field} away")


def check_kernel(caps: Any, name: str, local_mem: int) -> None:
    """Raise BuildError where a kernel needs more local memory than the forced limits leave."""
    if local_mem > caps.local_mem:
        raise BuildError(f"kernel {name} needs {local_mem} bytes of local memory, of {caps.local_mem} (CLTORCH_LIMITS)")


def check_group(caps: Any, name: str, local_size: tuple[int, ...] | None) -> None:
    """Raise DeviceError where a work-group is larger, or has more dimensions, than the forced limits allow."""
    items, dims = 1, 0
    for number, size in enumerate(local_size or (), 1):
        items *= size
        dims = number if size > 1 else dims
    if items > caps.max_work_group or dims > caps.max_dims:
        raise DeviceError(
            f"launch of {name}: a group of {local_size}, but CLTORCH_LIMITS allows {caps.max_work_group} items "
            f"in {caps.max_dims} dimensions"
        )


def transfer(nbytes: int) -> None:
    """Wait as long as a slow connection between host and device takes."""
    time.sleep(_LATENCY + nbytes * _PER_BYTE)


def _without_macros(code: str) -> str:
    # a macro that nothing expands needs nothing of the device: the prelude defines some for doubles
    whole = code.replace("\\\n", " ")
    return "\n".join(line for line in whole.splitlines() if not line.lstrip().startswith("#"))


def _value(name: str, value: str) -> Any:
    if name in _FLAGS or name == "slow_transfer":
        if value in ("0", "1"):
            return int(value)
        raise _wrong(name, value, "0 or 1")
    if name == "c":
        if value in _VERSIONS:
            return value
        raise _wrong(name, value, "one of " + ", ".join(_VERSIONS))
    if name == "dims":
        if value in ("1", "2", "3"):
            return int(value)
        raise _wrong(name, value, "1, 2 or 3")
    if name in _SIZES:
        number = re.fullmatch(r"([1-9]\d*)([KMG]?)", value.upper())
        if number:
            return int(number.group(1)) * _UNITS[number.group(2)]
        raise _wrong(name, value, "a positive integer, K, M or G after it")
    known = ", ".join(("strict", *_SIZES, *_FLAGS, "c", "slow_transfer"))
    raise ValueError(f"CLTORCH_LIMITS: unknown limit {name!r}; known are {known}")


def _wrong(name: str, value: str, expected: str) -> ValueError:
    return ValueError(f"CLTORCH_LIMITS: {name}={value!r} is not {expected}")
