"""Recurrent layers: against NumPy, against PyTorch with the same weights, gradients, packed sequences, errors."""

import itertools

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.autograd.record import apply
from cltorch.device import context as contexts
from cltorch.nn.utils import rnn as utils
from cltorch.ops import tuning
from cltorch.ops.recurrent import Recurrent

KINDS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("LSTM", {"proj_size": 5}), ("GRU", {})]


def numbers(x):
    return x.detach().cpu().double().numpy()


def logistic(x):
    return 1 / (1 + np.exp(-x))


def step(kind, kw, p, x, h, c):
    """Return the next (h, c) of one sequence, from the formulas in PyTorch's documentation."""
    w_ih, w_hh, b_ih, b_hh, *w_hr = p
    a, b = w_ih @ x + b_ih, w_hh @ h + b_hh
    if kind == "RNN":
        return np.tanh(a + b) if not kw else np.maximum(a + b, 0), c
    if kind == "GRU":
        (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
        z = logistic(az + bz)
        return (1 - z) * np.tanh(an + logistic(ar + br) * bn) + z * h, c
    i, f, g, o = np.split(a + b, 4)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    h = logistic(o) * np.tanh(c)
    return (w_hr[0] @ h if w_hr else h), c


def sequence(kind, kw, p, x, h, c, reverse):
    out = []
    for row in x[::-1] if reverse else x:
        h, c = step(kind, kw, p, row, h, c)
        out.append(h)
    return np.array(out[::-1] if reverse else out), h, c


@pytest.mark.parametrize("kind, kw", KINDS)
def test_every_sequence_follows_the_formulas(kind, kw, device):
    rng = np.random.default_rng(0)
    layer = getattr(nn, kind)(3, 20, bidirectional=True, **kw).to(device)
    lengths = [5, 4, 4, 2]
    rows = [rng.standard_normal((n, 3)).astype(np.float32) for n in lengths]
    packed = utils.pack_sequence([cltorch.tensor(r, device=device) for r in rows])
    width = kw.get("proj_size", 20)
    h0, c0 = (rng.standard_normal((2, 4, n)).astype(np.float32) for n in (width, 20))
    states = [cltorch.tensor(s, device=device) for s in (h0, c0)]
    out, last = layer(packed, tuple(states) if kind == "LSTM" else states[0])
    padded, _ = utils.pad_packed_sequence(out)
    last = last if kind == "LSTM" else (last,)
    parameters = [[numbers(p) for p in group] for group in layer.all_weights]
    for i, r in enumerate(rows):
        for k in range(2):
            o, h, c = sequence(kind, kw, parameters[k], r, h0[k, i], c0[k, i], k == 1)
            got = numbers(padded)[: lengths[i], i, k * width : (k + 1) * width]
            np.testing.assert_allclose(got, o, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(numbers(last[0])[k, i], h, rtol=1e-4, atol=1e-5)
            if kind == "LSTM":
                np.testing.assert_allclose(numbers(last[1])[k, i], c, rtol=1e-4, atol=1e-5)


def twins(torch, kind, device, *args, **kw):
    theirs = getattr(torch.nn, kind)(*args, **kw)
    ours = getattr(nn, kind)(*args, **kw)
    ours.load_state_dict({k: cltorch.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours.to(device), theirs


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("kind, kw", KINDS)
def test_outputs_and_all_gradients_are_torchs(kind, kw, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(0)
    for two, packed, bias in ((True, False, True), (True, True, True), (False, True, False)):
        ours, theirs = twins(torch, kind, device, 7, 20, 2, bias=bias, batch_first=True, bidirectional=two, **kw)
        x = torch.randn(4, 6, 7)
        xt, xc = x.clone().requires_grad_(), cltorch.tensor(x.numpy(), device=device).requires_grad_()
        it, ic = xt, xc
        if packed:
            it = torch.nn.utils.rnn.pack_padded_sequence(xt, [2, 6, 3, 3], True, enforce_sorted=False)
            ic = utils.pack_padded_sequence(xc, [2, 6, 3, 3], True, enforce_sorted=False)
        (ot, ht), (oc, hc) = theirs(it), ours(ic)
        if packed:
            ot, oc = ot.data, oc.data
        ht, hc = (h if kind == "LSTM" else (h,) for h in (ht, hc))
        for a, b in zip((oc, *hc), (ot, *ht), strict=True):
            assert tuple(a.shape) == tuple(b.shape)
            np.testing.assert_allclose(numbers(a), b.detach().numpy(), rtol=1e-4, atol=1e-5)
        for out, hs in ((ot, ht), (oc, hc)):
            ((out * out).sum() + sum((h * h * h).sum() for h in hs)).backward()
        np.testing.assert_allclose(numbers(xc.grad), xt.grad.numpy(), rtol=1e-3, atol=1e-4)
        for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(numbers(a.grad), b.grad.numpy(), rtol=1e-3, atol=2e-4, err_msg=name)


@pytest.fixture
def step_by_step(cl_device):
    """Let no core of a processor take its sequences through all steps by itself where they are few."""
    context = cltorch.device(cl_device).context
    tuning.try_out(context, "recurrent cpu", tuning.default(context.caps, "recurrent cpu") | {"cached_bytes": 0})
    yield
    tuning.try_out(context, "recurrent cpu", None)


@pytest.mark.parametrize("way", ["few", "many", "large weights"])
@pytest.mark.parametrize("kind, kw", KINDS)
def test_both_kinds_of_kernel_agree_with_the_host(kind, kw, way, cl_device, request):
    if way == "large weights":  # step by step on processors too
        request.getfixturevalue("step_by_step")
    sizes = (37, 37, 9, 1) if way == "many" else (5, 5, 3, 1)
    rng = np.random.default_rng(1)
    units, width, gates = 45, kw.get("proj_size", 45), {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    mode = {"RNN": kw.get("nonlinearity", "tanh")}.get(kind, kind.lower())
    batch = sizes[0]  # many are shared out among the cores
    shapes = [(sum(sizes), 6), (batch, width), (batch, units), (gates * units, 6), (gates * units, width),
              (gates * units,), (gates * units,), (width, units)]  # fmt: skip
    arrays = [rng.standard_normal(s).astype(np.float32) * 0.3 for s in shapes]
    if kind != "LSTM":
        arrays[2] = None
    if not kw.get("proj_size"):
        arrays[7] = None

    def run(device, variant, reverse):
        given = [None if a is None else cltorch.tensor(a, device=device, requires_grad=True) for a in arrays]
        outs = apply(Recurrent, *given, sizes, mode, reverse, variant)
        total = sum((o * o).sum() for o in outs)
        grads = cltorch.autograd.grad(total, [g for g in given if g is not None])
        return [numbers(x) for x in (*outs, *grads)]

    for reverse in (False, True):
        expected = run("cpu", "", reverse)
        for variant in ("cpu", "gpu") if way == "few" else ("cpu",):
            for a, b in zip(run(cl_device, variant, reverse), expected, strict=True):
                # gradients are sums of many terms of either sign: what cancels is as wrong as the largest sums are
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5 * max(1, np.abs(b).max() / 10))


def launches(kind, steps, device, monkeypatch, **kw):
    """Return how many kernels a layer launches forward and backward."""
    layer = getattr(nn, kind)(5, 8, **kw).to(device)
    x = cltorch.randn(steps, 4, 5, device=device, requires_grad=True)
    seen = []
    launch = contexts.Kernel.launch
    with monkeypatch.context() as patch:
        patch.setattr(contexts.Kernel, "launch", lambda self, *a: (seen.append(self.name), launch(self, *a))[1])
        y = layer(x)[0]
        forward = len(seen)
        y.sum().backward()
    return forward, len(seen) - forward


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM", "LSTM with projections"])
def test_launches_do_not_grow_with_steps_and_gates(kind, cl_device, monkeypatch):
    kind, _, projected = kind.partition(" ")
    kw = {"bidirectional": True, "num_layers": 2, "proj_size": 5 * bool(projected)} if kind == "LSTM" else {}
    few, many = (launches(kind, steps, cl_device, monkeypatch, **kw) for steps in (4, 40))
    processor = cltorch.device(cl_device).context.caps.kind == "cpu"
    directions = 4 if kw else 1
    # on a processor all steps are one launch; else each is a product and a kernel, however many gates it has
    each = 0 if processor else (4 if projected else 2) * directions * 36
    assert all(b - a <= each + 2 * directions for a, b in zip(few, many, strict=True)), (few, many)
    assert max(few) <= (20 if processor else 32) * directions


@pytest.mark.parametrize("proj", [0, 5])
@pytest.mark.usefixtures("step_by_step")
def test_a_step_is_two_launches_whatever_its_gates_where_steps_go_one_by_one(proj, cl_device, monkeypatch):
    kinds = [("LSTM", {"proj_size": proj})] if proj else [("RNN", {}), ("GRU", {}), ("LSTM", {})]
    for kind, kw in kinds:
        few, many = (launches(kind, steps, cl_device, monkeypatch, **kw) for steps in (8, 28))
        per_step = 4 if proj else 2
        assert all(b - a <= 20 * per_step + 4 for a, b in zip(few, many, strict=True)), (kind, few, many)


@pytest.mark.parametrize("dtype", [cltorch.bfloat16, cltorch.float16], ids=str)
@pytest.mark.parametrize("kind, kw", KINDS[2:])
def test_gradients_in_half_precision_are_those_of_float64(kind, kw, dtype, device):
    cltorch.manual_seed(0)
    layer = getattr(nn, kind)(6, 20, bidirectional=True, **kw).to(dtype)
    reference = getattr(nn, kind)(6, 20, bidirectional=True, **kw).double()
    reference.load_state_dict({name: x.double() for name, x in layer.state_dict().items()})
    x = cltorch.randn(7, 4, 6).to(dtype)
    given = [x.clone().to(device).requires_grad_(), x.double().requires_grad_()]
    layer.to(device)
    for net, operand in ((layer, given[0]), (reference, given[1])):
        y, states = net(operand)
        (y.square().sum() + sum(s.sum() for s in (states if kind == "LSTM" else (states,)))).backward()
        assert y.dtype is operand.dtype
    rounding = cltorch.finfo(dtype).eps
    pairs = [
        ("x", *given),
        *((n, p, q) for (n, p), q in zip(layer.named_parameters(), reference.parameters(), strict=True)),
    ]
    for name, a, b in pairs:
        assert a.grad.dtype is dtype
        wanted = numbers(b.grad)
        # results and gradients are rounded once each, what lies between is float32
        np.testing.assert_allclose(
            numbers(a.grad), wanted, rtol=2 * rounding, atol=2 * rounding * np.abs(wanted).max(), err_msg=name
        )


@pytest.mark.parametrize("mode", ["tanh", "lstm", "gru"])
def test_gradients_of_both_orders(mode, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")

    def operands(units, steps):
        rows = units * {"tanh": 1, "lstm": 4, "gru": 3}[mode]
        width = units - 1 if mode == "lstm" else units  # with a projection
        batch = steps[0]
        shapes = [(sum(steps), 2), (batch, width), (batch, units), (rows, 2), (rows, width), (rows,), (rows,),
                  (width, units)]  # fmt: skip
        given = [cltorch.randn(s, dtype=cltorch.float64, device=device, requires_grad=True) for s in shapes]
        if mode != "lstm":
            given[2] = given[7] = None
        return given

    def layer(given, steps, reverse):
        there = [i for i, x in enumerate(given) if x is not None]

        def f(*xs):
            full = [None] * 8
            for i, x in zip(there, xs, strict=True):
                full[i] = x
            return apply(Recurrent, *full, steps, mode, reverse)

        return f, tuple(given[i] for i in there)

    for reverse in (False, True):
        gradcheck(*layer(operands(3, (3, 2, 1)), (3, 2, 1), reverse))
    if device == "cpu":  # they are made of the same functions on every device
        gradgradcheck(*layer(operands(2, (2, 1)), (2, 1), True))


def test_recorded_gradients_are_the_plain_ones(device):
    layer = nn.LSTM(3, 4, device=device)
    x = cltorch.randn(5, 2, 3, device=device, requires_grad=True)
    total = (layer(x * 1)[0] ** 2).sum()  # of a tensor that is no leaf
    (plain,) = cltorch.autograd.grad(total, x, retain_graph=True)
    (recorded,) = cltorch.autograd.grad(total, x, create_graph=True)
    np.testing.assert_allclose(numbers(plain), numbers(recorded), rtol=1e-4, atol=1e-6)
    recorded.square().sum().backward()
    assert numbers(layer.weight_hh_l0.grad).any()


def test_halves_compute_in_float(device):
    layer = nn.GRU(4, 8).to(device)
    x = cltorch.randn(5, 3, 4, device=device)
    expected = layer(x)[0]
    out, h = layer.half()(x.half())
    assert out.dtype is cltorch.float16 and h.dtype is cltorch.float16
    np.testing.assert_allclose(numbers(out), numbers(expected), atol=5e-3)
    out.float().sum().backward()
    assert layer.weight_ih_l0.grad.dtype is cltorch.float16


def test_unbatched_and_batch_first_are_the_same_numbers(device):
    layer = nn.LSTM(3, 4, 2, device=device)
    first = nn.LSTM(3, 4, 2, batch_first=True, device=device)
    first.load_state_dict(layer.state_dict())
    x = cltorch.randn(5, 2, 3, device=device)
    out, (h, c) = layer(x)
    again, (h2, _) = first(x.transpose(0, 1))
    np.testing.assert_allclose(numbers(again.transpose(0, 1)), numbers(out), rtol=1e-5, atol=1e-6)
    one, (h1, c1) = layer(x[:, 1])
    assert one.shape == (5, 4) and h1.shape == (2, 4)
    np.testing.assert_allclose(numbers(one), numbers(out[:, 1]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(numbers(c1), numbers(c[:, 1]), rtol=1e-5, atol=1e-6)
    rest, _ = layer(x[3:], (layer(x[:3])[1]))
    np.testing.assert_allclose(numbers(rest), numbers(out[3:]), rtol=1e-5, atol=1e-6)


def test_dropout_acts_between_layers_in_training_only(device):
    layer = nn.GRU(3, 50, 2, dropout=0.5, device=device)
    x = cltorch.randn(4, 2, 3, device=device)
    assert not np.allclose(numbers(layer(x)[0]), numbers(layer(x)[0]))
    layer.eval()
    np.testing.assert_array_equal(numbers(layer(x)[0]), numbers(layer(x)[0]))


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_are_one_step_of_their_layers(kind, device):
    cell, layer = (getattr(nn, k)(3, 4, device=device) for k in (kind, kind[:-4]))
    layer.load_state_dict({k + "_l0": v for k, v in cell.state_dict().items()})
    x = cltorch.randn(2, 3, device=device)
    out, last = layer(x[None])
    got = cell(x)
    if kind == "LSTMCell":
        np.testing.assert_allclose(numbers(got[1]), numbers(last[1][0]), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(numbers(cell(x[0])[0]), numbers(got[0][0]), rtol=1e-5, atol=1e-6)
        got = got[0]
    np.testing.assert_allclose(numbers(got), numbers(out[0]), rtol=1e-5, atol=1e-6)
    got.sum().backward()
    assert numbers(cell.weight_ih.grad).any() and numbers(cell.bias_hh.grad).any()


def test_state_dict_has_torchs_names_and_shapes():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for kind, kw in (*KINDS, ("LSTM", {"proj_size": 2, "bidirectional": True, "num_layers": 2, "bias": False})):
        ours, theirs = (getattr(m.nn, kind)(4, 6, **kw) for m in (cltorch, torch))
        expected = [(k, tuple(v.shape)) for k, v in theirs.state_dict().items()]
        assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == expected
        assert repr(ours) == repr(theirs)
        ours.flatten_parameters()
    for kind in ("RNNCell", "LSTMCell", "GRUCell"):
        ours, theirs = (getattr(m.nn, kind)(4, 6, False) for m in (cltorch, torch))
        assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)


def test_packing_and_back(device, fp64):
    rows = [cltorch.randn(n, 2, device=device) for n in (2, 5, 5, 1)]
    packed = utils.pack_sequence(rows, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [4, 3, 2, 2, 2]
    for a, b in zip(utils.unpack_sequence(packed), rows, strict=True):
        np.testing.assert_array_equal(numbers(a), numbers(b))
    padded, lengths = utils.pad_packed_sequence(packed, True, -1.0, 7)
    assert padded.shape == (4, 7, 2) and lengths.tolist() == [2, 5, 5, 1]
    assert (numbers(padded)[0, 2:] == -1).all()
    for a, b in zip(utils.unpad_sequence(padded, lengths, True), rows, strict=True):
        np.testing.assert_array_equal(numbers(a), numbers(b))
    left = utils.pad_sequence(rows, batch_first=True, padding_side="left")
    np.testing.assert_array_equal(numbers(left)[0, -2:], numbers(rows[0]))
    assert not numbers(left)[0, :-2].any()
    other = cltorch.float64 if fp64 else cltorch.float16
    assert packed.to(other).data.dtype is other and packed.to(cltorch.float32) is packed


ERRORS = """
torch.nn.LSTM(3, 4)(torch.ones(2, 2, 5))
torch.nn.LSTM(3, 4)(torch.ones(2))
torch.nn.RNN(3, 4)(torch.ones(2))
torch.nn.GRU(3, 4)(torch.ones(2))
torch.nn.LSTM(3, 4)(torch.ones(2, 2, 3), (torch.ones(1, 3, 4), torch.ones(1, 2, 4)))
torch.nn.LSTM(3, 4)(torch.ones(2, 3), (torch.ones(1, 1, 4), torch.ones(1, 1, 4)))
torch.nn.GRU(3, 4)(torch.ones(2, 2, 3), torch.ones(1, 4))
torch.nn.GRU(3, 4)(torch.ones(0, 2, 3))
torch.nn.GRU(3, 4)(torch.ones(2, 2, 3).double())
torch.nn.GRU(3, 4, proj_size=2)
torch.nn.LSTM(3, 4, proj_size=4)
torch.nn.LSTM(3, 0)
torch.nn.LSTM(3, 4, 0)
torch.nn.LSTM(3, 4, 2, dropout=1.5)
torch.nn.RNN(3, 4, nonlinearity="sin")
torch.nn.LSTMCell(3, 4)(torch.ones(2, 2, 3))
torch.nn.GRUCell(3, 4)(torch.ones(2, 5))
torch.nn.utils.rnn.pack_padded_sequence(torch.ones(3, 2), [1, 3])
torch.nn.utils.rnn.pack_padded_sequence(torch.ones(3, 2), [3, 0])
torch.nn.utils.rnn.pack_padded_sequence(torch.ones(3, 2), [3])
torch.nn.utils.rnn.pad_sequence([torch.ones(2)], padding_side="up")
torch.nn.utils.rnn.pad_packed_sequence(torch.nn.utils.rnn.pack_sequence([torch.ones(3)]), total_length=2)
""".strip().splitlines()


@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        eval(text, {"torch": torch})
    with pytest.raises(type(theirs.value)) as ours:
        eval(text, {"torch": cltorch})
    a, b = (str(e.value).split("\n")[0].lower()[:20] for e in (ours, theirs))
    assert a == b, (str(ours.value), str(theirs.value))


def test_what_is_packed_and_unpadded_is_copied():
    x = cltorch.zeros(3, 2, 4)
    packed = utils.pack_padded_sequence(x, [3, 3])
    packed.data.fill_(1.0)
    for part in utils.unpad_sequence(x, cltorch.tensor([3, 2])):
        assert part.is_contiguous()
        part.fill_(1.0)
    assert not x.any()


def test_results_of_utilities_are_torchs():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for lengths, first in itertools.product(([4, 2, 2], [1, 4, 3]), (False, True)):
        a = np.arange(24, dtype=np.float32).reshape((3, 4, 2) if first else (4, 3, 2))
        ours, theirs = (
            m.nn.utils.rnn.pack_padded_sequence(m.tensor(a), lengths, first, enforce_sorted=False)
            for m in (cltorch, torch)
        )
        for x, y in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(x.numpy(), y.numpy())


@pytest.mark.parametrize("kind, kw", [("RNN", {}), ("LSTM", {}), ("LSTM", {"proj_size": 2}), ("GRU", {})])
def test_complex_sequences_follow_the_formulas(kind, kw, device):
    rng = np.random.default_rng(5)
    layer = getattr(nn, kind)(2, 3, **kw).to(device, cltorch.complex64)
    with cltorch.no_grad():
        for p in layer.parameters():
            a = rng.standard_normal((*p.shape, 2)).astype(np.float32) / 2
            p.copy_(cltorch.view_as_complex(cltorch.tensor(a, device=device)))
    x = (rng.standard_normal((4, 2)) + 1j * rng.standard_normal((4, 2))).astype(np.complex64)
    t = cltorch.tensor(x, device=device, requires_grad=True)
    out, last = layer(t)
    own = [p.detach().cpu().numpy() for p in layer.parameters()]
    width = kw.get("proj_size", 3)
    wanted, h, c = sequence(kind, {}, own, x, np.zeros(width), np.zeros(3), False)
    np.testing.assert_allclose(out.detach().cpu().numpy(), wanted, rtol=1e-4, atol=1e-5)
    for found, state in zip(last if kind == "LSTM" else (last,), (h, c), strict=False):
        np.testing.assert_allclose(found.detach().cpu().numpy()[0], state, rtol=1e-4, atol=1e-5)
    out.abs().sum().backward()
    # along a direction: the gradient's real product with it is the slope
    way = (rng.standard_normal((4, 2)) + 1j * rng.standard_normal((4, 2))) / 100
    ends = [
        np.abs(sequence(kind, {}, own, x + s * way, np.zeros(width), np.zeros(3), False)[0]).sum() for s in (0.5, -0.5)
    ]
    slope = (t.grad.cpu().numpy().conj() * way).real.sum()
    assert slope == pytest.approx(ends[0] - ends[1], rel=2e-2, abs=1e-3)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_complex_cells_are_layers_of_one_step(kind, device):
    cell, layer = (getattr(nn, name)(2, 3).to(device, cltorch.complex64) for name in (kind, kind.removesuffix("Cell")))
    layer.load_state_dict({f"{name}_l0": p for name, p in cell.state_dict().items()})
    x = cltorch.tensor([[1 + 2j, -0.5j]], device=device)
    found = cell(x)
    cltorch.testing.assert_close(found[0] if kind == "LSTMCell" else found, layer(x)[0])


def test_lengths_are_one_dimension_of_numbers(lib):
    with pytest.raises(RuntimeError, match="'lengths' argument should be a 1D CPU int64 tensor, but got 2D cpu Long"):
        lib.nn.utils.rnn.pack_padded_sequence(lib.ones(4, 3, 2), lib.tensor([[4, 3, 1]]))
    assert lib.nn.utils.rnn.pack_padded_sequence(lib.ones(4, 3, 2), np.array([4, 3, 1])).data.shape == (8, 2)


def test_convolutions_of_time_first_are_contiguous(lib):
    assert lib.nn.functional.conv_tbc(lib.ones(5, 2, 3), lib.ones(2, 3, 4), lib.ones(4)).is_contiguous()


def test_the_scale_of_attention_is_given_by_name(lib):
    with pytest.raises(TypeError, match="positional arguments"):
        lib.nn.functional.scaled_dot_product_attention(*[lib.ones(1, 2, 4)] * 3, None, 0.0, False, 0.5)
