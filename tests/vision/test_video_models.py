"""Networks for clips: torchvision's scores, and what prepares the clips."""

import numpy as np
import pytest

import cltorch as torch
from cltorch.nn import BatchNorm3d
from cltorch.vision.models import get_model, video
from cltorch.vision.models.video.resnet import BasicBlock, BasicStem, Bottleneck, Conv3DNoTemporal, VideoResNet
from cltorch.vision.models.video.s3d import SepInceptionBlock3D, TemporalSeparableConv
from tests.vision.detectors import values


def filled(model):
    model.load_state_dict({key: torch.from_numpy(value) for key, value in values(model.state_dict()).items()})
    return model.eval()


def clip(*shape):
    return torch.from_numpy(np.random.default_rng(1).standard_normal(shape, np.float32))


# from torchvision 0.28
SCORES = {
    "r3d_18": [-3.3061798, -1.7416859, 2.5373034, -4.6370783, 4.5758882],
    "mc3_18": [19.338298, -3.0839453, -5.9025421, 6.5550470, -21.717005],
    "r2plus1d_18": [-16.863876, -15.764132, 14.628578, 0.85806000, -0.49513060],
}


@pytest.mark.parametrize("name", list(SCORES))
def test_scores_are_torchvisions(bare, cl_device, name):
    model = filled(get_model(name, num_classes=5)).to(cl_device)
    with torch.no_grad():
        scores = model(clip(1, 3, 5, 36, 40).to(cl_device)).cpu().numpy()
    np.testing.assert_allclose(scores[0], SCORES[name], rtol=0, atol=2e-3)


def test_blocks_of_s3d_give_torchvisions_values(device):
    def norm(n):
        return BatchNorm3d(n, eps=0.001)

    convolution, block = TemporalSeparableConv(3, 8, 3, 2, 1, norm), SepInceptionBlock3D(8, 2, 3, 4, 3, 2, 2, norm)
    model = filled(torch.nn.Sequential(convolution, block)).to(device)
    with torch.no_grad():
        y = model(clip(1, 3, 4, 9, 8).to(device)).cpu()
    expected = [0.091303252, 0, 0, 0, 0.30425957, 0, 0, 0.74683714, 6.0189018, 1.6021313]
    assert y.shape == (1, 10, 2, 5, 4)
    np.testing.assert_allclose(y[0, :, 1, 2, 3].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_residual_blocks_start_as_the_identity_where_asked():
    model = VideoResNet(Bottleneck, [Conv3DNoTemporal] * 4, [1, 1, 1, 1], BasicStem, 3, zero_init_residual=True)
    assert model.layer1[0].conv3[1].weight.abs().sum().item() == 0 and model.fc.in_features == 2048
    x = torch.randn(1, 64, 2, 4, 4)
    model = VideoResNet(BasicBlock, [Conv3DNoTemporal] * 4, [1, 1, 1, 1], BasicStem, 3, zero_init_residual=True)
    assert torch.equal(model.layer1(x), x.relu()) and model.eval()(torch.zeros(1, 3, 2, 16, 16)).shape == (1, 3)


def test_clips_are_prepared(device):
    weights = video.S3D_Weights.DEFAULT
    assert weights.meta["min_temporal_size"] == 14 and weights.meta["categories"][0] == "abseiling"
    prepare = type(weights.transforms())(crop_size=(8, 8), resize_size=(10, 14))
    frames = np.random.default_rng(2).integers(0, 256, (2, 3, 3, 20, 30), dtype=np.uint8)
    prepared = prepare(torch.from_numpy(frames).to(device))
    assert prepared.shape == (2, 3, 3, 8, 8) and prepare(torch.from_numpy(frames[0])).shape == (3, 3, 8, 8)
    np.testing.assert_allclose(prepared[1, :, 2, 3, 4].tolist(), [0.78763646, 0.14804695, -0.16255903], atol=1e-5)
    assert "crop_size=[8, 8]" in repr(prepare)
    with pytest.raises(AttributeError, match="MViT_V3_B_Weights"):
        video.MViT_V3_B_Weights  # noqa: B018
