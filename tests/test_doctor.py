"""The doctor reports every driver, platform and device, never crashes, and gives advice that fits the system."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cltorch import __main__ as command_line
from cltorch import doctor
from cltorch.device import discovery, icd, remedies, screening
from cltorch.device.verdicts import Verdict

PACKAGE_ROOT = Path(doctor.__file__).parents[1]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "cltorch", *arguments], env=env, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def report():
    return doctor.collect(measure=False, again=False)


def test_the_report_agrees_with_discovery(report):
    used = {d["device"]: d for entry in report["platforms"] for d in entry["devices"] if d["device"]}
    assert [used[f"cl:{n}"]["name"] for n in range(len(used))] == [found.name for found in discovery.devices()]
    assert report["chosen"]["device"] == ("cl:0" if used else "cpu")
    assert json.loads(json.dumps(report)) == report


def test_the_text_names_every_driver_and_device(report):
    text = doctor.text(report)
    for driver in report["drivers"]:
        assert driver["library"] in text
    for entry in report["platforms"]:
        for device in entry["devices"]:
            assert device["name"] in text and device["driver_version"] in text and device["verdict"]["reason"] in text
    assert f"Chosen  {report['chosen']['name']}" in text


def test_json_and_measurement_on_a_working_device():
    if not discovery.devices():
        pytest.skip("no OpenCL device works here")
    ran = run("doctor", "--json")
    assert ran.returncode == 0, ran.stderr
    devices = [device for entry in json.loads(ran.stdout)["platforms"] for device in entry["devices"]]
    first = next(device for device in devices if device["device"] == "cl:0")
    # an emulated device, on a machine that is busy, does no more than this
    assert first["verdict"]["ok"] and first["measured"]["flops"] > 1e6 and first["measured"]["bytes_per_second"] > 1e6
    checked = run("doctor", "--check")
    assert checked.returncode == 0 and checked.stdout.startswith("cl:0, ") and checked.stdout.count("\n") == 1


def test_without_a_driver_it_says_what_to_install(tmp_path):
    if any(driver.source == "the pyopencl wheel" for driver in icd.registered()):
        pytest.skip("PyOpenCL's wheel brings a driver of its own, which no folder hides")
    ran = run("doctor", OCL_ICD_VENDORS=str(tmp_path), CLTORCH_CACHE=str(tmp_path / "cache"))
    assert ran.returncode == 1 and not ran.stderr
    assert "none is registered" in ran.stdout and "the host (cpu)" in ran.stdout
    assert "unset OCL_ICD_VENDORS" in ran.stdout
    words = " ".join(ran.stdout.split())
    assert remedies.PACKAGES[remedies.system()]["cpu"] in words


def test_a_library_that_does_not_load_is_shown_with_the_linkers_words(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("drivers are registered by files on Linux only")
    vendors = tmp_path / "vendors"
    vendors.mkdir()
    (vendors / "gone.icd").write_text("/nonexistent/libdriver.so\n")
    (vendors / "blank.icd").write_text("\n")
    ran = run("doctor", "--no-measure", OCL_ICD_VENDORS=str(vendors), CLTORCH_CACHE=str(tmp_path / "cache"))
    shown = " ".join(ran.stdout.split())  # long lines are broken, where the paths' lengths say
    assert "/nonexistent/libdriver.so: cannot open shared object file" in shown and "Reinstall its package" in shown
    assert f"FAILS: {vendors / 'blank.icd'} names no library" in shown and "names no driver" in shown


def test_what_answers_alone_but_not_with_the_others_is_told(monkeypatch, tmp_path):
    """On a machine that is too busy, say: a list without devices is always explained."""
    driver = icd.Icd(str(tmp_path / "slow.icd"), "libslow.so", "a folder")
    late = Verdict(False, "timeout", "the driver did not answer within 1 s", "its last words", 1.0, 0.0)
    monkeypatch.setattr(screening, "drivers", list)
    answers = [(False, [(driver, late)], {}), (True, [], {"ok": False, **dataclasses.asdict(late)})]
    for may_load, kept_out, answer in answers:
        monkeypatch.setattr(screening, "screen", lambda again, told=(may_load, kept_out): told)
        monkeypatch.setattr(screening, "ask", lambda do, told=answer: told)
        text = doctor.text(doctor.collect(measure=False))
        assert "none is listed" in text and text.count("the driver did not answer within 1 s") == 1
        assert ("libslow.so is left out" in text) == (not may_load) and ("its last words" in text) == may_load
        assert "set CLTORCH_PROBE_TIMEOUT to more seconds" in text


def test_a_wish_that_excludes_every_device_is_explained(report):
    if report["chosen"]["device"] == "cpu":
        pytest.skip("no OpenCL device works here")
    ran = run("doctor", "--no-measure", CLTORCH_DEVICE="no such device")
    assert ran.returncode == 1
    assert "not what CLTORCH_DEVICE=no such device names" in ran.stdout and "unset them or name another" in ran.stdout


# ---- advice ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def healthy():
    """Return a report in which everything is well, to be spoilt by the tests."""
    device = {
        "name": "Card", "vendor": "NVIDIA Corporation", "kind": "gpu", "platform": "NVIDIA CUDA", "device": "cl:0",
        "verdict": {"ok": True, "stage": "ok", "reason": "", "log": ""},
    }  # fmt: skip
    return {
        "system": {"name": "Some Linux", "machine": "x86_64", "family": "debian"},
        "pyopencl": {"version": "1", "error": None},
        "environment": {},
        "cache": {"folder": "/home/me/.cache/cltorch", "writable": True},
        "adapters": ["nvidia"],
        "shut_nodes": [],
        "drivers": [{"file": "/etc/x.icd", "library": "libnvidia.so", "error": None, "stage": "ok", "log": ""}],
        "left_out": [],
        "unlisted": None,
        "platforms": [{"name": "NVIDIA CUDA", "devices": [device]}],
    }


def test_a_healthy_system_gets_no_advice(healthy):
    assert remedies.advice(healthy) == []


def spoil(report: dict, what: str) -> dict:
    report = copy.deepcopy(report)
    device = report["platforms"][0]["devices"][0]
    if what == "adapter":
        report["adapters"].append("amd")
    elif what == "cache":
        report["cache"]["writable"] = False
    elif what == "node":
        report["shut_nodes"] = ["/dev/dri/renderD128"]
    elif what == "rusticl":
        report["platforms"].append({"name": "rusticl", "devices": []})
    elif what == "crash":
        report["drivers"][0].update(error="ended", stage="crash")
    elif what == "excluded":
        device["device"] = None
    elif what == "late":
        report["left_out"].append({"library": "libnvidia.so", "stage": "timeout", "reason": "late"})
    elif what == "late together":
        report["unlisted"] = {"stage": "timeout", "reason": "late", "log": ""}
    else:
        log = "error: unknown target CPU 'generic'" if what == "old" else ""
        device["verdict"] = {"ok": False, "stage": "timeout" if what == "slow" else "build", "reason": "", "log": log}
    return report


@pytest.mark.parametrize(
    "what, words",
    [
        ("adapter", "rocm-opencl-icd"),
        ("cache", "CLTORCH_CACHE"),
        ("node", "usermod -aG render,video"),
        ("rusticl", "RUSTICL_ENABLE"),
        ("crash", "aborts or hangs"),
        ("excluded", "unset them"),
        ("late", "CLTORCH_PROBE_TIMEOUT"),
        ("late together", "CLTORCH_PROBE_TIMEOUT"),
        ("old", "older than the processor"),
        ("slow", "CLTORCH_PROBE_TIMEOUT"),
        ("broken", "apt-get install pocl-opencl-icd"),
    ],
)
def test_each_problem_gets_its_advice(healthy, what, words):
    assert any(words in tip for tip in remedies.advice(spoil(healthy, what)))


@pytest.mark.parametrize("family", remedies.PACKAGES)
def test_every_system_has_advice_for_all_hardware(healthy, family):
    report = spoil({**healthy, "adapters": ["nvidia", "amd", "intel"]}, "broken")
    report["system"]["family"] = family
    advice = "\n".join(remedies.advice(report))
    for hardware, command in remedies.PACKAGES[family].items():
        assert command in advice, hardware


def test_the_kernels_list_of_adapters_is_read(tmp_path):
    for name, kind, vendor in [("a", "0x030000", "0x10de"), ("b", "0x020000", "0x8086"), ("c", "0x120000", "0x1002")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "class").write_text(kind + "\n")
        (tmp_path / name / "vendor").write_text(vendor + "\n")
    assert remedies.adapters(tmp_path) == ["nvidia", "amd"]
    assert remedies.adapters(tmp_path / "missing") == []


# ---- the command line ------------------------------------------------------------------------------------------------


def test_the_command_line_lists_its_commands(capsys):
    assert command_line.main([]) == 2
    assert command_line.main(["no-such-command"]) == 2
    assert "no command 'no-such-command'" in capsys.readouterr().err
    assert command_line.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (_, about) in command_line.COMMANDS.items():
        assert name in shown and about in shown


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([name, "--help"])
    assert ended.value.code == 0 and capsys.readouterr().out
