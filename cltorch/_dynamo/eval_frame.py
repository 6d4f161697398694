"""What torch.compile makes of a module, by the name of PyTorch's file."""

from __future__ import annotations

from cltorch.nn.modules.optimized import OptimizedModule as OptimizedModule

__all__ = ["OptimizedModule"]
