"""Automatic differentiation: the graph, the engine that runs it, and the switches around them."""

from cltorch.autograd.engine import backward, grad
from cltorch.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from cltorch.autograd.graph import Node
from cltorch.autograd.record import apply, inplace, view

__all__ = [
    "Node",
    "apply",
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "inplace",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
    "view",
]
