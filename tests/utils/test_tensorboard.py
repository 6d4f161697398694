"""Logs for TensorBoard go through the package tensorboardX, for which a small one stands here, or none at all."""

from __future__ import annotations

import sys

import pytest

import cltorch
from cltorch.utils import tensorboard
from cltorch.utils.tensorboard import package as packages

WRITER = """
from .x2num import make_np
class FileWriter: pass
class SummaryWriter:
    def __init__(self, log_dir): self.rows = []
    def add_scalar(self, tag, value, step, walltime): self.rows.append((tag, float(make_np(value)), step))
"""
X2NUM = """
def prepare_pytorch(x): import torch_is_not_there
def make_np(x): return prepare_pytorch(x) if "torch" in str(type(x)) else x
"""


@pytest.fixture(autouse=True)
def _without_tensorboard(monkeypatch):
    monkeypatch.setattr(packages, "_has_tensorboard", lambda: False)


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "tensorboardX"
    folder.mkdir()
    files = {"__init__": "", "writer": WRITER, "x2num": X2NUM, "summary": "def hparams(hparam_dict): return 1, 2, 3"}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboardX"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboardX"]:
        del sys.modules[name]


def test_values_of_tensors_are_written(package, device):
    writer = tensorboard.SummaryWriter("log")
    writer.add_scalar("loss", cltorch.ones(2, requires_grad=True, device=device).sum(), 1)
    writer.add_scalar("rate", 0.5, 1)
    assert writer.rows == [("loss", 2.0, 1), ("rate", 0.5, 1)]


def test_its_modules_have_the_packages_names(package):
    from cltorch.utils.tensorboard import summary, writer  # noqa: PLC0415 (the package comes first)

    assert writer.SummaryWriter is tensorboard.SummaryWriter and writer.FileWriter is tensorboard.FileWriter
    assert summary.hparams({}) == (1, 2, 3)
    for module in (tensorboard, summary, writer):
        with pytest.raises(AttributeError):
            module.nonsense  # noqa: B018


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.writer", None)
    with pytest.raises(ImportError, match="needs the package tensorboard, or tensorboardX: pip install tensorboard"):
        tensorboard.SummaryWriter  # noqa: B018
