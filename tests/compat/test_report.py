"""What ``--report`` counts; tests/compat/test_run.py runs whole programs under it."""

import threading
import time

from cltorch.compat.report import Report


def test_a_call_has_its_time_without_that_of_calls_in_it():
    report = Report()
    inner = report._timed(lambda: time.sleep(0.05), "inner")
    report._timed(lambda: (inner(), inner()), "outer")()
    assert report.calls["inner"][0] == 2 and report.calls["outer"][0] == 1
    assert report.calls["inner"][1] >= 0.1 and 0 <= report.calls["outer"][1] < 0.1


def test_threads_have_calls_of_their_own():
    report, begun, over = Report(), threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert over.wait(60)

    thread = threading.Thread(target=report._timed(wait, "long"))
    thread.start()
    assert begun.wait(60)
    report._timed(lambda: time.sleep(0.1), "short")()
    over.set()
    thread.join(60)
    assert report.calls["short"][1] >= 0.1 and report.calls["long"][1] >= 0.1
