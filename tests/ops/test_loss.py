"""Negative log-likelihood and cross entropy: kernels against a plain definition, functions against PyTorch."""

import math

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.device import debug
from cltorch.ops import loss

VARIANTS = ("cpu", "gpu")
F = cltorch.nn.functional


def numbers(x):
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) in ("torch.bfloat16", "torch.float16") else x).numpy()


def definition(logp, target, weight, ignore, reduction, smooth):
    """Return the loss and its gradient with respect to the scores, line by line, in float64."""
    logp = logp.astype(np.float64)
    n, classes = logp.shape[:2]
    rows = np.moveaxis(logp.reshape(n, classes, -1), 1, 2).reshape(-1, classes)
    w = np.ones(classes) if weight is None else weight.astype(np.float64)
    losses, grads, heavy = [], [], []
    for row, t in zip(rows, target.reshape(-1), strict=True):
        if t == ignore:
            losses.append(0.0)
            grads.append(np.zeros(classes))
            heavy.append(0.0)
            continue
        q = w * smooth / classes
        q[t] += (1 - smooth) * w[t]
        losses.append(-(q * row).sum())
        grads.append(np.exp(row) * q.sum() - q)
        heavy.append(w[t])
    losses, grads, heavy = np.array(losses), np.array(grads), np.array(heavy)
    with np.errstate(invalid="ignore"):
        if reduction == "mean":
            total, grads = losses.sum() / heavy.sum(), grads / heavy.sum()
        else:
            total = losses.sum() if reduction == "sum" else losses.reshape(target.shape)
    grads = np.moveaxis(grads.reshape(n, -1, classes), 2, 1).reshape(logp.shape)
    return total, grads


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_kernels_follow_the_definition(reduction, variant, cl_device):
    rng = np.random.default_rng(0)
    cases = [((9, 50), w, s) for w in (False, True) for s in (0.0, 0.1)]
    cases += [(s, True, 0.1) for s in ((40, 7), (3, 5, 37), (2, 4, 3, 5))] + [((3, 5, 37), False, 0.0)]
    for shape, weighted, smooth in cases:
        x = rng.standard_normal(shape)
        logp = (x - np.log(np.exp(x).sum(1, keepdims=True))).astype(np.float32)
        target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
        target.reshape(-1)[::3] = 1
        weight = (0.5 + rng.random(shape[1])).astype(np.float32) if weighted else None
        p, t = cltorch.tensor(logp, device=cl_device), cltorch.tensor(target, device=cl_device)
        w = None if weight is None else cltorch.tensor(weight, device=cl_device)
        total, grads = definition(logp, target, weight, 1, reduction, smooth)
        out, weights = loss.forward(p, t, w, 1, reduction, smooth, variant)
        np.testing.assert_allclose(numbers(out), total, rtol=1e-5, atol=1e-6)
        g = cltorch.ones(tuple(out.shape), device=cl_device)
        got = loss.backward(g, p, t, w, weights, 1, reduction, smooth, True, variant)
        np.testing.assert_allclose(numbers(got), grads, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_many_lines(variant, cl_device):
    rng = np.random.default_rng(1)
    logp = np.log(rng.random((30_000, 3)).astype(np.float32))
    target = rng.integers(0, 3, 30_000)
    total, _ = definition(logp, target, None, -100, "mean", 0.0)
    p, t = cltorch.tensor(logp, device=cl_device), cltorch.tensor(target, device=cl_device)
    out, weights = loss.forward(p, t, None, -100, "mean", 0.0, variant)
    np.testing.assert_allclose(numbers(out), total, rtol=1e-5)
    assert weights[0].item() == 30_000


@pytest.mark.parametrize("variant", VARIANTS)
def test_half_precision(variant, cl_device):
    rng = np.random.default_rng(2)
    target = rng.integers(0, 6, (20, 9))
    for t, tolerance in ((dtypes.float16, 4e-3),) if variant == "cpu" else ((dtypes.bfloat16, 3e-2),):
        p = cltorch.log_softmax(cltorch.randn(20, 6, 9, device=cl_device), 1).to(t)
        total, grads = definition(numbers(p), target, None, -100, "mean", 0.1)
        at = cltorch.tensor(target, device=cl_device)
        out, weights = loss.forward(p, at, None, -100, "mean", 0.1, variant)
        np.testing.assert_allclose(numbers(out), total, rtol=tolerance)
        one = cltorch.ones((), dtype=t, device=cl_device)
        got = loss.backward(one, p, at, None, weights, -100, "mean", 0.1, True, variant)
        np.testing.assert_allclose(numbers(got), grads, rtol=tolerance, atol=tolerance / 50)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_class_out_of_range_gives_nan_and_reads_nothing(variant, cl_device):
    for shape in ((4, 3), (4, 3, 5)):
        p = cltorch.log_softmax(cltorch.randn(*shape, device=cl_device), 1)
        target = np.zeros((4, *shape[2:]), np.int64)
        target[1] = 3
        target[2] = -7
        t = cltorch.tensor(target, device=cl_device)
        for smooth in (0.0, 0.1):
            each, weights = loss.forward(p, t, None, -100, "none", smooth, variant)
            bad = np.isnan(numbers(each)).reshape(4, -1)
            assert bad[[1, 2]].all() and not bad[[0, 3]].any()
            g = cltorch.ones(tuple(each.shape), device=cl_device)
            grads = numbers(loss.backward(g, p, t, None, weights, -100, "none", smooth, True, variant)).reshape(4, -1)
            assert np.isnan(grads[[1, 2]]).all() and not np.isnan(grads[[0, 3]]).any()
            total, _ = loss.forward(p, t, None, -100, "mean", smooth, variant)
            assert math.isnan(total.item())


def test_a_class_out_of_range_raises_on_the_host():
    x = cltorch.zeros(2, 3)
    for f in (F.cross_entropy, F.nll_loss):
        for wrong in (3, -1):
            with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
                f(x, cltorch.tensor([0, wrong]))


# x (4, 3), t (4) with one -100, y (2, 3, 5), r (2, 5), v (3), w (3) weights, q and Q class probabilities of x and y
RESULTS = """
F.cross_entropy(x, t)
F.cross_entropy(x, t, reduction="sum")
F.cross_entropy(x, t, reduction="none")
F.cross_entropy(x, t, w)
F.cross_entropy(x, t, w, reduction="none")
F.cross_entropy(x, t.abs() % 3, ignore_index=1)
F.cross_entropy(x, t.abs() % 3, w, ignore_index=1, reduction="sum")
F.cross_entropy(x, t, label_smoothing=0.2)
F.cross_entropy(x, t, w, label_smoothing=0.2)
F.cross_entropy(x, t, w, label_smoothing=0.2, reduction="none")
F.cross_entropy(x, t, label_smoothing=1.0)
F.cross_entropy(x, t * 0 - 100)
F.cross_entropy(x, t * 0 - 100, reduction="sum")
F.cross_entropy(y, r)
F.cross_entropy(y, r, w, label_smoothing=0.1)
F.cross_entropy(y, r, w, label_smoothing=0.1, reduction="none")
F.cross_entropy(y.reshape(2, 3, 5, 1), r.reshape(2, 5, 1), reduction="none")
F.cross_entropy(v, r[0, 0])
F.cross_entropy(v, r[0, 0], w, reduction="none")
F.cross_entropy(x[:0], t[:0])
F.cross_entropy(x[:0], t[:0], reduction="sum")
F.cross_entropy(x[:0], t[:0], reduction="none")
F.cross_entropy(x, q)
F.cross_entropy(x, q, w)
F.cross_entropy(x, q, w, label_smoothing=0.3, reduction="sum")
F.cross_entropy(y, Q, reduction="none")
F.cross_entropy(y, Q, w)
F.cross_entropy(v, q[0])
F.cross_entropy(x * 1000, t)
F.cross_entropy(x.half(), t)
F.cross_entropy(x.bfloat16(), t, label_smoothing=0.1)
F.cross_entropy(x, (t.abs() % 3).to(torch.uint8))
F.cross_entropy(x.t().contiguous().t(), t)
F.cross_entropy(y.permute(0, 1, 2)[:, :, ::2], r[:, ::2])
F.nll_loss(x, t)
F.nll_loss(x, t, w, reduction="sum")
F.nll_loss(x, t, w, reduction="none")
F.nll_loss(y, r, ignore_index=0)
F.nll_loss(v, r[0, 0])
torch.nn.CrossEntropyLoss(label_smoothing=0.1)(x, t)
torch.nn.NLLLoss(reduction="sum")(x, t)
""".strip().splitlines()

ERRORS = """
F.cross_entropy(x, t[:2])
F.cross_entropy(x, t, w[:2])
F.cross_entropy(x, t.float())
F.cross_entropy(x, t.int())
F.cross_entropy(x, t, reduction="foo")
F.cross_entropy(x, t, label_smoothing=2.0)
F.cross_entropy(y, t)
F.cross_entropy(y, r[:, :2])
F.cross_entropy(v, t)
F.cross_entropy(x, q[:, :2])
F.nll_loss(x, t[:2])
F.nll_loss(x, t, w.double())
F.nll_loss(x, q)
F.nll_loss(x, r)
F.nll_loss(v, r)
F.nll_loss(x.sum(), t)
""".strip().splitlines()


def scope(module, device="cpu"):
    rng = np.random.default_rng(3)
    q, big = rng.random((4, 3)), rng.random((2, 3, 5))
    arrays = {
        "x": rng.standard_normal((4, 3)), "y": rng.standard_normal((2, 3, 5)), "v": rng.standard_normal(3),
        "w": 0.5 + rng.random(3), "q": q / q.sum(1, keepdims=True), "Q": big / big.sum(1, keepdims=True),
    }  # fmt: skip
    names = {k: module.tensor(a.astype(np.float32)) for k, a in arrays.items()}
    names["t"] = module.tensor([0, 2, -100, 1])
    names["r"] = module.tensor(rng.integers(0, 3, (2, 5)))
    if module is cltorch:
        names = {k: x.to(device) for k, x in names.items()}
    for k in "xyv":
        names[k].requires_grad_(True)
    return {"torch": module, "F": module.nn.functional, **names}


@pytest.mark.parametrize("text", RESULTS)
def test_result_and_gradient_are_torchs(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    found = []
    for module, names in ((cltorch, scope(cltorch, device)), (torch, scope(torch))):
        out = eval(text, names)
        weights = module.arange(1, out.numel() + 1).reshape(out.shape).to(out.dtype).to(out.device)
        (out * weights).sum().backward()
        found.append((out, [names[k].grad for k in "xyv"]))
    (ours, our_grads), (theirs, their_grads) = found
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    tolerance = {"torch.float16": 5e-3, "torch.bfloat16": 3e-2}.get(str(theirs.dtype), 1e-5)
    np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=tolerance, atol=tolerance)
    for a, b in zip(our_grads, their_grads, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(numbers(a), numbers(b), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    with pytest.raises(Exception) as ours:
        eval(text, scope(cltorch))
    assert isinstance(ours.value, (RuntimeError, TypeError, ValueError, IndexError)) and str(ours.value)
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        eval(text, scope(torch))
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


def test_integer_scores_are_refused(device):
    scores, target = cltorch.zeros(4, 3, dtype=cltorch.int32, device=device), cltorch.zeros(4).long().to(device)
    with pytest.raises(NotImplementedError, match="\"log_softmax_lastdim_kernel_impl\" not implemented for 'Int'"):
        cltorch.nn.functional.cross_entropy(scores, target)
    with pytest.raises(NotImplementedError, match="\"softmax_kernel_impl\" not implemented for 'Int'"):
        scores.softmax(0)
    with pytest.raises(NotImplementedError, match="\"nll_loss_out_frame\" not implemented for 'Int'"):
        cltorch.nn.functional.nll_loss(scores, target)


def test_gradients_of_first_and_second_order(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    rng = np.random.default_rng(4)
    x = cltorch.tensor(rng.standard_normal((3, 4)), device=device, requires_grad=True)
    y = cltorch.tensor(rng.standard_normal((2, 3, 2)), device=device, requires_grad=True)
    w = cltorch.tensor(rng.random(4), device=device)
    t, r = cltorch.tensor([0, 3, 1], device=device), cltorch.tensor([[0, 2], [1, 1]], device=device)
    q = cltorch.softmax(x.detach() + 1, 1).requires_grad_()
    for f, args in (
        (lambda a: F.cross_entropy(a, t, w), (x,)),
        (lambda a: F.cross_entropy(a, t, w, ignore_index=3, label_smoothing=0.1), (x,)),
        (lambda a: F.cross_entropy(a, r, reduction="none"), (y,)),
        (lambda a: F.cross_entropy(a, t, reduction="sum", label_smoothing=0.2), (x,)),
        (lambda a, b: F.cross_entropy(a, b, w, label_smoothing=0.2), (x, q)),
        (lambda a: F.nll_loss(a, t, w), (x,)),
    ):
        gradcheck(f, args)
        if device == "cpu":  # they are made of the same functions on every device
            gradgradcheck(f, args)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_rows_of_scores_follow_the_definition(reduction, device):
    """Rows shorter than a vector, of whole vectors and with a rest, large scores, and rows that are left out."""
    rng = np.random.default_rng(5)
    for classes, weighted, smooth in (
        (7, True, 0.1),
        (32, True, 0.1),
        (50, True, 0.1),
        (50, False, 0.0),
        (1, False, 0.0),
    ):
        scores = (rng.standard_normal((37, classes)) * 30).astype(np.float32)
        wide = scores.astype(np.float64)
        logp = wide - wide.max(1, keepdims=True)
        logp -= np.log(np.exp(logp).sum(1, keepdims=True))
        target = rng.integers(0, classes, 37)
        target[::3] = -100
        weight = (0.5 + rng.random(classes)).astype(np.float32) if weighted else None
        total, grads = definition(logp, target, weight, -100, reduction, smooth)
        whole = cltorch.tensor(np.concatenate([scores, scores]), device=device, requires_grad=True)
        x = whole[37:]  # an offset within a buffer
        w = None if weight is None else cltorch.tensor(weight, device=device)
        t = cltorch.tensor(target, device=device)
        out = F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=smooth)
        np.testing.assert_allclose(numbers(out), total, rtol=1e-5, atol=1e-5)
        out.sum().backward()
        np.testing.assert_allclose(numbers(whole.grad)[37:], grads, rtol=1e-4, atol=1e-6)
        assert (numbers(whole.grad)[:37] == 0).all()


def test_the_sum_of_the_weights_is_still_there_when_a_gradient_is_copied(device):
    rng = np.random.default_rng(6)
    scores, target = rng.standard_normal((4, 7)).astype(np.float32), rng.integers(0, 7, 4)
    weight = (1 + rng.random(7)).astype(np.float32)
    wide = scores.astype(np.float64)
    logp = wide - np.log(np.exp(wide).sum(1, keepdims=True))
    _, grads = definition(logp, target, weight, -100, "none", 0.5)
    x = cltorch.tensor(scores, device=device, requires_grad=True)
    t, w = cltorch.tensor(target, device=device), cltorch.tensor(weight, device=device)
    out = F.cross_entropy(x, t, w, reduction="none", label_smoothing=0.5)
    apart = cltorch.full((6,), 100.0, device=device)[2:]  # begins within a buffer, so that the kernel wants a copy
    (found,) = cltorch.autograd.grad(out, x, apart)
    np.testing.assert_allclose(numbers(found), 100 * grads, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(debug.wanted(), reason="CLTORCH_DEBUG raises at the launch already")
def test_a_row_with_a_class_out_of_range_has_no_number(cl_device):
    x = cltorch.randn(5, 20, device=cl_device, requires_grad=True)
    t = cltorch.tensor([0, 20, 19, -3, -100], device=cl_device)
    out = F.cross_entropy(x, t, reduction="none")
    (grad,) = cltorch.autograd.grad(out.sum(), x)
    with pytest.raises(IndexError, match="Target 20 is out of bounds|cross_entropy"):
        cltorch.cl.synchronize()
    wrong = [False, True, False, True, False]
    assert np.isnan(numbers(out)).tolist() == wrong
    assert np.isnan(numbers(grad)).all(1).tolist() == wrong and np.isnan(numbers(grad)).any(1).tolist() == wrong


def test_scores_that_are_infinite_give_what_torch_gives(device):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    rows = np.random.default_rng(6).standard_normal((4, 18)).astype(np.float32)
    rows[0, 3], rows[1], rows[2, 17], rows[3, 4] = -math.inf, -math.inf, math.inf, math.nan
    found = []
    for module, where in ((cltorch, device), (torch, "cpu")):
        x = module.tensor(rows, device=where, requires_grad=True)
        out = module.nn.functional.cross_entropy(x, module.tensor([1, 2, 3, 4], device=where), reduction="none")
        out.sum().backward()
        found.append((numbers(out), numbers(x.grad)))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_scaled_loss_scales_the_gradient(device):
    x = cltorch.randn(5, 3, device=device, requires_grad=True)
    t = cltorch.tensor([0, 1, 2, 0, 1], device=device)
    (one,) = cltorch.autograd.grad(F.cross_entropy(x, t), x)
    (many,) = cltorch.autograd.grad(F.cross_entropy(x, t) * 1024, x)
    np.testing.assert_allclose(numbers(many), numbers(one) * 1024, rtol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_lines_that_are_left_out_may_hold_anything(device, reduction):
    x = cltorch.tensor(
        [[1.0, 2, 3], [math.inf, 1, 2], [math.nan, 1, 2], [-math.inf] * 3], device=device, requires_grad=True
    )
    t = cltorch.tensor([0, -100, -100, -100], device=device)
    loss = F.cross_entropy(x, t, reduction=reduction)
    loss.sum().backward()
    first = x.detach()[:1]
    want = numbers(F.cross_entropy(first, t[:1], reduction=reduction)).reshape(-1)
    np.testing.assert_allclose(numbers(loss).reshape(-1), [*want, 0, 0, 0] if reduction == "none" else want, rtol=1e-6)
    assert np.isfinite(numbers(x.grad)[0]).all()
    np.testing.assert_allclose(numbers(F.nll_loss(x.detach(), t, reduction="sum")), -1.0)
