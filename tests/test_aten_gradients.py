"""Derivatives by name in torch.ops.aten, each against PyTorch's of the same operands."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from tests.libraries import LIBRARIES

_DRAW = np.random.default_rng(3)


def f(*shape):
    return _DRAW.normal(size=shape).astype(np.float32)


def _statistics(x, axes):
    return x.mean(axes), 1 / np.sqrt(x.var(axes) + np.float32(1e-5))


LAYERS, GROUPS, BATCHES = f(3, 4, 5), f(2, 4, 3, 3), f(3, 4, 5)
MEAN, RATE = (s[..., None] for s in _statistics(LAYERS, -1))
GRID = _DRAW.uniform(-1, 1, (1, 3, 3, 2)).astype(np.float32)
SHARES = _DRAW.uniform(0.1, 0.9, (2, 3, 4)).astype(np.float32)
CLASSES, ONE, SOME = np.array([0, 1, 3]), np.full((), 1.5, np.float32), [True, False, True]
X = f(6)
CASES = [
    *(("native_layer_norm_backward", f(3, 4, 5), LAYERS, [5], MEAN, RATE, f(5), f(5), m) for m in ([True] * 3, SOME)),
    ("native_layer_norm_backward", f(3, 4, 5), LAYERS, [5], MEAN, RATE, None, None, [True, False, False]),
    ("native_group_norm_backward", f(2, 4, 3, 3), GROUPS, *_statistics(GROUPS.reshape(2, 2, -1), -1), f(4), 2, 4, 9, 2,
     [True] * 3),
    *(("native_batch_norm_backward", f(3, 4, 5), BATCHES, f(4), f(4), f(4) ** 2, *_statistics(BATCHES, (0, 2)), train,
       1e-5, [True] * 3) for train in (True, False)),
    ("native_dropout_backward", f(3), np.array(SOME), 2.0),
    *(case for n, g in ((0, f(3, 4)), (1, ONE), (2, ONE)) for case in (
        ("mse_loss_backward", g, f(3, 4), f(3, 4), n), ("smooth_l1_loss_backward", g, f(3, 4), f(3, 4), n, 0.5),
        ("huber_loss_backward", g, f(3, 4), f(3, 4), n, 0.5), ("soft_margin_loss_backward", g, f(3, 4), f(3, 4), n),
        ("binary_cross_entropy_backward", g, *SHARES, None, n),
    )),
    ("nll_loss_backward", f(3), f(3, 4), CLASSES, f(4) ** 2, 0, 1, np.array(2, np.float32)),
    ("nll_loss_backward", ONE, f(3, 4), CLASSES, None, 1, -100, np.array(3, np.float32)),
    ("nll_loss2d_backward", ONE, f(2, 3, 2, 2), np.ones((2, 2, 2), int), None, 1, -100, np.array(8, np.float32)),
    ("multi_margin_loss_backward", ONE, f(3, 4), CLASSES, 1, 1.0, None, 1),
    ("select_backward", f(3, 5), [3, 4, 5], -2, -1), ("slice_backward", f(3, 2, 5), [3, 4, 5], 1, 0, 4, 2),
    ("diagonal_backward", f(3), [3, 4], 1, 0, 1), ("unfold_backward", f(4, 2), [5], 0, 2, 1),
    ("trace_backward", ONE, [2, 3]), ("index_select_backward", f(2, 3), [4, 3], 0, np.array([1, 1])),
    ("gather_backward", f(2, 3), f(4, 3), 0, np.zeros((2, 3), int), False),
    ("masked_select_backward", f(2), f(3), np.array(SOME)),
    ("value_selecting_reduction_backward", f(3), 1, CLASSES, [3, 4], False),
    ("value_selecting_reduction_backward", f(3, 1), 1, CLASSES[:, None], [3, 4], True),
    ("embedding_dense_backward", f(3, 2), np.array([0, 1, 1]), 4, -1, True),
    ("embedding_backward", f(3, 2), np.array([0, 1, 1]), 4, 1, False, False),
    ("avg_pool2d_backward", f(1, 2, 2, 2), f(1, 2, 4, 4), [2, 2], [2, 2], [0, 0], False, True, None),
    ("_adaptive_avg_pool2d_backward", f(1, 2, 2, 2), f(1, 2, 4, 4)),
    ("reflection_pad1d_backward", f(2, 6), f(2, 4), [1, 1]),
    ("replication_pad2d_backward", f(1, 2, 6, 6), f(1, 2, 4, 4), [1, 1, 1, 1]),
    ("upsample_nearest2d_backward", f(1, 2, 4, 4), [4, 4], [1, 2, 2, 2]),
    ("upsample_bilinear2d_backward", f(1, 2, 4, 4), [4, 4], [1, 2, 2, 2], True),
    ("_upsample_bilinear2d_aa_backward", f(1, 2, 3, 3), [3, 3], [1, 2, 5, 5], False),
    ("elu_backward", f(6), 1.5, 1.2, 0.7, False, X),
    ("elu_backward", f(6), 1.0, 1.0, 1.0, True, np.where(X > 0, X, np.expm1(X))),
    ("_prelu_kernel_backward", f(3, 4), f(3, 4), f(3, 4)),
    ("grid_sampler_2d_backward", f(1, 2, 3, 3), f(1, 2, 4, 4), GRID, 0, 0, False, [True, True]),
]  # fmt: skip


def _results(library, device, name, operands):
    tensors = [library.tensor(x, device=device) if isinstance(x, np.ndarray) else x for x in operands]
    found = getattr(library.ops.aten, name)(*tensors)
    found = found if isinstance(found, tuple) else (found,)
    return [None if x is None else x.detach().cpu().numpy() for x in found]


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]} {i}")
def test_derivatives_are_pytorchs(case, device):
    name, *operands = CASES[case]
    found = _results(cltorch, device, name, operands)
    for got, want in zip(found, _results(LIBRARIES["torch"](), "cpu", name, operands), strict=True):
        if want is None:
            assert got is None
        else:
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_sparse_gradients_are_refused(device):
    g, at = cltorch.ones(3, 2, device=device), cltorch.tensor([0, 1, 1], device=device)
    with pytest.raises(NotImplementedError, match="embedding with sparse gradients is not built"):
        cltorch.ops.aten.embedding_backward(g, at, 4, -1, False, True)


def test_linear_layers(device):
    x, g, w = (cltorch.tensor(v, device=device) for v in (f(2, 3, 4), f(2, 3, 5), f(5, 4)))
    gx, gw, gb = cltorch.ops.aten.linear_backward(x, g, w, [True] * 3)
    b = cltorch.zeros(5, device=device)
    leaves = [v.clone().requires_grad_() for v in (x, w, b)]
    cltorch.nn.functional.linear(*leaves).backward(g)
    for got, leaf in zip((gx, gw, gb), leaves, strict=True):
        np.testing.assert_allclose(got.cpu().numpy(), leaf.grad.cpu().numpy(), rtol=1e-5, atol=1e-5)
    assert cltorch.ops.aten.linear_backward(x, g, w, [False] * 3) == (None, None, None)
