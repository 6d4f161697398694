"""What the table of layers leaves out: errors, odd inputs, results that NumPy and SciPy give too."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy import signal
from scipy.spatial import distance

import cltorch
from cltorch import nn
from cltorch.nn import functional as F


def sample(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_linear_layers_are_their_formula(device):
    m = nn.Linear(4, 3).to(device)
    x = sample(2, 5, 4)
    expected = x @ m.weight.detach().cpu().numpy().T + m.bias.detach().cpu().numpy()
    np.testing.assert_allclose(
        m(cltorch.tensor(x, device=device)).detach().cpu().numpy(), expected, rtol=1e-4, atol=1e-5
    )


def test_bilinear_layers_are_their_formula(device):
    m = nn.Bilinear(4, 5, 3).to(device)
    x, y = sample(2, 6, 4), sample(2, 6, 5, seed=1)
    w, b = m.weight.detach().cpu().numpy(), m.bias.detach().cpu().numpy()
    found = m(cltorch.tensor(x, device=device), cltorch.tensor(y, device=device)).detach().cpu().numpy()
    np.testing.assert_allclose(found, np.einsum("abi,kij,abj->abk", x, w, y) + b, rtol=1e-4, atol=1e-5)


def test_convolutions_are_scipys_correlations(device):
    m = nn.Conv2d(2, 3, 3, padding=1).to(device)
    x = sample(1, 2, 6, 5)
    w, b = m.weight.detach().cpu().numpy(), m.bias.detach().cpu().numpy()
    expected = [sum(signal.correlate2d(x[0, i], w[o, i], "same") for i in range(2)) + b[o] for o in range(3)]
    found = m(cltorch.tensor(x, device=device)).detach().cpu().numpy()
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mode", "boundary"), [("circular", "wrap"), ("reflect", None)])
def test_padding_modes_continue_the_image(mode, boundary, device):
    m = nn.Conv2d(1, 1, 3, padding="same", padding_mode=mode, bias=False).to(device)
    x = sample(1, 1, 6, 5)
    w = m.weight.detach().cpu().numpy()[0, 0]
    found = m(cltorch.tensor(x, device=device)).detach().cpu().numpy()[0, 0]
    padded = np.pad(x[0, 0], 1, "reflect")
    expected = signal.correlate2d(x[0, 0], w, "same", boundary) if boundary else signal.correlate2d(padded, w, "valid")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_transposed_convolutions_reach_the_size_asked_for(device):
    m = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1).to(device)
    x = cltorch.tensor(sample(1, 2, 5, 4), device=device)
    for size in ((9, 7), (10, 8), (9, 8)):
        assert m(x, output_size=size).shape == (1, 3, *size)
    assert m(x, (1, 3, 10, 8)).shape == (1, 3, 10, 8) and m(x[0], (3, 10, 8)).shape == (3, 10, 8)


def test_pooling_returns_places_on_request(device):
    x = cltorch.tensor(sample(2, 3, 6, 6), device=device)
    for layer in (nn.MaxPool2d(2, return_indices=True), nn.AdaptiveMaxPool2d(3, return_indices=True)):
        values, places = layer(x)
        assert places.dtype is cltorch.int64
        assert x.flatten(2).gather(2, places.flatten(2)).tolist() == values.flatten(2).tolist()
    line = x.flatten(2)
    for found in (F.adaptive_max_pool1d_with_indices(line, 4), nn.MaxPool1d(9, return_indices=True)(line)):
        assert line.gather(2, found[1]).tolist() == found[0].tolist()
    assert F.adaptive_max_pool1d(line, 4).shape == (2, 3, 4)


def test_distances_are_scipys(device):
    x, y = sample(6, 4), sample(6, 4, seed=1)
    a, b = (cltorch.tensor(v, device=device) for v in (x, y))
    cosine = [1 - distance.cosine(u, v) for u, v in zip(x, y, strict=True)]
    np.testing.assert_allclose(nn.CosineSimilarity()(a, b).cpu().numpy(), cosine, rtol=1e-5)
    for p in (1.0, 2.0, 3.0, float("inf")):
        expected = [np.linalg.norm(u - v, p) for u, v in zip(x, y, strict=True)]
        np.testing.assert_allclose(nn.PairwiseDistance(p, eps=0)(a, b).cpu().numpy(), expected, rtol=1e-5)
    for p, dim in ((2.0, 1), (1.0, 0), (3.0, -1)):
        expected = x / np.linalg.norm(x, p, dim, keepdims=True)
        np.testing.assert_allclose(F.normalize(a, p, dim).cpu().numpy(), expected, rtol=1e-5)


def test_zero_vectors_have_no_direction_and_no_gradient(device):
    x = cltorch.zeros(2, 3, device=device, requires_grad=True)
    out = F.normalize(x).sum() + F.cosine_similarity(x, cltorch.ones(2, 3, device=device)).sum()
    assert out.item() == 0
    (g,) = cltorch.autograd.grad(out, x)
    assert np.isfinite(g.cpu().numpy()).all()


def test_gradients_of_distances_are_right(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x, y = (cltorch.randn(3, 4, dtype=cltorch.float64, device=device, requires_grad=True) for _ in range(2))
    for f in (F.cosine_similarity, F.pairwise_distance, lambda a, b: F.normalize(a) * b):
        assert cltorch.autograd.gradcheck(f, [x, y]) and cltorch.autograd.gradgradcheck(f, [x, y])


def test_normalize_writes_into_out(device):
    x = cltorch.tensor([[3.0, 4.0]], device=device)
    out = cltorch.empty(1, 2, device=device)
    assert F.normalize(x, out=out) is out
    np.testing.assert_allclose(out.cpu().numpy(), [[0.6, 0.8]], rtol=1e-6)


def test_flatten_and_unflatten_undo_each_other(device):
    x = cltorch.randn(2, 3, 4, 5, device=device)
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Sequential(nn.Flatten(1, 2), nn.Unflatten(1, (3, 4)))(x).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda n, o: n.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
        (lambda n, o: n.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
        (lambda n, o: n.Conv2d(4, 4, 3, groups=0), ValueError, "groups must be a positive integer"),
        (lambda n, o: n.Conv2d(4, 4, 3, padding="what"), ValueError, "Invalid padding string .what., should be one"),
        (lambda n, o: n.Conv2d(4, 4, 3, 2, "same"), ValueError, "padding='same' is not supported for strided"),
        (lambda n, o: n.Conv2d(4, 4, 3, padding_mode="x"), ValueError, "padding_mode must be one of .*, but got"),
        (lambda n, o: n.Conv2d(2, 4, 3)(o(1, 2, 2, 5)), RuntimeError, "Kernel size can't be greater than actual input"),
        (lambda n, o: n.ConvTranspose1d(2, 4, 3, padding_mode="reflect"), ValueError, 'Only "zeros" padding mode is'),
        (lambda n, o: n.ConvTranspose2d(2, 4, 3, 2)(o(1, 2, 5, 5), (13, 12)), ValueError,
         r"requested an output size of \(13, 12\), but valid sizes range from \[11, 11\] to \[12, 12\]"),
        (lambda n, o: n.ConvTranspose2d(2, 4, 3, 2)(o(1, 2, 5, 5), (13,)), ValueError,
         "ConvTranspose2D: for 4D input, output_size must have 2 or 4 elements"),
        (lambda n, o: n.Linear(3, 4)(o(2, 4)), RuntimeError, r"shapes cannot be multiplied \(2x4 and 3x4\)"),
        (lambda n, o: n.Bilinear(0, 4, 3), ValueError, "in1_features must be > 0, but got"),
        (lambda n, o: n.Bilinear(2, 3, 4)(o(1, 2), o(1, 4)), RuntimeError, "input2 size does not match weight size"),
        (lambda n, o: n.Bilinear(2, 3, 4)(o(1, 2), o(2, 3)), RuntimeError, "batch dimensions do not match at dim 0"),
        (lambda n, o: n.Unflatten(1, 3), TypeError, "unflattened_size must be a tuple of ints, but found type int"),
        (lambda n, o: n.Unflatten(1, (3, "a")), TypeError, "but found element of type str at pos 1"),
        (lambda n, o: n.CosineSimilarity()(o(2, 3).long(), o(2, 3).long()), RuntimeError, "expected common dtype to"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_with_pytorchs_messages(call, error, message, lib):
    with pytest.raises(error, match=message):
        call(lib.nn, lib.ones)


@pytest.mark.parametrize("name", F.__all__)
def test_every_function_of_the_namespace_is_pytorchs(name, peer):
    theirs = getattr(peer.nn.functional, name)
    try:
        expected = [(p.name, p.default) for p in inspect.signature(theirs).parameters.values()]
    except ValueError:
        return  # built in, without a signature: that there is the function is all that can be asked
    if expected[0][0] != "args":  # its two forms are told apart when it is called
        expected = [(n, getattr(cltorch, str(d)[6:]) if isinstance(d, peer.dtype) else d) for n, d in expected]
        found = [(p.name, p.default) for p in inspect.signature(getattr(F, name)).parameters.values()]
        # rows of the table take out= everywhere
        assert [a for a in found if a[0] != "out" or name == "normalize"] == expected


# ---- together ----------------------------------------------------------------------------------------------------
def test_a_network_trains_as_pytorchs_does(device, peer):
    """Three steps of SGD from the same weights on the same data end at the same weights."""

    def build(lib):
        return lib.nn.Sequential(
            lib.nn.Conv2d(1, 4, 3, padding=1),
            lib.nn.BatchNorm2d(4),
            lib.nn.ReLU(),
            lib.nn.MaxPool2d(2),
            lib.nn.Flatten(),
            lib.nn.Linear(4 * 9, 8),
            lib.nn.GELU(),
            lib.nn.LayerNorm(8),
            lib.nn.Linear(8, 5),
        )

    theirs, ours = build(peer), build(cltorch).to(device)
    ours.load_state_dict({k: cltorch.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, target = sample(6, 1, 6, 6), np.arange(6) % 5
    for lib, model, kw in ((peer, theirs, {}), (cltorch, ours, {"device": device})):
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            loss = lib.nn.functional.cross_entropy(model(lib.tensor(x, **kw)), lib.tensor(target, **kw))
            loss.backward()
            lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    for (k, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=1e-3, atol=1e-4, err_msg=k)
