"""Images are read and written through Pillow, and drawn into."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

import cltorch as torch
from cltorch import vision
from cltorch.vision import io as vio
from cltorch.vision import utils


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 11, 13), np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_comes_back_as_it_was(tmp_path, image, channels):
    vio.write_png(image[:channels], tmp_path / "a.png")
    assert torch.equal(vio.read_image(tmp_path / "a.png"), image[:channels])
    assert torch.equal(vio.decode_png(vio.encode_png(image[:channels])), image[:channels])


def test_jpeg_comes_back_nearly(tmp_path):
    smooth = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8).repeat(3, 2, 2)
    vio.write_jpeg(smooth, tmp_path / "a.jpg", quality=95)
    back = vio.read_image(tmp_path / "a.jpg")
    assert (back.int() - smooth.int()).abs().max() <= 16 and back.shape == smooth.shape


@pytest.mark.parametrize(
    ("mode", "channels"), [("GRAY", 1), ("GRAY_ALPHA", 2), ("RGB", 3), ("RGBA", 4), ("RGB_ALPHA", 4)]
)
def test_modes(image, mode, channels):
    data = vio.encode_png(image)
    assert vio.decode_image(data, mode).shape == (channels, 11, 13)
    assert torch.equal(vio.decode_image(data, vio.ImageReadMode[mode]), vio.decode_image(data, mode))


def encoded(image, kind, **options):
    """Return the bytes of a PIL image as a tensor."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return torch.tensor(list(out.getvalue()), dtype=torch.uint8)


def test_a_palette_gives_numbers_or_colours_and_orientation_is_applied():
    numbers = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    classes = Image.fromarray(numbers).convert("P")
    classes.putdata(numbers.ravel().tolist())
    classes.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 100])
    data = encoded(classes, "PNG")
    assert vio.decode_image(data).tolist() == [numbers.tolist()]  # as labels of pixels are stored
    assert vio.decode_image(data, "RGB")[:, 0, 1].tolist() == [200, 0, 0]
    clear = encoded(classes, "PNG", transparency=1)
    assert vio.decode_image(clear).tolist() == [numbers.tolist()]
    assert vio.decode_image(clear, "RGB_ALPHA")[:, 0, 1].tolist() == [200, 0, 0, 0]
    assert vio.decode_image(clear, "GRAY")[0, 0].tolist() == [9, (200 * 9794) >> 15, (100 * 3740) >> 15]
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    data = encoded(Image.new("RGB", (4, 2)), "JPEG", exif=exif)
    assert vio.decode_image(data).shape == (3, 2, 4)
    assert vio.decode_image(data, apply_exif_orientation=True).shape == (3, 4, 2)


def test_transparency_that_is_left_out_is_no_reason_to_warn(recwarn):
    classes = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    classes.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 100])
    file = io.BytesIO()
    classes.save(file, "PNG", transparency=bytes([0, 50]))
    data = torch.from_numpy(np.frombuffer(file.getvalue(), np.uint8).copy())
    assert vio.decode_image(data, "RGB")[:, 0].tolist() == [[9, 200, 0], [9, 0, 0], [9, 0, 100]]
    assert vio.decode_image(data, "RGBA")[3].tolist() == [[0, 50, 255]]
    assert not recwarn.list


def test_a_file_without_bytes_is_told(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    for read in (vio.read_file, vio.read_image):
        with pytest.raises(RuntimeError, match="Expected a non empty file"):
            read(tmp_path / "a")


def test_each_format_has_its_function():
    first, second = Image.new("RGB", (4, 2), (255, 0, 0)), Image.new("RGB", (4, 2), (0, 0, 255))
    moving = encoded(first, "GIF", save_all=True, append_images=[second])
    for frames in (vio.decode_gif(moving), vio.decode_image(moving, "GRAY")):
        assert frames.shape == (2, 3, 2, 4) and frames[:, :, 1, 1].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert vio.decode_gif(encoded(first, "GIF"))[:, 1, 1].tolist() == [255, 0, 0]
    webp = encoded(second, "WEBP", lossless=True)
    assert vio.decode_webp(webp)[:, 0, 0].tolist() == [0, 0, 255] and vio.decode_webp(webp, "GRAY").shape == (1, 2, 4)
    photo, drawing = encoded(first, "JPEG"), encoded(first, "PNG")
    assert [image.shape for image in vio.decode_jpeg([photo, photo], device="cpu")] == [(3, 2, 4)] * 2
    for decode, data in ((vio.decode_png, photo), (vio.decode_jpeg, drawing), (vio.decode_gif, webp)):
        with pytest.raises(RuntimeError, match="not of format"):
            decode(data)


def test_pixels_of_16_bits_stay_whole():
    grey = (np.arange(20).reshape(4, 5) * 3000).astype(np.uint16)
    data = encoded(Image.fromarray(grey), "PNG")
    for mode, channels in (("UNCHANGED", 1), ("GRAY", 1), ("GRAY_ALPHA", 2), ("RGB", 3), ("RGB_ALPHA", 4)):
        found = vio.decode_png(data, mode)
        assert found.dtype is torch.uint16 and found.shape == (channels, 4, 5)
        assert np.array_equal(found.numpy()[0], grey)
        assert np.array_equal(found.numpy()[-1], grey if channels % 2 else np.full_like(grey, 65535))
    with pytest.raises(RuntimeError, match="more than 16 bits"):
        vio.decode_image(encoded(Image.fromarray(grey.astype(np.float32)), "TIFF"))


def png_of_16_bits(pixels, interlaced=False, extra=b""):
    """Return a PNG file of numbers [H, W, C], whose lines have all kinds of filters in turn."""
    color = {2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    lines = b""
    for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        part = pixels[y::dy, x::dx].astype(">u2")
        above = [0] * (part.shape[1] * part.shape[2] * 2)
        size = part.shape[2] * 2
        for number, row in enumerate(part if part.size else []):
            line, kind = list(row.tobytes()), number % 5
            told = []
            for i, up in enumerate(above):
                left, corner = (line[i - size], above[i - size]) if i >= size else (0, 0)
                nearest = min((left, up, corner), key=lambda x, all=left + up - corner: abs(all - x))
                told.append((0, left, up, (left + up) // 2, nearest)[kind])
            lines += bytes([kind, *[(a - b) % 256 for a, b in zip(line, told, strict=True)]])
            above = line
    packed = zlib.compress(lines)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, color, 0, 0, interlaced)
    chunks = [(b"IHDR", head), (b"eXIf", extra), (b"IDAT", packed[:40]), (b"IDAT", packed[40:]), (b"IEND", b"")]
    body = [
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks if d or k[0] != 101
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def tensor_of(data):
    return torch.tensor(list(data), dtype=torch.uint8)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
def test_colors_of_16_bits_stay_whole(channels, interlaced):
    for height, width in ((11, 9), (1, 1), (2, 30)):
        pixels = np.random.default_rng(height).integers(0, 65536, (height, width, channels)).astype(np.uint16)
        pixels[:, ::3] //= 256  # small ones too, near which the filters' choices are close
        data = tensor_of(png_of_16_bits(pixels, interlaced))
        found = vio.decode_image(data)
        assert found.dtype is torch.uint16 and np.array_equal(found.numpy().transpose(1, 2, 0), pixels)
        assert torch.equal(vio.decode_png(data), found)
        colors = vio.decode_image(data, "RGB").numpy()
        assert np.array_equal(colors, found.numpy()[[0, 0, 0] if channels == 2 else [0, 1, 2]])
        light = vio.decode_image(data, "GRAY_ALPHA").numpy()
        assert np.abs(light[0] - np.tensordot([0.299, 0.587, 0.114], colors, 1)).max() < 20
        assert np.array_equal(light[1], pixels[..., -1] if channels != 3 else np.full_like(light[0], 65535))


def test_colors_of_16_bits_are_turned_as_their_file_says():
    pixels = np.random.default_rng(0).integers(0, 65536, (3, 5, 3)).astype(np.uint16)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = tensor_of(png_of_16_bits(pixels, extra=exif.tobytes()[6:]))
        turned = [vio.decode_image(data, apply_exif_orientation=turn) for turn in (False, True)]
        bytes_ = Image.fromarray((pixels >> 8).astype(np.uint8))
        bytes_.getexif()[0x0112] = orientation
        assert np.array_equal(turned[0].numpy().transpose(1, 2, 0), pixels)
        expected = np.array(ImageOps.exif_transpose(bytes_))
        assert np.array_equal(turned[1].numpy().transpose(1, 2, 0) >> 8, expected), orientation


def test_damaged_colors_of_16_bits_are_told():
    data = png_of_16_bits(np.random.default_rng(0).integers(0, 65536, (8, 8, 3)).astype(np.uint16))
    with pytest.raises(RuntimeError, match="cut off"):
        vio.decode_image(tensor_of(data[:150]))
    with pytest.raises(RuntimeError, match="damaged"):
        vio.decode_image(tensor_of(data[:50] + b"abcdefgh" + data[58:]))
    large = struct.pack(">II", 1 << 20, 1 << 20)  # as many pixels as the file cannot hold take no memory
    with pytest.raises(RuntimeError, match="cut off"):
        vio.decode_image(tensor_of(data[:16] + large + data[24:]))


def test_avif_goes_through_pillow(image):
    picture = Image.fromarray(np.full((16, 16, 3), (200, 100, 50), np.uint8))
    try:
        data = encoded(picture, "AVIF")
    except (OSError, KeyError):
        pytest.skip("Pillow was built without AVIF")
    found = vio.decode_avif(data)
    assert found.shape == (3, 16, 16) and (found.float().mean((1, 2)) - torch.tensor([200.0, 100, 50])).abs().max() < 6
    with pytest.raises(RuntimeError, match="AVIF but of PNG"):
        vio.decode_avif(vio.encode_png(image))


def test_photos_have_the_lightness_that_their_file_holds():
    colors = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    data = encoded(Image.fromarray(colors), "JPEG", quality=90)
    raw = Image.open(io.BytesIO(data.numpy().tobytes()))
    raw.draft("YCbCr", None)
    for found in (vio.decode_jpeg(data, "GRAY"), vio.decode_image(data, vio.ImageReadMode.GRAY)):
        assert np.array_equal(found.numpy()[0], np.array(raw)[:, :, 0])


def test_inks_are_kept():
    inks = Image.fromarray(np.full((8, 8, 4), (0, 60, 120, 200), np.uint8), "CMYK")
    data = encoded(inks, "JPEG")
    found = vio.decode_jpeg(data)
    assert found.shape == (4, 8, 8) and (found[:, 0, 0].int() - torch.tensor([255, 195, 135, 55])).abs().max() <= 4
    assert vio.decode_jpeg(data, vio.ImageReadMode.RGB).shape == (3, 8, 8)


@pytest.mark.parametrize("mode", ["GRAY_ALPHA", "RGB_ALPHA", "RGBA"])
def test_photos_without_alpha_are_not_given_one(mode):
    data = encoded(Image.new("RGB", (4, 2)), "JPEG")
    for decode in (vio.decode_jpeg, vio.decode_image):
        with pytest.raises(RuntimeError, match="mode is not supported for JPEG files"):
            decode(data, mode)


def test_floats_are_drawn_upon_as_torchvision_rounds():
    image = torch.full((3, 8, 8), 0.999)
    drawn = utils.draw_bounding_boxes(image, torch.tensor([[1, 1, 4, 4]]), colors="red")
    assert drawn[:, 0, 0].tolist() == [1.0] * 3 and drawn[:, 1, 1].tolist() == [1, 0, 0]


def test_photos_are_decoded_onto_a_device(device):
    image = vio.decode_jpeg(encoded(Image.new("RGB", (4, 2)), "JPEG"), device=device)
    assert image.device.type == torch.device(device).type and image.shape == (3, 2, 4)


def test_bad_input_is_told(tmp_path, image):
    with pytest.raises(RuntimeError, match="no image that Pillow can read"):
        vio.decode_image(torch.zeros(8, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="dtype should be uint8, got torch.float32"):
        vio.encode_png(image.float())
    with pytest.raises(RuntimeError, match=r"got shape \(2, 11, 13\)"):
        vio.encode_jpeg(image[:2])
    with pytest.raises(RuntimeError, match="between 0 and 9"):
        vio.encode_png(image, 10)
    for encode in (vio.encode_png, vio.encode_jpeg):
        with pytest.raises(RuntimeError, match="empty image"):
            encode(image[:, :0])
    with pytest.raises(RuntimeError, match="No such file or directory: .*none.png"):
        vio.read_image(tmp_path / "none.png")


def test_pillow_is_the_only_backend():
    vision.set_image_backend(vision.get_image_backend())
    vision.disable_beta_transforms_warning()
    with pytest.raises(ValueError, match="Invalid backend 'accimage'"):
        vision.set_image_backend("accimage")


def test_a_grid_puts_images_side_by_side(device):
    images = torch.arange(5.0, device=device)[:, None, None, None].expand(5, 1, 2, 3)
    grid = utils.make_grid(images, nrow=3, padding=1, pad_value=9)
    assert grid.shape == (3, 7, 13)
    expected = np.full((7, 13), 9.0)
    for k in range(5):
        y, x = k // 3 * 3 + 1, k % 3 * 4 + 1
        expected[y : y + 2, x : x + 3] = k
    assert grid[1].tolist() == expected.tolist()
    assert utils.make_grid(images, normalize=True).max().item() == 1
    each = utils.make_grid(torch.tensor([[[[0.0, 2.0]]], [[[4.0, 8.0]]]], device=device), padding=0, normalize=True,
                           scale_each=True)  # fmt: skip
    assert each[0].tolist() == [[0, 1, 0, 1]]
    assert utils.make_grid(images[0]).shape == (3, 2, 3)
    with pytest.raises(TypeError, match="tensor or list of tensors expected"):
        utils.make_grid(3)


def test_a_picture_is_saved_with_rounded_values(tmp_path):
    x = torch.tensor([0.0, 0.5, 1.0, 2.0]).reshape(1, 2, 2)
    utils.save_image(x, tmp_path / "a.png")
    assert np.array(Image.open(tmp_path / "a.png"))[..., 0].tolist() == [[0, 128], [255, 255]]
    with pytest.raises(ValueError, match="unknown file extension"):
        utils.save_image(x, tmp_path / "a.nonsense")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_boxes_are_drawn(device):
    blank = torch.zeros(3, 20, 20, dtype=torch.uint8, device=device)
    boxes = torch.tensor([[2, 3, 10, 12]], device=device)
    drawn = utils.draw_bounding_boxes(blank, boxes, colors="red")
    assert drawn[0, 3, 2:11].tolist() == [255] * 9 and drawn[0, 12, 5] == 255 and drawn[0, 6, 6] == 0
    assert not drawn[1:].any() and not blank.any()
    assert utils.draw_bounding_boxes(blank, boxes, ["thing"], "red", fill=True)[:, 6:9, 6:9].any()
    marked = utils.draw_bounding_boxes(blank, boxes, ["I"], "red", fill_labels=True, label_background_colors="blue")
    ground = marked[:, 5:12, 4:8].flatten(1).T.tolist()
    assert [0, 0, 255] in ground and [0, 0, 0] in ground and [255, 0, 0] not in ground
    assert utils.draw_bounding_boxes(blank + 9, boxes.repeat(2, 1))[:, 3, 5].tolist() == [1, 127, 31]
    with pytest.warns(UserWarning, match="doesn't contain any box"):
        assert torch.equal(utils.draw_bounding_boxes(blank, boxes[:0]), blank)
    halves = utils.draw_bounding_boxes(blank.float(), boxes, colors=(255, 0, 0))
    assert halves.dtype is torch.float32 and halves.max().item() == 1
    with pytest.raises(ValueError, match=r"boxes \(1\) and labels \(2\) mismatch"):
        utils.draw_bounding_boxes(blank, boxes, ["a", "b"])
    with pytest.raises(ValueError, match="xmin, ymin"):
        utils.draw_bounding_boxes(blank, boxes.flip(1))


def test_masks_and_points_are_drawn(device):
    grey = torch.full((3, 8, 8), 100, dtype=torch.uint8, device=device)
    mask = torch.zeros(8, 8, dtype=torch.bool, device=device)
    mask[2:4, 2:4] = True
    drawn = utils.draw_segmentation_masks(grey, mask, alpha=0.5, colors=[(200, 0, 0)])
    assert drawn[:, 2, 2].tolist() == [150, 50, 50] and drawn[:, 0, 0].tolist() == [100] * 3
    both = utils.draw_segmentation_masks(grey, torch.stack([mask, mask]), alpha=0.5, colors="red")
    assert both[:, 2, 2].tolist() == [50] * 3 and both[:, 0, 0].tolist() == [100] * 3
    with pytest.warns(UserWarning, match="doesn't contain any mask"):
        utils.draw_segmentation_masks(grey, mask[None][:0])
    with pytest.raises(ValueError, match="RGB triplet"):
        utils.draw_segmentation_masks(grey, mask, colors=(1, 2))
    with pytest.raises(ValueError, match="dtype bool"):
        utils.draw_segmentation_masks(grey, mask.float())
    points = torch.tensor([[[1, 1], [6, 6]]], device=device)
    drawn = utils.draw_keypoints(grey, points, [(0, 1)], colors="blue", radius=0, width=1)
    # torchvision's lines are white, whatever colour the points have
    assert all(drawn[:, i, i].tolist() == [255] * 3 for i in range(1, 7))
    drawn = utils.draw_keypoints(grey, points, colors="blue", radius=1)
    assert drawn[:, 1, 2].tolist() == drawn[:, 6, 6].tolist() == [0, 0, 255] and drawn[:, 3, 3].tolist() == [100] * 3
    hidden = utils.draw_keypoints(grey, points, colors="blue", visibility=torch.tensor([[True, False]]))
    assert hidden[2, 1, 1] == 255 and hidden[2, 6, 6] == 100
