"""Values as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch.dtypes import bfloat16, float16
from cltorch.tensor import Tensor


def make_np(x: Any) -> np.ndarray:
    """Return a number as an array of one element, a tensor's values (bfloat16 as float16), an array as it is.

    >>> make_np(2.5)
    array([2.5])
    """
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, Tensor):
        x = x.detach()
        return (x.to(float16) if x.dtype == bfloat16 else x).cpu().numpy()
    raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")
