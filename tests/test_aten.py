"""Operators of torch.ops.aten that no public function is, each against its definition."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import _C
from cltorch.autograd import grad, gradgradcheck
from cltorch.nn import functional as F

aten = cltorch.ops.aten
_DRAW = np.random.default_rng(8)


@pytest.fixture
def x(device):
    return cltorch.tensor(_DRAW.normal(size=(1, 2, 4, 6)).astype(np.float32), device=device)


def same(got, want):
    np.testing.assert_allclose(got.detach().cpu().numpy(), np.asarray(want), rtol=1e-5, atol=1e-6)


def test_slices_and_copies(x):
    a = x.cpu().numpy()
    part = aten.slice(x, 3, 1, 6, 2)
    same(part, a[..., 1:6:2])
    same(aten.slice.Tensor(x, -2, -3), a[:, :, -3:])
    part.zero_()
    assert not x[..., 1].any() and aten.alias(x).data_ptr() == x.data_ptr()
    same(aten.copy(x, x[:, :1]), np.broadcast_to(x[:, :1].cpu().numpy(), a.shape))
    assert aten._to_copy(x, dtype=cltorch.float16).dtype is cltorch.float16
    assert aten._unsafe_view(x, [6, 8]).shape == (6, 8) and aten.sym_size(x, 1) == 2 and aten.dim(x) == 4
    for call, error, words in (
        (lambda: aten.slice(x[0, 0, 0, 0]), IndexError, "cannot be applied to a 0-dim tensor"),
        (lambda: aten.slice(x, 0, 0, 1, 0), RuntimeError, "slice step must be positive"),
        (lambda: aten.slice(x, 9), IndexError, "Dimension out of range"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_gradients_of_the_largest_go_where_indices_say(x):
    y, at = F.max_pool2d(x, 2, return_indices=True)
    leaf = x.clone().requires_grad_()
    g = y.flip(3)
    (want,) = grad(F.max_pool2d(leaf, 2), leaf, g)
    back = aten.max_pool2d_with_indices_backward
    same(back(g, x, [2, 2], [2, 2], [0, 0], [1, 1], False, at), want.cpu())
    corners = cltorch.tensor([[0, 2, 4], [12, 14, 16]], device=x.device).expand(1, 2, 2, 3).contiguous()
    same(back(g, x, [2, 2], [], [0, 0], [1, 1], False, corners)[..., ::2, ::2], g.cpu())
    for args, words in (
        ((g[..., :2], at), "Expected a tensor of dimension 4 and tensor.size.3. == 3"),
        ((g.half(), at), "expected dtype torch.float32 for `gradOutput`"), ((g, at.int()), "indices"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=words):
            back(args[0], x, [2, 2], [2, 2], [0, 0], [1, 1], False, args[1])


def test_batch_norms_with_a_reserve(x):
    kept, other = ([cltorch.zeros(2, device=x.device), cltorch.ones(2, device=x.device)] for _ in range(2))
    *found, reserve = aten._batch_norm_with_update(x, None, None, *kept, 0.1, 1e-5)
    want = cltorch.native_batch_norm(x, None, None, *other, True, 0.1, 1e-5)
    assert reserve.dtype is cltorch.uint8 and not reserve.numel()
    for a, b in zip((*found, *kept), (*want, *other), strict=True):
        same(a, b.cpu())
    out = aten._batch_norm_no_update(x, None, None, *other, 0.1, 1e-5)
    same(out[0], F.batch_norm(x, *other).cpu())
    assert [len(v) for v in out[1:]] == [0, 0, 0]


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_images_resampled_with_wider_filters(x, name):
    want = F.interpolate(x, (2, 3), mode=name, antialias=True).cpu()
    resampled = getattr(aten, f"_upsample_{name}2d_aa")
    assert getattr(_C._nn, f"_upsample_{name}2d_aa") is not None
    same(resampled(x, [2, 3], False), want)
    same(resampled(x, None, False, [0.5, 0.5]), want)
    same(resampled(x, [2, 3], False, 0.5, 0.5), want)
    for args, words in (([2],), "output_size equals to 2"), ((None,), "exactly one"), (([2, 3], [0.5, 0.5]), "exactly"):
        with pytest.raises(RuntimeError, match=words):
            resampled(x, args[0], False, *args[1:])
    nearest = F.interpolate(x, scale_factor=2, mode="nearest").cpu()
    same(aten.upsample_nearest2d(x, [8, 12]), nearest)
    same(_C._nn.upsample_nearest2d(x, None, [2.0, 2.0]), nearest)


def test_derivatives_by_name(x):
    leaf, g = x.clone().requires_grad_(), x.flip(3)
    for name, args in (
        ("gelu", ()), ("silu", ()), ("softplus", (2, 20)), ("hardtanh", (-1, 0.5)), ("softshrink", (0.5,)),
        ("leaky_relu", (0.1,)), ("threshold", (0.25,)),
    ):  # fmt: skip
        y = F.threshold(leaf, 0.25, 0) if name == "threshold" else getattr(F, name)(leaf, *args)
        rest = (*args, False) if name == "leaky_relu" else args
        same(getattr(aten, f"{name}_backward")(g, x, *rest), grad(y, leaf, g)[0].cpu())
    for name in ("sigmoid", "tanh"):
        y = getattr(cltorch, name)(leaf)
        same(getattr(aten, f"{name}_backward")(g, y.detach()), grad(y, leaf, g)[0].cpu())


def test_a_derivative_can_be_differentiated():
    g, z = (cltorch.tensor(_DRAW.normal(size=3), requires_grad=True) for _ in range(2))
    same(grad(aten.silu_backward(g, z).sum(), g)[0], grad(F.silu(z).sum(), z)[0])
    assert gradgradcheck(lambda a: F.silu(a) * 1, (z,)) and not aten.silu_backward(g.detach(), z.detach()).requires_grad
    slope = cltorch.autograd.gradcheck(aten.silu_backward, (g, z))
    assert slope


def test_losses_whose_reduction_is_a_number(x):
    y = x.flip(3)
    for name, args, named in (
        ("mse_loss", (), {}), ("mse_loss", (0,), {"reduction": "none"}), ("l1_loss", (2,), {"reduction": "sum"}),
        ("huber_loss", (2, 0.5), {"reduction": "sum", "delta": 0.5}),
        ("smooth_l1_loss", (1, 0.5), {"reduction": "mean", "beta": 0.5}),
    ):  # fmt: skip
        same(getattr(aten, name)(x, y, *args), getattr(F, name)(x, y, **named).cpu())
    p, q = x.sigmoid(), y.sigmoid()
    same(aten.binary_cross_entropy(p, q, None, 2), F.binary_cross_entropy(p, q, reduction="sum").cpu())


def test_names_of_modules_and_of_functions_with_an_underscore(x):
    same(aten.special_erfcx(x), cltorch.special.erfcx(x).cpu())
    same(aten.linalg_matmul(x, x.mT), (x @ x.mT).cpu())
    same(aten._safe_softmax(x, 1), cltorch.softmax(x, 1).cpu())
    same(aten._foreach_add([x], 1.0)[0], (x + 1).cpu())
    with pytest.raises(AttributeError):
        _ = aten.numpy


def test_pads_have_their_names(x):
    for mode, name in (("reflect", "reflection"), ("replicate", "replication")):
        for n, part in ((1, x[0]), (2, x), (3, x[None])):
            pad = [1, 2] * n if n < 3 else [1, 2, 1, 2, 1, 1]
            same(getattr(aten, f"{name}_pad{n}d")(part, pad), F.pad(part, pad, mode).cpu())
    with pytest.raises(RuntimeError, match="Expected 2D or 3D .batch mode. tensor with possibly 0 batch size"):
        aten.reflection_pad1d(x, [1, 1])
    with pytest.raises(RuntimeError, match="padding size is expected to be 4, but got: 2"):
        aten.replication_pad2d(x, [1, 1])


def test_losses_are_means_unless_numbers_say_otherwise(device):
    a, b, c = (cltorch.tensor(_DRAW.normal(size=(3, 4)).astype(np.float32), device=device) for _ in range(3))
    kinds = cltorch.tensor([2, 0, 3], device=device)
    sign = cltorch.tensor([1.0, -1.0, 1.0], device=device)
    calls = {
        "binary_cross_entropy_with_logits": ((a, b), (None, None)), "kl_div": ((a, b.exp()), ()),
        "cosine_embedding_loss": ((a, b, sign), (0.0,)), "hinge_embedding_loss": ((a, b.sign()), (1.0,)),
        "margin_ranking_loss": ((a, b, c.sign()), (0.0,)),
        "triplet_margin_loss": ((a, b, c), (1.0, 2.0, 1e-6, False)), "multi_margin_loss": ((a, kinds), (1, 1.0, None)),
        "multilabel_margin_loss": ((a, kinds[:, None].expand(3, 4).contiguous()), ()),
        "nll_loss_nd": ((a, kinds), (None,)),
    }  # fmt: skip
    for name, (operands, defaults) in calls.items():
        f = F.nll_loss if name == "nll_loss_nd" else getattr(F, name)
        op = getattr(aten, name)
        same(op(*operands), f(*operands).cpu())
        for number, word in enumerate(("none", "mean", "sum")):
            same(op(*operands, *defaults, number), f(*operands, reduction=word).cpu())
    weight = cltorch.tensor([1.0, 2.0, 3.0, 4.0], device=device)
    loss, total = aten.nll_loss_forward(a, kinds, weight, 1, 0)
    same(loss, F.nll_loss(a, kinds, weight, ignore_index=0).cpu())
    assert total.item() == 7.0
    assert aten.nll_loss_forward(a, kinds, None, 2, -100)[1].item() == 3.0


def test_pooling_backwards_and_random_numbers_have_their_names(x):
    y, at = F.max_pool2d(x, 2, return_indices=True)
    same(aten.max_unpool2d(y, at, [4, 6]), F.max_unpool2d(y, at, 2).cpu())
    drawn = aten.uniform(x, 2.0, 3.0)
    assert drawn.shape == x.shape
    assert drawn.min() >= 2
    assert drawn.max() < 3


def test_whether_memory_is_filled_and_conditions_hold(x):
    dense = aten.is_non_overlapping_and_dense
    assert dense(x) is True and dense.default(x.permute(3, 0, 2, 1)) is True and dense(x[0, 1]) is True
    assert dense(x[..., ::2]) is False and dense(x[..., :2]) is False and dense(x[:, :1].expand(1, 2, 4, 6)) is False
    assert aten._assert_async(x.new_ones(())) is None
    with pytest.raises(RuntimeError, match="Expected Tensor with single nonzero value, but got zero"):
        aten._assert_async(x.new_zeros(()))
    with pytest.raises(RuntimeError, match="words"):
        aten._assert_async.msg(x.new_zeros(1), "words")


def test_what_tensors_are(x):
    leaf = x.clone().requires_grad_()
    assert aten.is_leaf(leaf) and not aten.is_leaf(leaf + 1) and aten.output_nr(leaf.unbind(1)[1]) == 1
    before = aten._version(x)
    assert aten._version(x.add_(1)) == before + 1 and not aten.data(leaf).requires_grad and aten.lift(x) is x
    m = x[0, 0]
    for name in ("mH", "mT", "matrix_H", "numpy_T"):
        same(getattr(aten, name)(m), m.cpu().numpy().T)
    same(aten._reshape_alias(x, [8, 6], [6, 1]), x.cpu().numpy().reshape(8, 6))
    assert not aten.can_cast(cltorch.float32, cltorch.int32)
    assert aten.promote_types(cltorch.int32, cltorch.float32) is cltorch.float32
    assert aten._assert_tensor_metadata(m, [4, 6], [6, 1], cltorch.float32) is None is aten._assert_scalar(1, "no")
    for call, words in (
        (lambda: aten._assert_scalar(0, "no luck"), "no luck"),
        (lambda: aten._assert_tensor_metadata(m, [4, 4]), "sizes mismatch! Expected: .4, 4., Got: .4, 6."),
        (lambda: aten._assert_tensor_metadata(m, dtype=cltorch.int64), "dtype mismatch"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()


def test_rows_that_differ(device):
    rows = cltorch.tensor([[1, 2], [1, 2], [0, 1]], device=device)
    assert [v.tolist() for v in aten.unique_dim(rows, 0)] == [[[0, 1], [1, 2]], [1, 1, 0], [1, 2]]
    assert [v.tolist() for v in aten.unique_dim_consecutive(rows, 0)] == [[[1, 2], [0, 1]], [0, 0, 1], [2, 1]]
    assert aten.pad_sequence([rows[0], rows[0, :1]], True, 9.0).tolist() == [[1, 2], [1, 9]]
    a, b = cltorch.ones(2, 3, 4, device=device), cltorch.ones(2, 4, 5, device=device)
    assert (aten._grouped_mm(a, b) == 4).all() and aten._grouped_mm(a, b).shape == (2, 3, 5)
