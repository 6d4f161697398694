"""Settings of saving and loading: torch.utils.serialization."""

from cltorch.utils.serialization import config

__all__ = ["config"]
