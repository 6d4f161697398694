"""Attention.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#attention-mechanisms
"""

from cltorch.functions.attention import scaled_dot_product_attention

__all__ = ["scaled_dot_product_attention"]
