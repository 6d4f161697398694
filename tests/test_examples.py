"""The examples run, say what they promise and resume exactly; their source runs on PyTorch too."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import cltorch

CHECKOUT = Path(__file__).parents[1]
EXAMPLE = CHECKOUT / "examples" / "fashion_mnist.py"
PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = pytest.mark.skipif(not EXAMPLE.is_file(), reason="installed, without a checkout")
pytest.importorskip("tqdm", reason="the examples show their progress with tqdm")
pytest.importorskip("matplotlib", reason="the examples draw with matplotlib")


def load(path):
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with 160 and 40 images in MNIST's format, each a bright spot whose place tells its class."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for part, n in (("train", 160), ("t10k", 40)):
        labels = np.arange(n) % 10
        images = rng.integers(0, 60, (n, 28, 28))
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(int(label), 5)
            image[4 + 12 * row : 10 + 12 * row, 1 + 5 * column : 6 + 5 * column] = 255
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


@pytest.fixture
def run(data, monkeypatch, capsys):
    """Return a function that runs the example with arguments and returns the lines it printed.

    ``draw=False`` leaves out the pictures, which take longer than so small a training.
    """
    module = load(EXAMPLE)

    def call(*arguments, draw=True):
        if not draw:
            for name in ("draw_curves", "draw_predictions"):
                monkeypatch.setattr(module, name, lambda *args: None)
        common = ["--data", str(data), "--batch-size", "40", "--log-every", "2"]
        monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *common, *map(str, arguments)])
        module.main()
        return capsys.readouterr().out.splitlines()

    return call


def test_the_example_learns_writes_what_it_promises_and_resumes_exactly(run, device, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    out = run("--device", device, "--epochs", 2, "--out", whole)
    assert re.fullmatch(r"test accuracy [01]\.\d{4}", out[-1])
    assert float(out[-1].split()[-1]) > 0.5  # chance is 0.1
    assert re.fullmatch(r"epoch 2/2: loss \d+\.\d{4}, test accuracy [01]\.\d{4}, \d+ images/s", out[-3])
    assert sorted(p.name for p in whole.iterdir()) == ["checkpoint.pt", "curves.png", "predictions.png"]
    for name in ("curves.png", "predictions.png"):
        picture = (whole / name).read_bytes()
        assert picture.startswith(PNG) and len(picture) > 5000

    # a run that is broken off and resumed ends with the same bits
    run("--device", device, "--epochs", 1, "--out", parts, draw=False)
    resumed = run("--device", device, "--epochs", 2, "--out", parts, "--resume", parts / "checkpoint.pt", draw=False)
    assert resumed[-1] == out[-1]
    a, b = (cltorch.load(folder / "checkpoint.pt", map_location="cpu") for folder in (whole, parts))
    assert [e["epoch"] for e in a["history"]] == [1, 2]
    assert [step for step, _ in a["history"][1]["losses"]] == [4, 6, 7]
    for one, other in zip(a["history"], b["history"], strict=True):
        assert one["losses"] == other["losses"] and one["accuracy"] == other["accuracy"]
    assert a["model"].keys() == b["model"].keys()
    assert all(cltorch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    with pytest.raises(SystemExit, match="nothing to do: 2 epochs are done"):
        run("--device", device, "--epochs", 2, "--resume", parts / "checkpoint.pt")


def test_every_option_is_explained(run, capsys):
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    options = re.findall(r"^  (--[a-z-]+)", text, re.M)
    assert {"--epochs", "--batch-size", "--lr", "--device", "--data", "--out", "--resume"} <= set(options)
    assert all(re.search(rf"^  {option}( [A-Z_]+)?\s+\S+", text, re.M) for option in options)


def test_the_same_source_runs_on_torch(data, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="runs the example on PyTorch")
    compare = load(CHECKOUT / "ci" / "compare_example.py")
    source = compare.for_torch(EXAMPLE.read_text())
    assert "import torch\nimport torch.nn as nn\n" in source and "from cltorch.vision import" in source
    arguments = ["--data", str(data), "--batch-size", "40", "--epochs", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [])
    compare.run_on_torch(EXAMPLE, arguments)
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("torch 2") and float(out[-1].removeprefix("test accuracy ")) > 0.5
    # PyTorch's checkpoint is one of ours: same names, same shapes
    found = cltorch.load(tmp_path / "checkpoint.pt")
    assert found["model"].keys() == load(EXAMPLE).Net().state_dict().keys()
