"""What the probes found out about each device and driver, remembered on disk."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from cltorch.device import cachedir

FILE = "verdicts.json"
# raised whenever the probe asks more of a device than before, so that old verdicts do not count any longer
PROBE_VERSION = 1
# a refusal may have had a passing cause (a busy machine, a full disk), so it is looked into again after a day
REFUSAL_LASTS = 24 * 3600.0


@dataclass(frozen=True)
class Verdict:
    """Say whether a device, or a set of drivers, works; if not, at which stage it failed and with what words.

    ``stage`` is ``ok``, or where it ended: ``load``, ``build``, ``run``, ``result``, ``crash`` or ``timeout``.
    ``log`` is the driver's own text in full.
    """

    ok: bool
    stage: str
    reason: str
    log: str = ""
    seconds: float = 0.0
    when: float = 0.0


def device_key(platform_name: str, platform_version: str, device_name: str, driver: str) -> str:
    """Return the name under which the verdict on a device is remembered."""
    return " | ".join([f"probe {PROBE_VERSION}", platform_name, platform_version, device_name, driver])


def recall(key: str) -> Verdict | None:
    """Return the remembered verdict, or None when there is none or it is a refusal that is too old."""
    return _usable(_load().get(key))


def recall_all(keys: list[str]) -> list[Verdict | None]:
    """Return the remembered verdict for each key, with one reading of the file."""
    known = _load()
    return [_usable(known.get(key)) for key in keys]


def remember(new: dict[str, Verdict]) -> bool:
    """Add verdicts to the file; return False where it cannot be written, which only costs the next start its speed."""
    if not new:
        return True
    known = _load()
    known.update({key: asdict(verdict) for key, verdict in new.items()})
    # a key changes with every new driver; the oldest entries are of drivers long gone
    return cachedir.write_json(FILE, dict(list(known.items())[-200:]))


def _load() -> dict[str, Any]:
    known = cachedir.read_json(FILE)
    return known if isinstance(known, dict) else {}


def _usable(stored: Any) -> Verdict | None:
    try:
        verdict = Verdict(**stored)
        fresh = verdict.ok is True or 0 <= time.time() - verdict.when < REFUSAL_LASTS
    except TypeError:
        return None
    return verdict if fresh else None
