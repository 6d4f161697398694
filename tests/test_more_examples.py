"""The examples of pictures, networks and kernels of one's own, at a small size."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import cltorch as torch

EXAMPLES = Path(__file__).parents[1] / "examples"
PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="installed, without a checkout")
pytest.importorskip("tqdm", reason="the examples show their progress with tqdm")
pytest.importorskip("matplotlib", reason="the examples draw with matplotlib")
Image = pytest.importorskip("PIL.Image", reason="the examples write pictures with Pillow")


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs an example with arguments and returns the lines it printed."""

    def call(name, *arguments):
        module = load(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        module.main()
        return capsys.readouterr().out.splitlines()

    return call


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write images in Fashion-MNIST's files: each class is a bright stripe at its own height."""
    folder = tmp_path_factory.mktemp("fashion")
    rng = np.random.default_rng(0)
    for part, count in (("train", 192), ("t10k", 40)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = rng.integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 4 : 2 * label + 8] += 200
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
    return folder


def test_an_autoencoder_learns(run, data, device, tmp_path):
    small = "--epochs 10 --width 64 --lr 5e-3".split()
    out = run("vae", "--data", data, "--device", device, "--out", tmp_path, *small)
    found = [float(re.search(r"(\d+\.\d+) nats", line)[1]) for line in out if "nats for" in line]
    assert found[-1] < 0.8 * found[0] and float(re.fullmatch(r"test bound (\S+) nats", out[-1])[1]) == found[-1]
    assert (tmp_path / "clothes.png").read_bytes().startswith(PNG)


def test_two_networks_play(run, data, device, tmp_path):
    out = run("dcgan", "--data", data, "--device", device, "--out", tmp_path, *"--epochs 2 --width 4".split())
    assert [line.split(":")[0] for line in out[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert re.fullmatch(r"the judge takes \d+% of the last row for real", out[-1])
    assert Image.open(tmp_path / "generated.png").size == (16 * 30 + 2, 2 * 30 + 2)


@pytest.mark.parametrize("more", [[], ["--amp"]], ids=["single", "mixed"])
def test_a_residual_network_learns(run, data, tmp_path, more):
    device = "cl:0" if torch.cl.is_available() else "cpu"
    small = f"--epochs {1 if more else 12} --batch-size 12 --width 4 --lr 0.1".split()
    out = run("resnet_cifar", "--data", data, "--device", device, "--out", tmp_path, *small, *more)
    assert out[0] == f"FashionMNIST: 192 images on {device}, {'mixed' if more else 'single'} precision"
    accuracy = float(re.fullmatch(r"test accuracy (0\.\d{4}|1\.0000)", out[-1])[1])
    assert more or accuracy > 0.4  # guessing gives 0.1; an epoch in mixed precision shows that it runs
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
    assert "blocks.1.downsample.0.weight" in torch.load(tmp_path / "model.pt")


def test_a_row_becomes_an_operator(run, device, tmp_path):
    snake = load("custom_op").snake
    x = torch.linspace(-2, 2, 9, device=device, requires_grad=True)
    y = snake(x, 2.0)
    host = x.detach().cpu().numpy().astype(float)
    np.testing.assert_allclose(y.detach().cpu().numpy(), host + np.sin(2 * host) ** 2 / 2, atol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), 1 + np.sin(4 * host), atol=1e-6)
    if device == "cpu":
        assert torch.autograd.gradcheck(snake, (x.detach().double().requires_grad_(True), 2.0))
        out = run("custom_op", "--device", device, "--out", tmp_path, "--steps", 150, "--width", 24)
        relu, wave = map(float, re.fullmatch(r"error beyond the data: ReLU (\S+), Snake (\S+)", out[-1]).groups())
        assert wave < relu and (tmp_path / "waves.png").read_bytes().startswith(PNG)


def test_kernels_paint_a_photo(run, cl_device, tmp_path):
    example = load("custom_kernel")
    rng = np.random.default_rng(0)
    blobs = torch.tensor(rng.uniform(0.2, 1, (5, 6)) * [1, 1, 20, 1, 1, 1], dtype=torch.float32)
    ours, theirs = blobs.to(cl_device).requires_grad_(True), blobs.clone().requires_grad_(True)
    gradient = torch.tensor(rng.standard_normal((3, 4, 8)), dtype=torch.float32)
    image = example.Paint.apply(ours, 4, 8)
    rows, columns = (torch.arange(4.0) + 0.5) / 4, (torch.arange(8.0) + 0.5) / 8
    far = (columns - theirs[:, :1])[:, None, :] ** 2 + (rows - theirs[:, 1:2])[:, :, None] ** 2
    expected = torch.einsum("kc,khw->chw", theirs[:, 3:], torch.exp(-theirs[:, 2, None, None] * far))
    torch.testing.assert_close(image.cpu(), expected, rtol=1e-5, atol=1e-5)
    image.backward(gradient.to(cl_device))
    expected.backward(gradient)
    torch.testing.assert_close(ours.grad.cpu(), theirs.grad, rtol=1e-4, atol=1e-4)

    photo = tmp_path / "photo.png"
    Image.fromarray(np.outer(np.arange(64), np.arange(64)).astype(np.uint8) // 16).convert("RGB").save(photo)
    small = "--blobs 40 --size 16 --steps 60".split()
    out = run("custom_kernel", photo, "--device", cl_device, "--out", tmp_path, *small)
    assert float(re.fullmatch(r"40 blobs, (\S+) dB to the photo", out[-1])[1]) > 20
    assert Image.open(tmp_path / "painting.png").size == (36 * 24, 16 * 24)


@pytest.mark.parametrize("name", ["vae", "dcgan", "resnet_cifar", "custom_kernel", "custom_op"])
def test_options_are_explained(run, capsys, name):
    with pytest.raises(SystemExit):
        run(name, "--help")
    text = capsys.readouterr().out
    options = re.findall(r"^  (--[a-z-]+)", text, re.M)
    assert {"--device", "--out"} <= set(options)
    assert all(re.search(rf"^  {option}( [A-Z_]+)?\s+\S+", text, re.M) for option in options)
