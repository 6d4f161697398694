"""torch.utils.benchmark: what is timed, what the times say, and tables of them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import cltorch
from cltorch.utils import benchmark
from cltorch.utils.benchmark import Compare, Measurement, TaskSpec, Timer


class Clock:
    """Advance by ``step`` seconds for each run of a statement that ticks it."""

    def __init__(self, *steps):
        self.now, self.steps, self.ticks = 0.0, steps, 0

    def __call__(self):
        return self.now

    def tick(self):
        self.now += self.steps[self.ticks % len(self.steps)]
        self.ticks += 1


def made(times, **kw):
    return Measurement(2, times, TaskSpec("f()", "pass", **kw))


def test_a_measurement_tells_of_one_run():
    m = made([1.0, 2.0, 3.0, 4.0, 10.0])
    assert m.times == [0.5, 1, 1.5, 2, 5] and m.median == 1.5 and m.mean == 2
    low, high = np.quantile(m.times, (0.25, 0.75))
    assert m.iqr == high - low and m.has_warnings and not m.meets_confidence(0.5) and m.meets_confidence(0.7)
    assert m.significant_figures == 1 and made([1.0, 1.0001]).significant_figures > 2
    assert str(pickle.loads(pickle.dumps(m))).split("\n")[1:] == str(m).split("\n")[1:]
    with pytest.raises(ValueError, match="No measurements"):
        _ = made([]).median
    with pytest.raises(AttributeError, match="'Measurement' object has no attribute 'colour'"):
        _ = m.colour


def test_its_text_names_the_task_the_median_and_the_spread():
    kw = {"label": "sums", "sub_label": "small", "description": "now", "num_threads": 2}
    assert str(made([0.002], **kw)).split("\n")[1:] == [
        "sums: small", "now", "  1.00 ms", "  1 measurement, 2 runs, 2 threads"
    ]  # fmt: skip
    lines = str(Measurement(1, [1e-6, 2e-6, 3e-6, 4e-6], TaskSpec("f()", "import f\nimport g"))).split("\n")[1:]
    assert lines[:4] == ["f()", "setup:", "  import f", "  import g"]
    assert lines[4:7] == [
        "  Median: 2.50 us", "  IQR:    1.50 us (1.75 to 3.25)", "  4 measurements, 1 runs per measurement, 1 thread"
    ]  # fmt: skip
    assert "WARNING: Interquartile range is 60.0% of the median" in lines[7]


def test_measurements_of_one_task_are_merged():
    a, b, c = made([1.0], label="x"), made([3.0], label="x"), made([5.0], label="y")
    x, y = Measurement.merge([a, c, b])
    assert x.times == [0.5, 1.5] and x.label == "x" and y.times == [2.5] and y.number_per_run == 1


def test_units_and_figures():
    assert [benchmark.select_unit(t)[0] for t in (2, 0.5, 2e-5, 3e-9, 1e-12, 0)] == ["s", "ms", "us", "ns", "ns", "ns"]
    assert benchmark.unit_to_english("ns") == "nanosecond"
    assert [benchmark.trim_sigfig(x, 2) for x in (1234.5, 0.0456, -77.7)] == [1200, 0.046, -78]
    assert benchmark.ordered_unique("hello") == ["h", "e", "l", "o"]


def test_a_timer_counts_runs_and_their_seconds():
    clock = Clock(0.25)
    m = Timer("tick()", "y = 1", timer=clock, globals={"tick": clock.tick}, label="t", num_threads=3).timeit(8)
    assert m.times == [0.25] and m.number_per_run == 8 and clock.ticks == 10 and m.task_spec.num_threads == 3
    seen = []
    m = Timer("tick()", timer=clock, globals={"tick": clock.tick}).blocked_autorange(
        lambda number, seconds: seen.append((number, seconds)), min_run_time=1.0
    )
    assert m.raw_times == [0.25] * 4 and seen == [(1, 0.25)] * 4
    fast = Clock(1e-6)
    m = Timer("tick()", timer=fast, globals={"tick": fast.tick}).blocked_autorange(min_run_time=0.01)
    assert m.number_per_run == 100 and m.median == pytest.approx(1e-6) and sum(m.raw_times) >= 0.01


def test_adaptive_timing_ends_when_it_is_sure():
    steady = Clock(0.01)
    m = Timer("tick()", timer=steady, globals={"tick": steady.tick}).adaptive_autorange()
    assert len(m.times) == 4 and not m.has_warnings
    wild = Clock(0.01, 0.1)
    m = Timer("tick()", timer=wild, globals={"tick": wild.tick}).adaptive_autorange(max_run_time=1.0)
    assert sum(m.raw_times) >= 1 and m.has_warnings


def test_a_timer_waits_for_the_device_and_sets_the_threads(cl_device):
    x = cltorch.ones(64, device=cl_device)
    before = cltorch.get_num_threads()
    threads = []
    m = Timer("y = x + 1; seen(threads())", globals={"x": x, "seen": threads.append,
              "threads": cltorch.get_num_threads}, num_threads=before + 1).timeit(20)  # fmt: skip
    assert m.median > 0 and set(threads) == {before + 1} and cltorch.get_num_threads() == before
    assert benchmark.timer() < benchmark.timer()


def test_what_is_not_timed_is_refused():
    for wrong in ({"stmt": print}, {"language": "c++"}, {"global_setup": "int x;"}):
        with pytest.raises(ValueError):
            Timer(**wrong)
    timer = Timer("1")
    for call in (timer.repeat, timer.autorange, timer.collect_callgrind):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(NameError, match="undefined"):
        Timer("undefined").timeit(1)
    with pytest.raises(ValueError, match="Expected an instance of `Measurement`"):
        Compare([1.0])


def compared():
    rows = []
    for threads in (2, 1):
        for size, times in (("[1]", (2e-3, 4e-3)), ("[64]", (8e-3, 8.2e-3))):
            for name, t in zip(("sum", "bmm"), times, strict=True):
                spec = TaskSpec("f()", "pass", label="dot", sub_label=size, description=name, num_threads=threads)
                rows.append(Measurement(1, [t / threads], spec))
    return Compare(rows)


def test_a_table_has_rows_by_threads_and_columns_by_description():
    assert str(compared()).rstrip().split("\n") == [
        "[--------- dot ----------]",
        "            |  sum  |  bmm",
        "1 threads: ---------------",
        "      [1]   |  2.0  |  4.0",
        "      [64]  |  8.0  |  8.2",
        "2 threads: ---------------",
        "      [1]   |  1.0  |  2.0",
        "      [64]  |  4.0  |  4.1",
        "",
        "Times are in milliseconds (ms).",
    ]


def test_colours_figures_and_warnings(capsys):
    table = compared()
    table.colorize(rowwise=True)
    line = str(table).split("\n")[3]
    assert "\033[92m\033[1m2.0" in line and "\033[92m" not in line.split("|")[2]
    noisy = Measurement(1, [1.0, 2.0, 3.0, 4.0], TaskSpec("f()", "pass", label="dot", description="sum", env="old"))
    table = Compare([noisy])
    table.extend_results([made([4.0], label="dot", description="sum", env="new")])
    table.highlight_warnings()
    table.trim_significant_figures()
    table.print()
    text = capsys.readouterr().out
    assert "(old)  f()  |  2 (! 60%)" in text and "(new)  f()" in text and "(! XX%) Measurement has high" in text
