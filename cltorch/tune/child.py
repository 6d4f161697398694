"""A child process that answers questions and is ended when it does not: a driver may hang or abort in its compiler."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cltorch.device import cachedir, verdicts
from cltorch.tune.worker import MARK


class Child:
    """Start the worker when it is needed, again after it has ended; use it as a context manager.

    Its caches are in a folder of its own, so that hundreds of programs that nobody will need again do not stay.
    """

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "cltorch.tune.worker")) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._lines = queue.Queue[str | None]()
        self._folder = tempfile.mkdtemp(prefix="cltorch-tune-")
        self._complaints = Path(self._folder, "stderr")

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, question: dict[str, Any], limit: float) -> dict[str, Any]:
        """Return the answer, or ``{"ok": False, "why": …}`` when none came within ``limit`` seconds."""
        process = self._process or self._start()
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it has just ended, which the lines tell
            process.stdin.write((json.dumps(question) + "\n").encode())
            process.stdin.flush()
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            self.end()
            return {"ok": False, "why": f"no answer within {limit:.3g} s"}
        if line is None:
            status = process.wait()
            self.end()
            return {"ok": False, "why": f"ended its process ({_status(status)}){self._last_words()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """End the process and all that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        # one that is stuck in the system cannot be ended; it is left behind rather than waited for
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)

    def _start(self) -> subprocess.Popen[bytes]:
        known = cachedir.folder()
        with contextlib.suppress(OSError):
            if known is not None:  # or every device would be probed again
                shutil.copy(known / verdicts.FILE, self._folder)
        names = ("CLTORCH_CACHE", "POCL_CACHE_DIR", "CUDA_CACHE_PATH", "XDG_CACHE_HOME")
        environment = {**os.environ, **dict.fromkeys(names, self._folder), "CLTORCH_TUNING": "off"}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        with self._complaints.open("wb") as complaints:
            process = self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environment,
                start_new_session=os.name == "posix",
            )  # fmt: skip
        self._lines = queue.Queue()
        threading.Thread(target=_read, args=(process.stdout, self._lines), daemon=True).start()
        return process

    def _last_words(self) -> str:
        text = self._complaints.read_text(errors="replace").strip() if self._complaints.exists() else ""
        return f": {text.splitlines()[-1]}" if text else ""


def _read(stream: Any, lines: queue.Queue[str | None]) -> None:
    """Hand on the answers among what a process writes; drivers write there too. None says that it has ended."""
    for line in stream:
        text = line.decode(errors="replace")
        if text.startswith(MARK):
            lines.put(text[len(MARK) :])
    lines.put(None)


def _status(status: int) -> str:
    try:
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"
    except ValueError:
        return f"signal {-status}"
