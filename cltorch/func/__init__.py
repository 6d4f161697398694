"""Derivatives of functions, functions over batches, and modules as functions: torch.func.

Source: https://docs.pytorch.org/docs/2.13/func.html
"""

from cltorch.func.backward import grad, grad_and_value, jacrev, vjp
from cltorch.func.batches import debug_unwrap, vmap
from cltorch.func.forward import hessian, jacfwd, jvp, linearize
from cltorch.func.modules import (
    functional_call,
    functionalize,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from cltorch.func.rearrange import rearrange

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "rearrange", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
