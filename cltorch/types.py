"""The names that annotations of PyTorch programs use: torch.types.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/types.py
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, Union

from cltorch.device import device
from cltorch.dtypes import dtype
from cltorch.formats import layout
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number = Union[int, float, bool]  # noqa: UP007 (also used with isinstance by programs)
Device = Union[device, str, int, None]  # noqa: UP007
FileLike = Union[str, os.PathLike, IO[bytes]]  # noqa: UP007
_int, _float, _bool, _complex = int, float, bool, complex
_dtype, _device, _layout = dtype, device, layout
_size = Union[Size, list[int], tuple[int, ...]]  # noqa: UP007
_TensorOrTensors = Union[Tensor, Sequence[Tensor]]  # noqa: UP007
Storage = Any
