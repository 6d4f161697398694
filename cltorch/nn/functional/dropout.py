"""The dropout functions, with the checks and warnings of torch.nn.functional.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#dropout-functions
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch import functions
from cltorch.functions.arguments import need_array
from cltorch.functions.dropout import dropout as drop
from cltorch.functions.dropout import dropout_ as drop_
from cltorch.ops.fallback import callers_level

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero each element with probability ``p`` and multiply the others by 1 / (1 - p); nothing unless ``training``.

    N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.
    Shape: (*) to (*); it does nothing unless ``training``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.dropout.html

    >>> import cltorch as torch
    >>> torch.nn.functional.dropout(torch.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    _check(p)
    return drop_(input, p, training) if inplace else drop(input, p, training)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Drop elements to SELU's negative limit, keeping mean and variance.

    y = a (x · mask + α (1 - mask)) + b with α = -1.7581 and a, b that keep mean and variance.
    G. Klambauer et al., Self-Normalizing Neural Networks, 2017.
    Shape: (*) to (*); it does nothing unless ``training``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.alpha_dropout.html

    >>> import cltorch as torch
    >>> torch.nn.functional.alpha_dropout(torch.ones(3))
    tensor([1., 1., 1.])
    """
    _check(p)
    return (functions.alpha_dropout_ if inplace else functions.alpha_dropout)(input, p, training)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Drop whole channels (the second dimension) to SELU's negative limit, keeping mean and variance.

    y = a (x · mask + α (1 - mask)) + b as in ``alpha_dropout``, the mask being one draw for each channel.
    Shape: (N, C, *) to the same; it does nothing unless ``training``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.feature_alpha_dropout.html

    >>> import cltorch as torch
    >>> torch.nn.functional.feature_alpha_dropout(torch.ones(3))
    tensor([1., 1., 1.])
    """
    _check(p)
    return (functions.feature_alpha_dropout_ if inplace else functions.feature_alpha_dropout)(input, p, training)


def _channels(input: Any, p: float, training: bool, inplace: bool, batched: bool = True) -> Any:
    if not batched:
        # one channel stands where the batch would; views, so that in place means the caller's tensor
        result = _channels(functions.unsqueeze(input, 0), p, training, inplace)
        return input if inplace else functions.squeeze(result, 0)
    return (functions.feature_dropout_ if inplace else functions.feature_dropout)(input, p, training)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of (N, C, L) or (C, L) with probability ``p`` and scale the others by 1 / (1 - p).

    Raises RuntimeError for another number of dimensions.
    J. Tompson et al., Efficient Object Localization Using Convolutional Networks, 2014.
    Shape: (N, C, L) or (C, L) to the same; it does nothing unless ``training``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.dropout1d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.dropout1d(torch.ones(1, 2, 3), 1.0).sum()
    tensor(0.)
    """
    need_array("dropout1d", "input", 1, input)
    _check(p)
    ndim = input.lay.ndim
    if ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _channels(input, p, training, inplace, ndim == 3)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of (N, C, H, W) or (N, C, L) with probability ``p`` and scale the others by 1 / (1 - p).

    Warns for another number of dimensions, and that (C, H, W) counts as (N, C, L).
    Shape: (N, C, H, W) or (N, C, L) to the same; it does nothing unless ``training``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.dropout2d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.dropout2d(torch.ones(1, 2, 3, 3), 1.0).sum()
    tensor(0.)
    """
    need_array("dropout2d", "input", 1, input)
    _check(p)
    ndim = input.lay.ndim
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=callers_level(),
        )
    elif ndim != 4:
        warnings.warn(
            f"dropout2d: Received a {ndim}-D input to dropout2d, which is deprecated and will result in an error in a "
            "future release. To retain the behavior and silence this warning, please use dropout instead. Note that "
            "dropout2d exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a channel "
            "dimension, and an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=callers_level(),
        )
    return _channels(input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W) with probability ``p`` and scale the others.

    y = x · mask / (1 - p), the mask being 1 with probability 1 - p for each channel.
    Warns for another number of dimensions.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the same; it does nothing unless ``training``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.dropout3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.dropout3d(torch.ones(1, 1, 1, 1, 2), training=False).sum()
    tensor(2.)
    """
    need_array("dropout3d", "input", 1, input)
    _check(p)
    ndim = input.lay.ndim
    if ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {ndim}-D input to dropout3d, which is deprecated and will result in an error in a "
            "future release. To retain the behavior and silence this warning, please use dropout instead. Note that "
            "dropout3d exists to provide channel-wise dropout on inputs with 3 spatial dimensions, a channel "
            "dimension, and an optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=callers_level(),
        )
    return _channels(input, p, training, inplace, ndim == 5)
