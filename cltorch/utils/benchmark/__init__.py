"""torch.utils.benchmark: time statements with care, and lay the results side by side.

Source: https://docs.pytorch.org/docs/2.13/benchmark_utils.html
"""

from cltorch.utils.benchmark.utils.common import (
    Measurement,
    TaskSpec,
    ordered_unique,
    select_unit,
    set_torch_threads,
    trim_sigfig,
    unit_to_english,
)
from cltorch.utils.benchmark.utils.compare import Colorize, Compare
from cltorch.utils.benchmark.utils.timer import Language, Timer, timer

__all__ = [
    "Colorize", "Compare", "Language", "Measurement", "TaskSpec", "Timer", "ordered_unique", "select_unit",
    "set_torch_threads", "timer", "trim_sigfig", "unit_to_english",
]  # fmt: skip
