"""Errors of PyTorch's graph compiler, which programs catch by name: nothing is compiled, so nothing raises them."""

from __future__ import annotations

__all__ = [
    "BackendCompilerFailed", "FailOnRecompileLimitHit", "InternalTorchDynamoError", "InvalidBackend", "RecompileError",
    "TorchDynamoException", "TorchRuntimeError", "Unsupported", "UserError",
]  # fmt: skip


class TorchDynamoException(RuntimeError):
    """Any error of the compiler."""


class InternalTorchDynamoError(TorchDynamoException):
    """A defect of the compiler."""


class ShortenTraceback(TorchDynamoException):
    """An error whose frames within the compiler are left out."""


class BackendCompilerFailed(ShortenTraceback):
    """A backend could not compile a graph."""


class InvalidBackend(TorchDynamoException):
    """There is no backend of a name."""


class RecompileError(TorchDynamoException):
    """A function was compiled again where that was forbidden."""


class TorchRuntimeError(TorchDynamoException):
    """An operator failed while a graph was traced."""


class Unsupported(TorchDynamoException):
    """Code cannot become part of a graph."""


class UserError(TorchDynamoException):
    """Code is used in a way that the compiler does not allow."""


class FailOnRecompileLimitHit(Exception):
    """A function was compiled too often."""
