"""Networks for images: torchvision's numbers of parameters and names, shapes, weights from files, training."""

import hashlib
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import cltorch as torch
from cltorch.nn import GroupNorm, Linear
from cltorch.vision import models
from cltorch.vision.models import weights as weights_module
from cltorch.vision.models._utils import IntermediateLayerGetter
from cltorch.vision.models.common import rescale_for_inception
from cltorch.vision.models.maxvit import MaxVit
from cltorch.vision.models.regnet import BlockParams
from cltorch.vision.models.resnet import BasicBlock, Bottleneck, ResNet
from cltorch.vision.models.vision_transformer import ConvStemConfig, VisionTransformer

# recorded from torchvision 0.28: the number of parameters, a digest of the names and shapes in state_dict, and for some
# networks the first scores of an image, with parameters and image from NumPy's generator (see ``filled``)
PUBLISHED = json.loads((Path(__file__).parent / "models.json").read_text())
RECORDED = [name for name in PUBLISHED if "scores" in PUBLISHED[name]]


def made(name):
    """Return a network by name, without the published weights that a backbone would fetch."""
    on_backbone = hasattr(models.segmentation, name) or hasattr(models.detection, name)
    options = {"weights_backbone": None} if on_backbone else {}
    return models.get_model(name, **options, **({"init_weights": False} if name in INCEPTIONS else {}))


INCEPTIONS = ("googlenet", "inception_v3")
# networks whose layers the others run on the OpenCL device as well
ON_HOST = ("deeplabv3_mobilenet_v3_large", "fcn_resnet50", "inception_v3", "lraspp_mobilenet_v3_large", "swin_v2_t")


def filled(state):
    """Return a state_dict's values from NumPy's generator: variances positive, matrices to keep the scale of data."""
    rng, out = np.random.default_rng(0), {}
    for name, value in state.items():
        shape = tuple(value.shape)
        if not value.dtype.is_floating_point or "relative_coords" in name:
            out[name] = value.numpy()
        elif "running_var" in name:
            out[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        elif len(shape) > 1:
            out[name] = rng.standard_normal(shape, np.float32) * np.float32((2 / np.prod(shape[1:])) ** 0.5)
        else:
            out[name] = rng.standard_normal(shape, np.float32) * np.float32(0.1) + np.float32("weight" in name)
    return {name: torch.from_numpy(np.array(value)) for name, value in out.items()}


# SSD asks its backbone how many channels its maps have
@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul")
@pytest.mark.parametrize("name", models.list_models())
def test_parameters_and_their_names_are_the_published_ones(bare, name):
    model = made(name)
    state = "\n".join(f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items())
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED[name]["parameters"]
    assert hashlib.sha256(state.encode()).hexdigest()[:16] == PUBLISHED[name]["state"]


@pytest.mark.parametrize("name", RECORDED)
def test_scores_are_torchvisions(bare, cl_device, name):
    model, device = made(name), "cpu" if name in ON_HOST else cl_device
    model.load_state_dict(filled(model.state_dict()))
    side = 224 if name.startswith("vit") else 96 if name.startswith("inception") else 64
    image = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, side, side), np.float32))
    with torch.no_grad():
        scores = model.to(device).eval()(image.to(device))
    scores = scores["out"][0, :, 40, 21] if isinstance(scores, dict) else scores[0]
    scores = scores.cpu().numpy()
    greatest = PUBLISHED[name]["greatest"]
    np.testing.assert_allclose(scores[:4], PUBLISHED[name]["scores"], rtol=0, atol=1e-4 * greatest)
    assert np.abs(scores).max() == pytest.approx(greatest, rel=1e-4)


def test_a_small_maxvit_gives_torchvisions_scores(bare, cl_device):
    model = MaxVit((32, 32), 8, 2, [16, 24], [1, 2], 8, 0.2, num_classes=5)
    model.load_state_dict(filled(model.state_dict()))
    image = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 32, 32), np.float32))
    with torch.no_grad():
        scores = model.to(cl_device).eval()(image.to(cl_device)).cpu().numpy()
    expected = [[-1.604025, -0.2555305, 0.1568833, -1.174892, 0.1802391]]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"\(14, 14\) of block 0 is not divisible by partition size 4"):
        MaxVit((56, 56), 8, 4, [16], [1], 8, 0.2)


def test_vision_transformers_take_convolutions_first_and_old_weights():
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12, "num_classes": 3}
    stem = [ConvStemConfig(4, 3, 2), ConvStemConfig(6, 3, 2)]
    model = VisionTransformer(16, 4, **sizes, conv_stem_configs=stem)
    names = [name for name, _ in model.conv_proj.named_children()]
    assert names == ["conv_bn_relu_0", "conv_bn_relu_1", "conv_last"] and model.mlp_dim == 12
    assert model._process_input(torch.zeros(2, 3, 16, 16)).shape == (2, 16, 8)
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 3)
    with pytest.raises(AssertionError, match="Wrong image width! Expected 16 but got 15!"):
        model(torch.zeros(2, 3, 16, 15))
    plain = VisionTransformer(16, 4, **sizes)
    old = {
        k.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): v for k, v in plain.state_dict().items()
    }
    assert sum("linear_" in name for name in old) == 4
    again = VisionTransformer(16, 4, **sizes)
    again.load_state_dict(old)
    first, second = (m.encoder.layers[0].mlp[3].weight for m in (plain, again))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "name, member, option, wrong",
    [("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", "image_size", 224), ("maxvit_t", "DEFAULT", "input_size", (448, 448))],
)
def test_weights_decide_the_size_of_images(monkeypatch, name, member, option, wrong):
    made_with = []
    build = models.get_model_builder(name)
    kind = {"vit_b_16": VisionTransformer, "maxvit_t": MaxVit}[name]

    def stop(self, size, *args, **kwargs):
        made_with.append(size)
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, "__init__", stop)
    with pytest.raises(KeyboardInterrupt):
        build(weights=member)
    assert made_with == [384 if name == "vit_b_16" else (224, 224)]
    with pytest.raises(ValueError, match=f"'{option}' expected value"):
        build(weights=member, **{option: wrong})


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


def test_zero_init_residual_starts_blocks_as_the_identity():
    model = ResNet(Bottleneck, (1, 1, 1, 1), 2, zero_init_residual=True, norm_layer=lambda n: GroupNorm(8, n))
    assert model.layer1[0].bn3.weight.abs().sum().item() == 0 and model.layer1[0].bn1.weight.min().item() == 1


def test_weights_come_from_files(tmp_path):
    saved = models.resnet18(num_classes=3)
    path = tmp_path / "weights.pth"
    torch.save(saved.state_dict(), path)
    for given in (path, str(path)):
        loaded = models.resnet18(num_classes=3, weights=given)
        assert torch.equal(loaded.fc.weight, saved.fc.weight)
        assert torch.equal(loaded.layer4[1].bn2.running_var, saved.layer4[1].bn2.running_var)
    with pytest.raises(FileNotFoundError):
        models.resnet18(weights=str(tmp_path / "gone.pth"))


def test_published_weights_are_fetched_by_name(monkeypatch):
    saved, asked = models.squeezenet1_1().state_dict(), []

    def fetch(url, **kwargs):
        asked.append((url.rsplit("/", 1)[1], kwargs["check_hash"]))
        return saved

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    enum = models.SqueezeNet1_1_Weights
    for weights in ("DEFAULT", "IMAGENET1K_V1", enum.DEFAULT, "SqueezeNet1_1_Weights.DEFAULT"):
        model = models.squeezenet1_1(weights=weights)
        assert torch.equal(model.features[0].weight, saved["features.0.weight"])
    with pytest.warns(UserWarning, match="'pretrained' is deprecated"):
        models.squeezenet1_1(pretrained=True)
    assert asked == [("squeezenet1_1-b8a52dc0.pth", True)] * 5
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 3"):
        models.squeezenet1_1(weights="DEFAULT", num_classes=3)
    with pytest.raises(TypeError, match="expected SqueezeNet1_1_Weights but received ResNet18_Weights"):
        models.squeezenet1_1(weights=models.ResNet18_Weights.DEFAULT)
    with pytest.raises(KeyError):
        models.squeezenet1_1(weights="IMAGENET1K_V9")


def test_weights_of_the_features_alone_leave_the_number_of_classes_open(bare, monkeypatch):
    saved = models.vgg16(num_classes=5, init_weights=False).state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **kwargs: saved)
    assert models.VGG16_Weights.IMAGENET1K_FEATURES.meta["categories"] is None
    assert models.vgg16(weights="IMAGENET1K_FEATURES", num_classes=5).classifier[6].out_features == 5


def test_weights_say_what_they_are():
    weights = models.get_weight("ResNet50_Weights.IMAGENET1K_V2")
    assert weights is models.ResNet50_Weights.DEFAULT and weights.url.endswith("resnet50-11ad3fa6.pth")
    assert weights.meta["categories"][285] == "Egyptian cat" and weights.meta["num_params"] == 25_557_032
    image = torch.full((3, 300, 400), 124, dtype=torch.uint8)
    prepare = weights.transforms()
    assert prepare.crop_size == [224] and prepare.resize_size == [232]  # lists, which programs index
    assert "crop_size=[224]\n" in repr(prepare)
    prepared = prepare(image)
    assert prepared.shape == (3, 224, 224)
    assert prepared[0, 0, 0].item() == pytest.approx((124 / 255 - 0.485) / 0.229, abs=1e-5)
    with pytest.raises(ValueError, match="Invalid weight name"):
        models.get_weight("Nothing_Weights.DEFAULT")


def test_weights_are_found_beside_their_networks():
    for name in [
        n for m in (models, models.segmentation, models.detection, models.video) for n in models.list_models(module=m)
    ]:
        weights = models.get_model_weights(name)
        module = importlib.import_module(models.get_model_builder(name).__module__)
        assert getattr(module, weights.__name__) is weights
    with pytest.raises(AttributeError, match="VGG16_Weights"):
        importlib.import_module("cltorch.vision.models.resnet").VGG16_Weights  # noqa: B018


def test_networks_are_listed_and_made_by_name():
    assert models.list_models(include="resnet*", exclude=["*101", "*152"]) == ["resnet18", "resnet34", "resnet50"]
    assert models.get_model_weights("resnet18") is models.ResNet18_Weights
    assert type(models.get_model("ResNet18", num_classes=2)) is ResNet
    with pytest.raises(ValueError, match="Unknown model resnet19"):
        models.get_model("resnet19")
    with pytest.raises(AttributeError, match="Nothing_Weights"):
        models.Nothing_Weights  # noqa: B018


def test_networks_of_ones_own_are_listed():
    class Own_Weights(models.WeightsEnum):
        ONLY = models.Weights("https://example.org/own.pth", transforms=None, meta={})

    def own(*, weights: Own_Weights | None = None, width: int = 2):
        return Linear(width, 1)

    try:
        assert models.register_model("own_network")(own) is own
        assert models.get_model("own_network", width=5).in_features == 5
        assert "own_network" in models.list_models() and "own_network" not in models.list_models(module=models)
        assert models.get_model_weights("own_network") is Own_Weights
        with pytest.raises(ValueError, match="already registered under the name 'own_network'"):
            models.register_model("own_network")(own)
    finally:
        weights_module._networks.pop("own_network", None)
    with pytest.raises(ValueError, match="is not known"):
        models.get_model_weights(lambda weights=None: None)


def test_networks_of_a_module():
    listed = models.list_models(module=models.segmentation)
    assert "fcn_resnet50" in listed and "resnet18" not in listed and len(listed) == 6
    assert "resnet18" in models.list_models(module=models) and "fcn_resnet50" not in models.list_models(module=models)
    assert models.segmentation.FCN_ResNet50_Weights.DEFAULT.meta["categories"][8] == "cat"
    with pytest.raises(AttributeError, match="FCN_ResNet50_Weights"):
        models.FCN_ResNet50_Weights  # noqa: B018


def test_inception_networks_have_more_heads_in_training(bare):
    model = models.googlenet(num_classes=5, init_weights=False)
    model.load_state_dict(filled(model.state_dict()))
    x = torch.randn(2, 3, 32, 32)
    out = model(x)
    assert out._fields == ("logits", "aux_logits2", "aux_logits1") and all(y.shape == (2, 5) for y in out)
    assert model.eval()(x).shape == (2, 5)
    with pytest.warns(FutureWarning, match="init_weights"):
        models.GoogLeNet(num_classes=2)
    with pytest.raises(ValueError, match="should be 7 instead of 1"):
        models.inception_v3(inception_blocks=[None], init_weights=False)


def test_published_inception_networks_come_without_heads(bare, monkeypatch):
    saved = models.googlenet(init_weights=False).state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **kwargs: saved)
    model = models.googlenet(weights="DEFAULT")
    assert model.aux1 is None and not model.aux_logits and model.transform_input
    with pytest.warns(UserWarning, match="NOT trained"):
        assert models.googlenet(weights="DEFAULT", aux_logits=True).aux2 is not None


def test_transform_input_undoes_the_other_networks_scale():
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = torch.rand(2, 3, 4, 4)
    normalised = (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(rescale_for_inception(normalised), 2 * x - 1, rtol=0, atol=1e-6)


def test_segmentation_arguments(bare, monkeypatch):
    asked = []
    saved = models.segmentation.fcn_resnet50(weights_backbone=None, aux_loss=True).state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **kwargs: asked.append(url) or saved)
    model = models.segmentation.fcn_resnet50(weights="DEFAULT")
    assert model.aux_classifier is not None and [a.rsplit("/", 1)[1] for a in asked] == [
        "fcn_resnet50_coco-1167a1af.pth"
    ]
    with pytest.raises(ValueError, match="'num_classes' expected value 21 but got 3"):
        models.segmentation.fcn_resnet50(weights="DEFAULT", num_classes=3)
    with pytest.raises(NotImplementedError, match="auxiliary"):
        models.segmentation.lraspp_mobilenet_v3_large(aux_loss=True, weights_backbone=None)
    with pytest.raises(ValueError, match="return_layers are not present"):
        IntermediateLayerGetter(model, {"head": "out"})


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


def test_parts_of_regnets_have_torchvisions_names():
    model = models.RegNet(BlockParams.from_init_params(3, 8, 8.0, 2.0, 8), 2, 8)
    names = [type(m).__name__ for m in model.trunk_output.modules()]
    assert names[:4] == ["Sequential", "AnyStage", "ResBottleneckBlock", "Conv2dNormActivation"]
    assert "BottleneckTransform" in names


def test_quantised_networks_are_told_to_be_missing():
    with pytest.raises(AttributeError, match="no quantised networks"):
        models.quantization  # noqa: B018
    with pytest.raises(ImportError, match="models.quantization"):
        importlib.import_module("cltorch.vision.models.quantization")
    with pytest.raises(ValueError, match="Unknown model quantized_resnet18: .* none for quantization"):
        models.get_model("quantized_resnet18")


def test_weights_say_what_is_known_of_them():
    meta = models.ResNet50_Weights.IMAGENET1K_V1.meta
    assert meta["_ops"] == 4.089 and meta["_file_size"] == 97.781
    assert meta["recipe"] in meta["_docs"] and meta["recipe"].startswith("https://")
    assert models.RegNet_Y_16GF_Weights.IMAGENET1K_SWAG_E2E_V1.meta["license"].startswith("https://")
