"""Module: registration, walks, conversions, modes, printing, copies. Every promise is checked on PyTorch as well."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest

import cltorch
from cltorch import nn


def net(lib):
    """Return a model with a shared layer, a buffer and a child that is None."""
    shared = lib.nn.Linear(2, 2)

    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = shared
            self.body = lib.nn.Sequential(shared, lib.nn.BatchNorm1d(2))
            self.scale = lib.nn.Parameter(lib.ones(1))
            self.register_buffer("seen", lib.zeros(1))
            self.register_buffer("scratch", lib.zeros(1), persistent=False)
            self.nothing = None
            self.add_module("absent", None)
            self.register_parameter("no_bias", None)

        def forward(self, x):
            return self.body(self.first(x)) * self.scale

    return Net()


# ---- registration ------------------------------------------------------------------------------------------------
def test_what_is_assigned_is_registered_by_its_kind(lib):
    m = lib.nn.Module()
    m.weight = lib.nn.Parameter(lib.ones(2))
    m.child = lib.nn.Identity()
    m.moved = lib.nn.Buffer(lib.zeros(3))
    m.plain, m.number = lib.ones(1), 3
    assert [k for k, _ in m.named_parameters()] == ["weight"]
    assert [k for k, _ in m.named_children()] == ["child"]
    assert [k for k, _ in m.named_buffers()] == ["moved"]
    assert "plain" in vars(m) and m.number == 3
    assert m.weight is m._parameters["weight"]


def test_an_attribute_changes_its_kind_when_something_else_is_assigned(lib):
    m = lib.nn.Module()
    m.x = 1
    m.x = lib.nn.Parameter(lib.ones(1))
    assert "x" not in vars(m) and "x" in m._parameters
    m.x = None  # None keeps the place
    assert m._parameters == {"x": None}
    del m.x
    assert not hasattr(m, "x")
    m.x = lib.nn.Identity()
    assert list(m._modules) == ["x"]
    m.x = None
    assert m._modules == {"x": None} and list(m.children()) == []
    m.y = lib.nn.Buffer(lib.ones(1), persistent=False)
    assert list(m.state_dict()) == []
    m.y = lib.nn.Parameter(lib.ones(1))
    assert list(m._buffers) == [] and list(m.state_dict()) == ["y"]


def test_a_buffer_stays_persistent_or_not_when_its_value_is_replaced(lib):
    m = net(lib)
    m.seen, m.scratch = lib.ones(4), lib.ones(5)
    assert "seen" in m.state_dict() and "scratch" not in m.state_dict()
    assert m.seen.shape == (4,) and dict(m.named_buffers())["scratch"].shape == (5,)
    m.register_buffer("scratch", lib.ones(1))
    assert "scratch" in m.state_dict()


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda m, lib: m.register_parameter("a.b", None), KeyError, "parameter name can.*t contain"),
        (lambda m, lib: m.register_parameter("", None), KeyError, "parameter name can.*t be empty string"),
        (lambda m, lib: m.register_parameter("train", None), KeyError, "attribute 'train' already exists"),
        (lambda m, lib: m.register_parameter(3, None), TypeError, "parameter name should be a string. Got int"),
        (lambda m, lib: m.register_parameter("p", 3), TypeError, "cannot assign 'int' object to parameter 'p'"),
        (lambda m, lib: m.register_parameter("p", lib.ones(1)), TypeError, "cannot assign 'torch.FloatTensor' object"),
        (lambda m, lib: m.register_buffer("b", 3), TypeError, "cannot assign 'int' object to buffer 'b'"),
        (lambda m, lib: m.register_buffer("a.b", None), KeyError, "buffer name can.*t contain"),
        (lambda m, lib: m.register_buffer("w", None), KeyError, "attribute 'w' already exists"),
        (lambda m, lib: m.add_module("c", 3), TypeError, "int is not a Module subclass"),
        (lambda m, lib: m.add_module("a.b", None), KeyError, "module name can.*t contain .*got: a.b"),
        (lambda m, lib: m.add_module("", None), KeyError, "module name can.*t be empty string"),
        (lambda m, lib: m.add_module(None, None), TypeError, "module name should be a string. Got NoneType"),
        (lambda m, lib: setattr(m, "w", lib.ones(1)), TypeError, "cannot assign 'torch.FloatTensor' as parameter 'w'"),
        (lambda m, lib: setattr(m, "child", 1), TypeError, "cannot assign 'int' as child module 'child'"),
        (lambda m, lib: setattr(m, "buf", "no"), TypeError, "cannot assign 'str' as buffer 'buf'"),
        (lambda m, lib: m.missing, AttributeError, "has no attribute 'missing'"),
        (lambda m, lib: m(1), NotImplementedError, 'Module \\[Module\\] is missing the required "forward" function'),
        (lambda m, lib: m.train("yes"), ValueError, "training mode is expected to be boolean"),
        (lambda m, lib: delattr(m, "missing"), AttributeError, "missing"),
    ],
)  # fmt: skip
def test_wrong_members_are_refused_with_pytorchs_messages(act, error, message, lib):
    m = lib.nn.Module()
    m.w, m.child = lib.nn.Parameter(lib.ones(1)), lib.nn.Identity()
    m.register_buffer("buf", lib.ones(1))
    with pytest.raises(error, match=message):
        act(m, lib)


def test_a_parameter_must_be_a_leaf(lib):
    p = lib.nn.Parameter(lib.ones(1))
    grown = p * 2
    grown._is_param = True  # how a subclass of Tensor says that it is one
    m = lib.nn.Module()
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        m.register_parameter("w", grown)


@pytest.mark.parametrize("value", ["parameter", "module", "buffer"])
def test_members_need_the_constructor_to_have_run(value, lib):
    class Eager(lib.nn.Module):
        def __init__(self):
            made = {
                "parameter": lambda: lib.nn.Parameter(lib.ones(1)),
                "module": lib.nn.Identity,
                "buffer": lambda: lib.nn.Buffer(lib.ones(1)),
            }
            self.member = made[value]()

    with pytest.raises(AttributeError, match=r"cannot assign .* before Module.__init__\(\) call"):
        Eager()


def test_the_constructor_takes_no_arguments_unless_a_base_class_does(lib):
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'x'"):
        lib.nn.Module(x=1)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        lib.nn.Module(1)

    class Base:
        def __init__(self, x):
            self.x = x

    class Both(lib.nn.Module, Base):
        call_super_init = True

    assert Both(x=5).x == 5


# ---- walks -------------------------------------------------------------------------------------------------------
def test_walks_name_everything_once_in_order(lib):
    m = net(lib)
    assert [k for k, _ in m.named_modules()] == ["", "first", "body", "body.1"]
    assert [k for k, _ in m.named_modules(remove_duplicate=False)] == ["", "first", "body", "body.0", "body.1"]
    assert [k for k, _ in m.named_modules(prefix="net")] == ["net", "net.first", "net.body", "net.body.1"]
    assert [k for k, _ in m.named_parameters()] == [
        "scale", "first.weight", "first.bias", "body.1.weight", "body.1.bias",
    ]  # fmt: skip
    assert [k for k, _ in m.named_parameters(remove_duplicate=False)][3:5] == ["body.0.weight", "body.0.bias"]
    assert [k for k, _ in m.named_parameters(prefix="p", recurse=False)] == ["p.scale"]
    assert [k for k, _ in m.named_buffers()] == [
        "seen", "scratch", "body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked",
    ]  # fmt: skip
    assert [k for k, _ in m.named_buffers(recurse=False)] == ["seen", "scratch"]
    assert [k for k, _ in m.named_children()] == ["first", "body"]
    assert len(list(m.parameters())) == 5 and len(list(m.buffers())) == 5
    assert list(m.modules()) == [v for _, v in m.named_modules()]
    memo = {m.first}
    assert [k for k, _ in m.named_modules(memo)] == ["", "body", "body.1"]


def test_tied_parameters_come_once(lib):
    a, b = lib.nn.Linear(2, 2), lib.nn.Linear(2, 2)
    b.weight = a.weight
    both = lib.nn.Sequential(a, b)
    assert [k for k, _ in both.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(both.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_members_are_found_by_dotted_name(lib):
    m = net(lib)
    assert m.get_submodule("") is m and m.get_submodule("body.1") is m.body[1]
    assert m.get_parameter("body.1.weight") is m.body[1].weight
    assert m.get_buffer("body.1.running_var") is m.body[1].running_var
    with pytest.raises(AttributeError, match="Sequential has no attribute `7`"):
        m.get_submodule("body.7")
    with pytest.raises(AttributeError, match="`scale` is not an nn.Module"):
        m.get_submodule("scale")
    with pytest.raises(AttributeError, match="`seen` is not an nn.Parameter"):
        m.get_parameter("seen")
    with pytest.raises(AttributeError, match="Net has no attribute `what`"):
        m.get_parameter("what")
    with pytest.raises(AttributeError, match="`scale` is not a buffer"):
        m.get_buffer("scale")


def test_a_submodule_can_be_replaced_by_dotted_name(lib):
    m = net(lib)
    new = lib.nn.Identity()
    m.set_submodule("body.1", new)
    assert m.body[1] is new
    m.set_submodule("body.added", lib.nn.ReLU())
    assert list(m.body._modules) == ["0", "1", "added"]
    with pytest.raises(ValueError, match="Cannot set the submodule without a target name!"):
        m.set_submodule("", new)
    with pytest.raises(ValueError, match="`module` is not an nn.Module"):
        m.set_submodule("body.1", 3)
    with pytest.raises(AttributeError, match="has no attribute `lost`"):
        m.set_submodule("body.lost", new, strict=True)
    with pytest.raises(AttributeError, match="`scale` is not an nn.Module"):
        m.set_submodule("scale", new)


def test_dir_lists_members_without_numbers(lib):
    m = net(lib)
    assert {"first", "scale", "seen", "forward", "training"} <= set(dir(m))
    assert not any(name[0].isdigit() for name in dir(m.body))


# ---- modes, gradients, apply -------------------------------------------------------------------------------------
def test_train_and_eval_reach_every_submodule(lib):
    m = net(lib)
    assert all(x.training for x in m.modules())
    assert m.eval() is m and not any(x.training for x in m.modules())
    assert m.train() is m and all(x.training for x in m.modules())


def test_apply_goes_from_the_leaves_to_the_root(lib):
    seen = []
    m = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Sequential(lib.nn.ReLU()))
    assert m.apply(lambda x: seen.append(type(x).__name__)) is m
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_gradients_are_dropped_or_zeroed_and_can_be_switched_off(lib):
    m = lib.nn.Linear(2, 1)
    m(lib.ones(3, 2)).sum().backward()
    assert m.weight.grad.tolist() == [[3.0, 3.0]]
    m.zero_grad(set_to_none=False)
    assert m.weight.grad.tolist() == [[0.0, 0.0]]
    m.zero_grad()
    assert m.weight.grad is None
    assert m.requires_grad_(False) is m
    assert not any(p.requires_grad for p in m.parameters()) and not m(lib.ones(1, 2)).requires_grad


# ---- conversions -------------------------------------------------------------------------------------------------
def test_conversions_keep_the_parameters_and_leave_integers_alone(lib):
    m = net(lib)
    before = dict(m.named_parameters())
    for convert, wanted in (
        (lambda: m.double(), "torch.float64"),
        (lambda: m.half(), "torch.float16"),
        (lambda: m.bfloat16(), "torch.bfloat16"),
        (lambda: m.float(), "torch.float32"),
        (lambda: m.to(lib.float64), "torch.float64"),
        (lambda: m.to(lib.ones(1, dtype=lib.float16)), "torch.float16"),
        (lambda: m.to("cpu", lib.float32), "torch.float32"),
    ):
        assert convert() is m
        assert {str(p.dtype) for p in m.parameters()} == {wanted}
        assert str(m.body[1].num_batches_tracked.dtype) == "torch.int64"
        assert str(m.body[1].running_mean.dtype) == wanted
    assert all(before[k] is p for k, p in m.named_parameters())
    assert all(p.requires_grad and p.is_leaf for p in m.parameters())
    assert m.first is m.body[0] and m.first.weight is m.body[0].weight


def test_conversions_take_gradients_with_them(lib):
    m = lib.nn.Linear(2, 1)
    m(lib.ones(1, 2)).sum().backward()
    m.double()
    assert str(m.weight.grad.dtype) == "torch.float64" and m.weight.grad.tolist() == [[1.0, 1.0]]


def test_only_floating_point_dtypes_are_accepted(lib):
    with pytest.raises(TypeError, match="only accepts floating point or complex dtypes"):
        lib.nn.Linear(1, 1).to(lib.int32)
    assert str(lib.nn.Linear(1, 1).type(lib.float64).weight.dtype) == "torch.float64"


def test_a_model_moves_between_devices_and_goes_on_training(cl_device):
    m = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    params = list(m.parameters())
    values = [p.tolist() for p in params]
    optimizer = cltorch.optim.SGD(m.parameters(), lr=0.1)
    m.to(cl_device)
    assert all(t.device == cltorch.device(cl_device) for t in (*m.parameters(), *m.buffers()))
    assert [p.tolist() for p in params] == values and list(m.parameters()) == params
    m[0](cltorch.ones(4, 3, device=cl_device)).sum().backward()
    optimizer.step()
    assert m[0].bias.tolist() != values[1]
    m.cpu()
    assert all(t.device.type == "cpu" for t in (*m.parameters(), *m.buffers()))
    assert m[0].weight.grad.device.type == "cpu"
    assert m.cuda().cpu().cl(cl_device)[0].weight.device == cltorch.device(cl_device)


def test_to_empty_takes_no_values_along(device):
    m = nn.Linear(3, 2).to_empty(device=device)
    assert m.weight.shape == (2, 3) and m.weight.device == cltorch.device(device) and m.weight.requires_grad


# ---- printing ----------------------------------------------------------------------------------------------------
def test_printing_nests_and_indents(lib):
    class Own(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = lib.nn.Linear(1, 2)
            self.b = lib.nn.ModuleList([lib.nn.Sequential(lib.nn.ReLU()), lib.nn.Tanh(), lib.nn.Tanh()])
            self.c = lib.nn.ModuleDict({"x": lib.nn.Identity()})

        def extra_repr(self):
            return "first=1\n\nthird=3"

    assert repr(Own()) == (
        "Own(\n"
        "  first=1\n"
        "  \n"
        "  third=3\n"
        "  (a): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (b): ModuleList(\n"
        "    (0): Sequential(\n"
        "      (0): ReLU()\n"
        "    )\n"
        "    (1-2): 2 x Tanh()\n"
        "  )\n"
        "  (c): ModuleDict(\n"
        "    (x): Identity()\n"
        "  )\n"
        ")"
    )


# ---- copies ------------------------------------------------------------------------------------------------------
def test_a_deep_copy_is_independent_and_keeps_what_is_shared(device):
    m = net(cltorch).to(device)
    twin = copy.deepcopy(m)
    assert twin.first is twin.body[0] and twin.first is not m.first
    assert twin.first.weight.tolist() == m.first.weight.tolist()
    assert isinstance(twin.scale, nn.Parameter) and twin.scale.requires_grad
    with cltorch.no_grad():
        twin.first.weight.zero_()
        twin.seen.fill_(7)
    assert m.first.weight.abs().sum().item() > 0 and m.seen.item() == 0
    assert "scratch" not in twin.state_dict()


class Pickled(nn.Module):
    """A model that pickle can find by name."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.register_buffer("scratch", cltorch.ones(1), persistent=False)


def test_a_model_survives_pickling(device):
    m = Pickled().to(device)
    m.fc.weight.requires_grad_(False)
    twin = pickle.loads(pickle.dumps(m))
    assert list(twin.state_dict()) == list(m.state_dict())
    assert twin.fc.weight.tolist() == m.fc.weight.tolist()
    assert isinstance(twin.fc.weight, nn.Parameter) and isinstance(twin.fc.bias, nn.Parameter)
    assert not twin.fc.weight.requires_grad and twin.fc.bias.requires_grad
    assert twin.fc.weight.device == cltorch.device(device)


def test_old_pickles_without_the_newer_hooks_still_work(lib):
    m = lib.nn.Linear(1, 1)
    newer = ("_with_kwargs", "_always_called", "_backward_pre_hooks", "_state_dict_pre_hooks", "_buffers_set")
    state = {k: v for k, v in m.__getstate__().items() if not k.endswith(newer) or k.startswith("_load")}
    twin = lib.nn.Linear.__new__(lib.nn.Linear)
    twin.__setstate__(state)
    assert twin(lib.ones(1, 1)).shape == (1, 1) and list(twin.state_dict()) == ["weight", "bias"]


def test_sharing_memory_keeps_the_parameters_and_their_values(lib):
    m = lib.nn.BatchNorm1d(2)
    weight = m.weight
    assert m.share_memory() is m and m.weight is weight
    assert m.weight.is_shared() and m.running_mean.is_shared()
    assert m.weight.tolist() == [1.0, 1.0]


def test_conversion_to_complex_dtypes_warns_and_takes_floats_along(lib, each_warning):
    m = lib.nn.BatchNorm1d(2)
    with pytest.warns(UserWarning, match="Complex modules are a new feature"):
        m.to(lib.complex64)
    assert m.weight.dtype is lib.complex64 and m.num_batches_tracked.dtype is lib.int64
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        m.to(lib.float32)
    assert m.weight.dtype is lib.float32
    with pytest.raises(RuntimeError, match="does not accept copy argument"):
        m.to(lib.float32, copy=True)


def test_errors_of_calls_name_module(lib):
    with pytest.raises(TypeError, match=r"^Module.load_state_dict\(\) missing 1 required positional argument"):
        lib.nn.ReLU().load_state_dict()
    with pytest.raises(TypeError, match="torch.nn.modules.linear.Linear is not a Module subclass"):
        lib.nn.Module().add_module("a", lib.nn.Linear)
    with pytest.raises(TypeError, match="must be bool, not str"):
        lib.nn.Linear(1, 1).requires_grad_("yes")
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        lib.nn.Parameter(lib.tensor([1]))


def test_subclasses_of_deprecated_classes_do_not_warn(lib):
    class Mine(lib.nn.Container):
        pass

    class Loss(lib.nn.NLLLoss2d):
        pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Mine(a=lib.nn.ReLU())
        Loss()
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        lib.nn.NLLLoss2d()


def test_container_is_deprecated(lib):
    with pytest.warns(FutureWarning, match="`nn.Container` is deprecated"):
        m = lib.nn.Container(a=lib.nn.ReLU())
    assert list(m._modules) == ["a"]


def test_layers_and_schedules_name_the_modules_in_which_pytorch_has_them(peer):
    for ours, theirs in (
        (nn, peer.nn),
        (cltorch.optim, peer.optim),
        (cltorch.optim.lr_scheduler, peer.optim.lr_scheduler),
    ):
        for name, mine in ((n, getattr(ours, n)) for n in ours.__all__):
            if isinstance(mine, type):
                assert mine.__module__ == f"cl{getattr(theirs, name).__module__}", name
                assert pickle.loads(pickle.dumps(mine)) is mine


def test_a_replica_has_places_for_computed_parameters(lib):
    for m in (
        lib.nn.ParameterList([lib.ones(2), lib.zeros(2)]),
        lib.nn.ParameterDict({"a": lib.ones(2)}),
        lib.nn.Linear(2, 2),
    ):
        replica = m._replicate_for_data_parallel()
        assert type(replica) is type(m) and list(replica.parameters()) == [] and replica._is_replica
        for name, p in m.named_parameters():
            setattr(replica, name, p.view_as(p))
            found = getattr(replica, name)
            assert found._base is p and found.grad_fn is not None
    assert [v.tolist() for v in replica(lib.eye(2)).detach() - m(lib.eye(2)).detach()] == [[0.0, 0.0]] * 2


@pytest.mark.parametrize("args", [("cpu", True), (None, True)])
def test_a_flag_does_not_stand_in_a_dtypes_place(args, lib):
    for x in (lib.nn.Linear(1, 1), lib.ones(1)):
        with pytest.raises(TypeError, match="invalid combination"):
            x.to(*args)
    assert lib.nn.Linear(1, 1).to("cpu", None, True).weight.shape == (1, 1)


def test_storages_say_that_they_are_shared(lib):
    m = lib.nn.Linear(2, 2)
    assert not m.weight.storage().is_shared() and not m.weight.untyped_storage().is_shared()
    m.share_memory()
    assert m.weight.storage().is_shared() and m.weight.untyped_storage().share_memory_().is_shared()
