"""Forward-mode derivatives: tangents of every row and operator against finite differences, and their interface."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as torch
import cltorch.autograd.forward_ad as fw
import cltorch.nn.functional as F
from cltorch.autograd import duals, gradcheck
from cltorch.ops.op import Op
from cltorch.testing import assert_close
from cltorch.vision import ops
from tests.ops.test_pointwise import DIFFERENTIABLE, ROW, arguments, inputs_for_gradients, public


def double(*shape, seed=0, low=0.2, high=1.5):
    return torch.tensor(np.random.default_rng(seed).uniform(low, high, shape), requires_grad=True)


def forward_agrees(f, *xs) -> bool:
    return gradcheck(f, xs, check_forward_ad=True, check_backward_ad=False)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_every_row(name):
    """By the fused kernel's formula, and by functions where something is recorded: both must be right."""
    params = arguments(ROW[name])
    given = [torch.tensor(x, requires_grad=x.dtype != bool) for x in inputs_for_gradients(ROW[name])]
    assert forward_agrees(lambda *xs: public(name)(*xs, **params), *given)
    v = torch.ones(2, 2, dtype=torch.float64)
    found = []
    for recorded in (False, True):
        with fw.dual_level():
            xs = [fw.make_dual(x if recorded else x.detach(), v) if x.requires_grad else x for x in given]
            found.append(fw.unpack_dual(public(name)(*xs, **params)).tangent)
    assert_close(found[0], found[1].detach(), rtol=1e-9, atol=1e-12)


def spd(n, seed=0):
    a = np.random.default_rng(seed).uniform(-1, 1, (n, n))
    return torch.tensor(a @ a.T + n * np.eye(n), requires_grad=True)


INDEX = torch.tensor([[0, 2, 1], [1, 0, 2]])
PLACES = torch.tensor([2, 0])
ROIS = torch.tensor([[1.0, 0, 0, 2, 3], [0, 1, 1, 3, 2]]).double()
# one call at least for every operator that has a derivative
CALLS = {
    "sum": (lambda x: (x.sum(1), x.mean(0, keepdim=True)), (2, 3)),
    "nansum": (lambda x: x.nansum(1), (2, 3)),
    "prod": (lambda x: x.prod(1), (2, 3)),
    "amax": (lambda x: (x.amax(1), x.max(0).values, x.min(1).values), (2, 3)),
    "var": (lambda x: (x.var(1), x.std(0), torch.var_mean(x, 1)[1]), (3, 3)),
    "var_mean": (lambda x: (*torch.var_mean(x, 1), *torch.std_mean(x, 0)), (3, 3)),
    "logsumexp": (lambda x: x.logsumexp(1), (2, 3)),
    "norm": (lambda x: (x.norm(dim=1), torch.linalg.vector_norm(x, 3)), (2, 3)),
    "copies": (lambda x: (x.clone(), x.t().contiguous()), (2, 3)),
    "softmax": (lambda x: (torch.softmax(x, 1), torch.log_softmax(x, 0)), (2, 3)),
    "scans": (lambda x: (x.cumsum(1), x.cumprod(0), x.logcumsumexp(1), x.cummax(1).values), (2, 3)),
    "join": (lambda x, y: (torch.cat([x, y]), torch.stack([x, y], 1), torch.block_diag(x, y)), (2, 3), (2, 3)),
    "repeat": (lambda x: (x.repeat(2, 1), x.flip(0), x.roll(1, 1), x.tril(), torch.triu(x, 1)), (2, 3)),
    "views": (lambda x: (x.t(), x[:, 1], x[0], *x.unbind(1), x.unfold(1, 2, 1), x.diagonal(), *x.split(2, 1)), (2, 3)),
    "expanded": (lambda x: x.expand(4, 2, 3)[2], (2, 3)),
    "gather": (lambda x: (x.gather(1, INDEX), x[PLACES % 2], x.index_select(1, PLACES), x.take(PLACES)), (2, 3)),
    "scatter": (
        lambda x, y: (
            x.scatter(1, INDEX, y), x.scatter_add(1, INDEX, y), x.scatter_reduce(1, INDEX, y, "amax"),
            x.index_put((PLACES % 2,), y), x.index_add(1, PLACES, y[:, :2]),
        ),
        (2, 3), (2, 3),
    ),  # fmt: skip
    "sort": (lambda x: (x.sort(1).values, x.topk(2, 1).values, x.median(1).values, x.kthvalue(2, 1).values), (2, 3)),
    "matmul": (lambda x, y: (x @ y, torch.mv(x, y[:, 0]), torch.dot(x[0], y[:, 0]), x[None] @ y), (2, 3), (3, 2)),
    "addmm": (lambda a, x, y: (torch.addmm(a, x, y, alpha=2), torch.baddbmm(a[None], x[None], y[None])),
              (2, 2), (2, 3), (3, 2)),
    "linear": (F.linear, (2, 3), (4, 3), (4,)),
    "conv": (lambda x, w, b: F.conv2d(x, w, b, padding=1), (1, 2, 3, 3), (2, 2, 2, 2), (2,)),
    "conv bias": (lambda b: F.conv2d(torch.ones(1, 1, 2, 2).double(), torch.ones(2, 1, 1, 1).double(), b), (2,)),
    "conv transposed": (F.conv_transpose2d, (1, 2, 2, 2), (2, 1, 2, 2), (1,)),
    "pools of volumes": (
        lambda x: (F.avg_pool3d(x, 2), F.adaptive_avg_pool3d(x, 2), F.adaptive_max_pool3d(x, 1)), (1, 1, 2, 3, 2),
    ),
    "pool": (lambda x: (F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.adaptive_avg_pool2d(x, 3), F.lp_pool2d(x, 2, 2)),
             (1, 1, 4, 4)),
    "pad": (lambda x: (F.pad(x, (1, 1), value=3.0), F.pad(x, (1, 1), mode="reflect")), (1, 2, 3)),
    "fold": (lambda x: F.fold(F.unfold(x, 2), (3, 3), 2), (1, 1, 3, 3)),
    "resample": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (1, 1, 2, 2)),
    "regions": (lambda x: (ops.roi_align(x, ROIS, 2), ops.roi_pool(x, ROIS, 2), ops.ps_roi_pool(x, ROIS, 2)),
                (2, 4, 3, 3)),
    "embedding": (lambda w: F.embedding(PLACES, w), (3, 2)),
    "layer norm": (lambda x, w, b: (F.layer_norm(x, (3,), w, b), F.rms_norm(x, (3,), w)), (2, 3), (3,), (3,)),
    "group norm": (lambda x: F.group_norm(x, 2), (1, 4, 2)),
    "local response": (lambda x: F.local_response_norm(x, 3, 0.5), (1, 4, 2)),
    "batch norm": (lambda x, w: F.batch_norm(x, None, None, w, training=True), (4, 2), (2,)),
    "loss": (lambda x: (F.cross_entropy(x, PLACES), F.nll_loss(torch.log(x), PLACES)), (2, 3)),
    "attention": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), (1, 1, 3, 4), (1, 1, 3, 4), (1, 1, 3, 4)),
    "distance": (lambda x, y: torch.cdist(x, y), (2, 3), (3, 3)),
    "solve": (lambda a, b: (torch.linalg.solve(a, b), torch.linalg.solve_triangular(a.triu(), b, upper=True)),
              (3, 3), (3, 2)),
    "inverse": (lambda a: (torch.linalg.inv(a), torch.linalg.det(a), torch.linalg.slogdet(a)[1],
                           torch.linalg.pinv(a)), (3, 3)),
    "lstsq": (lambda a, b: torch.linalg.lstsq(a, b).solution, (4, 2), (4, 1)),
    "qr": (lambda a: tuple(torch.linalg.qr(a)), (3, 3)),
    "lu": (lambda a: tuple(torch.linalg.lu(a))[1:], (3, 3)),
    "cholesky_solve": (lambda b, a: torch.cholesky_solve(b, a.tril() + 3 * torch.eye(3).double()), (3, 2), (3, 3)),
    "Fourier": (lambda x: (*map(torch.view_as_real, (torch.fft.fft(x), torch.fft.rfft2(x),
                                                     torch.fft.ihfft(x).resolve_conj())), torch.fft.irfft2(x)), (3, 4)),
    "singular values": (torch.linalg.svdvals, (3, 2)),
    "eigenvalues": (lambda a: torch.view_as_real(torch.linalg.eigvals(a)), (3, 3)),
    "frexp": (lambda x: torch.frexp(x).mantissa, (2, 3)),
}  # fmt: skip
SYMMETRIC = {
    "cholesky": lambda a: torch.linalg.cholesky(a + a.T),
    "cholesky solve": lambda a: torch.cholesky_solve(a, torch.linalg.cholesky(a + a.T)),
    "eigh": lambda a: torch.linalg.eigvalsh(a + a.T),
}
# not reached by public calls that have a derivative, or only inside of derivatives
ELSEWHERE = {
    "CtcLoss", "CtcLossBackward", "SampleDirichlet", "StandardGamma", "BackwardHookFunction", "Draw", "Dropout",
    "LDL", "LDLSolve", "Geqrf", "Recurrent", "EmbeddingBag",
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_every_operator(name):
    f, *shapes = CALLS[name]
    assert forward_agrees(f, *(double(*shape, seed=i) for i, shape in enumerate(shapes)))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_of_symmetric_matrices(name):
    assert forward_agrees(SYMMETRIC[name], spd(3))


def test_no_operator_is_forgotten(monkeypatch):
    seen = set()
    lifted = duals.apply

    def watched(op, args):
        seen.update(c.__name__ for c in op.__mro__)
        return lifted(op, args)

    monkeypatch.setattr(duals, "apply", watched)
    with fw.dual_level():
        for f, *shapes in CALLS.values():
            f(*(fw.make_dual(double(*s, seed=i).detach(), torch.ones(s).double()) for i, s in enumerate(shapes)))
        fw.make_dual(torch.ones(2), torch.ones(2)).double()
        for f in SYMMETRIC.values():
            f(fw.make_dual(spd(3).detach(), torch.ones(3, 3).double()))
    every = {c for c in subclasses(Op) if "forward" in vars(c)}
    inplace = {c.__name__ for c in every if c.__name__.endswith("InPlace") or c.__name__[0] == "_"}
    inner = {"PutFront", "IndexBack", "Recurrence", "PadAdjoint", "MaxPoolSpread", "MaxPoolPick", "AvgPoolSpread",
             "RegionSpread", "ScatterIntoLayout", "GatherFromLayout", "ReplaceInLayout",
             "ConvolutionWeight"}  # fmt: skip
    missing = {c.__name__ for c in every if c.__module__.startswith("cltorch")} - seen - inplace - inner - ELSEWHERE
    assert not missing


def subclasses(c):
    return {s for k in c.__subclasses__() for s in {k, *subclasses(k)}}


def test_on_devices(device):
    x = torch.tensor([[0.5, 1.0], [1.5, 2.0]], device=device)
    v = torch.tensor([[1.0, 0.0], [2.0, -1.0]], device=device)
    with fw.dual_level():
        d = fw.make_dual(x, v)
        value, t = fw.unpack_dual(torch.softmax(torch.sin(d) @ d.t() + d[:, :1], 1).sum(0))
    step = 1e-2

    def f(y):
        return torch.softmax(torch.sin(y) @ y.t() + y[:, :1], 1).sum(0)

    assert_close(value, f(x))
    assert_close(t, (f(x + step * v) - f(x - step * v)) / (2 * step), rtol=1e-2, atol=1e-3)


def test_levels_begin_and_end():
    x, v = torch.ones(2), torch.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="no level exists"):
        fw.make_dual(x, v)
    with fw.dual_level():
        d = fw.make_dual(x, v)
        assert fw.unpack_dual(d).tangent.tolist() == [1, 2] and fw.unpack_dual(x).tangent is None
        assert fw.unpack_dual(d * 3)[1].tolist() == [3, 6]
        with pytest.raises(RuntimeError, match="Nested forward mode"), fw.dual_level():
            pass
        assert fw.unpack_dual(d.detach()).tangent is None
        with fw.set_forward_grad_enabled(False):
            assert fw.unpack_dual(d * 2).tangent is None
        for wrong, error in (((x, v[:1]), RuntimeError), ((x.long(), v), ValueError), ((x, v.long()), ValueError)):
            with pytest.raises(error):
                fw.make_dual(*wrong)
    assert fw.unpack_dual(d).tangent is None
    with fw.dual_level():
        half = fw.unpack_dual(fw.make_dual(x, v).half() * 2).tangent
        assert half.dtype is torch.float16 and half.tolist() == [2, 4]
        assert fw.unpack_dual(d).tangent is None
    with pytest.raises(RuntimeError, match="not the last one"):
        fw.exit_dual_level()


def test_changes_in_place_reach_views_and_bases(device):
    x, v = torch.ones(3, device=device), torch.tensor([1.0, 2.0, 3.0], device=device)

    def tangent(y):
        return fw.unpack_dual(y).tangent.tolist()

    with fw.dual_level():
        y = fw.make_dual(x, v) * 1
        part = y[1:]
        y.mul_(2)
        assert tangent(y) == [2, 4, 6] and tangent(part) == [4, 6]
        part.mul_(y[1:])
        assert tangent(part) == [16, 24] and tangent(y) == [2, 16, 24]
        y[0] = 5.0
        assert tangent(y) == [0, 16, 24]
        z = torch.zeros(3, device=device)
        z[1:] = y[:2]
        assert tangent(z) == [0, 0, 16]
        z.index_fill_(0, torch.tensor([0, 2], device=device), y[1])
        assert tangent(z) == [16, 0, 16]
        z.copy_(x)
        assert tangent(z) == [0, 0, 0]
    assert v.tolist() == [1, 2, 3]


def test_backward_through_tangents_and_tangents_of_gradients(device):
    x = torch.tensor([1.0, 2.0], device=device, requires_grad=True)
    v = torch.tensor([1.0, 3.0], device=device, requires_grad=True)
    with fw.dual_level():
        t = fw.unpack_dual(fw.make_dual(x, v) ** 3).tangent
    gx, gv = torch.autograd.grad(t.sum(), (x, v))
    assert gx.tolist() == [6, 36] and gv.tolist() == [3, 12]
    with fw.dual_level():
        d = fw.make_dual(x.detach().requires_grad_(), v.detach())
        (g,) = torch.autograd.grad((torch.exp(d) * d.sum()).sum(), d)
        t = fw.unpack_dual(g).tangent
    e = np.exp([1.0, 2.0])
    hessian = np.diag(e * 3) + e[:, None] + e[None, :]
    assert_close(t.cpu(), torch.tensor(hessian @ [1.0, 3.0], dtype=torch.float32), rtol=1e-5, atol=1e-4)


def test_functions_of_the_user():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(x, n):
            return x**3, x * n

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_forward(inputs[0])
            ctx.n = inputs[1]

        @staticmethod
        def jvp(ctx, v, _):
            (x,) = ctx.saved_tensors
            return 3 * x * x * v, v * ctx.n

    class Neither(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with fw.dual_level():
        d = fw.make_dual(torch.tensor([2.0]), torch.tensor([1.0]))
        a, b = Cube.apply(d, 4)
        assert fw.unpack_dual(a).tangent.item() == 12 and fw.unpack_dual(b).tangent.item() == 4
        with pytest.raises(NotImplementedError, match="You must implement the jvp function"):
            Neither.apply(d)


def test_gradcheck_of_derivatives_forward():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x)
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

        @staticmethod
        def jvp(ctx, v):
            return 3 * ctx.saved_tensors[0] * v

    x = double(3)
    for fast in (False, True):
        assert gradcheck(Wrong.apply, x, fast_mode=fast)
        with pytest.raises(torch.autograd.GradcheckError, match="computed with forward mode mismatch"):
            gradcheck(Wrong.apply, x, check_forward_ad=True, fast_mode=fast)
    with pytest.raises(AssertionError, match="at least one of check_forward_ad or check_backward_ad"):
        gradcheck(torch.sin, x, check_backward_ad=False)
    assert gradcheck(torch.sin, x, check_forward_ad=True, check_batched_forward_grad=True, check_batched_grad=True)
    with pytest.raises(AssertionError, match="requires check_forward_ad"):
        gradcheck(torch.sin, x, check_batched_forward_grad=True)
    assert torch.autograd.gradgradcheck(torch.sin, x, check_fwd_over_rev=True, check_batched_grad=True)
