"""Functions that return networks: listed under their names, and callable as older programs call them.

Source: https://docs.pytorch.org/vision/0.28/models.html
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from cltorch import nn
from cltorch.vision.models.weights import WeightsEnum, register_model, weights_class

# what ``pretrained=True`` means where it is not the first weights that were published
_OLDER = {
    "raft_large": "C_T_SKHT_V2", "raft_small": "C_T_V2", "keypointrcnn_resnet50_fpn": "COCO_V1",
    "vit_h_14": None, "regnet_y_128gf": None,
}  # fmt: skip
_BACKBONES = ("resnet50", "resnet101", "mobilenet_v3_large", "vgg16")


def kwonly_to_pos_or_kw(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes its keywords by position too, in their order, and warns of it.

    Raises TypeError for a function without parameters that are keywords only.
    """
    kinds = [(name, p.kind) for name, p in inspect.signature(fn).parameters.items()]
    names = [name for name, kind in kinds if kind is inspect.Parameter.KEYWORD_ONLY]
    if not names:
        raise TypeError(f"Found no keyword-only parameter on function '{getattr(fn, '__name__', fn)}'")
    first = [name for name, _ in kinds].index(names[0])

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args[first:], strict=False))
        if given:
            quoted = [f"'{name}'" for name in given]
            listed = " and ".join([*([", ".join(quoted[:-1])] if quoted[1:] else []), quoted[-1]])
            warnings.warn(
                f"Using {listed} as positional parameter(s) is deprecated since 0.13 and may be removed in the future. "
                "Please use keyword parameter(s) instead.",
                UserWarning,
                stacklevel=2,
            )
        return fn(*args[:first], **{**kwargs, **given})

    return wrapper


def handle_legacy_interface(**weights: tuple[str, Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator for functions that return networks, which take their weights as older programs gave them.

    Each keyword is a parameter for weights: its older name, whose values were True and False, and the weights that True
    means, or a function that makes these of the arguments. Parameters may be given by position again. All of this
    warns. Raises ValueError for True where there are no weights.

    >>> import warnings
    >>> from cltorch.vision.models import ResNet18_Weights
    >>> @handle_legacy_interface(weights=("pretrained", ResNet18_Weights.IMAGENET1K_V1))
    ... def network(*, weights=None):
    ...     return weights
    >>> with warnings.catch_warnings(action="ignore"):
    ...     network(True), network(pretrained=False), network(weights="DEFAULT")
    (ResNet18_Weights.IMAGENET1K_V1, None, 'DEFAULT')
    """

    def decorator(builder: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(builder)
        def renamed(*args: Any, **kwargs: Any) -> Any:
            for name, (older, meant) in weights.items():
                _translate(kwargs, name, older, meant, builder)
            return builder(*args, **kwargs)

        return kwonly_to_pos_or_kw(renamed)

    return decorator


def _translate(options: dict[str, Any], name: str, older: str, meant: Any, builder: Any) -> None:
    """Replace an older form of weights among options by the present one, and warn of it."""
    given = options.get(name)
    by_older_name = older in options and name not in options
    present = isinstance(given, WeightsEnum) or (isinstance(given, str) and given != "legacy") or given is None
    if not by_older_name and (present or hasattr(given, "__fspath__")):
        return
    asked = options[older] = options.pop(older) if by_older_name else options.pop(name)
    found = None
    if asked:
        found = meant(options) if callable(meant) else meant
        if found is None:
            raise ValueError(f"No weights available for model {builder.__name__}")
    del options[older]
    options[name] = found
    texts = [
        f"The parameter '{older}' is deprecated since 0.13 and may be removed in the future, please use '{name}' "
        "instead."
    ] * by_older_name
    texts.append(
        f"Arguments other than a weight enum or `None` for '{name}' are deprecated since 0.13 and may be removed in "
        f"the future. The current behavior is equivalent to passing `{name}={found}`."
        + (f" `{name}={type(found).__name__}.DEFAULT` is the best that there is by now." if asked else "")
    )
    for text in texts:
        warnings.warn(text, UserWarning, stacklevel=4)


def _older_weights(network: str, options: dict[str, Any]) -> Any:
    """Return the weights of a network that ``pretrained`` among the options means; None where there are none."""
    found = weights_class(network)
    if found is None or not len(found):
        return None
    if options.get("pretrained") == "legacy" and "COCO_LEGACY" in found.__members__:
        return found["COCO_LEGACY"]
    member = _OLDER.get(network, next(iter(found)).name)
    return None if member is None else found[member]


def network(fn: Callable[..., Any]) -> Any:
    """List a function that returns a network, and let it be called as older programs do; its name finds its weights."""
    name = fn.__name__
    older: dict[str, tuple[str, Any]] = {"weights": ("pretrained", functools.partial(_older_weights, name))}
    if "weights_backbone" in inspect.signature(fn).parameters:
        source = next(b for b in _BACKBONES if b in name)
        first = "IMAGENET1K_FEATURES" if source == "vgg16" else "IMAGENET1K_V1"
        older["weights_backbone"] = ("pretrained_backbone", lambda _: weights_class(source)[first])
    return register_model()(handle_legacy_interface(**older)(fn))


def define(name: str, what: str, make: Callable[[Any, dict[str, Any]], nn.Module]) -> Any:
    """Return the listed function of a network from ``make(weights, options)``; ``what`` says which network it is."""

    def made(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> nn.Module:
        return make(weights, kwargs)

    made.__name__ = made.__qualname__ = name
    made.__module__ = make.__module__
    made.__doc__ = (
        f"Return {what}; arguments as of ``resnet18``.\n\n"
        f"Source: https://docs.pytorch.org/vision/0.28/models/generated/torchvision.models.{name}.html\n"
    )
    return network(made)
