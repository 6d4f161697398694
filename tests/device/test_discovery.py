"""Discovery trusts a device only after a probe, remembers verdicts, and survives every kind of bad driver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cltorch.device import cachedir, discovery, icd, sandbox, screening, selection, templates, verdicts
from cltorch.device.selection import Candidate
from cltorch.device.verdicts import Verdict

PACKAGE_ROOT = Path(discovery.__file__).parents[2]
REPORT = """
    import json
    from cltorch.device import discovery
    found = [[f.platform_name, f.name, f.kind, f.verdict.stage] for f in discovery.devices()]
    print(json.dumps([found, [[s.name, s.why, s.log] for s in discovery.skipped()]]))
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLTORCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def working():
    """Return the working devices of this machine, of which there must be one for the test to mean anything."""
    found = discovery.devices()
    if not found:
        pytest.skip("no OpenCL device works here")
    return found


@pytest.fixture
def vendors(tmp_path, monkeypatch):
    """Return a folder that stands in for the system's list of drivers, empty at first."""
    if any(driver.source == "the pyopencl wheel" for driver in icd.registered()):
        pytest.skip("PyOpenCL's wheel brings a driver of its own, which no folder hides")
    folder = tmp_path / "vendors"
    folder.mkdir()
    monkeypatch.setenv("OCL_ICD_VENDORS", str(folder))
    return folder


@pytest.fixture
def originals():
    """Return the libraries of this machine's drivers; asked for before ``vendors`` hides them."""
    return [driver.library for driver in screening.drivers()]


def in_new_process(program: str) -> list:
    """Run a program that prints JSON, in a process that has not looked for devices yet."""
    env = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=env, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


# ---- devices ---------------------------------------------------------------------------------------------------------


def test_every_device_has_passed_its_probe(working):
    ranks = [selection.RANK[found.kind] for found in working]
    assert ranks == sorted(ranks)
    for found in working:
        assert found.verdict.ok and found.verdict.stage == "ok"
        assert found.name == found.cl_device.name.strip() and found.driver == found.cl_device.driver_version.strip()


def test_the_verdict_is_remembered(working, cache):
    first = in_new_process(REPORT)
    stored = json.loads((cache / verdicts.FILE).read_text())
    assert any(found.name in key and stored[key]["ok"] for found in working for key in stored)
    # nothing is asked a second time
    again = in_new_process("from cltorch.device import sandbox\nsandbox.ask = None\n" + textwrap.dedent(REPORT))
    assert again == first and first[0]


@pytest.mark.parametrize("content", ["{not json", "[1, 2]"])
def test_an_unreadable_cache_only_costs_speed(working, cache, content):
    cache.mkdir()
    (cache / verdicts.FILE).write_text(content)
    assert len(in_new_process(REPORT)[0]) == len(working)
    assert isinstance(json.loads((cache / verdicts.FILE).read_text()), dict)


def test_a_cache_that_cannot_be_written_only_costs_speed(working, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLTORCH_CACHE", str(tmp_path / "file" / "below"))
    assert cachedir.writable() is False
    assert len(in_new_process(REPORT)[0]) == len(working)


def test_no_driver_gives_no_device(vendors, cache):
    if "none" in (os.environ.get("CLTORCH_DEVICE"), os.environ.get("CLTORCH_PLATFORM")):
        pytest.skip("no driver is looked for")
    assert in_new_process(REPORT) == [[], []]


def test_a_library_that_is_missing_does_not_hide_the_others(working, originals, vendors, cache):
    for number, library in enumerate(["/nonexistent/libOpenCLdriver.so", *originals]):
        (vendors / f"{number}.icd").write_text(library + "\n")
    assert len(in_new_process(REPORT)[0]) == len(working)


def test_a_file_that_is_no_text_does_not_hide_the_others(working, originals, vendors, cache):
    for number, library in enumerate(originals):
        (vendors / f"{number}.icd").write_text(library + "\n")
    for name, content in (("a", b""), ("b", b"\x00\xff"), ("c", b"lib.so\x00\n")):  # the loader crashes at the last two
        (vendors / f"{name}.icd").write_bytes(content)
    assert [driver.library for driver in icd.registered()] == [*originals, "", "", ""]
    found, skipped = in_new_process(REPORT)
    assert len(found) == len(working)
    assert [[vendors / "b.icd", "names no library"]] == [
        [Path(name), why.split(" ", 1)[1]] for name, why, _ in skipped if Path(name).name == "b.icd"
    ]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the compiled driver is a Linux library")
@pytest.mark.parametrize("body, words", [("abort()", "SIGABRT"), ("sleep(1000)", "did not answer within {} s")])
def test_a_driver_that_aborts_or_hangs_is_only_a_verdict(
    working, originals, vendors, cache, tmp_path, monkeypatch, body, words
):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a bad driver with")
    source, library = tmp_path / "bad.c", tmp_path / "libbad.so"
    constructor = f"__attribute__((constructor)) static void bad(void) {{ {body}; }}"
    source.write_text(f"#include <stdlib.h>\n#include <unistd.h>\n{constructor}\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    for number, name in enumerate(originals):
        (vendors / f"{number + 1}.icd").write_text(name + "\n")
    began = time.monotonic()
    in_new_process(REPORT)
    patience = 4 + int(5 * (time.monotonic() - began))  # a busy machine needs more for the drivers that work
    monkeypatch.setenv("CLTORCH_PROBE_TIMEOUT", str(patience))
    (vendors / "0.icd").write_text(str(library) + "\n")
    found, skipped = in_new_process(REPORT)
    assert len(found) == len(working)
    assert words.format(patience) in {name: why for name, why, _ in skipped}[str(library)]


# ---- the probe -------------------------------------------------------------------------------------------------------


def question(found: discovery.Found, source: str) -> dict:
    listed = sandbox.ask({"do": "list"})["platforms"]
    for number, entry in enumerate(listed):
        for index, device in enumerate(entry["devices"]):
            if (entry["name"], device["name"]) == (found.platform_name, found.name):
                expect = [entry["name"], device["name"], device["driver_version"]]
                return {"do": "check", "platform": number, "device": index, "expect": expect, "source": source}
    raise AssertionError(f"{found.name} is not listed")


def test_the_probe_sees_a_wrong_result_and_a_kernel_that_does_not_build(working):
    source = (templates.kernel_dir() / "probe.cl").read_text()
    right = question(working[0], source)
    assert sandbox.ask(right)["ok"] is True
    wrong = sandbox.ask({**right, "source": source.replace("2.0f", "2.5f")})
    assert (wrong["ok"], wrong["stage"]) == (False, "result") and "instead of" in wrong["reason"]
    broken = sandbox.ask({**right, "source": source.replace("fma(", "no_such_function(")})
    assert (broken["ok"], broken["stage"]) == (False, "build") and "no_such_function" in broken["log"]
    other = sandbox.ask({**right, "expect": ["another", "device", "1.0"]})
    assert (other["ok"], other["stage"]) == (False, "run") and "another" in other["reason"]


@pytest.mark.parametrize(
    "program, stage, words",
    [
        ("import os; os.abort()", "crash", ""),
        ("import time; time.sleep(3600)", "timeout", "within 1 s"),
        ("import sys; sys.stderr.write('cannot start'); sys.exit(3)", "crash", "exit status 3"),
        ("print('a driver talks')", "crash", "exit status 0"),
    ],
)
def test_the_sandbox_turns_every_end_into_an_answer(tmp_path, monkeypatch, program, stage, words):
    script = tmp_path / "probe.py"
    script.write_text(program)
    monkeypatch.setattr(sandbox, "PROGRAM", script)
    monkeypatch.setenv("CLTORCH_PROBE_TIMEOUT", "1" if stage == "timeout" else "300")
    started = time.perf_counter()
    answer = sandbox.ask({"do": "list"})
    assert (answer["ok"], answer["stage"]) == (False, stage) and words in answer["reason"]
    assert time.perf_counter() - started < 600
    assert "cannot start" not in program or answer["log"] == "cannot start"


def test_the_sandbox_finds_the_answer_in_what_a_driver_prints(tmp_path, monkeypatch):
    script = tmp_path / "probe.py"
    script.write_text("import sys; print('noise'); print('cltorch-probe:{\"platforms\": []}'); print('more noise')")
    monkeypatch.setattr(sandbox, "PROGRAM", script)
    assert sandbox.ask({"do": "list"})["platforms"] == []


def test_without_an_interpreter_the_question_is_answered_in_this_process(monkeypatch, working):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert sandbox.ask({"do": "list"})["platforms"]


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_a_refusal_is_looked_into_again_after_a_day(cache):
    now = time.time()
    works, fresh, old = (
        Verdict(True, "ok", "", when=now - 10**8),
        Verdict(False, "build", "no", "compiler says", when=now - 3600),
        Verdict(False, "timeout", "slow", when=now - verdicts.REFUSAL_LASTS - 1),
    )
    assert verdicts.remember({"works": works, "fresh": fresh, "old": old})
    assert verdicts.recall("works") == works and verdicts.recall("fresh") == fresh
    assert verdicts.recall("old") is None and verdicts.recall("unknown") is None
    assert verdicts.recall_all(["fresh", "old"]) == [fresh, None]


def test_a_write_that_fails_leaves_what_was_there(cache, monkeypatch):
    assert cachedir.write_json("x.json", [1])

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert cachedir.write_json("x.json", [2]) is False
    assert cachedir.read_json("x.json") == [1] and [path.name for path in cache.iterdir()] == ["x.json"]


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("CLTORCH_CACHE", raising=False)
    if sys.platform.startswith("linux"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cachedir.folder() == tmp_path / "cltorch"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert cachedir.folder() == tmp_path / "home" / ".cache" / "cltorch"
    monkeypatch.setenv("CLTORCH_CACHE", str(tmp_path / "mine"))
    assert cachedir.folder() == tmp_path / "mine" and not (tmp_path / "mine").exists()
    assert cachedir.writable() and (tmp_path / "mine").is_dir()


# ---- drivers ---------------------------------------------------------------------------------------------------------


def test_drivers_are_read_from_where_the_loader_reads_them(vendors, tmp_path, monkeypatch):
    (vendors / "b.icd").write_text("/opt/b.so\n")
    (vendors / "a.icd").write_text("liba.so\n")
    (vendors / "notes.txt").write_text("not a driver\n")
    assert [(Path(d.file).name, d.library, d.source) for d in icd.registered()] == [
        ("a.icd", "liba.so", "OCL_ICD_VENDORS"),
        ("b.icd", "/opt/b.so", "OCL_ICD_VENDORS"),
    ]
    monkeypatch.setenv("OCL_ICD_VENDORS", str(vendors / "b.icd"))
    assert [d.library for d in icd.registered()] == ["/opt/b.so"]
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path / "nowhere"))
    assert [d.library for d in icd.registered()] == [str(tmp_path / "nowhere")]


def test_the_fingerprint_changes_with_a_driver_and_with_the_environment(tmp_path, monkeypatch):
    library = tmp_path / "driver.so"
    library.write_bytes(b"1")
    drivers = [icd.Icd("", str(library), "here")]
    before = icd.fingerprint(drivers)
    assert icd.fingerprint(drivers) == before
    library.write_bytes(b"22")
    assert icd.fingerprint(drivers) != before
    after = icd.fingerprint(drivers)
    monkeypatch.setenv("RUSTICL_ENABLE", "somebody")
    assert icd.fingerprint(drivers) != after


def test_a_composed_folder_names_exactly_the_drivers(cache):
    drivers = [icd.Icd("/etc/x.icd", "libx.so", "here"), icd.Icd("", "/opt/y.so", "there")]
    folder = icd.compose(drivers)
    assert folder == icd.compose(drivers) != icd.compose(drivers[:1])
    assert [path.read_text() for path in sorted(Path(folder).iterdir())] == ["libx.so\n", "/opt/y.so\n"]


# ---- selection -------------------------------------------------------------------------------------------------------


def candidate(
    platform: int, device: int, name: str, kind: str, *, fp64: bool = True, unified: bool = False
) -> Candidate:
    return Candidate(platform, device, f"Platform {'ABC'[platform]}", "OpenCL 3.0", name, kind, "1", fp64, unified)


MACHINE = [
    candidate(0, 0, "Host CPU", "cpu"),
    candidate(0, 1, "Slow CPU", "cpu", fp64=False),
    candidate(1, 0, "Integrated", "gpu", unified=True),
    candidate(1, 1, "Big Card", "gpu", fp64=False),
    candidate(2, 0, "Board", "accelerator"),
    candidate(2, 1, "Fixed Function", "custom"),
]


@pytest.mark.parametrize(
    "platform, device, expected",
    [
        ("", "", ["Big Card", "Integrated", "Board", "Host CPU", "Slow CPU"]),
        ("1", "", ["Big Card", "Integrated"]),
        ("platform a", "", ["Host CPU", "Slow CPU"]),
        ("", "0", ["Host CPU"]),
        ("", "3,0", ["Big Card", "Host CPU"]),
        ("1", "0", ["Integrated"]),
        ("", "big", ["Big Card"]),
        ("", "cpu", ["Host CPU", "Slow CPU"]),
        ("", "GPU", ["Big Card", "Integrated"]),
        ("", "no such", []),
        ("7", "", []),
    ],
)
def test_the_environment_chooses_and_the_kind_orders(monkeypatch, platform, device, expected):
    monkeypatch.setenv("CLTORCH_PLATFORM", platform)
    monkeypatch.setenv("CLTORCH_DEVICE", device)
    chosen, left_out = selection.choose(MACHINE)
    assert [c.name for c in chosen] == expected
    assert len(chosen) + len(left_out) == len(MACHINE)
    for c, why in left_out:
        assert "custom" in why or "CLTORCH_" in why, c


def test_a_wish_that_nothing_fulfils_is_reported(working, monkeypatch):
    monkeypatch.setenv("CLTORCH_DEVICE", "no such device")
    found, skipped = in_new_process(REPORT)
    assert found == [] and any("CLTORCH_DEVICE=no such device" in why for _, why, _ in skipped)


def test_a_device_whose_probe_fails_is_skipped_with_the_compilers_words(working, cache, monkeypatch):
    refusal = Verdict(False, "build", "the probe kernel does not build", "error: unknown target CPU", 0.1, time.time())
    monkeypatch.setattr(screening, "judge", lambda candidates, again=False: [refusal] * len(candidates))
    discovery.forget()
    try:
        assert discovery.devices() == []
        assert any(s.log == refusal.log and s.why == refusal.reason for s in discovery.skipped())
    finally:
        monkeypatch.undo()
        discovery.forget()
    assert len(discovery.devices()) == len(working)
