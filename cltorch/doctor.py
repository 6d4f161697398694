"""``python -m cltorch doctor``: every OpenCL driver, platform and device, the verdict on each, and what to do.

Everything that touches a driver happens in child processes with a time limit, so that the doctor survives any of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import textwrap
from importlib import metadata
from typing import Any

from cltorch.device import cachedir, icd, remedies, sandbox, screening, selection
from cltorch.device.selection import Candidate

VARIABLES = (
    "CLTORCH_PLATFORM", "CLTORCH_DEVICE", "CLTORCH_LIMITS", "CLTORCH_CACHE", "CLTORCH_PROBE_TIMEOUT",
    "CLTORCH_BUILD_TIMEOUT", "CLTORCH_DEBUG", *icd.VARIABLES,
)  # fmt: skip


def collect(*, measure: bool = True, again: bool = True, each: bool = True) -> dict[str, Any]:
    """Return everything the doctor finds, as values that JSON can hold.

    ``measure`` adds bandwidth and arithmetic throughput of each working device, ``again`` asks anew where a verdict is
    remembered, ``each`` loads every driver by itself.
    """
    environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    drivers = [_driver(driver) for driver in screening.drivers()] if each else []
    may_load, kept_out = screening.screen(again=again)
    answer = screening.ask("list") if may_load else {"platforms": []}
    report: dict[str, Any] = {
        "cltorch": _version("cltorch"),
        "system": _system(),
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "pyopencl": {"version": _version("pyopencl"), "error": _import_error(kept_out, answer)},
        "environment": environment,
        "cache": {"folder": str(cachedir.folder()), "writable": cachedir.writable()},
        "adapters": remedies.adapters(),
        "shut_nodes": remedies.shut_nodes(),
        "drivers": drivers,
        "left_out": [
            {"library": driver.library or driver.file, "stage": verdict.stage, "reason": verdict.reason}
            for driver, verdict in kept_out
        ],
        "unlisted": None if "platforms" in answer else {name: answer[name] for name in ("stage", "reason", "log")},
        "platforms": answer.get("platforms", []),
    }
    _judge(report["platforms"], measure=measure, again=again)
    report["chosen"] = _chosen(report)
    report["advice"] = remedies.advice(report)
    return report


def text(report: dict[str, Any], *, verbose: bool = False) -> str:
    """Return a report as plain text; ``verbose`` includes each device's list of extensions."""
    system = report["system"]
    lines = [
        f"cltorch {report['cltorch']}, Python {report['python']}, NumPy {report['numpy']}, "
        f"PyOpenCL {report['pyopencl']['version']}",
        f"{system['name']}, {system['machine']}",
        f"cache  {report['cache']['folder']} ({'writable' if report['cache']['writable'] else 'NOT writable'})",
        *(f"{name}={value}" for name, value in report["environment"].items()),
        "",
        "Drivers",
    ]
    if report["pyopencl"]["error"]:
        lines += _indented(report["pyopencl"]["error"], "  ")
    lines += [line for driver in report["drivers"] for line in _driver_lines(driver)] or ["  none is registered"]
    failing = {driver["library"] or driver["file"] for driver in report["drivers"] if driver["error"]}
    for entry in report["left_out"]:
        if entry["library"] not in failing:
            lines.append(f"  {entry['library']} is left out all the same: {entry['reason']}")
    lines += ["", "Devices"]
    if report["unlisted"]:
        lines.append(f"  the drivers together cannot be asked: {report['unlisted']['reason']}")
        lines += _indented(report["unlisted"]["log"], "      ")
    lines += [line for entry in report["platforms"] for line in _platform_lines(entry, verbose)] or ["  none is listed"]
    lines += ["", f"Chosen  {report['chosen']['name']}: {report['chosen']['why']}"]
    if report["advice"]:
        lines += ["", "What to do"]
        for tip in report["advice"]:
            lines += textwrap.wrap(tip, 116, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0 when an OpenCL device works and is chosen, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m cltorch doctor",
        description="List every OpenCL driver, platform and device, say which one is used and why, and what to do.",
        epilog="The exit status is 0 when an OpenCL device is chosen, 1 when only the host is left.",
    )
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    parser.add_argument("--check", action="store_true", help="print only the choice, trusting remembered verdicts")
    parser.add_argument("--no-measure", action="store_true", help="do not measure bandwidth and throughput")
    parser.add_argument("--verbose", action="store_true", help="also list each device's extensions")
    options = parser.parse_args(arguments)
    full = not options.check
    report = collect(measure=full and not options.no_measure, again=full, each=full)
    if options.json:
        print(json.dumps(report, indent=1))
    elif options.check:
        print(f"{report['chosen']['name']}: {report['chosen']['why']}")
    else:
        print(text(report, verbose=options.verbose))
    return 0 if report["chosen"]["device"] != "cpu" else 1


# ---- finding out -----------------------------------------------------------------------------------------------------


def _driver(driver: icd.Icd) -> dict[str, Any]:
    facts: dict[str, Any] = {**dataclasses.asdict(driver), "platforms": [], "error": None, "stage": "ok", "log": ""}
    if not driver.library:
        return {**facts, "error": f"{driver.file} names no library", "stage": "load"}
    loaded = sandbox.ask({"do": "load", "library": driver.library})
    if not loaded.get("ok"):
        return {**facts, "error": loaded["reason"], "stage": loaded["stage"], "log": loaded["log"]}
    alone = icd.compose([driver])
    if alone is None or sys.platform == "win32":
        return facts
    answer = sandbox.ask({"do": "list", "vendors": alone})
    if "platforms" not in answer:
        return {**facts, "error": answer["reason"], "stage": answer["stage"], "log": answer["log"]}
    return {**facts, "platforms": [entry["name"] for entry in answer["platforms"]]}


def _judge(platforms: list[dict[str, Any]], *, measure: bool, again: bool) -> None:
    by_candidate = {}
    for number, entry in enumerate(platforms):
        for index, device in enumerate(entry["devices"]):
            device["platform"], device["device"] = entry["name"], None
            by_candidate[_candidate(number, index, entry, device)] = device
    everyone = list(by_candidate)
    chosen, left_out = selection.choose(everyone)
    for candidate, verdict in zip(everyone, screening.judge(everyone, again=again), strict=True):
        device = by_candidate[candidate]
        device["verdict"] = dataclasses.asdict(verdict)
        device["measured"] = screening.ask("measure", candidate) if measure and verdict.ok else None
    working = [by_candidate[candidate] for candidate in chosen if by_candidate[candidate]["verdict"]["ok"]]
    for number, device in enumerate(working):
        device["device"] = f"cl:{number}"
    for candidate, why in left_out:
        by_candidate[candidate]["left_out"] = why


def _candidate(number: int, index: int, entry: dict[str, Any], device: dict[str, Any]) -> Candidate:
    return Candidate(
        platform=number,
        device=index,
        platform_name=entry["name"] or "",
        platform_version=entry["version"] or "",
        name=device["name"] or "",
        kind=device["kind"],
        driver=device["driver_version"] or "",
        fp64=device["fp64"],
        unified=bool(device["host_unified_memory"]),
    )


def _chosen(report: dict[str, Any]) -> dict[str, str]:
    used = [device for entry in report["platforms"] for device in entry["devices"] if device["device"]]
    if not used:
        return {"device": "cpu", "name": "the host (cpu)", "why": "no OpenCL device works, or none may be used"}
    first = next(device for device in used if device["device"] == "cl:0")
    wishes = [name for name in ("CLTORCH_PLATFORM", "CLTORCH_DEVICE") if os.environ.get(name)]
    if len(used) == 1:
        why = f"{' and '.join(wishes)} name it" if wishes else "the only device that works"
    elif all(device["kind"] == first["kind"] for device in used):
        why = f"the first of {len(used)} devices that work; CLTORCH_DEVICE chooses another"
    else:
        why = f"a {first['kind']} comes before the others of {len(used)} devices that work"
    return {"device": "cl:0", "name": f"cl:0, {first['name']} ({first['platform']})", "why": why}


def _import_error(kept_out: list[Any], answer: dict[str, Any]) -> str | None:
    failures = [verdict.log for _, verdict in kept_out] + [answer.get("log") or ""]
    return next((log for log in failures if "ImportError" in log or "ModuleNotFoundError" in log), None)


def _system() -> dict[str, str]:
    name = f"{platform.system()} {platform.release()}"
    if sys.platform.startswith("linux"):
        try:
            name = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}"
        except (OSError, KeyError):
            pass
    return {"name": name, "machine": platform.machine(), "family": remedies.system()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"


# ---- printing --------------------------------------------------------------------------------------------------------


def _driver_lines(driver: dict[str, Any]) -> list[str]:
    where = driver["file"] or driver["source"]
    lines = [f"  {where} -> {driver['library'] or '(empty)'}"]
    if driver["error"]:
        return lines + _indented(f"FAILS: {driver['error']}", "      ") + _indented(driver["log"], "      ")
    return [*lines, f"      loads; platforms: {', '.join(driver['platforms']) or 'none'}"]


def _platform_lines(entry: dict[str, Any], verbose: bool) -> list[str]:
    lines = [f"  {entry['name']} ({entry['vendor']}), {entry['version']}"]
    if entry["error"]:
        lines += _indented(f"lists no devices: {entry['error']}", "    ")
    elif not entry["devices"]:
        lines.append("    lists no devices")
    for device in entry["devices"]:
        lines += _device_lines(device, verbose)
    return lines


def _device_lines(device: dict[str, Any], verbose: bool) -> list[str]:
    verdict = device["verdict"]
    state = device["device"] or ("not used" if verdict["ok"] else "SKIPPED")
    lines = [
        f"    [{state}] {device['name']}: {device['kind']}, driver {device['driver_version']}",
        f"        {device['version']}, {device['opencl_c_version']}; {device['max_compute_units']} compute units"
        f" at {device['max_clock_frequency']} MHz",
        f"        memory {_bytes(device['global_mem_size'])}, one buffer {_bytes(device['max_mem_alloc_size'])}, "
        f"local {_bytes(device['local_mem_size'])}; work-group {device['max_work_group_size']}"
        f" {device['max_work_item_sizes']}; float vectors of {device['native_vector_width_float']}",
        f"        {_abilities(device)}",
        f"        verdict: {'works' if verdict['ok'] else verdict['stage'] + ' failed'}: {verdict['reason']}",
    ]
    if not verdict["ok"]:
        lines += _indented(verdict["log"], "            ")
    if device.get("left_out"):
        lines.append(f"        not used: {device['left_out']}")
    measured = device["measured"]
    if measured and "flops" in measured:
        copied, updated = measured["bytes_per_second"] / 1e9, measured["update_bytes_per_second"] / 1e9
        speed = f"{copied:.1f} GB/s copied, {updated:.1f} updated in place (read plus written)"
        lines.append(f"        measured: {speed}, {measured['flops'] / 1e9:.0f} GFLOP/s float32")
    elif measured:
        lines.append(f"        measured: nothing, {measured['reason']}")
    if verbose:
        lines += textwrap.wrap(
            " ".join(device["extensions"]),
            116,
            initial_indent=" " * 8,
            subsequent_indent=" " * 8,
            break_on_hyphens=False,
        )
    return lines


def _abilities(device: dict[str, Any]) -> str:
    names = ("fp64", "fp16", "int64_atomics", "sub_groups", "command_buffers", "svm", "images")
    has = [name.replace("_", " ") for name in names if device[name]]
    lacks = [name.replace("_", " ") for name in names if not device[name]]
    return f"has {', '.join(has) or 'nothing optional'}" + (f"; lacks {', '.join(lacks)}" if lacks else "")


def _bytes(count: int | None) -> str:
    if count is None:
        return "unknown"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} B"


def _indented(log: str, margin: str) -> list[str]:
    return [margin + line for line in log.strip().splitlines()]
