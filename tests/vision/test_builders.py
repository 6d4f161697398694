"""Functions that return networks, called as programs did before weights had names."""

import copy
import functools
import pickle
import warnings

import pytest

from cltorch.vision import models
from cltorch.vision.models import weights as weights_module
from cltorch.vision.models._utils import _ovewrite_named_param, _ovewrite_value_param, handle_legacy_interface
from cltorch.vision.models.builders import kwonly_to_pos_or_kw
from cltorch.vision.models.segmentation import _utils as segmentation_module


@pytest.fixture
def asked(monkeypatch):
    """Return the list of the weights that networks are filled with."""
    found = []
    for module in (weights_module, segmentation_module):
        monkeypatch.setattr(module, "load_weights", lambda model, weights: found.append(weights))
    return found


@pytest.mark.filterwarnings("ignore:Arguments other than a weight enum")
def test_true_stands_for_the_weights_that_were_published_first(bare, asked):
    with pytest.warns(UserWarning, match="'pretrained' is deprecated since 0.13") as told:
        models.resnet50(pretrained=True)
    assert asked == [models.ResNet50_Weights.IMAGENET1K_V1]  # not the best ones, which came later
    assert "equivalent to passing `weights=ResNet50_Weights.IMAGENET1K_V1`" in str(told[1].message)
    with pytest.warns(UserWarning, match="Using 'weights' as positional parameter"):
        models.resnet50(True)
    with pytest.warns(UserWarning, match="Using 'weights' and 'progress' as positional parameter"):
        models.resnet50(False, True)
    with pytest.warns(UserWarning, match="equivalent to passing `weights=None`"):
        models.resnet50(weights=False)
    assert asked[1:] == [models.ResNet50_Weights.IMAGENET1K_V1, None, None]
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="No weights available for model vit_h_14"):
        models.vit_h_14(True)


def test_present_forms_warn_of_nothing(bare, asked):
    weights = models.AlexNet_Weights.DEFAULT
    with warnings.catch_warnings(action="error"):
        for given in (None, weights, "DEFAULT"):
            models.alexnet(weights=given, progress=False)
    assert asked == [None, weights, weights]


@pytest.mark.filterwarnings("ignore:Arguments other than a weight enum")
def test_both_weights_of_a_network_on_a_backbone(bare, asked):
    with pytest.warns(UserWarning, match="'pretrained'"):
        models.segmentation.fcn_resnet50(pretrained=True)
    assert asked == [None, models.segmentation.FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1]  # its backbone's first
    with pytest.warns(UserWarning, match="'pretrained_backbone'"):
        models.segmentation.fcn_resnet50(pretrained_backbone=True)
    assert asked[2:] == [models.ResNet50_Weights.IMAGENET1K_V1, None]


def test_functions_of_ones_own_take_older_forms():
    weights = models.AlexNet_Weights.DEFAULT

    @handle_legacy_interface(weights=("pretrained", lambda given: weights if given["pretrained"] == "best" else None))
    def network(*, weights=None, width=1):
        return weights, width

    assert network() == (None, 1) and network.__name__ == "network"
    with pytest.warns(UserWarning):
        assert network("DEFAULT", 3) == ("DEFAULT", 3)
    with pytest.warns(UserWarning, match="deprecated"):
        assert network(pretrained="best", width=2) == (weights, 2)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="No weights available for model network"):
        network(True)
    with pytest.raises(TypeError, match="no keyword-only parameter"):
        kwonly_to_pos_or_kw(lambda a: a)


def test_options_that_weights_need():
    options = {"num_classes": 5}
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 5 instead"):
        _ovewrite_named_param(options, "num_classes", 1000)
    _ovewrite_named_param(options, "width", 2)
    assert options == {"num_classes": 5, "width": 2}
    assert _ovewrite_value_param("aux_loss", None, True) is True
    with pytest.raises(ValueError, match="'aux_loss' expected value True but got False"):
        _ovewrite_value_param("aux_loss", False, True)


@pytest.mark.parametrize("name", ["resnet50", "fcn_resnet50", "fasterrcnn_resnet50_fpn", "raft_large", "mvit_v1_b"])
def test_weights_are_copied_and_pickled_as_themselves(name):
    member = models.get_model_weights(name).DEFAULT
    assert copy.copy(member) is member and copy.deepcopy(member) is member
    assert pickle.loads(pickle.dumps(member)) is member


def test_weights_are_equal_where_all_their_parts_are():
    one, other = (models.Weights("x.pth", functools.partial(dict, size=size), {"min_size": (1, 1)}) for size in (3, 4))
    assert one == models.Weights("x.pth", functools.partial(dict, size=3), {"min_size": (1, 1)})
    assert one != other and one != "x.pth"
