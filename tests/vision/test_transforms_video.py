"""Transforms of clips (C, T, H, W), which older programs of video networks import."""

import importlib
import pickle

import numpy as np
import pytest

import cltorch as torch

with pytest.warns(UserWarning, match="is deprecated since 0.12"):
    video = importlib.import_module("cltorch.vision.transforms._transforms_video")

BYTES = np.random.default_rng(6).integers(0, 256, (4, 9, 12, 3), np.uint8)
SHARES = (BYTES / np.float32(255)).transpose(3, 0, 1, 2)


def test_clips_are_cut_turned_and_normalised(device):
    clip = video.ToTensorVideo()(torch.from_numpy(BYTES).to(device))
    assert np.allclose(clip.cpu().numpy(), SHARES, atol=1e-7)
    middle = video.CenterCropVideo((5, 4))(clip)
    assert torch.equal(middle, clip[..., 2:7, 4:8])
    mean, std = (0.1, 0.2, 0.3), (1.0, 2.0, 4.0)
    expected = (SHARES - np.reshape(mean, (3, 1, 1, 1))) / np.reshape(std, (3, 1, 1, 1))
    assert np.allclose(video.NormalizeVideo(mean, std)(clip).cpu().numpy(), expected, atol=1e-6)
    assert torch.equal(video.RandomHorizontalFlipVideo(1.0)(clip), clip.flip(-1))
    assert video.RandomHorizontalFlipVideo(0.0)(clip) is clip
    same = video.NormalizeVideo(mean, std, inplace=True)(clip)
    assert same.data_ptr() == clip.data_ptr()


def test_random_crops_are_the_same_of_every_frame(device):
    rows = torch.arange(9.0, device=device).view(1, 1, 9, 1).expand(3, 4, 9, 12)
    cut = video.RandomCropVideo((4, 12))(rows)
    assert cut.shape == (3, 4, 4, 12) and torch.equal(cut, cut[:1, :1].expand_as(cut))
    assert (cut[0, 0, 1:] - cut[0, 0, :-1]).unique().tolist() == [1]
    whole = video.RandomResizedCropVideo((18, 24), scale=(1.0, 1.0), ratio=(12 / 9, 12 / 9))(rows)
    expected = torch.nn.functional.interpolate(rows, size=(18, 24), mode="bilinear", align_corners=False)
    assert torch.equal(whole, expected) and video.RandomResizedCropVideo(5)(rows).shape == (3, 4, 5, 5)


def test_clips_are_refused_and_transforms_printed():
    clip = torch.ones(3, 2, 4, 4)
    for call, error, message in (
        (lambda: video.ToTensorVideo()(clip), TypeError, "uint8"),
        (lambda: video.ToTensorVideo()(BYTES), TypeError, "clip should be Tensor"),
        (lambda: video.NormalizeVideo([0.0], [1.0])(clip[0]), ValueError, "clip should be 4D. Got 3D"),
        (lambda: video.CenterCropVideo(5)(clip), ValueError, "no smaller than crop_size"),
        (lambda: video.RandomResizedCropVideo((1, 2, 3)), ValueError, "size should be tuple"),
    ):
        with pytest.raises(error, match=message):
            call()
    assert repr(pickle.loads(pickle.dumps(video.CenterCropVideo(5)))) == "CenterCropVideo(crop_size=(5, 5))"
    assert repr(video.RandomCropVideo((3, 4))) == "RandomCropVideo(size=(3, 4))"
    assert repr(video.NormalizeVideo([0.5], [2.0])) == "NormalizeVideo(mean=[0.5], std=[2.0], inplace=False)"
