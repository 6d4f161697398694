"""Where the labels are in a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cltorch.vision.transforms.v2.dispatch import is_pure_tensor


def find_labels(sample: Any) -> Any:
    """Return the second part of a tuple where it is a plain tensor, else what it, or a dict, has under "labels".

    A key that has "label" somewhere in it does as well; case does not matter. Raises ValueError where there is none.
    """
    if isinstance(sample, (tuple, list)):
        sample = sample[1]
    if is_pure_tensor(sample):
        return sample
    if not isinstance(sample, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a dictionary or a two-tuple "
            f"whose second item is a dictionary or a tensor, but got {sample} instead."
        )
    names = sorted((key for key in sample if "label" in key.lower()), key=lambda name: name.lower() != "labels")
    if not names:
        raise ValueError(
            "Could not infer where the labels are in the sample: pass a function as labels_getter, or "
            "labels_getter=None if there are none"
        )
    return sample[names[0]]
