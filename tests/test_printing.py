"""Printing: golden strings, and where torch is installed the same text as torch for many tensors and options."""

import math

import numpy as np
import pytest

import cltorch
from cltorch import printing


@pytest.fixture(autouse=True)
def default_options():
    yield
    cltorch.set_printoptions(profile="default")


GOLDEN = [
    (lambda t: t.tensor([1.0, 2.0]), "tensor([1., 2.])"),
    (lambda t: t.tensor([1.5, -2.25]), "tensor([ 1.5000, -2.2500])"),
    (lambda t: t.tensor([[1, -20], [300, 4]]), "tensor([[  1, -20],\n        [300,   4]])"),
    (lambda t: t.tensor(3), "tensor(3)"),
    (lambda t: t.tensor(True), "tensor(True)"),
    (lambda t: t.tensor([True, False]), "tensor([ True, False])"),
    (lambda t: t.tensor([]), "tensor([])"),
    (lambda t: t.zeros(0, 3), "tensor([], size=(0, 3))"),
    (lambda t: t.zeros(2, 0, dtype=t.int32), "tensor([], size=(2, 0), dtype=torch.int32)"),
    (lambda t: t.tensor([1.0, math.nan, math.inf, -math.inf]), "tensor([1., nan, inf, -inf])"),
    (lambda t: t.tensor([1.5, math.nan]), "tensor([1.5000,    nan])"),
    (lambda t: t.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda t: t.tensor([1e9, 1.0]), "tensor([1.0000e+09, 1.0000e+00])"),
    (lambda t: t.tensor([1.0], dtype=t.float64), "tensor([1.], dtype=torch.float64)"),
    (lambda t: t.tensor([0.1], dtype=t.float16), "tensor([0.1000], dtype=torch.float16)"),
    (lambda t: t.tensor([0.1], dtype=t.bfloat16), "tensor([0.1001], dtype=torch.bfloat16)"),
    (lambda t: t.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
    (lambda t: t.tensor([1.0], requires_grad=True) + 1, "tensor([2.], grad_fn=<AddBackward0>)"),
    (lambda t: t.zeros(1).copy_(t.ones(1, requires_grad=True)), "tensor([1.], grad_fn=<CopyBackwards>)"),
    (lambda t: t.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (lambda t: t.zeros(1, 2, 2), "tensor([[[0., 0.],\n         [0., 0.]]])"),
]


@pytest.mark.parametrize("make, text", GOLDEN, ids=[t for _, t in GOLDEN])
def test_golden(make, text):
    assert repr(make(cltorch)) == text
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert repr(make(torch)) == text


def test_summary_reads_only_the_edges():
    x = cltorch.arange(1200 * 900).reshape(1200, 900)
    edges = printing.edges(x)
    assert edges.shape == (6, 6) and edges[-1, -1] == 1200 * 900 - 1
    assert repr(x).count("...") == 7


def test_device_suffix(device):
    text = repr(cltorch.ones(2, device=device))
    where = str(cltorch.ones(1, device=device).device)
    assert text == ("tensor([1., 1.])" if where == "cpu" else f"tensor([1., 1.], device='{where}')")


def test_device_values(device):
    x = cltorch.arange(12.0, device=device).reshape(3, 4).t() / 8
    assert repr(x).split(", device")[0].rstrip(")") == repr(x.cpu()).rstrip(")")


def test_format(device):
    x = cltorch.tensor(3.14159, device=device)
    assert f"{x:.2f}" == "3.14"
    assert f"{cltorch.tensor([1, 2])}" == "tensor([1, 2])"
    with pytest.raises(TypeError, match="unsupported format string passed to Tensor.__format__"):
        f"{cltorch.tensor([1.0, 2.0]):.2f}"


def test_an_unknown_profile_sets_nothing():
    before = printing.get_printoptions()
    cltorch.set_printoptions(precision=6, profile="long")
    assert printing.get_printoptions() == {**before, "precision": 6}


OPTIONS = [
    {"profile": "default"},
    {"precision": 2},
    {"profile": "short"},
    {"profile": "full", "linewidth": 120},
    {"profile": "default", "sci_mode": True},
    {"sci_mode": False},
    {"edgeitems": 0},
    {"edgeitems": 1, "threshold": 5, "linewidth": 20},
    {"profile": "default", "precision": 8},
    {"profile": "long", "linewidth": 60},
]
SHAPES = [
    (),
    (1,),
    (3,),
    (7,),
    (20,),
    (100,),
    (1001,),
    (2, 3),
    (40, 30),
    (1001, 2),
    (2, 2, 2),
    (12, 13, 14),
    (1, 1, 1, 1),
]


def numbers():
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        for scale in (1, 1e-5, 1e4, 1e9):
            a = rng.standard_normal(shape) * scale
            yield a
            yield np.round(a)
            spoilt = np.array(a).reshape(-1)
            spoilt[:3] = [math.nan, math.inf, 0][: spoilt.size]
            yield spoilt.reshape(shape)
        yield np.zeros(shape)
        yield np.full(shape, math.nan)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_same_text_as_torch(options):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.set_printoptions(profile="default")
    try:
        for given in (options,):
            torch.set_printoptions(**given)
            cltorch.set_printoptions(**given)
        for a in numbers():
            if options.get("profile") == "full" and a.size > 2000:
                continue
            with np.errstate(all="ignore"):
                for b in (a.astype(np.float32), a, a.astype(np.float16), np.nan_to_num(a).astype(np.int64), a > 0):
                    assert repr(cltorch.from_numpy(np.array(b))) == repr(torch.from_numpy(np.array(b)))
                b = np.array(a, np.float32)
                assert repr(cltorch.from_numpy(b).bfloat16()) == repr(torch.from_numpy(b).bfloat16())
    finally:
        torch.set_printoptions(profile="default")


def test_options_for_a_while():
    before = printing.get_printoptions()
    with pytest.raises(ZeroDivisionError), printing.printoptions(precision=2, sci_mode=True) as options:
        assert options["precision"] == 2 and repr(cltorch.tensor([12.5])) == "tensor([1.25e+01])"
        raise ZeroDivisionError
    assert printing.get_printoptions() == before and repr(cltorch.tensor([12.5])) == "tensor([12.5000])"
