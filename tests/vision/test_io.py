"""Images are read and written through Pillow, and drawn into."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import cltorch as torch
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


def test_a_palette_becomes_colours_and_orientation_is_applied():
    out = io.BytesIO()
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).convert("P").save(out, "PNG")
    assert vio.decode_image(torch.tensor(list(out.getvalue()), dtype=torch.uint8)).shape == (3, 2, 3)
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (4, 2)).save(out, "JPEG", exif=exif)
    data = torch.tensor(list(out.getvalue()), dtype=torch.uint8)
    assert vio.decode_image(data).shape == (3, 2, 4)
    assert vio.decode_image(data, apply_exif_orientation=True).shape == (3, 4, 2)


def test_bad_input_is_told(tmp_path, image):
    with pytest.raises(RuntimeError, match="no image that Pillow can read"):
        vio.decode_image(torch.zeros(8, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="dtype should be uint8, got torch.float32"):
        vio.encode_png(image.float())
    with pytest.raises(RuntimeError, match=r"got shape \(2, 11, 13\)"):
        vio.encode_jpeg(image[:2])
    with pytest.raises(RuntimeError, match="between 0 and 9"):
        vio.encode_png(image, 10)
    with pytest.raises(FileNotFoundError):
        vio.read_image(tmp_path / "none.png")


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
    assert utils.draw_bounding_boxes(blank, boxes, ["thing"], fill=True)[:, 6:9, 6:9].any()
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
    with pytest.raises(ValueError, match="dtype bool"):
        utils.draw_segmentation_masks(grey, mask.float())
    points = torch.tensor([[[1, 1], [6, 6]]], device=device)
    drawn = utils.draw_keypoints(grey, points, [(0, 1)], colors="blue", radius=0, width=1)
    assert all(drawn[:, i, i].tolist() == [0, 0, 255] for i in range(1, 7))
    hidden = utils.draw_keypoints(grey, points, colors="blue", visibility=torch.tensor([[True, False]]))
    assert hidden[2, 1, 1] == 255 and hidden[2, 6, 6] == 100
