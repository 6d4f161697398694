"""Operators on Arrays: shape rule, host path, launch and derivative of each, without Tensor and without recording."""

from cltorch.ops.overloads import Namespace, aten, higher_order

__all__ = ["Namespace", "aten", "higher_order"]
