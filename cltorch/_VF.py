"""torch.* under the name by which layers of other libraries call it, as torch._VF.lstm."""

from __future__ import annotations

from typing import Any

from cltorch.functions import public


def __getattr__(name: str) -> Any:
    return getattr(public, name)
