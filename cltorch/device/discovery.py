"""Find the OpenCL devices that work. A listed device is not a working device: each must run a probe kernel first.

Verdicts are remembered per driver in the cache folder, and drivers are first asked in a child process, so that one
that hangs or aborts is only a verdict.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

from cltorch.device import screening, selection
from cltorch.device.selection import Candidate
from cltorch.device.verdicts import Verdict

try:
    import pyopencl as cl
except ImportError as error:  # a loader that is missing or broken; Skipped says so, and the host device goes on working
    cl = None  # type: ignore[assignment]
    _import_error = str(error)


@dataclass(frozen=True)
class Found:
    """Hold a device that works. ``kind`` is ``gpu``, ``accelerator`` or ``cpu``."""

    cl_device: Any = field(repr=False)
    platform_name: str
    name: str
    kind: str
    driver: str
    verdict: Verdict


@dataclass(frozen=True)
class Skipped:
    """Name a device, or a driver, that is not used, and why. ``log`` is the driver's own text, often a compiler's."""

    platform_name: str
    name: str
    kind: str
    driver: str
    why: str
    log: str = ""


FORKED = (
    "Cannot use an OpenCL device in a forked subprocess: OpenCL does not survive fork. "
    "Use the 'spawn' start method (multiprocessing.get_context('spawn'))."
)


@dataclass(frozen=True)
class _Survey:
    found: list[Found]
    skipped: list[Skipped]


_lock = threading.Lock()
_survey: _Survey | None = None
_forked = False


def devices() -> list[Found]:
    """Return the working OpenCL devices, best first: GPU before accelerator before CPU.

    ``CLTORCH_PLATFORM`` and ``CLTORCH_DEVICE`` narrow the choice. Looked up once per process; an empty list means that
    there is none, and ``skipped()`` tells why.
    """
    return list(_once().found)


def skipped() -> list[Skipped]:
    """Return what was listed but is not used, with the reason."""
    return list(_once().skipped)


def none_available() -> str:
    """Return the message of the error that asks for a device where there is none: what was skipped, and what to do."""
    reasons = [f"{s.name or s.platform_name}: {s.why}".splitlines()[0] for s in skipped()]
    why = "; ".join(reasons) if reasons else "no driver is installed"
    return f"No OpenCL device is available ({why}). Run `python -m cltorch doctor` to see what there is and what to do."


def forked() -> bool:
    """Return whether drivers were loaded before this process was forked, after which none of them works here."""
    return _forked


def forget() -> None:
    """Make the next call look again, for instance after a change of the environment variables."""
    global _survey
    with _lock:
        _survey = None


def _once() -> _Survey:
    global _survey
    if _survey is None:
        with _lock:
            if _survey is None:
                _survey = _look()
    return _survey


def _look() -> _Survey:
    if selection.wants_none():
        return _Survey([], [Skipped("", "every device", "", "", "CLTORCH_DEVICE or CLTORCH_PLATFORM says none")])
    if cl is None:
        return _Survey([], [Skipped("", "pyopencl", "", "", f"PyOpenCL cannot be imported: {_import_error}")])
    may_load, kept_out = screening.screen()
    skipped = [
        Skipped("", driver.library or driver.file, "driver", "", verdict.reason, verdict.log)
        for driver, verdict in kept_out
    ]
    if not may_load:
        return _Survey([], skipped)
    handles = _listed(skipped)
    chosen, left_out = selection.choose(list(handles))
    skipped += [_skipped(candidate, why) for candidate, why in left_out]
    found = []
    for candidate, verdict in zip(chosen, screening.judge(chosen), strict=True):
        if verdict.ok:
            c = candidate
            found.append(Found(handles[c], c.platform_name, c.name, c.kind, c.driver, verdict))
        else:
            skipped.append(_skipped(candidate, verdict.reason, verdict.log))
    return _Survey(found, skipped)


def _listed(skipped: list[Skipped]) -> dict[Candidate, Any]:
    try:
        platforms = cl.get_platforms()
    except cl.Error:
        # the loader's way of saying that there is no platform
        return {}
    handles = {}
    for number, platform in enumerate(platforms):
        try:
            listed = platform.get_devices()
        except cl.Error as error:
            skipped.append(Skipped(platform.name, "", "", "", f"the platform lists no devices: {error}"))
            continue
        for index, device in enumerate(listed):
            try:
                handles[_candidate(number, index, platform, device)] = device
            except cl.Error as error:
                why = f"the driver does not describe it: {error}"
                skipped.append(Skipped(platform.name, f"device {index}", "", "", why))
    return handles


def _candidate(platform_index: int, index: int, platform: Any, device: Any) -> Candidate:
    kinds = cl.device_type
    kind = next((name for name in selection.RANK if device.type & getattr(kinds, name.upper())), "custom")
    return Candidate(
        platform=platform_index,
        device=index,
        platform_name=_text(platform.name),
        platform_version=_text(platform.version),
        name=_text(device.name),
        kind=kind,
        driver=_text(device.driver_version),
        fp64="cl_khr_fp64" in device.extensions,
        unified=bool(device.host_unified_memory),
    )


def _text(value: str) -> str:
    return value.replace("\0", "").strip()


def _skipped(candidate: Candidate, why: str, log: str = "") -> Skipped:
    return Skipped(candidate.platform_name, candidate.name, candidate.kind, candidate.driver, why, log)


def _note_fork() -> None:
    global _forked
    _forked = _forked or (_survey is not None and bool(_survey.found))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
