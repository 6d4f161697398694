"""Ask a driver something in a child process with a time limit, so that a hang or an abort is only an answer."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("probe.py")
MARK = "cltorch-probe:"


def time_limit(name: str = "CLTORCH_PROBE_TIMEOUT", default: float = 60.0) -> float:
    """Return the seconds that a variable of the environment gives a driver to answer."""
    try:
        return float(os.environ[name])
    except (KeyError, ValueError):
        return default


def ask(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the probe program's answer, or ``ok: False`` with a stage and a reason when it did not live to answer.

    Raises nothing that a driver causes. Where no process can be started, the question is answered in this one.
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    started, limit = time.perf_counter(), time_limit()
    # files and not pipes: a compiler started by the driver could hold a pipe open after its parent was killed
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as question:
        question.write(json.dumps(request).encode())
        question.seek(0)
        try:
            child = _start(stdin=question, stdout=out, stderr=err, env=env)
        except (OSError, ValueError):
            answer: dict[str, Any] = importlib.import_module("cltorch.device.probe").answer(request)
            return answer
        try:
            status: int | None = child.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if child.returncode is None:
                _end(child)
        text, complaints = _read(out), _read(err)
    if status is None:
        return _refusal("timeout", f"the driver did not answer within {limit:g} s", complaints, started)
    for line in reversed(text.splitlines()):
        if line.startswith(MARK):
            return {**json.loads(line[len(MARK) :]), "seconds": time.perf_counter() - started, "stderr": complaints}
    return _refusal("crash", f"the driver ended its process ({_status(status)})", complaints, started)


def _start(**streams: Any) -> subprocess.Popen[bytes]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise ValueError("a frozen program has no interpreter to start: its executable is the program itself")
    return subprocess.Popen([sys.executable, str(PROGRAM)], start_new_session=os.name == "posix", **streams)


def _refusal(stage: str, reason: str, log: str, started: float) -> dict[str, Any]:
    return {
        "ok": False,
        "stage": stage,
        "reason": reason,
        "log": log,
        "seconds": time.perf_counter() - started,
        "stderr": log,
    }


def _end(child: subprocess.Popen[bytes]) -> None:
    # the whole group, because drivers start compilers and linkers of their own
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    # a process stuck in the kernel cannot be ended; it is left behind rather than waited for
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(5)


def _read(file: Any) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - 4_000_000))
    return file.read().decode(errors="replace").strip()


def _status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status}, {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
