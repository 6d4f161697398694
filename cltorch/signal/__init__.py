"""torch.signal: the windows of signal processing. Source: https://docs.pytorch.org/docs/2.13/signal.html"""

from cltorch.signal import windows

__all__ = ["windows"]
