"""A softmax over very many classes, the rare ones in clusters.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveLogSoftmaxWithLoss.html
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from cltorch import functions as f
from cltorch.dtypes import promote_types
from cltorch.functions.gather import gather
from cltorch.nn import functional as F
from cltorch.nn.modules.container import ModuleList, Sequential
from cltorch.nn.modules.linear import Linear
from cltorch.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Return the log-probability of each target and their mean loss, over classes sorted by how often they occur.

    log p(y) = log softmax(head(x))[y] for y < cutoffs[0], else log softmax(head(x))[cutoffs[0] + c] + log
    softmax(tail[c](x))[y - cutoffs[c]], c being the number of y's cluster from 0; the loss is -Σ log p(y) / N.
    The first ``cutoffs[0]`` classes and one entry per cluster are told apart by ``head``; the classes of the cluster
    between two cutoffs by ``tail``, in ``div_value`` times fewer dimensions from one cluster to the next. The input is
    (N, in_features) with targets (N), or (in_features) with (). Which samples a cluster has is read from the device.
    Raises ValueError for cutoffs that are not positive, different, rising integers below ``n_classes``, RuntimeError
    for other shapes and targets out of range. E. Grave et al., Efficient softmax approximation for GPUs, 2017.
    Shape: input (N, in_features), target (N); result (N) and ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AdaptiveLogSoftmaxWithLoss.html

    >>> import cltorch as torch
    >>> m = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0)
    >>> m(torch.randn(5, 8), torch.tensor([0, 3, 4, 12, 19])).output.shape
    torch.Size([5])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        rising = cutoffs == sorted(set(cutoffs)) and min(cutoffs) > 0 and max(cutoffs) <= n_classes - 1
        if not rising or any(int(c) != c for c in cutoffs):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        kind = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **kind)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            count = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(Linear(in_features, width, bias=False, **kind), Linear(width, count, bias=False, **kind))
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> Any:
        if target_.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target_.dim() == 1:
            if input_.shape[0] != target_.shape[0]:
                raise RuntimeError("Input and target should have the same size in the batch dimension.")
            if input_.dim() != 2:
                raise RuntimeError(
                    f"1D target tensor expects 2D input tensors, but found inputs with size {input_.shape}"
                )
        elif input_.dim() != 1:
            raise RuntimeError(f"0D target tensor expects 1D input tensors, but found inputs with size {input_.shape}")
        single = target_.dim() == 0
        x, y = (f.unsqueeze(v, 0) for v in (input_, target_)) if single else (input_, target_)
        if y.numel():
            low, high = (int(v) for v in f.aminmax(y))
            if low < 0 or high >= self.n_classes:
                raise RuntimeError(
                    f"Target values should be in [0, {self.n_classes - 1}], but values in range [{low}, {high}] were "
                    "found. "
                )
        head = F.log_softmax(self.head(x), dim=1)
        # a class of a cluster is looked up in the head by the cluster's entry
        entry = y
        for i in range(self.n_clusters):
            entry = f.where(f.ge(y, self.cutoffs[i]), self.shortlist_size + i, entry)
        wide = promote_types(head.dtype, x.dtype)  # autocast computes in fewer bits than the result has
        output = f.to(f.squeeze(gather(head, 1, f.unsqueeze(entry, 1)), 1), wide)
        for i, cluster in enumerate(self.tail):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            (rows,) = f.nonzero(f.logical_and(f.ge(y, low), f.lt(y, high)), as_tuple=True)
            if rows.numel():
                inside = F.log_softmax(cluster(f.index_select(x, 0, rows)), dim=1)
                place = f.unsqueeze(f.sub(f.index_select(y, 0, rows), low), 1)
                output = f.index_add(output, 0, rows, f.to(f.squeeze(gather(inside, 1, place), 1), wide))
        loss = f.mean(f.neg(output))
        return _ASMoutput(f.squeeze(output, 0) if single else output, loss)

    def log_prob(self, input: Any) -> Any:
        """Return the log-probabilities (N, n_classes) of all classes."""
        head = F.log_softmax(self.head(input), dim=1)
        parts = [f.narrow(head, 1, 0, self.shortlist_size)]
        for i, cluster in enumerate(self.tail):
            own = f.narrow(head, 1, self.shortlist_size + i, 1)
            parts.append(f.add(F.log_softmax(cluster(input), dim=1), own))
        return f.cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """Return the most likely class of each sample (N)."""
        return f.argmax(self.log_prob(input), 1)
