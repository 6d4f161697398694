"""Where the labels are in a sample."""

from __future__ import annotations

from typing import Any

from cltorch.vision.transforms.v2.transform import is_plain, leaves


def find_labels(sample: Any) -> Any:
    """Return what a key with "label" in its name holds, of a dict or of a pair's second part, or the last plain tensor.

    Raises ValueError for a dict without such a key; None for a sample without plain tensors.
    """
    if isinstance(sample, (tuple, list)) and len(sample) == 2 and isinstance(sample[1], dict):
        sample = sample[1]
    if isinstance(sample, dict):
        names = [key for key in sample if isinstance(key, str)]
        names.sort(key=lambda name: name.lower() not in ("label", "labels"))
        found = next((name for name in names if "label" in name.lower()), None)
        if found is None:
            raise ValueError("Could not infer where the labels are in the sample: pass a labels_getter")
        return sample[found]
    return next((x for x in reversed(leaves(sample)) if is_plain(x)), None)
