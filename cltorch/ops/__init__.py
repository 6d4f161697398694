"""Operators on Arrays: shape rule, host path, launch and derivative of each, without Tensor and without recording."""
