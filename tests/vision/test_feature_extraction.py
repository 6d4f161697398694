"""Feature extraction: what modules within a network return, by names, without the rest of the network."""

import copy
import pickle

import numpy as np
import pytest

import cltorch as torch
from cltorch import nn
from cltorch.vision import models
from cltorch.vision.models.feature_extraction import create_feature_extractor, get_graph_node_names


class Twice(nn.Module):
    """A network that calls one module two times, and whose last module fails."""

    def __init__(self):
        super().__init__()
        self.first, self.relu, self.norm = nn.Linear(3, 3), nn.ReLU(), nn.BatchNorm1d(3)
        self.scale = nn.Parameter(torch.ones(3) * 2)

    def forward(self, x, shift=0.0):
        x = self.relu(self.first(x) + shift)
        return self.norm(self.relu(x * self.scale - 1))


def test_nodes_of_a_network(device):
    model = models.resnet18(weights=None).to(device).eval()
    extractor = create_feature_extractor(model, {"layer1": "one", "layer3.0.bn1": "three", "layer1.0.relu_1": "again"})
    x = torch.rand(1, 3, 32, 32, device=device)
    with torch.no_grad():
        found = extractor(x)
        stem = model.maxpool(model.relu(model.bn1(model.conv1(x))))
        one = model.layer1(stem)
        assert list(found) == ["again", "one", "three"]  # as they are computed
        assert np.array_equal(found["one"].cpu().numpy(), one.cpu().numpy())
        assert np.array_equal(found["again"].cpu().numpy(), model.layer1[0](stem).cpu().numpy())
        block = model.layer3[0]
        expected = block.bn1(block.conv1(model.layer2(one)))
        assert np.array_equal(found["three"].cpu().numpy(), expected.cpu().numpy())
    assert list(extractor.state_dict()) == list(model.state_dict())
    assert extractor.fc.weight is model.fc.weight


def test_later_calls_and_arguments():
    model = Twice().eval()
    x = torch.randn(4, 3)
    found = create_feature_extractor(model, ["relu", "relu_1"])(x, shift=0.5)
    once = (model.first(x) + 0.5).relu()
    assert np.array_equal(found["relu"].detach().numpy(), once.detach().numpy())
    assert np.array_equal(found["relu_1"].detach().numpy(), (once * 2 - 1).relu().detach().numpy())
    found["relu_1"].sum().backward()
    assert model.scale.grad is not None and model.first.weight.grad is not None


def test_the_rest_does_not_run_and_no_hook_stays():
    model = Twice().train()
    extractor = create_feature_extractor(model, ["relu"])
    extractor(torch.randn(4, 3))
    assert int(model.norm.num_batches_tracked) == 0
    assert not any(m._forward_hooks for m in model.modules())
    assert model(torch.randn(4, 3)).shape == (4, 3) and int(model.norm.num_batches_tracked) == 1


def test_modes_have_nodes_of_their_own():
    extractor = create_feature_extractor(Twice(), train_return_nodes=["first"], eval_return_nodes={"norm": "end"})
    x = torch.randn(4, 3)
    assert list(extractor(x)) == ["first"] and list(extractor.eval()(x)) == ["end"]
    again = pickle.loads(pickle.dumps(extractor))
    for other in (copy.deepcopy(extractor), again):
        assert list(other(x)) == ["end"] and isinstance(other, Twice)
        assert np.array_equal(other(x)["end"].detach().numpy(), extractor(x)["end"].detach().numpy())
        assert other.first.weight is not extractor.first.weight


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"return_nodes": ["sub_1"]}, "sub_1"),
        ({"return_nodes": ["first"], "eval_return_nodes": ["first"]}, "return_nodes"),
        ({"train_return_nodes": ["first"]}, "eval_return_nodes"),
        ({}, "return_nodes"),
        ({"return_nodes": []}, "no nodes"),
    ],
)
def test_refused(options, text):
    with pytest.raises(ValueError, match=text):
        create_feature_extractor(Twice(), **options)


def test_a_node_that_was_not_reached():
    with pytest.raises(RuntimeError, match="relu_2"):
        create_feature_extractor(Twice(), ["relu_2"])(torch.randn(4, 3))


def test_names_of_functions_too(device):
    names = ["x", "shift", "first", "add", "relu", "scale", "mul", "sub", "relu_1", "norm"]
    assert get_graph_node_names(Twice()) == (names, names)
    model = Twice().to(device).eval()
    extractor = create_feature_extractor(model, {"sub": "before", "relu": "once"})
    x = torch.randn(4, 3, device=device)
    once = (model.first(x) + 0.5).relu()
    for mode in (False, True):
        found = extractor.train(mode)(x, 0.5)
        assert list(found) == ["once", "before"]
        torch.testing.assert_close(found["once"], once)
        torch.testing.assert_close(found["before"], once * 2 - 1)
    again = pickle.loads(pickle.dumps(extractor))
    for mode in (False, True):
        torch.testing.assert_close(again.train(mode)(x, 0.5)["before"], once * 2 - 1)
    assert "norm" not in extractor.code and extractor.first.weight is model.first.weight


class Numbered(nn.Module):
    """A network whose layers have numbers in their names, the second of which runs first."""

    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2, self.part_1 = nn.Linear(3, 3), nn.Linear(3, 3), nn.Sequential(nn.ReLU())
        self.rest = nn.ModuleList([nn.Tanh(), nn.Sigmoid()])

    def forward(self, x):
        x = self.part_1(self.norm_1(self.norm_2(x)))
        for layer in self.rest:
            x = layer(x)
        return x


def test_numbered_layers_are_numbered_anew():
    model, x = Numbered(), torch.randn(2, 3)
    assert get_graph_node_names(model)[0] == ["x", "norm", "norm_1", "part_1.0", "rest.0", "rest.1"]
    found = create_feature_extractor(model, ["rest", "norm_1", "norm"])(x)
    first = model.norm_2(x)
    assert list(found) == ["norm", "norm_1", "rest"]
    for name, value in (("norm", first), ("norm_1", model.norm_1(first)), ("rest", model(x))):
        torch.testing.assert_close(found[name], value)
    with torch.device("meta"):
        nodes = get_graph_node_names(models.vit_b_16(weights=None))[0]
    assert {"encoder.layers.encoder_layer_3.ln", "encoder.layers.encoder_layer_3.ln_1"} <= set(nodes)
    assert "encoder.layers.encoder_layer_3.ln_2" not in nodes


# of torchvision 0.28: how many nodes there are, and some of them
NODES = {
    "resnet18": (70, ["layer1.0.add", "layer4.1.relu_1", "flatten", "fc"]),
    "squeezenet1_0": (67, ["features.3.cat", "flatten"]),
    "mobilenet_v2": (84, ["features.3.add", "flatten"]),
    "shufflenet_v2_x0_5": (None, ["stage2.0.cat", "mean"]),
}


@pytest.mark.parametrize("name", NODES)
def test_nodes_of_known_networks(name):
    with torch.device("meta"):
        model = getattr(models, name)(weights=None)
    train, evaluation = get_graph_node_names(model)
    count, some = NODES[name]
    assert train == evaluation and set(some) <= set(train) and (count is None or len(train) == count)


def test_networks_that_look_at_sizes_can_be_traced():
    with torch.device("meta"):
        for model in (models.vit_b_16(weights=None), models.swin_t(weights=None)):
            train, evaluation = get_graph_node_names(model, suppress_diff_warning=True)
            assert train == evaluation and any(name.endswith(".mlp") for name in train)
