"""torch.library: operators by name, from schemas, with kernels for kinds of devices."""

from typing import Sequence  # noqa: UP035  # annotations of programs, as they write them

import pytest

import cltorch
from cltorch import library
from cltorch.compat import operators
from cltorch.library import Library
from cltorch.opcheck import OpCheckError
from cltorch.ops.schema import parsed


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("f(Tensor x) -> Tensor", "f(x)"),
        ("ns::f.out(Tensor(a!) x, Tensor? w=None) -> Tensor(a!)", "ns::f.out(x, w=None)"),
        ("f(Tensor[] xs, int[2] n=[1, 2], float by=-1e-5) -> (Tensor, Tensor)", "f(xs, n=[1, 2], by=-1e-05)"),
        (
            'f(Tensor x, *, bool on=True, str how="ab", int how_2=Mean) -> ()',
            "f(x, *, on=True, how='ab', how_2='Mean')",
        ),
        ("f() -> int", "f()"),
    ],
)
def test_schemas_say_what_can_be_passed(schema, expected):
    name, signature = parsed(schema)
    assert f"{name}{signature}" == expected


@pytest.mark.parametrize("schema", ["f(Tensor x)", "(x) -> Tensor", "f(x) -> Tensor", "f(int n=1, int m) -> int"])
def test_what_is_no_schema_is_refused(schema):
    with pytest.raises(RuntimeError):
        parsed(schema)


def test_kernels_are_chosen_by_the_device(device):
    lib = Library(f"kinds_{device}".replace(":", "_"), "DEF")
    assert lib.define("which(Tensor x, int n=3) -> str") == "which"
    op = getattr(operators, lib.ns).which
    x = cltorch.ones(1, device=device)
    with pytest.raises(NotImplementedError, match=f"Could not run '{lib.ns}::which' with arguments from the"):
        op(x)
    lib.impl("which", lambda x, n: f"any {n}", "CompositeExplicitAutograd")
    assert op(x) == "any 3" == op.default(x)
    lib.impl("which", lambda x, n: f"cpu {n}", "CPU")
    library.impl(f"{lib.ns}::which", "cuda", lambda x, n: f"cl {n}")
    assert op(x, n=5) == op([x], 5) == f"{x.device.type} 5" and op(x.to("meta")) == "any 3"
    with pytest.raises(TypeError, match="missing a required argument"):
        op()
    with pytest.raises(RuntimeError, match="there's already a kernel"):
        lib.impl("which", print, "CPU")
    with pytest.raises(RuntimeError, match="multiple times"):
        lib.define("which(Tensor x) -> str")
    with pytest.raises(NotImplementedError, match="kernels for ADInplaceOrView are not dispatched to"):
        lib.impl("which", print, "ADInplaceOrView")


def test_functions_define_operators_too():
    library.define("functions::cut", "(Tensor x, int n) -> Tensor")
    x = cltorch.arange(4.0).requires_grad_()

    @library.impl("functions::cut", "default")
    def cut(x, n):
        return x[:n]

    op = operators.functions.cut
    assert op(x, 2).tolist() == [0, 1]
    op(x, 2).sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0]
    library.register_autograd("functions::cut", lambda ctx, g: (cltorch.full((4,), 7.0), None))
    x.grad = None
    op(x, 2).sum().backward()
    assert x.grad.tolist() == [7, 7, 7, 7]
    older = Library("functions", "FRAGMENT")
    library.define(older, "twice(Tensor x) -> Tensor")(lambda x: x * 2)
    library.define(older, "thrice(Tensor x) -> Tensor")
    assert library.impl(older, "thrice", "CPU")(lambda x: x * 3)(1) == 3
    assert operators.functions.twice(x).tolist() == [0, 2, 4, 6]
    assert operators.functions.thrice(x).tolist() == [0, 3, 6, 9]


def test_what_no_library_can_do_is_refused():
    with pytest.raises(ValueError, match="Unsupported kind: NEW"):
        Library("mine", "NEW")
    with pytest.raises(NotImplementedError, match="operators of aten cannot be defined or replaced"):
        Library("aten", "IMPL")
    with pytest.raises(RuntimeError, match="cannot define"):
        Library("mine", "IMPL").define("f() -> int")
    with pytest.raises(RuntimeError, match="operator mine::nothing does not exist"):
        library.register_autograd("mine::nothing", print)
    with pytest.raises(TypeError, match="required to be a callable"):
        Library("mine", "IMPL").impl("nothing", 3)


def test_arguments_named_by_a_call_are_inputs_in_their_places():
    seen = []

    @cltorch.library.custom_op("tests::scaled", mutates_args=())
    def scaled(x: cltorch.Tensor, by: cltorch.Tensor, power: int = 2) -> cltorch.Tensor:
        return x * by**power

    def save(ctx, inputs, output):
        seen.append(len(inputs))
        ctx.save_for_backward(*inputs[:2])
        ctx.power = inputs[2]

    def backward(ctx, g):
        x, by = ctx.saved_tensors
        return g * by**ctx.power, g * x * ctx.power * by ** (ctx.power - 1), None

    scaled.register_autograd(backward, setup_context=save)
    x, by = cltorch.tensor(3.0, requires_grad=True), cltorch.tensor(2.0, requires_grad=True)
    scaled(x, by=by).backward()
    assert (x.grad.item(), by.grad.item(), seen) == (4.0, 12.0, [3])
    with pytest.raises(TypeError, match="by"):
        scaled(x)


def test_arguments_by_keyword_alone_are_told_apart():
    @cltorch.library.custom_op("tests::shifted", mutates_args=())
    def shifted(x: cltorch.Tensor, *, by: float = 1.0) -> cltorch.Tensor:
        return x + by

    seen = []
    shifted.register_autograd(
        lambda ctx, g: g,
        setup_context=lambda ctx, inputs, keyword_only_inputs, output: seen.append(keyword_only_inputs),
    )
    x = cltorch.tensor(3.0, requires_grad=True)
    assert shifted(x).item() == 4.0 and shifted(x, by=2.0).item() == 5.0
    assert seen == [{"by": 1.0}, {"by": 2.0}]


def test_an_operator_of_triton_runs_as_it_is_written(device):
    definition = cltorch.library.triton_op("tests::thrice", lambda x: 3 * x, mutates_args=())
    definition.register_autograd(lambda ctx, g: 3 * g)
    x = cltorch.ones(2, device=device, requires_grad=True)
    cltorch.ops.tests.thrice(x).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_operators_have_the_derivative_that_they_are_given_and_no_other(device):
    @library.custom_op("tests::scaled_by", mutates_args=())
    def scaled(x: cltorch.Tensor, by: float) -> cltorch.Tensor:
        return x * by

    x = cltorch.ones(2, device=device, requires_grad=True)
    y = scaled(x, 3.0)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        y.sum().backward()
    scaled.register_autograd(
        lambda ctx, g: (g * ctx.by, None), setup_context=lambda ctx, inputs, output: setattr(ctx, "by", inputs[1])
    )
    scaled(x, 3.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]

    @library.custom_op("tests::doubled_in_place", mutates_args={"x"})
    def doubled(x: cltorch.Tensor) -> None:
        x.mul_(2)

    z = x * 1
    doubled(z)
    z.sum().backward()
    assert z.tolist() == [2.0, 2.0] and x.grad.tolist() == [5.0, 5.0]


def test_operators_have_rules_for_batches(device):
    @library.custom_op("tests::shifted_by", mutates_args=())
    def shifted(x: cltorch.Tensor, by: float) -> cltorch.Tensor:
        return x + by

    x = cltorch.arange(6.0, device=device).reshape(2, 3)
    assert cltorch.vmap(lambda x: shifted(x, 1.0))(x).tolist() == (x + 1).tolist()  # without a rule

    @library.register_vmap("tests::shifted_by")
    def rule(info, in_dims, x, by):
        seen.append((info.batch_size, in_dims))
        return x + by, in_dims[0]

    seen = []
    assert cltorch.vmap(lambda x: shifted(x, 1.0))(x).tolist() == (x + 1).tolist()
    assert seen == [(2, (0, None))]
    with pytest.raises(RuntimeError, match="does not exist"):
        library.register_vmap("tests::nowhere", rule)


def test_a_kernel_for_autograd_is_run_first_and_its_operations_make_the_derivative(device):
    lib = Library(f"tests_recorded_{device[:2]}", "FRAGMENT")
    lib.define("scaled(Tensor x, float by=3.0) -> Tensor")
    lib.impl("scaled", lambda x, by: x.detach() * by, "CompositeExplicitAutograd")
    library.register_autograd(f"{lib.ns}::scaled", lambda ctx, g: (g * 100, None))
    op = getattr(operators, lib.ns).scaled
    x = cltorch.tensor([1.0, 2.0], device=device, requires_grad=True)
    assert cltorch.autograd.grad(op(x).sum(), x)[0].tolist() == [100, 100]
    lib.impl("scaled", lambda x, by: x * x * by, "AutogradCPU" if device == "cpu" else "AutogradCUDA")
    y = op(x)
    assert y.tolist() == [3, 12] and cltorch.autograd.grad(y.sum(), x)[0].tolist() == [6, 12]
    with pytest.raises(RuntimeError, match="already a kernel registered"):
        lib.impl("scaled", print, "AutogradCPU" if device == "cpu" else "AutogradCUDA")


# ---- schemas from annotations, and checks of operators ---------------------------------------------------------------
def _plain(x: cltorch.Tensor, y: cltorch.Tensor | None, *, n: int = 3, how: str = "ab") -> cltorch.Tensor: ...
def _lists(x: list[cltorch.Tensor], y: Sequence[int], z: list[float] | None = None,
           k: int | float | bool = 1) -> None: ...  # fmt: skip
def _words(x: "cltorch.Tensor | None", t: cltorch.dtype = cltorch.float32) -> tuple[cltorch.Tensor, int]: ...
def _bare(x) -> cltorch.Tensor: ...
def _pair(x: tuple[int, int]) -> cltorch.Tensor: ...
def _rest(x: cltorch.Tensor, *more: int) -> cltorch.Tensor: ...
def _nothing(x: cltorch.Tensor): ...
def _odd(x: cltorch.Tensor, y: int = ()) -> int: ...


@pytest.mark.parametrize(
    ("fn", "mutates", "expected"),
    [
        (_plain, (), '(Tensor x, Tensor? y, *, SymInt n=3, str how="ab") -> Tensor'),
        (_plain, "unknown", '(Tensor(a0!) x, Tensor(a1!)? y, *, SymInt n=3, str how="ab") -> Tensor'),
        (_lists, ("x",), "(Tensor(a0!)[] x, SymInt[] y, float[]? z=None, Scalar k=1) -> ()"),
        (_words, (), "(Tensor? x, ScalarType t=float32) -> (Tensor, SymInt)"),
        (_bare, (), "x must have a type annotation"),
        (_pair, (), "We do not support Tuple inputs in schema"),
        (_rest, (), "positional-only args, varargs, or varkwargs"),
        (_nothing, (), "No return type annotation was provided"),
        (_odd, (), "unsupported default value type"),
        (_plain, ("n",), "only Tensors or collections of Tensors can be mutated"),
        (_plain, ("z",), "were not found in the custom op's signature"),
        (_plain, "x", "mutates_args must either be a sequence"),
    ],
)
def test_annotations_say_the_schema(fn, mutates, expected):
    if expected.startswith("("):
        assert library.infer_schema(fn, mutates_args=mutates) == expected
        assert library.infer_schema(fn, mutates_args=mutates, op_name="f") == "f" + expected
    else:
        with pytest.raises(ValueError, match=expected):
            library.infer_schema(fn, mutates_args=mutates)


def _failures(name, f, fake, x, mutates=(), backward=None):
    op = library.custom_op(f"checked::{name}", f, mutates_args=mutates)
    if fake is not None:
        op.register_fake(fake)
    if backward is not None:
        op.register_autograd(backward)
    found = library.opcheck(op, (x,), raise_exception=False)
    wrong = {k: v for k, v in found.items() if v != "SUCCESS"}
    if wrong:
        with pytest.raises(OpCheckError, match=next(iter(wrong))):
            library.opcheck(op, (x,))
    return {k.removeprefix("test_"): str(v) for k, v in wrong.items()}


def test_operators_are_checked(device):
    x = cltorch.ones(2, 3, device=device)
    leaf = cltorch.ones(2, 3, device=device, requires_grad=True)
    like = cltorch.empty_like

    def twice(x: cltorch.Tensor) -> cltorch.Tensor:
        return 2 * x

    def spoil(x: cltorch.Tensor) -> cltorch.Tensor:
        return x.add_(1) + 1

    def same(x: cltorch.Tensor) -> cltorch.Tensor:
        return x

    def grow(x: cltorch.Tensor) -> None:
        x.add_(1)

    assert not _failures("good", twice, like, x)
    assert not _failures("slope", twice, like, leaf, backward=lambda ctx, g: 2 * g)
    assert not _failures("grow", grow, lambda x: None, x, mutates=("x",))
    assert x.sum() == 6  # what is checked works on copies
    assert "was mutated" in _failures("spoil", spoil, like, x)["schema"]
    assert "must not also be an input" in _failures("same", same, like, x)["schema"]
    assert "no autograd formula" in _failures("flat", twice, like, leaf)["aot_dispatch_dynamic"]
    assert "no fake impl" in _failures("real", twice, None, x)["faketensor"]
    for name, fake, words in (
        ("shape", lambda x: cltorch.empty(7), "Shapes"), ("kind", lambda x: like(x, dtype=cltorch.int32), "Dtypes"),
        ("order", lambda x: cltorch.empty(3, 2).t(), "Strides"),
    ):  # fmt: skip
        assert words in _failures(name, twice, fake, x)["faketensor"]
    assert cltorch.ops.checked.shape(cltorch.empty(2, device="meta")).shape == (7,)


def test_what_cannot_be_checked():
    one = (cltorch.ones(2),)
    assert set(library.opcheck(cltorch.ops.aten.sin.default, one).values()) == {"SUCCESS"}
    with pytest.raises(RuntimeError, match="operators without overloads"):
        library.opcheck(cltorch.ops.aten.sin, one)
    with pytest.raises(ValueError, match="op must be instance of torch._ops.OpOverload"):
        library.opcheck(3, ())
    with pytest.raises(ValueError, match="expected test_utils to be subset"):
        library.opcheck(cltorch.ops.aten.sin.default, one, test_utils="test_all")


def test_kernels_may_come_before_the_schema():
    @library.impl("before::halved", ["CPU"])
    def halved(x: cltorch.Tensor) -> cltorch.Tensor:
        return x / 2

    with pytest.raises(AttributeError):
        _ = cltorch.ops.before.halved
    library.define("before::halved", "(Tensor x) -> Tensor")
    assert cltorch.ops.before.halved(cltorch.ones(2)).tolist() == [0.5, 0.5]
    with pytest.raises(RuntimeError, match="same name"):
        library.define("before::halved", "(Tensor x) -> Tensor")
    with pytest.raises(NotImplementedError, match="backend"):
        cltorch.ops.before.halved(cltorch.ones(2, device="meta"))


def test_overloads_of_a_name_are_operators_of_their_own():
    lib = Library("overloads", "FRAGMENT")
    assert lib.define("plus(Tensor x) -> Tensor") == lib.define("plus.by(Tensor x, float by) -> Tensor") == "plus"
    library.define("overloads::plus.out", "(Tensor x, *, Tensor(a!) out) -> Tensor(a!)")
    lib.impl("plus", lambda x: x + 1, "CompositeExplicitAutograd")
    lib.impl("plus.by", lambda x, by: x + by, "CompositeExplicitAutograd")
    library.impl("overloads::plus.out", "default", lambda x, out: out.copy_(x))
    library.register_fake("overloads::plus.by", lambda x, by: x.new_empty(3))
    library.register_autograd("overloads::plus.by", lambda ctx, g: (7 * g, None))
    plus, x, out = operators.overloads.plus, cltorch.ones(2), cltorch.zeros(2)
    assert plus.overloads() == ["default", "by", "out"]
    assert plus(x).tolist() == plus.default(x).tolist() == [2, 2]
    assert plus(x, 3.0).tolist() == plus.by(x, by=3.0).tolist() == [4, 4]
    assert plus(x, out=out) is out and out.tolist() == [1, 1]
    assert plus(x.to("meta"), 3.0).shape == (3,) and plus(x.to("meta")).shape == (2,)
    grown = cltorch.ones(2, requires_grad=True)
    plus(grown, 2.0).sum().backward()
    assert grown.grad.tolist() == [7, 7]
    with pytest.raises(RuntimeError, match=r"failed to match any schema:\n(.|\n)*overloads::plus.by"):
        plus(x, 1.0, 2.0)
    with pytest.raises(AttributeError, match="The underlying op of 'overloads.plus' has no overload name 'nothing'"):
        _ = plus.nothing
    with pytest.raises(RuntimeError, match="same name and overload name"):
        lib.define("plus.by(Tensor x) -> Tensor")
    library.define("overloads::only.out", "(Tensor x, Tensor! out) -> ()")
    library.impl("overloads::only.out", "cpu", lambda x, out: None)
    assert operators.overloads.only(x, out=out) is None is operators.overloads.only.out(x, out)
    with pytest.raises(AttributeError, match="no overload name 'default'"):
        _ = operators.overloads.only.default
    lib.impl(plus.by, lambda x, by: x - by, "CPU")
    assert plus.by(x, 1.0).tolist() == [0, 0]
    with pytest.raises(NotImplementedError, match="overloads of PyTorch's own operators are not listed"):
        operators.aten.add.overloads()
