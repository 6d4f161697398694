"""Transforms on PIL images and tensors; with torchvision installed, against it."""

import colorsys

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import _pillow, transforms
from cltorch.vision.transforms import functional as F
from cltorch.vision.transforms import v2

Image = pytest.importorskip("PIL.Image", reason="works on PIL images")


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


def pixels(image):
    return np.asarray(image) if isinstance(image, Image.Image) else image.detach().cpu().numpy()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I", "F", "1", "P"])
def test_to_tensor_of_every_mode(picture, mode):
    image = picture.convert("L").convert(mode)
    raw = np.array(image)
    raw = raw[:, :, None] if raw.ndim == 2 else raw
    found = F.to_tensor(image)
    assert found.shape == (raw.shape[2], 20, 30)
    kinds = {"I": (torch.int32, 1), "F": (torch.float32, 1), "1": (torch.float32, 1)}
    dtype, divisor = kinds.get(mode, (torch.float32, 255))
    assert found.dtype is dtype and np.allclose(found.numpy(), raw.transpose(2, 0, 1) / divisor, atol=1e-6)
    assert np.array_equal(F.pil_to_tensor(image).numpy(), raw.transpose(2, 0, 1))


def test_to_tensor_of_arrays():
    assert F.to_tensor(np.full((2, 3), 255, np.uint8)).tolist() == [[[1.0] * 3] * 2]
    assert F.to_tensor(np.zeros((2, 3, 4), np.float32)).shape == (4, 2, 3)
    assert F.to_tensor(np.arange(2.0).reshape(1, 2)).dtype is torch.float64
    with pytest.raises(ValueError, match="2/3 dimensional"):
        F.to_tensor(np.zeros(3))
    with pytest.raises(TypeError, match="PIL Image or ndarray"):
        F.to_tensor([1, 2])
    with pytest.raises(TypeError, match="PIL Image"):
        F.pil_to_tensor(np.zeros((2, 2)))


def test_to_pil_image(picture):
    assert np.array_equal(pixels(F.to_pil_image(F.to_tensor(picture))), pixels(picture))
    assert np.array_equal(pixels(F.to_pil_image(F.pil_to_tensor(picture))), pixels(picture))
    gray = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert F.to_pil_image(gray).mode == "L" and np.array_equal(pixels(F.to_pil_image(gray)), gray)
    assert F.to_pil_image(torch.zeros(4, 2, 2)).mode == "RGBA" and F.to_pil_image(torch.zeros(2, 2)).mode == "L"
    assert F.to_pil_image(gray.astype(np.int32)).mode == "I"
    parts = (gray / 255).astype(np.float32)  # floats count from 0 to 1, as arrays and as tensors
    assert F.to_pil_image(parts).mode == "L" and F.to_pil_image(np.stack([parts] * 3, -1)).mode == "RGB"
    as_they_are = F.to_pil_image(parts, mode="F")
    assert as_they_are.mode == "F" and np.array_equal(np.asarray(as_they_are), parts)
    short = F.to_pil_image(torch.from_numpy(gray.astype(np.int16) * 100))
    assert short.mode == "I;16" and np.array_equal(np.asarray(short), gray.astype(np.uint16) * 100)
    assert F.to_pil_image(pixels(picture), mode="HSV").mode == "HSV"
    for bad, error in ((torch.zeros(5, 2, 2), ValueError), (np.zeros(3), ValueError), ("x", TypeError)):
        with pytest.raises(error):
            F.to_pil_image(bad)
    with pytest.raises(ValueError, match="Incorrect mode"):
        F.to_pil_image(gray, mode="F")


def test_normalize(device):
    x = torch.arange(12.0, device=device).reshape(2, 2, 3)
    found = F.normalize(x, (1.0, 2.0), (0.5, 4.0))
    expected = (x.cpu().numpy() - np.array([1, 2]).reshape(2, 1, 1)) / np.array([0.5, 4]).reshape(2, 1, 1)
    assert np.allclose(found.cpu().numpy(), expected) and found.device == x.device
    batch = F.normalize(torch.stack([x, x]), (1.0, 2.0), (0.5, 4.0))
    assert np.allclose(batch[1].cpu().numpy(), expected)
    assert F.normalize(x, (0,), (2,), inplace=True) is x and x[0, 0, 1].item() == 0.5
    with pytest.raises(TypeError, match="float tensor"):
        F.normalize(torch.zeros(1, 2, 2, dtype=torch.uint8), (0,), (1,))
    with pytest.raises(ValueError, match="size"):
        F.normalize(torch.zeros(2, 2), (0,), (1,))
    with pytest.raises(ValueError, match="division by zero"):
        F.normalize(torch.zeros(1, 2, 2), (0,), (0,))


def test_convert_image_dtype():
    bytes_ = torch.tensor([0, 128, 255], dtype=torch.uint8)
    floats = F.convert_image_dtype(bytes_)
    assert np.allclose(floats.numpy(), np.array([0, 128, 255]) / 255)
    assert F.convert_image_dtype(floats, torch.uint8).tolist() == [0, 128, 255]
    assert F.convert_image_dtype(bytes_, torch.int16).tolist() == [0, 16384, 32640]
    assert F.convert_image_dtype(torch.tensor([0, 16384, 32640], dtype=torch.int16), torch.uint8).tolist() == [
        0,
        128,
        255,
    ]
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        F.convert_image_dtype(floats, torch.int32)


@pytest.mark.parametrize("kind", ["PIL", "tensor"])
def test_geometry_on_both_kinds(picture, kind):
    image = picture if kind == "PIL" else F.pil_to_tensor(picture)
    raw = np.asarray(picture)

    def same(found, expected):
        array = pixels(found)
        assert np.array_equal(array if kind == "PIL" else array.transpose(1, 2, 0), expected)

    assert F.get_dimensions(image) == [3, 20, 30] and F.get_image_size(image) == [30, 20]
    same(F.crop(image, 2, 3, 5, 7), raw[2:7, 3:10])
    same(F.crop(image, -2, 25, 4, 10), np.pad(raw[:2, 25:], ((2, 0), (0, 5), (0, 0))))
    same(F.center_crop(image, (10, 20)), raw[5:15, 5:25])
    same(F.center_crop(image, 24), np.pad(raw[:, 3:27], ((2, 2), (0, 0), (0, 0))))
    same(F.hflip(image), raw[:, ::-1])
    same(F.vflip(image), raw[::-1])
    same(F.pad(image, [1, 2, 3, 4], fill=9), np.pad(raw, ((2, 4), (1, 3), (0, 0)), constant_values=9))
    for mode, name in (("edge", "edge"), ("reflect", "reflect"), ("symmetric", "symmetric")):
        same(F.pad(image, [5, 3], padding_mode=mode), np.pad(raw, ((3, 3), (5, 5), (0, 0)), mode=name))
    corners = F.five_crop(image, (4, 6))
    for found, expected in zip(
        corners, (raw[:4, :6], raw[:4, -6:], raw[-4:, :6], raw[-4:, -6:], raw[8:12, 12:18]), strict=True
    ):
        same(found, expected)
    same(F.ten_crop(image, 4)[5], raw[:4, ::-1][:, :4])
    with pytest.raises(ValueError, match="bigger than input size"):
        F.five_crop(image, 40)
    with pytest.raises(ValueError, match="constant, edge, reflect or symmetric"):
        F.pad(image, 1, padding_mode="wrap")
    with pytest.raises(ValueError, match="1, 2, or 4 element"):
        F.pad(image, [1, 2, 3])
    with pytest.raises(TypeError, match="Unexpected type"):
        F.hflip([1])


@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC"])
@pytest.mark.parametrize("size", [(10, 12), (40, 45), (30, 7), (20, 11)])
def test_resizing_tensors_equals_pillow(picture, mode, size, device):
    mode = transforms.InterpolationMode[mode]
    expected = np.asarray(F.resize(picture, size, mode)).transpose(2, 0, 1).astype(int)
    found = v2.functional.resize(F.pil_to_tensor(picture).to(device), size, mode)
    assert found.dtype is torch.uint8 and np.abs(found.cpu().numpy().astype(int) - expected).max() <= 1
    if mode is transforms.InterpolationMode.BILINEAR:  # cubics overshoot, which floats keep
        floats = F.resize(F.to_tensor(picture).to(device), size, mode).cpu().numpy()
        assert np.abs(floats * 255 - expected).max() <= 1.001


def test_resize_arguments(picture):
    assert F.resize(picture, 10).size == (15, 10) and F.resize(picture, [10]).size == (15, 10)
    assert F.resize(picture, 18, max_size=20).size == (20, 13)
    x = torch.arange(12.0).reshape(1, 3, 4)
    assert F.resize(x, (3, 4)) is x
    nearest = F.resize(x, (6, 8), transforms.InterpolationMode.NEAREST)
    assert np.array_equal(nearest.numpy(), x.numpy().repeat(2, 1).repeat(2, 2))
    assert F.resize(x, (6, 8), 0).tolist() == nearest.tolist()
    x.requires_grad_(True)
    F.resize(x, (2, 2)).sum().backward()
    assert abs(x.grad.sum().item() - 4) < 1e-5
    for size, error in (((1, 2, 3), ValueError), ("x", TypeError)):
        with pytest.raises(error):
            F.resize(picture, size)
    with pytest.raises(ValueError, match="max_size"):
        F.resize(picture, 20, max_size=10)
    with pytest.raises(TypeError, match="InterpolationMode"):
        F.resize(picture, 20, "bilinear")


def test_random_transforms(picture):
    torch.manual_seed(0)
    raw = np.asarray(picture)
    crops = [np.asarray(transforms.RandomCrop(8)(picture)) for _ in range(20)]
    assert all(c.shape == (8, 8, 3) for c in crops) and len({c.tobytes() for c in crops}) > 10
    assert transforms.RandomCrop(40, pad_if_needed=True)(picture).size == (40, 40)
    with pytest.raises(ValueError, match="larger than input image"):
        transforms.RandomCrop(40)(picture)
    flips = [np.array_equal(np.asarray(transforms.RandomHorizontalFlip()(picture)), raw) for _ in range(60)]
    assert 15 < sum(flips) < 45
    assert np.array_equal(np.asarray(transforms.RandomVerticalFlip(1.0)(picture)), raw[::-1])
    for _ in range(20):
        assert transforms.RandomResizedCrop((5, 6))(picture).size == (6, 5)
        top, left, h, w = transforms.RandomResizedCrop.get_params(picture, (0.1, 0.9), (0.5, 2.0))
        assert 0 <= top <= 20 - h and 0 <= left <= 30 - w
    x = torch.ones(3, 8, 8)
    erased = [transforms.RandomErasing(1.0, value=0)(x) for _ in range(10)]
    assert all((e == 0).any().item() and (e == 1).any().item() for e in erased) and x.sum().item() == 192
    assert transforms.RandomErasing(0.0)(x) is x
    order = transforms.RandomOrder([lambda s: s + "a", lambda s: s + "b"])
    assert {order("") for _ in range(40)} == {"ab", "ba"}
    choice = transforms.RandomChoice([lambda s: "a", lambda s: "b", lambda s: "c"], p=[1, 1, 0])
    assert {choice("") for _ in range(40)} == {"a", "b"}
    apply = transforms.RandomApply([lambda s: s + "a", lambda s: s + "b"], 0.5)
    assert {apply("") for _ in range(40)} == {"", "ab"}


def test_linear_transformation():
    matrix, mean = torch.eye(4) * 2, torch.ones(4)
    found = transforms.LinearTransformation(matrix, mean)(torch.arange(4.0).reshape(1, 2, 2))
    assert found.tolist() == [[[-2.0, 0.0], [2.0, 4.0]]]
    with pytest.raises(ValueError, match="square"):
        transforms.LinearTransformation(torch.zeros(2, 3), mean)
    with pytest.raises(ValueError, match="incompatible"):
        transforms.LinearTransformation(matrix, mean)(torch.zeros(1, 3, 3))


def test_printed_forms():
    steps = [
        transforms.Resize(8),
        transforms.RandomCrop(4, padding=1),
        transforms.ToTensor(),
        transforms.Normalize((0.5,), (1,)),
    ]
    text = repr(transforms.Compose(steps))
    assert text.splitlines()[0] == "Compose(" and "    ToTensor()" in text
    assert "RandomCrop(size=(4, 4), padding=1)" in text and "Normalize(mean=(0.5,), std=(1,))" in text
    assert "Resize(size=8, interpolation=bilinear, max_size=None, antialias=True)" in text
    with pytest.raises(TypeError, match="callable"):
        transforms.Lambda(3)


def test_without_pillow(monkeypatch):
    monkeypatch.setattr(_pillow, "Image", None)
    with pytest.raises(ImportError, match="needs Pillow.*pip install pillow"):
        F.to_pil_image(torch.zeros(1, 2, 2))
    assert F.to_tensor(np.zeros((2, 2), np.uint8)).shape == (1, 2, 2)


def test_tensors_too_small_to_be_mirrored_are_refused(device):
    x = torch.arange(12.0, device=device).reshape(1, 3, 4)
    assert F.pad(x, [3, 2], padding_mode="reflect").shape == (1, 7, 10)
    assert F.pad(x, [4, 3], padding_mode="symmetric").shape == (1, 9, 12)
    for sides in ([4, 0], [0, 3], [0, 0, 0, 3]):
        with pytest.raises(RuntimeError, match="larger image than 4 by 3"):
            F.pad(x, sides, padding_mode="reflect")
    with pytest.raises(IndexError, match="larger image than 4 by 3"):
        F.pad(x, [5, 0], padding_mode="symmetric")
    for image in (x, F.to_pil_image(x.cpu())):
        with pytest.raises(RuntimeError, match="larger image than 4 by 3"):
            F.gaussian_blur(image, [3, 7])


def test_parts_that_programs_import(device):
    functional = transforms.functional
    bell = functional._get_gaussian_kernel2d([3, 5], [1.0, 2.0], torch.float32, torch.device(device))
    across, down = np.exp(-0.5 * np.arange(-1, 2.0) ** 2), np.exp(-0.5 * (np.arange(-2, 3.0) / 2) ** 2)
    assert np.allclose(bell.cpu().numpy(), np.outer(down / down.sum(), across / across.sum()), atol=1e-6)
    colors = torch.tensor([[[0.2, 0.4]], [[0.5, 0.1]], [[0.9, 0.3]]], device=device)
    hues = functional._rgb2hsv(colors).cpu().numpy()
    assert np.allclose(hues[:, 0, 0], colorsys.rgb_to_hsv(0.2, 0.5, 0.9), atol=1e-6)
    assert np.allclose(functional._hsv2rgb(functional._rgb2hsv(colors)).cpu(), colors.cpu(), atol=1e-6)
    numbers = [functional._interpolation_modes_from_int(i).value for i in range(6)]
    assert numbers == ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
    for size, expected in ((3, (3, 3)), ([4], (4, 4)), ((5, 6), (5, 6))):
        assert transforms._setup_size(size, "two") == expected
    with pytest.raises(ValueError, match="two"):
        transforms._setup_size((1, 2, 3), error_msg="two")
