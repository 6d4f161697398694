"""The _foreach family, compared with PyTorch's."""

import numpy as np
import pytest

import cltorch
from cltorch.foreach import FUNCTIONS

torch = pytest.importorskip("torch")

_SHAPES = [(2, 3), (4,), ()]


def _lists(module, count):
    rng = np.random.default_rng(0)
    values = [[rng.uniform(0.2, 0.9, s).astype("float32") for s in _SHAPES] for _ in range(count)]
    return [[module.tensor(v) for v in column] for column in values]


def _calls(m):
    a, b, c = _lists(m, 3)
    numbers = [0.5, 2.0, 3.0]
    for name in FUNCTIONS:
        bare = name.removeprefix("_foreach_").rstrip("_")
        if bare in ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "clamp_min", "clamp_max"):
            more = [(0.5,), (numbers,), (b,)]
        elif bare in ("addcmul", "addcdiv"):
            more = [(b, c), (b, c, 0.5), (b, c, numbers), (b, c, m.tensor(numbers))]
        elif bare == "lerp":
            more = [(b, 0.3), (b, c), (b, numbers)]
        elif bare == "copy":
            more = [(b,)]
        elif bare == "mm":
            yield name, [a[0]], ([b[0].T],), {}
            continue
        elif bare in ("norm", "powsum"):
            more = [(), (1,), (float("inf"),) if bare == "norm" else (3,)]
        else:
            more = [()]
        for args in more:
            yield name, [t.clone() for t in a], args, {}
        if bare in ("add", "sub"):
            yield name, [t.clone() for t in a], (b,), {"alpha": 2}
        if bare in ("add", "mul", "div"):
            yield name, [t.clone() for t in a], (m.tensor(2.0),), {}
    yield "_foreach_pow", 2.0, (a,), {}


def test_values_equal_pytorch():
    for ours, theirs in zip(_calls(cltorch), _calls(torch), strict=True):
        name, self, args, kwargs = theirs
        want = getattr(torch, name)(self, *args, **kwargs)
        got = getattr(cltorch, name)(ours[1], *ours[2], **ours[3])
        if name.endswith("_"):
            assert got is ours[1] and want is self, name
        else:
            assert type(got) is type(want) is tuple, name
        for x, y in zip(got, want, strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=2e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_lists_on_devices_equal_pytorchs(dtype, cl_device):
    context = cltorch.device(cl_device).context
    launches = {}
    for ours, theirs in zip(_calls(cltorch), _calls(torch), strict=True):
        name, self, args, kwargs = theirs

        def moved(x):
            if isinstance(x, (list, tuple)):
                return type(x)(map(moved, x))
            return x.to(cl_device).to(getattr(cltorch, dtype)) if isinstance(x, cltorch.Tensor) else x

        def cast(x):
            if isinstance(x, (list, tuple)):
                return type(x)(map(cast, x))
            return x.to(getattr(torch, dtype)) if isinstance(x, torch.Tensor) else x

        want = getattr(torch, name)(cast(self), *cast(args), **kwargs)
        given, others = moved(ours[1]), moved(ours[2])
        versions, before = [t._version for t in given] if isinstance(given, list) else [], context.launches
        got = getattr(cltorch, name)(given, *others, **ours[3])
        launches.setdefault(name, []).append(context.launches - before)
        if name.endswith("_"):
            assert [t._version for t in given] == [v + 1 for v in versions], name
        rtol = 2e-6 if dtype == "float32" else 1e-2
        for x, y in zip(got, want, strict=True):
            np.testing.assert_allclose(x.cpu().float().numpy(), y.float().numpy(), rtol=rtol, atol=rtol, err_msg=name)
    once = "add_ sub_ mul_ div_ addcmul_ addcdiv_ lerp_ sqrt_ neg_ abs_ zero_ copy_".split()
    assert {name: min(launches[f"_foreach_{name}"]) for name in once} == dict.fromkeys(once, 1)


def test_what_depends_on_the_order_is_done_in_order(cl_device):
    a, b, c = (cltorch.full((4,), float(k), device=cl_device) for k in (1, 2, 3))
    cltorch._foreach_add_([a, b, c], [b, a, c])  # the second sees what the first has made
    assert [x[0].item() for x in (a, b, c)] == [3.0, 5.0, 6.0]
    cltorch._foreach_mul_([a, a, b], 2.0)
    assert (a[0].item(), b[0].item()) == (12.0, 10.0)
    whole = cltorch.zeros(9, device=cl_device)
    cltorch._foreach_add_([whole[:3], whole[3:6], whole[5:]], 1.0)
    assert whole.tolist() == [1, 1, 1, 1, 1, 2, 1, 1, 1]
    x = [cltorch.ones(2, device=cl_device, requires_grad=True) for _ in range(3)]
    y = [t * 1 for t in x]
    cltorch._foreach_mul_(y, 3.0)
    sum(t.sum() for t in y).backward()
    assert all(t.grad.tolist() == [3.0, 3.0] for t in x)
    with pytest.raises(RuntimeError, match="leaf"):
        cltorch._foreach_mul_(x, 3.0)


def test_lists_that_do_not_fit():
    for m in (cltorch, torch):
        a = [m.ones(2), m.ones(3)]
        with pytest.raises(RuntimeError, match="at least one tensor"):
            m._foreach_add([], 1)
        with pytest.raises(RuntimeError, match="same number of tensors, got 2 and 1"):
            m._foreach_add(a, a[:1])
        with pytest.raises(RuntimeError, match="same number of elements as scalar list"):
            m._foreach_mul(a, [1.0])


def test_derivatives_pass():
    x = cltorch.tensor([1.0, 2.0], requires_grad=True)
    (y,) = cltorch._foreach_mul([x], [3.0])
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_class_of_tensors_somewhere_costs_lists_of_plain_ones_no_launch(cl_device):
    class Named(cltorch.Tensor):
        pass

    context = cltorch.device(cl_device).context
    plain = [cltorch.ones(4, device=cl_device) for _ in range(3)]
    named = [x.as_subclass(Named) for x in plain]
    for given, launches in ((plain, 1), (named, 3)):
        before = context.launches
        assert cltorch._foreach_add_(given, 1.0) is given
        assert context.launches - before == launches
    assert plain[0][0].item() == 3.0


def test_one_operand_for_a_list_has_no_dimensions(device):
    xs = [cltorch.ones(2, device=device), cltorch.ones(1, 1, device=device)]
    two, line = cltorch.tensor(2.0, device=device), cltorch.ones(2, device=device)
    assert [x.tolist() for x in cltorch._foreach_maximum(xs, two)] == [[2, 2], [[2]]]
    with pytest.raises(RuntimeError, match="scalar tensor expected to be 0 dim but it has 1 dimensions and 2 elements"):
        cltorch._foreach_mul(xs, line)
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        cltorch._foreach_sub_(xs, line)
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        cltorch._foreach_add(xs, 2, alpha=2)
    with pytest.raises(TypeError, match="must be tuple of Tensors, not Tensor"):
        cltorch._foreach_exp(line)
    found = cltorch._foreach_addcmul(xs, xs, xs, scalars=[1.0, 2.0])
    assert [x.tolist() for x in found] == [[2, 2], [[3]]]


def test_what_is_no_list_of_tensors_is_refused():
    a = [cltorch.ones(2), cltorch.ones(3)]
    for call, error, words in (
        (lambda: cltorch._foreach_exp([a[0], 2]), TypeError, "expected Tensor as element 1 in argument 0, but got int"),
        (lambda: cltorch._foreach_add(a, "ab"), TypeError, "invalid combination of arguments"),
        (lambda: cltorch._foreach_sub(a, a[0].sum(), alpha=2), TypeError, "must be tuple of Tensors, not Tensor"),
        (lambda: cltorch._foreach_addcmul(a, a, a, cltorch.tensor(2.0)), RuntimeError, "dimension 1. Got 0 instead"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_operands_by_their_names(device):
    x = [cltorch.tensor([1.0, 2.0], device=device), cltorch.tensor(3.0, device=device)]

    def values(found):
        return [t.tolist() for t in found]

    assert values(cltorch._foreach_add(x, scalar=1)) == values(cltorch._foreach_add(self=x, other=1)) == [[2, 3], 4]
    assert values(cltorch._foreach_mul(x, scalars=[2, 3])) == [[2, 4], 9]
    assert values(cltorch._foreach_pow(x, exponent=2)) == [[1, 4], 9]
    assert values(cltorch._foreach_pow(self=2, exponent=x)) == [[2, 4], 8]
    assert values(cltorch._foreach_lerp(x, tensors1=x, weights=x)) == values(x)
    with pytest.raises(TypeError, match="expected Tensor as element 0 in argument 1, but got int"):
        cltorch._foreach_add(x, [1, x[1]])
    with pytest.raises(TypeError, match="argument 'ord' .* must be Number, not str"):
        cltorch._foreach_norm(x, "fro")
