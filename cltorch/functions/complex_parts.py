"""Complex tensors and their parts: complex, polar, real, imag, view_as_real, view_as_complex, conj.

A complex tensor's parts are views of its memory, and so is its conjugate: ``cltorch/ops/turned.py`` has the storage
that shows it. Inside of transforms, which see one operator after the other, the conjugate is computed at once.
Source: https://docs.pytorch.org/docs/2.13/complex_numbers.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import dtypes
from cltorch.autograd.layers import active, lift
from cltorch.autograd.record import view as record_view
from cltorch.autograd.renaming import as_one
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.convert import clone, contiguous, to_copy
from cltorch.functions.dim_orders import permute, transpose
from cltorch.functions.join import stack
from cltorch.functions.parts import select
from cltorch.functions.pointwise import into_out
from cltorch.functions.shape import broadcast_tensors
from cltorch.layout import Layout
from cltorch.ops.channels import order_of
from cltorch.ops.complex_formula import real_layout
from cltorch.ops.notices import warn_once
from cltorch.ops.plan import output_layout
from cltorch.ops.turned import turned, turns

__all__ = [
    "adjoint", "complex", "conj", "conj_physical", "conj_physical_", "gradient_cast", "imag", "is_conj", "is_neg",
    "matrix_transpose_H", "matrix_transpose_mH", "neg_view", "polar", "positive", "real", "real_part",
    "resolve_conj", "resolve_neg", "view_as_complex", "view_as_real",
]  # fmt: skip

_REAL = (dtypes.float16, dtypes.float32, dtypes.float64)


def view_as_real(input: Any) -> Any:
    """Return a complex tensor's memory as reals: real and imaginary part along a new last dimension of size 2.

    Raises RuntimeError for a tensor that is not complex.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.view_as_real.html

    >>> import cltorch as torch
    >>> torch.view_as_real(torch.tensor([1 + 2j, 3 - 1j]))
    tensor([[ 1.,  2.],
            [ 3., -1.]])
    """
    need_array("view_as_real", "input", 1, input)
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    if is_conj(input):
        raise RuntimeError(
            "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so you can "
            "view it as real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the "
            "original."
        )
    return record_view(
        input, real_layout(input.lay), "ViewAsRealBackward0", lambda m, g: m.view_as_complex(_paired(g)),
        input.dtype.to_real(),
    )  # fmt: skip


def _paired(g: Any) -> Any:
    """Return pairs of reals as they can be viewed as complex numbers: the tensor itself, or a dense copy."""
    return g if _refusal(g.lay) is None else contiguous(g)


def _refusal(lay: Layout) -> str | None:
    """Say why pairs along the last dimension are no complex numbers as they lie in memory, or return None."""
    if lay.ndim == 0:
        return "Input tensor must have one or more dimensions"
    if lay.shape[-1] != 2:
        return "Tensor must have a last dimension of size 2"
    if lay.strides[-1] != 1:
        return "Tensor must have a last dimension with stride 1"
    if any(s % 2 for s in lay.strides[:-1]):
        return "Tensor must have a stride divisible by 2 for all but last dimension"
    return "Tensor must have a storage_offset divisible by 2" if lay.offset % 2 else None


def view_as_complex(input: Any) -> Any:
    """Return the memory of pairs of reals along the last dimension, of size 2, as complex numbers.

    Raises RuntimeError where they do not lie side by side, at an even place each.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.view_as_complex.html

    >>> import cltorch as torch
    >>> torch.view_as_complex(torch.tensor([[1.0, 2.0], [3.0, -1.0]]))
    tensor([1.+2.j, 3.-1.j])
    """
    need_array("view_as_complex", "input", 1, input)
    if input.dtype not in _REAL:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{SCALAR_NAMES[input.dtype.name]}"
        )
    lay = input.lay
    why = _refusal(lay)
    if why is not None:
        raise RuntimeError(why)
    layout = Layout.make(lay.shape[:-1], tuple(s // 2 for s in lay.strides[:-1]), lay.offset // 2)
    return record_view(
        input,
        layout,
        "ViewAsComplexBackward0",
        lambda m, g: m.view_as_real(m.resolve_conj(g)),
        input.dtype.to_complex(),
    )


def real(input: Any) -> Any:
    """Return the real part, as a view; of real numbers the tensor itself.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.real.html

    >>> import cltorch as torch
    >>> torch.real(torch.tensor([1 + 2j, 3 - 1j]))
    tensor([1., 3.])
    """
    need_array("real", "input", 1, input)
    if not input.dtype.is_complex:
        return input
    return select(view_as_real(conj(input) if is_conj(input) else input), -1, 0)


real_part = real  # the name under which formulas of derivatives ask for it


def imag(input: Any) -> Any:
    """Return the imaginary part, as a view. Raises RuntimeError for real numbers.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.imag.html

    >>> import cltorch as torch
    >>> torch.imag(torch.tensor([1 + 2j, 3 - 1j]))
    tensor([ 2., -1.])
    """
    need_array("imag", "input", 1, input)
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return select(view_as_real(neg_view(conj(input)) if is_conj(input) else input), -1, 1)


def conj(input: Any) -> Any:
    """Return the complex conjugate as a view, which is conjugated when it is read; of real numbers the tensor itself.

    What changes the view in place changes the memory to the conjugate of that. Shape: any, the same for the result.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.conj.html

    >>> import cltorch as torch
    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    need_array("conj", "input", 1, input)
    if not input.dtype.is_complex:
        return input
    return _sign_view(input, p.conj_values, "ConjBackward0", lambda m, g: m.conj(g), conj=True)


def positive(input: Any) -> Any:
    """Return the input itself, which ``+input`` is.

    Shape: any, the same for the result. Raises RuntimeError for truth values.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.positive.html

    >>> import cltorch as torch
    >>> x = torch.tensor([-1.0, 2.0])
    >>> torch.positive(x) is x
    True
    """
    if need_array("positive", "input", 1, input).dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def neg_view(input: Any) -> Any:
    """Return the negative as a view, whose signs are turned when it is read.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_neg.html

    >>> import cltorch as torch
    >>> torch._neg_view(torch.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    need_array("_neg_view", "input", 1, input)
    return _sign_view(input, p.neg, "NegViewBackward0", lambda m, g: m.neg(g), neg=True)


def _sign_view(input: Any, computed: Callable[..., Any], node: str, back: Callable[..., Any], **how: bool) -> Any:
    """Return a view that shows other signs; inside of transforms, which see single operators, what is computed."""
    if active and lift((input,)) is not None:
        return computed(input)
    out = record_view(input, input.lay, node, back)
    out._storage = turned(input, **how)
    return out


def is_conj(input: Any) -> bool:
    """Return whether the tensor is a view that shows its memory conjugated.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_conj.html

    >>> import cltorch as torch
    >>> x = torch.tensor([1j])
    >>> torch.is_conj(x), torch.is_conj(x.conj())
    (False, True)
    """
    need_array("is_conj", "input", 1, input)
    return turns(input)[0] and bool(input.dtype.is_complex)


def is_neg(input: Any) -> bool:
    """Return whether the tensor is a view that shows its memory negated, as the imaginary part of a conjugate is.

    >>> import cltorch as torch
    >>> x = torch.tensor([1 + 2j])
    >>> torch.is_neg(x.imag), torch.is_neg(x.conj().imag)
    (False, True)
    """
    need_array("is_neg", "input", 1, input)
    return turns(input)[1]


def matrix_transpose_H(input: Any) -> Any:
    """Return the conjugate transpose of a matrix."""
    if input.lay.ndim not in (0, 2):
        batches = " For batches of matrices, consider using tensor.mH" if input.lay.ndim > 2 else ""
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {input.lay.ndim}-D tensor.{batches}"
        )
    return conj(input if input.lay.ndim == 0 else transpose(input, 0, 1))


def _deprecated_for_a_number(what: str, instead: str) -> None:
    warn_once(f"{what} is deprecated on 0-D tensors. Consider using {instead} instead.")


def matrix_transpose_mH(input: Any) -> Any:
    """Return the conjugate transposes of a batch of matrices."""
    if input.lay.ndim == 0:
        _deprecated_for_a_number("tensor.mH", "tensor.conj()")
        return conj(input)
    if input.lay.ndim < 2:
        raise RuntimeError(
            f"tensor.mH is only supported on matrices or batches of matrices. Got {input.lay.ndim}-D tensor."
        )
    return conj(transpose(input, -2, -1))


def adjoint(input: Any) -> Any:
    """Return the conjugate transpose of a matrix or of a batch of matrices, as a view.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.adjoint.html

    >>> import cltorch as torch
    >>> torch.adjoint(torch.tensor([[1j, 2.0], [3.0, 4.0]]))
    tensor([[0.-1.j, 3.-0.j],
            [2.-0.j, 4.-0.j]])
    """
    need_array("adjoint", "input", 1, input)
    if input.lay.ndim == 0:
        _deprecated_for_a_number("adjoint()", "tensor.conj()")
        return conj(input)
    if input.lay.ndim < 2:
        raise RuntimeError(
            f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {input.lay.ndim}-D tensor."
        )
    return conj(transpose(input, -2, -1))


def conj_physical(input: Any, *, out: Any = None) -> Any:
    """Return the complex conjugate; of real numbers the tensor itself.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.conj_physical.html

    >>> import cltorch as torch
    >>> torch.conj_physical(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    need_array("conj_physical", "input", 1, input)
    found = p.conj_values(input) if input.dtype.is_complex else input
    return found if out is None else into_out("conj_physical", out, found)


def conj_physical_(input: Any) -> Any:
    """Conjugate in place."""
    need_array("conj_physical_", "input", 1, input)
    return p.conj_values_(input) if input.dtype.is_complex else input


def resolve_conj(input: Any) -> Any:
    """Return a copy of a tensor that shows its memory conjugated, and any other tensor itself.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.resolve_conj.html

    >>> import cltorch as torch
    >>> torch.resolve_conj(torch.tensor([1 + 2j]).conj()).is_conj()
    False
    """
    need_array("resolve_conj", "input", 1, input)
    return clone(input) if is_conj(input) else input


def resolve_neg(input: Any) -> Any:
    """Return a copy of a tensor that shows its memory negated, and any other tensor itself.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.resolve_neg.html

    >>> import cltorch as torch
    >>> torch.resolve_neg(torch.tensor([1 + 2j]).conj().imag).is_neg()
    False
    """
    need_array("resolve_neg", "input", 1, input)
    return clone(input) if is_neg(input) else input


def _pair_of_reals(name: str, a: Any, b: Any, second: str) -> None:
    need_array(name, "real" if second == "imag" else "abs", 1, a)
    need_array(name, second, 2, b)
    if a.dtype not in _REAL or b.dtype not in _REAL:
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {SCALAR_NAMES[a.dtype.name]} and "
            f"{SCALAR_NAMES[b.dtype.name]}"
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {SCALAR_NAMES[a.dtype.name]} but got scalar type "
            f"{SCALAR_NAMES[b.dtype.name]} for second argument"
        )


def complex(real: Any, imag: Any, *, out: Any = None) -> Any:
    """Return complex numbers of their real and imaginary parts, which broadcast and have one floating dtype.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.complex.html

    >>> import cltorch as torch
    >>> torch.complex(torch.tensor([1.0, 3.0]), torch.tensor([2.0, -1.0]))
    tensor([1.+2.j, 3.-1.j])
    """
    _pair_of_reals("complex", real, imag, "imag")
    sizes = (real.lay.shape, imag.lay.shape)

    def back(m: Any, g: Any, *_: Any) -> Any:
        return m.sum_to_size(m.real(g), sizes[0]), m.sum_to_size(m.imag(g), sizes[1])

    result = as_one("ComplexBackward0", _paired_parts, back, real, imag)
    return result if out is None else into_out("complex", out, result)


def _paired_parts(real: Any, imag: Any) -> Any:
    parts = broadcast_tensors(real, imag)
    order = order_of(output_layout(parts[0].lay.shape, [x.lay for x in parts]))
    if order is None:
        result = view_as_complex(stack(parts, -1))
    else:
        pairs = stack([permute(x, order) for x in parts], -1)
        result = permute(view_as_complex(pairs), [order.index(d) for d in range(len(order))])
    result._base = result._view_kind = None  # nobody else sees the pairs
    return result


def polar(abs: Any, angle: Any, *, out: Any = None) -> Any:
    """Return complex numbers of their absolute values and angles.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.polar.html

    >>> import cltorch as torch
    >>> torch.polar(torch.tensor([2.0]), torch.tensor([0.0]))
    tensor([2.+0.j])
    """
    _pair_of_reals("polar", abs, angle, "angle")
    sizes = (abs.lay.shape, angle.lay.shape)

    def run(abs: Any, angle: Any) -> Any:
        return complex(p.mul(abs, p.cos(angle)), p.mul(abs, p.sin(angle)))

    def back(m: Any, g: Any, abs: Any, angle: Any) -> Any:
        x, y, c, s = m.real(g), m.imag(g), m.cos(angle), m.sin(angle)
        outward, around = m.add(m.mul(x, c), m.mul(y, s)), m.mul(abs, m.sub(m.mul(y, c), m.mul(x, s)))
        return m.sum_to_size(outward, sizes[0]), m.sum_to_size(around, sizes[1])

    result = as_one("PolarBackward0", run, back, abs, angle, keeps=(0, 1))
    return result if out is None else into_out("polar", out, result)


def gradient_cast(g: Any, t: Any) -> Any:
    """Return a gradient in an operand's dtype; a real operand takes the real part."""
    if g.dtype.is_complex and not t.is_complex:
        g = real(g)
    return g if g.dtype is t else to_copy(g, t, g.device)
