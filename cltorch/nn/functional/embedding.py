"""Embedding: vectors of a table by index; and one-hot vectors.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#sparse-functions
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import no_grad
from cltorch.autograd.batch_levels import bare
from cltorch.autograd.layers import active
from cltorch.device import faults
from cltorch.functions.arguments import need_array, read_int
from cltorch.ops.counts import counted
from cltorch.ops.one_hot import one_hot as one_hot_vectors

__all__ = ["embedding", "one_hot"]

_NEGATIVE = "Class values must be non-negative."


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Return the rows of ``weight`` (n, d) that ``input`` names: shape (*input, d).

    out[…] = weight[input[…]].
    ``padding_idx`` names a row that gets no gradient. With ``max_norm`` the rows that are looked up are first scaled
    down, in place, to that ``norm_type``-norm. Raises NotImplementedError for sparse gradients.
    Shape: input (*), int32 or int64, weight (n, d) to (*, d).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.embedding.html

    >>> import cltorch as torch
    >>> table = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), table)
    tensor([[2., 3.],
            [0., 1.]])
    """
    need_array("embedding", "indices", 2, input)
    need_array("embedding", "weight", 1, weight)
    if weight.lay.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    count = weight.lay.shape[0]
    if padding_idx is None:
        padding_idx = -1
    else:
        padding_idx = read_int("embedding", "padding_idx", 3, padding_idx)
        if not -count <= padding_idx < count:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= count
    if sparse:
        raise NotImplementedError("embedding with sparse gradients is not built")
    if max_norm is not None:
        shorten(input, weight, max_norm, norm_type)
    return functions.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


@no_grad()
def shorten(input: Any, weight: Any, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are looked up to at most ``max_norm``; all rows are measured, so nothing is read back."""
    weight = weight.detach()  # what is derived forward from the rows stays as it is
    used = functions.zeros(weight.lay.shape[0], 1, dtype=dtypes.bool_, device=weight.device)
    used = functions.index_fill(used, 0, functions.reshape(input, (-1,)), True)
    length = functions.vector_norm(weight, norm_type, 1, True)
    too_long = functions.logical_and(used, functions.gt(length, max_norm))
    # the small number is PyTorch's, against a division by zero
    scale = functions.div(max_norm, functions.add(length, 1e-7))
    functions.copy_(weight, functions.where(too_long, functions.mul(weight, scale), weight))


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Return indices as vectors of ``num_classes`` zeros with a one at the index: shape (*tensor, num_classes).

    out[…, k] = 1 where k = tensor[…], else 0.
    Without ``num_classes`` it is one more than the largest index, which is read from the device. Raises RuntimeError
    for an index out of range (for one on a device DeviceIndexError, when the program waits for it), and for a tensor
    that is not int64.
    Shape: (*), int64, to (*, num_classes).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.one_hot.html

    >>> import cltorch as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    need_array("one_hot", "tensor", 1, tensor)
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.lay.numel == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return functions.zeros((*tensor.lay.shape, num_classes), dtype=dtypes.int64, device=tensor.device)
    if tensor.device.type == "cpu":
        if int(functions.amin(bare(tensor))) < 0:
            raise RuntimeError(_NEGATIVE)
        most = int(functions.amax(bare(tensor)))
        if num_classes != -1 and most >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    elif num_classes == -1:
        _, least, most = counted(bare(tensor), 0, ends=True)
        if least < 0:
            raise RuntimeError(_NEGATIVE)
    if num_classes == -1:
        num_classes = most + 1
    if tensor.device.type != "cpu" and num_classes > 0 and not active:  # which notes what is wrong
        return one_hot_vectors(tensor, num_classes)
    zeros = functions.zeros((*tensor.lay.shape, num_classes), dtype=dtypes.int64, device=tensor.device)
    with faults.told_as("one_hot"):
        return functions.scatter(zeros, -1, functions.unsqueeze(tensor, -1), 1)
