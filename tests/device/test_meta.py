"""The meta device: results have the shapes, dtypes and strides of the host's, and nobody can ask for a value."""

import copy
import io
import pickle

import numpy as np
import pytest

import cltorch as torch
import cltorch.nn.functional as F

NO_DATA = "Cannot copy out of meta tensor; no data!"


def form(x):
    """Return what there is to know about tensors without their values."""
    if isinstance(x, (tuple, list)):
        return [form(part) for part in x]
    return (tuple(x.shape), x.dtype, x.stride(), x.requires_grad) if isinstance(x, torch.Tensor) else x


def spd(x):
    """Return symmetric matrices with positive eigenvalues, as many and as large as these have rows."""
    return x @ x.mT + torch.eye(x.shape[-2], device=x.device)


# what is called with (3, 4) floats, (3, 4) int64 numbers below 3, (2, 3, 8, 8) images, (4, 5) and (2, 6, 4) floats
CALLS = {
    "arithmetic": lambda x, i, im, w, s: [x + 1, x * x[0], i + x, i / 2, i // 2, x > 0, -x, x**2, 1 - x, x.t() * 2],
    "pointwise": lambda x, i, im, w, s: [
        x.exp(),
        i.exp(),
        F.gelu(x),
        x.clamp(0, 1),
        torch.where(x > 0, x, 0.0),
        torch.lerp(x, x, 0.5),
        x.lgamma(),
        F.silu(x),
        x.atan2(x),
        torch.addcmul(x, x, x),
        x.isnan(),
        x.half() + 1,
        x.to(torch.complex64).abs(),
    ],
    "in place": lambda x, i, im, w, s: [
        x.clone().add_(1),
        x.clone().fill_(2),
        x.clone().copy_(x[0]),
        x.clone().normal_(),
        x.clone().uniform_(),
        x.clone().zero_(),
        x.clone().masked_fill_(x > 0, 1),
        torch.add(x, x, out=torch.empty_like(x)),
        x.clone().exponential_(),
        x.clone().bernoulli_(0.5),
        x.clone().index_fill_(0, i[0, :2], 1.0),
    ],
    "views": lambda x, i, im, w, s: [
        x.t(),
        x[1:, ::2],
        x[:, None],
        x.view(2, 6),
        x.reshape(-1),
        x.expand(2, 3, 4),
        x.flatten(),
        x.unfold(1, 2, 1),
        x.diagonal(),
        x.split(2),
        x.chunk(2, 1),
        x.unbind(),
        im.permute(0, 2, 3, 1),
        x.contiguous(),
        x.squeeze(),
        x.T.contiguous(),
        im.to(memory_format=torch.channels_last),
        x.view(torch.int32),
        x.movedim(0, 1),
        torch.real(x.to(torch.complex64)),
    ],
    "joining": lambda x, i, im, w, s: [
        torch.cat([x, x.t().reshape(3, 4)]),
        torch.stack([x, x], 1),
        x.repeat(2, 1),
        x.roll(1),
        x.flip(0),
        F.pad(x, (1, 2)),
        torch.tile(x, (2, 2)),
        x.repeat_interleave(2, 1),
        torch.meshgrid(x[0], x[1], indexing="ij"),
        x.rot90(),
        F.pad(im, (1, 1, 1, 1), mode="reflect"),
        torch.block_diag(x, x),
        torch.cat([x, i], 1),
    ],
    "reductions": lambda x, i, im, w, s: [
        x.sum(),
        x.mean(0),
        x.max(),
        x.max(1),
        x.argmin(),
        x.std(1),
        x.var_mean(0) if hasattr(x, "var_mean") else 0,
        x.prod(),
        i.sum(),
        i.sum(0, dtype=torch.float32),
        x.norm(),
        x.logsumexp(1),
        x.any(),
        x.cumsum(0),
        x.cummax(1),
        x.median(1),
        x.quantile(torch.tensor(0.5, device=x.device), 0),
        x.count_nonzero(),
        torch.aminmax(x),
        x.amax((0, 1)),
    ],
    "sorting": lambda x, i, im, w, s: [
        x.sort(1),
        x.topk(2),
        x.argsort(),
        x.kthvalue(2),
        torch.searchsorted(x[0].sort().values, x),
        x.msort(),
        torch.bucketize(x, x[0].sort().values),
    ],
    "indexing": lambda x, i, im, w, s: [
        x[i[:, 0]],
        x.gather(1, i),
        x.index_select(0, i[0]),
        x.take(i),
        torch.zeros_like(x).scatter(1, i, x),
        x[i, i],
        x.clone().index_put_((i[0], i[1]), x[0]),
        x.scatter_add(0, i, x),
        x.tril(),
        x.diag(),
        F.one_hot(i, 3),
        x.index_add(0, i[0, :3], x),
        x.take_along_dim(i, 1),
        x.masked_fill(x > 0, 1),
    ],
    "matrices": lambda x, i, im, w, s: [
        x @ w,
        torch.mm(x, w),
        torch.bmm(s, s.mT),
        x @ x[0],
        torch.addmm(w[0], x, w),
        torch.einsum("ij,jk->ik", x, w),
        F.linear(s, w.t()),
        torch.outer(x[0], x[0]),
        torch.baddbmm(s @ s.mT, s, s.mT),
        torch.cdist(x, x),
        s @ w,
        torch.kron(x, w),
        torch.tensordot(x, w, 1),
        torch.linalg.vector_norm(x, dim=1),
    ],
    "networks": lambda x, i, im, w, s: [
        F.conv2d(im, torch.empty(5, 3, 3, 3, device=x.device), padding=1),
        F.max_pool2d(im, 2),
        F.avg_pool2d(im, 2),
        F.conv_transpose2d(im, torch.empty(3, 2, 2, 2, device=x.device), stride=2),
        F.adaptive_avg_pool2d(im, (3, 2)),
        F.conv1d(s.mT, torch.empty(4, 2, 3, device=x.device), groups=2),
        F.interpolate(im, scale_factor=2),
        F.interpolate(im, size=(5, 5), mode="bilinear"),
        F.layer_norm(s, (4,)),
        F.group_norm(im, 3),
        F.softmax(x, 1),
        F.log_softmax(x, 0),
        F.dropout(x, 0.5),
        F.embedding(i, w),
        F.cross_entropy(x, i[:, 0]),
        F.mse_loss(x, x),
        F.scaled_dot_product_attention(s[None], s[None], s[None], is_causal=True).contiguous(),
        F.unfold(im, 2),
        F.glu(x),
        F.batch_norm(im, None, None, training=True),
        F.grid_sample(im, torch.empty(2, 4, 4, 2, device=x.device), align_corners=False),
        F.max_pool2d(im, 2, return_indices=True),
        F.pixel_shuffle(torch.empty(1, 4, 2, 2, device=x.device), 2),
        F.instance_norm(im),
        F.rms_norm(s, (4,)),
        F.kl_div(x, x, reduction="batchmean"),
        F.local_response_norm(im, 2),
    ],
    "factories": lambda x, i, im, w, s: [
        torch.zeros(2, 3, device=x.device),
        torch.arange(5, device=x.device),
        torch.eye(3, device=x.device),
        torch.linspace(0, 1, 5, device=x.device),
        torch.randn(2, device=x.device),
        torch.full((2,), 1, device=x.device),
        torch.randint(5, (2,), device=x.device),
        torch.randperm(4, device=x.device),
        torch.ones_like(x),
        torch.tensor([1.0, 2.0], device=x.device),
        x.new_zeros(3),
        torch.tril_indices(3, 3, device=x.device),
        torch.as_tensor([1], device=x.device),
        torch.multinomial(x.abs() + 1, 2),
        torch.hann_window(4, device=x.device),
        torch.bernoulli(x.clamp(0, 1)),
        torch.poisson(x.abs()),
        torch.empty_strided((2, 3), (1, 2), device=x.device),
        torch.histc(x, 4),
        x.masked_scatter(x > 0, x.t()),
        torch.nonzero_static(x > 0.5, size=3),
        torch.segment_reduce(x, "sum", lengths=torch.tensor([1, 2], device=x.device)),
    ],
    "fourier": lambda x, i, im, w, s: [
        torch.fft.rfft(x),
        torch.fft.fft2(x),
        torch.fft.irfft(x.to(torch.complex64)),
        torch.fft.fft(s, dim=1),
        torch.fft.rfft(s, dim=0),
    ],
    "factors": lambda x, i, im, w, s: [
        torch.linalg.cholesky(spd(s)),
        torch.linalg.cholesky_ex(spd(s), upper=True),
        *(torch.linalg.qr(w, mode) for mode in ("reduced", "complete", "r")),
        torch.linalg.qr(w.mT),
        torch.linalg.lu(s),
        torch.linalg.lu_factor(spd(s)),
        torch.lu_unpack(*torch.linalg.lu_factor(s)),
        torch.linalg.ldl_factor(spd(s)),
        torch.geqrf(w),
        torch.linalg.householder_product(w.mT, w[0, :4]),
        torch.nn.init.orthogonal_(torch.empty(3, 5, device=x.device)),
    ],
    "spectra": lambda x, i, im, w, s: [
        torch.linalg.svd(s),
        torch.linalg.svd(s, full_matrices=False),
        torch.linalg.svdvals(w),
        torch.linalg.eigh(spd(s)),
        torch.linalg.eigvalsh(spd(s)),
        torch.linalg.eig(spd(s)),
        torch.linalg.eigvals(spd(s)),
        torch.linalg.matrix_rank(s),
        torch.linalg.cond(w),
        torch.linalg.matrix_norm(s, "nuc"),
    ],
    "solvers": lambda x, i, im, w, s: [
        torch.linalg.solve(spd(s), s[0]),
        torch.linalg.solve(spd(s)[0], s[0, :, 0]),
        torch.linalg.solve(spd(s), s.mT[:, :3], left=False),
        torch.linalg.inv(spd(s)),
        torch.linalg.pinv(s),
        torch.linalg.det(spd(s)),
        torch.linalg.slogdet(spd(s).to(torch.complex64)),
        tuple(torch.linalg.lstsq(s, s)),
        torch.linalg.solve_triangular(spd(s), s, upper=True),
        torch.linalg.lu_solve(*torch.linalg.lu_factor(spd(s)), s),
        torch.linalg.ldl_solve(*torch.linalg.ldl_factor(spd(s)), s),
        torch.cholesky_solve(s, spd(s)),
        torch.cholesky_inverse(spd(s)),
        torch.linalg.matrix_exp(spd(s)),
        torch.linalg.matrix_power(spd(s), -1),
        torch.linalg.tensorinv(spd(s)[0].reshape(6, 2, 3), ind=1),
    ],
}


def operands(device):
    torch.manual_seed(0)
    floats = [torch.rand(shape) for shape in ((3, 4), (2, 3, 8, 8), (4, 5), (2, 6, 4))]
    x, im, w, s = (t.to(device) for t in floats)
    return x, (torch.arange(12).reshape(3, 4) % 3).to(device), im, w, s


@pytest.mark.parametrize("name", CALLS)
def test_results_have_the_forms_of_the_hosts(name):
    on_host, on_meta = CALLS[name](*operands("cpu")), CALLS[name](*operands("meta"))
    for at, (a, b) in enumerate(zip(on_host, on_meta, strict=True)):
        assert form(a) == form(b), f"{name}, {at}"
        assert all(t.is_meta for t in (b if isinstance(b, (tuple, list)) else [b]) if isinstance(t, torch.Tensor))


def test_gradients_have_forms_too():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 2)
    ).to("meta")
    loss = F.cross_entropy(net(torch.empty(2, 3, 8, 8, device="meta")), torch.zeros(2, dtype=torch.long, device="meta"))
    loss.backward()
    assert loss.shape == () and all(p.grad.is_meta and p.grad.shape == p.shape for p in net.parameters())
    torch.optim.Adam(net.parameters()).step()


def test_gradients_of_matrices_have_forms():
    def gradient(device):
        a = torch.eye(3, device=device).expand(2, 3, 3).clone().requires_grad_()
        found = torch.linalg.svd(a + 1).S.sum() + torch.linalg.solve(a, a[0]).sum() + torch.linalg.det(a).sum()
        (found + torch.linalg.qr(a).R.sum() + torch.linalg.eigh(a).eigenvalues.sum()).backward()
        return a.grad

    assert form(gradient("meta")) == form(gradient("cpu"))


def test_no_value_comes_out():
    x, one = torch.empty(2, 3, device="meta"), torch.ones((), device="meta")
    for ask in (x.cpu, x.tolist, lambda: x.to("cpu"), lambda: torch.ones(2, 3).copy_(x), x.nonzero, lambda: x[x > 0]):
        with pytest.raises(NotImplementedError, match=NO_DATA):
            ask()
    for ask in (one.item, lambda: float(one), lambda: bool(one), lambda: int(one), lambda: 1 in x):
        with pytest.raises(RuntimeError, match=r"Tensor.item\(\) cannot be called on meta tensors"):
            ask()
    with pytest.raises(TypeError, match="can't convert meta device type tensor to numpy"):
        np.asarray(x)
    with pytest.raises(BufferError, match="Cannot pack tensors on meta"):
        x.__dlpack__()
    with pytest.raises(NotImplementedError, match="Not available for 'meta' device type"):
        x.untyped_storage().tolist()
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2, 3) + x
    assert (x + torch.tensor(1.0)).is_meta  # a number on the host goes anywhere


def test_what_a_meta_tensor_says_of_itself():
    x = torch.empty(2, 3, device="meta:0", requires_grad=True)
    assert (x.is_meta, x.is_cpu, x.is_cuda, x.data_ptr()) == (True, False, False, 0) and x.device.index is None
    assert repr(x) == "tensor(..., device='meta', size=(2, 3), requires_grad=True)"
    assert repr(torch.zeros(2, device="meta").long()) == "tensor(..., device='meta', size=(2,), dtype=torch.int64)"
    assert f"{torch.zeros((), device='meta')}" == "tensor(..., device='meta', size=())"
    storage = x.untyped_storage()
    assert storage.nbytes() == 24 and storage.data_ptr() == 0 and "device=meta" in str(storage)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.copy(x)):
        assert form(twin) == form(x) and twin.is_meta


def test_memory_is_not_needed():
    with torch.device("meta"):
        model = torch.nn.Linear(10**6, 10**6)
        torch.nn.init.orthogonal_(model.weight)
        assert torch.ones(3).is_meta
    assert model.weight.is_meta and model(torch.empty(5, 10**6, device="meta")).shape == (5, 10**6)
    assert not torch.ones(3).is_meta


def test_modules_on_their_way_to_memory():
    source, model = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3, device="meta")
    with pytest.raises(NotImplementedError, match="use torch.nn.Module.to_empty"):
        model.to("cpu")
    with pytest.warns(UserWarning, match="for weight: copying from a non-meta parameter .* is a no-op"):
        model.load_state_dict(source.state_dict())
    assert model.weight.is_meta
    model.load_state_dict(source.state_dict(), assign=True)
    assert torch.equal(model.weight, source.weight) and isinstance(model.weight, torch.nn.Parameter)
    with pytest.raises(RuntimeError, match=NO_DATA):
        source.load_state_dict(torch.nn.Linear(2, 3, device="meta").state_dict())
    emptied = torch.nn.Linear(2, 3).to("meta").to_empty(device="cpu")
    emptied.load_state_dict(source.state_dict())
    assert torch.equal(emptied(torch.ones(2)), source(torch.ones(2)))


@pytest.mark.parametrize("as_zip", [True, False])
def test_files_hold_no_bytes_of_meta_tensors(as_zip):
    x, f = torch.empty(3, 10**9, device="meta"), io.BytesIO()
    torch.save({"x": x, "t": x.t(), "p": torch.nn.Parameter(x)}, f, _use_new_zipfile_serialization=as_zip)
    assert f.tell() < 4096
    f.seek(0)
    found = torch.load(f)
    assert form(found["x"]) == form(x) and form(found["t"]) == form(x.t()) and found["t"].is_meta
    assert isinstance(found["p"], torch.nn.Parameter)
    f = io.BytesIO()
    torch.save(torch.ones(3), f, _use_new_zipfile_serialization=as_zip)
    for where in ("meta", torch.device("meta"), {"cpu": "meta"}):
        f.seek(0)
        assert torch.load(f, map_location=where).is_meta
