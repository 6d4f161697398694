"""The package that writes the files: tensorboard, or else tensorboardX."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

_HERE = __name__.rpartition(".")[0]


@functools.cache
def _has_tensorboard() -> bool:
    try:
        import_module("tensorboard.summary.writer.event_file_writer")
    except ImportError:
        return False
    return True


def part(name: str) -> Any:
    """Return what stands for PyTorch's module ``summary`` or ``writer``; raises ImportError where no package can write.

    With the package tensorboard it is a module here; else it is tensorboardX's, which is told how to read tensors.
    """
    if _has_tensorboard():
        return import_module(f"{_HERE}._{name}")
    try:
        found = import_module(f"tensorboardX.{name}")
    except ImportError as error:
        raise ImportError(
            "utils.tensorboard needs the package tensorboard, or tensorboardX: pip install tensorboard"
        ) from error
    reader: Any = import_module("tensorboardX.x2num")
    reader.prepare_pytorch = _values
    return found


def of_writer(name: str) -> Any:
    """Return a name of the module ``writer``; tensorboardX's SummaryWriter gets PyTorch's arguments."""
    found = getattr(part("writer"), name)
    return found if name != "SummaryWriter" or _has_tensorboard() else _like_pytorchs(found)


@functools.cache
def _like_pytorchs(base: Any) -> Any:
    """Return tensorboardX's SummaryWriter with PyTorch's arguments."""

    class SummaryWriter(base):
        __doc__ = base.__doc__

        def get_logdir(self) -> Any:
            """Return the folder of the files."""
            return self.logdir

        log_dir = property(get_logdir)

        def add_scalar(
            self, tag: str, scalar_value: Any, global_step: Any = None, walltime: float | None = None,
            new_style: bool = False, double_precision: bool = False,
        ) -> None:  # fmt: skip
            """Write a number, always in the first of PyTorch's forms."""
            super().add_scalar(tag, scalar_value, global_step, walltime)

        def add_hparams(
            self, hparam_dict: Any, metric_dict: Any, hparam_domain_discrete: Any = None, run_name: str | None = None,
            global_step: Any = None,
        ) -> None:  # fmt: skip
            """Write hyperparameters and what came of them; tensorboardX does not tell what else they may be."""
            super().add_hparams(hparam_dict, metric_dict, run_name, global_step)

    SummaryWriter.add_graph = add_graph
    return SummaryWriter


def message(name: str) -> Any:
    """Return the module of a kind of messages of the package that writes."""
    return import_module(f"{'tensorboard.compat' if _has_tensorboard() else 'tensorboardX'}.proto.{name}_pb2")


def no_times() -> Any:
    """Return the message of a run whose times are not known; tensorboardX has none."""
    if not _has_tensorboard():
        return None
    stats = message("step_stats")
    device = stats.DeviceStepStats(device="/device:CPU:0")
    return message("config").RunMetadata(step_stats=stats.StepStats(dev_stats=[device]))


def add_graph(
    self: Any, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
) -> None:
    """Write what functions a model calls in which of its modules, found by a run of it on an input or a tuple of them.

    The run is in the model's mode for evaluation. ``verbose`` prints the graph; ``use_strict_trace`` changes nothing.
    Source: https://docs.pytorch.org/docs/2.13/tensorboard.html#torch.utils.tensorboard.writer.SummaryWriter.add_graph
    """
    graph, run = import_module(f"{_HERE}._pytorch_graph").graph(model, input_to_model, verbose, use_strict_trace)
    if run is None:
        self._get_file_writer().add_onnx_graph(graph)  # which writes any graph, and that alone
    else:
        self._get_file_writer().add_graph((graph, run))


def _values(x: Any) -> Any:
    """Return the values of a tensor, cltorch's or PyTorch's: tensorboardX itself would import torch for it."""
    return x.detach().cpu().numpy()
