"""The package tensorboardX, which writes the files."""

from importlib import import_module
from typing import Any


def part(name: str) -> Any:
    """Return a module of tensorboardX, which is told how to read tensors; raises ImportError where it is missing."""
    try:
        found = import_module(f"tensorboardX.{name}")
    except ImportError as error:
        raise ImportError("utils.tensorboard needs the package tensorboardX: pip install tensorboardX") from error
    reader: Any = import_module("tensorboardX.x2num")
    reader.prepare_pytorch = _values
    return found


def _values(x: Any) -> Any:
    """Return the values of a tensor, cltorch's or PyTorch's: tensorboardX itself would import torch for it."""
    return x.detach().cpu().numpy()
