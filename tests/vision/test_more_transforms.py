"""Transforms of colour and shape against pixels recorded from torchvision, and the policies of augmentation."""

import json
from pathlib import Path

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import transforms
from cltorch.vision.transforms import InterpolationMode, autoaugment
from cltorch.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image", reason="works on PIL images")

# recorded from torchvision 0.28 with the image below: [function, arguments, keywords, shape, bytes]
RECORDED = json.loads((Path(__file__).parent / "transforms.json").read_text())
IMAGE = np.random.default_rng(0).integers(0, 256, (3, 9, 12), np.uint8)
PLACES = np.arange(9 * 12, dtype=np.float64).reshape(9, 12)
WAVE = np.stack([np.sin(PLACES / 9) * 0.3, np.cos(PLACES / 7) * 0.2], -1).astype(np.float32)[None]

# those whose launches differ from one another
ON_DEVICE = {"adjust_contrast", "adjust_hue", "adjust_sharpness", "equalize", "gaussian_blur", "posterize", "solarize"}


def _name(case):
    name, arguments, keywords = case[:3]
    return "-".join([name, *map(str, arguments), *map(str, keywords.values())]).replace(" ", "")


def _call(case, image):
    name, arguments, keywords = case[:3]
    if "interpolation" in keywords:
        keywords = {**keywords, "interpolation": InterpolationMode(keywords["interpolation"])}
    if name == "elastic_transform":
        arguments = [torch.from_numpy(WAVE)]
    return getattr(F, name)(image, *arguments, **keywords)


@pytest.mark.parametrize("case", RECORDED, ids=_name)
def test_pixels_are_torchvisions(case):
    expected = np.frombuffer(bytes.fromhex(case[4]), np.uint8).reshape(case[3]).astype(int)
    image = torch.from_numpy(IMAGE.copy())
    found = _call(case, image)
    assert found.dtype is torch.uint8 and found.shape == expected.shape and np.array_equal(image.numpy(), IMAGE)
    off = np.abs(found.numpy().astype(int) - expected)
    # another order of sums may round the other way
    assert off.max() <= 1 and (off > 0).mean() < 0.01
    batch = _call(case, torch.from_numpy(np.stack([IMAGE[:, ::-1], IMAGE])))
    assert np.array_equal(batch[1].numpy(), found.numpy())


@pytest.mark.parametrize("case", [c for i, c in enumerate(RECORDED) if c[0] in ON_DEVICE or i % 6 == 5], ids=_name)
def test_devices_agree(cl_device, case):
    expected = np.frombuffer(bytes.fromhex(case[4]), np.uint8).reshape(case[3]).astype(int)
    found = _call(case, torch.from_numpy(IMAGE).to(cl_device))
    assert found.device.type == "cl"
    off = np.abs(found.cpu().numpy().astype(int) - expected)
    assert off.max() <= 1 and (off > 0).mean() < 0.02


@pytest.mark.parametrize("case", [c for c in RECORDED if c[0] not in ("posterize", "equalize", "solarize")], ids=_name)
def test_floats_follow_bytes(case):
    name, arguments, keywords, shape, _ = case
    if "fill" in keywords:
        keywords = {**keywords, "fill": [f / 255 for f in keywords["fill"]]}
    found = _call([name, arguments, keywords], torch.from_numpy(IMAGE / np.float32(255)))
    expected = np.frombuffer(bytes.fromhex(case[4]), np.uint8).reshape(shape)
    assert found.dtype is torch.float32
    # bytes are cut off after a step, floats are not; cubics overshoot, which floats keep
    assert np.abs(found.clamp(0, 1).numpy() * 255 - expected).max() <= 4


def test_pil_images_and_tensors_agree():
    picture = Image.fromarray(np.ascontiguousarray(IMAGE.transpose(1, 2, 0)))
    tensor = torch.from_numpy(IMAGE)
    plain = [
        ("adjust_brightness", 1.4), ("adjust_contrast", 0.6), ("adjust_saturation", 1.5), ("adjust_gamma", 1.8),
        ("posterize", 3), ("solarize", 99), ("rgb_to_grayscale", 3), ("gaussian_blur", 3), ("rotate", 30),
    ]  # fmt: skip
    for name, argument in [*plain, ("autocontrast", None), ("equalize", None), ("invert", None)]:
        arguments = [] if argument is None else [argument]
        found = getattr(F, name)(picture, *arguments)
        assert found.mode == "RGB"
        off = np.abs(np.asarray(found).astype(int).transpose(2, 0, 1) - getattr(F, name)(tensor, *arguments).numpy())
        assert off.max() <= 2, name
    assert np.asarray(F.adjust_hue(picture, 0.3)).shape == (9, 12, 3)
    gray = picture.convert("L")
    assert F.adjust_hue(gray, 0.3) is gray and F.to_grayscale(picture).mode == "L"
    assert F.rotate(gray, 90, expand=True).size == (9, 12) and F.affine(gray, 0.0, [1, 0], 1.0, 0).size == (12, 9)
    bent = F.elastic_transform(picture, torch.zeros(1, 9, 12, 2))
    assert np.array_equal(np.asarray(bent), np.asarray(picture))
    straight = [[0, 0], [11, 0], [11, 8], [0, 8]]
    same = F.perspective(picture, straight, straight)
    assert np.abs(np.asarray(same).astype(int) - np.asarray(picture))[:-1, :-1].max() <= 1


@pytest.mark.parametrize("fill", [None, 9.0])
def test_elastic_deformation_by_cubics(device, fill):
    """Half a pixel to the right is a sum of four neighbours, with the weights of cubic convolution at 1/2."""
    weights = [-3 / 32, 19 / 32, 19 / 32, -3 / 32]
    around, there = np.pad(IMAGE.astype(np.float64), [(0, 0), (0, 0), (1, 2)]), np.pad(np.ones(12), [1, 2])
    expected, share = (sum(w * a[..., i : i + 12] for i, w in enumerate(weights)) for a in (around, there))
    if fill is not None:  # what lies outside counts as black first, as torchvision has it
        expected = expected * share + (1 - share) * fill
    move = torch.zeros(1, 9, 12, 2, device=device)
    move[..., 0] = 1 / 12
    image = torch.from_numpy(IMAGE.astype(np.float32)).to(device)
    found = F.elastic_transform(image, move, InterpolationMode.BICUBIC, fill)
    np.testing.assert_allclose(found.cpu().numpy(), expected, atol=1e-3)
    bytes_ = F.elastic_transform(image.to(torch.uint8), move, InterpolationMode.BICUBIC, fill)
    inside = (expected > 0.5) & (expected < 254.5)
    off = bytes_.cpu().numpy()[inside].astype(float) - expected[inside]
    assert bytes_.dtype is torch.uint8 and inside.mean() > 0.9 and np.abs(off).max() <= 0.501


def test_gradients_reach_the_image():
    x = torch.from_numpy(IMAGE[None, :1, :3, :4] / np.float64(255)).requires_grad_(True)
    steps = [
        lambda v: F.rotate(v, 20.0, InterpolationMode.BILINEAR),
        lambda v: F.adjust_contrast(v, 0.7),
        lambda v: F.gaussian_blur(v, 3),
    ]
    for step in steps:
        assert torch.autograd.gradcheck(step, (x,))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: F.adjust_brightness(x, -1), ValueError, "non-negative"),
        (lambda x: F.adjust_hue(x, 0.6), ValueError, r"not in \[-0.5, 0.5\]"),
        (lambda x: F.adjust_gamma(x, -1), ValueError, "non-negative real"),
        (lambda x: F.rgb_to_grayscale(x, 2), ValueError, "either 1 or 3"),
        (lambda x: F.invert(x[:2]), TypeError, r"\[1, 3\], but found 2"),
        (lambda x: F.invert(x[0]), TypeError, "at least 3 dimensions"),
        (lambda x: F.posterize(x.float(), 2), TypeError, "uint8"),
        (lambda x: F.equalize(x.float()), TypeError, "uint8"),
        (lambda x: F.solarize(x, 300), TypeError, "less than bound"),
        (lambda x: F.gaussian_blur(x, 4), ValueError, "odd and positive"),
        (lambda x: F.gaussian_blur(x, 3, 0.0), ValueError, "positive"),
        (lambda x: F.rotate(x, 3, InterpolationMode.BICUBIC), ValueError, "'bicubic' is unsupported with Tensor"),
        (lambda x: F.rotate(x, 3, fill=[1, 2]), ValueError, r"\(2 != 3\)"),
        (lambda x: F.rotate(x, "3"), TypeError, "angle"),
        (lambda x: F.affine(x, 0, [1], 1.0, 0), ValueError, "length 2"),
        (lambda x: F.affine(x, 0, [1, 1], 0.0, 0), ValueError, "positive"),
        (lambda x: F.perspective(x, [[0, 0]] * 3, [[0, 0]] * 4), ValueError, "exactly four corners"),
        (lambda x: F.elastic_transform(x, torch.zeros(1, 2, 2, 2)), ValueError, r"should be \(1, 9, 12, 2\)"),
        (lambda x: F.to_grayscale(x), TypeError, "PIL Image"),
        (lambda x: transforms.ColorJitter(brightness=-1), ValueError, "non negative"),
        (lambda x: transforms.ColorJitter(hue=0.7), ValueError, "between"),
        (lambda x: transforms.RandomErasing(ratio=1), TypeError, "Ratio should be a sequence"),
        (lambda x: transforms.RandomRotation(-3), ValueError, "must be positive"),
        (lambda x: transforms.RandomAffine(3, translate=(2, 0)), ValueError, "between 0 and 1"),
        (lambda x: transforms.GaussianBlur(2), ValueError, "odd and positive"),
        (lambda x: transforms.ElasticTransform(alpha=[1.0]), ValueError, "length should be 2"),
        (lambda x: transforms.AugMix(severity=11), ValueError, "between"),
        (lambda x: transforms.AutoAugment("imagenet"), ValueError, "not recognized"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.from_numpy(IMAGE))


def test_random_changes_keep_to_their_ranges():
    torch.manual_seed(0)
    image = torch.from_numpy(IMAGE)
    assert transforms.ColorJitter()(image) is image
    jitter = transforms.ColorJitter(0.5, (0.2, 0.4), 0.3, 0.1)
    for _ in range(20):
        order, b, c, s, h = jitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
        assert sorted(order.tolist()) == [0, 1, 2, 3]
        assert 0.5 <= b <= 1.5 and 0.2 <= c <= 0.4 and 0.7 <= s <= 1.3 and -0.1 <= h <= 0.1
        angle, (x, y), scale, shear = transforms.RandomAffine.get_params(
            (-10, 20), (0.5, 0.1), (0.5, 2), (1, 2, 3, 4), (12, 9)
        )
        assert -10 <= angle <= 20 and -6 <= x <= 6 and -1 <= y <= 1 and 0.5 <= scale <= 2
        assert 1 <= shear[0] <= 2 and 3 <= shear[1] <= 4
        _, ends = transforms.RandomPerspective.get_params(12, 9, 0.5)
        assert all(0 <= u < 12 and 0 <= v < 9 for u, v in ends)
        assert ends[0][0] <= 3 and ends[0][1] <= 2 and ends[2][0] >= 8 and ends[2][1] >= 6
    with pytest.raises(RuntimeError, match="larger image than 12 by 9"):
        transforms.ElasticTransform.get_params([50.0, 50.0], [5.0, 5.0], [9, 12])
    moves = transforms.ElasticTransform.get_params([50.0, 50.0], [5.0, 5.0], [22, 25])
    assert moves.shape == (1, 22, 25, 2) and 0 < moves.abs().max().item() < 50 / 22
    sure = {
        transforms.RandomInvert(1.0): F.invert,
        transforms.RandomGrayscale(1.0): lambda x: F.rgb_to_grayscale(x, 3),
        transforms.RandomPosterize(2, 1.0): lambda x: F.posterize(x, 2),
        transforms.RandomSolarize(80, 1.0): lambda x: F.solarize(x, 80),
        transforms.RandomAdjustSharpness(2, 1.0): lambda x: F.adjust_sharpness(x, 2),
        transforms.RandomAutocontrast(1.0): F.autocontrast,
        transforms.RandomEqualize(1.0): F.equalize,
        transforms.Grayscale(): F.rgb_to_grayscale,
        transforms.GaussianBlur(3, 1.0): lambda x: F.gaussian_blur(x, 3, 1.0),
        transforms.RandomRotation((30, 30)): lambda x: F.rotate(x, 30.0, fill=0),
    }
    for transform, expected in sure.items():
        assert torch.equal(transform(image), expected(image)), transform
    assert transforms.RandomInvert(0.0)(image) is image


def test_policies_apply_the_steps_they_name(monkeypatch):
    image = torch.from_numpy(IMAGE)
    augment = transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10)
    assert len(augment.policies) == 25 and augment.policies[1] == (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9))
    drawn = (1, torch.tensor([0.5, 0.2]), torch.tensor([0, 1]))
    monkeypatch.setattr(transforms.AutoAugment, "get_params", staticmethod(lambda n: drawn))
    turned = F.rotate(image, -30.0 * 2 / 9)
    expected = F.affine(turned, 0.0, [int(150 / 331 * 12), 0], 1.0, [0.0, 0.0])
    assert torch.equal(augment(image), expected)


def test_strengths_of_operations():
    space = transforms.RandAugment()._augmentation_space(31, (20, 10))
    strength = lambda name, i, sign=False: autoaugment._strength(space[name], i, lambda: sign)  # noqa: E731
    assert strength("Rotate", 30) == 30 and strength("Rotate", 15, True) == -15
    assert [strength("Posterize", i) for i in (0, 10, 30)] == [8, 7, 4] and strength("Posterize", 30, True) == 4
    assert strength("Solarize", 0) == 255 and strength("Solarize", 30) == 0 and strength("Equalize", 3) == 0
    image = torch.from_numpy(IMAGE)
    nearest = InterpolationMode.NEAREST
    sheared = autoaugment._apply_op(image, "ShearX", 0.5, nearest, None)
    assert torch.equal(sheared[:, 3, :-2], image[:, 3, 2:])  # the middle of this row is 3.5 pixels below the corner
    sheared = autoaugment._apply_op(image, "ShearY", -0.5, nearest, None)
    assert torch.equal(sheared[:, 2:, 3], image[:, :-2, 3])
    moved = autoaugment._apply_op(image, "TranslateX", 3.7, nearest, None)
    assert torch.equal(moved[..., 3:], image[..., :-3]) and not moved[..., :3].any()
    with pytest.raises(ValueError, match="not recognized"):
        autoaugment._apply_op(image, "Melt", 1.0, InterpolationMode.NEAREST, None)


def test_derived_policies_draw_from_strengths_of_their_own():
    class Turns(transforms.TrivialAugmentWide):
        def _augmentation_space(self, num_bins):
            return {"Rotate": (torch.full((num_bins,), 90.0), False)}

    class Weak(transforms.RandAugment):
        def _augmentation_space(self, num_bins, image_size):
            space = super()._augmentation_space(num_bins, image_size)
            return {name: space[name] for name in ("Identity", "Invert") if name in space} | {
                "Invert": space["Equalize"]
            }

    image = torch.from_numpy(IMAGE)
    assert torch.equal(Turns()(image), F.rotate(image, 90.0))
    assert all(any(torch.equal(Weak(1)(image), x) for x in (image, F.invert(image))) for _ in range(4))
    sizes = transforms.AutoAugment()._augmentation_space(10, (331, 662))
    assert list(sizes)[-1] == "Invert" and sizes["TranslateX"][0].tolist()[-1] == 300.0
    assert sizes["TranslateY"][0].tolist()[-1] == 150.0 and sizes["Color"][1] and not sizes["Solarize"][1]
    assert transforms.AugMix(all_ops=False)._augmentation_space(10, (9, 9)).keys() == {
        "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Posterize", "Solarize", "AutoContrast", "Equalize",
    }  # fmt: skip


@pytest.mark.parametrize("make", [transforms.RandAugment, transforms.TrivialAugmentWide, transforms.AugMix])
def test_augmentation_gives_images_of_the_same_kind(make):
    torch.manual_seed(1)
    augment, image = make(fill=[1, 2, 3]), torch.from_numpy(IMAGE)
    picture = Image.fromarray(np.ascontiguousarray(IMAGE.transpose(1, 2, 0)))
    results = [augment(image) for _ in range(12)]
    assert all(r.dtype is torch.uint8 and r.shape == image.shape for r in results)
    assert len({r.numpy().tobytes() for r in results}) > 6
    assert all(augment(picture).size == (12, 9) for _ in range(6))
    torch.manual_seed(1)
    assert torch.equal(augment(image), results[0])


def test_augmix_mixes_by_shares(monkeypatch):
    shares = iter([torch.tensor([[0.25, 0.75]]), torch.tensor([[1.0, 0.0]])])
    monkeypatch.setattr(transforms.AugMix, "_sample_dirichlet", lambda self, params: next(shares))
    monkeypatch.setattr(transforms.AugMix, "_operate", lambda self, x, *rest: torch.zeros_like(x))
    found = transforms.AugMix(mixture_width=2)(torch.from_numpy(IMAGE))
    assert np.array_equal(found.numpy(), (IMAGE * np.float32(0.25)).astype(np.uint8))


def test_truth_values_are_black_and_white(device):
    mask = torch.tensor([[[True, False, True, True], [False, False, True, True]]], device=device)
    assert F.convert_image_dtype(mask, torch.float32).tolist() == mask.float().tolist()
    assert F.convert_image_dtype(mask, torch.uint8).tolist() == (mask.int() * 128).tolist()  # half of the 256 levels
    assert F.convert_image_dtype(mask.to(torch.uint8) * 200, torch.bool).tolist() == mask.tolist()
    assert F.adjust_brightness(mask, 0.5).tolist() == mask.tolist()
    wide = F.resize(mask, [4, 8], antialias=False)
    turned = F.rotate(mask, 45, F.InterpolationMode.BILINEAR)
    for part in (wide, turned, F.gaussian_blur(mask, 3)):
        assert part.dtype is torch.bool
    assert turned[0, 1, 1]  # partly of the white beside it


def test_a_linear_transformation_says_its_numbers():
    made = transforms.LinearTransformation(torch.eye(2), torch.zeros(2))
    assert repr(made).endswith("(transformation_matrix=[[1.0, 0.0], [0.0, 1.0]], mean_vector=[0.0, 0.0])")
