"""Programs about derivatives of functions, their options and what is said of wrong ones; see ``programs``."""

from __future__ import annotations

import warnings

from tests.autograd.programs import leaf, program, said


@program
def ways_to_a_jacobian(t):
    f = t.autograd.functional
    x, y = t.tensor([1.0, 2.0]), t.tensor([3.0, 4.0])

    def g(a, b):
        return a * b * b, a.sum()

    def jac(fn, given=x, **options):
        return lambda: f.jacobian(fn, given, **options)

    def hess(fn, given=x, **options):
        return lambda: f.hessian(fn, given, **options)

    def cube(a):
        return (a * a * a).sum()

    forward = {"vectorize": True, "strategy": "forward-mode"}
    outer = {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}
    inputs = leaf(t, 1.0, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        second = f.jacobian(lambda a: a * a, inputs, create_graph=True, vectorize=True)
        second.sum().backward()
        return (
            jac(g, (x, y), vectorize=True)(), jac(g, (x, y), **forward)(), jac(lambda a: t.ones(2), vectorize=True)(),
            jac(lambda a, b: a * 2, (x, y), vectorize=True)(), hess(cube, **outer)(), hess(cube, vectorize=True)(),
            second, inputs.grad, jac(lambda a: a, strict=True)(),
            said(jac(t.exp, strategy="forward-mode"))[:70], said(jac(t.exp, strategy="other")),
            said(jac(t.exp, strict=True, vectorize=True)), said(jac(t.exp, create_graph=True, **forward)),
            said(jac(t.exp, strict=True, **forward)), said(jac(lambda a: a * 2, strict=True, create_graph=True)),
            said(jac(lambda a: a * 2, t.tensor([1, 2]))), said(hess(cube, outer_jacobian_strategy="other")),
            said(hess(lambda a: a.sum(), strict=True)), said(lambda: f.vjp(t.exp, x, (x, x))),
            said(lambda: f.vhp(lambda a: a.sum(), x, x, strict=True)),
            said(lambda: f.hvp(lambda a: a.sum(), x, x, strict=True)),
            said(lambda: f.jvp(lambda a: a * 2, x, x, create_graph=True, strict=True)),
        )  # fmt: skip


@program
def wrong_derivatives_of_functions(t):
    func, x, i = t.func, t.tensor([1.0, 2.0]), t.tensor([1, 2])

    def square(a):
        return (a * a).sum()

    def product(a, b):
        return (a * b).sum()

    recorded = leaf(t, 1.0, 2.0)
    with t.no_grad():
        apart = func.grad(square)(recorded)
    return (
        said(lambda: func.grad(product, argnums=(0, 0))(x, x)), said(lambda: func.grad(product, argnums=(0, -2))(x, x)),
        said(lambda: func.grad(square, argnums="a")(x)), said(lambda: func.grad(square, argnums=())(x)),
        said(lambda: func.grad(square)(i)), said(lambda: func.grad(square)(3.0)).replace("cltorch.", "torch."),
        said(lambda: func.grad(lambda a: 3.0)(x)), said(lambda: func.vjp(lambda a: 3, x)), apart.requires_grad,
        said(lambda: func.jvp(t.exp, x, x)), said(lambda: func.jvp(t.exp, (), ())),
        said(lambda: func.jvp(t.exp, (i,), (i,))), said(lambda: func.jvp(t.exp, (x,), (x[:1],))),
        said(lambda: func.jvp(lambda a: 3, (x,), (x,))), said(lambda: func.jacrev(lambda a: 3)(x)),
        said(lambda: func.jacrev(t.exp, chunk_size=0)), said(lambda: func.jacrev(t.exp, has_aux=True)(x)),
        said(lambda: func.jacfwd(t.exp, has_aux=True)(x)), said(lambda: func.jacfwd(lambda a: 3)(x)),
        said(lambda: func.functionalize(square, remove="a")(x))[:80], func.grad(product, argnums=(1, -2))(x, x * 3),
    )  # fmt: skip


@program
def wrong_batches(t):
    x, vmap = t.tensor([1.0, 2.0]), t.vmap

    def same(a, b=0):
        return a

    return (
        said(lambda: vmap(same, in_dims=1)(x)), said(lambda: vmap(same, in_dims=(0, 0))(x)),
        said(lambda: vmap(same, in_dims=(0, 0))(x, 3)), said(lambda: vmap(same, in_dims=None)(x)),
        said(lambda: vmap(same, in_dims="a")(x)), said(lambda: vmap(same, in_dims=[0])(x)),
        said(lambda: vmap(same)()), said(lambda: vmap(same, out_dims=(0, 0))(x)),
        vmap(lambda a: (a, 3), out_dims=(0, None))(x), said(lambda: vmap(lambda a: 3)(x)),
        said(lambda: t.autograd.grad(leaf(t, 1.0, 2.0) * 2, leaf(t, 1.0), t.ones(3, 3), is_grads_batched=True)),
    )  # fmt: skip


@program
def wrong_ends_of_gradients(t):
    x, fw, grad = leaf(t, 1.0, 2.0), t.autograd.forward_ad, t.autograd.grad
    y = x.exp()

    def dual(primal, tangent, twice=False):
        with fw.dual_level():
            made = fw.make_dual(primal, tangent)
            return fw.make_dual(made, tangent) if twice else repr(made)

    ones, found = t.ones(2), []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found.append(grad(y, x, ones.double(), retain_graph=True, only_inputs=False))
    found.append(str(grad(y, y, ones.double(), retain_graph=True)[0].dtype).split(".")[1])
    return (
        found, [w.category.__name__ for w in told], said(lambda: grad(y, [], ones)),
        said(lambda: grad(y, x, ones * 1j)), said(lambda: dual(ones, ones, True)),
        said(lambda: dual(t.ones(2), ones[:1])),
        said(lambda: dual(t.tensor([1, 2]), ones)), "tangent=" in dual(ones, ones),
        t.combinations(x[:1]).requires_grad, tuple(t.combinations(x[:1]).shape),
    )  # fmt: skip


@program
def options_of_gradcheck(t):
    check, x = t.autograd.gradcheck, t.ones(2, device="cpu", dtype=t.float64, requires_grad=True)
    spread = t.ones(1, device="cpu", dtype=t.float64).expand(2).requires_grad_()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        said(lambda: check(t.exp, t.ones(1, device="cpu", requires_grad=True)))
    return (
        "double precision" in str(told[0].message), said(lambda: check(t.exp, x, check_backward_ad=False)),
        said(lambda: check(t.exp, x, check_batched_forward_grad=True)), said(lambda: check(t.exp, spread)),
        said(lambda: check(lambda a: a.detach().exp(), x)),
        check(t.exp, t.ones(0, device="cpu").double().requires_grad_()),
        check(t.exp, x, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True),
        t.autograd.gradgradcheck(t.exp, x, gen_non_contig_grad_outputs=True),
    )  # fmt: skip


@program
def what_vmap_refuses(t):
    x, one = t.tensor([[1.0, 2.0], [3.0, 4.0]]), t.tensor([1.0, 2.0])
    vmap = t.vmap

    def same(x):
        return x

    return [
        said(f)
        for f in (
            lambda: vmap(same, (None,))(1),
            lambda: vmap(same, out_dims="none")(x),
            lambda: vmap(same, out_dims=(0, 0))(one),
            lambda: vmap(t.mul, ("a", 0))(x, x),
            lambda: vmap(lambda z: z[0], in_dims=((0,),))([x]),
            lambda: vmap(lambda x: x.data)(x),
            lambda: vmap(lambda x: x if x > 0 else -x)(one),
            lambda: vmap(lambda x: x.nonzero())(x),
            lambda: vmap(lambda x: x.unique())(x),
            lambda: vmap(lambda x: x.masked_select(x > 0))(x),
            lambda: vmap(lambda x: x[x > 0])(x),
            lambda: vmap(lambda x: t.allclose(x, x))(x),
            lambda: vmap(lambda x: t.equal(x, x))(x),
            lambda: vmap(lambda x, y: t.abs(x, out=y))(x, x.clone()),
            lambda: vmap(lambda x: x.requires_grad_())(x),
            lambda: vmap(lambda x: x.sum().backward())(x),
            lambda: t.func.grad(lambda x: x.requires_grad_().sum())(one),
            lambda: t.func.grad(lambda x: x.sum().backward())(one),
            lambda: t.func.grad(same)(one),
            lambda: t.func.jvp(same, (one,), (one, one)),
            lambda: t.func.jvp(same, (2.0,), (one,)),
        )
    ] + [vmap(same, out_dims=(1,))(x), vmap(lambda i: one[i])(t.tensor([1, 0, 1]))]


@program
def random_numbers_that_cannot_be_the_same_for_slices(t):
    x = t.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    return [
        said(lambda f=f: t.vmap(f, randomness="same")(x))
        for f in (
            t.bernoulli,
            t.poisson,
            t._standard_gamma,
            lambda x: t.normal(x, 1.0),
            lambda x: t.normal(0.0, x),
            lambda x: t.multinomial(x, 2),
            lambda x: t.binomial(x, x),
            lambda x: x.clone().bernoulli_(x),
            lambda x: x.clone().bernoulli_(0.5),
            lambda x: t.randn_like(x),
        )
    ] + [
        said(lambda: t.vmap(lambda x: t.zeros(3).normal_(), randomness="different")(x)),
        said(lambda: t.vmap(lambda x: t.distributions.Normal(x, 1.0).log_prob(x))(x)),
        said(lambda: t.vmap(lambda x: t.distributions.Normal(x, -1.0 * x).log_prob(x))(x)),
    ]


@program
def what_products_with_derivatives_say(t):
    f = t.autograd.functional
    x = t.tensor([1.0, 2.0, 3.0])
    return [
        said(g)
        for g in (
            lambda: f.vhp(lambda a: "text", x, x),
            lambda: f.hvp(lambda a: "text", x, x),
            lambda: f.jvp(lambda a: a.long().float().requires_grad_().clone(), x, x, strict=True),
        )
    ]
