"""Networks for optical flow: torchvision's flows, and what prepares the images."""

import numpy as np
import pytest

import cltorch as torch
from cltorch import nn
from cltorch.vision.models import get_model, optical_flow
from cltorch.vision.models.optical_flow import raft
from cltorch.vision.models.optical_flow._correlation import CorrBlock
from cltorch.vision.models.optical_flow._encoders import FeatureEncoder, MotionEncoder
from tests.vision.test_video_models import filled


def image(*shape, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32))


def small(large):
    """Return a network with parts like those of the large or the small one, but narrow."""
    block = raft.ResidualBlock if large else raft.BottleneckBlock

    def encoder(out, norm):
        return FeatureEncoder(block=block, layers=(4, 4, 8, 8, out), norm_layer=norm)

    products = CorrBlock(num_levels=2, radius=1)
    layers = (8, 6) if large else (8,)
    motion = MotionEncoder(
        in_channels_corr=products.out_channels, corr_layers=layers, flow_layers=(6, 4), out_channels=8
    )
    options = {} if large else {"kernel_size": (3,), "padding": (1,)}
    recurrent = raft.RecurrentBlock(input_size=12, hidden_size=6, **options)
    head = raft.FlowHead(in_channels=6, hidden_size=8)
    parts = {
        "feature_encoder": encoder(8, nn.InstanceNorm2d),
        "context_encoder": encoder(10, nn.BatchNorm2d if large else None),
        "corr_block": products,
        "update_block": raft.UpdateBlock(motion_encoder=motion, recurrent_block=recurrent, flow_head=head),
    }
    if large:
        parts["mask_predictor"] = raft.MaskPredictor(in_channels=6, hidden_size=8)
    return get_model("raft_large" if large else "raft_small", **parts)


# from torchvision 0.28: the third flow's row 5, every 13th column
FLOWS = {
    True: [4.3046317, 3.469224, 3.6243806, 3.6440306, 4.9632945, 9.9379234, 14.113794, 8.2045765],
    False: [1.2876861, 12.867226, 8.8017864, 3.4770892, -27.659142, -13.382554, 0.15743577, -0.89049602],
}


@pytest.mark.parametrize("large", [True, False])
def test_flows_are_torchvisions(device, large):
    model = filled(small(large)).to(device)
    flows = model(image(1, 3, 32, 40).to(device), image(1, 3, 32, 40, seed=2).to(device), num_flow_updates=3)
    assert len(flows) == 3 and all(flow.shape == (1, 2, 32, 40) for flow in flows)
    np.testing.assert_allclose(
        flows[-1][0, :, 5, ::13].flatten().detach().cpu().numpy(), FLOWS[large], rtol=1e-3, atol=1e-3
    )
    flows[-1].square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_what_does_not_fit_is_refused():
    model = small(True)
    with pytest.raises(ValueError, match="should have the same shape"):
        model(image(1, 3, 32, 40), image(1, 3, 40, 32))
    with pytest.raises(ValueError, match="divisible by 8"):
        model(image(1, 3, 36, 40), image(1, 3, 36, 40))
    with pytest.raises(ValueError, match="too small to be down-sampled"):
        model(image(1, 3, 16, 40), image(1, 3, 16, 40))
    with pytest.raises(ValueError, match="hidden_state_size"):
        get_model("raft_small", update_block=nn.Identity())
    with pytest.raises(ValueError, match="number of layers is 5"):
        FeatureEncoder(layers=(1, 2))
    with pytest.raises(ValueError, match="corr_layers should be 1 or 2"):
        MotionEncoder(in_channels_corr=4, corr_layers=(1, 2, 3))
    with pytest.raises(ValueError, match="kernel_size should either 1 or 2"):
        raft.RecurrentBlock(input_size=1, hidden_size=1, kernel_size=(1, 1, 1), padding=(0, 0, 0))


def test_images_are_prepared(device):
    weights = optical_flow.Raft_Large_Weights.DEFAULT
    assert weights.name == "C_T_SKHT_V2" and "categories" not in weights.meta
    prepare = weights.transforms()
    pixels = torch.tensor([[[0, 255], [51, 102]]] * 3, dtype=torch.uint8, device=device)
    first, second = prepare(pixels, pixels[None])
    expected = np.array([[-1, 1], [-0.6, -0.2]], np.float32)
    np.testing.assert_allclose(first[0].cpu().numpy(), expected, atol=1e-6)
    assert second.shape == (1, 3, 2, 2) and repr(prepare) == "OpticalFlow()"
