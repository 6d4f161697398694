"""The table of the benchmark as text."""

from __future__ import annotations

from math import exp, log
from typing import Any

_NAME = 46


class Table:
    """Collect rows and write them, one line each."""

    def __init__(self, facts: dict[str, Any], against: str | None) -> None:
        self.facts, self.against, self.rows = facts, against, list[dict[str, Any]]()

    def head(self) -> str:
        """Return the lines above the rows."""
        limits = self.facts["roofline"]
        lines = [
            f"{self.facts['device']}, driver {self.facts['driver']}, {self.facts['threads']} threads",
            f"roofline: {limits['gflops']:.0f} GFLOP/s float32, {limits['gbs']:.1f} GB/s copied, "
            f"{limits['update_gbs']:.1f} updated in place (read plus written); shares are of the first two",
            "",
        ]
        title = f"{'workload':{_NAME}}{'ms':>10}{'GFLOP/s':>9}{'GB/s':>7}{'roof':>6}"
        if self.against:
            title += f"{self.against + ' ms':>12}{'ratio':>7}"
        return "\n".join([*lines, title])

    def add(self, row: dict[str, Any]) -> str:
        """Keep a row and return its line."""
        self.rows.append(row)
        text = f"{row['workload']:{_NAME}}{row['ms']:10.4f}{_number(row['gflops'], 9)}{_number(row['gbs'], 7)}"
        share = row["roofline_share"]
        text += f"{share:6.0%}" if share is not None else " " * 6
        if "missing" in row:
            text += f"  {row['missing']}"
        elif self.against:
            text += f"{row[self.against + '_ms']:12.4f}{row['ratio']:7.2f}"
            if row.get("differs"):
                text += f"  results differ by {row['error']:.1e}"
        if "per_second" in row:
            text += f"  {' and '.join(f'{n:.0f}' for n in row['per_second'])} a second"
        return text

    def summary(self) -> str:
        """Return the line below the rows."""
        ratios = [r["ratio"] for r in self.rows if r.get("ratio")]
        if not ratios:
            return f"{len(self.rows)} workloads"
        mean = exp(sum(map(log, ratios)) / len(ratios))
        faster = sum(r > 1 for r in ratios)
        return (
            f"{faster} of {len(ratios)} workloads faster than {self.against}; geometric mean of the ratios {mean:.2f}"
        )


def _number(value: float | None, width: int) -> str:
    return f"{value:{width}.1f}" if value is not None else " " * width


def first_step(found: dict[str, dict[str, float]]) -> str:
    """Return the lines about the start of a fresh process, one for each network."""
    lines = [
        f"first training step of {network} after {times['cold_s']:.1f} s with no kernel compiled before, "
        f"{times['warm_s']:.1f} s with all of them; {times['peak_bytes'] / 2**20:.0f} MiB in tensors at most"
        + (f", in torch {times['torch_peak_bytes'] / 2**20:.0f}" if "torch_peak_bytes" in times else "")
        for network, times in found.items()
    ]
    return "\n".join(["", *lines, ""])
