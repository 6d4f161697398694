"""Channels as pixels and pixels as channels: pixel_shuffle and its relatives.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#vision-functions
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.renaming import as_one
from cltorch.functions.arguments import need_array, read_int
from cltorch.functions.convert import contiguous_copy
from cltorch.functions.dim_orders import permute
from cltorch.functions.shape import reshape
from cltorch.ops.channels import suggested

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _check(name: str, input: Any, argument: str, factor: Any) -> int:
    need_array(name, "input", 1, input)
    n = input.lay.ndim
    if n < 3:
        raise RuntimeError(f"{name} expects input to have at least 3 dimensions, but got input with {n} dimension(s)")
    factor = read_int(name, argument, 2, factor)
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {argument}, but got {factor}")
    return factor


def _turned(x: Any) -> Any:
    return permute(x, (0, *range(2, x.lay.ndim), 1))


def _turned_back(x: Any) -> Any:
    return permute(x, (0, x.lay.ndim - 1, *range(1, x.lay.ndim - 1)))


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Return (…, C r², H, W) as (…, C, H r, W r): r² channels become r by r pixels.

    out[c, h r + i, w r + j] = x[c r² + i r + j, h, w].
    Raises RuntimeError for channels that r² does not divide.
    Shape: (*, C r², H, W) to (*, C, H r, W r).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pixel_shuffle.html

    >>> import cltorch as torch
    >>> torch.pixel_shuffle(torch.arange(4.0).view(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = _check("pixel_shuffle", input, "upscale_factor", upscale_factor)
    *lead, c, h, w = input.lay.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={c} is not divisible by {r * r}"
        )
    return as_one("PixelShuffleBackward0", lambda x: _shuffled(x, r), lambda m, g, _: (_unshuffled(g, r),), input)


def _shuffled(input: Any, r: int) -> Any:
    *lead, c, h, w = input.lay.shape
    n, c = len(lead), c // (r * r)
    if suggested(input.lay) is not None and n == 1:
        parts = permute(reshape(_turned(input), (*lead, h, w, c, r, r)), (0, 1, 4, 2, 5, 3))
        return _turned_back(reshape(parts, (*lead, h * r, w * r, c)))
    parts = reshape(input, (*lead, c, r, r, h, w))
    parts = permute(parts, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return reshape(contiguous_copy(parts) if r == 1 else parts, (*lead, c, h * r, w * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Return (…, C, H r, W r) as (…, C r², H, W): r by r pixels become r² channels.

    out[c r² + i r + j, h, w] = x[c, h r + i, w r + j].
    Raises RuntimeError for heights and widths that r does not divide.
    Shape: (*, C, H r, W r) to (*, C r², H, W).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pixel_unshuffle.html

    >>> import cltorch as torch
    >>> torch.pixel_unshuffle(torch.arange(4.0).view(1, 2, 2), 2).shape
    torch.Size([4, 1, 1])
    """
    r = _check("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    *lead, c, h, w = input.lay.shape
    for what, d, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but input.size({d})={size} is "
                f"not divisible by {r}"
            )
    return as_one("PixelUnshuffleBackward0", lambda x: _unshuffled(x, r), lambda m, g, _: (_shuffled(g, r),), input)


def _unshuffled(input: Any, r: int) -> Any:
    *lead, c, h, w = input.lay.shape
    n = len(lead)
    if suggested(input.lay) is not None and n == 1:
        parts = reshape(_turned(input), (*lead, h // r, r, w // r, r, c))
        return _turned_back(reshape(permute(parts, (0, 1, 3, 5, 2, 4)), (*lead, h // r, w // r, c * r * r)))
    parts = reshape(input, (*lead, c, h // r, r, w // r, r))
    parts = permute(parts, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return reshape(contiguous_copy(parts) if r == 1 else parts, (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Any, groups: int) -> Any:
    """Return (N, C, …) with its channels dealt out: those of ``groups`` groups take turns.

    out[i · groups + g] = x[g · C / groups + i] for the channels.
    Raises RuntimeError for channels that the number of groups does not divide.
    Shape: (N, C, *) to the same; RuntimeError unless ``groups`` divides C.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ChannelShuffle.html

    >>> import cltorch as torch
    >>> torch.channel_shuffle(torch.arange(4.0).view(1, 4, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    need_array("channel_shuffle", "input", 1, input)
    shape = input.lay.shape
    if len(shape) <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}")
    groups = read_int("channel_shuffle", "groups", 2, groups)
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups."
        )
    # the groups take turns the other way where there are as many as channels in a group
    back = shape[1] // groups
    return as_one("ChannelShuffleBackward0", lambda x: _dealt(x, groups), lambda m, g, _: (_dealt(g, back),), input)


def _dealt(input: Any, groups: int) -> Any:
    shape = input.lay.shape
    if suggested(input.lay) is not None:
        n = len(shape)
        last = _turned(input)
        parts = reshape(last, (*last.lay.shape[:-1], groups, shape[1] // groups))
        return _turned_back(reshape(permute(parts, (*range(n - 1), n, n - 1)), last.lay.shape))
    parts = reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    dealt = permute(parts, (0, 2, 1, *range(3, len(shape) + 1)))
    return reshape(contiguous_copy(dealt) if groups in (1, shape[1]) else dealt, shape)


def native_channel_shuffle(input: Any, groups: int) -> Any:
    """Return (N, C, …) with its channels dealt out, as ``channel_shuffle`` does.

    out[i · groups + g] = x[g · C / groups + i] for the channels.
    Shape: (N, C, *) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ChannelShuffle.html

    >>> import cltorch as torch
    >>> torch.nn.functional.native_channel_shuffle(torch.arange(4.0).view(1, 4, 1, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    return channel_shuffle(input, groups)
