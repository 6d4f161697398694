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
        assert list(found) == ["one", "three", "again"]
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
        ({"return_nodes": ["add"]}, "add"),
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
    with pytest.raises(NotImplementedError, match="named_modules"):
        get_graph_node_names(Twice())
