"""Pipes of datasets: torch.utils.data.datapipes, without the stages that PyTorch brings."""

from cltorch.utils.data.datapipes import datapipe

__all__ = ["datapipe"]
