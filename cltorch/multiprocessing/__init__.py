"""Python's multiprocessing under PyTorch's name; host tensors travel through memory that both processes see.

Source: https://docs.pytorch.org/docs/2.13/multiprocessing.html
"""

from __future__ import annotations

import multiprocessing as _python
from multiprocessing import *  # noqa: F403  # the whole of it, as torch.multiprocessing has

from cltorch.multiprocessing.reductions import init_reductions
from cltorch.multiprocessing.sharing import get_all_sharing_strategies, get_sharing_strategy, set_sharing_strategy
from cltorch.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *_python.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException", "SpawnContext",
    "get_all_sharing_strategies", "get_sharing_strategy", "init_reductions", "set_sharing_strategy", "spawn",
    "start_processes",
]  # fmt: skip

init_reductions()
