"""Ask drivers and devices whether they work, each in a child process, and remember the answers.

Two questions: can this set of drivers be asked for its devices at all (a driver may abort or hang the process that
loads it), and does a device build and run the probe kernels. pyopencl is not imported here.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from cltorch.device import home, icd, sandbox, templates, verdicts
from cltorch.device.icd import Icd
from cltorch.device.selection import Candidate
from cltorch.device.verdicts import Verdict

# the folder that loaders of this process and of its probes are pointed to, when it is not the system's own choice
_vendors: str | None = None


def drivers() -> list[Icd]:
    """Return the registered drivers and, unless the user chose them, an unregistered runtime of this Python."""
    found = icd.registered()
    if os.environ.get("OCL_ICD_VENDORS") or os.environ.get("OPENCL_VENDOR_PATH"):
        return found
    present = {os.path.realpath(driver.library) for driver in found}
    return found + [driver for driver in icd.dormant() if os.path.realpath(driver.library) not in present]


def screen(*, again: bool = False) -> tuple[bool, list[tuple[Icd, Verdict]]]:
    """Return whether this process may load the drivers now, and the drivers that are kept out of it, with the reason.

    Where the good drivers are not exactly those that the system has registered, the loader of this process is pointed
    to a folder in the cache that names them. ``again`` asks anew where there is a remembered answer.
    """
    home.ensure()
    everyone = drivers()
    wanted = _folder_for(everyone)
    together = _ask("drivers " + icd.fingerprint(everyone), wanted, again)
    if together.ok:
        _point(wanted)
        return True, []
    good, bad = [], []
    for driver in everyone:
        if not driver.library:  # a folder of ours would not have what the file does to a loader
            bad.append((driver, Verdict(False, "load", f"{driver.file} names no library")))
            continue
        alone = icd.compose([driver])
        verdict = _ask("drivers " + icd.fingerprint([driver]), alone, again) if alone else together
        if verdict.ok:
            good.append(driver)
        else:
            bad.append((driver, verdict))
    rest = icd.compose(good) if good and sys.platform != "win32" else None
    if not rest or not bad:
        # nothing is left, or the good cannot be had without the bad, or each is well alone but not all together
        return False, bad or [(driver, together) for driver in everyone]
    _point(rest)
    return True, bad


def judge(candidates: list[Candidate], *, again: bool = False) -> list[Verdict]:
    """Return a verdict for each device: the remembered one, or that of a probe that is made now."""
    keys = [verdicts.device_key(c.platform_name, c.platform_version, c.name, c.driver) for c in candidates]
    known = [None] * len(keys) if again else verdicts.recall_all(keys)
    new = {key: probe(candidate) for key, candidate, old in zip(keys, candidates, known, strict=True) if old is None}
    verdicts.remember(new)
    return [old or new[key] for key, old in zip(keys, known, strict=True)]


def probe(candidate: Candidate) -> Verdict:
    """Build and run the probe kernels on a device in a child process."""
    return _verdict(ask("check", candidate))


def ask(do: str, candidate: Candidate | None = None) -> dict[str, Any]:
    """Return the probe program's answer about a device, or about all when none is given."""
    question: dict[str, Any] = {"do": do, "vendors": _vendors}
    if candidate is not None:
        question["source"] = Path(templates.kernel_dir(), "probe.cl").read_text(encoding="utf-8")
        question["platform"], question["device"] = candidate.platform, candidate.device
        question["expect"] = [candidate.platform_name, candidate.name, candidate.driver]
    return sandbox.ask(question)


def _ask(key: str, vendors: str | None, again: bool) -> Verdict:
    known = None if again else verdicts.recall(key)
    if known is None:
        known = _verdict(sandbox.ask({"do": "list", "vendors": vendors}))
        verdicts.remember({key: known})
    return known


def _folder_for(everyone: list[Icd]) -> str | None:
    return None if everyone == icd.registered() else icd.compose(everyone)


def _point(vendors: str | None) -> None:
    global _vendors
    _vendors = vendors
    if vendors is not None:
        os.environ["OCL_ICD_VENDORS"] = vendors
        # the loader in PyOpenCL's wheel reads this place as well; what is good there is named in the folder
        os.environ["PYOPENCL_HOME"] = os.devnull


def _verdict(answer: dict[str, Any]) -> Verdict:
    return Verdict(
        ok=answer.get("ok", "platforms" in answer),
        stage=answer.get("stage", "ok"),
        reason=answer.get("reason", ""),
        log=answer.get("log") or "",
        seconds=round(answer.get("seconds", 0.0), 3),
        when=time.time(),
    )
