"""Data sets of optical flow and of stereo vision, made small in their published formats."""

import json
import struct
import zlib

import numpy as np
import pytest

from cltorch.utils.data import ConcatDataset
from cltorch.vision import datasets
from cltorch.vision.datasets._maps import read_flo, read_pfm
from tests.vision.made_up import photo, shade, text

Image = pytest.importorskip("PIL.Image", reason="reads PIL images")
RNG = np.random.default_rng(11)


def written(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def make_flo(path):
    flow = RNG.standard_normal((4, 6, 2)).astype("<f4")
    written(path, b"PIEH" + struct.pack("<ii", 6, 4) + flow.tobytes())
    return np.moveaxis(flow, -1, 0)


def make_pfm(path, channels=1, order="<", values=None):
    """Write numbers line by line from below, and return them from above."""
    flow = RNG.standard_normal((4, 6, channels)).astype(np.float32) if values is None else values
    head = f"{'PF' if channels == 3 else 'Pf'}\n6 4\n{-1.0 if order == '<' else 1.0}\n".encode()
    written(path, head + flow[::-1].astype(f"{order}f4").tobytes())
    return np.moveaxis(flow, -1, 0)


def make_flow_png(path):
    """Write a PNG file with colours of 16 bits, as KITTI has it, and return the flow and where it is known."""
    pixels = RNG.integers(0, 65536, (4, 6, 3)).astype(">u2")
    pixels[..., 2] = RNG.integers(0, 2, (4, 6))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 6, 4, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + line.tobytes() for line in pixels))),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts)
    written(path, b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return (np.moveaxis(pixels[..., :2], -1, 0) - 32768.0) / 64, pixels[..., 2] == 1


def make_16_bits(path):
    depth = RNG.integers(1, 65536, (4, 6)).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(depth).save(path)
    return depth.astype(np.float64)


def pairs(data):
    return [(shade(data[i][0]), shade(data[i][1])) for i in range(len(data))]


def test_files_of_numbers(tmp_path):
    for order, channels in (("<", 1), (">", 1), ("<", 3)):
        numbers = make_pfm(tmp_path / "a.pfm", channels, order)
        found = read_pfm(tmp_path / "a.pfm")
        assert found.dtype == np.float32 and np.array_equal(found, numbers[:2])
    written(tmp_path / "b", b"P5\n6 4\n255\n")
    with pytest.raises(ValueError, match="Invalid PFM file"):
        read_pfm(tmp_path / "b")
    with pytest.raises(ValueError, match="Invalid .flo file"):
        read_flo(tmp_path / "b")


def test_sintel(tmp_path):
    base = tmp_path / "Sintel"
    for i in (1, 2, 3):
        for part, name, step in (("training", "clean", 0), ("training", "final", 100), ("test", "clean", 200)):
            photo(base / part / name / "alley" / f"frame_{i:04d}.png", step + i)
    flows = [make_flo(base / "training" / "flow" / "alley" / f"frame_{i:04d}.flo") for i in (1, 2)]
    data = datasets.Sintel(tmp_path, pass_name="both")
    assert pairs(data) == [(1, 2), (2, 3), (101, 102), (102, 103)]
    assert all(len(data[i]) == 3 and np.array_equal(data[i][2], flows[i % 2]) for i in range(4))
    test = datasets.Sintel(tmp_path, "test")
    assert pairs(test) == [(201, 202), (202, 203)] and test[0][2] is None
    twice = 2 * data
    assert type(twice) is ConcatDataset and len(twice) == 8
    seen = []
    known = datasets.Sintel(tmp_path, transforms=lambda *sample: seen.append(sample) or ("a", "b", "c", "d"))
    assert known[1] == ("a", "b", "c", "d") and seen[0][3] is None and np.array_equal(seen[0][2], flows[1])
    with pytest.raises(ValueError, match="Unknown value 'raw' for argument pass_name"):
        datasets.Sintel(tmp_path, pass_name="raw")


def test_flow_of_streets(tmp_path):
    kitti, hd1k = tmp_path / "KittiFlow", tmp_path / "hd1k"
    for part in ("training", "testing"):
        for i in (0, 1):
            for n in (10, 11):
                photo(kitti / part / "image_2" / f"{i:06d}_{n}.png", 100 * i + n)
    made = [make_flow_png(kitti / "training" / "flow_occ" / f"{i:06d}_10.png") for i in (0, 1)]
    data = datasets.KittiFlow(tmp_path, loader=lambda path: path[-6:-4])
    for i, (flow, known) in enumerate(made):
        first, second, found, where = data[i]
        assert (first, second) == ("10", "11") and found.dtype == np.float32 and where.dtype == bool
        assert np.array_equal(found, flow) and np.array_equal(where, known)
    assert datasets.KittiFlow(tmp_path, "test")[1][2:] == (None, None)
    for film in (0, 1):
        for i in (0, 1, 2):
            photo(hd1k / "hd1k_input" / "image_2" / f"{film:06d}_{i:04d}.png", 10 * film + i)
            make_flow_png(hd1k / "hd1k_flow_gt" / "flow_occ" / f"{film:06d}_{i:04d}.png")
    assert pairs(datasets.HD1K(tmp_path)) == [(0, 1), (1, 2), (10, 11), (11, 12)]  # never from one film to the next
    for missing in (lambda: datasets.HD1K(tmp_path, "test"), lambda: datasets.KittiFlow(tmp_path / "gone")):
        with pytest.raises(FileNotFoundError, match=r"Could not find the (HD1K|Kitti flow) images"):
            missing()


def test_flow_of_drawn_things(tmp_path):
    chairs, things = tmp_path / "FlyingChairs", tmp_path / "FlyingThings3D"
    flows = [make_flo(chairs / "data" / f"{i:05d}_flow.flo") for i in (1, 2, 3)]
    for i in (1, 2, 3):
        for k in (1, 2):
            photo(chairs / "data" / f"{i:05d}_img{k}.ppm", 10 * i + k)
    with pytest.raises(FileNotFoundError, match="FlyingChairs_train_val.txt"):
        datasets.FlyingChairs(tmp_path)
    text(chairs / "FlyingChairs_train_val.txt", 1, 2, 1)
    data = datasets.FlyingChairs(tmp_path)
    assert pairs(data) == [(11, 12), (31, 32)] and np.array_equal(data[1][2], flows[2])
    assert pairs(datasets.FlyingChairs(tmp_path, "val")) == [(21, 22)]
    made = {}
    for i in (6, 7, 8):
        for side, step in (("left", 0), ("right", 50)):
            photo(things / "frames_cleanpass" / "TRAIN" / "A" / "0000" / side / f"{i:04d}.png", step + i)
            for way in ("into_future", "into_past"):
                folder = things / "optical_flow" / "TRAIN" / "A" / "0000" / way / side
                made[i, side, way] = make_pfm(folder / f"OpticalFlow_{i:04d}.pfm", 3)
    data = datasets.FlyingThings3D(tmp_path, camera="both")
    assert pairs(data)[:4] == [(6, 7), (7, 8), (7, 6), (8, 7)] and pairs(data)[4:] == [
        (56, 57),
        (57, 58),
        (57, 56),
        (58, 57),
    ]
    assert np.array_equal(data[0][2], made[6, "left", "into_future"][:2])
    assert np.array_equal(data[7][2], made[8, "right", "into_past"][:2])
    with pytest.raises(FileNotFoundError, match="FlyingThings3D"):
        datasets.FlyingThings3D(tmp_path, "test")


def eyes(folder, left, right, dark=10):
    photo(folder / left, dark)
    photo(folder / right, dark + 1)


def test_disparities_of_16_bits(tmp_path):
    """KITTI, CREStereo, InStereo2k, Falling Things: each with a scale of its own."""
    for part in ("training", "testing"):
        eyes(tmp_path / "Kitti2012" / part, "colored_0/000000_10.png", "colored_1/000000_10.png")
        eyes(tmp_path / "Kitti2015" / part, "image_2/000000_10.png", "image_3/000000_10.png", 30)
    depth = make_16_bits(tmp_path / "Kitti2012" / "training" / "disp_noc" / "000000_10.png")
    left, right, disparity, known = datasets.Kitti2012Stereo(tmp_path)[0]
    assert (shade(left), shade(right), known) == (10, 11, None) and np.array_equal(disparity, depth[None] / 256)
    depth = make_16_bits(tmp_path / "Kitti2015" / "training" / "disp_occ_0" / "000000_10.png")
    make_16_bits(tmp_path / "Kitti2015" / "training" / "disp_occ_1" / "000000_10.png")
    assert np.array_equal(datasets.Kitti2015Stereo(tmp_path)[0][2], depth[None] / 256)
    assert datasets.Kitti2015Stereo(tmp_path, "test")[0][2:] == (None, None)
    for name in ("shapenet", "reflective", "tree", "hole"):
        folder = tmp_path / "CREStereo" / name
        eyes(folder, "a_left.jpg", "a_right.jpg")
        depth, _ = (make_16_bits(folder / f"a_{side}.disp.png") for side in ("left", "right"))
    data = datasets.CREStereo(tmp_path)
    assert len(data) == 4 and np.array_equal(data[3][2], depth[None].astype(np.float32) / 32) and data[3][3] is None
    scene = tmp_path / "InStereo2k" / "train" / "a"
    eyes(scene, "left.png", "right.png")
    depth, _ = (make_16_bits(scene / f"{side}_disp.png") for side in ("left", "right"))
    found = datasets.InStereo2k(tmp_path)[0]
    assert len(found) == 3 and np.array_equal(found[2], depth[None].astype(np.float32) / 1024)
    scene = tmp_path / "FallingThings" / "mixed" / "scene"
    eyes(scene, "0.left.jpg", "0.right.jpg")
    depth, _ = (make_16_bits(scene / f"0.{side}.depth.png") for side in ("left", "right"))
    text(scene / "_camera_settings.json", json.dumps({"camera_settings": [{"intrinsic_settings": {"fx": 768.0}}]}))
    found = datasets.FallingThingsStereo(tmp_path, "mixed")[0][2]
    assert np.allclose(found, 600 * 768.0 / depth[None], rtol=1e-6)
    eyes(scene, "1.left.jpg", "0.right.jpg")
    with pytest.raises(ValueError, match="Found 2 left files but 1 right files"):
        datasets.FallingThingsStereo(tmp_path, "mixed")
    with pytest.raises(FileNotFoundError, match="Could not find any files matching"):
        datasets.FallingThingsStereo(tmp_path)


def test_disparities_of_floats(tmp_path):
    scene = tmp_path / "carla-highres" / "trainingF" / "a"
    eyes(scene, "im0.png", "im1.png")
    disparity, other = (make_pfm(scene / f"disp{k}GT.pfm") for k in (0, 1))
    given = []
    found = datasets.CarlaStereo(tmp_path, lambda *s: given.append(s) or (s[0], s[1], ("known", None)))[0]
    assert len(found) == 4 and found[3] == "known" and np.array_equal(found[2], abs(disparity))
    assert np.array_equal(given[0][1][1], abs(other)) and given[0][2] == (None, None)
    films = tmp_path / "SceneFlow" / "Monkaa"
    for side, dark in (("left", 1), ("right", 2)):
        photo(films / "frames_finalpass" / "a" / side / "1.png", dark)
        made = make_pfm(films / "disparity" / "a" / side / "1.pfm")
        disparity = made if side == "left" else disparity
    found = datasets.SceneFlowStereo(tmp_path, "Monkaa", "final")[0]
    assert len(found) == 3 and np.array_equal(found[2], abs(disparity))
    for name in ("two_view_training", "two_view_test"):
        eyes(tmp_path / "ETH3D" / name / "a", "im0.png", "im1.png")
    disparity = make_pfm(tmp_path / "ETH3D" / "two_view_training_gt" / "a" / "disp0GT.pfm")
    photo(tmp_path / "ETH3D" / "two_view_training_gt" / "a" / "mask0nocc.png", 255, "L")
    found = datasets.ETH3DStereo(tmp_path)[0]
    assert np.array_equal(found[2], abs(disparity)) and found[3].dtype == bool and found[3].all()
    assert datasets.ETH3DStereo(tmp_path, "test")[0][2:] == (None, None)


def test_disparities_of_sintel_are_three_bytes(tmp_path):
    base = tmp_path / "Sintel" / "training"
    eyes(base, "final_left/a/1.png", "final_right/a/1.png")
    folder = base / "disparities" / "a"
    folder.mkdir(parents=True)
    Image.new("RGB", (6, 4), (3, 64, 128)).save(folder / "1.png")
    seen = {name: RNG.integers(0, 2, (4, 6), dtype=np.uint8) for name in ("occlusions", "outofframe")}
    data = datasets.SintelStereo(tmp_path)
    with pytest.raises(FileNotFoundError, match="Occlusion mask"):
        data[0]
    for name, mask in seen.items():
        (base / name / "a").mkdir(parents=True)
        Image.fromarray(mask * 255).save(base / name / "a" / "1.png")
    *_, disparity, known = data[0]
    assert disparity.shape == (1, 4, 6) and np.all(disparity == 12 + 1 + 1 / 128)
    assert np.array_equal(known, (seen["occlusions"] == 0) & (seen["outofframe"] == 0))


def test_middlebury(tmp_path, monkeypatch):
    for kind, dark in (("perfect", 10), ("imperfect", 20)):
        scene = tmp_path / "Middlebury2014" / "train" / f"Piano-{kind}"
        eyes(scene, "im0.png", "im1.png", dark)
        photo(scene / "im1E.png", 200)
        values = np.full((4, 6, 1), np.inf, np.float32)
        values[0, :2] = [[-3.0], [0.0]]
        for k in (0, 1):
            make_pfm(scene / f"disp{k}.pfm", values=values)
    data = datasets.Middlebury2014Stereo(tmp_path, calibration="both")
    assert pairs(data) == [(10, 11), (20, 21)]
    assert data[0][2][0, 0, :3].tolist() == [3.0, 0.0, 0.0] and data[0][3].sum() == 1
    ambient = datasets.Middlebury2014Stereo(tmp_path, use_ambient_views=True)
    monkeypatch.setattr("random.choice", lambda paths: paths[0])
    assert pairs(ambient) == [(10, 200)]
    eyes(tmp_path / "Middlebury2014" / "test" / "Plants", "im0.png", "im1.png")
    assert datasets.Middlebury2014Stereo(tmp_path, "test", None)[0][2:] == (None, None)
    for options, what in (({"split": "test"}, "has only no calibration"), ({"calibration": None}, "has calibration")):
        with pytest.raises(ValueError, match=what):
            datasets.Middlebury2014Stereo(tmp_path, **options)
    with pytest.raises(FileNotFoundError, match="additional directory"):
        datasets.Middlebury2014Stereo(tmp_path, "additional")
    (tmp_path / "Middlebury2014" / "additional" / "Nothing-perfect").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="any scenes from the additional split"):
        datasets.Middlebury2014Stereo(tmp_path, "additional")
