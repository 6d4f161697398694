"""Comparing and making tensors in tests: torch.testing.

Source: https://docs.pytorch.org/docs/2.13/testing.html
"""

from cltorch.testing._comparison import assert_allclose, assert_close
from cltorch.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
