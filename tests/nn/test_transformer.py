"""Attention of many heads and the Transformer: against NumPy, and against PyTorch with the same weights."""

import math
import warnings

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.autograd import gradcheck
from cltorch.nn.attention import SDPBackend, sdpa_kernel


def numbers(x):
    return x.detach().cpu().double().numpy()


def twins(torch, kind, device, *args, **kw):
    theirs = getattr(torch.nn, kind)(*args, **kw)
    with torch.no_grad():
        for p in theirs.parameters():  # biases begin at zero, which would hide mistakes
            p.add_(0.1 * torch.randn_like(p))
    ours = getattr(nn, kind)(*args, **kw)
    ours.load_state_dict({k: cltorch.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours.to(device), theirs


def compare(torch, ours, theirs, device, inputs, masks=None, tolerance=1e-4):
    """Compare results, gradients of inputs and of parameters; ``inputs`` may name one array several times."""
    masks = masks or {}
    made = {id(a): (torch.tensor(a, requires_grad=True), cltorch.tensor(a, device=device, requires_grad=True))
            for a in inputs}  # fmt: skip
    xt, xc = ([made[id(a)][i] for a in inputs] for i in (0, 1))
    mt = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
    mc = {k: cltorch.tensor(v, device=device) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
    a, b = ours(*xc, **mc), theirs(*xt, **mt)
    a, b = (r if isinstance(r, tuple) else (r,) for r in (a, b))
    for x, y in zip(a, b, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            assert tuple(x.shape) == tuple(y.shape)
            np.testing.assert_allclose(numbers(x), y.detach().numpy(), rtol=tolerance, atol=tolerance)
    for result in (a, b):
        sum((r**2).sum() for r in result if r is not None).backward()
    for t, c in made.values():
        np.testing.assert_allclose(numbers(c.grad), t.grad.numpy(), rtol=10 * tolerance, atol=10 * tolerance)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), name
        if q.grad is not None:
            np.testing.assert_allclose(
                numbers(p.grad), q.grad.numpy(), rtol=20 * tolerance, atol=20 * tolerance, err_msg=name
            )


def draw(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_every_head_follows_the_formula(device):
    layer = nn.MultiheadAttention(8, 2).to(device)
    x, y = draw(5, 3, 8), draw(4, 3, 8)
    mask = np.random.default_rng(0).random((5, 4)) > 0.7
    w, b = numbers(layer.in_proj_weight), numbers(layer.in_proj_bias)
    wo, bo = numbers(layer.out_proj.weight), numbers(layer.out_proj.bias)
    q, k, v = (z @ w[i * 8 : i * 8 + 8].T + b[i * 8 : i * 8 + 8] for i, z in enumerate((x, y, y)))
    outs, weights = [], []
    for h in range(2):
        part = slice(4 * h, 4 * h + 4)
        s = np.einsum("lnd,snd->nls", q[..., part], k[..., part]) / 2
        s = np.where(mask, -np.inf, s)
        e = np.exp(s - s.max(-1, keepdims=True))
        p = e / e.sum(-1, keepdims=True)
        weights.append(p)
        outs.append(np.einsum("nls,snd->lnd", p, v[..., part]))
    expected = np.concatenate(outs, -1) @ wo.T + bo
    tx, ty = (cltorch.tensor(a, device=device) for a in (x, y))
    tm = cltorch.tensor(mask, device=device)
    out, averaged = layer(tx, ty, ty, attn_mask=tm)
    np.testing.assert_allclose(numbers(out), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numbers(averaged), np.mean(weights, 0), rtol=1e-4, atol=1e-5)
    out, none = layer(tx, ty, ty, attn_mask=tm, need_weights=False)
    assert none is None
    np.testing.assert_allclose(numbers(out), expected, rtol=1e-4, atol=1e-5)
    with sdpa_kernel(SDPBackend.MATH):
        out, _ = layer(tx, ty, ty, attn_mask=tm, need_weights=False)
    np.testing.assert_allclose(numbers(out), expected, rtol=1e-4, atol=1e-5)


PADDING = np.arange(6)[None] >= np.array([6, 4, 5])[:, None]
ADDED = np.random.default_rng(9).standard_normal((5, 6)).astype(np.float32)
ONE, TWO = draw(5, 3, 8), draw(6, 3, 8)
CASES = {
    "self": ({}, [ONE] * 3, {}),
    "self without weights": ({}, [ONE] * 3, {"need_weights": False}),
    "self of a batch first": ({"batch_first": True}, [ONE] * 3, {"need_weights": False}),
    "keys and values": ({}, [ONE, TWO, TWO], {"key_padding_mask": PADDING, "average_attn_weights": False}),
    "padding without weights": ({}, [ONE, TWO, TWO], {"key_padding_mask": PADDING, "need_weights": False}),
    "three inputs": ({"bias": False}, [ONE, TWO, draw(6, 3, 8) * 2], {"attn_mask": ADDED}),
    "widths": ({"kdim": 3, "vdim": 5}, [ONE, draw(6, 3, 3), draw(6, 3, 5)], {"attn_mask": ADDED > 0.8}),
    "more keys": ({"add_bias_kv": True, "add_zero_attn": True}, [ONE, TWO, TWO],
                  {"attn_mask": ADDED, "key_padding_mask": np.where(PADDING, -np.inf, 0).astype(np.float32)}),
    "a mask for every head": ({}, [ONE, TWO, TWO], {"attn_mask": np.stack([ADDED * i for i in range(6)])}),
    "causal": ({}, [ONE] * 3, {"attn_mask": np.triu(np.ones((5, 5), bool), 1), "is_causal": True,
                               "need_weights": False}),
    "unbatched": ({}, [draw(5, 8), draw(6, 8), draw(6, 8)], {"attn_mask": ADDED}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_multihead_attention_is_torchs(case, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(0)
    options, inputs, masks = CASES[case]
    ours, theirs = twins(torch, "MultiheadAttention", device, 8, 2, **options)
    compare(torch, ours, theirs, device, inputs, masks)


LAYERS = [
    {"activation": "relu"}, {"activation": "gelu", "norm_first": True, "batch_first": True}, {"bias": False},
]  # fmt: skip


@pytest.mark.parametrize("options", LAYERS, ids=lambda o: "-".join(map(str, o.values())))
def test_encoder_and_decoder_layers_are_torchs(options, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(1)
    common = (8, 2, 16, 0.0)
    ours, theirs = twins(torch, "TransformerEncoderLayer", device, *common, **options)
    causal = np.triu(np.full((5, 5), -np.inf, np.float32), 1)
    size = 5 if options.get("batch_first") else 3
    for masks in ({}, {"src_mask": causal if size == 3 else causal[:3, :3], "is_causal": True}):
        compare(torch, ours, theirs, device, [ONE], masks, 3e-4)
    ours, theirs = twins(torch, "TransformerDecoderLayer", device, *common, **options)
    memory = TWO if not options.get("batch_first") else draw(5, 6, 8)
    padding = PADDING if not options.get("batch_first") else np.concatenate([PADDING, PADDING[1:]])
    compare(torch, ours, theirs, device, [ONE, memory], {"memory_key_padding_mask": padding}, 3e-4)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_the_whole_transformer_is_torchs(device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(2)
    ours, theirs = twins(torch, "Transformer", device, 8, 2, 2, 2, 16, 0.0)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5)
    np.testing.assert_array_equal(nn.Transformer.generate_square_subsequent_mask(5).numpy(), mask.numpy())
    # five layers of normalisation make the most of what rounding differs
    compare(torch, ours, theirs, device, [TWO, ONE], {"tgt_mask": mask.numpy(), "tgt_is_causal": True}, 1e-3)
    ours.eval(), theirs.eval()
    compare(torch, ours, theirs, device, [TWO, ONE], {"src_key_padding_mask": PADDING}, 1e-3)


@pytest.mark.parametrize("kind", ["TransformerEncoder", "TransformerDecoder"])
def test_stacks_copy_their_layer_and_end_with_the_norm(kind, device):
    layer = getattr(nn, kind + "Layer")(8, 2, 16, 0.0, nn.GELU(), device=device)
    stack = getattr(nn, kind)(layer, 3, nn.LayerNorm(8, device=device))
    assert len(list(stack.layers)) == 3 and stack.layers[0].linear1 is not stack.layers[1].linear1
    x = cltorch.randn(5, 3, 8, device=device)
    memory = () if kind == "TransformerEncoder" else (cltorch.randn(4, 3, 8, device=device),)
    out = x
    for one in stack.layers:
        out = one(out, *memory)
    np.testing.assert_allclose(numbers(stack(x, *memory)), numbers(stack.norm(out)), rtol=1e-5, atol=1e-5)


def test_dropout_acts_in_training_only(device):
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.5, device=device)
    x = cltorch.randn(5, 3, 8, device=device)
    assert not np.allclose(numbers(layer(x)), numbers(layer(x)))
    layer.eval()
    np.testing.assert_array_equal(numbers(layer(x)), numbers(layer(x)))


def test_gradients(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    layer = nn.MultiheadAttention(4, 2, dtype=cltorch.float64, device=device)
    x = cltorch.randn(3, 2, 4, dtype=cltorch.float64, device=device, requires_grad=True)
    gradcheck(lambda x: layer(x, x, x, need_weights=False)[0], (x,))
    gradcheck(lambda x: layer(x, x, x)[1], (x,))


def test_first_parameters_follow_torchs_distributions():
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = math.sqrt(6 / (4 * 64))
    w = numbers(layer.in_proj_weight)
    assert abs(w).max() <= bound and abs(w).max() > 0.98 * bound
    assert not numbers(layer.in_proj_bias).any() and not numbers(layer.out_proj.bias).any()
    assert abs(numbers(layer.bias_k).std() - math.sqrt(2 / 128)) < 0.05


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_printing_is_torchs():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for text in ("MultiheadAttention(8, 2)", "TransformerEncoderLayer(8, 2, 16)", "Transformer(8, 2, 1, 1, 16)",
                 "TransformerDecoderLayer(8, 2, activation=torch.nn.GELU())"):  # fmt: skip
        ours, theirs = (eval("torch.nn." + text, {"torch": m}) for m in (cltorch, torch))
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())


ERRORS = """
nn.MultiheadAttention(8, 3)
nn.MultiheadAttention(0, 1)
nn.MultiheadAttention(8, 2)(x[0, 0], x, x)
nn.MultiheadAttention(8, 2)(x, x[0], x)
nn.MultiheadAttention(8, 2)(x, x, x[:2])
nn.MultiheadAttention(4, 2)(x, x, x)
nn.MultiheadAttention(8, 2)(x, x, x, attn_mask=torch.ones(2, 2))
nn.MultiheadAttention(8, 2)(x, x, x, attn_mask=torch.ones(2, 2, dtype=torch.int64))
nn.MultiheadAttention(8, 2)(x, x, x, is_causal=True)
nn.MultiheadAttention(8, 2)(x, x, x, key_padding_mask=torch.ones(5, 5))
nn.TransformerEncoderLayer(8, 2, activation="tanh")
nn.Transformer(8, 2, 1, 1, 8)(x, x[:, :2])
nn.Transformer(8, 2, 1, 1, 8)(x, x[..., :4])
""".strip().splitlines()


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("text", ERRORS)
def test_error_is_torchs(text):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(Exception) as theirs:
        eval(text, {"torch": torch, "nn": torch.nn, "x": torch.ones(5, 3, 8)})
    with pytest.raises(type(theirs.value)) as ours:
        eval(text, {"torch": cltorch, "nn": nn, "x": cltorch.ones(5, 3, 8)})
    a, b = (str(e.value).lower()[:20] for e in (ours, theirs))
    assert a == b, (str(ours.value), str(theirs.value))


ALIGNED, GAPPED = [[False, False, False], [False, True, True]], [[False, False, False], [True, False, True]]


@pytest.mark.parametrize(
    ("options", "change", "padding"),
    [({}, None, ALIGNED), ({}, None, GAPPED), ({}, "train", ALIGNED), ({"nhead": 1}, None, ALIGNED),
     ({"norm_first": True}, None, ALIGNED), ({"batch_first": False}, None, ALIGNED),
     ({"activation": "tanh"}, None, ALIGNED), ({"bias": False}, None, ALIGNED),
     ({}, "grad", ALIGNED), ({}, "off", ALIGNED), ({}, "mask", ALIGNED)],
)  # fmt: skip
def test_encoders_leave_out_what_a_mask_hides_where_pytorchs_do(options, change, padding, device, peer):
    def run(library, place, state=None):
        given = {"d_model": 4, "nhead": 2, "dim_feedforward": 5, "dropout": 0.0, "batch_first": True, **options}
        if given.get("activation") == "tanh":
            given["activation"] = library.tanh
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layer = library.nn.TransformerEncoderLayer(**given)
            net = library.nn.TransformerEncoder(layer, 2, library.nn.LayerNorm(4)).to(place)
        if state is not None:
            net.load_state_dict({k: library.tensor(v) for k, v in state.items()})
        net.train(change == "train")
        x = library.arange(24.0).reshape(2, 3, 4).sin().to(place)
        hidden = library.tensor(padding).to(place)
        x = x if given["batch_first"] else x.transpose(0, 1)
        mask = library.zeros(3, 3).to(place) if change == "mask" else None
        library.backends.mha.set_fastpath_enabled(change != "off")
        try:
            with library.set_grad_enabled(change == "grad"):
                out = net(
                    x,
                    mask=mask,
                    src_key_padding_mask=hidden
                    if mask is None
                    else library.zeros(2, 3).to(place).masked_fill(hidden, -math.inf),
                )
        finally:
            library.backends.mha.set_fastpath_enabled(True)
        return net, out.detach().cpu().numpy(), [str(w.message) for w in caught if "nested" in str(w.message)]

    theirs, wanted, said = run(peer, "cpu")
    ours, found, also = run(cltorch, device, {k: v.numpy() for k, v in theirs.state_dict().items()})
    assert found == pytest.approx(wanted, abs=2e-5) and also == [w for w in said if "prototype" not in w]
    assert ours.use_nested_tensor is theirs.use_nested_tensor


@pytest.mark.parametrize("masks", ["padding", "mask", "both", "3d", "none"])
@pytest.mark.parametrize("change", ["no_grad", "grad", "train", "heads", "later"])
def test_what_attends_to_nothing_is_no_number_where_pytorchs_fast_path_is_taken(masks, change, device, peer):
    def run(library, place, state=None):
        heads = 1 if change == "heads" else 2
        options = {"batch_first": change != "later"}
        layer = library.nn.TransformerEncoderLayer(4, heads, 5, 0.0, **options).to(place).train(change == "train")
        if state is not None:
            layer.load_state_dict({k: library.tensor(v) for k, v in state.items()})
        x = library.arange(24.0).reshape(2, 3, 4).sin().to(place)
        first, second = [[False, True, True]] * 2 + [[True] * 3], [[True] * 3, [False, True, False], [False] * 3]
        hidden = library.tensor([[True] * 3, [False, True, False]])
        hidden = (hidden if options["batch_first"] else library.zeros(3, 2) > 0).to(place)
        square = library.tensor([first] * heads + [second] * heads if masks == "3d" else first).to(place)
        if masks == "3d" and change == "later":
            square = square[:1].expand(3 * heads, 3, 3)[:, :2, :2]
        if change == "later":
            square = square[..., :2, :2]
        layered = {"src_mask": None if masks in ("padding", "none") else square}
        layered["src_key_padding_mask"] = hidden if masks in ("padding", "both") else None
        direct = {"attn_mask": layered["src_mask"], "key_padding_mask": layered["src_key_padding_mask"]}
        with library.set_grad_enabled(change in ("grad", "train")):
            found = [layer(x, **layered)]
            for options in ({}, {"average_attn_weights": False}, {"need_weights": False}):
                found += [t for t in layer.self_attn(x, x, x, **direct, **options) if t is not None]
        return layer, [(t.detach().cpu().numpy(), t.stride()) for t in found]

    theirs, wanted = run(peer, "cpu")
    _, found = run(cltorch, device, {k: v.numpy() for k, v in theirs.state_dict().items()})
    for (got, stride), (want, expected) in zip(found, wanted, strict=True):
        assert got == pytest.approx(want, abs=2e-5, nan_ok=True) and stride == expected


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 2, 3, 4), (1, 2, 2, 3, 4)])
def test_a_mask_beside_the_causal_one_needs_four_dimensions(shape, lib):
    x = lib.ones(shape)
    given = {"attn_mask": lib.zeros(3, 3), "is_causal": True}
    if len(shape) == 4:
        assert lib.nn.functional.scaled_dot_product_attention(x, x, x, **given).shape == shape
    else:
        with pytest.raises(RuntimeError, match="Explicit attn_mask should not be set when is_causal=True"):
            lib.nn.functional.scaled_dot_product_attention(x, x, x, **given)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (1, 2, 2, 3, 4)])
def test_attention_without_heads_is_contiguous(shape, device):
    q = cltorch.arange(float(math.prod(shape))).reshape(shape).sin().to(device).requires_grad_()
    out = cltorch.nn.functional.scaled_dot_product_attention(q, q * 2, q + 1)
    (grad,) = cltorch.autograd.grad(out.view(-1).sum(), q)
    assert out.is_contiguous() and grad.is_contiguous()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (1, 2, 0, 3), (0, 1, 3, 2)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_attention_on_the_host_lies_as_its_queries(order, dtype, lib):
    """So a model that hands on its heads side by side needs no copy."""
    shape, back = (2, 3, 4, 5), [order.index(d) for d in range(4)]
    q = lib.arange(120.0).sin().reshape([shape[d] for d in order]).permute(back).to(getattr(lib, dtype))
    k = lib.arange(120.0).cos().reshape(shape).to(q.dtype)
    out = lib.nn.functional.scaled_dot_product_attention(q, k, k, lib.ones(4, 4).to(q.dtype))
    wanted = ((q.float() @ k.float().mT / 5**0.5).softmax(-1) @ k.float()).tolist()
    assert out.shape == shape
    lib.testing.assert_close(out.float(), lib.tensor(wanted), rtol=2e-2, atol=2e-2)
    assert out.permute(order if order[-1] == 3 else (0, 1, 2, 3)).is_contiguous()


def test_attention_of_an_empty_batch(lib):
    layer = lib.nn.MultiheadAttention(4, 2, batch_first=True).eval()
    x = lib.ones(0, 3, 4)
    with lib.no_grad():
        out, weights = layer(x, x, x, need_weights=False)
    assert out.shape == (0, 3, 4)
    assert weights is None


def test_ways_of_attention_are_written_with_their_class(lib):
    way = lib.nn.attention.SDPBackend.MATH
    assert f"{way} {way!s}" == "SDPBackend.MATH SDPBackend.MATH"


@pytest.mark.parametrize("grad", [False, True])
def test_causal_attention_without_a_mask_is_plain_or_refused_as_in_pytorch(grad, device, peer):
    """PyTorch's fast path does not look at the hint; elsewhere it wants the mask that is hinted at."""

    def run(library, place, state=None):
        layer = library.nn.MultiheadAttention(4, 2, batch_first=True).to(place).eval()
        if state is not None:
            layer.load_state_dict({k: library.tensor(v) for k, v in state.items()})
        x = library.arange(24.0).reshape(2, 3, 4).sin().to(place)
        with library.set_grad_enabled(grad):
            if grad:
                with pytest.raises(RuntimeError, match="Need attn_mask if specifying the is_causal hint"):
                    layer(x, x, x, is_causal=True)
                return layer, []
            return layer, [t.cpu().numpy() for t in layer(x, x, x, is_causal=True)]

    theirs, wanted = run(peer, "cpu")
    _, found = run(cltorch, device, {k: v.detach().numpy() for k, v in theirs.state_dict().items()})
    for got, want in zip(found, wanted, strict=True):
        assert got == pytest.approx(want, abs=2e-6)
