"""Run every kernel template at least once on each OpenCL device, in its forms for processors and for GPUs.

The quick selection of ``ci/portability.sh``, small enough for an interpreter of kernels such as Oclgrind:
``python -m pytest ci/every_kernel.py``. Each case is computed on the host too, whose path shares nothing with a
kernel; whether the host is right is the business of the test-suite.
"""

from __future__ import annotations

import dataclasses
import re
from unittest import mock

import numpy as np
import pytest

import cltorch as torch
from cltorch.device import program, templates
from cltorch.nn import functional as F
from cltorch.ops import conv_choice, gemm_cpu, sort
from cltorch.ops.gemm_grouped import products_into
from cltorch.vision import ops

DEVICES = [f"cl:{i}" for i in range(torch.cl.device_count())]
KINDS = ("cpu", "gpu")
_ran: dict[str, set[str]] = {device: set() for device in DEVICES}
_done: set[tuple[str, str, str]] = set()


def numbers(*shape: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Return normal random numbers in float32."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def slopes(device, f, *arrays):
    """Return the results of a function of tensors, and the gradients of a weighted sum of them."""
    x = [torch.tensor(a, device=device, requires_grad=True) for a in arrays]
    y = f(*x)
    weights = torch.tensor(numbers(*y.shape, seed=9), device=device)
    return [y, *torch.autograd.grad((y * weights).sum(), x)]


def several(*shapes, scale=1.0):
    """Return an array for each shape."""
    return [numbers(*shape, scale=scale, seed=i) for i, shape in enumerate(shapes)]


def pointwise(d):
    x, y = (torch.tensor(a, device=d) for a in several((5, 37), (5, 37)))
    found = [torch.sin(x) * y, x.t() + y.t().contiguous(), x[:, ::2] > 0, torch.where(x > y, x, y), torch.erf(x)]
    small = (x * 9).to(torch.int8)
    found += [x > y, torch.isfinite(x), small > 3, (small > 0).int(), ~(small > 0), small.bool()]
    return [*found, (x.half() * 2).float(), (x.bfloat16() + 1).float(), x.abs() ** y, torch.fmod(x, 0.3)]


def made(d):
    # as large as what a processor is asked huge pages for, by mapping it, which must be over when a kernel has it
    large = torch.empty(1 << 20, device=d)
    large[:3] = 1
    found = [torch.arange(40, device=d), torch.full((33,), 2.5, device=d), torch.tensor(numbers(3), device=d).fill_(1)]
    return [*found, large[:3] + 1]


def reduced(d):
    x = torch.tensor(numbers(6, 70), device=d)
    return [x.sum(), x.sum(0), x.mean(1), x.amax(1), x.var(0), x.argmax(1), x.argmin(0), x.max(1)[1], x.logsumexp(1)]


def scanned(d):
    x = torch.tensor(numbers(4, 50), device=d)
    return [x.cumsum(1), x.cumsum(0), *x.cummax(1), torch.logcumsumexp(x, 1)]


def products(d):
    a, b, v = (torch.tensor(x, device=d) for x in several((37, 29), (29, 41), (29,)))
    long = torch.tensor(numbers(3, 300), device=d)
    found = [a @ b, a @ v, v @ b, a[:3] @ b, (a.half() @ b.half()).float(), long @ long.T]
    found += [((a > 0).bfloat16() @ (b > 0).bfloat16()).float()]  # whole numbers, which no rounding takes apart
    found.append(((2 * a).round().bfloat16() @ (2 * b).round().bfloat16()).float())  # exact, so rounded alike
    return [*found, long @ torch.tensor(numbers(300, 64, seed=4), device=d), long.T @ long, b.T @ a.T]


def grouped_products(d):
    whole = torch.tensor(numbers(300), device=d)
    a = [whole[:12].reshape(3, 4), whole[12:222].reshape(2, 7, 15)]
    found = torch.zeros(107, device=d)
    out = [found[:9].reshape(3, 3), found[9:].reshape(2, 7, 7)]
    products_into(out, a, [x.transpose(-1, -2) for x in a])
    return [found]


def few_rows(d):
    x, y = (torch.tensor(a, device=d) for a in several((16, 40), (70, 40)))
    # only larger matrices than an interpreter can do would be exchanged
    with mock.patch.object(gemm_cpu, "_LONG", 0), mock.patch.object(gemm_cpu, "_LARGE", 0):
        return [x @ y.T]


def tiny_matrices(d):
    x, y = (torch.tensor(a, device=d) for a in several((64, 2, 3), (64, 3, 5)))
    return [x @ y]


def few_columns(d):
    x, y = (torch.tensor(a, device=d) for a in several((513, 48), (48, 4)))
    return [x @ y, (x @ y).T @ x]


def convolved(d):
    x, w, b = several((2, 5, 11, 12), (6, 5, 3, 3), (6,))
    found = slopes(d, lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), x, w, b)
    return found + slopes(d, lambda x, w: F.conv2d(x, w), x, numbers(7, 5, 1, 1))


def winograd(d):
    x, w = several((1, 32, 8, 8), (32, 32, 3, 3), scale=0.3)
    with mock.patch.object(conv_choice, "_MARGIN", 0):  # it would be chosen for more places than an interpreter can do
        return slopes(d, lambda x, w: F.conv2d(x, w, padding=1), x, w)


def depthwise(d):
    x, w = several((1, 6, 10, 11), (6, 1, 3, 3))
    return slopes(d, lambda x, w: F.conv2d(x, w, padding=1, groups=6), x, w)


def pooled(d):
    x = numbers(2, 3, 12, 13)
    found = slopes(d, lambda x: F.max_pool2d(x, 3, 2, 1), x) + slopes(d, lambda x: F.avg_pool2d(x, 2), x)
    return found + slopes(d, lambda x: F.adaptive_avg_pool2d(x, 4), x)


def regions(d):
    rois = torch.tensor([[0.0, 1, 2, 9, 8], [1, -3, 3, 5, 20], [0, 4, 4, 6, 7]], device=d)
    x = numbers(2, 12, 9, 10)
    found = slopes(d, lambda x: ops.roi_align(x, rois, 3, 0.5), x) + slopes(d, lambda x: ops.roi_pool(x, rois, 3), x)
    return found + slopes(d, lambda x: ops.ps_roi_pool(x, rois, (2, 3)), x)


def sampled(d):
    images, places = several((2, 3, 4, 5), (2, 3, 2, 2))
    return slopes(d, lambda x, grid: F.grid_sample(x, grid, align_corners=False), images, places)


def pooled_tiles(d):
    x = numbers(1, 8, 16, 16)
    return slopes(d, lambda x: F.max_pool2d(x, 2), x)


def normalized(d):
    x = numbers(4, 6, 9)
    found = slopes(d, lambda x, w, b: F.layer_norm(x, (9,), w, b), x, *several((9,), (9,)))
    found += slopes(d, lambda x, w, b: F.batch_norm(x, None, None, w, b, True), x, *several((6,), (6,)))
    found += slopes(d, lambda x: F.local_response_norm(x, 3, 0.5), x)
    return found + slopes(d, lambda x: F.group_norm(x, 3), x)


def attention(d):
    q, k, v = several((1, 2, 9, 16), (1, 2, 11, 16), (1, 2, 11, 16))
    found = slopes(d, F.scaled_dot_product_attention, q[:, :, :2], k, v)
    return found + slopes(d, F.scaled_dot_product_attention, q, k, v)


def recurrent(d):
    torch.manual_seed(0)
    found = []
    for make, options in ((torch.nn.LSTM, {}), (torch.nn.LSTM, {"proj_size": 3}), (torch.nn.GRU, {})):
        layer = make(5, 7, **options).to(d)
        y, _ = layer(torch.tensor(numbers(4, 3, 5), device=d))
        found += [y, *torch.autograd.grad(y.sum(), list(layer.parameters()))]
    return found


def losses(d):
    target = torch.tensor([1, 0, 3, 2, 4], device=d)
    found = slopes(d, lambda x: F.cross_entropy(x, target), numbers(5, 6))
    return found + slopes(d, lambda x: F.nll_loss(x, target), numbers(5, 6)) + slopes(
        d, lambda x: F.softmax(x, 1) + F.log_softmax(x, 0), numbers(5, 6)
    )  # fmt: skip


def ctc(d):
    labels, there = torch.tensor([[1, 2, 2], [3, 1, 0]], device=d), torch.tensor([3, 2])
    whole = torch.tensor([8, 7])
    return slopes(d, lambda x: F.ctc_loss(F.log_softmax(x, 2), labels, whole, there), numbers(8, 2, 5))


def indexed(d):
    x, at = torch.tensor(numbers(6, 8), device=d), torch.tensor([3, 0, 5, 3], device=d)
    y = x.clone().index_add_(0, at, x[:4])
    found = [x[at], x[x > 0], x.index_select(1, at), x.gather(1, at.expand(6, 4)), y, x.flip(1), (x > 0).nonzero()]
    found += [torch.zeros(6, 8, device=d).scatter_add(1, at.expand(6, 4), x), x.clone().index_put_((at[:3],), x[0])]
    found.append(F.one_hot(at, 7))
    begins = torch.tensor([0, 1, 1], device=d)
    for mode in ("sum", "mean", "max"):
        found += slopes(d, lambda w, mode=mode: F.embedding_bag(at, w, begins, mode=mode), numbers(6, 20))
    return found + slopes(d, lambda w: F.embedding(at.to(d), w), numbers(6, 3))


def sorted_(d):
    found = []
    for shape, dim in (((3, 40), 1), ((40, 3), 0), ((2, 3000), 1), ((300, 6), 1)):
        x = torch.tensor(numbers(*shape), device=d)
        found += [*x.sort(dim), *x.topk(3, dim), x.median(dim)[0]]
    with mock.patch.object(sort, "_ROWS_MOST", 600):
        found += torch.tensor(numbers(700), device=d).sort()
    x = torch.tensor(np.arange(60) * 7 % 11, device=d)
    found += [*torch.unique(x, return_inverse=True, return_counts=True), torch.isin(x, x[:4])]
    line = torch.tensor(numbers(30), device=d).sort()[0]
    found += [x.bincount(minlength=11), x.bincount(minlength=4000), line.histc(5)]
    return [*found, torch.searchsorted(line, line[::3].contiguous()), x.float().quantile(0.3)]


def shaped(d):
    x = torch.tensor(numbers(2, 3, 8, 9), device=d)
    found = [F.pad(x, (1, 2, 0, 1), mode) for mode in ("reflect", "replicate", "circular")]
    found += [F.pad(x, (1, 2), value=3.0), x.tril(), x[0, 0].triu(1), torch.cat([x, x * 2], 1), F.unfold(x, 3)]
    found += [F.fold(F.unfold(x, 2, stride=2), (8, 9), 2, stride=2), x.roll(1, 2), x.to(torch.int32)]
    found += [F.interpolate(x, (5, 13), mode=mode) for mode in ("nearest", "bilinear", "bicubic")]
    grid = torch.tensor(np.tanh(numbers(2, 4, 5, 2)), device=d)
    return [*found, F.grid_sample(x, grid, align_corners=False)]


def distances(d):
    return slopes(d, torch.cdist, *several((5, 9), (7, 9)))


def drawn(d):
    made = torch.Generator(device=d).manual_seed(5)
    empty = torch.empty(70, device=d)
    p = torch.tensor(np.linspace(0.1, 0.9, 70, dtype=np.float32), device=d)
    found = [torch.rand(70, device=d, generator=made), torch.randn(70, device=d, generator=made)]
    found += [torch.randint(0, 9, (70,), device=d, generator=made), torch.bernoulli(p, generator=made)]
    found += [torch.poisson(p * 9, generator=made), torch.binomial(p * 0 + 12, p, generator=made)]
    found += [torch.multinomial(p, 20, generator=made), torch.multinomial(p, 20, True, generator=made)]
    found += [empty.exponential_(generator=made), torch.randperm(50, device=d, generator=made)]
    torch.manual_seed(3)
    return [*found, torch.distributions.Gamma(p * 4, p).sample()]


def updated(d):
    found = []
    for make in (torch.optim.Adam, torch.optim.SGD, torch.optim.Adafactor):
        w = [torch.tensor(a, device=d, requires_grad=True) for a in several((5, 9), (70,))]
        steps = make(w, lr=0.1)
        sum((x * x).sum() for x in w).backward()
        found.append(torch.nn.utils.clip_grad_norm_(w, 0.5))
        steps.step()
        found += w
    return found


CASES = {
    f.__name__.strip("_"): f
    for f in (
        pointwise, made, reduced, scanned, products, grouped_products, few_rows, few_columns, tiny_matrices, convolved,
        winograd, depthwise, pooled, regions, sampled, pooled_tiles, normalized, attention, recurrent, losses, ctc,
        indexed, sorted_, shaped, distances, drawn, updated,
    )
}  # fmt: skip


@pytest.fixture
def as_kind(request, monkeypatch):
    """Make a device take the kernels of one kind, processors or GPUs; note which templates it builds."""
    device, kind = request.param
    context = torch.device(device).resolve().context
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, kind=kind))
    monkeypatch.setattr(context, "ready", type(context.ready)())
    monkeypatch.setattr(context, "_programs", {})
    monkeypatch.setattr(context, "_kernels", {})
    left: set[str] = set()
    enqueue = program.enqueue

    def launch(queue, kernel, size, local, *args, **options):
        if local is None:
            left.add(kernel.function_name)
        return enqueue(queue, kernel, size, local, *args, **options)

    monkeypatch.setattr(program, "enqueue", launch)
    yield device, kind
    # a driver that chooses the groups' size itself takes a divisor of the work-items, which may be 1
    assert left == set()
    _ran[device] |= {key[0] for key in context._programs if isinstance(key, tuple)}


@pytest.mark.parametrize("as_kind", [(d, k) for d in DEVICES for k in KINDS], indirect=True, ids="-".join)
@pytest.mark.parametrize("case", CASES)
def test_a_case_gives_what_the_host_gives(case, as_kind):
    device, kind = as_kind
    _done.add((case, device, kind))
    for number, (x, y) in enumerate(zip(CASES[case](device), CASES[case]("cpu"), strict=True)):
        x, y = (v.detach().cpu().double().numpy() for v in (x, y))
        np.testing.assert_allclose(x, y, rtol=2e-3, atol=2e-4, err_msg=f"result {number} of {case}")


@pytest.mark.parametrize("device", DEVICES)
def test_no_template_was_left_out(device):
    if len({key for key in _done if key[1] == device}) < len(CASES) * len(KINDS):
        pytest.skip("only a part of the cases has run")
    files = {path.stem: path.read_text(encoding="utf-8") for path in templates.kernel_dir().glob("*.cl")}
    ran = {"prelude", "probe"} | _ran[device]  # discovery has run the probe, and the prelude is in front of all
    for _ in files:
        ran |= {name for stem in ran for name in re.findall(r'file="(\w+)\.cl"', files[stem])}
    assert sorted(set(files) - ran) == []
