"""Batch normalisation, and what it shares with instance normalisation.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.BatchNorm2d.html
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import no_grad
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class NormBase(Module):
    """Hold a weight and a bias per channel, the running mean and variance, and the number of batches seen."""

    _version = 2
    _ranks: tuple[int, ...] = ()
    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        kind = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            made = Parameter(functions.empty(num_features, **kind)) if wanted else None
            self.register_parameter(name, made)
        tracked = track_running_stats
        self.register_buffer("running_mean", functions.zeros(num_features, **kind) if tracked else None)
        self.register_buffer("running_var", functions.ones(num_features, **kind) if tracked else None)
        count = functions.zeros((), dtype=dtypes.int64, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Begin the running mean, variance and count anew."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Begin weight, bias and running statistics anew."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        if input.layout.ndim not in self._ranks:
            raise ValueError(
                f"expected {' or '.join(f'{n}D' for n in self._ranks)} input (got {input.layout.ndim}D input)"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if (local_metadata.get("version") or 1) < 2 and self.track_running_stats:
            # files of that version have no count of batches
            own = self.num_batches_tracked
            count = functions.tensor(0, dtype=dtypes.int64) if own is None else own
            state_dict.setdefault(prefix + "num_batches_tracked", count)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(NormBase):
    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        mean, var = self.running_mean, self.running_var
        if not self.training:
            # without running statistics those of the batch are used in evaluation too
            return F.batch_norm(
                input, mean, var, self.weight, self.bias, mean is None and var is None, self.momentum or 0.0, self.eps
            )
        if not self.track_running_stats:
            return F.batch_norm(input, None, None, self.weight, self.bias, True, self.momentum or 0.0, self.eps)
        count = self.num_batches_tracked
        if count is not None:
            count.add_(1)
            if self.momentum is None:
                return self._cumulative(input)
        return F.batch_norm(input, mean, var, self.weight, self.bias, True, self.momentum or 0.0, self.eps)

    def _cumulative(self, input: Any) -> Any:
        """Normalise a batch and average its statistics with equal weight for all batches so far.

        That weight is 1 / num_batches_tracked, which stays on the device: nothing is read back.
        """
        mean, var = functions.zeros_like(self.running_mean), functions.zeros_like(self.running_var)
        out = F.batch_norm(input, mean, var, self.weight, self.bias, True, 1.0, self.eps)
        with no_grad():
            share = functions.reciprocal(functions.to(self.num_batches_tracked, mean.dtype))
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(var, share)
        return out


class BatchNorm1d(_BatchNorm):
    """Normalise each channel of (N, C) or (N, C, L) over the batch and all positions.

    y = (x - mean) / √(var + eps) · weight + bias, in training by the batch's statistics, which move the running ones
    by ``momentum`` (None: all batches weigh the same), in evaluation by the running ones.
    S. Ioffe, C. Szegedy, Batch Normalization, 2015.

    >>> import cltorch as torch
    >>> torch.nn.BatchNorm1d(100)(torch.randn(20, 100)).shape
    torch.Size([20, 100])
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel of (N, C, H, W) over the batch and all positions.

    >>> import cltorch as torch
    >>> torch.nn.BatchNorm2d(4)
    BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalise each channel of (N, C, D, H, W) over the batch and all positions."""

    _ranks = (5,)
