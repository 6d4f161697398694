"""The handle that takes a hook away again, where PyTorch's programs import it from: torch.utils.hooks."""

from cltorch.autograd.handle import RemovableHandle

__all__ = ["RemovableHandle"]
