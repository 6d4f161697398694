"""What a checkpoint keeps in place of tensors, and the second run that computes them."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import Any

from cltorch.autograd import enable_grad
from cltorch.autograd.engine import tasks
from cltorch.autograd.saving import saved_tensors_hooks


class CheckpointError(RuntimeError):
    """Say that a second run did not keep the tensors that the first one kept."""


class _Stop(Exception):
    """End a second run: all that is needed has been computed."""


class _Groups(threading.local):
    current: GraphExecGroup | None = None


_groups = _Groups()


class GraphExecGroup:
    """Let backward passes over different parts of a graph share what checkpoints compute again, each at most once.

    No two of the passes may need the same tensor, even with ``retain_graph=True``: CheckpointError. Groups do not
    nest: RuntimeError. ``use_reentrant=True`` knows nothing of them.
    Source: https://docs.pytorch.org/docs/2.13/checkpoint.html

    >>> import cltorch as torch
    >>> from cltorch.utils.checkpoint import GraphExecGroup, checkpoint
    >>> x = torch.ones(2, requires_grad=True)
    >>> y, z = checkpoint(lambda x: (x.exp(), x.exp().exp()), x, use_reentrant=False)
    >>> with GraphExecGroup():
    ...     y.sum().backward()
    ...     z.sum().backward()
    """

    def __enter__(self) -> GraphExecGroup:
        if _groups.current is not None:
            raise RuntimeError(f"GraphExecGroup contexts cannot be nested. Already inside group {_groups.current}")
        _groups.current = self
        return self

    def __exit__(self, *exc: Any) -> None:
        _groups.current = None


# ---- by what the graph keeps --------------------------------------------------------------------------------------
class _Kept:
    """Stand in a graph for a tensor that is computed again when it is asked for."""

    __slots__ = ("tensor", "__weakref__")

    def __init__(self) -> None:
        self.tensor: Any = None


def _meta(x: Any) -> Any:
    return tuple(x.shape), x.dtype, x.device


def _words(meta: Any) -> str:
    shape, dtype, device = meta
    return f"{{'shape': torch.Size({list(shape)}), 'dtype': {dtype}, 'device': {device!r}}}"


class Frame:
    """The tensors that one checkpoint's first run would have kept, and how to run it again."""

    def __init__(self, run: Callable[[], Any], early_stop: bool, check: bool, debug: bool) -> None:
        self.run, self.early_stop, self.check, self.debug = run, early_stop, check, debug
        self.passes: Any = None  # the backward pass, or group of them, that the tensors were computed in
        # weak: what the graph lets go of, nobody shall keep
        self.kept: list[weakref.ref[_Kept]] = []
        self.metas: list[Any] = []
        self.complete = False  # whether the first run is over: a gradient may be asked for within it

    def pack(self, x: Any) -> Any:
        kept = _Kept()
        self.kept.append(weakref.ref(kept))
        self.metas.append(_meta(x))
        return kept

    def unpack(self, kept: _Kept) -> Any:
        """Return a tensor: all are computed once in a backward pass, and each is handed out once."""
        group = _groups.current
        passes = group if group is not None else tasks.running[-1].number if tasks.running else None
        if passes is None or passes != self.passes:
            self.passes = passes
            self.compute()
        x, kept.tensor = kept.tensor, None
        if passes is None:  # outside of any pass nobody comes for the others
            for ref in self.kept:
                other = ref()
                if other is not None:
                    other.tensor = None
        if x is None:
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. "
                + (
                    ""
                    if group is None
                    else "Performing two backward calls that overlap (i.e. require the same saved activation in order "
                    "to compute gradients) is not allowed while under the torch.utils.checkpoint.GraphExecGroup "
                    "context. "
                )
                + "If you are calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise please "
                "open an issue with details on your use case."
            )
        return x

    def compute(self) -> None:
        """Run again and give every stand-in its tensor."""
        found: list[Any] = []

        def pack(x: Any) -> Any:
            found.append(x.detach() if x.requires_grad else x)
            if len(found) > len(self.kept) and not self.complete:
                return found.pop()
            if len(found) > len(self.kept):
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the original "
                    f"forward pass.{self._lists(found)}"
                )
            if self.early_stop and len(found) == len(self.kept):
                raise _Stop
            return found[-1]

        with saved_tensors_hooks(pack, lambda x: x), enable_grad(), contextlib.suppress(_Stop):
            self.run()
        self._compare(found)
        for ref, x in zip(self.kept, found, strict=True):
            kept = ref()
            if kept is not None:
                kept.tensor = x

    def _compare(self, found: list[Any]) -> None:
        if len(found) != len(self.kept):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.kept)}\nNumber of tensors saved "
                f"during recomputation: {len(found)}.{self._lists(found)}"
            )
        if not self.check:
            return
        lines = [
            f"tensor at position {i}:\nsaved metadata: {_words(meta)}\nrecomputed metadata: {_words(_meta(x))}"
            for i, (meta, x) in enumerate(zip(self.metas, found, strict=True))
            if meta != _meta(x)
        ]
        if lines:
            joined = "\n".join(lines)
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                f"during the forward pass.\n{joined}{self._lists(found)}"
            )

    def _lists(self, found: list[Any]) -> str:
        if not self.debug:
            return "\n\nTip: To see which tensors both runs saved, pass `debug=True` to checkpoint()."
        first, second = ([_words(m) for m in ms] for ms in (self.metas, map(_meta, found)))
        return (
            "\n\nYou are seeing this error because you passed `debug=True` to checkpoint, or by "
            "set_checkpoint_debug_enabled.\nsaved: " + ", ".join(first) + "\nrecomputed: " + ", ".join(second)
        )
