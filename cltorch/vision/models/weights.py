"""Load weights into a model from a file; nothing is downloaded."""

from __future__ import annotations

import os
from typing import Any

from cltorch import nn
from cltorch.serialization import load


def load_weights(model: nn.Module, weights: Any) -> None:
    """Load a state_dict's file into a model, or do nothing for None.

    Raises NotImplementedError for the name of published weights (``"DEFAULT"``, ``"IMAGENET1K_V1"``, an enum of
    torchvision's), which would have to be downloaded, and FileNotFoundError for a path with a folder or an ending that
    leads nowhere.
    """
    if weights is None:
        return
    if isinstance(weights, os.PathLike) or (isinstance(weights, str) and _looks_like_a_path(weights)):
        model.load_state_dict(load(weights, map_location="cpu", weights_only=True))
        return
    raise NotImplementedError(
        f"weights={weights!r} would have to be downloaded, which is not done here; give the path of a file with the "
        "state_dict, for example one that torchvision has downloaded (.pth)"
    )


def _looks_like_a_path(text: str) -> bool:
    return os.path.dirname(text) != "" or os.path.splitext(text)[1] != "" or os.path.exists(text)
