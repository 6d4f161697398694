"""Batch normalisation, and what it shares with instance normalisation.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.BatchNorm2d.html
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import no_grad
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.nn.modules.lazy import LazyLayer
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter, UninitializedBuffer

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d",
    "SyncBatchNorm",
]  # fmt: skip


class _NormBase(Module):
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
        if input.lay.ndim not in self._ranks:
            raise ValueError(
                f"expected {' or '.join(f'{n}D' for n in self._ranks)} input (got {input.lay.ndim}D input)"
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
            count = functions.tensor(0, dtype=dtypes.int64, device="cpu") if own is None or own.is_meta else own
            state_dict.setdefault(prefix + "num_batches_tracked", count)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
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
    """Normalise each channel over the batch and all positions.

    y = (x - mean) / √(var + eps) · weight + bias, in training by the batch's statistics, which move the running ones
    by ``momentum`` (None: all batches weigh the same), in evaluation by the running ones.
    S. Ioffe, C. Szegedy, Batch Normalization, 2015.
    Shape: (N, C) or (N, C, L) to the same, C being ``num_features``; ValueError for another rank or, in training, one
    value per channel.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.BatchNorm1d.html

    >>> import cltorch as torch
    >>> torch.nn.BatchNorm1d(100)(torch.randn(20, 100)).shape
    torch.Size([20, 100])
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel over the batch and all positions.

    y = (x - mean) / √(var + eps) · weight + bias, with the statistics as in BatchNorm1d.
    Shape: (N, C, H, W) to the same; ValueError for another rank.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.BatchNorm2d.html

    >>> import cltorch as torch
    >>> torch.nn.BatchNorm2d(4)
    BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalise each channel over the batch and all positions.

    y = (x - mean) / √(var + eps) · weight + bias, with the statistics as in BatchNorm1d.
    Shape: (N, C, D, H, W) to the same; ValueError for another rank.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.BatchNorm3d.html

    >>> import cltorch as torch
    >>> torch.nn.BatchNorm3d(3)(torch.randn(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    _ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """Normalise each channel over the batch and all positions, as BatchNorm does in one process.

    Among several processes PyTorch's takes the statistics of all of them; here there is one process, for which it
    computes what BatchNorm computes. ``process_group`` is kept as it is given. Raises ValueError for fewer than two
    dimensions and for no channels.
    y = (x - mean) / √(var + eps) · weight + bias.
    Shape: (N, C, *) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.SyncBatchNorm.html

    >>> import cltorch as torch
    >>> torch.nn.SyncBatchNorm(100)(torch.randn(20, 100, 35, 45)).shape
    torch.Size([20, 100, 35, 45])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Any) -> None:
        if input.lay.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.lay.ndim}D input)")
        if input.lay.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """Return a module in which every BatchNorm layer has become a SyncBatchNorm with its parameters and buffers.

        >>> import cltorch as torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
        >>> type(torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)[1]).__name__
        'SyncBatchNorm'
        """
        made = module
        if isinstance(module, _BatchNorm):
            made = SyncBatchNorm(
                module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                process_group, bias=module.bias is not None,
            )  # fmt: skip
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(made, name, getattr(module, name))
            made.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


class _LazyNormBase(LazyLayer, _NormBase):
    """Hold what _NormBase holds once the first input has told the number of channels."""

    _learned = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self._parameters_without_shape(bias, device, dtype)
        if track_running_stats:
            for name in ("running_mean", "running_var"):
                setattr(self, name, UninitializedBuffer(device=device, dtype=dtype))
            self.num_batches_tracked = functions.zeros((), dtype=dtypes.int64, device=device)

    def _size_of(self, input: Any) -> int:
        return int(input.shape[1])

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (self.num_features,))

    def initialize_parameters(self, input: Any) -> None:
        """Give the parameters and statistics as many values as the input has channels."""
        super().initialize_parameters(input)


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """Be a BatchNorm1d that takes ``num_features`` from its first input.

    Shape: as of BatchNorm1d.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyBatchNorm1d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyBatchNorm1d()
    >>> net(torch.randn(4, 3)).shape, net.num_features
    (torch.Size([4, 3]), 3)
    """

    cls_to_become = BatchNorm1d
    _ranks = (2, 3)


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """Be a BatchNorm2d that takes ``num_features`` from its first input.

    Shape: as of BatchNorm2d.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyBatchNorm2d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyBatchNorm2d()
    >>> net(torch.randn(4, 3, 2, 2)).shape, net.num_features
    (torch.Size([4, 3, 2, 2]), 3)
    """

    cls_to_become = BatchNorm2d
    _ranks = (4,)


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """Be a BatchNorm3d that takes ``num_features`` from its first input.

    Shape: as of BatchNorm3d.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyBatchNorm3d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyBatchNorm3d()
    >>> net(torch.randn(4, 3, 2, 2, 2)).shape, net.num_features
    (torch.Size([4, 3, 2, 2, 2]), 3)
    """

    cls_to_become = BatchNorm3d
    _ranks = (5,)
