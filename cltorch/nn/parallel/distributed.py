"""DistributedDataParallel: one module, a process for each part of the batch; here there is one process.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parallel.DistributedDataParallel.html
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from cltorch.distributed.algorithms.join import Join, Joinable, JoinHook
from cltorch.distributed.grad_bucket import GradBucket
from cltorch.distributed.reducer import Reducer
from cltorch.distributed.world import default_group, is_outside
from cltorch.nn.modules.module import Module
from cltorch.nn.parallel.scatter_gather import gather, place, scatter_kwargs
from cltorch.nn.parameter import UninitializedParameter
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module, Joinable):
    """Train a module in several processes, each with a part of the batch, by the mean of their gradients.

    g = (g_1 + … + g_n) / n for the gradients g_i of the processes, which for one process is its own.
    The module is the child ``module``, so names of a state dict begin with "module.". Call ``init_process_group``
    before. With ``device_ids``, a list of one device, inputs are moved to it. ``register_comm_hook`` puts another
    reduction in the place of the mean; ``no_sync`` leaves it out. What chooses buckets, and how buffers and gradients
    lie in memory, is taken and changes nothing among one process; ``mixed_precision``, ``device_mesh`` and delayed
    reductions raise NotImplementedError. Raises ValueError before ``init_process_group``, for several device_ids and
    for modules on several kinds of device, RuntimeError for a module without parameters that require gradients.
    Shape: what the module takes and returns.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parallel.DistributedDataParallel.html

    >>> import cltorch as torch
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> net(torch.ones(4, 2)).sum().backward()
    >>> net.module.weight.grad, list(net.state_dict())
    (tensor([[4., 4.]]), ['module.weight', 'module.bias'])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        module: Any,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        delay_all_reduce_named_params: Any = None,
        param_to_hook_all_reduce: Any = None,
        mixed_precision: Any = None,
        device_mesh: Any = None,
        skip_all_reduce_unused_params: bool = False,
        bucket_cap_mb_list: list[int] | None = None,
        batched_grad_copy: bool = False,
        forward_sync_buffers: bool | None = None,
    ) -> None:
        super().__init__()
        Joinable.__init__(self)
        if (delay_all_reduce_named_params is None) != (param_to_hook_all_reduce is None):
            raise ValueError(
                "delay_all_reduce_named_params and param_to_hook_all_reduce need to be set at the same time."
            )
        for name, given in (
            ("delay_all_reduce_named_params", delay_all_reduce_named_params),
            ("mixed_precision", mixed_precision),
            ("device_mesh", device_mesh),
        ):
            if given is not None:
                raise NotImplementedError(f"DistributedDataParallel with {name} is not there: cltorch has one process")
        self.process_group = default_group() if process_group is None else process_group
        self.parameters_to_ignore = set(getattr(module, "_ddp_params_and_buffers_to_ignore", ()))
        own = [p for name, p in module.named_parameters() if name not in self.parameters_to_ignore]
        self._check_parameters(own)
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError("device_ids can only be None or contain a single element.")
        self.is_multi_device_module = len({p.device for p in own}) > 1
        self.device = own[0].device
        self.device_type = self.device.type
        self.device_ids: list[Any] | None = None
        self.output_device: Any = None
        if device_ids is None or not device_ids or self.device_type != "cl" or self.is_multi_device_module:
            if device_ids or output_device:
                raise ValueError(
                    "DistributedDataParallel device_ids and output_device arguments only work with single-device/"
                    f"multiple-device GPU modules or CPU modules, but got device_ids {device_ids}, output_device "
                    f"{output_device}, and module parameters { ({p.device for p in own}) }."
                )
        else:
            self.device_ids = [_index(device_ids[0])]
            self.output_device = _index(device_ids[0] if output_device is None else output_device)
        self.dim, self.module = dim, module
        self.forward_sync_buffers = _syncs_buffers(broadcast_buffers, forward_sync_buffers)
        self.find_unused_parameters, self.static_graph = find_unused_parameters, static_graph
        self.gradient_as_bucket_view, self.batched_grad_copy = gradient_as_bucket_view, batched_grad_copy
        self.skip_all_reduce_unused_params, self.mixed_precision = skip_all_reduce_unused_params, None
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        if check_reduction:
            warnings.warn(
                "The `check_reduction` argument in `DistributedDataParallel` module is deprecated. Please avoid using "
                "it.",
                FutureWarning,
                stacklevel=callers_level(),
            )
        self.reducer = self._make_reducer()

    def _make_reducer(self) -> Reducer:
        own = [p for name, p in self.module.named_parameters() if name not in self.parameters_to_ignore]
        return Reducer(own, lambda: self.require_backward_grad_sync)

    @staticmethod
    def _check_parameters(own: Sequence[Any]) -> None:
        if not any(p.requires_grad for p in own):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a "
                "gradient."
            )
        kinds = {p.device.type for p in own}
        if len(kinds) != 1:
            raise ValueError(
                "DistributedDataParallel's input module must be on the same type of devices, but input module "
                f"parameters locate in {kinds}."
            )
        if any(isinstance(p, UninitializedParameter) for p in own):
            raise RuntimeError(
                "Modules with uninitialized parameters can't be used with `DistributedDataParallel`. Run a dummy "
                "forward pass to correctly initialize the modules"
            )

    @property
    def broadcast_buffers(self) -> bool:
        """Whether buffers of one process would be given to the others before each forward pass."""
        return self.forward_sync_buffers

    @broadcast_buffers.setter
    def broadcast_buffers(self, value: bool) -> None:
        self.forward_sync_buffers = value

    def __getstate__(self) -> dict[str, Any]:
        self._check_default_group()
        return {**self.__dict__, "process_group": None, "reducer": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.process_group = default_group()
        self.reducer = self._make_reducer()

    def _check_default_group(self) -> None:
        if self.process_group is not default_group():
            raise RuntimeError(
                "DDP Pickling/Unpickling are only supported when using DDP with the default process group. That is, "
                "when you have called init_process_group and have not passed process_group argument to DDP constructor"
            )

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Leave gradients of backward passes inside as they are, to be reduced with later ones."""
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        Join.notify_join_context(self)
        if self.device_ids:
            moved, named = self.to_kwargs(inputs, kwargs, self.device_ids[0])
            inputs, kwargs = (moved[0], named[0]) if moved else ((), {})
        return self.module(*inputs, **kwargs)

    def scatter(self, inputs: Any, kwargs: Any, device_ids: Sequence[Any]) -> Any:
        """Cut arguments into a part for each device."""
        return scatter_kwargs(inputs, kwargs, device_ids, dim=self.dim)

    def to_kwargs(self, inputs: Any, kwargs: Any, device_id: Any) -> Any:
        """Move the tensors in arguments to a device."""
        return scatter_kwargs(inputs, kwargs, [device_id], dim=self.dim)

    def gather(self, outputs: Any, output_device: Any) -> Any:
        """Put results together on one device."""
        return gather(outputs, output_device, dim=self.dim)

    def train(self, mode: bool = True) -> DistributedDataParallel:
        super().train(mode)
        return self

    def join(
        self, divide_by_initial_world_size: bool = True, enable: bool = True, throw_on_early_termination: bool = False
    ) -> Join:
        """Return a context in which processes may have unequal numbers of inputs.

        Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.parallel.DistributedDataParallel.html
        """
        return Join(
            [self], enable, throw_on_early_termination, divide_by_initial_world_size=divide_by_initial_world_size
        )

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """Return what this module does in a Join when the process is done: nothing, where there are no others."""
        return JoinHook()

    @property
    def join_device(self) -> Any:
        """The device of the parameters."""
        return self.device

    @property
    def join_process_group(self) -> Any:
        """The group that trains the module."""
        return self.process_group

    def register_comm_hook(self, state: Any, hook: Callable[..., Any]) -> None:
        """Reduce gradients by ``hook(state, bucket)``, which returns a future of the bucket's gradients.

        The hook runs at the end of each backward pass, once for all gradients of a dtype. Raises TypeError for what is
        no function, ValueError where its annotations say that it is none for this, RuntimeError for a second hook.
        Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html
        """
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
        signature = inspect.signature(hook)
        bucket = signature.parameters["bucket"].annotation
        if bucket not in (inspect.Parameter.empty, GradBucket, "GradBucket", "dist.GradBucket"):
            raise ValueError("Communication hook: bucket annotation should be dist.GradBucket.")
        self.reducer.register_comm_hook(state, hook)

    def will_sync_module_buffers(self) -> bool:
        """Return whether there are buffers that would be given to other processes."""
        buffers = [name for name, _ in self.module.named_buffers() if name not in self.parameters_to_ignore]
        return self.require_forward_param_sync and self.forward_sync_buffers and bool(buffers)

    def _get_ddp_logging_data(self) -> dict[str, Any]:
        """Return what is known of the module and its group, for logs."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        return {
            "module_name": type(self.module).__name__,
            "backend_name": self.process_group.name(),
            "world_size": self.process_group.size(),
            "rank": self.process_group.rank(),
            "num_parameter_tensors": len(parameters),
            "total_parameter_size_bytes": sum(p.numel() * p.element_size() for p in parameters),
            "find_unused_parameters": int(self.find_unused_parameters),
            "broadcast_buffers": int(self.forward_sync_buffers),
            "gradient_as_bucket_view": int(self.gradient_as_bucket_view),
            "static_graph": int(self.static_graph),
        }

    def _set_static_graph(self) -> None:
        self.static_graph = True

    @staticmethod
    def _set_params_and_buffers_to_ignore_for_model(module: Any, params_and_buffers_to_ignore: Any) -> None:
        module._ddp_params_and_buffers_to_ignore = params_and_buffers_to_ignore

    def _update_process_group(self, new_process_group: Any) -> None:
        if not is_outside(new_process_group):
            self.process_group = new_process_group

    def _register_builtin_comm_hook(self, comm_hook_type: Any) -> NoReturn:
        raise NotImplementedError(f"the built-in hook {comm_hook_type} is not there: use register_comm_hook")


def _find_tensors(found: Any) -> list[Any]:
    """Return the tensors in a structure of lists, tuples, dicts and dataclasses."""
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, dict):
        return [x for value in found.values() for x in _find_tensors(value)]
    if isinstance(found, (list, tuple)):
        return [x for value in found for x in _find_tensors(value)]
    if dataclasses.is_dataclass(found):
        return [x for f in dataclasses.fields(found) for x in _find_tensors(getattr(found, f.name))]
    return []


def _index(device: Any) -> Any:
    found = place(device)
    return found if found.index is None else found.index


def _syncs_buffers(broadcast_buffers: bool | None, forward_sync_buffers: bool | None) -> bool:
    """Return what two arguments for the same come to; warn of the older."""
    if broadcast_buffers is None:
        return True if forward_sync_buffers is None else forward_sync_buffers
    if forward_sync_buffers is not None:
        message = (
            "Both `broadcast_buffers` and `forward_sync_buffers` were specified. `broadcast_buffers` is deprecated and "
            "its value is ignored when `forward_sync_buffers` is provided."
        )
    else:
        message = (
            "`broadcast_buffers` is deprecated. Use `forward_sync_buffers` instead. IMPORTANT: unlike "
            "`broadcast_buffers=False`, `forward_sync_buffers=False` still syncs buffers at init."
        )
    warnings.warn(message, FutureWarning, stacklevel=callers_level())
    return broadcast_buffers if forward_sync_buffers is None else forward_sync_buffers
