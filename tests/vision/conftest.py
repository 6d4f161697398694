"""What tests of networks share."""

import pytest

import cltorch as torch


@pytest.fixture
def bare(monkeypatch):
    """Leave parameters uninitialised: drawing a hundred million numbers only to count or replace them takes long."""
    for layer in (torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.Linear):
        monkeypatch.setattr(layer, "reset_parameters", lambda self: None)
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
