"""The formulas that docstrings of torch.nn and torch.optim give, computed as they stand there, by loops over indices.

What they say must not drift from what is computed; on which device it is computed makes no difference to them.
"""

from __future__ import annotations

import itertools
from math import ceil, exp, floor, log

import numpy as np
import pytest

import cltorch as torch
from cltorch.nn import functional as F


def drawn(*shape):
    return torch.tensor(np.random.default_rng(1).standard_normal(shape), dtype=torch.float64)


def same(found, wanted):
    np.testing.assert_allclose(np.asarray(found.tolist()), np.asarray(wanted), rtol=1e-6, atol=1e-7)


X = drawn(7)
LINE = X.reshape(1, 1, 7)
x = X.tolist()


@pytest.mark.parametrize("most", [False, True])
def test_windows_of_pools(most):
    if most:
        same(F.max_pool1d(LINE, 2, 2, 1, 3).flatten(),
             [max(x[i] for i in (2 * j - 1, 2 * j + 2) if 0 <= i < 7) for j in range(3)])  # fmt: skip
    else:
        same(F.avg_pool1d(LINE, 3, 2, 1).flatten(),
             [sum(x[i] for i in range(2 * j - 1, 2 * j + 2) if 0 <= i < 7) / 3 for j in range(4)])  # fmt: skip
    pool, take = (F.adaptive_max_pool1d, max) if most else (F.adaptive_avg_pool1d, lambda part: sum(part) / len(part))
    same(pool(LINE, 3).flatten(), [take(x[floor(i * 7 / 3) : ceil((i + 1) * 7 / 3)]) for i in range(3)])


def test_windows_at_random_distances():
    u, r = 0.3, (7 - 2) / (4 - 1)
    starts = [floor((i + u) * r) - floor(u * r) for i in range(3)] + [5]
    found = F.fractional_max_pool2d(
        X.reshape(1, 1, 1, 7), (1, 2), (1, 4), _random_samples=torch.tensor([[[u, u]]], dtype=torch.float64)
    )
    same(found.flatten(), [max(x[a : a + 2]) for a in starts])


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate", "constant"])
def test_padding(mode):
    left, right, size = 3, 4, 7

    def at(i):
        if mode == "circular":
            return x[(i - left) % size]
        if mode == "replicate":
            return x[min(max(i - left, 0), size - 1)]
        if mode == "reflect":
            j = abs(i - left)
            return x[2 * (size - 1) - j if j > size - 1 else j]
        return x[i - left] if 0 <= i - left < size else 0.0

    same(F.pad(LINE, (left, right), mode).flatten(), [at(i) for i in range(left + size + right)])


def test_convolutions_and_their_gradients():
    input, weight, bias = drawn(2, 3, 9), drawn(4, 3, 2), drawn(4)
    stride, padding, dilation = 2, 1, 3
    a, w, b = input.numpy(), weight.numpy(), bias.numpy()
    places = [(i, k, i * stride + k * dilation - padding) for i in range(4) for k in range(2)]
    places = [(i, k, j) for i, k, j in places if 0 <= j < 9]
    out = np.zeros((2, 4, 4)) + b[:, None]
    for i, k, j in places:
        out[:, :, i] += a[:, :, j] @ w[:, :, k].T
    same(F.conv1d(input, weight, bias, stride, padding, dilation), out)
    g = np.random.default_rng(2).standard_normal(out.shape)
    to_input, to_weight = np.zeros_like(a), np.zeros_like(w)
    for i, k, j in places:
        to_input[:, :, j] += g[:, :, i] @ w[:, :, k]
        to_weight[:, :, k] += g[:, :, i].T @ a[:, :, j]
    grad = torch.tensor(g)
    same(torch.nn.grad.conv1d_input((2, 3, 9), weight, grad, stride, padding, dilation), to_input)
    same(torch.nn.grad.conv1d_weight(input, (4, 3, 2), grad, stride, padding, dilation), to_weight)
    back = np.zeros((2, 3, 9)) + b[:3, None]  # (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1
    for i, k, j in places:
        back[:, :, j] += g[:, :, i] @ w[:, :, k]
    same(F.conv_transpose1d(grad, weight, bias[:3], stride, padding, 1, 1, dilation), back)


def test_convolution_of_time_first():
    input, weight, bias = drawn(5, 2, 3), drawn(3, 3, 4), drawn(4)
    a, w = input.numpy(), weight.numpy()
    out = [
        bias.numpy() + sum(a[t + k - 1] @ w[k] for k in range(3) if 0 <= t + k - 1 < 5)
        for t in range(5)
    ]  # fmt: skip
    same(torch.conv_tbc(input, weight, bias, 1), out)


def test_columns_and_their_sums():
    columns = F.unfold(drawn(1, 2, 1, 7), (1, 3), (1, 2), (0, 1), (1, 2))
    a = drawn(1, 2, 1, 7).numpy()[0, :, 0]
    wanted = np.zeros((2, 3, columns.shape[2]))
    back = np.zeros((2, 7))
    for c, k, i in np.ndindex(wanted.shape):
        j = 2 * i + 2 * k - 1
        if 0 <= j < 7:
            wanted[c, k, i] = a[c, j]
            back[c, j] += a[c, j]
    same(columns[0], wanted.reshape(6, -1))
    same(F.fold(columns, (1, 7), (1, 3), (1, 2), (0, 1), (1, 2))[0, :, 0], back)


def test_channels_and_pixels():
    input = drawn(1, 8, 2, 3)
    a, r = input.numpy()[0], 2
    out = np.zeros((2, 4, 6))
    for c, h, w, i, j in np.ndindex(2, 2, 3, r, r):
        out[c, h * r + i, w * r + j] = a[c * r * r + i * r + j, h, w]
    same(F.pixel_shuffle(input, r)[0], out)
    same(F.pixel_unshuffle(torch.tensor(out[None]), r)[0], a)
    order = [0] * 8
    for g, i in np.ndindex(4, 2):
        order[i * 4 + g] = g * 8 // 4 + i
    same(F.channel_shuffle(input, 4)[0], a[order])


@pytest.mark.parametrize("given", [{"size": 5}, {"scale_factor": 1.6}, {"size": 5, "align_corners": True}])
def test_resampling(given):
    found = F.interpolate(LINE, mode="linear", **given).flatten()
    length = len(found)
    r = 1 / given["scale_factor"] if "scale_factor" in given else 7 / length

    def at(i):
        s = i * (7 - 1) / (length - 1) if "align_corners" in given else max((i + 1 / 2) * r - 1 / 2, 0)
        t = s - floor(s)
        return (1 - t) * x[floor(s)] + t * x[min(floor(s) + 1, 6)]

    same(found, [at(i) for i in range(length)])
    if "align_corners" not in given:
        same(F.interpolate(LINE, **given).flatten(), [x[floor(i * r)] for i in range(length)])


@pytest.mark.parametrize("corners", [False, True])
def test_grids(corners):
    theta = drawn(1, 2, 3)
    grid = F.affine_grid(theta, (1, 1, 2, 3), align_corners=corners)

    def place(i, n):
        return 2 * i / (n - 1) - 1 if corners else (2 * i + 1) / n - 1

    same(grid[0], [[theta.numpy()[0] @ (place(j, 3), place(i, 2), 1) for j in range(3)] for i in range(2)])
    image, (gx, gy) = drawn(1, 1, 4, 5), (0.3, -0.2)
    column = (gx + 1) * (5 - 1) / 2 if corners else ((gx + 1) * 5 - 1) / 2
    row = (gy + 1) * (4 - 1) / 2 if corners else ((gy + 1) * 4 - 1) / 2
    weights = np.maximum(1 - abs(np.arange(4) - row), 0)[:, None] * np.maximum(1 - abs(np.arange(5) - column), 0)
    found = F.grid_sample(image, torch.tensor([[[[gx, gy]]]], dtype=torch.float64), align_corners=corners)
    same(found, [[[[(image.numpy()[0, 0] * weights).sum()]]]])


def test_labels_without_places():
    logs, labels = drawn(4, 1, 3).log_softmax(2), [1, 1]
    total = 0.0
    for path in itertools.product(range(3), repeat=4):
        if [c for c, _ in itertools.groupby(path) if c != 0] == labels:
            total += exp(sum(logs[t, 0, c].item() for t, c in enumerate(path)))
    loss = F.ctc_loss(logs, torch.tensor([labels]), torch.tensor([4]), torch.tensor([2]), reduction="none")
    same(loss, [-log(total)])


def test_classes_by_how_often_they_occur():
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(6, 9, [3, 6], div_value=2.0)
    input, target = torch.randn(9, 6), torch.arange(9)
    found, cutoffs = layer(input, target), [3, 6]
    wanted = []
    for n, y in enumerate(range(9)):
        head = layer.head(input[n]).log_softmax(0)
        c = sum(y >= cutoff for cutoff in cutoffs) - 1
        p = head[y] if c < 0 else head[3 + c] + layer.tail[c](input[n]).log_softmax(0)[y - cutoffs[c]]
        wanted.append(p.item())
    np.testing.assert_allclose(found.output.tolist(), wanted, rtol=1e-5)
    assert found.loss.item() == pytest.approx(-sum(wanted) / 9, rel=1e-5)


def test_weights_that_hand_channels_through():
    wanted = np.zeros((6, 2, 3))
    for g, c in np.ndindex(3, 2):
        wanted[g * 6 // 3 + c, c, 3 // 2] = 1
    same(torch.nn.init.dirac_(torch.empty(6, 2, 3), 3), wanted)


def test_a_normalisation_inside_a_convolution():
    w, (b, mean, gamma, beta) = drawn(3, 2, 2), drawn(4, 3)
    var = drawn(3) ** 2
    found = torch.nn.utils.fuse_conv_bn_weights(w, b, mean, var, 1e-3, gamma, beta)
    same(found[0], w * (gamma / (var + 1e-3).sqrt())[:, None, None])
    same(found[1], (b - mean) * gamma / (var + 1e-3).sqrt() + beta)


def test_steps_of_lbfgs():
    quadratic, lr, start = np.array([[3.0, 1.0], [1.0, 2.0]]), 0.5, np.array([1.0, -2.0])
    p = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.LBFGS([p], lr=lr, max_iter=4, tolerance_change=0, tolerance_grad=0)

    def closure():
        optimizer.zero_grad()
        loss = p @ torch.tensor(quadratic) @ p / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    theta, before, pairs, unit = start, (start, start), [], np.eye(2)
    for n in range(4):
        g = quadratic @ theta
        if n:
            pairs.append((theta - before[0], g - before[1]))
        h = unit * (pairs[-1][1] @ pairs[-1][0] / (pairs[-1][1] @ pairs[-1][1])) if pairs else unit
        for s, y in pairs:
            rho = 1 / (y @ s)
            h = (unit - rho * np.outer(s, y)) @ h @ (unit - rho * np.outer(y, s)) + rho * np.outer(s, s)
        before = theta, g
        theta = theta - (lr if n else lr * min(1, 1 / abs(g).sum())) * h @ g
    same(p.detach(), theta)


@pytest.mark.parametrize("kind", ["orthogonal", "cayley"])
def test_orthogonal_matrices(kind):
    layer = torch.nn.Linear(3, 3, dtype=torch.float64)
    name = "matrix_exp" if kind == "orthogonal" else kind
    torch.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=name, use_trivialization=False)
    lower = layer.parametrizations.weight.original.detach().tril()
    a = lower - lower.T
    unit = torch.eye(3, dtype=torch.float64)
    same(
        layer.weight.detach(),
        torch.matrix_exp(a) if name == "matrix_exp" else torch.linalg.solve(unit - a / 2, unit + a / 2),
    )
