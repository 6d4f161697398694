"""What makes the records of torch.utils.tensorboard.summary, as ``hparams``: ``_summary``'s or tensorboardX's."""

from typing import Any

from cltorch.utils.tensorboard.package import part


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(part("summary"), name)
