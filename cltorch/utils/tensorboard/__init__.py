"""Writing logs for TensorBoard: torch.utils.tensorboard, through the package tensorboard or tensorboardX.

``from cltorch.utils.tensorboard import SummaryWriter`` raises ImportError where neither is installed.
"""

from typing import Any

from cltorch.utils.tensorboard.package import of_writer


def __getattr__(name: str) -> Any:
    if name not in ("FileWriter", "SummaryWriter"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return of_writer(name)
