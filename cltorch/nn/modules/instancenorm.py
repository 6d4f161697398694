"""Instance normalisation.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.InstanceNorm2d.html
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn.modules.batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]  # fmt: skip


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        batched = input.lay.ndim == self._ranks[-1]
        channels = input.lay.shape[1 if batched else 0]
        if channels != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={1 if batched else 0} to match num_features ({self.num_features}), "
                    f"but got: {channels}."
                )
            warnings.warn(
                f"input's size at dim={1 if batched else 0} does not match num_features. You can silence this "
                "warning by not passing in num_features, which is not used because affine=False",
                stacklevel=3,
            )
        out = F.instance_norm(
            input if batched else functions.unsqueeze(input, 0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out if batched else functions.squeeze(out, 0)

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
        if local_metadata.get("version") is None and not self.track_running_stats:
            kept = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if kept:
                # that version tracked by default, which is what such a file most likely did unintended
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {' and '.join(f'{k!r}' for k in kept)} for "
                    f"{type(self).__name__} with track_running_stats=False. If state_dict is a checkpoint saved before "
                    "0.4.0, this may be expected because InstanceNorm does not track running stats by default since "
                    "0.4.0. Please remove these keys from state_dict, or create the module with "
                    "track_running_stats=True."
                )
                for key in kept:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each sample over its positions.

    y = (x - mean) / √(var + eps) · weight + bias; no weight, bias or running statistics unless asked for.
    D. Ulyanov et al., Instance Normalization, 2016.
    Shape: (N, C, L) or (C, L) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.InstanceNorm1d.html

    >>> import cltorch as torch
    >>> torch.nn.InstanceNorm1d(2)(torch.tensor([[[1.0, 3.0], [0.0, 2.0]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of each sample over its positions.

    y = (x - mean) / √(var + eps) · weight + bias, all as for InstanceNorm1d.
    Shape: (N, C, H, W) or (C, H, W) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.InstanceNorm2d.html

    >>> import cltorch as torch
    >>> torch.nn.InstanceNorm2d(3)(torch.randn(2, 3, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalise each channel of each sample over its positions.

    y = (x - mean) / √(var + eps) · weight + bias, all as for InstanceNorm1d.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.InstanceNorm3d.html

    >>> import cltorch as torch
    >>> torch.nn.InstanceNorm3d(3)(torch.randn(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    _ranks = (4, 5)


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """Be an InstanceNorm1d that takes ``num_features`` from its first input.

    Shape: as of InstanceNorm1d.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyInstanceNorm1d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyInstanceNorm1d(affine=True)
    >>> net(torch.randn(4, 3, 2)).shape, net.num_features
    (torch.Size([4, 3, 2]), 3)
    """

    cls_to_become = InstanceNorm1d
    _ranks = (2, 3)


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """Be an InstanceNorm2d that takes ``num_features`` from its first input.

    Shape: as of InstanceNorm2d.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyInstanceNorm2d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyInstanceNorm2d(affine=True)
    >>> net(torch.randn(4, 3, 2, 2)).shape, net.num_features
    (torch.Size([4, 3, 2, 2]), 3)
    """

    cls_to_become = InstanceNorm2d
    _ranks = (3, 4)


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """Be an InstanceNorm3d that takes ``num_features`` from its first input.

    Shape: as of InstanceNorm3d.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyInstanceNorm3d.html

    >>> import cltorch as torch
    >>> net = torch.nn.LazyInstanceNorm3d(affine=True)
    >>> net(torch.randn(4, 3, 2, 2, 2)).shape, net.num_features
    (torch.Size([4, 3, 2, 2, 2]), 3)
    """

    cls_to_become = InstanceNorm3d
    _ranks = (4, 5)
