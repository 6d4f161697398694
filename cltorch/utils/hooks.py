"""The handle that takes a hook away again, and how hooks are kept from files: torch.utils.hooks."""

from cltorch.autograd.handle import RemovableHandle, unserializable_hook, warn_if_has_hooks

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]
