"""autocast: which dtype each function computes in, beside a table and beside PyTorch, and its regions."""

from __future__ import annotations

import re
import threading
import warnings

import pytest

import cltorch
from cltorch.nn import functional as F

HALVES = [cltorch.float16, cltorch.bfloat16]


def kind(device):
    return "cpu" if device == "cpu" else "cl"


@pytest.fixture
def where(device):
    return device, kind(device)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_products_and_convolutions_take_fewer_bits(where, dtype):
    device, k = where
    a, b = cltorch.randn(3, 4, 5, device=device), cltorch.randn(3, 5, 2, device=device)
    m, v = cltorch.randn(4, 5, device=device), cltorch.randn(6, 5, device=device)
    x = cltorch.randn(1, 2, 6, 6, device=device)
    with cltorch.autocast(k, dtype=dtype):
        found = [
            a @ b, cltorch.bmm(a, b), cltorch.matmul(a, b), m.mm(m.t()), cltorch.addmm(m[:, :4], m, m.t()),
            F.linear(m, v, v[:, 0]), F.conv2d(x, cltorch.randn(3, 2, 3, 3, device=device)),
            F.conv_transpose2d(x, cltorch.randn(2, 3, 3, 3, device=device)),
            cltorch.einsum("bij,bjk->bik", a, b), F.linear(m.to(dtype), v),
        ]  # fmt: skip
    assert {y.dtype for y in found} == {dtype}
    reference = (a.cpu().double() @ b.cpu().double()).float()
    assert cltorch.allclose(found[0].float().cpu(), reference, rtol=0.05, atol=0.1)


def test_what_needs_precision_is_float32(where):
    device, k = where
    x = cltorch.rand(4, 5, device=device).half() + 0.1
    target = cltorch.tensor([0, 1, 2, 3], device=device)
    with cltorch.autocast(k, dtype=cltorch.float16):
        found = [
            F.mse_loss(x, x * 2), F.l1_loss(x, x), F.smooth_l1_loss(x, x), cltorch.prod(x, 0),
            F.binary_cross_entropy_with_logits(x, x), F.nll_loss(x, target), F.kl_div(x, x, reduction="sum"),
        ]  # fmt: skip
        if k == "cl":
            found += [
                x.exp(), cltorch.log(x), x**2, 2**x, x.sum(), x.cumsum(0), F.softmax(x, 1), x.log_softmax(1),
                F.layer_norm(x, (5,)), F.cross_entropy(x, target), x.norm(), F.softplus(x), x.reciprocal(),
                cltorch.arccos(x / 2),
            ]  # fmt: skip
    assert {y.dtype for y in found} == {cltorch.float32}


def test_the_rest_runs_in_the_dtypes_it_is_given(where):
    device, k = where
    x = cltorch.ones(4, 5, device=device)
    with cltorch.autocast(k, dtype=cltorch.float16):
        assert (x + x.half()).dtype is cltorch.float32
        assert (x.half() * 2).relu().dtype is cltorch.float16
        assert cltorch.cat([x, x.half()]).dtype is cltorch.float32
        assert F.softmax(x, 1, dtype=cltorch.float16).dtype is cltorch.float16  # the caller has chosen
        assert (x.half() > 0).dtype is cltorch.bool
        whole = cltorch.ones(2, 2, device=device, dtype=cltorch.int64)
        assert (whole @ whole).dtype is cltorch.int64
        out = cltorch.empty(4, 4, device=device)
        assert cltorch.mm(x, x.t(), out=out).dtype is cltorch.float32


def test_float64_is_never_cast(where, fp64):
    if not fp64:
        pytest.skip("no float64 on this device")
    device, k = where
    x = cltorch.ones(2, 2, device=device, dtype=cltorch.float64)
    with cltorch.autocast(k):
        assert (x @ x).dtype is cltorch.float64 and x.exp().dtype is cltorch.float64


def test_only_the_named_kind_of_device_is_cast(cl_device):
    host, x = cltorch.ones(2, 2), cltorch.ones(2, 2, device=cl_device)
    with cltorch.autocast("cl"):
        assert (host @ host).dtype is cltorch.float32 and (x @ x).dtype is cltorch.float16
    with cltorch.autocast("cpu"):
        assert (host @ host).dtype is cltorch.bfloat16 and (x @ x).dtype is cltorch.float32
    with cltorch.autocast("cpu"), cltorch.autocast("cuda", cltorch.bfloat16):
        assert (host @ host).dtype is cltorch.bfloat16 and (x @ x).dtype is cltorch.bfloat16


def test_regions_nest_and_end():
    x = cltorch.ones(2, 2)
    assert not cltorch.is_autocast_enabled("cpu")
    with cltorch.autocast("cpu"):
        assert cltorch.is_autocast_enabled("cpu")
        with cltorch.autocast("cpu", enabled=False):
            assert (x @ x).dtype is cltorch.float32
        with cltorch.autocast("cpu", dtype=cltorch.float16):
            assert (x @ x).dtype is cltorch.float16 and cltorch.get_autocast_dtype("cpu") is cltorch.float16
        assert (x @ x).dtype is cltorch.bfloat16
    assert (x @ x).dtype is cltorch.float32 and cltorch.get_autocast_dtype("cpu") is cltorch.bfloat16
    with pytest.raises(ZeroDivisionError), cltorch.autocast("cpu"):
        raise ZeroDivisionError
    assert not cltorch.is_autocast_enabled("cpu")


def test_it_decorates_functions():
    @cltorch.autocast("cpu")
    def f(x):
        return x @ x

    assert f(cltorch.ones(2, 2)).dtype is cltorch.bfloat16
    assert f.__name__ == "f"
    with pytest.raises(TypeError, match="requires a callable, but got int"):
        cltorch.autocast("cpu")(3)


@pytest.mark.parametrize("name", ["cltorch", "torch"])
def test_names_for_one_kind_of_device_are_deprecated(name):
    library = pytest.importorskip(name)
    for call, instead in (
        ("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')"),
        ("set_autocast_cpu_enabled(False)", "set_autocast_enabled('cpu', enabled)"),
        ("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')"),
        ("set_autocast_cpu_dtype(T.bfloat16)", "set_autocast_dtype('cpu', dtype)"),
        ("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')"),
        ("set_autocast_gpu_dtype(T.float16)", "set_autocast_dtype('cuda', dtype)"),
    ):  # fmt: skip
        with pytest.warns(DeprecationWarning, match=re.escape(f"Please use torch.{instead} instead.")):
            given = eval(f"T.{call}", {"T": library})
        assert str(given) in ("False", "None", "torch.float16", "torch.bfloat16")
    with pytest.warns(DeprecationWarning), library.autocast("cpu", dtype=library.float16):
        assert library.is_autocast_cpu_enabled() and library.get_autocast_cpu_dtype() is library.float16


def test_other_threads_are_left_alone():
    seen = []
    x = cltorch.ones(2, 2)
    with cltorch.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append((x @ x).dtype))
        thread.start()
        thread.join()
    assert seen == [cltorch.float32]


def test_gradients_arrive_in_the_dtype_of_the_weights(where):
    device, k = where
    net = cltorch.nn.Sequential(
        cltorch.nn.Conv2d(1, 2, 3), cltorch.nn.BatchNorm2d(2), cltorch.nn.GELU(), cltorch.nn.Flatten(),
        cltorch.nn.LayerNorm(32), cltorch.nn.Linear(32, 3),
    ).to(device)  # fmt: skip
    x, target = cltorch.randn(4, 1, 6, 6, device=device), cltorch.tensor([0, 1, 2, 0], device=device)
    F.cross_entropy(net(x), target).backward()
    wanted = [p.grad.clone() for p in net.parameters()]
    for inside in (False, True):
        net.zero_grad()
        with cltorch.autocast(k, dtype=cltorch.bfloat16):
            loss = F.cross_entropy(net(x), target)
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        assert loss.dtype is cltorch.float32
        for p, w in zip(net.parameters(), wanted, strict=True):
            assert p.grad.dtype is cltorch.float32
            assert (p.grad - w).abs().max().item() < 0.1 * w.abs().max().item() + 0.02


def test_a_weight_is_cast_once_per_region(device):
    w = cltorch.randn(3, 3, device=device, requires_grad=True)
    x = cltorch.ones(3, 3, device=device)
    with cltorch.autocast(kind(device)):
        a, b = x @ w, x @ w
        (x.neg() @ w + a + b).sum().backward()
        cached = len(cltorch.amp.settings.state.cache)
        with cltorch.no_grad():
            w.mul_(2)
            assert cltorch.allclose((x @ w).float(), 2 * a.detach().float(), rtol=0.02)
    assert cached == 1 and not cltorch.amp.settings.state.cache
    assert cltorch.allclose(w.grad.cpu(), cltorch.ones(3, 3) * 3)
    with cltorch.autocast(kind(device), cache_enabled=False):
        assert not cltorch.is_autocast_cache_enabled()
        x @ w
        assert not cltorch.amp.settings.state.cache


def test_own_functions_say_how_they_are_cast():
    seen = []

    class Product(cltorch.autograd.Function):
        @staticmethod
        @cltorch.amp.custom_fwd(device_type="cpu", cast_inputs=cltorch.float32)
        def forward(ctx, x, y):
            seen.append((x.dtype, cltorch.is_autocast_enabled("cpu"), (x @ y).dtype))
            ctx.save_for_backward(x, y)
            return x @ y

        @staticmethod
        @cltorch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            seen.append(cltorch.is_autocast_enabled("cpu"))
            return g @ y.t(), x.t() @ g

    class Plain(Product):
        @staticmethod
        @cltorch.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x @ y

    x = cltorch.randn(2, 2, dtype=cltorch.bfloat16, requires_grad=True)
    with cltorch.autocast("cpu"):
        out = Product.apply(x, x.detach())
        other = Plain.apply(x.float(), x.detach().float())
    out.sum().backward()
    other.float().sum().backward()
    assert other.dtype is cltorch.bfloat16
    assert seen == [(cltorch.float32, False, cltorch.float32), False, True]


@pytest.mark.parametrize("cls", ["LSTM", "GRU", "RNN"])
def test_recurrent_layers(where, cls):
    device, k = where
    layer = getattr(cltorch.nn, cls)(4, 5).to(device)
    x = cltorch.randn(3, 2, 4, device=device)
    with cltorch.autocast(k, dtype=cltorch.bfloat16):
        y, state = layer(x)
    half = k == "cl" or cls != "GRU"  # as PyTorch on the host
    assert y.dtype is (cltorch.bfloat16 if half else cltorch.float32)
    wanted, _ = layer(x)
    assert cltorch.allclose(y.float(), wanted, atol=0.03)
    y.float().sum().backward()
    assert all(p.grad.dtype is cltorch.float32 for p in layer.parameters())


def test_errors_and_warnings():
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        cltorch.autocast("tpu")
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        cltorch.autocast(cltorch.device("cpu"))
    with pytest.warns(UserWarning, match="In CPU autocast, but the target dtype is not supported"):
        region = cltorch.autocast("cpu", dtype=cltorch.float64)
    with region:
        assert not cltorch.is_autocast_enabled("cpu")
    assert cltorch.amp.is_autocast_available("cuda") and not cltorch.amp.is_autocast_available("tpu")


def test_binary_cross_entropy_is_refused_on_devices(cl_device):
    x = cltorch.rand(3, device=cl_device)
    with cltorch.autocast("cl"), pytest.raises(RuntimeError, match="unsafe to autocast"):
        F.binary_cross_entropy(x, x)


def test_the_old_names_of_cuda(cl_device):
    with pytest.warns(FutureWarning, match="torch.cuda.amp.autocast"):
        region = cltorch.cuda.amp.autocast()
    x = cltorch.ones(2, 2, device=cl_device)
    with region:
        assert (x @ x).dtype is cltorch.float16
    with pytest.warns(FutureWarning, match="torch.cuda.amp.GradScaler"):
        assert cltorch.cuda.amp.GradScaler().is_enabled()


CALLS = [
    "a @ a", "T.mm(a, b)", "T.addmm(b, a, b)", "F.linear(a, b)", "F.linear(b, a, b[0])", "T.einsum('ij,jk->ik', a, b)",
    "T.mv(b, b[0])", "T.dot(b[0], b[0])", "F.softmax(b, 1)", "b.exp()", "b.log()", "b.sum()", "b.prod()", "b.prod(0)",
    "T.cat([a, b])", "T.stack([a, b])", "F.mse_loss(b, b)", "F.mse_loss(a, b)", "F.l1_loss(b, b)", "F.huber_loss(b, b)",
    "F.cross_entropy(b, t)", "F.nll_loss(b, t)", "F.layer_norm(b, (4,))", "F.layer_norm(b, (4,), a[0], a[1])",
    "F.group_norm(b, 2, a[0], a[1])", "F.batch_norm(b, z, z + 1)", "F.batch_norm(b, None, None, a[0], a[1], True)",
    "b.norm()", "b.cumsum(0)", "F.gelu(b)", "a + b", "a * b", "b ** 2", "b.mean()", "b.var()", "F.prelu(b, a[0])",
    "T.baddbmm(a[None], b[None], a[None])", "F.conv1d(a[None], b[:, :, None])", "F.kl_div(b, b, reduction='sum')",
    "F.binary_cross_entropy_with_logits(b, a)", "F.smooth_l1_loss(b, b)", "T.trace(b)",
    "F.avg_pool3d(b[None, None], 1)", "F.max_pool2d(b[None], 2)", "T.outer(b[0], a[0])", "T.cdist(b, b)",
    "F.binary_cross_entropy(b.sigmoid(), a.sigmoid())", "F.normalize(b)", "F.cosine_similarity(b, a)",
    "F.scaled_dot_product_attention(b[None], a[None], a[None])", "a.matmul(b[0])", "F.bilinear(b, b, a[None])",
    "T.inner(a, b)", "T.inner(a[0], a[0])", "T.linalg.vecdot(a, a)", "T.tensordot(a, a, 1)", "T.chain_matmul(a, a)",
    "T.linalg.multi_dot([a, a, a])", "T.rnn_tanh_cell(a, a, a, a)", "T.linalg.qr(b).Q", "T.linalg.inv(b)",
    "T.linalg.svd(b).S", "T.linalg.cholesky(b.mT @ b)", "T.linalg.solve(b, b)", "T.fft.rfft(b)", "T.fft.fft2(b)",
    "T.polar(b, b)", "T.linalg.matrix_rank(b)", "T.linalg.eigvalsh(b)", "T.linalg.lstsq(b, b).solution",
    "F.pad(b[None], (1, 1, 1, 1), 'reflect')", "F.pad(b[None], (1, 1), 'replicate')",
    "F.local_response_norm(b[None], 2)", "F.local_response_norm(b[None, None], 2)",
    "F.pad(b[None], (1, 1), 'circular')", "F.pad(b, (1, 1))", "F.fractional_max_pool2d(b[None], 2, 2)",
    "F.max_unpool2d(b[None], t.repeat(4).reshape(1, 4, 4), 1)", "F.rms_norm(b, (4,), b[0])", "T.tensordot(a, b)",
    "T.index_select(b, 0, t)", "T.where(b > 0, a, b)",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_lists_of_the_host_are_pytorchs(dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def answers(library):
        half = getattr(library, dtype)
        a = library.linspace(0.1, 1.0, 16).reshape(4, 4)
        names = {
            "T": library, "F": library.nn.functional, "a": a, "b": a.to(half), "t": library.tensor([0, 1, 2, 3]),
            "z": library.zeros(4),
        }  # fmt: skip
        found = {}
        for text in CALLS:
            try:
                with warnings.catch_warnings(), library.autocast("cpu", dtype=half):
                    warnings.simplefilter("ignore")
                    found[text] = str(eval(text, names).dtype)
            except (RuntimeError, NotImplementedError, AttributeError) as e:
                found[text] = str(e)[:60]
        return found

    ours, theirs = answers(cltorch), answers(torch)
    different = {t: (ours[t], theirs[t]) for t in CALLS if theirs[t].startswith("torch.") and ours[t] != theirs[t]}
    assert different == {}


def test_what_ends_in_a_product_gives_fewer_bits(where):
    device, k = where
    a = cltorch.randn(4, 4, device=device)
    half = cltorch.bfloat16
    with cltorch.autocast(k, dtype=half):
        found = [
            cltorch.cov(a), cltorch.corrcoef(a), cltorch.linalg.pinv(a), cltorch.matrix_power(a, 3),
            cltorch.linalg.matrix_power(a, 2), cltorch.linalg.vecdot(a, a), F.conv_tbc(a[None], a[None], a[0]),
        ]  # fmt: skip
        assert cltorch.matrix_power(a, 1).dtype == cltorch.float32
        ints = cltorch.cov(cltorch.tensor([[1, 2], [3, 5]], device=device))
    assert {y.dtype for y in found} == {half} and ints.dtype == cltorch.float32
    # only the last step is rounded
    cltorch.testing.assert_close(found[0].float(), cltorch.cov(a), rtol=0.01, atol=0.01)
    cltorch.testing.assert_close(found[2].float(), cltorch.linalg.pinv(a), rtol=0.01, atol=0.01)


def test_norms_of_half_precision_are_float32_on_opencl_devices(where):
    device, k = where
    a, i = cltorch.rand(4, 4, device=device).half(), cltorch.rand(1, 1, 4, 4, device=device).half()
    with cltorch.autocast(k, dtype=cltorch.float16):
        found = [
            F.rms_norm(a, (4,)), F.rms_norm(a, (4,), a[0].float()), cltorch.linalg.norm(a), cltorch.square(a),
            cltorch.linalg.matrix_norm(a), F.pairwise_distance(a, a), F.multilabel_soft_margin_loss(a, a),
            F.triplet_margin_with_distance_loss(a, a, a), cltorch.norm_except_dim(a),
        ]  # fmt: skip
        spared = [F.interpolate(i, size=2, mode="area"), cltorch.trace(a) if k == "cl" else a]
        if k == "cl":
            assert cltorch.inner(a, a.float()).dtype == cltorch.float32
    assert {y.dtype for y in found} == {cltorch.float32 if k == "cl" else cltorch.float16}
    assert {y.dtype for y in spared} == {cltorch.float16}


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"])
def test_recurrent_layers_take_what_a_layer_before_them_gives(where, name):
    device, k = where
    net = cltorch.nn.Sequential(cltorch.nn.Linear(4, 4), getattr(cltorch.nn, name)(4, 3)).to(device)
    with cltorch.autocast(k, dtype=cltorch.bfloat16):
        out = net(cltorch.ones(2, 4, device=device))
    first = out[0] if isinstance(out, tuple) else out
    assert first.dtype == cltorch.bfloat16
    first.float().sum().backward()
    assert all(p.grad.dtype == cltorch.float32 for p in net.parameters())


def test_the_adaptive_softmax_gives_its_inputs_dtype():
    layer = cltorch.nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2])
    with cltorch.autocast("cpu"):
        output, loss = layer(cltorch.ones(3, 4), cltorch.tensor([0, 3, 5]))
    assert output.dtype == loss.dtype == cltorch.float32
