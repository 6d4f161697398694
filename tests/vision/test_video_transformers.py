"""Transformers for clips: torchvision's scores, at other sizes too, and what they say to sizes that do not fit."""

import numpy as np
import pytest

import cltorch as torch
from cltorch import fx
from cltorch.vision.models import video
from cltorch.vision.models.video.mvit import MSBlockConfig, MViT
from cltorch.vision.models.video.mvit_attention import Pool
from cltorch.vision.models.video.swin_transformer import ShiftedWindowAttention3d, SwinTransformer3d
from tests.vision.test_video_models import clip, filled


def mvit(second):
    """Return a network of two blocks: of the first version or of the second."""
    width, pool = (8, [1, 1, 1]) if second else (16, [])
    blocks = [
        MSBlockConfig(1, 8, width, [3, 3, 3] if second else [], [3, 3, 3], pool, [1, 2, 2]),
        MSBlockConfig(2, width, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1]),
    ]
    return MViT((16, 24), 4, blocks, second, False, second, second, num_classes=3)


# from torchvision 0.28
MVIT = {
    False: [[-3.7302835, -3.1347086, 2.631171], [-3.1690304, -2.788049, 3.0994079]],
    True: [[-0.23426796, -1.4927458, 1.7408402], [1.331701, 1.391458, -1.1730537]],
}
SWIN = {(7, 30, 26): [0.31109881, 0.20677738, 0.45795608], (2, 12, 30): [1.5921954, -0.45773897, -0.29150456]}


def swin():
    return SwinTransformer3d([2, 4, 4], 8, [2, 2], [2, 4], [2, 3, 3], num_classes=3)


@pytest.mark.parametrize("second", [False, True])
def test_scores_of_multiscale_transformers_are_torchvisions(device, second):
    model = filled(mvit(second)).to(device)
    scores = model(clip(2, 3, 4, 16, 24).to(device))
    np.testing.assert_allclose(scores.detach().cpu().numpy(), MVIT[second], rtol=1e-4, atol=1e-4)
    scores.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_scores_of_swin_transformers_are_torchvisions(device):
    model = filled(swin()).to(device)
    with torch.no_grad():
        for size, expected in SWIN.items():
            scores = model(clip(1, 3, *size).to(device)).cpu().numpy()
            np.testing.assert_allclose(scores[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [lambda: mvit(True), swin])
def test_traced_transformers_give_the_same(make):
    model, x = filled(make()), clip(1, 3, 4, 16, 24)
    with torch.no_grad():
        assert torch.equal(fx.symbolic_trace(model)(x), model(x))


def test_class_tokens_of_queries_are_added_where_asked():
    scores = []
    for with_class in (False, True):
        blocks = [MSBlockConfig(1, 8, 8, [1, 1, 1], [1, 1, 1], [1, 1, 2], [1, 1, 1])] * 2
        model = filled(MViT((16, 16), 2, blocks, True, with_class, False, False, num_classes=2))
        with torch.no_grad():
            scores.append(model(clip(1, 3, 16, 16)))  # an image is a clip of one
    assert not torch.allclose(*scores)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="can't be empty"):
        MViT((16, 16), 4, [], False, False, False, False)
    with pytest.raises(ValueError, match="Unsupported input dimension"):
        mvit(False)(torch.zeros(3, 16, 24))
    with pytest.raises(ValueError, match="Unsupported input dimension"):
        Pool(torch.nn.MaxPool3d(1), None)(torch.zeros(3, 4), (1, 1, 1))
    with pytest.raises(ValueError, match="window_size and shift_size"):
        ShiftedWindowAttention3d(8, [2, 2], [0, 0], 2)


def test_published_weights_say_their_size():
    meta = video.MViT_V2_S_Weights.DEFAULT.meta
    assert meta["min_temporal_size"] == 16 and meta["min_size"] == (224, 224) and len(meta["categories"]) == 400
    assert video.MViT_V1_B_Weights.DEFAULT.transforms().mean == [0.45, 0.45, 0.45]
    assert meta["_ops"] == 64.224 and meta["_file_size"] == 131.884
