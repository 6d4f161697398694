"""Points that fill a cube evenly: torch.quasirandom.SobolEngine, computed by SciPy.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.quasirandom.SobolEngine.html
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from cltorch import dtypes
from cltorch.functions import from_numpy, write_out

__all__ = ["SobolEngine"]


def _scipy() -> Any:
    try:
        return importlib.import_module("scipy.stats.qmc")
    except ImportError as error:
        raise RuntimeError("SobolEngine: needs SciPy, which is not installed (pip install scipy)") from error


class SobolEngine:
    """Draw the points of a Sobol sequence in ``dimension`` dimensions, in 0 … 1, as host tensors.

    The points are PyTorch's; scrambled they are SciPy's, by its own random numbers from ``seed``. Raises ValueError for
    a dimension outside 1 … 21201, RuntimeError where SciPy is not installed.
    S. Joe, F. Y. Kuo, Constructing Sobol sequences with better two-dimensional projections, 2008.

    >>> import cltorch as torch
    >>> torch.quasirandom.SobolEngine(2).draw(3)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.7500, 0.2500]])
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]")
        self.dimension, self.scramble, self.seed = dimension, scramble, seed
        self.num_generated = 0
        self._points = _scipy().Sobol(dimension, scramble=scramble, bits=self.MAXBIT, seed=seed)

    def draw(self, n: int = 1, out: Any = None, dtype: Any = None) -> Any:
        """Return the next ``n`` points, of shape (n, dimension), in ``dtype`` or the default one."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy would have a power of two
            points = from_numpy(self._points.random(n)).to(dtype or dtypes.get_default_dtype())
        self.num_generated += n
        return points if out is None else write_out(out.resize_(points.shape), points)

    def draw_base2(self, m: int, out: Any = None, dtype: Any = None) -> Any:
        """Return the next ``2**m`` points; raise ValueError where all points so far are not a power of two then."""
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1):
            raise ValueError(
                f"The balance properties of Sobol' points require n to be a power of 2. {self.num_generated} points "
                f"have been previously generated, then: n={self.num_generated}+2**{m}={total}. If you still want to do "
                "this, please use 'SobolEngine.draw()' instead."
            )
        return self.draw(n, out, dtype)

    def reset(self) -> SobolEngine:
        """Go back to the first point and return self."""
        self._points.reset()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out the next ``n`` points and return self."""
        self._points.fast_forward(n)
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        given = [f"dimension={self.dimension}"]
        if self.scramble:
            given.append("scramble=True")
        if self.seed is not None:
            given.append(f"seed={self.seed}")
        return f"{type(self).__name__}({', '.join(given)})"
