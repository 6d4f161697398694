"""Whether encoders leave out what a mask hides, as the fast path of PyTorch's does: torch.backends.mha.

Source: https://docs.pytorch.org/docs/2.13/backends.html
"""

__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]

_is_fastpath_enabled = True


def get_fastpath_enabled() -> bool:
    """Return whether TransformerEncoder gives zero for hidden places where PyTorch takes its fast path.

    Source: https://docs.pytorch.org/docs/2.13/backends.html

    >>> import cltorch as torch
    >>> torch.backends.mha.get_fastpath_enabled()
    True
    """
    return _is_fastpath_enabled


def set_fastpath_enabled(value: bool) -> None:
    """Choose whether TransformerEncoder gives zero for hidden places where PyTorch takes its fast path.

    Source: https://docs.pytorch.org/docs/2.13/backends.html

    >>> import cltorch as torch
    >>> torch.backends.mha.set_fastpath_enabled(True)
    """
    global _is_fastpath_enabled
    _is_fastpath_enabled = value
