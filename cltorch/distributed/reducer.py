"""What reduces the gradients of a module when a backward pass is over.

Among one process the mean of all gradients is what is there, so only a hook of the program has something to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cltorch.autograd import no_grad
from cltorch.autograd.engine import Engine
from cltorch.distributed.grad_bucket import GradBucket
from cltorch.futures import Future

__all__ = ["Reducer"]


class Reducer:
    """Give the gradients of parameters to a hook, in a bucket for each dtype, at the end of each backward pass.

    ``wanted`` is asked whether gradients are to be reduced now.
    """

    def __init__(self, parameters: Iterable[Any], wanted: Callable[[], bool]) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._wanted = wanted
        self._hook: tuple[Callable[..., Any], Any] | None = None
        self._ready: list[Any] = []

    def register_comm_hook(self, state: Any, hook: Callable[..., Any]) -> None:
        """Reduce by ``hook(state, bucket)``; raise RuntimeError for a second one."""
        if self._hook is not None:
            raise RuntimeError("register_comm_hook or register_builtin_comm_hook can only be called once.")
        self._hook = hook, state
        for p in self._parameters:
            p.register_post_accumulate_grad_hook(self._note)

    def prepare_for_forward(self) -> None:
        """Begin a forward pass: nothing is to be made ready."""

    def prepare_for_backward(self, outputs: Sequence[Any]) -> None:
        """Begin a backward pass from ``outputs``; what one before left is forgotten."""
        self._ready = []

    def _delay_all_reduce(self) -> None:
        """Reduce what the first pass of a graph that stays had to wait with: nothing waits."""

    def _rebuild_buckets(self) -> bool:
        """Return False: there is one bucket of a dtype, which stays."""
        return False

    def _note(self, parameter: Any) -> None:
        if self._wanted():
            if not self._ready:
                Engine.queue_callback(self._reduce)
            self._ready.append(parameter)

    def _reduce(self) -> None:
        kinds: dict[Any, list[Any]] = {}
        for p in dict.fromkeys(self._ready):
            kinds.setdefault((p.grad.dtype, p.grad.device), []).append(p)
        self._ready = []
        with no_grad():
            for i, parameters in enumerate(kinds.values()):
                self._run(GradBucket(i, parameters, i == len(kinds) - 1))

    def _run(self, bucket: GradBucket) -> None:
        assert self._hook is not None
        hook, state = self._hook
        future = hook(state, bucket)
        if not isinstance(future, Future):
            raise TypeError(f"a communication hook returns a torch.futures.Future, not {type(future)}")
        result = future.wait()
        bucket.set_buffer(result[0] if isinstance(result, (list, tuple)) else result)
        for p, g in zip(bucket.parameters(), bucket.gradients(), strict=True):
            p.grad.copy_(g)
