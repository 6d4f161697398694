"""Writing logs for TensorBoard: torch.utils.tensorboard, through the package tensorboardX.

``from cltorch.utils.tensorboard import SummaryWriter`` raises ImportError where that package is missing.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "SummaryWriter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from tensorboardX import SummaryWriter  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise ImportError("utils.tensorboard needs the package tensorboardX: pip install tensorboardX") from error
    return SummaryWriter
