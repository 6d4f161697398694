"""Which functions autocast computes in which dtype, and the wrapper around these functions that sees to it.

The functions listed here, and no others, are wrapped when their modules are gathered; while autocast is nowhere on, a
wrapper asks one counter. Functions inside a wrapped one are not cast again, nor are backward passes.

Source: https://docs.pytorch.org/docs/2.13/amp.html#autocast-op-reference
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from cltorch import dtypes
from cltorch.autograd.casting import active, state
from cltorch.autograd.grad_mode import mode
from cltorch.functions.convert import to
from cltorch.ops.array import Array
from cltorch.torch_function import unless

__all__: list[str] = []  # nothing of torch.*

_LOWER = (
    "addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d "
    "convolution chain_matmul einsum linalg_vecdot linear lstm matmul mm multi_dot prelu rnn_relu rnn_relu_cell "
    "rnn_tanh rnn_tanh_cell scaled_dot_product_attention"
)
_LOWER_CL = "addmv addr gru gru_cell lstm_cell mv"
_LOWER_CPU = "inner_rows tensordot"  # whose products PyTorch casts
# what ends in a product that PyTorch casts, behind steps that it does not: only the result has fewer bits
_ROUNDED = "corrcoef cov linalg_pinv matrix_power"
_ROUNDED_CL, _ROUNDED_CPU = "pinverse", "affine_grid"
_NARROWEST_CPU = "gru gru_cell lstm_cell"  # whose operands PyTorch casts for products, and not the states
_LOSSES = (
    "binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy hinge_embedding_loss huber_loss kl_div "
    "l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss "
    "smooth_l1_loss soft_margin_loss triplet_margin_loss"
)
_FLOAT32_CL = (
    "acos asin cdist cosh cosine_similarity cumprod cumsum dist erfinv exp expm1 functional_group_norm "
    "functional_layer_norm group_norm interpolate layer_norm linalg_matrix_norm linalg_norm local_response_norm log "
    "log10 log1p log2 log_softmax logsumexp multilabel_soft_margin_loss native_layer_norm norm norm_except_dim "
    "normalize nuclear_norm pairwise_distance pdist pow prod rdiv reciprocal renorm rms_norm rsqrt sinh softmax "
    "softplus square sum tan upsample vector_norm"
)
_FLOAT32_CPU = (
    "adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy cdist cholesky cholesky_inverse "
    "cholesky_solve ctc_loss fft_fft fft_fft2 fft_fftn fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_irfft "
    "fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn fractional_max_pool geqrf grid_sample grid_sampler inverse "
    "linalg_cholesky linalg_cholesky_ex linalg_cond linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh "
    "linalg_householder_product linalg_inv linalg_inv_ex linalg_lstsq linalg_matrix_rank linalg_qr linalg_solve "
    "linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve local_response_norm lu lu_solve max_pool3d "
    "max_unpool nanquantile orgqr ormqr pad_edges pinverse polar prod qr quantile stft svd trace triangular_solve "
    "view_as_complex"
)
_WIDEST = "bilinear"
_WIDEST_CL = "addcdiv addcmul atan2 cross dot grid_sample grid_sampler index_put inner_rows scatter_add tensordot vdot"
_WIDEST_CPU = "cat index_copy stack"
# in PyTorch these take an input of fewer bits beside parameters in float32, and give the input's dtype
_MIXED = "batch_norm functional_batch_norm functional_instance_norm instance_norm native_batch_norm"
_MIXED_CPU = (
    "functional_group_norm functional_layer_norm group_norm layer_norm native_group_norm native_layer_norm rms_norm"
)
_ALONE_CL = "trace"  # made of functions that are cast when a program calls them


def _rules() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for rule, kinds, names in (
        ("lower", ("cpu", "cl"), _LOWER), ("lower", ("cl",), _LOWER_CL),
        ("lower", ("cpu",), _LOWER_CPU), ("float32", ("cpu", "cl"), _LOSSES),
        ("float32", ("cl",), _FLOAT32_CL), ("float32", ("cpu",), _FLOAT32_CPU), ("widest", ("cpu", "cl"), _WIDEST),
        ("widest", ("cl",), _WIDEST_CL), ("widest", ("cpu",), _WIDEST_CPU), ("mixed", ("cpu", "cl"), _MIXED),
        ("mixed", ("cpu",), _MIXED_CPU), ("banned", ("cl",), "binary_cross_entropy"),
        ("rounded", ("cpu", "cl"), _ROUNDED), ("rounded", ("cl",), _ROUNDED_CL), ("rounded", ("cpu",), _ROUNDED_CPU),
        ("narrowest", ("cpu",), _NARROWEST_CPU), ("alone", ("cl",), _ALONE_CL),
    ):  # fmt: skip
        for name in names.split():
            for kind in kinds:
                found.setdefault(name, {})[kind] = rule
    return found


RULES = _rules()
# calls that are not cast for what their arguments ask for: averages of windows (of lines on the host too), and powers
# without a product
_SPARED: dict[str, Callable[..., bool]] = {
    "local_response_norm": lambda input, *args, **kw: input.lay.ndim == 3 and _kind(input) == "cpu",
    "interpolate": lambda input, size=None, scale_factor=None, mode="nearest", *args, **kw: mode == "area",
    "matrix_power": lambda input, n, *args, **kw: abs(n) < 2,
}
_BANNED = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)


def install(modules: Iterable[Any]) -> None:
    """Wrap the listed functions where modules name them in ``__all__``, for all that import them from there later."""
    for module in modules:
        names = vars(module)
        for name in getattr(module, "__all__", ()):
            fn = names[name]
            if not isinstance(fn, FunctionType):
                continue
            if name in RULES:
                names[name] = _wrapped(fn, RULES[name])
            elif fn in _made:  # another name of a function that is wrapped
                names[name] = _made[fn]


_made: dict[Any, Callable[..., Any]] = {}  # one wrapper per function, under however many names


def _wrapped(fn: Callable[..., Any], rules: dict[str, str]) -> Callable[..., Any]:
    if hasattr(fn, "_autocast"):
        return fn
    if fn in _made:
        return _made[fn]

    @functools.wraps(fn)
    def f(*args: Any, **kw: Any) -> Any:
        if active[0]:
            return _cast_call(fn, rules, args, kw)
        return fn(*args, **kw)

    f._autocast = rules  # type: ignore[attr-defined]
    unless[f] = active, fn
    _made[fn] = f
    return f


def _cast_call(fn: Callable[..., Any], rules: dict[str, str], args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    now = state
    if now.off or kw.get("out") is not None:
        return fn(*args, **kw)
    kinds = {_kind(x) for x in _tensors(args, kw)}
    kind = next((k for k in ("cl", "cpu") if k in kinds and now.enabled[k]), None)
    rule = None if kind is None else rules.get(kind)
    if kind is None or rule is None:
        return fn(*args, **kw)
    if rule == "banned":
        raise RuntimeError(_BANNED)
    if fn.__name__ in _SPARED and _SPARED[fn.__name__](*args, **kw):
        rule = "alone"
    back = None
    target = dtypes.float32
    if rule == "lower":
        target = now.dtype[kind]
    elif rule == "alone":
        kind = None
    elif rule == "rounded":
        back = now.dtype[kind] if any(_eligible(x, kind) for x in _tensors(args, kw)) else None
        kind = None
    elif rule == "narrowest":
        target = now.dtype[kind]
        if len({x.dtype for x in _tensors(args, kw) if _eligible(x, kind)}) < 2:
            kind = None
    elif rule == "float32":
        if any(isinstance(x, dtypes.dtype) for x in (*args, *kw.values())):
            kind = None  # the caller has chosen
    elif rule == "widest":
        found = {x.dtype for x in _tensors(args, kw) if _eligible(x, kind)}
        if len(found) < 2:
            kind = None
    else:
        first = args[0] if args else kw.get("input")
        mixed = any(x.dtype is dtypes.float32 for x in _tensors(args, kw))
        if not isinstance(first, Array) or not mixed or first.dtype not in (dtypes.float16, dtypes.bfloat16):
            kind = None
        else:
            back = first.dtype
    if kind is not None:
        chosen = kind
        args = tuple(_cast(x, chosen, target) for x in args)
        kw = {name: _cast(x, chosen, target) for name, x in kw.items()}
    now.off = True
    try:
        result = fn(*args, **kw)
        return result if back is None else _back(result, back)
    finally:
        now.off = False


def _back(result: Any, t: Any) -> Any:
    # statistics that come with a result stay as exact as they are
    return (to(result[0], t), *result[1:]) if isinstance(result, tuple) else to(result, t)


def _tensors(args: tuple[Any, ...], kw: dict[str, Any]) -> list[Any]:
    found = []
    for x in (*args, *kw.values()):
        if isinstance(x, Array):
            found.append(x)
        elif isinstance(x, (list, tuple)):
            found += [y for y in x if isinstance(y, Array)]
    return found


def _kind(x: Any) -> str:
    return x._storage.device.type


def _eligible(x: Any, kind: str) -> bool:
    return x.dtype.is_floating_point and x.dtype is not dtypes.float64 and x._storage.device.type == kind


def _cast(x: Any, kind: str, target: Any) -> Any:
    if isinstance(x, Array):
        return _cast_one(x, kind, target)
    if x.__class__ is list or x.__class__ is tuple:
        return x.__class__(_cast(y, kind, target) for y in x)
    return x


def _cast_one(x: Any, kind: str, target: Any) -> Any:
    if x.dtype is target or not _eligible(x, kind):
        return x
    now = state
    if (
        not now.caching
        or not mode.enabled
        or target is dtypes.float32
        or x.dtype is not dtypes.float32
        or not x._requires_grad
        or x._grad_fn is not None
        or x._base is not None
    ):
        return to(x, target)
    # a weight that several functions use is cast once; without a change in between, the graph of one cast serves all
    key = (id(x), target)
    kept = now.cache.get(key)
    if kept is not None and kept[0] is x and kept[1] == x._storage.version:
        return kept[2]
    made = to(x, target)
    now.cache[key] = (x, x._storage.version, made)
    return made
