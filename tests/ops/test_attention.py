"""Attention: both kinds of kernel against NumPy, the function against PyTorch, gradients of both orders."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.autograd.record import apply
from cltorch.nn.attention import SDPBackend, sdpa_kernel
from cltorch.nn.functional import scaled_dot_product_attention as attention
from cltorch.ops import attention_plan
from cltorch.ops.attention import Attention, keep_mask
from cltorch.ops.attention_plan import block_for

VARIANTS = ("cpu", "gpu")


def numbers(x):
    return x.detach().cpu().double().numpy()


def softmax(s):
    top = s.max(-1, keepdims=True)
    e = np.exp(s - np.where(np.isneginf(top), 0, top))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def reference(q, k, v, g, mask=None, causal=False, factor=1.0):
    """Return result and gradients in float64, with whole matrices."""
    q, k, v, g = (x.astype(np.float64) for x in (q, k, v, g))
    group = q.shape[-3] // k.shape[-3]
    kk, vv = np.repeat(k, group, -3), np.repeat(v, group, -3)
    scale = q.shape[-1] ** -0.5
    s = q @ np.swapaxes(kk, -1, -2) * scale
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    if causal:
        s = np.where(np.tril(np.ones(s.shape[-2:])) > 0, s, -np.inf)
    y = softmax(s)
    out = (y * factor) @ vv
    gy = g @ np.swapaxes(vv, -1, -2) * factor
    gs = y * (gy - (gy * y).sum(-1, keepdims=True)) * scale
    gk, gv = np.swapaxes(gs, -1, -2) @ q, np.swapaxes(y * factor, -1, -2) @ g
    shared = (*k.shape[:-2], group)
    gk, gv = (x.reshape(*shared, *x.shape[-2:]).sum(-3) for x in (gk, gv))
    return out, gs @ kk, gk, gv


def draw(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def run(device, arrays, g, mask=None, causal=False, drop=None, variant="", dtype=None):
    dtype = dtype or cltorch.float32
    q, k, v = (cltorch.tensor(a, device=device).to(dtype).requires_grad_() for a in arrays)
    m = None if mask is None else cltorch.tensor(mask, device=device)
    out = apply(Attention, q, k, v, m, causal, q.shape[-1] ** -0.5, drop, variant)
    grads = cltorch.autograd.grad(out, (q, k, v), cltorch.tensor(g, device=device).to(dtype))
    return [numbers(x) for x in (out, *grads)]


def check(got, expected, tolerance=2e-5):
    for name, a, b in zip(("result", "query", "key", "value")[: len(got)], got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_results_and_gradients_of_every_size(variant, cl_device):
    rng = np.random.default_rng(0)
    sizes = [(1, 1, 1, 1, 1, 1, 1), (2, 4, 2, 70, 90, 24, 17), (1, 2, 2, 64, 128, 32, 32), (3, 3, 1, 5, 200, 8, 30),
             (1, 6, 2, 130, 33, 31, 16)]  # fmt: skip
    for (b, h, hk, lq, lk, e, ev), causal in itertools.product(sizes, (False, True)):
        arrays = draw(rng, b, h, lq, e), draw(rng, b, hk, lk, e), draw(rng, b, hk, lk, ev)
        g = draw(rng, b, h, lq, ev)
        check(run(cl_device, arrays, g, None, causal, None, variant), reference(*arrays, g, None, causal))


@pytest.mark.parametrize("block", [32, 16])
def test_little_local_memory_is_given_smaller_blocks(block, cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    if "loops_end_early" in context.caps.quirks:
        pytest.skip("the device's compiler breaks a processor's kernels; it takes those of a GPU")
    room = (5 * 32 + 3 * block + 2) * block * 4
    monkeypatch.setattr(context, "caps", replace(context.caps, kind="cpu", local_mem=room))
    monkeypatch.setattr(context, "ready", type(context.ready)())
    assert block_for(context.caps, 32, 4) == block
    assert block_for(replace(context.caps, local_mem=room - 1), 32, 4) < block
    rng = np.random.default_rng(9)
    arrays = draw(rng, 1, 4, 40, 24), draw(rng, 1, 2, 37, 24), draw(rng, 1, 2, 37, 17)
    g, mask, at, factor = draw(rng, 1, 4, 40, 17), rng.random((1, 4, 40, 37)) < 0.8, (7, 3), 1 / (1 - 0.25)
    check(run(cl_device, arrays, g, mask), reference(*arrays, g, mask))
    kept = keep_mask((1, 4, 40), 37, 0.25, at, cltorch.device("cpu")).reshape(1, 4, 40, -1)[..., :37].numpy()
    check(run(cl_device, arrays, g, None, True, (at, 0.25)), reference(*arrays, g, None, True, kept * factor))
    kernels = [plan.kind for key, plan in context.ready.items() if key[0] == "attention"]
    assert kernels == ["cpu"] * len(kernels) and kernels


@pytest.mark.parametrize("variant", VARIANTS)
def test_masks_broadcast_and_lines_without_a_key_are_zero(variant, cl_device):
    rng = np.random.default_rng(1)
    b, h, lq, lk, e = 2, 3, 40, 70, 16
    arrays = draw(rng, b, h, lq, e), draw(rng, b, h, lk, e), draw(rng, b, h, lk, e)
    g = draw(rng, b, h, lq, e)
    for shape in ((lq, lk), (b, 1, 1, lk), (h, lq, 1), (b, h, lq, lk), ()):
        mask = rng.random(shape) > 0.3
        if shape == (lq, lk):
            mask[5] = False
        # with a dropout of nothing where a program less is to be compiled
        got = run(cl_device, arrays, g, mask, drop=((0, 0), 0.0) if variant == "gpu" else None, variant=variant)
        check(got, reference(*arrays, g, mask))
        if shape == (lq, lk):
            assert not got[0][:, :, 5].any() and not got[1][:, :, 5].any()
    if variant == "gpu":
        return
    added = draw(rng, b, 1, lq, lk)
    added[0, 0, 3, :9] = -np.inf
    check(run(cl_device, arrays, g, added, variant=variant), reference(*arrays, g, added))


def test_few_queries_of_many_keys(cl_device):
    rng = np.random.default_rng(12)
    b, h, hk, lk = 2, 4, 2, 150
    arrays = draw(rng, 1, 3, 2, 100), draw(rng, 1, 3, lk, 100), draw(rng, 1, 3, lk, 90)
    got = attention(*(cltorch.tensor(x, device=cl_device) for x in arrays))
    check([numbers(got)], reference(*arrays, numbers(got))[:1])
    for lq, e, ev, causal in ((1, 32, 32, False), (8, 32, 30, False), (7, 17, 25, True)):
        arrays = draw(rng, b, h, lq, e), draw(rng, b, hk, lk, e), draw(rng, b, hk, lk, ev)
        g = draw(rng, b, h, lq, ev)
        check(run(cl_device, arrays, g, None, causal), reference(*arrays, g, None, causal))
    allowed = rng.random((lq, lk)) > 0.3
    allowed[2] = False
    allowed[3, :70] = False  # the first block of keys, and more
    got = run(cl_device, arrays, g, allowed)
    check(got, reference(*arrays, g, allowed))
    assert not got[0][:, :, 2].any()
    # one above the greatest of a block of keys that was seen before
    added = draw(rng, b, 1, lq, lk)
    added[..., 100] += 50
    check(run(cl_device, arrays, g, added), reference(*arrays, g, added))
    keys = np.array(arrays[1])
    keys[0, 0, 149] = np.nan
    out = run(cl_device, (arrays[0], keys, arrays[2]), g)[0]
    assert np.isnan(out[0, :2]).all() and not np.isnan(out[0, 2:]).any() and not np.isnan(out[1]).any()


def test_few_queries_are_computed_without_empty_blocks(cl_device):
    context = cltorch.device(cl_device).resolve().context
    if attention_plan.variant_for(context, 16, 4) != "cpu":
        pytest.skip("a kernel of GPUs")
    rng = np.random.default_rng(13)
    q, k, v = (cltorch.tensor(draw(rng, 1, 2, n, 16), device=cl_device) for n in (2, 11, 11))
    for queries, few in ((q, True), (k, False)):
        plan = attention_plan.Problem(queries, k, v, None, False, 1.0, None, cltorch.float32).plan(False)
        assert (plan.run.name == "ct_attention_few") is few


@pytest.mark.parametrize("variant", VARIANTS)
def test_dropout_is_the_same_in_both_directions(variant, cl_device):
    rng = np.random.default_rng(2)
    b, h, lq, lk, e = 1, 2, 50, 67, 16
    arrays = draw(rng, b, h, lq, e), draw(rng, b, h, lk, e), draw(rng, b, h, lk, e)
    g = draw(rng, b, h, lq, e)
    at, p = (7, 3), 0.25
    kept = keep_mask((b, h, lq), lk, p, at, cltorch.device("cpu")).reshape(b, h, lq, -1)[..., :lk].numpy()
    assert 0.7 < kept.mean() < 0.8
    mask = rng.random((lq, lk)) > 0.1 if variant == "gpu" else draw(rng, lq, lk)
    got = run(cl_device, arrays, g, mask, False, (at, p), variant)
    check(got, reference(*arrays, g, mask, factor=kept / (1 - p)), 5e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_halves_are_stored_and_computed_in_float(variant, cl_device):
    rng = np.random.default_rng(3)
    arrays = [draw(rng, 1, 2, 40, 16) for _ in range(3)]
    g = draw(rng, 1, 2, 40, 16)
    for dtype, tolerance in ((cltorch.float16, 4e-3), (cltorch.bfloat16, 4e-2)):
        rounded = [numbers(cltorch.tensor(a).to(dtype)) for a in (*arrays, g)]
        check(run(cl_device, arrays, g, variant=variant, dtype=dtype), reference(*rounded), tolerance)


def test_transposed_operands_and_every_number_of_dimensions(device):
    rng = np.random.default_rng(4)
    x = draw(rng, 2, 20, 3, 3, 8)  # as one product makes queries, keys and values
    qkv = cltorch.tensor(x, device=device, requires_grad=True)
    q, k, v = (part.transpose(1, 2) for part in qkv.unbind(3))
    out = attention(q, k, v, is_causal=True)
    a = [np.ascontiguousarray(x[:, :, :, i].transpose(0, 2, 1, 3)) for i in range(3)]
    expected = reference(*a, np.ones_like(a[0]), None, True)
    np.testing.assert_allclose(numbers(out), expected[0], rtol=2e-5, atol=2e-5)
    (g,) = cltorch.autograd.grad(out.sum(), qkv)
    np.testing.assert_allclose(
        numbers(g), np.stack([e.transpose(0, 2, 1, 3) for e in expected[1:]], 3), rtol=2e-5, atol=2e-5
    )
    for shape in ((20, 8), (3, 20, 8), (2, 2, 3, 20, 8)):
        b = [draw(rng, *shape) for _ in range(3)]
        got = attention(*(cltorch.tensor(y, device=device) for y in b))
        lifted = [y if y.ndim > 2 else y[None] for y in b]
        np.testing.assert_allclose(numbers(got), reference(*lifted, lifted[0])[0].reshape(shape), rtol=2e-5, atol=2e-5)
    # keys and values of one batch for all
    got = attention(cltorch.tensor(a[0], device=device), *(cltorch.tensor(y[:1], device=device) for y in a[1:]))
    wide = [np.broadcast_to(y[:1], a[0].shape) for y in a[1:]]
    np.testing.assert_allclose(numbers(got), reference(a[0], *wide, a[0])[0], rtol=2e-5, atol=2e-5)


def test_wide_heads_and_nothing_to_attend_to(device):
    rng = np.random.default_rng(5)
    a = [draw(rng, 1, 4, 300) for _ in range(3)]
    got = attention(*(cltorch.tensor(x, device=device) for x in a))
    np.testing.assert_allclose(numbers(got), reference(*a, a[0])[0], rtol=2e-5, atol=2e-5)
    none = attention(*(cltorch.zeros(2, n, 8, device=device) for n in (3, 0, 0)))
    assert none.shape == (2, 3, 8) and not numbers(none).any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_wide_heads_with_masks_groups_and_dropout(variant, cl_device, monkeypatch):
    # a GPU's groups make 32 columns of the results each, as narrow heads do: two programs less to be compiled
    monkeypatch.setattr(attention_plan, "_FEW", 32)
    monkeypatch.setattr(attention_plan, "_COLUMNS", {})
    rng, at, p = np.random.default_rng(11), (7, 3), 0.25
    kept = keep_mask((1, 4, 40), 70, p, at, cltorch.device("cpu")).reshape(1, 4, 40, -1)[..., :70].numpy()
    for e, ev in ((300, 40), (40, 300)):
        arrays = draw(rng, 1, 4, 40, e), draw(rng, 1, 2, 70, e), draw(rng, 1, 2, 70, ev)
        g, mask = draw(rng, 1, 4, 40, ev), rng.random((4, 40, 70)) < 0.8
        for causal in (False, True):
            got = run(cl_device, arrays, g, mask, causal, (at, p), variant)
            check(got, reference(*arrays, g, mask, causal, kept / (1 - p)), 5e-5)


def test_wide_heads_never_take_the_memory_of_their_scores(cl_device):
    heads, length, width = 8, 768, 260
    scores = heads * length * length * 4
    mask = cltorch.rand(length, length, device=cl_device) < 0.9
    q, k, v = (
        cltorch.randn(1, n, length, width, device=cl_device, requires_grad=True)
        for n in (heads, heads // 2, heads // 2)
    )
    used = []
    for ways in (SDPBackend.FLASH_ATTENTION, SDPBackend.MATH):
        cltorch.cl.synchronize()
        cltorch.cl.reset_peak_memory_stats()
        before = cltorch.cl.memory_allocated()
        with sdpa_kernel(ways):
            out = attention(q, k, v, mask, 0.25, True, enable_gqa=True)
        used.append(cltorch.cl.max_memory_allocated() - before)
        cltorch.autograd.grad(out.sum(), (q, k, v))
        used.append(cltorch.cl.max_memory_allocated() - before)
        del out
    assert used[0] < scores < used[2]
    # the gradients of all three lie there too, and that of the queries once for every stretch of keys
    assert used[1] < 3 * scores < used[3]


def test_gradients_of_both_orders(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    rng = np.random.default_rng(6)
    q, k, v = (
        cltorch.tensor(rng.standard_normal(s), device=device, requires_grad=True)
        for s in ((1, 2, 3, 4), (1, 1, 5, 4), (1, 1, 5, 2))
    )
    mask = cltorch.tensor(rng.random((3, 5)) > 0.3, device=device)
    mask[1] = False
    added = cltorch.tensor(rng.standard_normal((3, 5)), device=device, requires_grad=True)

    def f(q, k, v):
        return attention(q, k, v, mask, enable_gqa=True)

    gradcheck(f, (q, k, v))
    if device == "cpu":  # they are made of the same functions on every device
        gradcheck(lambda q, k, v, m: attention(q, k, v, m, enable_gqa=True), (q, k, v, added))
        gradgradcheck(f, (q, k, v))


def test_second_gradient_meets_the_same_dropout(device):
    q, k, v = (cltorch.randn(1, 2, 6, 8, device=device, requires_grad=True) for _ in range(3))
    out = attention(q, k, v, dropout_p=0.5)
    plain = cltorch.autograd.grad(out.sum(), (q, k, v), retain_graph=True)
    recorded = cltorch.autograd.grad(out.sum(), (q, k, v), create_graph=True)
    for a, b in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-4, atol=1e-5)
    assert cltorch.autograd.grad(recorded[0].square().sum(), q)[0].shape == q.shape


def test_devices_drop_alike(cl_device):
    q, k, v = (cltorch.randn(1, 2, 6, 8) for _ in range(3))
    cltorch.manual_seed(3)
    here = attention(q, k, v, dropout_p=0.5)
    cltorch.manual_seed(3)
    there = attention(*(x.to(cl_device) for x in (q, k, v)), dropout_p=0.5)
    np.testing.assert_allclose(numbers(here), numbers(there), rtol=1e-4, atol=1e-5)


RESULTS = """
F.scaled_dot_product_attention(q, q, q)
F.scaled_dot_product_attention(q, q, q, is_causal=True, scale=0.3)
F.scaled_dot_product_attention(q, q, q, torch.ones(5, 5, dtype=torch.bool).tril().to(q.device))
F.scaled_dot_product_attention(q, q[:, :2], q[:, :2], enable_gqa=True)
F.scaled_dot_product_attention(q, q[:, :2], q[:, :1], enable_gqa=True)
F.scaled_dot_product_attention(q[0, 0], q[0, 0], q[0, 0])
F.scaled_dot_product_attention(q, q[:, :, :3], q[:, :, :3])
F.scaled_dot_product_attention(q, q, q, dropout_p=1.0)
F.scaled_dot_product_attention(q, q, q, q[0, 0] @ q[0, 1].T, is_causal=True)
""".strip().splitlines()

ERRORS = """
F.scaled_dot_product_attention(q, q.double(), q)
F.scaled_dot_product_attention(q, q[0, 0, 0], q)
F.scaled_dot_product_attention(q, q, q, torch.ones(5, 5, dtype=torch.int64))
F.scaled_dot_product_attention(q, q, q, torch.ones(5, 5, requires_grad=True), is_causal=True)
F.scaled_dot_product_attention(q, q[:, :3], q[:, :3], enable_gqa=True)
F.scaled_dot_product_attention(q, q, q, torch.ones(4, 5))
F.scaled_dot_product_attention(q, q, q, dropout_p=1.5)
F.scaled_dot_product_attention(q, q[..., :4], q)
""".strip().splitlines()


def scope(module, device="cpu"):
    a = np.random.default_rng(7).standard_normal((2, 4, 5, 8)).astype(np.float32)
    return {"torch": module, "F": module.nn.functional, "q": module.tensor(a).to(device)}


@pytest.mark.parametrize("text", RESULTS)
def test_result_is_torchs(text, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours, theirs = eval(text, scope(cltorch, device)), eval(text, scope(torch))
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        eval(text, scope(torch))
    with pytest.raises(type(theirs.value)):
        eval(text, scope(cltorch))
