"""The package tensorboardX, which writes the files."""

import functools
from importlib import import_module
from typing import Any, NoReturn


def of_writer(name: str) -> Any:
    """Return a name of tensorboardX.writer; its SummaryWriter is one that refuses graphs of programs."""
    found = getattr(part("writer"), name)
    return _writer(found) if name == "SummaryWriter" else found


@functools.cache
def _writer(base: Any) -> Any:
    def add_graph(self: Any, model: Any, input_to_model: Any = None, verbose: bool = False, *args: Any) -> NoReturn:
        raise NotImplementedError("SummaryWriter.add_graph: cltorch has no tracer of programs that could draw a graph")

    return type("SummaryWriter", (base,), {"add_graph": add_graph, "__module__": __name__, "__doc__": base.__doc__})


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
