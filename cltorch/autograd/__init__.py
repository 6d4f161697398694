"""Automatic differentiation: the graph, the engine that runs it, and the switches around them."""

import sys as _sys
from importlib import import_module as _import_module
from typing import Any as _Any

from cltorch import public_forms
from cltorch.autograd import duals, forward_ad, functional, grad_mode, graph
from cltorch.autograd.anomaly_mode import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from cltorch.autograd.edges import (
    GradientEdge,
    force_original_view_tracking,
    get_gradient_edge,
    increment_version,
    is_multithreading_enabled,
    is_view_replay_enabled,
    preserve_version_counter,
    set_multithreading_enabled,
    shapes_to_compare,
)
from cltorch.autograd.function import Function, FunctionCtx, once_differentiable
from cltorch.autograd.grad_mode import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from cltorch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from cltorch.autograd.gradients import backward
from cltorch.autograd.gradients import grad as _grad
from cltorch.autograd.graph import Node
from cltorch.autograd.layers import KINDS
from cltorch.autograd.multi_hooks import register_multi_grad_hook
from cltorch.autograd.record import apply, inplace, view
from cltorch.autograd.saved import Saved as SavedTensor
from cltorch.autograd.saving import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
)
from cltorch.autograd.variable import Variable

__all__ = [
    "Function",
    "FunctionCtx",
    "GradcheckError",
    "Node",
    "SavedTensor",
    "Variable",
    "apply",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "forward_ad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "is_anomaly_enabled",
    "is_multithreading_enabled",
    "is_view_replay_enabled",
    "once_differentiable",
    "save_on_cpu",
    "saved_tensors_hooks",
    "set_detect_anomaly",
    "set_multithreading_enabled",
    "inference_mode",
    "inplace",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
    "view",
]

KINDS.insert(0, duals)  # forward-mode derivatives take an operation before batches do

_unsafe_preserve_version_counter = preserve_version_counter
_force_original_view_tracking = force_original_view_tracking
_calculate_shape = shapes_to_compare


def _profiler_enabled() -> bool:
    """Return whether a profiler runs."""
    recorder = _sys.modules.get("cltorch.autograd.recorder")  # which brings PyOpenCL along
    return recorder is not None and recorder.current is not None


def _disable_profiler() -> None:
    """End what a profiler records that nobody has ended, if one runs."""
    if _profiler_enabled():
        _sys.modules["cltorch.autograd.recorder"].current.stop()


grad = public_forms.function(_grad, "cltorch.autograd", "torch.autograd.grad")

# PyTorch has them in its modules graph and grad_mode, which are below the ones they are in
for _found in (
    GradientEdge,
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    get_gradient_edge,
    increment_version,
    register_multi_grad_hook,
    save_on_cpu,
    saved_tensors_hooks,
):
    setattr(graph, _found.__name__, _found)
vars(graph)["__all__"] = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]
for _switch in (set_multithreading_enabled, is_multithreading_enabled, is_view_replay_enabled):
    setattr(grad_mode, _switch.__name__, _switch)


def __getattr__(name: str) -> _Any:
    if name in ("profiler", "profiler_util"):  # which import what runs programs on devices
        return _import_module(f"cltorch.autograd.{name}")
    raise AttributeError(f"module 'cltorch.autograd' has no attribute {name!r}")
