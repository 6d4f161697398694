"""Losses: against their formulas in NumPy, against PyTorch, their reductions, warnings and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

import cltorch
from cltorch import nn
from cltorch.nn import functional as F

SHAPE = (3, 4)
SMOOTH = ("real", "probability", "log", "distribution", "positive")  # kinds of tensors that have gradients


def draw(kind, seed, shape=SHAPE):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return {
        "real": lambda: x,
        "probability": lambda: special.expit(x),
        "distribution": lambda: special.softmax(x, -1),
        "log": lambda: special.log_softmax(x, -1),
        "bit": lambda: (x > 0).astype(float),
        "sign": lambda: np.where(x > 0, 1.0, -1.0),
        "count": lambda: np.floor(abs(x) * 3),
        "positive": lambda: abs(x) + 0.1,
        "class": lambda: rng.integers(0, shape[-1], shape[:-1]),
        "line": lambda: np.where(x[:, 0] > 0, 1, -1),
    }[kind]()


def _margin(x, t, p, margin):
    n, c = x.shape
    out = np.zeros(n)
    for i in range(n):
        out[i] = sum(max(0, margin - x[i, t[i]] + x[i, j]) ** p for j in range(c) if j != t[i]) / c
    return out


def _cosine(a, b):
    return (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))


def _distance(a, b, p=2.0, eps=1e-6):
    return (abs(a - b + eps) ** p).sum(-1) ** (1 / p)


# (function, kinds of its tensors, further arguments, the values before the reduction)
LOSSES = [
    ("mse_loss", ("real", "real"), {}, lambda x, y: (x - y) ** 2),
    ("l1_loss", ("real", "real"), {}, lambda x, y: abs(x - y)),
    ("smooth_l1_loss", ("real", "real"), {},
     lambda x, y: np.where(abs(x - y) < 1, (x - y) ** 2 / 2, abs(x - y) - 0.5)),
    ("smooth_l1_loss", ("real", "real"), {"beta": 0.3},
     lambda x, y: np.where(abs(x - y) < 0.3, (x - y) ** 2 / 0.6, abs(x - y) - 0.15)),
    ("smooth_l1_loss", ("real", "real"), {"beta": 0}, lambda x, y: abs(x - y)),
    ("huber_loss", ("real", "real"), {}, lambda x, y: special.huber(1.0, x - y)),
    ("huber_loss", ("real", "real"), {"delta": 0.4}, lambda x, y: special.huber(0.4, x - y)),
    ("binary_cross_entropy", ("probability", "probability"), {},
     lambda x, y: -y * np.log(x) - (1 - y) * np.log(1 - x)),
    ("binary_cross_entropy_with_logits", ("real", "probability"), {},
     lambda x, y: -y * special.log_expit(x) - (1 - y) * special.log_expit(-x)),
    ("kl_div", ("log", "distribution"), {}, lambda x, y: special.xlogy(y, y) - y * x),
    ("kl_div", ("log", "log"), {"log_target": True}, lambda x, y: np.exp(y) * (y - x)),
    ("poisson_nll_loss", ("real", "count"), {}, lambda x, y: np.exp(x) - y * x),
    ("poisson_nll_loss", ("positive", "count"), {"log_input": False}, lambda x, y: x - y * np.log(x + 1e-8)),
    ("poisson_nll_loss", ("real", "count"), {"full": True}, lambda x, y: np.exp(x) - y * x + np.where(
        y > 1, special.xlogy(y, y) - y + 0.5 * np.log(2 * math.pi * np.maximum(y, 1)), 0)),
    ("gaussian_nll_loss", ("real", "real", "positive"), {}, lambda x, y, v: 0.5 * (np.log(v) + (x - y) ** 2 / v)),
    ("gaussian_nll_loss", ("real", "real", "positive"), {"full": True, "eps": 0.5},
     lambda x, y, v: 0.5 * (np.log(np.maximum(v, 0.5)) + (x - y) ** 2 / np.maximum(v, 0.5) + math.log(2 * math.pi))),
    ("hinge_embedding_loss", ("real", "sign"), {"margin": 0.5},
     lambda x, y: np.where(y == 1, x, np.maximum(0, 0.5 - x))),
    ("margin_ranking_loss", ("real", "real", "sign"), {"margin": 0.2},
     lambda a, b, y: np.maximum(0, 0.2 - y * (a - b))),
    ("soft_margin_loss", ("real", "sign"), {}, lambda x, y: np.log1p(np.exp(-y * x))),
    ("cosine_embedding_loss", ("real", "real", "line"), {"margin": 0.1},
     lambda a, b, y: np.where(y == 1, 1 - _cosine(a, b), np.maximum(0, _cosine(a, b) - 0.1))),
    ("multilabel_soft_margin_loss", ("real", "bit"), {},
     lambda x, y: (-y * special.log_expit(x) - (1 - y) * special.log_expit(-x)).mean(-1)),
    ("multi_margin_loss", ("real", "class"), {}, lambda x, t: _margin(x, t, 1, 1.0)),
    ("multi_margin_loss", ("real", "class"), {"p": 2, "margin": 0.5}, lambda x, t: _margin(x, t, 2, 0.5)),
    ("triplet_margin_loss", ("real", "real", "real"), {},
     lambda a, p, n: np.maximum(0, _distance(a, p) - _distance(a, n) + 1)),
    ("triplet_margin_loss", ("real", "real", "real"), {"p": 3.0, "swap": True, "margin": 0.5}, lambda a, p, n:
     np.maximum(0, _distance(a, p, 3.0) - np.minimum(_distance(a, n, 3.0), _distance(p, n, 3.0)) + 0.5)),
    ("triplet_margin_with_distance_loss", ("real", "real", "real"), {},
     lambda a, p, n: np.maximum(0, _distance(a, p) - _distance(a, n) + 1)),
    ("nll_loss", ("log", "class"), {}, lambda x, t: -np.take_along_axis(x, t[:, None], 1)[:, 0]),
    ("cross_entropy", ("real", "class"), {},
     lambda x, t: -np.take_along_axis(special.log_softmax(x, 1), t[:, None], 1)[:, 0]),
    ("cross_entropy", ("real", "distribution"), {}, lambda x, y: -(y * special.log_softmax(x, 1)).sum(1)),
    ("cross_entropy", ("real", "class"), {"label_smoothing": 0.3}, lambda x, t: -(
        (0.7 * np.eye(4)[t] + 0.3 / 4) * special.log_softmax(x, 1)).sum(1)),
]  # fmt: skip


def _id(case):
    return "-".join([case[0], *case[1], *(f"{k}={v}" for k, v in case[2].items())])


def _tensors(library, kinds, dtype, **kw):
    made = []
    for i, kind in enumerate(kinds):
        a = draw(kind, i)
        whole = kind in ("class", "line")
        made.append(library.tensor(a, **kw) if whole else library.tensor(a, dtype=dtype, **kw))
    return made


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("case", LOSSES, ids=_id)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
def test_a_loss_is_its_formula_reduced(case, reduction, device):
    name, kinds, kw, formula = case
    out = getattr(F, name)(*_tensors(cltorch, kinds, cltorch.float32, device=device), **kw, reduction=reduction)
    each = formula(*(draw(k, i) for i, k in enumerate(kinds)))
    expected = {"none": each, "mean": each.mean(), "sum": each.sum()}[reduction]
    assert tuple(out.shape) == np.shape(expected)
    np.testing.assert_allclose(out.cpu().numpy(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", LOSSES, ids=_id)
def test_gradients_of_losses_are_right_to_the_second_order(case, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    if device != "cpu" and LOSSES.index(case) % 4:
        pytest.skip("on devices one in four: the second order is made of the same kernels as the first")
    name, kinds, kw, _ = case
    tensors = _tensors(cltorch, kinds, cltorch.float64, device=device)
    real = [i for i, k in enumerate(kinds) if k in SMOOTH]
    if name == "gaussian_nll_loss":
        real = real[:2]  # at eps the variance's gradient is not the derivative, by intent

    def call(*given):
        args = list(tensors)
        for i, t in zip(real, given, strict=True):
            args[i] = t
        return getattr(F, name)(*args, **kw, reduction="sum")

    inputs = [tensors[i].requires_grad_() for i in real]
    assert cltorch.autograd.gradcheck(call, inputs)
    assert cltorch.autograd.gradgradcheck(call, inputs)


@pytest.mark.parametrize("case", LOSSES, ids=_id)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
def test_losses_and_their_gradients_are_pytorchs(case, device, peer):
    name, kinds, kw, _ = case
    results = []
    for library, f, more in ((peer, peer.nn.functional, {}), (cltorch, F, {"device": device})):
        tensors = _tensors(library, kinds, library.float32, **more)
        for t, kind in zip(tensors, kinds, strict=True):
            t.requires_grad_(kind in SMOOTH)
        out = getattr(f, name)(*tensors, **kw)
        wanted = [t for t in tensors if t.requires_grad]
        grads = library.autograd.grad(out, wanted)
        results.append([t.detach().cpu().numpy() for t in (out, *grads)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


# ---- weights -----------------------------------------------------------------------------------------------------
def test_weights_of_elements(device):
    x, y, w = (cltorch.tensor(draw("real", i), dtype=cltorch.float32, device=device) for i in range(3))
    a, b, v = (draw("real", i) for i in range(3))
    for f, each in ((F.mse_loss, (a - b) ** 2), (F.l1_loss, abs(a - b))):
        assert f(x, y, weight=w, reduction="sum").item() == pytest.approx((v * each).sum(), rel=1e-4)
        assert f(x, y, weight=w).item() == pytest.approx((v * each).sum() / v.sum(), rel=1e-4)
        with pytest.raises(ValueError, match="Weights and input must have the same size."):
            f(x, y, weight=w[0])
    huber = special.huber(1.0, a - b)
    assert F.huber_loss(x, y, weight=w).item() == pytest.approx((v * huber).mean(), rel=1e-4)


def test_weights_of_binary_cross_entropy(device):
    x, y, w = draw("real", 0), draw("probability", 1), draw("positive", 2)[0]
    each = -w * y * special.log_expit(x) - (1 - y) * special.log_expit(-x)
    t = [cltorch.tensor(a, dtype=cltorch.float32, device=device) for a in (x, y, w)]
    found = F.binary_cross_entropy_with_logits(t[0], t[1], pos_weight=t[2], reduction="none")
    np.testing.assert_allclose(found.cpu().numpy(), each, rtol=1e-5)
    found = F.binary_cross_entropy_with_logits(t[0], t[1], t[2], pos_weight=t[2])
    assert found.item() == pytest.approx((w * each).mean(), rel=1e-5)
    p = special.expit(x)
    found = F.binary_cross_entropy(cltorch.sigmoid(t[0]), t[1], t[2], reduction="sum")
    assert found.item() == pytest.approx((-w * (y * np.log(p) + (1 - y) * np.log(1 - p))).sum(), rel=1e-4)


def test_positive_weights_have_gradients(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x, y, w = (
        cltorch.tensor(draw(k, i), dtype=cltorch.float64, device=device).requires_grad_()
        for i, k in enumerate(("real", "probability", "positive"))
    )
    assert cltorch.autograd.gradcheck(
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w, reduction="none"), [x, y, w]
    )


def test_weights_of_classes(device):
    x, t, w = draw("real", 0), draw("class", 1), np.array([0.5, 1.0, 2.0, 0.0])
    logp = special.log_softmax(x, 1)
    each = -w[t] * np.take_along_axis(logp, t[:, None], 1)[:, 0]
    xs, ws = (cltorch.tensor(a, dtype=cltorch.float32, device=device) for a in (x, w))
    ts = cltorch.tensor(t, device=device)
    assert F.cross_entropy(xs, ts, ws).item() == pytest.approx(each.sum() / w[t].sum(), rel=1e-5)
    assert F.nll_loss(cltorch.log_softmax(xs, 1), ts, ws, reduction="sum").item() == pytest.approx(each.sum(), rel=1e-5)
    margin = _margin(x, t, 1, 1.0) * w[t]
    assert F.multi_margin_loss(xs, ts, weight=ws, reduction="sum").item() == pytest.approx(margin.sum(), rel=1e-5)
    kept = t != 2
    assert F.cross_entropy(xs, ts, ignore_index=2).item() == pytest.approx(
        -np.take_along_axis(logp, t[:, None], 1)[kept, 0].mean(), rel=1e-5
    )


# ---- extremes ----------------------------------------------------------------------------------------------------
def test_gradients_pass_where_a_margin_is_just_kept(device):
    """The bound of 0 belongs to the side that has a slope, as in clamp and unlike in relu."""

    def t(*values):
        return cltorch.tensor(values, device=device, requires_grad=True)

    one = cltorch.ones(2, device=device)
    x, y = t(1.0, 2.0), t(1.0, 1.5)
    F.margin_ranking_loss(x, y, one, reduction="sum").backward()
    assert x.grad.tolist() == [-1, 0] and y.grad.tolist() == [1, 0]
    x = t(1.0, 1.5)
    F.hinge_embedding_loss(x, -one, margin=1.0, reduction="sum").backward()
    assert x.grad.tolist() == [-1, 0]
    x = t([1.0, 0.0])
    F.cosine_embedding_loss(x, t([0.0, 2.0]), -one[:1]).backward()
    np.testing.assert_allclose(x.grad.tolist(), [[0, 1]], atol=1e-6)
    x = t([0.0, 1.0])
    F.triplet_margin_loss(x, t([0.0, 0.0]), t([0.0, -1.0]), margin=1.0, eps=0.0).backward()
    assert x.grad.tolist() == [[0, 0]]  # 1 - 2 + 1: both distances grow alike
    (g,) = cltorch.autograd.grad(
        F.triplet_margin_with_distance_loss(x, 0 * x, x - 1, distance_function=lambda a, b: (a - b).sum(-1)), x
    )
    assert g.shape == x.shape


@pytest.mark.parametrize("call", [
    lambda lib, w: lib.nn.functional.nll_loss(lib.zeros(2, 3), lib.tensor([0, 2]), w),
    lambda lib, w: lib.nn.functional.cross_entropy(lib.zeros(2, 3), lib.tensor([0, 2]), w),
    lambda lib, w: lib.nn.functional.batch_norm(lib.zeros(2, 3), w, lib.ones(3)),
])  # fmt: skip
def test_what_has_no_gradient_may_not_ask_for_one(call, lib):
    w = lib.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="is not differentiable with respect to argument '(weight|running_mean)'"):
        call(lib, w)
    with lib.no_grad():
        call(lib, w)


def test_losses_stay_finite_at_the_extremes(device):
    def t(*values):
        return cltorch.tensor(values, device=device, requires_grad=True)

    x = t(0.0, 1.0, 0.0, 1.0)
    out = F.binary_cross_entropy(x, cltorch.tensor([0.0, 1.0, 1.0, 0.0], device=device), reduction="none")
    assert out.tolist() == [0.0, 0.0, 100.0, 100.0]
    out.sum().backward()
    assert all(math.isfinite(v) for v in x.grad.tolist())
    x = t(-200.0, 200.0)
    out = F.binary_cross_entropy_with_logits(x, cltorch.tensor([1.0, 0.0], device=device), reduction="none")
    assert out.tolist() == [200.0, 200.0]
    assert F.kl_div(t(-1.0), cltorch.zeros(1, device=device), reduction="sum").item() == 0
    assert F.soft_margin_loss(t(-200.0), cltorch.ones(1, device=device)).item() == 200.0


@pytest.mark.parametrize("dtype", [cltorch.float16, cltorch.bfloat16])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "cross_entropy"])
def test_halves_keep_their_dtype(name, dtype, device):
    kinds = ("real", "distribution") if name == "cross_entropy" else ("real", "real")
    x, y = (t.to(dtype) for t in _tensors(cltorch, kinds, cltorch.float32, device=device))
    out = getattr(F, name)(x, y)
    assert out.dtype is dtype
    assert out.item() == pytest.approx(getattr(F, name)(x.float(), y.float()).item(), rel=1e-2)


def test_kl_div_divides_by_the_batch(device):
    x, y = _tensors(cltorch, ("log", "distribution"), cltorch.float32, device=device)
    total = F.kl_div(x, y, reduction="sum").item()
    assert F.kl_div(x, y, reduction="batchmean").item() == pytest.approx(total / 3, rel=1e-6)


# ---- warnings and errors -----------------------------------------------------------------------------------------
OLD = sorted({case[0] for case in LOSSES} - {"huber_loss", "gaussian_nll_loss", "triplet_margin_with_distance_loss"})


@pytest.mark.parametrize("name", OLD)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
def test_the_old_arguments_mean_a_reduction_and_warn(name, lib):
    kinds, f = next(c[1] for c in LOSSES if c[0] == name), getattr(lib.nn.functional, name)
    tensors = _tensors(lib, kinds, lib.float32)
    for old, new in (({"size_average": False}, "sum"), ({"reduce": False}, "none"), ({"size_average": True}, "mean")):
        with pytest.warns(UserWarning, match=f"will be deprecated, please use reduction='{new}' instead"):
            found = f(*tensors, **old)
        assert found.tolist() == f(*tensors, reduction=new).tolist()


def test_the_old_arguments_of_modules_warn(lib):
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert lib.nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="please use reduction='none' instead"):
        assert lib.nn.CrossEntropyLoss(reduce=False).reduction == "none"


@pytest.mark.parametrize("case", LOSSES, ids=_id)
def test_an_unknown_reduction_is_refused(case, lib):
    name, kinds, kw, _ = case
    with pytest.raises(ValueError, match="what is not .*valid"):
        getattr(lib.nn.functional, name)(*_tensors(lib, kinds, lib.float32), **kw, reduction="what")


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_sizes_that_only_broadcast_are_warned_of(name, lib):
    with pytest.warns(UserWarning, match=r"Using a target size \(torch.Size\(\[4\]\)\) that is different"):
        getattr(lib.nn.functional, name)(lib.ones(5, 4), lib.ones(4))


WRONG = [
    (lambda f, o: f.binary_cross_entropy(o(2) / 2, o(3)), ValueError, "Using a target size .* is deprecated"),
    (lambda f, o: f.binary_cross_entropy(o(2) * 2, o(2)), RuntimeError, "all elements of input should be between 0"),
    (lambda f, o: f.binary_cross_entropy(o(2), o(2).double()), RuntimeError, "Found dtype Double but expected Float"),
    (lambda f, o: f.binary_cross_entropy_with_logits(o(2), o(3)), ValueError, "Target size .* must be the same as"),
    (lambda f, o: f.smooth_l1_loss(o(2), o(2), beta=-1), RuntimeError, "does not support negative values for beta"),
    (lambda f, o: f.huber_loss(o(2), o(2), delta=0), RuntimeError, "does not support non-positive values for delta"),
    (lambda f, o: f.mse_loss(o(2).long(), o(2).long()), NotImplementedError, "not implemented for 'Long'"),
    (lambda f, o: f.kl_div(o(2).long(), o(2), reduction="sum"), RuntimeError, "Integral inputs not supported"),
    (lambda f, o: f.gaussian_nll_loss(o(2), o(2), -o(2)), ValueError, "var has negative entry/entries"),
    (lambda f, o: f.gaussian_nll_loss(o(2), o(2), -1.0), ValueError, "var has negative entry/entries"),
    (lambda f, o: f.gaussian_nll_loss(o(2, 3), o(2, 3), o(5)), ValueError, "var is of incorrect size"),
    (lambda f, o: f.margin_ranking_loss(o(2, 3), o(2, 3), o(3)), RuntimeError, "should have same dimension"),
    (lambda f, o: f.cosine_embedding_loss(o(2, 3), o(2, 3), o(2, 3)), RuntimeError, "0D or 1D target tensor expected"),
    (lambda f, o: f.cosine_embedding_loss(o(3), o(3), o(2)), RuntimeError, "1D target tensor expects 2D input tensors"),
    (lambda f, o: f.triplet_margin_loss(o(2, 3), o(2, 3), o(3)), RuntimeError, "expected to have the same number of"),
    (lambda f, o: f.triplet_margin_loss(o(3), o(3), o(3), margin=0), ValueError, "margin must be greater than 0"),
    (lambda f, o: f.multi_margin_loss(o(2, 3), o(2).long(), p=3), ValueError, "only p == 1 and p == 2 supported"),
    (lambda f, o: f.multi_margin_loss(o(2, 3), o(2).long(), weight=o(2, 3)), ValueError, "weight must be one-dimens"),
    (lambda f, o: f.multilabel_margin_loss(o(2, 3), o(2, 3), reduction="abc"), ValueError, "abc is not a valid value"),
    (lambda f, o: f.nll_loss(o(2, 3), o(3).long()), ValueError, "Expected input batch_size"),
    (lambda f, o: f.cross_entropy(o(2, 3), o(2).long(), label_smoothing=2), RuntimeError, "label_smoothing must be"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_wrong_arguments_are_refused_with_pytorchs_messages(call, error, message, lib):
    with pytest.raises(error, match=message):
        call(lib.nn.functional, lib.ones)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda n, o: n.TripletMarginLoss(margin=0), ValueError, "TripletMarginLoss: expected margin to be greater"),
        (lambda n, o: n.TripletMarginWithDistanceLoss(margin=0), ValueError, "expected margin to be greater than 0"),
        (lambda n, o: n.MultiMarginLoss(p=3), ValueError, "only p == 1 and p == 2 supported"),
    ],
)
def test_wrong_modules_are_refused(make, error, message, lib):
    with pytest.raises(error, match=message):
        make(lib.nn, lib.ones)


# ---- modules -----------------------------------------------------------------------------------------------------
def test_no_label_is_smoothed_by_less_than_nothing(lib):
    scores, kinds = lib.tensor([[1.0, 2.0], [0.0, -1.0]]), lib.tensor([0, 1])
    f = lib.nn.functional.cross_entropy
    for target in (kinds, lib.tensor([[0.25, 0.75], [1.0, 0.0]])):
        assert f(scores, target, label_smoothing=-0.1).item() == f(scores, target).item()


def test_modules_call_their_functions(device):
    x, y = _tensors(cltorch, ("real", "real"), cltorch.float32, device=device)
    p, t = cltorch.sigmoid(y), cltorch.tensor(draw("class", 1), device=device)
    s, line = cltorch.sign(y), cltorch.tensor(draw("line", 2), device=device)
    w = cltorch.rand(4, device=device)
    logp = cltorch.log_softmax(x, 1)
    for module, args, expected in [
        (nn.L1Loss(), (x, y), F.l1_loss(x, y)),
        (nn.MSELoss(reduction="none"), (x, y), F.mse_loss(x, y, reduction="none")),
        (nn.SmoothL1Loss(beta=0.3), (x, y), F.smooth_l1_loss(x, y, beta=0.3)),
        (nn.HuberLoss("sum", 0.3), (x, y), F.huber_loss(x, y, "sum", 0.3)),
        (nn.BCELoss(w), (p, p), F.binary_cross_entropy(p, p, w)),
        (nn.BCEWithLogitsLoss(w, pos_weight=w), (x, p), F.binary_cross_entropy_with_logits(x, p, w, pos_weight=w)),
        (nn.KLDivLoss(reduction="sum", log_target=True), (x, y), F.kl_div(x, y, reduction="sum", log_target=True)),
        (nn.NLLLoss(w, ignore_index=1), (logp, t), F.nll_loss(logp, t, w, ignore_index=1)),
        (nn.CrossEntropyLoss(w, label_smoothing=0.1), (x, t), F.cross_entropy(x, t, w, label_smoothing=0.1)),
        (nn.PoissonNLLLoss(full=True), (x, p), F.poisson_nll_loss(x, p, full=True)),
        (nn.GaussianNLLLoss(full=True), (x, y, p), F.gaussian_nll_loss(x, y, p, full=True)),
        (nn.HingeEmbeddingLoss(0.5), (x, s), F.hinge_embedding_loss(x, s, 0.5)),
        (nn.MarginRankingLoss(0.5), (x, y, s), F.margin_ranking_loss(x, y, s, 0.5)),
        (nn.SoftMarginLoss(), (x, s), F.soft_margin_loss(x, s)),
        (nn.CosineEmbeddingLoss(0.1), (x, y, line), F.cosine_embedding_loss(x, y, line, 0.1)),
        (nn.MultiLabelSoftMarginLoss(w), (x, p), F.multilabel_soft_margin_loss(x, p, w)),
        (nn.MultiMarginLoss(2, 0.5, w), (x, t), F.multi_margin_loss(x, t, 2, 0.5, w)),
        (nn.TripletMarginLoss(swap=True), (x, y, p), F.triplet_margin_loss(x, y, p, swap=True)),
        (nn.TripletMarginWithDistanceLoss(distance_function=cltorch.dist, margin=2.0), (x, y, p),
         F.triplet_margin_with_distance_loss(x, y, p, distance_function=cltorch.dist, margin=2.0)),
    ]:  # fmt: skip
        assert module(*args).tolist() == expected.tolist(), module


def test_the_mean_over_nothing_is_nan(device):
    for shape in ((2, 0), (0, 3)):
        x = cltorch.zeros(shape, device=device, requires_grad=True)
        assert math.isnan(F.cross_entropy(x, cltorch.zeros(shape, device=device)).item())
        assert F.cross_entropy(x, cltorch.zeros(shape, device=device), reduction="sum").item() == 0


def test_the_variance_of_a_normal_likelihood_may_become_a_batch(lib):
    x, y, v = (lib.tensor(a) for a in ([1.0, 2.0], [0.0, 1.0], [0.5, 2.0]))
    found = lib.func.hessian(lambda v: lib.nn.functional.gaussian_nll_loss(x, y, v))(v)
    assert found.tolist() == [[3, 0], [0, 0]]  # (2 (x - y)² / v³ - 1 / v²) / 4
