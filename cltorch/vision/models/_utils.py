"""The layers of a network up to those whose outputs are wanted, and what functions that return networks are made of.

Source: https://docs.pytorch.org/vision/0.28/feature_extraction.html
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from cltorch import nn
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import handle_legacy_interface, kwonly_to_pos_or_kw
from cltorch.vision.models.common import make_divisible as _make_divisible
from cltorch.vision.models.weights import fixed
from cltorch.vision.models.weights import needed as _ovewrite_value_param

__all__ = [
    "IntermediateLayerGetter", "_make_divisible", "_ovewrite_named_param", "_ovewrite_value_param",
    "handle_legacy_interface", "kwonly_to_pos_or_kw",
]  # fmt: skip


def _ovewrite_named_param(kwargs: dict[str, Any], param: str, new_value: Any) -> None:
    """Set an option that weights need; raise ValueError where another value is asked for."""
    kwargs.update(fixed(kwargs, **{param: new_value}))


class IntermediateLayerGetter(nn.ModuleDict):
    """Run a model's layers one after the other and return the outputs of some, by new names.

    ``return_layers`` maps names of the model's children to names in the result. Children after the last of them are
    left out. Raises ValueError for a name that is not a child's.

    >>> import cltorch as torch
    >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Tanh())
    >>> found = IntermediateLayerGetter(model, {"1": "flat"})(torch.ones(2, 3, 4))
    >>> [(name, tuple(x.shape)) for name, x in found.items()]
    [('flat', (2, 12))]
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        wanted = {str(name): str(new) for name, new in return_layers.items()}
        children = dict(model.named_children())
        if not wanted.keys() <= children.keys():
            raise ValueError("return_layers are not present in model")
        last = max(list(children).index(name) for name in wanted)
        super().__init__(OrderedDict(list(children.items())[: last + 1]))
        self.return_layers = wanted

    def forward(self, x: Any) -> OrderedDict[str, Tensor]:
        """Return the outputs by their new names, in the order of the layers."""
        out: OrderedDict[str, Tensor] = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out
