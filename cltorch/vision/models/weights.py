"""Published weights: what there is, where it lies, and how its images are prepared; and the list of networks.

The table in weights.json has a row for each network: the name of the class of its weights, and for each of them the
address, the number of classes, how images are prepared and the published accuracy.
Source: https://docs.pytorch.org/vision/0.28/models.html
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatch
from functools import cache, lru_cache, partial
from importlib.resources import files
from typing import Any, TypeVar, get_args, get_type_hints

from cltorch import hub, nn
from cltorch.serialization import load
from cltorch.vision.transforms.presets import (
    ImageClassification,
    ObjectDetection,
    OpticalFlow,
    SemanticSegmentation,
    VideoClassification,
)

_PRESETS: dict[str, Callable[..., nn.Module]] = {
    "ImageClassification": ImageClassification,
    "ObjectDetection": ObjectDetection,
    "OpticalFlow": OpticalFlow,
    "SemanticSegmentation": SemanticSegmentation,
    "VideoClassification": VideoClassification,
}
_networks: dict[str, Callable[..., nn.Module]] = {}
M = TypeVar("M", bound=nn.Module)


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """Return the table of weights."""
    data: dict[str, Any] = json.loads(files("cltorch.vision.models").joinpath("weights.json").read_text("utf-8"))
    return data


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of a network: the address, what prepares images for it, and what is known about it.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]

    def __hash__(self) -> int:
        return hash(self.url)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Weights):
            return NotImplemented
        prepare = [_parts(weights.transforms) for weights in (self, other)]
        return self.url == other.url and self.meta == other.meta and prepare[0] == prepare[1]


def _parts(function: Any) -> Any:
    """Return what makes two functions the same: what a partial one is made of, for they are all different."""
    return (function.func, function.args, function.keywords) if isinstance(function, partial) else function


class WeightsEnum(Enum):
    """The weights of one network; a member has the attributes of ``Weights``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """Return the member for a member, its name or None; raise TypeError for anything else."""
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            return cls[obj.replace(cls.__name__ + ".", "")]
        raise TypeError(f"Invalid Weight class provided; expected {cls.__name__} but received {type(obj).__name__}.")

    @property
    def url(self) -> str:
        address: str = self.value.url
        return address

    @property
    def transforms(self) -> Any:
        return self.value.transforms

    @property
    def meta(self) -> Any:
        return self.value.meta

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weights, downloaded unless they are there (see ``hub.load_state_dict_from_url``)."""
        return hub.load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (type(self), self.name)  # a copy is the member itself


@cache
def weights_class(name: str) -> Any:
    """Return the class of a network's weights; None where none are published."""
    whole = table()
    row = whole["models"].get(name)
    if row is None:
        return None
    members: dict[str, Any] = {}
    for key, entry in row["weights"].items():
        how = dict(entry["transforms"])
        preset = _PRESETS[how.pop("kind")]
        meta = {"num_params": entry["num_params"], "min_size": tuple(entry["min_size"]), "_metrics": entry["metrics"]}
        meta["recipe"], meta["_ops"], meta["_file_size"] = entry["recipe"], entry["ops"], entry["file_size"]
        meta["_docs"] = f"Made as {entry['recipe']} tells."
        meta.update({what: entry[what] for what in ("license", "min_temporal_size") if what in entry})
        for what in ("categories", "keypoint_names"):
            if what in entry:
                meta[what] = whole["categories"][entry[what]] if entry[what] else None
        members[key] = Weights(whole["base"] + entry["url"], partial(preset, **how), meta)
    if row["default"]:
        members["DEFAULT"] = members[row["default"]]  # the same value makes it another name of the member
    make: Any = WeightsEnum  # an enum without members, called, makes one with members
    return make(row["class"], members, module=_networks[name].__module__)


def class_names() -> dict[str, str]:
    """Return the network of each class of weights."""
    return {row["class"]: name for name, row in table()["models"].items()}


def attributes(module: str) -> Callable[[str], Any]:
    """Return a ``__getattr__``, which makes the classes of weights when they are asked for.

    They are those of the networks of a module, or of a package's modules.
    """

    def attribute(name: str) -> Any:
        network = class_names().get(name) if name.endswith("_Weights") else None
        if network is not None:
            home = _networks[network].__module__
            if module in (home, home.rpartition(".")[0]):
                return weights_class(network)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return attribute


def register_model(name: str | None = None) -> Callable[[Callable[..., M]], Callable[..., M]]:
    """Return a decorator that lists a function that returns a network, under ``name`` or its own name.

    Raises ValueError for a name that is taken.
    Source: https://docs.pytorch.org/vision/0.28/models.html

    >>> import cltorch as torch
    >>> from cltorch.vision import models
    >>> @models.register_model()
    ... def one_layer(*, weights=None, width=3):
    ...     return torch.nn.Linear(width, 1)
    >>> models.get_model("one_layer", width=5)
    Linear(in_features=5, out_features=1, bias=True)
    """

    def listed(fn: Callable[..., M]) -> Callable[..., M]:
        key = fn.__name__ if name is None else name
        if key in _networks:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        _networks[key] = fn
        return fn

    return listed


def build(name: str, make: Callable[..., nn.Module], weights: Any, options: dict[str, Any], **given: Any) -> Any:
    """Return ``make(**options)`` with weights: None, the path of a file, or published ones (a member or its name).

    ``given`` are options that published weights need, or functions of their ``meta`` that return such. Raises
    ValueError for an option other than the weights need.
    """
    member = None if weights is None or is_file(weights) else weights_class(name).verify(weights)
    if member is not None:
        if member.meta.get("categories") is not None:  # weights of the features alone, or for a flow, have none
            given = {"num_classes": len(member.meta["categories"]), **given}
        options = fixed(options, **{key: need(member.meta) if callable(need) else need for key, need in given.items()})
    model = make(**options)
    load_weights(model, weights if member is None else member)
    return model


def fixed(options: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return options with those that make a network what it is; raise ValueError where they say otherwise."""
    for name, value in values.items():
        if options.get(name, value) != value:
            raise ValueError(_other(name, value, options[name]))
    return {**options, **values}


def needed(name: str, value: Any, need: Any) -> Any:
    """Return what weights need; raise ValueError where another value, not None, is asked for."""
    if value is not None and value != need:
        raise ValueError(_other(name, need, value))
    return need


def _other(name: str, need: Any, value: Any) -> str:
    return f"The parameter '{name}' expected value {need} but got {value} instead."


def load_weights(model: nn.Module, weights: Any) -> None:
    """Fill a network with published weights (a member of their class) or those of a file; None changes nothing."""
    if is_file(weights):
        model.load_state_dict(load(weights, map_location="cpu", weights_only=True))
    elif weights is not None:
        model.load_state_dict(weights.get_state_dict(map_location="cpu", check_hash=True))


def build_with_heads(
    name: str, make: Callable[..., nn.Module], weights: Any, options: dict[str, Any], drop: Callable[[Any], None] | None
) -> Any:
    """Return an Inception network; published weights have auxiliary heads, which ``drop`` takes out where it is given.

    Such weights want images scaled their way (``transform_input``), and replace the weights at the start.
    """
    published = weights is not None and not is_file(weights)
    if not published:
        return build(name, make, weights, options)
    options = {**options, "aux_logits": True, "init_weights": False}
    options.setdefault("transform_input", True)
    model = build(name, make, weights, options)
    if drop is not None:
        drop(model)
    return model


def is_file(weights: Any) -> bool:
    """Return whether weights are the path of a file."""
    return isinstance(weights, os.PathLike) or (isinstance(weights, str) and _looks_like_a_path(weights))


def _looks_like_a_path(text: str) -> bool:
    return os.path.dirname(text) != "" or os.path.splitext(text)[1] in (".pt", ".pth", ".bin") or os.path.exists(text)


def _package_of(fn: Any) -> str | None:
    """Return the file of the package that a network's module stands in: one answer whatever a program calls it."""
    return getattr(sys.modules.get(fn.__module__.rpartition(".")[0]), "__file__", "")


def list_models(module: Any = None, include: Any = None, exclude: Any = None) -> list[str]:
    """Return the names of the networks, of one module, or that match patterns (``resnet*``).

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    names = {
        name for name, fn in _networks.items() if module is None or _package_of(fn) == getattr(module, "__file__", None)
    }
    for patterns, keep in ((include, True), (exclude, False)):
        if patterns:
            listed = [patterns] if isinstance(patterns, str) else list(patterns)
            names = {name for name in names if any(fnmatch(name, p) for p in listed) is keep}
    return sorted(names)


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """Return the function that returns a network; raise ValueError for a name that is not there.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    try:
        return _networks[name.lower()]
    except KeyError:
        raise ValueError(
            f"Unknown model {name.lower()}: list_models() names those there are, which classify and segment images, "
            "find objects in them, classify clips and find optical flow; there are none for quantization"
        ) from None


def get_model(name: str, **config: Any) -> nn.Module:
    """Return a network by name, with its function's keywords.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return get_model_builder(name)(**config)


def get_model_weights(name: Any) -> Any:
    """Return the class of a network's weights, from its name or its function.

    The function of a network of one's own says the class in the annotation of its argument ``weights``. Raises
    ValueError for a network that has none.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    fn = get_model_builder(name) if isinstance(name, str) else name
    found = weights_class(fn.__name__) if fn.__module__.startswith("cltorch.vision.") else None
    if found is None:
        hint = get_type_hints(fn).get("weights")
        kinds = [hint, *get_args(hint)]
        found = next((k for k in kinds if isinstance(k, type) and issubclass(k, WeightsEnum)), None)
    if found is None:
        raise ValueError(
            f"The WeightsEnum class of {fn.__name__} is not known: its argument 'weights' does not say it."
        )
    return found


def get_weight(name: str) -> Any:
    """Return a member by name, as ``ResNet50_Weights.IMAGENET1K_V2``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    head, _, member = name.partition(".")
    network = class_names().get(head)
    if network is None or not member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    return weights_class(network)[member]
