"""Folding of batch normalisation, stateless calls, formats of memory, layers without initial values."""

from __future__ import annotations

import pytest

import cltorch
from cltorch.nn import utils
from cltorch.nn.utils.stateless import _functional_call, functional_call


def spread(bn):
    """Give a batch normalisation parameters and statistics that matter."""
    with cltorch.no_grad():
        for t in (bn.weight, bn.bias, bn.running_mean):
            t.uniform_(-1, 1)
        bn.running_var.uniform_(0.5, 2)
    return bn.eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("transpose", [False, True])
def test_batch_norm_folds_into_a_convolution(device, bias, transpose):
    kind = cltorch.nn.ConvTranspose2d if transpose else cltorch.nn.Conv2d
    conv = kind(3, 4, 3, bias=bias).eval().to(device)
    bn = spread(cltorch.nn.BatchNorm2d(4)).to(device)
    x = cltorch.randn(2, 3, 6, 6, device=device)
    fused = utils.fuse_conv_bn_eval(conv, bn, transpose)
    assert cltorch.allclose(fused(x), bn(conv(x)), rtol=1e-4, atol=1e-5)
    assert fused.bias is not None and isinstance(fused.weight, cltorch.nn.Parameter)


@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_folds_into_a_linear_layer(device, bias):
    linear = cltorch.nn.Linear(3, 4, bias=bias).eval().to(device)
    bn = spread(cltorch.nn.BatchNorm1d(4)).to(device)
    x = cltorch.randn(5, 3, device=device)
    assert cltorch.allclose(utils.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="linear.out_features == bn.num_features"):
        utils.fuse_linear_bn_eval(linear, cltorch.nn.BatchNorm1d(3).eval())
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        utils.fuse_linear_bn_eval(linear.train(), bn)


def test_a_module_is_called_with_other_parameters(device):
    net = cltorch.nn.Sequential(cltorch.nn.Linear(2, 2), cltorch.nn.BatchNorm1d(2)).to(device)
    own = {name: t.clone() for name, t in net.state_dict().items()}
    given = {
        "0.weight": cltorch.eye(2, device=device).requires_grad_(),
        "1.running_mean": cltorch.ones(2, device=device),
    }
    x = cltorch.randn(4, 2, device=device)
    with pytest.warns(FutureWarning, match="functional_call"):
        y = functional_call(net, given, x)
    other = cltorch.nn.Sequential(cltorch.nn.Linear(2, 2), cltorch.nn.BatchNorm1d(2)).to(device)
    other.load_state_dict(own)
    other[0].weight.data.copy_(cltorch.eye(2))
    other[1].running_mean.fill_(1.0)
    assert cltorch.allclose(y, other(x))
    y.square().sum().backward()
    assert given["0.weight"].grad is not None and net[0].weight.grad is None
    assert cltorch.allclose(given["1.running_mean"], other[1].running_mean)  # changed in place
    # of what was not given, the module's own was used
    assert {n for n, t in net.state_dict().items() if not cltorch.equal(t, own[n])} == {
        "1.running_var", "1.num_batches_tracked",
    }  # fmt: skip


def test_tied_tensors_and_strictness():
    class Tied(cltorch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = cltorch.nn.Parameter(cltorch.ones(()))
            self.b = self.a

        def forward(self, x):
            return x + self.a + 10 * self.b

    net, zero, x = Tied(), cltorch.zeros(()), cltorch.zeros(())
    assert _functional_call(net, {"a": zero}, x).item() == 0.0
    assert _functional_call(net, {"a": zero}, x, tie_weights=False).item() == 10.0
    assert _functional_call(net, {"a": zero, "b": zero}, (x,), {}).item() == 0.0
    with pytest.raises(ValueError, match="multiple values for keys \\['a', 'b'\\]"):
        _functional_call(net, {"a": zero, "b": cltorch.ones(())}, x)
    with pytest.raises(RuntimeError, match="Unexpected key\\(s\\): 'c'.\n\tMissing key\\(s\\): 'a', 'b'"):
        _functional_call(net, {"c": zero}, x, strict=True)
    assert _functional_call(net, {"a": zero, "c": zero}, x).item() == 0.0 and not hasattr(net, "c")
    with pytest.raises(TypeError, match="5 is not an instance of torch.Tensor"):
        _functional_call(net, {"a": 5}, x)
    with pytest.raises(TypeError, match="attribute `0`: .* is not an instance of torch.Tensor"):
        _functional_call(cltorch.nn.Sequential(net), {"0": zero}, x)
    with pytest.raises(KeyError, match="be empty string"):
        _functional_call(net, {"": zero}, x)
    assert net.a is net.b and net.a.item() == 1.0


def test_a_module_has_other_tensors_for_a_while(lib):
    layer = lib.nn.Linear(2, 1, bias=False)
    own, other = layer.weight, lib.ones(1, 2)
    with lib.nn.utils.stateless._reparametrize_module(layer, {"weight": other}, strict=True, stack_weights=True):
        assert layer.weight is other
    assert layer.weight is own
    with pytest.raises(RuntimeError, match="Unexpected key"):
        with lib.nn.utils.stateless._reparametrize_module(layer, {"weight": other, "x": other}, strict=True):
            pass


def test_originals_of_parametrised_tensors_can_be_given():
    layer = utils.parametrizations.weight_norm(cltorch.nn.Linear(2, 1, bias=False))
    v, g = cltorch.tensor([[3.0, 4.0]]), cltorch.tensor([[10.0]])
    keys = [f"parametrizations.weight.original{i}" for i in (0, 1)]
    y = _functional_call(layer, {keys[0]: g, keys[1]: v}, cltorch.ones(1, 2))
    assert y.item() == pytest.approx(14.0)


def test_values_of_parametrised_tensors_can_be_given():
    class Doubled(cltorch.nn.Module):
        def forward(self, x):
            return 2 * x

        def right_inverse(self, y):
            return y / 2

    layer = cltorch.nn.Linear(2, 1, bias=False)
    before = layer.weight.tolist()
    utils.parametrize.register_parametrization(layer, "weight", Doubled())
    y = _functional_call(layer, {"weight": cltorch.ones(1, 2)}, cltorch.ones(1, 2))
    assert y.item() == 2.0 and layer.weight.tolist() == before


def test_weight_norm_of_vectors(device):
    for make in (utils.weight_norm, utils.parametrizations.weight_norm):
        layer = cltorch.nn.BatchNorm1d(3).to(device)
        layer.weight.data.copy_(cltorch.tensor([1.0, -2.0, 3.0], device=device))
        layer = make(layer)
        assert layer.weight.tolist() == [1.0, -2.0, 3.0]
        assert sorted(p.tolist() for p in layer.parameters())[-1] == [1.0, 2.0, 3.0]  # a norm for every element
        with pytest.raises(IndexError, match="Dimension out of range"):
            make(cltorch.nn.BatchNorm1d(3), dim=1)


def test_weights_get_another_order_of_memory(device):
    net = cltorch.nn.Sequential(cltorch.nn.Conv2d(3, 4, 2), cltorch.nn.Conv3d(2, 3, 2)).to(device)
    flat, deep = (m.weight.detach().clone() for m in net)
    utils.convert_conv2d_weight_memory_format(net, cltorch.channels_last)
    assert net[0].weight.is_contiguous(memory_format=cltorch.channels_last) and cltorch.equal(net[0].weight, flat)
    assert net[1].weight.is_contiguous()
    utils.convert_conv3d_weight_memory_format(net, cltorch.channels_last_3d)
    assert net[1].weight.is_contiguous(memory_format=cltorch.channels_last_3d) and cltorch.equal(net[1].weight, deep)


def test_layers_without_initial_values(device):
    cltorch.manual_seed(0)
    wanted = cltorch.rand(1).item()
    cltorch.manual_seed(0)
    made = utils.skip_init(cltorch.nn.Linear, 5, 2, device=device)
    assert made.weight.shape == (2, 5) and made.weight.device == cltorch.empty(0, device=device).device
    assert cltorch.rand(1).item() == wanted  # no random number was drawn
    with pytest.raises(RuntimeError, match="Expected a Module"):
        utils.skip_init(int)
    with pytest.raises(RuntimeError, match="must support a 'device' arg"):
        utils.skip_init(cltorch.nn.ReLU)


def test_states_of_spectral_norm_from_before_it_kept_v_are_completed(lib):
    m = lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4))
    for _ in range(5):
        m(lib.ones(1, 3))
    state = m.state_dict()
    old = {**state, "weight": m.weight.detach().clone()}
    v = old.pop("weight_v")
    again = lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4))
    assert str(again.load_state_dict(old)) == "<All keys matched successfully>"
    assert again.weight_v.tolist() == pytest.approx(v.tolist(), abs=1e-4)
    assert again.eval()(lib.ones(1, 3)).tolist()[0] == pytest.approx(m.eval()(lib.ones(1, 3)).tolist()[0], abs=1e-4)
    del old["weight_u"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: .*"weight_u"'):
        again.load_state_dict(old)
