"""Control flow as functions: torch.cond and torch.while_loop, which run at once what the values say.

Source: https://docs.pytorch.org/docs/2.13/cond.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.ops.overloads import resolvers
from cltorch.tensor import Tensor
from cltorch.utils._pytree import tree_all, tree_leaves

__all__ = ["cond", "while_loop"]


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()) -> Any:
    """Return ``true_fn(*operands)`` where ``pred``, a truth value or a tensor of one, holds, else ``false_fn``'s.

    The value of a tensor is read, which waits for its device; gradients go through the branch that was taken. Raises
    RuntimeError for a tensor of several values, for branches that are no functions and operands that are no tensors.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cond.html

    >>> import cltorch as torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> torch.cond(x.sum() > 2, torch.neg, torch.exp, (x,))
    tensor([-1., -2.])
    """
    if isinstance(pred, (bool, int, float)):
        return true_fn(*operands) if pred else false_fn(*operands)
    if not isinstance(pred, Tensor):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)) or not tree_all(lambda x: isinstance(x, Tensor), operands):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of tensor leaves, but "
            f"got {operands}."
        )
    return (true_fn if bool(pred) else false_fn)(*operands)


def while_loop(cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any) -> Any:
    """Return what ``body_fn`` makes of the inputs, again and again, as long as ``cond_fn`` of it holds.

    ``body_fn`` returns as many values as it takes. Raises RuntimeError for what is no function, AssertionError for
    inputs that are neither tensors nor integers.
    Source: https://docs.pytorch.org/docs/2.13/higher_order_ops/while_loop.html

    >>> import cltorch as torch
    >>> torch.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), torch.ones(1)))
    (tensor(3), tensor([8.]))
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError("Expect cond_fn and body_fn to be callable.")
    leaves = tree_leaves(carried_inputs)
    for x in leaves:
        if not isinstance(x, (Tensor, int)):
            raise AssertionError(f"{leaves} can only be of ({Tensor}, {int}) but got {tuple(map(type, leaves))}")
    values = tuple(carried_inputs)
    while bool(cond_fn(*values)):
        found = body_fn(*values)
        values = tuple(found) if isinstance(found, (tuple, list)) else (found,)
        if len(values) != len(carried_inputs):
            raise RuntimeError(
                f"while_loop: body_fn must return as many values as it takes, {len(carried_inputs)}, but returned "
                f"{len(values)}"
            )
    return values


_FUNCTIONS = {"cond": cond, "while_loop": while_loop}
resolvers.append(lambda namespace, name: _FUNCTIONS.get(name) if namespace == "higher_order" else None)
