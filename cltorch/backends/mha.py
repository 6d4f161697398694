"""The fast path of PyTorch's attention layers, of which the results are kept: torch.backends.mha.

Source: https://docs.pytorch.org/docs/2.13/backends.html
"""

from cltorch.nn.modules.fast_path import get_fastpath_enabled, set_fastpath_enabled

__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]
