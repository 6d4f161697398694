"""autocast: every name of the lists that PyTorch's documentation gives, for devices and for the host.

Source: https://docs.pytorch.org/docs/2.13/amp.html#autocast-op-reference
"""

from __future__ import annotations

import warnings

import pytest

import cltorch

#: calls by their documented names, of operands in float32 (a, v, i1 …) and in half precision (h, w, j1 …)
LOWER = {
    "__matmul__": "a @ a", "addbmm": "T.addbmm(a, a3, a3)", "addmm": "T.addmm(a, a, a)", "addmv": "T.addmv(v, a, v)",
    "addr": "T.addr(a, v, v)", "baddbmm": "T.baddbmm(a3, a3, a3)", "bmm": "T.bmm(a3, a3)",
    "chain_matmul": "T.chain_matmul(a, a)", "multi_dot": "T.linalg.multi_dot([a, a, a])",
    "conv1d": "F.conv1d(i1, k1)", "conv2d": "F.conv2d(i2, k2)", "conv3d": "F.conv3d(i3, k3)",
    "conv_transpose1d": "F.conv_transpose1d(i1, k1)", "conv_transpose2d": "F.conv_transpose2d(i2, k2.transpose(0, 1))",
    "conv_transpose3d": "F.conv_transpose3d(i3, k3)", "GRUCell": "T.gru_cell(a, a, a12, a12)",
    "linear": "F.linear(a, a, v)", "LSTMCell": "T.lstm_cell(a, (a, a), a16, a16)[0]", "matmul": "T.matmul(a, a)",
    "mm": "T.mm(a, a)", "mv": "T.mv(a, v)", "prelu": "F.prelu(a, v[:1])", "RNNCell": "T.rnn_tanh_cell(a, a, a, a)",
    "linalg_vecdot": "T.linalg.vecdot(a, a)", "conv_tbc": "T.conv_tbc(a3, a3, v)", "_convolution": "F.conv2d(i2, k2)",
    "scaled_dot_product_attention": "F.scaled_dot_product_attention(a3, a3, a3)",
    "mkldnn_rnn_layer": "NN.LSTM(4, 4)(a3)[0]",
}  # fmt: skip
FLOAT32 = {
    "__pow__": "h ** 2", "__rdiv__": "h.__rdiv__(2)", "__rpow__": "2 ** h", "__rtruediv__": "2 / h",
    "acos": "T.acos(h)",
    "asin": "T.asin(h)", "binary_cross_entropy_with_logits": "F.binary_cross_entropy_with_logits(h, h)",
    "cosh": "T.cosh(h)", "cosine_embedding_loss": "F.cosine_embedding_loss(h, h, w * 0 + 1)", "cdist": "T.cdist(h, h)",
    "cosine_similarity": "F.cosine_similarity(h, h)", "cross_entropy": "F.cross_entropy(h, t)",
    "cumprod": "T.cumprod(h, 0)", "cumsum": "T.cumsum(h, 0)", "dist": "T.dist(h, h)", "erfinv": "T.erfinv(h)",
    "exp": "T.exp(h)", "expm1": "T.expm1(h)", "group_norm": "F.group_norm(h, 2)",
    "hinge_embedding_loss": "F.hinge_embedding_loss(h, h)", "kl_div": "F.kl_div(h, h, reduction='sum')",
    "l1_loss": "F.l1_loss(h, h)", "layer_norm": "F.layer_norm(h, (4,))", "log": "T.log(h)", "log10": "T.log10(h)",
    "log_softmax": "F.log_softmax(h, 0)", "log1p": "T.log1p(h)", "log2": "T.log2(h)",
    "margin_ranking_loss": "F.margin_ranking_loss(w, w, w)", "mse_loss": "F.mse_loss(h, h)",
    "multilabel_margin_loss": "F.multilabel_margin_loss(h, s)", "multi_margin_loss": "F.multi_margin_loss(h, t)",
    "nll_loss": "F.nll_loss(h, t)", "norm": "T.norm(h)", "normalize": "F.normalize(h)", "pdist": "F.pdist(h)",
    "poisson_nll_loss": "F.poisson_nll_loss(h, h)", "pow": "T.pow(h, 3)", "prod": "T.prod(h, 0)",
    "reciprocal": "T.reciprocal(h)", "rsqrt": "T.rsqrt(h)", "sinh": "T.sinh(h)",
    "smooth_l1_loss": "F.smooth_l1_loss(h, h)", "soft_margin_loss": "F.soft_margin_loss(h, h)",
    "softmax": "F.softmax(h, 0)", "softmin": "F.softmin(h, 0)", "softplus": "F.softplus(h)", "sum": "T.sum(h)",
    "renorm": "T.renorm(h, 2, 0, 1.0)", "tan": "T.tan(h)", "triplet_margin_loss": "F.triplet_margin_loss(h, h, h)",
}  # fmt: skip
WIDEST = {
    "addcdiv": "T.addcdiv(a, h, h)", "addcmul": "T.addcmul(a, h, h)", "atan2": "T.atan2(a, h)",
    "bilinear": "F.bilinear(a, h, a3)", "cross": "T.cross(a[:, :3], h[:, :3], 1)", "dot": "T.dot(v, w)",
    "grid_sample": "F.grid_sample(i2, (j2[:, 0, :2, :2] * 0)[..., None].repeat(1, 1, 1, 2), align_corners=False)",
    "grid_sampler": "T.grid_sampler(i2, (j2[:, 0, :2, :2] * 0)[..., None].repeat(1, 1, 1, 2), 0, 0, False)",
    "index_put": "T.index_put(a, (t,), h)", "scatter_add": "T.scatter_add(a, 0, s, h)",
    "tensordot": "T.tensordot(a, h)",
}  # fmt: skip
LOWER_CPU = (
    "conv1d conv2d conv3d bmm mm linalg_vecdot baddbmm addmm addbmm linear matmul _convolution conv_tbc "
    "mkldnn_rnn_layer conv_transpose1d conv_transpose2d conv_transpose3d prelu scaled_dot_product_attention"
).split()
FLOAT32_CPU = {
    **{
        name: FLOAT32[name]
        for name in (
            "prod cdist mse_loss cosine_embedding_loss nll_loss hinge_embedding_loss poisson_nll_loss smooth_l1_loss "
            "l1_loss margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss kl_div "
            "multilabel_margin_loss binary_cross_entropy_with_logits"
        ).split()
    },
    "cross_entropy_loss": "F.cross_entropy(h, t)", "huber_loss": "F.huber_loss(h, h)",
    "avg_pool3d": "F.avg_pool3d(j3, 1)", "binary_cross_entropy": "F.binary_cross_entropy(h, h)",
    "grid_sampler": "T.grid_sampler(j2, j2[:, 0, :, :2, None].repeat(1, 1, 1, 2), 0, 0, False)",
    "grid_sampler_2d": "F.grid_sample(j2, j2[:, 0, :, :2, None].repeat(1, 1, 1, 2), align_corners=False)",
    "grid_sampler_3d": "F.grid_sample(j3, j3[:, 0, :, :, :2, None].repeat(1, 1, 1, 1, 3), align_corners=False)",
    "polar": "T.polar(h, h)", "quantile": "T.quantile(h, 0.5)", "nanquantile": "T.nanquantile(h, 0.5)",
    "stft": "T.stft(w, 4, window=w * 0 + 1, return_complex=True)", "trace": "T.trace(h)",
    "view_as_complex": "T.view_as_complex(h[:, :2].contiguous())", "cholesky": "T.linalg.cholesky(p)",
    "cholesky_inverse": "T.cholesky_inverse(p)", "cholesky_solve": "T.cholesky_solve(h, p)",
    "inverse": "T.inverse(p)", "lu_solve": "T.lu_solve(h, p, t.int() + 1)", "orgqr": "T.orgqr(h, w)",
    "ormqr": "T.ormqr(h, w, h)", "pinverse": "T.pinverse(h)", "max_pool3d": "F.max_pool3d(j3, 1)",
    "max_unpool2d": "F.max_unpool2d(h[None], s[None], 1)",
    "max_unpool3d": "F.max_unpool3d(h[None, None], s[None, None], 1)",
    "adaptive_avg_pool3d": "F.adaptive_avg_pool3d(j3, 2)", "adaptive_max_pool3d": "F.adaptive_max_pool3d(j3, 2)",
    "reflection_pad1d": "F.pad(h, (1, 1), 'reflect')", "reflection_pad2d": "F.pad(j2, (1,) * 4, 'reflect')",
    "replication_pad1d": "F.pad(h, (1, 1), 'replicate')", "replication_pad2d": "F.pad(j2, (1,) * 4, 'replicate')",
    "replication_pad3d": "F.pad(j3, (1,) * 6, 'replicate')",
    "nll_loss2d": "F.nll_loss(h[None, :, :, None], t[None, :, None])",
    "ctc_loss": "F.ctc_loss(h.log()[:, None], t[None, 1:3], T.tensor([4]), T.tensor([2]))",
    "fft_fft": "T.fft.fft(h)", "fft_ifft": "T.fft.ifft(h)", "fft_fft2": "T.fft.fft2(h)", "fft_ifft2": "T.fft.ifft2(h)",
    "fft_fftn": "T.fft.fftn(h)", "fft_ifftn": "T.fft.ifftn(h)", "fft_rfft": "T.fft.rfft(h)",
    "fft_irfft": "T.fft.irfft(h)", "fft_rfft2": "T.fft.rfft2(h)", "fft_irfft2": "T.fft.irfft2(h)",
    "fft_rfftn": "T.fft.rfftn(h)", "fft_irfftn": "T.fft.irfftn(h)", "fft_hfft": "T.fft.hfft(h)",
    "fft_ihfft": "T.fft.ihfft(h)", "linalg_cond": "T.linalg.cond(p)", "linalg_matrix_rank": "T.linalg.matrix_rank(p)",
    "linalg_solve": "T.linalg.solve(p, h)", "linalg_cholesky": "T.linalg.cholesky(p)",
    "linalg_svdvals": "T.linalg.svdvals(h)", "linalg_eigvals": "T.linalg.eigvals(h)",
    "linalg_eigvalsh": "T.linalg.eigvalsh(p)", "linalg_inv": "T.linalg.inv(p)",
    "linalg_householder_product": "T.linalg.householder_product(h, w)",
    "linalg_tensorinv": "T.linalg.tensorinv(p.reshape(2, 2, 4))",
    "linalg_tensorsolve": "T.linalg.tensorsolve(p.reshape(2, 2, 4), h[:2, :2])", "geqrf": "T.geqrf(h)[0]",
    "_lu_with_info": "T.lu(p)[0]", "qr": "T.qr(h)[0]", "svd": "T.svd(h)[1]",
    "triangular_solve": "T.triangular_solve(h, p)[0]", "fractional_max_pool2d": "F.fractional_max_pool2d(j2, 2, 2)",
    "fractional_max_pool3d": "F.fractional_max_pool3d(j3, 2, 2)", "linalg_qr": "T.linalg.qr(h)[0]",
    "linalg_cholesky_ex": "T.linalg.cholesky_ex(p)[0]", "linalg_svd": "T.linalg.svd(h)[1]",
    "linalg_eig": "T.linalg.eig(h)[0]", "linalg_eigh": "T.linalg.eigh(p)[0]",
    "linalg_lstsq": "T.linalg.lstsq(p, h)[0]", "linalg_inv_ex": "T.linalg.inv_ex(p)[0]",
}  # fmt: skip
WIDEST_CPU = {"stack": "T.stack([a, h])", "cat": "T.cat([h, a])", "index_copy": "T.index_copy(a, 0, t, h)"}


def names(library, device, half):
    dtype = getattr(library, half)
    a = library.linspace(0.1, 0.9, 16).reshape(4, 4).to(device)
    i3 = library.linspace(0.1, 0.9, 64).reshape(1, 1, 4, 4, 4).to(device)
    values = {
        "a": a, "v": a[0], "a3": a[None], "a12": a.repeat(3, 1), "a16": a.repeat(4, 1), "i1": a[None], "i2": i3[0],
        "i3": i3, "k1": a[:, :, None], "k2": i3[0, :, :, :2, :2], "k3": i3[:, :, :2, :2, :2],
    }  # fmt: skip
    p = (library.eye(4) + 0.1).to(device)
    lower = {"h": a, "w": a[0], "j2": i3[0], "j3": i3, "p": p}
    return {
        **values, **{name: x.to(dtype) for name, x in lower.items()}, "T": library, "F": library.nn.functional,
        "NN": library.nn, "t": library.arange(4).to(device),
        "s": library.arange(4).repeat(4, 1).to(device),
    }  # fmt: skip


def dtype_of(text, given, library, kind, half):
    """Return the dtype of a call's result under autocast, or what it says against the call."""
    try:
        with warnings.catch_warnings(), library.autocast(kind, dtype=getattr(library, half)):
            warnings.simplefilter("ignore")
            return str(eval(text, given).dtype).split(".")[-1]
    except (RuntimeError, NotImplementedError, AttributeError) as e:
        return str(e)[:120]


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_devices_compute_in_the_documented_dtypes(half, cl_device):
    given = names(cltorch, cl_device, half)

    class Modules:  # on the device
        LSTM = staticmethod(lambda *a: cltorch.nn.LSTM(*a).to(cl_device))

    given["NN"] = Modules
    wanted = {**dict.fromkeys(LOWER, half), **dict.fromkeys((*FLOAT32, *WIDEST), "float32")}
    found = {n: dtype_of(t, given, cltorch, "cl", half) for n, t in {**LOWER, **FLOAT32, **WIDEST}.items()}
    assert {n: v for n, v in found.items() if v != wanted[n]} == {}
    assert "unsafe to autocast" in dtype_of("F.binary_cross_entropy(h, h)", given, cltorch, "cl", half)


COMPLEX = {"polar", "stft", "view_as_complex", "linalg_eig", "linalg_eigvals"} | {
    n for n in FLOAT32_CPU if n.startswith("fft_") and n not in ("fft_hfft", "fft_irfft", "fft_irfft2", "fft_irfftn")
}
WHOLE = {"linalg_matrix_rank"}


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_the_host_computes_in_the_documented_dtypes(half):
    given = names(cltorch, "cpu", half)
    calls = {**{n: LOWER[n] for n in LOWER_CPU}, **FLOAT32_CPU, **WIDEST_CPU}
    wanted = {**dict.fromkeys(LOWER_CPU, half), **dict.fromkeys((*FLOAT32_CPU, *WIDEST_CPU), "float32")}
    wanted |= dict.fromkeys(COMPLEX, "complex64") | dict.fromkeys(WHOLE, "int64")
    found = {n: dtype_of(t, given, cltorch, "cpu", half) for n, t in calls.items()}
    assert {n: v for n, v in found.items() if v != wanted[n]} == {}


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_the_host_computes_in_pytorchs_dtypes(half):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    calls = {**LOWER, **FLOAT32, **WIDEST, **FLOAT32_CPU, **WIDEST_CPU}
    ours, theirs = (
        {n: dtype_of(t, names(library, "cpu", half), library, "cpu", half) for n, t in calls.items()}
        for library in (cltorch, torch)
    )
    refused = {n for n, v in theirs.items() if " " in v}  # what PyTorch has not on its host
    assert {n: (ours[n], v) for n, v in theirs.items() if n not in refused and ours[n] != v} == {}
    assert len(refused) <= 8, {n: theirs[n] for n in refused}
