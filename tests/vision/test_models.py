"""Networks for images: torchvision's numbers of parameters and names, shapes, weights from files, training."""

import pytest

import cltorch as torch
from cltorch.nn import Conv2d, GroupNorm, Linear
from cltorch.vision import models
from cltorch.vision.models.resnet import BasicBlock, Bottleneck, ResNet

# what https://docs.pytorch.org/vision/stable/models.html publishes
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
}


@pytest.fixture
def bare(monkeypatch):
    """Leave parameters uninitialised: drawing a hundred million numbers only to count them takes long."""
    for layer in (Conv2d, Linear):
        monkeypatch.setattr(layer, "reset_parameters", lambda self: None)
    monkeypatch.setattr(ResNet, "_initialise", lambda self, zero: None)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_number_of_parameters_is_the_published_one(bare, name):
    assert sum(p.numel() for p in getattr(models, name)().parameters()) == PARAMETERS[name]


def _block(prefix, convolutions, downsample):
    keys = []
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    for i in range(1, convolutions + 1):
        keys += [f"{prefix}.conv{i}.weight", *(f"{prefix}.bn{i}.{n}" for n in norm)]
    if downsample:
        keys += [f"{prefix}.downsample.0.weight", *(f"{prefix}.downsample.1.{n}" for n in norm)]
    return keys


@pytest.mark.parametrize(
    "name, blocks, convolutions", [("resnet18", (2, 2, 2, 2), 2), ("resnext50_32x4d", (3, 4, 6, 3), 3)]
)
def test_state_dicts_have_torchvisions_keys_in_order(bare, name, blocks, convolutions):
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = ["conv1.weight", *(f"bn1.{n}" for n in norm)]
    for stage, count in enumerate(blocks, 1):
        for i in range(count):
            widens = i == 0 and (stage > 1 or convolutions == 3)
            expected += _block(f"layer{stage}.{i}", convolutions, widens)
    assert list(getattr(models, name)().state_dict()) == [*expected, "fc.weight", "fc.bias"]


@pytest.mark.parametrize("block, layers", [(BasicBlock, (1, 1, 1, 1)), (Bottleneck, (1, 1, 1, 1))])
def test_output_has_a_score_for_each_class(device, block, layers):
    model = ResNet(block, layers, num_classes=7).to(device).eval()
    with torch.no_grad():
        assert tuple(model(torch.randn(2, 3, 40, 33, device=device)).shape) == (2, 7)


def test_dilation_keeps_the_resolution(bare):
    model = models.resnet50(replace_stride_with_dilation=(False, True, True))
    third, fourth = model.layer3, model.layer4
    assert [m.conv2.dilation[0] for m in (third[0], third[1], fourth[0], fourth[1])] == [1, 2, 2, 4]
    assert third[0].conv2.stride == (1, 1) and third[0].downsample[0].stride == (1, 1)
    with pytest.raises(ValueError, match="3-element tuple"):
        models.resnet50(replace_stride_with_dilation=(True,))
    with pytest.raises(NotImplementedError, match="Dilation > 1"):
        models.resnet18(replace_stride_with_dilation=(True, False, False))


def test_arguments_that_contradict_the_network_are_refused():
    with pytest.raises(ValueError, match="groups=1 and base_width=64"):
        models.resnet18(groups=2)
    with pytest.raises(ValueError, match="'groups' expected value 32 but got 16"):
        models.resnext50_32x4d(groups=16)
    with pytest.raises(TypeError):
        models.resnet18(None)


def test_zero_init_residual_starts_blocks_as_the_identity():
    model = ResNet(Bottleneck, (1, 1, 1, 1), 2, zero_init_residual=True, norm_layer=lambda n: GroupNorm(8, n))
    assert model.layer1[0].bn3.weight.abs().sum().item() == 0 and model.layer1[0].bn1.weight.min().item() == 1


def test_weights_come_from_files_and_never_by_download(tmp_path):
    saved = models.resnet18(num_classes=3)
    path = tmp_path / "weights.pth"
    torch.save(saved.state_dict(), path)
    for given in (path, str(path)):
        loaded = models.resnet18(num_classes=3, weights=given)
        assert torch.equal(loaded.fc.weight, saved.fc.weight)
        assert torch.equal(loaded.layer4[1].bn2.running_var, saved.layer4[1].bn2.running_var)
    for name in ("DEFAULT", "IMAGENET1K_V1", object()):
        with pytest.raises(NotImplementedError, match="would have to be downloaded"):
            models.resnet18(weights=name)
    with pytest.raises(FileNotFoundError):
        models.resnet18(weights=str(tmp_path / "gone.pth"))


def test_training_lowers_the_loss(cl_device):
    model = ResNet(BasicBlock, (1, 1, 1, 1), num_classes=4).to(cl_device)
    x = torch.randn(8, 3, 32, 32, device=cl_device)
    target = torch.arange(8, device=cl_device) % 4
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4
