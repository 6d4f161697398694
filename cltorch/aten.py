"""Operators of torch.ops.aten whose names or arguments no public function has.

What an operator of that name is in ``functions``, among the functions with an underscore or in ``torch.special``, or a
method of Tensor, has PyTorch's schema already and is found there.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import autograd, checks, dtypes, foreach, functions, linalg, special, underscored
from cltorch.autograd.grad_mode import enable_grad, is_grad_enabled
from cltorch.functions import pool
from cltorch.nn import functional
from cltorch.nn.functional import numbered
from cltorch.nn.functional.embedding_bag_plain import embedding_bag
from cltorch.ops.overloads import resolvers
from cltorch.shapes import wrap_dim
from cltorch.tensor import Tensor

__all__ = ["OPERATORS", "derivative", "layer"]


# ---- views and copies --------------------------------------------------------------------------------------------
def slice_(self: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """Return every ``step``-th slice along a dimension, from ``start`` up to ``end``: a view."""
    if self.ndim == 0:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, self.ndim)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    places = (*[slice(None)] * d, slice(start, end, step))
    return self[places]


def _alias(self: Any) -> Any:
    return self.view(self.shape)


def _itself(self: Any) -> Any:
    return self


def _copied(self: Any, src: Any, non_blocking: bool = False) -> Any:
    return functions.clone(self).copy_(src)


def _to_copy(self: Any, *, non_blocking: bool = False, layout: Any = None, pin_memory: Any = None, **to: Any) -> Any:
    return self.to(copy=True, **{name: value for name, value in to.items() if value is not None})


def _unsafe_view(self: Any, size: Sequence[int]) -> Any:
    return self.reshape(tuple(size))


def _packed(self: Any) -> bool:
    return bool(self.lay.packed())


def _sym_size(self: Any, dim: int | None = None) -> Any:
    return self.size() if dim is None else self.size(dim)


# ---- layers ------------------------------------------------------------------------------------------------------
def _batch_norm_with_update(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Any, Any, Any, Any]:
    """Return ``native_batch_norm`` of training, which changes the running statistics, and an empty reserve."""
    found = functions.native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return (*found, functions.empty(0, dtype=dtypes.uint8, device=input.device))


def _batch_norm_no_update(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Any, Any, Any, Any]:
    found = functions.native_batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
    return (*found, functions.empty(0, dtype=dtypes.uint8, device=input.device))


def _upsample(
    mode: str, antialias: bool, corners: bool, input: Any, output_size: Sequence[int] | None, *rest: Any, **named: Any
) -> Any:
    """Resample to sizes, or with a list of them by factors; ``scales`` follow ``align_corners`` where a mode has it."""
    given = list(rest)
    align = bool(given.pop(0) if given else named.pop("align_corners")) if corners else False
    scales = given or list(named.values())
    several = len(scales) == 1 and isinstance(scales[0], (tuple, list))
    if several:
        scales = list(scales[0])
    if several is (output_size is not None):
        raise RuntimeError("Must specify exactly one of output_size and scale_factors")
    if output_size is None:
        output_size = [int(n * f) for n, f in zip(input.shape[2:], scales, strict=True)]
    elif len(output_size) != input.ndim - 2:
        raise RuntimeError(f"It is expected output_size equals to {input.ndim - 2}, but got size {len(output_size)}")
    factors = [s or 0.0 for s in scales] if any(scales) else None
    return functions.upsample_to(input, list(output_size), mode, align, antialias, factors)


def _max_pool_backward(
    name: str, n: int, grad_output: Any, self: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, indices: Any,
) -> Any:  # fmt: skip
    """Add each element of the gradient of a pooling to the input that its index names."""
    for what, x, want in (("gradOutput", grad_output, self.dtype), ("indices", indices, dtypes.int64)):
        if x.dtype is not want:
            raise RuntimeError(f"{name}: expected dtype {want} for `{what}` but got dtype {x.dtype}")
    w = pool.max_windows(n, self, kernel_size, stride, padding, dilation, ceil_mode)
    shape = (*self.shape[:-n], *w.out[3 - n :])
    for x in (grad_output, indices):
        if tuple(x.shape) != tuple(shape):
            d = next((d for d in range(min(x.ndim, len(shape))) if x.shape[d] != shape[d]), 0)
            raise RuntimeError(
                f"Expected a tensor of dimension {len(shape)} and tensor.size[{d}] == {shape[d]} but got: dimension "
                f"{x.ndim} and tensor.size[{d}] = {x.shape[d] if x.ndim else 0}"
            )
    return functions.max_pool_spread(grad_output, indices, w)


_REDUCTIONS = ("none", "mean", "sum")


def _loss(f: Callable[..., Any], before: int, *args: Any, reduction: int = 1, **named: Any) -> Any:
    """Call a loss whose reduction is a number, behind so many arguments."""
    if len(args) > before:
        reduction, args = args[before], (*args[:before], *args[before + 1 :])
        named |= dict(zip(("delta" if f is functional.huber_loss else "beta",), args[before:], strict=False))
    return f(*args[:before], reduction=_REDUCTIONS[reduction], **named)


def _class_loss(f: Callable[..., Any], named: tuple[str, ...], input: Any, target: Any, *rest: Any, **more: Any) -> Any:
    """Call a loss of classes, whose weight, number of the reduction, and options follow in this order."""
    given = dict(zip(("weight", "reduction", *named), rest, strict=False)) | more
    given["reduction"] = _REDUCTIONS[given.get("reduction", 1)]
    return f(input, target, **given)


def _pad(mode: str, n: int, self: Any, padding: Sequence[int]) -> Any:
    """Pad the last dimensions of one sample or of a batch."""
    if len(padding) != 2 * n:
        raise RuntimeError(f"padding size is expected to be {2 * n}, but got: {len(padding)}")
    if self.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(self.shape)}"
        )
    return functional.pad(self, padding, mode)


def _nll_loss_forward(
    self: Any, target: Any, weight: Any, reduction: int, ignore_index: int
) -> tuple[Any, Any]:  # fmt: skip
    """Return the loss and the sum of the weights of targets that count, 0 without a reduction."""
    out = functional.nll_loss(self, target, weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction])
    if reduction == 0:
        return out, functions.zeros((), dtype=self.dtype, device=self.device)
    counts = target != ignore_index
    if weight is None:
        return out, functions.sum(counts).to(self.dtype)
    return out, functions.sum(functions.where(counts, weight[functions.where(counts, target, 0)], 0))


def _numbered(f: Callable[..., Any], before: int, *args: Any, **named: Any) -> Any:
    """Call a loss whose reduction is a number behind so many arguments, and the mean unless given."""
    if len(args) <= before:
        named.setdefault("reduction", 1)
    return f(*args, **named)


def _max_unpool(n: int, self: Any, indices: Any, output_size: Sequence[int], *rest: Any) -> Any:
    return functions.max_unpool(self, indices, output_size, n)


def _bags(
    weight: Any, indices: Any, offsets: Any, scale_grad_by_freq: bool = False, mode: int = 0, sparse: bool = False,
    per_sample_weights: Any = None, include_last_offset: bool = False, padding_idx: int = -1,
) -> Any:  # fmt: skip
    """Return bags of rows; -1 stands for no row that counts for nothing."""
    padding = None if padding_idx < 0 else padding_idx
    rest = scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, padding
    return embedding_bag(weight, indices, offsets, *rest)


def _drawn(name: str, self: Any, *args: Any, **named: Any) -> Any:
    """Return a new tensor like one, of random numbers."""
    return getattr(functions.empty_like(self), f"{name}_")(*args, **named)


def _index(self: Any, indices: Sequence[Any]) -> Any:
    """Take elements by index tensors of the first dimensions; None stands for a whole dimension."""
    return self[tuple(slice(None) if i is None else i for i in indices)]


# ---- gradients ---------------------------------------------------------------------------------------------------
def derivative(f: Callable[..., Any], grad_output: Any, self: Any, *args: Any, **named: Any) -> Any:
    """Return a function's derivative at an operand, times a gradient; it can be differentiated in both."""
    again = is_grad_enabled() and (grad_output.requires_grad or self.requires_grad)
    with enable_grad():
        x = self if again and self.requires_grad else self.detach().requires_grad_()
        return autograd.grad(f(x, *args, **named), x, grad_output, create_graph=again)[0]


def _sigmoid_backward(grad_output: Any, output: Any) -> Any:
    return grad_output * functions.conj((1 - output) * output)


def _tanh_backward(grad_output: Any, output: Any) -> Any:
    return grad_output * functions.conj(1 - output * output)


def _threshold_backward(grad_output: Any, self: Any, threshold: Any) -> Any:
    return functions.where(self <= threshold, 0, grad_output)


def _leaky_relu_backward(grad_output: Any, self: Any, negative_slope: Any, self_is_result: bool) -> Any:
    return functions.where(self > 0, grad_output, grad_output * negative_slope)


def _softmax_backward(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    spread = functions.sum(grad_output * output, dim, True) if output.ndim else grad_output * output
    return (output * (grad_output - spread)).to(input_dtype)


def _log_softmax_backward(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    total = functions.sum(grad_output, dim, True) if output.ndim else grad_output
    return (grad_output - functions.exp(output) * total).to(input_dtype)


def _convolution_backward(
    grad_output: Any, input: Any, weight: Any, bias_sizes: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int, output_mask: Sequence[bool],
) -> tuple[Any, ...]:  # fmt: skip
    """Return those gradients of a convolution's operands that a mask asks for, None for the others."""
    with enable_grad():
        bias = None if bias_sizes is None else functions.zeros(bias_sizes, dtype=weight.dtype, device=weight.device)
        operands = [None if x is None else x.detach().requires_grad_() for x in (input, weight, bias)]
        y = functions.convolution(*operands, stride, padding, dilation, transposed, output_padding, groups)
        wanted = [x for x, asked in zip(operands, output_mask, strict=True) if asked and x is not None]
        found = iter(autograd.grad(y, wanted, grad_output))
    return tuple(next(found) if asked else None for asked in output_mask)


OPERATORS: dict[str, Callable[..., Any]] = {
    "slice": slice_, "alias": _alias, "lift_fresh": _itself, "lift_fresh_copy": functions.clone, "copy": _copied,
    "_to_copy": _to_copy, "_unsafe_view": _unsafe_view, "zero": functions.zeros_like, "sym_size": _sym_size,
    "sym_numel": Tensor.numel, "sym_stride": Tensor.stride, "sym_storage_offset": Tensor.storage_offset,
    "_local_scalar_dense": Tensor.item, "_batch_norm_with_update": _batch_norm_with_update,
    "_batch_norm_no_update": _batch_norm_no_update, "sigmoid_backward": _sigmoid_backward,
    "tanh_backward": _tanh_backward, "threshold_backward": _threshold_backward,
    "leaky_relu_backward": _leaky_relu_backward, "glu": functional.glu, "one_hot": functional.one_hot,
    "log_sigmoid": functional.logsigmoid, "index": _index, "convolution_backward": _convolution_backward,
    "_softmax_backward_data": _softmax_backward, "_log_softmax_backward_data": _log_softmax_backward,
    "cross_entropy_loss": partial(_class_loss, functional.cross_entropy, ("ignore_index", "label_smoothing")),
    "nll_loss": partial(_class_loss, functional.nll_loss, ("ignore_index",)),
}  # fmt: skip
for _name in "dim is_contiguous is_set_to item size storage_offset stride type_as".split():
    OPERATORS[_name] = getattr(Tensor, _name)
for _name, _before in (
    ("binary_cross_entropy_with_logits", 4), ("cosine_embedding_loss", 4), ("hinge_embedding_loss", 3), ("kl_div", 2),
    ("margin_ranking_loss", 4), ("poisson_nll_loss", 5), ("triplet_margin_loss", 7),
):  # fmt: skip
    OPERATORS[_name] = partial(_numbered, getattr(numbered, _name), _before)
for _n in (2, 3):
    OPERATORS[f"max_unpool{_n}d"] = partial(_max_unpool, _n)
OPERATORS |= {"is_non_overlapping_and_dense": _packed, "_assert_async": checks.assert_async}
OPERATORS |= {"bilinear": functional.bilinear, "embedding_renorm_": numbered.embedding_renorm_}
OPERATORS |= {"embedding_bag": embedding_bag, "_embedding_bag": _bags, "_embedding_bag_forward_only": _bags}
for _name in "nll_loss_nd", "nll_loss2d":
    OPERATORS[_name] = OPERATORS["nll_loss"]
for _name in "nll_loss_forward", "nll_loss2d_forward":
    OPERATORS[_name] = _nll_loss_forward
for _name in "uniform log_normal exponential geometric cauchy".split():
    OPERATORS[_name] = partial(_drawn, _name)
for _n in (1, 2, 3):
    for _mode, _name in (("reflect", "reflection"), ("replicate", "replication")):
        OPERATORS[f"{_name}_pad{_n}d"] = partial(_pad, _mode, _n)
for _n in (2, 3):
    _name = f"max_pool{_n}d_with_indices_backward"
    OPERATORS[_name] = partial(_max_pool_backward, _name, _n)
for _name in "gelu silu mish hardswish hardsigmoid hardtanh softplus hardshrink softshrink glu logit".split():
    OPERATORS[f"{_name}_backward"] = partial(
        derivative, functions.logit if _name == "logit" else getattr(functional, _name)
    )
for _name, _before in (
    ("mse_loss", 2), ("l1_loss", 2), ("smooth_l1_loss", 2), ("huber_loss", 2), ("soft_margin_loss", 2),
    ("binary_cross_entropy", 3), ("multilabel_margin_loss", 2), ("multi_margin_loss", 5),
):  # fmt: skip
    OPERATORS[_name] = partial(_loss, getattr(functional, _name), _before)
_UPSAMPLINGS: dict[str, Callable[..., Any]] = {}
for _mode, _dims, _corners in (
    ("nearest", (1, 2, 3), False), ("nearest-exact", (1, 2, 3), False), ("linear", (1,), True),
    ("bilinear", (2,), True), ("bicubic", (2,), True), ("trilinear", (3,), True),
):  # fmt: skip
    for _n in _dims:
        _name = f"upsample_{_mode.replace('-', '_')}{_n}d"
        _UPSAMPLINGS["_" * ("-" in _mode) + _name] = partial(_upsample, _mode, False, _corners)
for _mode in ("bilinear", "bicubic", "lanczos"):
    _UPSAMPLINGS[f"_upsample_{_mode}2d_aa"] = partial(_upsample, _mode, True, True)
OPERATORS |= _UPSAMPLINGS


def layer(name: str) -> Any:
    """Return what ``torch._C._nn`` has by a name: an operator of this module's, or a function of layers."""
    return OPERATORS[name] if name in _UPSAMPLINGS else getattr(functional, name)


_MODULES = {"special": special, "linalg": linalg}


def _find(namespace: str, name: str) -> Any:
    if namespace != "aten":
        return None
    found = underscored.FUNCTIONS.get(name) or foreach.FUNCTIONS.get(name)
    if found is None:
        module, _, short = name.partition("_")
        if module in _MODULES:
            found = getattr(_MODULES[module], short, None)
    return found


resolvers.insert(0, lambda namespace, name: OPERATORS.get(name) if namespace == "aten" else None)
resolvers.append(_find)
