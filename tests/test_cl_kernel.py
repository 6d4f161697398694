"""Kernels of one's own: arguments by name, the launch, the compiler's message, a derivative."""

import numpy as np
import pytest

import cltorch as torch
from cltorch.errors import BuildError

SOURCE = """
/* __kernel void not_this(int one) {} */
__kernel void scaled(__global const float *x, __global float *y, const float factor, const long n) {
    const size_t i = get_global_id(0);  // one element each
    if (i < n) y[i] = factor * x[i];
}
__kernel __attribute__((reqd_work_group_size(4, 1, 1)))
void placed(__global int *restrict out, unsigned int first) {
    out[get_global_id(1) * get_global_size(0) + get_global_id(0)] = first + get_group_id(0) * 10 + get_local_id(0);
}
"""


def test_arguments_come_by_name(cl_device):
    scaled = torch.cl.kernel(SOURCE, "scaled")
    x = torch.arange(12.0, device=cl_device).reshape(3, 4)
    y = torch.zeros_like(x)
    version = y._version
    scaled(factor=2, n=12, y=y, x=x)
    assert y.tolist() == (x * 2).tolist() and y._version == version + 1
    scaled(x=x.T, y=y, factor=1.0, n=12)  # copied, as it is only read
    assert y.flatten().tolist() == x.T.flatten().tolist()
    scaled(x=x[1:], y=y, factor=-1.0, n=5, global_size=8)
    assert y.flatten().tolist()[:6] == [-4.0, -5.0, -6.0, -7.0, -8.0, 9.0]
    scaled(x=x, y=y, factor=0.0, n=12, global_size=0)
    assert y.flatten().tolist()[5] == 9.0
    out = torch.empty(3, 8, dtype=torch.int32, device=cl_device)
    torch.cl.kernel(SOURCE, "placed")(out=out, first=5, global_size=(8, 3), local_size=(4, 1))
    assert out.tolist() == [[5, 6, 7, 8, 15, 16, 17, 18]] * 3


def test_what_does_not_fit_is_refused(cl_device):
    scaled = torch.cl.kernel(SOURCE, "scaled")
    x, y = torch.ones(4, device=cl_device), torch.ones(4, device=cl_device)
    for error, message, change in (
        (TypeError, "missing: n", {"n": None}),
        (TypeError, "unknown: z", {"z": 1}),
        (TypeError, "takes torch.float32, not torch.int32", {"x": x.int()}),
        (TypeError, "'factor' of kernel scaled must be a number", {"factor": x}),
        (TypeError, "must be an integer, not 1.5", {"n": 1.5}),
        (TypeError, "must be a tensor, not list", {"x": [1.0]}),
        (RuntimeError, "is on cpu", {"x": x.cpu()}),
        (RuntimeError, "requires a gradient", {"x": torch.ones(4, device=cl_device, requires_grad=True)}),
        (ValueError, "must be a whole contiguous tensor", {"y": torch.ones(8, device=cl_device)[4:]}),
        (ValueError, "not a multiple of local_size", {"global_size": 5, "local_size": 2}),
        (ValueError, "one to three numbers", {"global_size": (1, 2, 3, 4)}),
    ):
        given = {"x": x, "y": y, "factor": 2.0, "n": 4} | change
        with pytest.raises(error, match=message):
            scaled(**{k: v for k, v in given.items() if v is not None})
    assert y.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    "source, name, message",
    [
        ("void f(int x) {}", None, "no function of the form"),
        (SOURCE, None, "several kernels, name one of them: scaled, placed"),
        (SOURCE, "other", "no kernel 'other', only scaled, placed"),
        ("__kernel void f(__local float *x) {}", None, "local memory"),
        ("__kernel void f(__global float *x, short n) {}", None, "cannot be passed"),
        ("__kernel void f(__global image *x) {}", None, "no tensor holds"),
        ("__kernel void f(__global float * const) {}", None, "type name"),
    ],
)
def test_sources_that_are_no_kernels(source, name, message):
    with pytest.raises(ValueError, match=message):
        torch.cl.kernel(source, name)


def test_the_compiler_is_quoted(cl_device):
    broken = torch.cl.kernel("__kernel void broken(__global float *x) {\n    x[0] = undeclared_thing;\n}")
    with pytest.raises(BuildError, match=r"(?s)kernel broken does not build.*2 +x\[0\].*undeclared_thing"):
        broken.build(cl_device)


def test_a_kernel_with_its_derivative(cl_device):
    scaled = torch.cl.kernel(SOURCE, "scaled")

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            y = torch.empty_like(x)
            scaled(x=x, y=y, factor=factor, n=x.numel())
            return y

        @staticmethod
        def backward(ctx, g):
            return Scale.apply(g, ctx.factor), None

    x = torch.arange(4.0, device=cl_device, requires_grad=True)
    (Scale.apply(x, 3.0) * torch.arange(4.0, device=cl_device)).sum().backward()
    assert np.array_equal(x.grad.cpu().numpy(), [0, 3, 6, 9])
