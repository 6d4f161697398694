"""Names of old functions of linear algebra that PyTorch keeps only to say what to call instead.

Source: https://docs.pytorch.org/docs/2.13/linalg.html
"""

from __future__ import annotations

from typing import Any

__all__ = ["eig", "lstsq", "matrix_rank", "solve", "symeig"]

_INSTEAD = {
    "eig": "torch.linalg.eig",
    "lstsq": "torch.linalg.lstsq",
    "matrix_rank": "torch.linalg.matrix_rank",
    "solve": "torch.linalg.solve",
    "symeig": "torch.linalg.eigh",
}


def _removed(name: str) -> Any:
    def f(input: Any, *args: Any, **named: Any) -> Any:
        raise RuntimeError(
            f"This function was deprecated since version 1.9 and is now removed. `torch.{name}` is deprecated in favor "
            f"of `{_INSTEAD[name]}`."
        )

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Raise RuntimeError: PyTorch removed this function; call ``{_INSTEAD[name]}``.\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.eye(2))\nTraceback (most recent call last):\n    ...\n"
        f"RuntimeError: This function was deprecated since version 1.9 and is now removed. `torch.{name}` is "
        f"deprecated in favor of `{_INSTEAD[name]}`.\n"
    )
    return f


eig, lstsq, matrix_rank, solve, symeig = map(_removed, __all__)
