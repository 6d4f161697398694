"""Normalisation: the functions of ``cltorch.functions.norm`` in the order of arguments of torch.nn.functional.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#normalization-functions
"""

from __future__ import annotations

from cltorch.functions.group_norm import functional_group_norm as group_norm
from cltorch.functions.group_norm import functional_instance_norm as instance_norm
from cltorch.functions.norm import functional_batch_norm as batch_norm
from cltorch.functions.norm import functional_layer_norm as layer_norm
from cltorch.functions.norm import rms_norm

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
