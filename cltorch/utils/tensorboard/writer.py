"""The writers of torch.utils.tensorboard.writer: ``_writer``'s or tensorboardX's."""

from typing import Any

from cltorch.utils.tensorboard.package import of_writer


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return of_writer(name)
