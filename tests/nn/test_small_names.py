"""Small parts of torch.nn that programs ask for by name."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import attention as A
from cltorch.nn import functional as F


def test_refusals_of_devices_that_opencl_does_not_have():
    net = nn.Linear(2, 2)
    for call, error, words in (
        (net.xpu, AssertionError, "XPU"), (net.mtia, AssertionError, "MTIA"), (net.ipu, RuntimeError, "ipu devices"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            call()
    assert nn.ReLU().xpu() is not None  # nothing to move
    assert net.compile(mode="default") is None and net(cltorch.ones(1, 2)).shape == (1, 2)
    with pytest.raises(RuntimeError, match="Either mode or options"):
        net.compile(mode="default", options={})


def test_factory_arguments():
    assert nn.factory_kwargs(None) == {}
    with pytest.raises(TypeError, match="unexpected kwargs {'size'}"):
        nn.factory_kwargs({"size": 1})
    with pytest.raises(TypeError, match="dtype specified twice"):
        nn.factory_kwargs({"dtype": 1, "factory_kwargs": {"dtype": 2}})


def test_masks_of_attention_are_merged_as_pytorchs(peer):
    rng = np.random.default_rng(0)
    mask, padding = (rng.random(s).astype(np.float32) for s in ((3, 3), (2, 3)))

    def run(library, attn, pad):
        layer = library.nn.MultiheadAttention(4, 2)
        given = [None if m is None else library.tensor(m) for m in (attn, pad)]
        merged, kind = layer.merge_masks(*given, library.ones(2, 3, 4))
        return None if merged is None else merged.tolist(), kind

    for attn in (None, mask, np.stack([mask] * 4)):
        for pad in (None, padding):
            assert run(cltorch, attn, pad) == run(peer, attn, pad)


def test_the_encoder_layer_knows_its_activation(peer):
    def kinds(library):
        layer, f = library.nn.TransformerEncoderLayer, library.nn.functional
        given = ("relu", "gelu", f.relu, f.gelu, library.nn.ReLU(), library.nn.GELU(), library.tanh)
        return [layer(4, 2, 4, activation=a).activation_relu_or_gelu for a in given]

    assert kinds(cltorch) == kinds(peer)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_in_pieces_is_the_whole_loss(reduction, weighted, device):
    rng = np.random.default_rng(0)
    target = cltorch.tensor([0, 1, 2, 3, 4, 0, 2]).to(device)
    w, b, x, c = (rng.standard_normal(s).astype(np.float32) for s in ((5, 3), 5, (7, 3), 5))

    def run(options):
        given = [cltorch.tensor(v).to(device).requires_grad_() for v in (x, w, b)]
        loss = F.linear_cross_entropy(
            given[0], given[1], target, linear_bias=given[2], reduction=reduction, ignore_index=2, options=options,
            weight=cltorch.tensor(abs(c)).to(device) if weighted else None,
        )  # fmt: skip
        (loss * loss).sum().backward()
        return [loss.detach(), *(v.grad for v in given)]

    whole = run(None)
    for options in (nn.LinearCrossEntropyOptions(batch_chunk_size=3), nn.LinearCrossEntropyOptions()):
        for found, wanted in zip(run(options), whole, strict=True):
            cltorch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_options_of_pieces_are_checked_as_pytorchs(peer):
    def said(library, text):
        try:
            eval(text, {"T": library, "O": library.nn.LinearCrossEntropyOptions, "x": library.ones(4, 3)})
        except Exception as e:
            return type(e), str(e)
        return None

    loss = "T.nn.LinearCrossEntropyLoss(3, 5, options={})(x.requires_grad_(), T.tensor([0, 1, 2, 3]))"
    for text in (
        "O(batch_chunk_size=0)", "O(acc_policy='x')", "O(chunking_method='aspect_ratio:0')", "O(acc_dtype=T.int32)",
        "O(chunking_method='aspect_ratio:2')",
        loss.format("O(batch_chunk_size=3, chunking_method='aspect_ratio:4')"),
        f"(l := {loss.format('O()')}, l.backward(retain_graph=True), l.backward())",
        f"(l := {loss.format('O(allow_retain_graph=True)')}, l.backward(retain_graph=True), l.backward())",
    ):  # fmt: skip
        assert said(cltorch, text) == said(peer, text), text
    assert repr(nn.LinearCrossEntropyOptions()) == repr(peer.nn.LinearCrossEntropyOptions())


def test_half_precision_sums_gradients_of_pieces_in_float32():
    x = cltorch.ones(64, 2, dtype=cltorch.bfloat16)
    options = nn.LinearCrossEntropyOptions(batch_chunk_size=1)
    loss = nn.LinearCrossEntropyLoss(2, 3, dtype=cltorch.bfloat16, reduction="sum", options=options)
    loss(x, cltorch.zeros(64, dtype=cltorch.int64)).backward()
    whole = nn.LinearCrossEntropyLoss(2, 3, reduction="sum")
    whole.load_state_dict(loss.state_dict())
    whole(x.float(), cltorch.zeros(64, dtype=cltorch.int64)).backward()
    assert loss.linear.weight.grad.dtype is cltorch.bfloat16
    cltorch.testing.assert_close(loss.linear.weight.grad.float(), whole.linear.weight.grad, rtol=0.02, atol=0.2)


GROUPS = [
    ((6, 8), (2, 8, 16), [2, 6]), ((2, 3, 8), (2, 8, 16), None),
    ((2, 8, 8), (8, 16), [8, 16]), ((8, 8), (8, 16), [8, 8]),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "ends"), GROUPS)
def test_products_of_groups_are_pytorchs(a, b, ends, device, peer):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a).astype(np.float32), rng.standard_normal(b).astype(np.float32)

    def run(library, where):
        given = [library.tensor(v).to(where).requires_grad_() for v in (x, y)]
        offs = None if ends is None else library.tensor(ends, dtype=library.int32).to(where)
        out = library.nn.functional.grouped_mm(*given, offs=offs)
        (out * out).sum().backward()
        return [out, *(v.grad for v in given)]

    for found, wanted in zip(run(cltorch, device), run(peer, "cpu"), strict=True):
        np.testing.assert_allclose(found.detach().cpu().numpy(), wanted.detach().numpy(), rtol=1e-4, atol=1e-4)


def test_what_lies_beyond_the_last_group_is_zero(device):
    a = cltorch.ones(4, 3, device=device, requires_grad=True)
    out = F.grouped_mm(a, cltorch.ones(1, 3, 2, device=device), offs=cltorch.tensor([3], dtype=cltorch.int32))
    assert out.tolist() == [[3.0, 3.0]] * 3 + [[0.0, 0.0]]
    out.sum().backward()
    assert a.grad.tolist() == [[2.0] * 3] * 3 + [[0.0] * 3]


def test_products_of_groups_refuse_what_pytorchs_refuse(peer):
    def said(library, text):
        a, b = library.ones(6, 8), library.ones(2, 8, 16)
        offs = library.tensor([2, 6], dtype=library.int32)
        with pytest.raises(RuntimeError) as caught:
            eval(text, {"T": library, "g": library.nn.functional.grouped_mm, "a": a, "b": b, "offs": offs})
        return str(caught.value)

    for text in (
        "g(a, b)", "g(a, b, offs=offs.long())", "g(a, b, offs=offs[:1])", "g(a, T.ones(2, 12, 16), offs=offs)",
        "g(T.ones(2, 3, 8), b, offs=offs)", "g(a, b, offs=offs, bias=T.ones(16))",
    ):  # fmt: skip
        assert said(cltorch, text) == said(peer, text), text


def test_ways_of_attention_are_asked_for_and_registered(device):
    q = cltorch.ones(1, 2, 3, 4, device=device)
    params = A.SDPAParams(q, q, q, None, 0.0, False, False)
    assert A.can_use_flash_attention(params) and A.can_use_efficient_attention(params) is (device != "cpu")
    with A.sdpa_kernel(A.SDPBackend.MATH):
        assert not A.can_use_flash_attention(params)
    masked = params._replace(attn_mask=cltorch.zeros(3, 3, device=device, requires_grad=True))
    assert not A.can_use_flash_attention(masked) and not A.can_use_cudnn_attention(params)

    removed, before = [], A.list_flash_attention_impls()

    class Handle:
        def remove(self):
            removed.append(1)

    A.register_flash_attention_impl("mine", register_fn=Handle)
    assert A.list_flash_attention_impls() == sorted({"mine", *before}) and A.current_flash_attention_impl() is None
    A.activate_flash_attention_impl("mine")
    assert A.current_flash_attention_impl() == "mine"
    A.restore_flash_attention_impl()
    assert removed == [1] and A.current_flash_attention_impl() is None
    with pytest.raises(ValueError, match="Unknown flash attention impl 'FA4'"):
        A.activate_flash_attention_impl("FA4")


def test_attention_refuses_where_no_allowed_way_computes_it(device):
    """PyTorch's host has FLASH_ATTENTION and MATH, its GPUs EFFICIENT_ATTENTION too; nothing here is cuDNN."""
    q, names = cltorch.ones(1, 2, 3, 4, device=device), cltorch.nn.attention.SDPBackend
    learned = cltorch.zeros(3, 3, device=device, requires_grad=True)
    here = {names.MATH, names.FLASH_ATTENTION} | ({names.EFFICIENT_ATTENTION} if device != "cpu" else set())
    for chosen in (*names, [], [names.ERROR, names.CUDNN_ATTENTION], [names.CUDNN_ATTENTION, names.MATH]):
        with A.sdpa_kernel(chosen):
            if here & (set(chosen) if isinstance(chosen, list) else {chosen}):
                assert F.scaled_dot_product_attention(q, q, q).sum().item() == 24
            else:
                with pytest.raises(RuntimeError, match="No viable backend for scaled_dot_product_attention was found"):
                    F.scaled_dot_product_attention(q, q, q)
                assert F.scaled_dot_product_attention(q[:0], q[:0], q[:0]).shape == (0, 2, 3, 4)
    with A.sdpa_kernel(names.FLASH_ATTENTION), pytest.raises(RuntimeError, match="No available kernel"):
        F.scaled_dot_product_attention(q, q, q, learned)
    assert F.scaled_dot_product_attention(q, q, q, learned).requires_grad


def test_the_ways_of_attention_are_one_setting(lib):
    """Within sdpa_kernel the questions of torch.backends.cuda answer accordingly, and the other way round."""
    cuda, names = lib.backends.cuda, lib.nn.attention.SDPBackend

    def allowed():
        return cuda.cudnn_sdp_enabled(), cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), \
            cuda.math_sdp_enabled()  # fmt: skip

    with lib.nn.attention.sdpa_kernel([names.MATH, names.CUDNN_ATTENTION]):
        assert allowed() == (True, False, False, True)
        cuda.enable_flash_sdp(True)
        assert [b.name for b in lib.nn.attention._cur_sdpa_kernel_backends()] == [
            "CUDNN_ATTENTION", "FLASH_ATTENTION", "MATH",
        ]  # fmt: skip
        with cuda.sdp_kernel(enable_math=False):
            assert allowed() == (True, True, True, False)
    assert allowed() == (True, True, True, True)
    with pytest.raises(AssertionError, match="a list of SDPBackend instances, got tuple"):
        with lib.nn.attention.sdpa_kernel((names.MATH,)):
            pass


def test_old_names_of_mixed_precision_on_the_host_warn():
    with pytest.warns(FutureWarning, match="`torch.cpu.amp.autocast"), cltorch.cpu.amp.autocast():
        assert (cltorch.ones(2, 2) @ cltorch.ones(2, 2)).dtype is cltorch.bfloat16
    with pytest.warns(FutureWarning, match="`torch.cpu.amp.GradScaler"):
        assert cltorch.cpu.amp.GradScaler().is_enabled()


ACCESS = [
    "a.get_tensor('0.weight').tolist()", "a.get_tensor('0.nothing')", "a.get_submodule('2')",
    "a.get_submodule('0.weight')", "a.swap_tensor('0.weight', T.zeros(1)).tolist(), m[0].weight.tolist()",
    "a.swap_tensor('0.x', T.zeros(1))",
    "a.swap_tensor('0.x', T.zeros(1), allow_missing=True) is not None, m[0].x.tolist()", "a.set_tensor('0.bias', 3)",
    "a.set_tensors(['0.bias', '1.running_mean'], [T.ones(1), None]), m[0].bias.tolist(), m[1].running_mean",
    "a.set_tensors(['0.bias'], [])", "a.del_tensor('0.bias'), list(dict(m.named_parameters()))",
    "a.del_tensors(['x'])", "a.swap_tensors_dict({'0.bias': T.ones(1), '0.y': T.ones(1)})",
    "[len(x) for x in a.swap_tensors_dict({'0.bias': T.ones(1)})]",
    "[len(x) for x in a.swap_tensors_dict({'0.bias': T.ones(1), '0.y': T.ones(1)}, allow_missing=True)]",
    "m[0].bias.tolist()", "a.check_keys(['0.bias', 'z'])", "[n for n, _ in a.named_tensors()]",
    "a.swap_submodule('0', 3)", "a.swap_submodule('7', T.nn.ReLU())",
    "type(a.swap_submodule('0', T.nn.ReLU())).__name__, type(m[0]).__name__",
    "[x.tolist() for x in a.swap_tensors(['0.bias'], [T.ones(1)])]", "a.get_tensors(['0.bias'])[0].tolist()",
]  # fmt: skip


@pytest.mark.parametrize("text", ACCESS)
def test_members_are_accessed_by_name_as_in_pytorch(text, peer):
    def said(library):
        m = library.nn.Sequential(library.nn.Linear(1, 1), library.nn.BatchNorm1d(1))
        with library.no_grad():
            m[0].weight.fill_(0.5)
            m[0].bias.fill_(0.25)
        a = importlib.import_module(f"{library.__name__}.nn.utils._named_member_accessor").NamedMemberAccessor(m)
        try:
            return str(eval(text, {"T": library, "a": a, "m": m}))
        except Exception as e:
            return type(e), str(e)

    assert said(cltorch) == said(peer)


def test_a_prefix_is_taken_from_names_and_metadata():
    net = nn.DataParallel(nn.BatchNorm1d(2))
    state = net.state_dict()
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == list(net.module.state_dict()) and "module" not in state._metadata
    nn.BatchNorm1d(2).load_state_dict(state)


def test_weights_with_norms_of_their_own(device, peer):
    rng = np.random.default_rng(0)
    v, g = rng.random((3, 2, 2)).astype(np.float32), rng.random((1, 2, 1)).astype(np.float32)

    def run(library, place):
        a, b = (library.tensor(x, device=place, requires_grad=True) for x in (v, g))
        made = library._weight_norm(a, b, 1)
        made.pow(3).sum().backward()
        again, norms = library._weight_norm_interface(a, library.ones(3, 1, 1, device=place), 0)
        return [x.detach().cpu().numpy() for x in (made, a.grad, b.grad, norms, library._weight_norm(a, b[0, 0], -1))]

    for ours, theirs in zip(run(cltorch, device), run(peer, "cpu"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_wrapped_hooks_have_the_name_that_libraries_look_for():
    net = nn.Linear(1, 1)
    net._register_load_state_dict_pre_hook(lambda *given: None, with_module=True)
    assert isinstance(next(iter(net._load_state_dict_pre_hooks.values())), nn.modules.module._WrappedHook)


def test_layers_are_related_as_pytorchs(peer):
    """Programs ask isinstance: a padding of planes is none of lines."""
    assert not isinstance(nn.ReflectionPad2d(1), nn.ReflectionPad1d) and not issubclass(nn.AvgPool3d, nn.AvgPool2d)
    for here, there in (
        (nn, peer.nn),
        (cltorch.optim, peer.optim),
        (cltorch.optim.lr_scheduler, peer.optim.lr_scheduler),
    ):
        for name, theirs in vars(there).items():
            ours = getattr(here, name, None)
            if not (isinstance(theirs, type) and isinstance(ours, type)) or name == "ABC":
                continue
            bases = [[c.__name__ for c in x.__mro__ if hasattr(there, c.__name__)] for x in (ours, theirs)]
            assert bases[0] == bases[1], name
            private = {c.__name__ for c in theirs.__mro__ if c.__name__.startswith("_") and c.__name__ != "_TensorBase"}
            assert private <= {c.__name__ for c in ours.__mro__}, name


@pytest.mark.parametrize("name", [
    "nn.modules.pooling._MaxPoolNd", "nn.modules.pooling._AdaptiveAvgPoolNd", "nn.modules.conv._ConvTransposeNd",
    "nn.modules.dropout._DropoutNd", "nn.modules.batchnorm._NormBase", "nn.modules.transformer._get_clones",
    "nn.modules.transformer._get_activation_fn", "nn.modules.utils._reverse_repeat_tuple",
    "nn.modules.module._addindent", "nn.modules.module._global_forward_hooks", "nn.functional._canonical_mask",
    "nn.functional._mha_shape_check", "nn.functional._in_projection", "nn._reduction.get_enum",
    "nn.utils.clip_grad._get_total_norm", "optim.optimizer.ParamsT", "optim.optimizer._use_grad_for_differentiable",
    "optim.lr_scheduler._LRScheduler", "_VF.lstm", "_C._nn.gelu", "_C._VariableFunctions.gru",
])  # fmt: skip
def test_names_that_libraries_import_are_there(name, lib):
    found = importlib.import_module(f"{lib.__name__}.{name.split('.')[0]}")
    for part in name.split(".")[1:]:
        if not hasattr(found, part):  # PyTorch takes some modules out of their packages
            importlib.import_module(f"{found.__name__}.{part}")
            found = sys.modules[f"{found.__name__}.{part}"]
        else:
            found = getattr(found, part)


def test_what_attention_of_other_libraries_is_made_of(lib):
    f = lib.nn.functional
    q, w = lib.arange(6.0).reshape(3, 2), lib.arange(12.0).reshape(6, 2)
    kv = q + 1
    want = [x @ part.T for x, part in zip((q, kv, kv), w.chunk(3), strict=True)]
    for given in ((q, kv, kv), (q, kv, kv.clone())):
        found = f._in_projection_packed(*given, w)
        assert all(lib.equal(a, b) for a, b in zip(found, want, strict=True))
    assert all(lib.equal(a, b) for a, b in zip(f._in_projection(q, kv, kv, *w.chunk(3)), want, strict=True))
    assert [f._Reduction.get_enum(r) for r in ("none", "mean", "sum")] == [0, 1, 2]
    assert f._Reduction.legacy_get_string(None, False, emit_warning=False) == "none"
    with pytest.raises(ValueError, match="all is not a valid value for reduction"):
        f._Reduction.get_enum("all")
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert f._get_softmax_dim("softmax", 3, 3) == 0
    backends, kernel = lib.nn.attention.SDPBackend, lib.nn.attention.sdpa_kernel
    with kernel([backends.MATH, backends.FLASH_ATTENTION], set_priority=True):
        chosen = lib.nn.attention._cur_sdpa_kernel_backends
        assert [b.name for b in chosen()] == ["FLASH_ATTENTION", "MATH"]
        assert [b.name for b in chosen(with_priority=True)] == ["MATH", "FLASH_ATTENTION"]
    assert len(lib.nn.attention._cur_sdpa_kernel_backends()) == 5
    assert lib.nn.LSTM(2, 3, num_layers=2)._flat_weights_names[5] == "weight_hh_l1"


def test_layers_name_their_constants(lib):
    """Libraries derive classes that add to these lists."""
    layers = lib.nn

    class Scaled(layers.Conv2d):
        __constants__ = [*layers.Conv2d.__constants__, "scale"]

    assert layers.Linear.__constants__ == ["in_features", "out_features"] == layers.LazyLinear.__constants__
    assert Scaled.__constants__[-2:] == ["kernel_size", "scale"] and layers.Conv2d.__constants__[-1] == "kernel_size"
    assert layers.BatchNorm2d.__constants__ == layers.InstanceNorm1d.__constants__
    assert not hasattr(layers.Tanh, "__constants__")


def test_constants_of_layers_are_pytorchs(peer):
    for name in nn.modules.__all__:
        ours, theirs = getattr(nn, name), getattr(peer.nn, name, None)
        if isinstance(ours, type) and theirs is not None:
            assert getattr(ours, "__constants__", None) == getattr(theirs, "__constants__", None), name


def test_names_that_are_attributes_without_an_import(monkeypatch):
    monkeypatch.delattr(cltorch, "_VF", raising=False)
    assert cltorch._VF.relu(cltorch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert cltorch.profiler.kineto_available is cltorch.autograd.profiler.kineto_available


def test_inner_names_that_libraries_call():
    w = nn.Parameter(cltorch.empty(100))
    init = nn.init
    assert init._no_grad_fill_(w, 2.0) is w and w[0] == 2 and not init._no_grad_zero_(w).any()
    assert (init._no_grad_uniform_(w, 2.0, 3.0) >= 2).all() and w.is_leaf and w.requires_grad
    assert abs(init._no_grad_normal_(w, 5.0, 0.1).mean() - 5) < 0.1
    assert init._no_grad_trunc_normal_(w, 0.0, 1.0, -1.0, 1.0).abs().max() <= 1
    assert isinstance(w, nn.parameter.Parameter) and type(nn.Parameter) is nn.parameter._ParameterMeta
    assert (
        A.flex_attention._DEFAULT_SPARSE_BLOCK_SIZE
        == A.flex_attention.create_block_mask(
            lambda b, h, q, kv: q >= kv, None, None, 256, 256, device="cpu"
        ).BLOCK_SIZE[0]
    )

    seen = []
    handle = nn.modules.module.register_module_parameter_registration_hook(lambda *given: seen.append(given[1]))
    hooks = nn.modules.module._global_parameter_registration_hooks
    assert len(hooks) == 1
    nn.Linear(1, 1)
    handle.remove()
    assert seen == ["weight", "bias"] and not hooks
