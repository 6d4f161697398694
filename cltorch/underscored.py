"""Functions of torch.* with an underscore in front: parts of others, which libraries call all the same.

Each is made of public functions, so that dtypes, devices and derivatives are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.functions.scaled import is_float8, refuse_scales, scaled_product
from cltorch.functions.softmax import softmax
from cltorch.functions.unique import unique
from cltorch.tensor import Tensor

__all__ = ["FUNCTIONS"]


def _check_conversion(name: str, x: Any, half_to_float: bool) -> Any:
    """Return the operand of a softmax that widens halves, which only devices have."""
    if not half_to_float:
        return x
    if x.is_cpu:
        raise RuntimeError(f"{name} with half to float conversion is not supported on CPU")
    if x.dtype is not dtypes.float16:
        raise RuntimeError(f"{name}: conversion is supported for Half type only")
    return x.float()


def _softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    return softmax(_check_conversion("softmax", input, half_to_float), dim)


def _log_softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    return functions.log_softmax(_check_conversion("log_softmax", input, half_to_float), dim)


def _safe_softmax(self: Any, dim: int, dtype: Any = None) -> Any:
    """Return softmax, 0 where all along the dimension are -inf."""
    empty = (self == -math.inf).all(dim, True)
    return softmax(self.masked_fill(empty, 0), dim, dtype).masked_fill(empty, 0)  # whose gradients there are 0 too


def _chunk_cat(tensors: Sequence[Any], dim: int, num_chunks: int, *, out: Any = None) -> Any:
    """Pad every tensor to whole chunks along a dimension and join the flattened ones of each chunk."""
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    if num_chunks < 1:
        raise RuntimeError("_chunk_cat expects positive num_chunks")
    first = tensors[0]
    d = functions.wrap_dim(dim, first.ndim)
    parts = []
    for t in tensors:
        if not t.numel():
            raise RuntimeError("_chunk_cat expects non-empty tensor")
        if t.dtype is not first.dtype:
            raise RuntimeError("_chunk_cat expects all input tensors with the same dtype")
        if t.ndim <= d:
            raise RuntimeError("_chunk_cat expects dim < ndim for all input tensors")
        if t.shape[:d] != first.shape[:d]:
            raise RuntimeError("_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors")
        more = -t.shape[d] % num_chunks
        if more:
            t = functions.cat([t, t.new_zeros((*t.shape[:d], more, *t.shape[d + 1 :]))], d)
        parts.append(t.reshape(*t.shape[:d], num_chunks, -1))
    return functions.cat(parts, d + 1, out=out)


def _unsafe_index(self: Any, indices: Sequence[Any]) -> Any:
    return self[tuple(slice(None) if i is None else i for i in indices)]


def _unsafe_index_put(self: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    return functions.index_put(self, tuple(indices), values, accumulate)


def _inside(self: Any, indices: Sequence[Any]) -> list[Any]:
    return [None if i is None else i.clamp(-n, n - 1) for i, n in zip(indices, self.shape, strict=False)]


def _unsafe_masked_index(self: Any, mask: Any, indices: Sequence[Any], fill: Any) -> Any:
    """Return what indices name where the mask is set, else a number; those apart from the mask may lie anywhere."""
    if not self.numel():  # there is nothing that an index may name
        common = functions.broadcast_shapes(*(i.shape for i in indices if i is not None))
        rest = [n for n, i in zip(self.shape, [*indices, *[None] * self.ndim], strict=False) if i is None]
        return self.new_full((*common, *rest), fill)
    return _unsafe_index(self, _inside(self, indices)).masked_fill(mask.logical_not(), fill)


def _unsafe_masked_index_put_accumulate(self: Any, mask: Any, indices: Sequence[Any], values: Any) -> Any:
    if not self.numel():
        return self.clone()
    return _unsafe_index_put(self, _inside(self, indices), values.masked_fill(mask.logical_not(), 0), True)


def _native_batch_norm_legit(input: Any, weight: Any, bias: Any, *rest: Any) -> tuple[Any, Any, Any]:
    """Return ``native_batch_norm``, whose running mean and variance may be left out."""
    stats = rest if len(rest) == 5 else (None, None, *rest)
    return functions.native_batch_norm(input, weight, bias, *stats)


def _native_batch_norm_legit_no_training(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Any, Any, Any]:
    return functions.native_batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)


def _aminmax(self: Any, dim: int | None = None, keepdim: bool = False) -> tuple[Any, Any]:
    return tuple(functions.aminmax(self, dim=dim, keepdim=keepdim))


def _stack(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    return functions.stack(tensors, dim, out=out)


def _unique2(
    self: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> tuple[Any, Any, Any]:
    found = unique(self, sorted, return_inverse, return_counts)
    rest = list(found) if isinstance(found, tuple) else [found]
    none = functions.empty(0, dtype=dtypes.int64, device=self.device)
    values = rest.pop(0)
    inverse = rest.pop(0) if return_inverse else none
    return values, inverse, rest.pop(0) if return_counts else none


def _unique(self: Any, sorted: bool = True, return_inverse: bool = False) -> tuple[Any, Any]:
    return _unique2(self, sorted, return_inverse)[:2]


def _is_all_true(self: Any) -> Any:
    _need_bool("_is_all_true", self)
    return self.all()


def _is_any_true(self: Any) -> Any:
    _need_bool("_is_any_true", self)
    return self.any()


def _need_bool(name: str, x: Any) -> None:
    if x.dtype is not dtypes.bool_:
        raise RuntimeError(f"{name}: expected a tensor of dtype torch.bool, but got {x.dtype}")


def _int_mm(self: Any, mat2: Any, *, out: Any = None) -> Any:
    """Multiply matrices of int8; the result is int32."""
    for place, x in (("first", self), ("second", mat2)):
        if x.ndim != 2:
            raise RuntimeError(f"Expected {place} argument of _int_mm to be of dimension 2 but got {x.ndim}")
    if self.shape[1] != mat2.shape[0]:
        raise RuntimeError(
            f"_int_mm: self.size(1) needs to match mat2.size(0) but got {self.shape[1]} and {mat2.shape[0]}"
        )
    for x in (self, mat2):
        if x.dtype is not dtypes.int8:
            raise RuntimeError(f"_int_mm: expected operands of dtype torch.int8 but got {x.dtype}")
    return functions.mm(self.int(), mat2.int(), out=out)


def _scaled_mm(
    self: Any, mat2: Any, scale_a: Any, scale_b: Any, bias: Any = None, scale_result: Any = None,
    out_dtype: Any = None, use_fast_accum: bool = False, *, out: Any = None,
) -> Any:  # fmt: skip
    """Multiply matrices of 8-bit floats with a scale for each, or for each row of one and column of the other."""
    for place, x in enumerate((self, mat2), 1):
        if x.ndim != 2:
            raise RuntimeError(f"mat{place} must be a matrix")
    (m, k), (k2, n) = self.shape, mat2.shape
    if k != k2:
        raise RuntimeError(f"mat_a and mat_b shapes cannot be multiplied ({m}x{k} and {k2}x{n})")
    for at, what, x in ((3, "scale_a", scale_a), (4, "scale_b", scale_b)):
        if not isinstance(x, Tensor):
            raise TypeError(f"_scaled_mm(): argument '{what}' (position {at}) must be Tensor, not {type(x).__name__}")
    scales = scale_a, scale_b
    single = all(s.numel() == 1 for s in scales)
    each = tuple(map(tuple, (s.shape for s in scales))) == ((m, 1), (1, n)) and all(s.is_contiguous() for s in scales)
    floats = all(s.dtype is dtypes.float32 for s in scales) and is_float8(self) and is_float8(mat2)
    if not floats or not (single or each):
        raise refuse_scales(self, mat2, *scales)
    if out is not None and out_dtype is not None and out.dtype is not out_dtype:
        raise ValueError("out_dtype must match output matrix type")
    t = out_dtype if out_dtype is not None else self.dtype if out is None else out.dtype
    found = scaled_product("_scaled_mm", self, mat2, *scales, bias, scale_result, t)
    return found if out is None else out.resize_(found.shape).copy_(found)


def _trilinear(
    i1: Any, i2: Any, i3: Any, expand1: Sequence[int], expand2: Sequence[int], expand3: Sequence[int],
    sumdim: Sequence[int], unroll_dim: int = 1,
) -> Any:  # fmt: skip
    """Multiply three tensors, each with dimensions of size 1 put in, and add up over some dimensions."""
    product: Any = None
    for x, places in ((i1, expand1), (i2, expand2), (i3, expand3)):
        for d in places:
            x = x.unsqueeze(d)
        product = x if product is None else product * x
    return product.sum(tuple(sumdim)) if sumdim else product


def _debug_has_internal_overlap(self: Any) -> int:
    """Return 0 where no two elements share memory, 1 where some do by a stride of 0, 2 where that is not looked for."""
    if self.lay.packed():
        return 0
    return 1 if any(n > 1 and not step for n, step in zip(self.shape, self.stride(), strict=True)) else 2


def _dim_arange(like: Any, dim: int) -> Any:
    return functions.arange(like.shape[dim], dtype=dtypes.int64, device=like.device)


def _reshape_from_tensor(self: Any, shape: Any) -> Any:
    return self.reshape(shape.tolist())


def _convolution(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any,
    groups: int, benchmark: bool, deterministic: bool, cudnn_enabled: bool, allow_tf32: bool = True,
) -> Any:  # fmt: skip
    """Return ``torch.convolution``; the other switches are those of NVIDIA's library."""
    return functions.convolution(
        input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )  # fmt: skip


def _convolution_mode(
    input: Any, weight: Any, bias: Any, stride: Any, padding: str, dilation: Any, groups: int
) -> Any:  # fmt: skip
    conv = (functions.conv1d, functions.conv2d, functions.conv3d)[weight.ndim - 3]
    return conv(input, weight, bias, stride, padding, dilation, groups)


#: how results of a Fourier transform are divided, by the number that ATen has for it: forwards, backwards
_NORMS = (("backward", "forward"), ("ortho", "ortho"), ("forward", "backward"))


def _fft_c2c(self: Any, dim: Sequence[int], normalization: int, forward: bool, *, out: Any = None) -> Any:
    if forward:
        return functions.fft_fftn(self, dim=dim, norm=_NORMS[normalization][0], out=out)
    return functions.fft_ifftn(self, dim=dim, norm=_NORMS[normalization][1], out=out)


def _fft_r2c(self: Any, dim: Sequence[int], normalization: int, onesided: bool, *, out: Any = None) -> Any:
    """Return the spectrum of real numbers, or with ``onesided`` its first half along the last dimension given."""
    transform = functions.fft_rfftn if onesided else functions.fft_fftn
    return transform(self, dim=dim, norm=_NORMS[normalization][0], out=out)


def _fft_c2r(self: Any, dim: Sequence[int], normalization: int, last_dim_size: int, *, out: Any = None) -> Any:
    sizes = [*(self.shape[d] for d in dim[:-1]), last_dim_size]
    return functions.fft_irfftn(self, s=sizes, dim=dim, norm=_NORMS[normalization][1], out=out)


def _masked_softmax(self: Any, mask: Any, dim: int | None = None, mask_type: int | None = None) -> Any:
    """Return softmax over what a mask leaves: (L, L) for type 0, (B, L) for type 1, else one of the operand's shape."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError("Mask should be a boolean tensor")
    if mask_type == 1:
        if tuple(mask.shape) != (self.shape[0], self.shape[-1]):
            raise RuntimeError("For mask_type == 1 mask shape should be (B, L)")
        mask = mask.reshape(mask.shape[0], *[1] * (self.ndim - 2), mask.shape[1])
    elif mask_type == 0:
        if tuple(mask.shape) != tuple(self.shape[-2:]):
            raise RuntimeError("For mask_type == 0 mask shape should be (L, L)")
    elif mask.shape != self.shape:
        raise RuntimeError("For mask_type == 2 mask shape should match input shape")
    return softmax(self.masked_fill(mask, -math.inf), -1 if dim is None else dim)


def _prelu_kernel(self: Any, weight: Any) -> Any:
    return functions.where(self > 0, self, weight * self)


def _add_relu(self: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    found = functions.relu(functions.add(self, other, alpha=alpha))
    return found if out is None else functions.into_out("_add_relu", out, found)


def _addmm_activation(
    self: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1, use_gelu: bool = False
) -> Any:  # fmt: skip
    found = functions.addmm(self, mat1, mat2, beta=beta, alpha=alpha)
    return functions.gelu(found) if use_gelu else functions.relu(found)


def _fused_rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any, eps: float | None) -> tuple[Any, Any]:
    """Return ``rms_norm`` and what the operand was multiplied with."""
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    least = dtypes.finfo(input.dtype).eps if eps is None else eps
    factor = functions.rsqrt(functions.mean(input * input, dims, True) + least)
    return functions.rms_norm(input, tuple(normalized_shape), weight, eps), factor


def _euclidean_dist(x1: Any, x2: Any) -> Any:
    return functions.cdist(x1, x2, compute_mode="use_mm_for_euclid_dist")


def _factored(A: Any) -> Any:
    """Return LU and pivots as determinants take them: of the transpose where real matrices lie row by row."""
    return functions.linalg_lu_factor_ex(A.mT if A.is_contiguous() and not A.is_complex() else A)[:2]


def _linalg_det(A: Any) -> tuple[Any, Any, Any]:
    return (functions.linalg_det(A), *_factored(A))


def _linalg_slogdet(A: Any) -> tuple[Any, Any, Any, Any]:
    return (*functions.linalg_slogdet(A), *_factored(A))


def _linalg_eigh(A: Any, UPLO: str = "L", compute_v: bool = True) -> tuple[Any, Any]:
    if compute_v:
        return tuple(functions.linalg_eigh(A, UPLO))
    return functions.linalg_eigvalsh(A, UPLO), A.new_empty(0)


def _linalg_svd(A: Any, full_matrices: bool = False, compute_uv: bool = True, *, driver: Any = None) -> Any:
    if compute_uv:
        return tuple(functions.linalg_svd(A, full_matrices, driver=driver))
    return A.new_empty(0), functions.linalg_svdvals(A, driver=driver), A.new_empty(0)


def _linalg_solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> tuple[Any, Any, Any, Any]:
    found, info = functions.linalg_solve_ex(A, B, left=left, check_errors=check_errors)
    LU, pivots, _ = functions.linalg_lu_factor_ex(A)
    return found, LU, pivots, info


def _lu_with_info(self: Any, pivot: bool = True, check_errors: bool = True) -> tuple[Any, Any, Any]:
    return tuple(functions.linalg_lu_factor_ex(self, pivot=pivot, check_errors=check_errors))


def _index_put_impl_(
    self: Any, indices: Sequence[Any], values: Any, accumulate: bool = False, unsafe: bool = False
) -> Any:  # fmt: skip
    return functions.index_put_(self, tuple(indices), values, accumulate)


def _to_cpu(tensors: Sequence[Any]) -> list[Any]:
    return [x.cpu() for x in tensors]


def _is_zerotensor(self: Any) -> bool:
    """Return False: every tensor here has memory."""
    return False


def _has_compatible_shallow_copy_type(input: Any, other: Any) -> bool:
    return True  # there is one kind of tensor


def _shared(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    def f(*args: Any, **named: Any) -> Any:
        return fn(*args, **named)

    f.__name__ = f.__qualname__ = name
    return f


def _cast(name: str) -> Callable[..., Any]:
    def f(self: Any, non_blocking: bool = False) -> Any:
        return getattr(Tensor, name.lower())(self)

    f.__name__ = f.__qualname__ = f"_cast_{name}"
    return f


_ALL: tuple[Any, ...] = (
    _softmax, _log_softmax, _safe_softmax, _chunk_cat,
    _unsafe_index, _unsafe_index_put, _unsafe_masked_index, _unsafe_masked_index_put_accumulate,
    _native_batch_norm_legit, _native_batch_norm_legit_no_training, _aminmax, _stack, _unique, _unique2,
    _is_all_true, _is_any_true, _int_mm, _scaled_mm, _trilinear, _debug_has_internal_overlap, _dim_arange,
    _reshape_from_tensor, _convolution, _convolution_mode, _fft_c2c, _fft_r2c, _fft_c2r, _masked_softmax,
    _prelu_kernel, _add_relu, _addmm_activation, _fused_rms_norm, _euclidean_dist, _linalg_det, _linalg_slogdet,
    _linalg_eigh, _linalg_svd, _linalg_solve_ex, _lu_with_info, _index_put_impl_, _to_cpu,
    _is_zerotensor, _has_compatible_shallow_copy_type,
    _shared(functions.conj_physical, "_conj_copy"), _shared(functions.neg_view, "_neg_view"),
    _shared(functions.neg, "_neg_view_copy"),
    _shared(functions.segment_reduce, "_segment_reduce"), _shared(functions.conj, "_conj"),
    _shared(functions.conj_physical, "_conj_physical"), _shared(functions.logcumsumexp, "_logcumsumexp"),
    _shared(functions.adaptive_avg_pool2d, "_adaptive_avg_pool2d"),
    _shared(functions.adaptive_avg_pool3d, "_adaptive_avg_pool3d"),
    *map(_cast, "Byte Char Double Float Half Int Long Short".split()),
)  # fmt: skip

#: The functions by their names in ``torch``.
FUNCTIONS: dict[str, Callable[..., Any]] = {f.__name__: f for f in _ALL}

for _name in "_addmm_activation _conj _conj_physical _is_all_true _is_any_true _is_zerotensor _neg_view".split():
    setattr(Tensor, _name, FUNCTIONS[_name])
