"""Images whose channels come last in memory keep that order through layers, with PyTorch's strides."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import functional as F

CASES = {
    "conv": lambda x: F.conv2d(x, cltorch.ones(4, 8, 3, 3, device=x.device), padding=1),
    "conv 1x1": lambda x: F.conv2d(x, cltorch.ones(4, 8, 1, 1, device=x.device)),
    "conv transposed": lambda x: F.conv_transpose2d(x, cltorch.ones(8, 4, 2, 2, device=x.device), stride=2),
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "max pool": lambda x: F.max_pool2d(x, 2),
    "max pool's places": lambda x: F.max_pool2d(x, 2, return_indices=True)[1],
    "avg pool": lambda x: F.avg_pool2d(x, 2),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, 2),
    "unpool": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "group norm": lambda x: F.group_norm(x, 2, cltorch.linspace(1, 2, 8, device=x.device)),
    "pad": lambda x: F.pad(x, (1, -1, 0, 2), value=3.0),
    "pad channels": lambda x: F.pad(x, (0, 0, 0, 0, 2, 1, 0, 1)),
    "reflect": lambda x: F.pad(x, (1, 2, 3, 0), "reflect"),
    "replicate": lambda x: F.pad(x, (1, 2, 3, 0), "replicate"),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "nearest": lambda x: F.interpolate(x, 3),
    "cat": lambda x: cltorch.cat([x[:, :3], x, x[:, 6:]], 1),
    "cat rows": lambda x: cltorch.cat([x, 2 * x], 2),
    "cat columns": lambda x: cltorch.cat([x, 2 * x], -1),
    "cat batch": lambda x: cltorch.cat([x, 2 * x]),
    "flip": lambda x: x.flip(1, -1),
    "roll": lambda x: x.roll((1, 2, 3), (0, 1, 2)),
    "pixel shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel unshuffle": lambda x: F.pixel_unshuffle(x, 3),
    "channel shuffle": lambda x: F.channel_shuffle(x, 2),
    "relu": F.relu,
}

FOLLOW = ("conv", "conv transposed", "max pool", "avg pool", "adaptive", "group norm", "reflect")


@pytest.mark.parametrize("name", CASES)
def test_results_and_gradients_have_the_order_of_their_input(name, device):
    image = cltorch.tensor(np.linspace(-1, 1, 2 * 8 * 6 * 6, dtype=np.float32).reshape(2, 8, 6, 6), device=device)
    found = []
    for last in (True, False):
        format = cltorch.channels_last if last else cltorch.contiguous_format
        x = image.contiguous(memory_format=format).requires_grad_()
        y = CASES[name](x)
        assert y.is_contiguous(memory_format=format)
        assert y.stride() == cltorch.empty(y.shape).contiguous(memory_format=format).stride()
        found.append([y.detach().cpu()])
        if y.requires_grad:
            (same,) = cltorch.autograd.grad(y, x, cltorch.ones(y.shape, device=device), retain_graph=True)
            if name in FOLLOW:
                assert same.is_contiguous(memory_format=format)
            w = cltorch.linspace(-2, 3, y.numel(), device=device).reshape(y.shape).contiguous(memory_format=format)
            (g,) = cltorch.autograd.grad(y, x, w)
            if name != "relu":
                assert g.is_contiguous(memory_format=format)
            found[-1].append(g.cpu())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-5)


def test_gradients_that_come_in_another_order_are_the_same(device):
    bn = nn.BatchNorm2d(8).to(device)
    x = cltorch.arange(2.0 * 8 * 4 * 4, device=device).reshape(2, 8, 4, 4).sin()
    w = cltorch.arange(2.0 * 8 * 4 * 4, device=device).reshape(2, 8, 4, 4).cos()
    found = []
    for format in (cltorch.channels_last, cltorch.contiguous_format):
        bn.zero_grad()
        y = x.contiguous(memory_format=format).requires_grad_()
        bn(y).backward(w)
        found.append([t.cpu().numpy() for t in (y.grad, bn.weight.grad, bn.bias.grad)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_what_is_dropped_lies_as_its_input(device):
    x = cltorch.ones(2, 8, 6, 6, device=device).contiguous(memory_format=cltorch.channels_last).requires_grad_()
    y = F.dropout(x)
    assert y.is_contiguous(memory_format=cltorch.channels_last)
    (g,) = cltorch.autograd.grad(y, x, cltorch.ones_like(y))
    assert g.cpu().tolist() == y.cpu().tolist()


def test_weights_gradients_lie_as_weights_or_images(device):
    for layer in (nn.Conv2d, nn.ConvTranspose2d):
        m = layer(8, 4, 3).to(device)
        found = []
        for weights, images in ((False, False), (True, False), (False, True)):
            last = cltorch.channels_last
            m = m.to(memory_format=last if weights else cltorch.contiguous_format)
            x = cltorch.linspace(-1, 1, 2 * 8 * 5 * 5, device=device).reshape(2, 8, 5, 5)
            y = m(x.contiguous(memory_format=last) if images else x)
            g, _ = cltorch.autograd.grad(y, (m.weight, m.bias), cltorch.ones(y.shape, device=device))
            assert g.is_contiguous(memory_format=last if weights or images else cltorch.contiguous_format)
            found.append(g.cpu().numpy())
        for g in found[1:]:
            np.testing.assert_allclose(g, found[0], rtol=1e-4, atol=1e-5)


def test_instance_norm_makes_rows_of_channels(device):
    x = cltorch.ones(2, 8, 6, 6, device=device).contiguous(memory_format=cltorch.channels_last)
    assert F.instance_norm(x).is_contiguous()


def test_weights_that_come_last_make_results_that_do(device):
    x, w = cltorch.ones(1, 3, 5, 5, device=device), cltorch.ones(4, 3, 3, 3, device=device)
    y = F.conv2d(x, w.contiguous(memory_format=cltorch.channels_last))
    assert y.stride() == (36, 1, 12, 4)


def test_networks_have_pytorchs_strides(peer):
    def strides(library):
        net = library.nn.Sequential(
            library.nn.Conv2d(3, 8, 3, padding=1), library.nn.BatchNorm2d(8), library.nn.ReLU(),
            library.nn.MaxPool2d(2), library.nn.Conv2d(8, 4, 1), library.nn.AvgPool2d(2),
        ).to(memory_format=library.channels_last)  # fmt: skip
        x = library.ones(2, 3, 8, 8).contiguous(memory_format=library.channels_last)
        found = []
        for layer in net:
            x = layer(x)
            found.append(x.stride())
        return found

    assert strides(cltorch) == strides(peer)


def test_moves_between_devices_keep_the_order_in_memory(device):
    values = np.arange(48.0, dtype=np.float32).reshape(2, 3, 2, 4)
    for x in (
        cltorch.tensor(values).contiguous(memory_format=cltorch.channels_last),
        cltorch.tensor(values).transpose(1, 3),
        cltorch.tensor(values)[:, 1:].contiguous(memory_format=cltorch.channels_last)[1:],
    ):
        there = x.to(device)
        assert there.stride() == x.stride()
        assert there.cpu().stride() == x.stride() and there.half().cpu().stride() == x.stride()
        assert cltorch.equal(there.cpu(), x)
    gap = cltorch.tensor(values).contiguous(memory_format=cltorch.channels_last)[:, :2]
    assert cltorch.equal(gap.to(device).cpu(), gap)
    assert nn.Conv2d(3, 4, 3).to(memory_format=cltorch.channels_last).to(device).weight.stride() == (27, 1, 9, 3)


def test_pools_of_volumes_are_contiguous_but_those_of_max_pool3d(device, peer):
    values = np.linspace(-1, 1, 2 * 4 * 4 * 4 * 4, dtype=np.float32).reshape(2, 4, 4, 4, 4)

    def run(library, place):
        f = library.nn.functional
        x = library.tensor(values, device=place).contiguous(memory_format=library.channels_last_3d).requires_grad_()
        found = [
            f.avg_pool3d(x, 2), f.adaptive_avg_pool3d(x, 2), f.adaptive_max_pool3d(x, 2), f.lp_pool3d(x, 2, 2),
            f.interpolate(x, size=2, mode="area"), f.max_pool3d(x, 2),
            f.max_unpool3d(*f.max_pool3d(x, 2, return_indices=True), 2),
        ]  # fmt: skip
        slopes = [library.autograd.grad(y.sum(), x)[0].cpu().numpy() for y in found]
        return [y.stride() for y in found], [y.detach().cpu().numpy() for y in found] + slopes

    ours, theirs = run(cltorch, device), run(peer, "cpu")
    assert ours[0] == theirs[0]
    for a, b in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def test_a_sample_of_volumes_keeps_its_order_in_max_pool3d(device, peer):
    found = []
    for library, kw in ((cltorch, {"device": device}), (peer, {})):
        x = library.arange(2.0 * 3 * 4 * 4 * 4, **kw).reshape(2, 3, 4, 4, 4).sin()
        x = x.contiguous(memory_format=library.channels_last_3d)[0].requires_grad_()
        out, places = library.nn.functional.max_pool3d(x, 2, return_indices=True)
        out.sum().backward()
        found.append((out.stride(), places.stride(), places.tolist(), x.grad.tolist()))
    assert found[0] == found[1]
