"""torch.signal.windows: windows as vectors; symmetric unless ``sym=False`` asks for a periodic one.

``M`` is the number of points; ``dtype`` (float32 or float64), ``layout``, ``device`` and ``requires_grad`` are those of
every factory. Raises ValueError for a negative ``M``, other dtypes and parameters out of range.
Source: https://docs.pytorch.org/docs/2.13/signal.html
"""

from cltorch.functions.windows import (
    bartlett,
    blackman,
    cosine,
    exponential,
    gaussian,
    general_cosine,
    general_hamming,
    hamming,
    hann,
    kaiser,
    nuttall,
)

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]
