"""What trainers call of PyTorch's file torch.distributed.utils: one process's state given to the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

__all__ = ["_sync_module_states", "_sync_params_and_buffers", "_verify_param_shape_across_processes"]


def _verify_param_shape_across_processes(process_group: Any, tensors: Sequence[Any], logger: Any = None) -> None:
    """Let the group take the tensors, whose shapes must be those of the other processes: there are none."""
    process_group.broadcast([x.detach() for x in tensors], 0)


def _sync_params_and_buffers(
    process_group: Any, module_states: Sequence[Any], broadcast_bucket_size: int, src: int
) -> None:
    """Give all processes the tensors of the process ``src``."""
    if module_states:
        process_group.broadcast(list(module_states), src)


def _sync_module_states(
    module: Any,
    process_group: Any,
    broadcast_bucket_size: int,
    src: int,
    params_and_buffers_to_ignore: Collection[str] = (),
    broadcast_buffers: bool = True,
) -> None:
    """Give all processes the parameters, and the buffers with ``broadcast_buffers``, that the process ``src`` has."""
    named = [*module.named_parameters(), *(module.named_buffers() if broadcast_buffers else ())]
    states = [x.detach() for name, x in named if name not in params_and_buffers_to_ignore]
    _sync_params_and_buffers(process_group, states, broadcast_bucket_size, src)
