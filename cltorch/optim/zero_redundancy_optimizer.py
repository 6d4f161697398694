"""An optimiser whose state is spread over processes: with one process, it has all of the state.

PyTorch has it in torch.distributed.optim.
Source: https://docs.pytorch.org/docs/2.13/distributed.optim.html#torch.distributed.optim.ZeroRedundancyOptimizer
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.distributed.algorithms.join import Joinable, JoinHook
from cltorch.distributed.world import default_group
from cltorch.optim.optimizer import Optimizer
from cltorch.tensor import Tensor

__all__ = ["ZeroRedundancyOptimizer"]


class _Hook(JoinHook):
    """Do a step for each that the other processes do, with no gradients of one's own."""

    def __init__(self, optimizer: ZeroRedundancyOptimizer) -> None:
        self._optimizer = optimizer

    def main_hook(self) -> None:
        self._optimizer.step()


class ZeroRedundancyOptimizer(Optimizer, Joinable):
    """Step by an optimiser of ``optimizer_class``, each process for a part of the parameters: here for all.

    ``optim`` is that optimiser; groups and state are its own. ``state_dict`` needs ``consolidate_state_dict`` before
    it, as among several processes. ``parameters_as_bucket_view`` is taken and changes nothing. Raises ValueError before
    ``init_process_group``, for no parameters and for parameters of several dtypes, TypeError for what is no parameters,
    NotImplementedError with ``overlap_with_ddp``, RuntimeError for a state that was not consolidated.
    Source: https://docs.pytorch.org/docs/2.13/distributed.optim.html#torch.distributed.optim.ZeroRedundancyOptimizer

    >>> import cltorch as torch
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> x = torch.nn.Parameter(torch.tensor([3.0]))
    >>> optimizer = ZeroRedundancyOptimizer([x], torch.optim.SGD, lr=0.5)
    >>> x.square().sum().backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.0]
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: Callable[..., Optimizer],
        process_group: Any = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        groups = _checked(params)
        if overlap_with_ddp:
            raise NotImplementedError("overlap_with_ddp is not there: cltorch computes in one process")
        self.process_group = default_group() if process_group is None else process_group
        self.optim = optimizer_class(groups, **defaults)
        self.parameters_as_bucket_view = parameters_as_bucket_view
        self._consolidated: dict[str, Any] | None = None
        Joinable.__init__(self)
        super().__init__(groups, defaults)
        self.param_groups, self.state = self.optim.param_groups, self.optim.state

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters."""
        if self.__dict__.get("state") is self.optim.state:  # the first groups are there already
            self.optim.add_param_group(param_group)
            self.param_groups = self.optim.param_groups

    def step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        """Do a step; return what ``closure`` returns, where there is one."""
        return self.optim.step(**kwargs) if closure is None else self.optim.step(closure, **kwargs)

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Let the process ``to`` have the state of all, for ``state_dict`` there."""
        if to == self.process_group.rank():
            self._consolidated = self.optim.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of all processes, as it was at the last ``consolidate_state_dict``."""
        if self._consolidated is None:
            raise RuntimeError(
                f"Optimizer state has not been consolidated on this rank. Please call `consolidate_state_dict(to="
                f"{self.process_group.rank()})` on all ranks beforehand if you meant to save the global state."
            )
        return self._consolidated

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of an optimiser of the same class over the same parameters."""
        self.optim.load_state_dict(state_dict)
        self.param_groups, self.state = self.optim.param_groups, self.optim.state

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """Return what this optimiser does in a Join when the process is done."""
        return _Hook(self)

    @property
    def join_device(self) -> Any:
        """The device of the first parameter."""
        return self.param_groups[0]["params"][0].device

    @property
    def join_process_group(self) -> Any:
        """The group whose processes share the state."""
        return self.process_group


def _checked(params: Any) -> list[Any]:
    """Return groups or parameters as a list, none of them missing and all of one dtype."""
    if isinstance(params, Tensor):
        raise TypeError(f"`params` argument should be an iterable of Tensors, but got {params.type()}")
    groups = list(params)
    if not groups:
        raise ValueError("ZeroRedundancyOptimizer got an empty parameter list")
    groups = [{**g, "params": list(g["params"])} if isinstance(g, dict) else g for g in groups]
    tensors = [x for g in groups for x in (g["params"] if isinstance(g, dict) else [g])]
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(f"params argument should be an iterable of Tensors or dicts, but got {type(x)}")
        if x.dtype != tensors[0].dtype:
            raise ValueError(
                "ZeroRedundancyOptimizer only supports using the same dense type for all parameters but got both "
                f"{tensors[0].type()} and {x.type()}"
            )
    return groups
