"""The tuner, ``python -m cltorch tune``: searches the parameters of kernels for the present device and driver."""

from cltorch.tune.command import main

__all__ = ["main"]
