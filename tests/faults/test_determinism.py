"""The same program with the same seed: the same bits on one device, nearly the same numbers on all.

Devices sum in orders of their own and round exp and log by their own libraries. In float32 that shows in the last
digits of a step, and grows with every step. The tolerance across devices, for 30 steps of the small network below:
losses agree to 1e-4 and parameters to 1e-3.
"""

from __future__ import annotations

import functools

import numpy as np

import cltorch as torch
from cltorch import nn

STEPS = 30


def train(device):
    """Return the losses and the parameters of a small convolutional network trained on made-up images."""
    torch.manual_seed(7)
    images, kinds = torch.rand(64, 1, 12, 12), torch.randint(4, (64,))
    images[torch.arange(64), 0, kinds * 2, :] += 2.0  # what tells the kinds apart is a bright row
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1), nn.Flatten(),
        nn.Linear(8 * 36, 4),
    ).to(device)  # fmt: skip
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    torch.manual_seed(8)  # each device has a generator of its own, so far used on the host only
    losses = []
    for step in range(STEPS):
        some = slice(step % 4 * 16, step % 4 * 16 + 16)
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(images[some].to(device)), kinds[some].to(device))
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return torch.stack(losses).cpu().numpy(), {k: v.cpu().numpy() for k, v in model.state_dict().items()}


@functools.cache
def on_the_host():
    return train("cpu")


def test_twice_gives_the_same_bits(device):
    first, second = train(device) if device != "cpu" else on_the_host(), train(device)
    assert first[0].tobytes() == second[0].tobytes()
    assert all(first[1][name].tobytes() == second[1][name].tobytes() for name in first[1])


def test_all_devices_agree(cl_device):
    losses, parameters = train(cl_device)
    host_losses, host_parameters = on_the_host()
    assert host_losses[-4:].mean() < host_losses[:4].mean() / 2, "it does not learn"
    np.testing.assert_allclose(losses, host_losses, rtol=1e-4, atol=1e-4)
    for name, value in parameters.items():
        np.testing.assert_allclose(value, host_parameters[name], rtol=1e-3, atol=1e-3, err_msg=name)


def test_random_numbers_are_the_same_on_all_devices(cl_device):
    torch.manual_seed(3)
    here = [torch.rand(5, device=cl_device), torch.randint(100, (5,), device=cl_device)]
    torch.manual_seed(3)
    there = [torch.rand(5), torch.randint(100, (5,))]
    assert all(torch.equal(a.cpu(), b) for a, b in zip(here, there, strict=True))
