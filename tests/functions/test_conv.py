"""Convolutions as torch has them: settings, shapes, gradients of gradients, and what is refused."""

import re

import numpy as np
import pytest
from scipy import signal

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck
from tests.libraries import LIBRARIES

CONV = {1: cltorch.conv1d, 2: cltorch.conv2d, 3: cltorch.conv3d}
TRANSPOSED = {1: cltorch.conv_transpose1d, 2: cltorch.conv_transpose2d, 3: cltorch.conv_transpose3d}


def whole(rng, *shape):
    return rng.integers(-3, 4, shape).astype(np.float32)


def tensors(device, *arrays, grad=False):
    return [cltorch.tensor(a, device=device, requires_grad=grad) for a in arrays]


@pytest.mark.parametrize("dims", (1, 2, 3))
def test_one_channel_is_scipys_correlation(dims, device):
    rng = np.random.default_rng(dims)
    x, w = whole(rng, 1, 1, *(9, 8, 7)[:dims]), whole(rng, 1, 1, *(3, 4, 2)[:dims])
    y = CONV[dims](*tensors(device, x, w))
    np.testing.assert_array_equal(y.cpu().numpy()[0, 0], signal.correlate(x[0, 0], w[0, 0], "valid", "direct"))
    y = TRANSPOSED[dims](*tensors(device, x, w))
    np.testing.assert_array_equal(y.cpu().numpy()[0, 0], signal.convolve(x[0, 0], w[0, 0], "full", "direct"))


@pytest.mark.parametrize("size", (1, 2, 3, 4, 5))
@pytest.mark.parametrize("dilation", (1, 2))
def test_same_keeps_the_size_and_pads_more_behind(size, dilation, device):
    rng = np.random.default_rng(size)
    x, w = whole(rng, 2, 1, 13), whole(rng, 1, 1, size)
    total = dilation * (size - 1)
    padded = np.pad(x, [(0, 0), (0, 0), (total // 2, total - total // 2)])
    expected = cltorch.conv1d(*tensors("cpu", padded, w), dilation=dilation)
    y = cltorch.conv1d(*tensors(device, x, w), padding="same", dilation=dilation)
    assert y.shape == x.shape
    np.testing.assert_array_equal(y.cpu().numpy(), expected.numpy())


def test_valid_is_no_padding(device):
    x, w = tensors(device, *(np.ones(s, np.float32) for s in ((1, 2, 6, 5), (3, 2, 3, 2))))
    y = cltorch.conv2d(x, w, padding="valid", stride=2)
    assert y.shape == (1, 3, 2, 2) and y.eq(12).all()


@pytest.mark.parametrize("dims", (1, 2, 3))
def test_a_sample_without_a_batch(dims, device):
    rng = np.random.default_rng(0)
    for conv in (CONV[dims], TRANSPOSED[dims]):
        x, w, b = whole(rng, 4, *(6, 5, 4)[:dims]), whole(rng, 4, 4, *(2,) * dims), whole(rng, 4)
        x, w, b = tensors(device, x, w, b, grad=True)
        y = conv(x, w, b, padding=1)
        assert y.ndim == dims + 1
        np.testing.assert_array_equal(
            y.detach().cpu(), conv(x.detach().unsqueeze(0), w, b, padding=1)[0].detach().cpu()
        )
        y.sum().backward()
        assert x.grad.shape == x.shape


def test_a_setting_is_a_number_or_one_for_each_dimension(device):
    x, w = tensors(device, *(whole(np.random.default_rng(0), *s) for s in ((1, 2, 9, 9), (3, 2, 2, 2))))
    want = cltorch.conv2d(x, w, stride=2, padding=1, dilation=3).cpu()
    for two, one, three in (((2, 2), (1, 1), (3, 3)), ([2], [1], [3]), (cltorch.Size((2, 2)), np.int64(1), (3,))):
        assert cltorch.conv2d(x, w, None, two, one, three).cpu().equal(want)


def test_the_node_is_called_convolution(device):
    x, w = tensors(device, np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 2, 2), np.float32), grad=True)
    assert cltorch.conv2d(x, w).grad_fn.name() == "ConvolutionBackward0"
    assert cltorch.conv_transpose2d(x, w).grad_fn.name() == "ConvolutionBackward0"
    assert cltorch.conv2d(x.detach(), w.detach()).grad_fn is None


def test_whole_numbers_convolve(device):
    x, w, b = (whole(np.random.default_rng(0), *s).astype(np.int64) for s in ((2, 3, 6), (4, 3, 3), (4,)))
    y = cltorch.conv1d(*tensors(device, x, w, b))
    assert y.dtype is cltorch.int64
    want = cltorch.conv1d(*tensors("cpu", *(a.astype(np.float64) for a in (x, w, b))))
    np.testing.assert_array_equal(y.cpu().numpy(), want.numpy())


# dims, groups, input, output channels per group, window, settings; each is tried forward and transposed
SETTINGS = [
    (1, 1, 2, 3, (3,), {}),
    (1, 2, 2, 1, (2,), {"stride": 2, "padding": 1}),
    (2, 1, 2, 2, (3, 3), {"padding": 1}),
    (2, 1, 1, 2, (2, 3), {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)}),
    (2, 3, 1, 2, (3, 2), {"stride": 2}),
    (2, 1, 3, 2, (1, 1), {}),
    (3, 1, 1, 2, (2, 2, 2), {"stride": (1, 2, 1), "padding": 1}),
]


def operands(device, dims, groups, c, k, window, transposed):
    sizes = (5, 4, 3)[:dims] if dims < 3 else (3, 3, 3)
    shapes = (1 + (dims < 3), groups * c, *sizes), ((groups * c, k) if transposed else (groups * k, c)) + window
    return [
        cltorch.randn(*shape, dtype=cltorch.float64, device=device, requires_grad=True)
        for shape in (*shapes, (groups * k,))
    ]


@pytest.mark.parametrize("transposed", (False, True), ids=("forward", "transposed"))
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_gradients_and_their_gradients(setting, transposed, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    dims, groups, c, k, window, kwargs = setting
    x, w, b = operands(device, dims, groups, c, k, window, transposed)
    conv = (TRANSPOSED if transposed else CONV)[dims]

    def f(x, w, b):
        return conv(x, w, b, groups=groups, **kwargs)

    assert gradcheck(f, (x, w, b))
    assert gradgradcheck(f, (x, w, b))


def test_only_the_gradients_asked_for_are_made(device):
    x, w, b = (cltorch.ones(*s, device=device) for s in ((2, 1, 4, 4), (2, 1, 3, 3), (2,)))
    for i, leaf in enumerate((x, w, b)):
        args = [a.clone() for a in (x, w, b)]
        args[i].requires_grad_()
        cltorch.conv2d(*args, padding=1).sum().backward()
        assert [a.grad is not None for a in args] == [j == i for j in range(3)]
        assert args[i].grad.shape == leaf.shape
    assert args[2].grad.cpu().eq(32).all()  # each bias reaches 2 * 4 * 4 results


def test_the_transposed_one_is_the_adjoint(device):
    rng = np.random.default_rng(3)
    settings = {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    x, w = tensors(device, whole(rng, 2, 4, 9, 11), whole(rng, 6, 2, 3, 2))
    y = cltorch.conv2d(x, w, **settings)
    g = cltorch.tensor(whole(rng, *y.shape), device=device)
    # 9 and 11 are the sizes that an output padding of 0 and 2 gives back
    back = cltorch.conv_transpose2d(g, w, output_padding=(0, 2), **settings)
    assert back.shape == x.shape
    assert (y * g).sum().item() == (x * back).sum().item()


def test_one_value_becomes_a_window(device):
    rng = np.random.default_rng(4)
    x, w, b = tensors(device, whole(rng, 3, 4, 1, 1), whole(rng, 4, 2, 3, 2), whole(rng, 2))
    y = cltorch.conv_transpose2d(x, w, b)
    want = np.einsum("nc,ckhw->nkhw", x.cpu().numpy()[..., 0, 0], w.cpu().numpy()) + b.cpu().numpy()[:, None, None]
    np.testing.assert_array_equal(y.cpu().numpy(), want)
    np.testing.assert_array_equal(cltorch.conv_transpose2d(x, w).cpu(), (y - b[:, None, None]).cpu())


def test_convolution_takes_all_settings(device):
    x, w = tensors(device, *(whole(np.random.default_rng(0), *s) for s in ((1, 2, 7, 7), (2, 3, 2, 2))))
    y = cltorch.convolution(x, w, None, [2, 2], [1, 1], [1, 1], True, [1, 1], 1)
    assert y.cpu().equal(cltorch.conv_transpose2d(x, w, None, 2, 1, 1).cpu())
    y = cltorch.convolution(x, w.transpose(0, 1), None, [2], [1], [1], False, [0], 1)
    assert y.cpu().equal(cltorch.conv2d(x, w.transpose(0, 1), None, 2, 1).cpu())


def z(*shape):
    return cltorch.zeros(*shape)


REFUSED = [
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 2, 3, 3)),
     "Given groups=1, weight of size [4, 2, 3, 3], expected input[1, 3, 8, 8] to have 2 channels, but got 3 channels"),
    (lambda: cltorch.conv2d(z(1, 4, 8, 8), z(3, 2, 3, 3), groups=2),
     "Given groups=2, expected weight to be divisible by 2 at dimension 0, but got weight of size [3, 2, 3, 3]"),
    (lambda: cltorch.conv2d(z(1, 3, 2, 2), z(4, 3, 3, 3)),
     "Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size can't be greater than"),
    (lambda: cltorch.conv1d(z(1, 3, 4), z(4, 3, 3), dilation=2),
     "Calculated padded input size per channel: (4). Kernel size: (5). Kernel size can't be greater than"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), padding=-1), "negative padding is not supported"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), stride=(1, 0)), "non-positive stride is not supported"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), dilation=0), "dilation should be greater than zero"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), groups=0), "non-positive groups is not supported"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), stride=(1, 2, 3)),
     "expected stride to be a single integer value or a list of 2 values to match the convolution dimensions"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), padding="some"), "Invalid padding string: 'some'"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), padding="same", stride=2),
     "padding='same' is not supported for strided convolutions"),
    (lambda: cltorch.conv2d(z(8, 8), z(4, 3, 3, 3)),
     "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [8, 8]"),
    (lambda: cltorch.conv3d(z(1, 8, 8), z(4, 3, 3, 3, 3)), "Expected 4D (unbatched) or 5D (batched) input to conv3d"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3)), "weight of size [4, 3, 3]"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), z(3)),
     "expected bias to be 1-dimensional with 4 elements, but got bias of size [3]"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3).double()),
     "Input type (float) and weight type (double) should be the same"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), z(4).half()),
     "Input type (float) and bias type (c10::Half) should be the same"),
    (lambda: cltorch.conv2d(z(1, 3, 8, 8), z(0, 3, 3, 3)), "expected weight to be at least 1 at dimension 0"),
    (lambda: cltorch.conv2d(z(1, 3, 0, 8), z(4, 3, 3, 3), padding=2), "Only zero batch or zero channel inputs"),
    (lambda: cltorch.conv2d(z(1, 3, 0, 8), z(4, 3, 1, 1)),
     "Calculated padded input size per channel: (0 x 8). Kernel size: (1 x 1). Kernel size can't be greater than"),
    (lambda: cltorch.conv_transpose2d(z(1, 3, 8, 8), z(2, 4, 3, 3)),
     "Given transposed=1, weight of size [2, 4, 3, 3], expected input[1, 3, 8, 8] to have 2 channels"),
    (lambda: cltorch.conv_transpose2d(z(1, 3, 8, 8), z(3, 4, 3, 3), output_padding=1),
     "output padding must be smaller than either stride or dilation"),
    (lambda: cltorch.conv_transpose2d(z(1, 3, 8, 8), z(3, 4, 3, 3), stride=2, output_padding=-1),
     "negative output_padding is not supported"),
    (lambda: cltorch.conv_transpose2d(z(1, 3, 1, 1), z(3, 4, 3, 3), padding=2),
     "Given input size per channel: (1 x 1). Calculated output size per channel: (-1 x -1). Output size is too small"),
    (lambda: cltorch.convolution(z(3, 8, 8), z(4, 3, 3, 3), None, [1], [0], [1], False, [0], 1),
     "Expected 4-dimensional input for 4-dimensional weight [4, 3, 3, 3], but got 3-dimensional input of size"),
]  # fmt: skip


@pytest.mark.parametrize("call, message", REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(RuntimeError, match=re.escape(message)):
        call()


def test_wrong_types_are_refused():
    x, w = z(1, 3, 8, 8), z(4, 3, 3, 3)
    for call in (
        lambda: cltorch.conv2d(x, "w"),
        lambda: cltorch.conv2d(1, w),
        lambda: cltorch.conv2d(x, w, "b"),
        lambda: cltorch.conv2d(x, w, stride=1.5),
        lambda: cltorch.conv2d(x, w, groups=1.5),
        lambda: cltorch.conv2d(x, w, padding=(1, "1")),
        lambda: cltorch.conv_transpose2d(x, z(3, 4, 3, 3), padding="same"),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        cltorch.conv2d(x.bool(), w.bool())


def test_operands_on_two_devices_are_refused(cl_device):
    with pytest.raises(RuntimeError, match="on the same device, but got weight is on"):
        cltorch.conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3).to(cl_device))


RANDOM = 24


@pytest.mark.parametrize("seed", range(RANDOM))
def test_random_settings_agree_with_torch(seed, device):
    torch = pytest.importorskip("torch", reason="PyTorch, the reference, is not installed")
    rng = np.random.default_rng(seed)
    dims, groups, transposed = seed % 3 + 1, int(rng.choice((1, 1, 2, 3))), seed % 2 == 1
    c, k = int(rng.choice((1, 2, 5, 18))), int(rng.choice((1, 2, 17, 33)))
    window, stride, dilation, padding = (
        tuple(map(int, rng.choice(choice, dims))) for choice in ((1, 2, 3, 4), (1, 1, 2, 3), (1, 1, 2), (0, 1, 2))
    )
    sizes = tuple(int(rng.integers(10, 14 if dims < 3 else 11)) for _ in range(dims))
    kwargs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if transposed:
        kwargs["output_padding"] = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    x, b = rng.standard_normal((2, groups * c, *sizes)), rng.standard_normal(groups * k)
    w = rng.standard_normal(((groups * c, k) if transposed else (groups * k, c)) + window)
    name = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    results = []
    for module, on in ((torch, "cpu"), (cltorch, device)):
        leaves = [module.tensor(a.astype(np.float32), device=on, requires_grad=True) for a in (x, w, b)]
        y = getattr(module, name)(*leaves, **kwargs)
        (y * module.arange(y.numel(), device=on).reshape(y.shape).remainder(7).to(y.dtype)).sum().backward()
        results.append([a.detach().cpu().numpy() for a in (y, *(leaf.grad for leaf in leaves))])
    for want, got in zip(*results, strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize(
    ("f", "size", "weight", "options"),
    [
        (cltorch.conv2d, (1, 4, 9, 9), (8, 4, 3, 3), {"padding": 1}),
        (cltorch.conv2d, (2, 16, 8, 8), (8, 16, 1, 1), {}),
        (cltorch.conv2d, (2, 8, 8, 8), (8, 1, 3, 3), {"groups": 8}),
        (cltorch.conv_transpose2d, (1, 4, 5, 5), (4, 8, 3, 3), {"stride": 2}),
    ],
)
def test_a_bias_with_gaps_or_repeated(f, size, weight, options, device):
    x, w = (cltorch.tensor(np.random.rand(*s).astype(np.float32), device=device) for s in (size, weight))
    numbers = cltorch.tensor(np.random.rand(16).astype(np.float32), device=device)
    for bias in (numbers[::2], numbers[1::2], numbers[3:4].expand(8)):
        want = f(x, w, **options) + bias.reshape(1, 8, 1, 1)
        np.testing.assert_allclose(f(x, w, bias, **options).cpu().numpy(), want.cpu().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_unequal_sides_of_same_are_warned_of(lib):
    lib = LIBRARIES[lib]()
    was = lib.is_warn_always_enabled()
    lib.set_warn_always(True)
    try:
        with pytest.warns(UserWarning, match="even kernel lengths and odd dilation") as found:
            lib.conv1d(lib.ones(1, 1, 5), lib.ones(1, 1, 2), padding="same")
            lib.conv1d(lib.ones(1, 1, 5), lib.ones(1, 1, 2), padding="same", dilation=2)
            lib.conv1d(lib.ones(1, 1, 5), lib.ones(1, 1, 3), padding="same")
    finally:
        lib.set_warn_always(was)
    assert len(found) == 1
