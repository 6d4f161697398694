"""The database of kernel parameters: what a plan asks for tile sizes, vector widths, unrolling and ways of doing it.

A kernel has defaults per class of device (``tuning_defaults``), which are good without anything else. For one device
and driver, ``python -m cltorch tune`` may have found better ones; they are in the file ``tuning.json`` of the user's
cache folder, or where ``CLTORCH_TUNING`` says; ``CLTORCH_TUNING=off`` leaves only the defaults. The file is read once,
when the first plan asks; what it says is part of the plan, and a launch knows nothing of it.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cltorch.device import cachedir
from cltorch.ops.tuning_defaults import KERNELS

FILE, FORMAT = "tuning.json", 1
Parameters = Mapping[str, Any]
_MOST_ITEMS = 256  # in a work-group: what every GPU has
_MOST_SUMS = 128  # of one work-item in registers
_VENDORS = (("nvidia", "nvidia"), ("advanced micro devices", "amd"), ("amd", "amd"), ("intel", "intel"))


def device_class(caps: Any) -> str:
    """Return the class of a device whose defaults it takes, from its kind, vector width and vendor.

    cpu-avx512, cpu-avx2 and cpu have float vectors of 16, 8 and fewer elements; nvidia, amd and intel are GPUs; gpu is
    every other device that is no processor.
    """
    if caps.kind == "cpu":
        return "cpu-avx512" if caps.float_width >= 16 else "cpu-avx2" if caps.float_width >= 8 else "cpu"
    vendor = caps.vendor.lower()
    return next((name for word, name in _VENDORS if word in vendor), "gpu")


def device_key(caps: Any) -> str:
    """Return the name under which a device with its driver is kept in the file."""
    return f"{caps.name} | {caps.driver}"


def parameters(context: Any, kernel: str, itemsize: int = 4) -> Parameters:
    """Return a kernel's parameters on a device, for elements of ``itemsize`` bytes in arithmetic; for plans only."""
    key = f"parameters of {kernel}, {itemsize}"
    found = context.ready.get(key)
    if found is None:
        found = context.ready[key] = next(fitting(context, kernel, itemsize))
    return found


def fitting(context: Any, kernel: str, itemsize: int = 4) -> Iterator[Parameters]:
    """Yield the sets of parameters that fit a device, the one to take first, ever more modest ones after it."""
    last: Parameters | None = None
    for last in _wanted(context, kernel):
        if not misfit(kernel, last, context.caps, itemsize):
            yield last
    assert last is not None
    yield last  # a device too small even for the smallest: its own words about that are the best there are


def group_items(context: Any, kernel: str) -> int:
    """Return the size of a kernel's work-groups, a power of two that the device allows."""
    size: int = parameters(context, kernel)["group_items"]
    return size


def source(context: Any, kernel: str) -> str:
    """Return where a kernel's parameters on a device come from: ``tuned``, or the class of the device."""
    return "tuned" if _stored_for(context, kernel) is not None else device_class(context.caps)


def default(caps: Any, kernel: str) -> Parameters:
    """Return the parameters of a device's class."""
    row: dict[str, Any] = KERNELS[kernel]
    found: Parameters = row.get(device_class(caps)) or row["gpu" if "gpu" in row else "cpu"]
    return found


def try_out(context: Any, kernel: str, chosen: Parameters | None) -> None:
    """Make a device take these parameters for plans made from now on; None restores what it had."""
    if chosen is None:
        context.ready.pop(_trial(kernel), None)
    else:
        context.ready[_trial(kernel)] = dict(chosen)
    for key in list(context.ready):
        if isinstance(key, tuple) or key.startswith(f"parameters of {kernel}, "):
            context.ready.pop(key, None)


def _trial(kernel: str) -> str:
    return f"parameters of {kernel} on trial"


def _wanted(context: Any, kernel: str) -> Iterator[Parameters]:
    for chosen in (context.ready.get(_trial(kernel)), _stored_for(context, kernel)):
        if chosen is not None:
            yield chosen
    yield default(context.caps, kernel)
    yield from KERNELS[kernel].get("smaller", ())


# ---- what goes together ------------------------------------------------------------------------------------------


def misfit(kernel: str, p: Parameters, caps: Any, itemsize: int = 4) -> str:
    """Return why parameters do not go together or are too much for a device; an empty text if they fit."""
    if "block_rows" in p:
        return _block_misfit(p, caps, itemsize, "convolution" in kernel)
    if "group_items" in p:
        return "" if p["group_items"] <= caps.max_work_group else "the device's work-groups are smaller"
    for rows, vectors in (("tile_rows", "tile_vectors"), ("flat_rows", "flat_lanes")):
        if rows in p and (p[rows] + 1) * p[vectors] + 1 > 32:
            return "the tile does not fit the registers"
    return ""


def _block_misfit(p: Parameters, caps: Any, itemsize: int, convolution: bool) -> str:
    rows, columns, depth = p["block_rows"], p["block_columns"], p["block_depth"]
    items = p["group_rows"] * p["group_columns"]
    width, unroll = p.get("vector_width", 1), p.get("unroll", 1)
    if items > min(_MOST_ITEMS, caps.max_work_group):
        return "the device's work-groups are smaller"
    if depth * (rows + columns + 2 * width) * itemsize > caps.local_mem:
        return "the blocks do not fit the local memory"
    if rows % (p["group_rows"] * width) or columns % (p["group_columns"] * width) or depth % unroll:
        return "the group does not divide the block"
    if rows * columns > _MOST_SUMS * items:
        return "a work-item's part does not fit its registers"
    if convolution and (items % columns or items % depth or columns * depth % items):
        return "the group does not divide the columns and the depth"
    return ""


def valid(kernel: str, p: Any) -> str:
    """Return what is wrong with parameters as such, on whatever device; an empty text if nothing."""
    row = KERNELS.get(kernel)
    if row is None:
        return "there is no kernel of that name"
    values: dict[str, tuple[Any, ...]] = row["values"]
    if not isinstance(p, dict) or set(p) != set(values):
        return f"its parameters are not {', '.join(values)}"
    for name, allowed in values.items():
        if type(p[name]) is not type(allowed[0]) or p[name] not in allowed:
            return f"{name} is {p[name]!r}, which is none of {', '.join(map(str, allowed))}"
    return ""


# ---- the file ----------------------------------------------------------------------------------------------------


def path() -> Path | None:
    """Return the file of tuned parameters, which need not exist; None where there shall be none or no home is."""
    chosen = os.environ.get("CLTORCH_TUNING", "")
    if chosen == "off":
        return None
    folder = cachedir.folder()
    return Path(chosen) if chosen else folder / FILE if folder is not None else None


def read(file: Path) -> dict[str, Any]:
    """Return {device: {kernel: entry}} of a file, nothing where there is none; raise ValueError for another file."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    devices = found.get("devices") if isinstance(found, dict) and found.get("format") == FORMAT else None
    if not isinstance(devices, dict) or not all(isinstance(kernels, dict) for kernels in devices.values()):
        raise ValueError(f"{file} does not hold tuned parameters of format {FORMAT}")
    return devices


def remember(caps: Any, kernel: str, entry: dict[str, Any]) -> Path:
    """Add a device's entry for a kernel to the file, which is written whole or not at all; return the file.

    ``entry`` has ``parameters`` and whatever else is worth keeping. Raise OSError where the file cannot be written,
    ValueError where it is another's.
    """
    file = path()
    if file is None:
        raise OSError("there is no file for tuned parameters: CLTORCH_TUNING is off, or there is no home folder")
    devices = read(file)
    devices.setdefault(device_key(caps), {})[kernel] = entry
    # an absolute path stands for itself in the cache folder too
    if not cachedir.write_json(str(file.absolute()), {"format": FORMAT, "devices": devices}):
        raise OSError(f"{file} cannot be written")
    forget()
    return file


def forget() -> None:
    """Make the next question read the file again."""
    _stored.cache_clear()


@cache
def _stored() -> dict[str, Any]:
    file = path()
    if file is None:
        return {}
    try:
        return read(file)
    except ValueError as error:
        warnings.warn(f"tuned parameters are left out: {error}", stacklevel=2)
        return {}


def _stored_for(context: Any, kernel: str) -> Parameters | None:
    caps = context.caps
    kernels = _stored().get(device_key(caps), {})
    _check_names(device_key(caps), tuple(kernels))
    entry = kernels.get(kernel)
    if entry is None:
        return None
    p = entry.get("parameters") if isinstance(entry, dict) else None
    wrong = valid(kernel, p) or misfit(kernel, p, caps)  # type: ignore[arg-type]
    if wrong:
        _warn(kernel, device_key(caps), wrong)
        return None
    return p


@cache
def _check_names(device: str, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in KERNELS:
            _warn(name, device, "there is no kernel of that name")


@cache
def _warn(kernel: str, device: str, wrong: str) -> None:
    warnings.warn(f"{path()}: the entry {kernel!r} for {device} is left out: {wrong}", stacklevel=3)
