"""Drawing of calls: what each parameter is called says what it takes, and sometimes it is given something else."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import cltorch
from cltorch.functions import public
from cltorch.methods import METHODS
from tests.generated.drawing import Choices
from tests.generated.nonsense import DTYPES, Call, Name, Same, T, strides_of

SPACES: dict[str, Any] = {
    "torch": cltorch, "Tensor": cltorch.Tensor, "nn.functional": cltorch.nn.functional, "linalg": cltorch.linalg,
    "fft": cltorch.fft, "special": cltorch.special,
}  # fmt: skip
# what changes settings, reads files or memory, gives out things of this library's own, or calls what it is given
_NOT_CALLED = frozenset(
    """
    from_file frombuffer from_numpy is_grad_enabled lobpcg sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt
    sym_sum write_out apply_ map_ map2_ as_subclass backward data_ptr const_data_ptr module_load record_stream
    register_hook register_post_accumulate_grad_hook share_memory_ is_shared pin_memory is_pinned new type numpy
    LinAlgError Tensor multi_head_attention_forward triplet_margin_with_distance_loss set_ cuda mtia get_device
    is_set_to hash_tensor retain_grad tolist linear_cross_entropy from_ expand_copy symeig
    """.split()
)

SHAPES = (
    (2, 3),
    (3,),
    (),
    (0,),
    (2, 2),
    (1,),
    (2, 1),
    (3, 2),
    (2, 3, 2),
    (1, 3),
    (2, 0),
    (2, 2, 2),
    (4,),
    (1, 2, 3, 2),
)
HUGE = (2**62, 2**50, -(2**62), 2**63, 2**64, -(2**63) - 1)


def names(space: str) -> list[str]:
    """Return the functions of a namespace that are called."""
    where = SPACES[space]
    if space == "torch":
        listed: Any = public.__all__
    elif space == "Tensor":
        listed = METHODS
    else:
        listed = getattr(where, "__all__", None) or dir(where)
    found = [n for n in listed if not n.startswith("_") and n not in _NOT_CALLED and callable(getattr(where, n, None))]
    return sorted(n for n in found if not isinstance(getattr(where, n), type))


@functools.cache
def parameters(space: str, name: str) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(getattr(SPACES[space], name)).parameters.values())


class Drawer:
    """Draw the arguments of one call; tensors mostly have one dtype and sizes that go together."""

    def __init__(self, c: Choices, space: str, name: str, dtypes: tuple[str, ...] = DTYPES) -> None:
        self.c, self.space, self.name, self.dtypes = c, space, name, dtypes
        self.dtype = dtypes[0] if c.number(3) else c.of(dtypes)
        self.shape = self.usual_shape()
        self.tensors: list[T] = []
        self.odd = 0  # how many arguments are nonsense

    def usual_shape(self) -> tuple[int, ...]:
        c, n = self.c, self.name
        if self.space == "linalg" or n in _MATRICES:
            return c.of(((2, 2), (3, 3), (2, 3), (2, 2, 2), (3, 2), (0, 0), (1, 1), (2,), ()))
        for d in (1, 2, 3):
            if f"{d}d" in n and self.space in ("nn.functional", "torch") and not n.startswith("atleast"):
                return c.of(((1, 2) + (4,) * d, (2,) + (4,) * d, (1, 2) + (3,) * d, (0, 2) + (4,) * d, (2, 3), ()))
        if n in _IMAGES:
            return c.of(((1, 4, 4, 4), (1, 4, 2, 2), (2, 4, 4), (0, 4, 4, 4), (2, 4)))
        return c.of(SHAPES)

    # ---- tensors ---------------------------------------------------------------------------------------------
    def tensor(self, shape: tuple[int, ...] | None = None, dtype: str | None = None, kind: str = "numbers") -> T:
        c = self.c
        if shape is None:
            shape = self.shape
            wish = c.number(8)
            if wish == 1 and shape:
                shape = shape[1:]
            elif wish == 2 and shape:
                shape = (*shape[:-1], 1)
            elif wish == 3:
                shape = c.of(SHAPES)
        elif not c.number(8):
            shape = c.of(SHAPES)
        if dtype is None:
            dtype = self.dtype
        if not c.number(10):
            dtype = c.of(self.dtypes)
        strides, offset = strides_of(shape), 0
        wish = c.number(8)
        if wish == 1 and shape:
            strides = tuple(2 * s for s in strides)
        elif wish == 2 and len(shape) > 1:
            strides = tuple(reversed(strides_of(tuple(reversed(shape)))))
        elif wish == 3:
            offset = 1
        elif wish == 4 and shape and c.yes():
            strides = (0, *strides[1:])
        if kind == "index" and not c.number(8):
            kind = "wild"
        away = bool(self.tensors) and c.number(24) == 1  # not one alone, which would build a program
        made = T(dtype, shape, strides, offset, c.number(12), kind, away, grad=c.number(24) == 1)
        if made.grad and dtype not in ("float32", "float64", "float16", "bfloat16", "complex64"):
            made.grad = False
        self.tensors.append(made)
        return made

    def index(self, shape: tuple[int, ...] | None = None) -> T:
        return self.tensor(shape, "int64", "index")

    def again(self) -> Any:
        """Return an operand that was drawn already, or one more."""
        return self.c.of(self.tensors) if self.tensors and not self.c.number(6) else self.tensor()

    def tensor_or_number(self) -> Any:
        return self.again() if self.c.number(3) else self.number()

    def tensors_list(self) -> Any:
        many = [self.again() for _ in range(self.c.number(3) + 1)]
        return tuple(many) if self.c.yes() else many

    # ---- numbers ---------------------------------------------------------------------------------------------
    def number(self) -> Any:
        return self.c.of((2, 0.5, 1, -1, 0, True, 3.0, -0.5, math.inf, math.nan, 1j, 300, 1e40))

    def fraction(self) -> Any:
        return self.c.of((0.5, 0.0, 1.0, 1e-5, 2.0, -0.5, 3, math.nan, math.inf))

    def dim(self) -> Any:
        n = len(self.shape)
        return self.c.number(max(n, 1) + 1) - (max(n, 1) if self.c.yes() else 0) - (1 if not self.c.number(8) else 0)

    def dims(self) -> Any:
        wish = self.c.number(5)
        if wish == 0:
            return None
        if wish == 1:
            return tuple(self.dim() for _ in range(self.c.number(3)))
        if wish == 2:
            return [self.dim(), self.dim()]
        return self.dim()

    def count(self) -> Any:
        c = self.c
        return c.of((1, 2, 3, 0, 4, -1, 2, 1)) if c.number(12) else c.of(HUGE)

    def small(self) -> Any:
        """Return a number of windows' sizes and steps, or one for each dimension."""
        c = self.c
        wish = c.number(4)
        if wish == 0:
            return tuple(c.of((2, 1, 3, 0, -1)) for _ in range(c.number(3) + 1))
        return c.of((2, 1, 3, 1, 2, 0, -1, 5)) if c.number(16) else c.of(HUGE)

    def sizes(self) -> Any:
        c = self.c
        wish = c.number(6)
        if wish == 0:
            return self.shape
        if wish == 1:
            return (-1,)
        if wish == 2:
            return (math.prod(self.shape),)
        if wish == 3:
            return tuple(self.count() for _ in range(c.number(4)))
        if wish == 4:
            return self.shape[::-1]
        return (2, *self.shape)

    def dtype_name(self) -> Any:
        return None if self.c.yes() else Name(self.c.of(self.dtypes))

    def out(self) -> Any:
        return tuple(self.one_out() for _ in range(2)) if self.name in _TWO_OUT else self.one_out()

    def one_out(self) -> Any:
        c = self.c
        wish = c.number(8)
        if wish < 4 and self.tensors:
            return Same(c.of(self.tensors), c.of(("itself", "shifted", "turned", "expanded", "part")))
        if wish == 4:
            return self.tensor((0,), self.dtype)
        return self.tensor()

    # ---- arguments -------------------------------------------------------------------------------------------
    def nonsense(self) -> Any:
        self.odd += 1
        c = self.c
        return c.of((
            None, "text", -1, 1.5, (), [], 2**62, True, math.nan, {}, 1j, "", [None], (1, "a"), [[1, 2], [3]], object,
            2**64, -(2**70), slice(1), [1.5, 2], np.float32(1), np.ones(2), np.int64(2), b"x", {1}, (2, (3,)), 10**30,
            Name("float32"), Name("int64"), range(2), [True], float("-inf"), ..., (2**62, 4), (-1, -1), [2**40, 2**40],
        ))  # fmt: skip

    def argument(self, parameter: inspect.Parameter) -> Any:
        if not self.c.number(18):
            return self.nonsense()
        return self.meant(parameter)

    def meant(self, parameter: inspect.Parameter) -> Any:
        n = parameter.name
        found = _SPECIAL.get((self.name, n)) or _BY_NAME.get(n)
        if found is not None:
            return found(self)
        default = parameter.default
        if isinstance(default, bool):
            return self.c.yes() if self.c.number(8) else self.c.of((1, None, "yes", 2.5))
        if isinstance(default, float):
            return self.fraction() if self.c.yes() else self.number()
        if isinstance(default, int):
            return self.count()
        if isinstance(default, str):
            return default
        if default is inspect.Parameter.empty:
            return self.again()
        return self.again() if self.c.yes() else None


def call(c: Choices, space: str, name: str, dtypes: tuple[str, ...] = DTYPES) -> Call:
    """Draw one call of a function: what it needs in order, some of the rest by name."""
    d = Drawer(c, space, name, dtypes)
    args: list[Any] = []
    named: dict[str, Any] = {}
    for i, p in enumerate(parameters(space, name)):
        if i == 0 and space == "Tensor":
            args.append(d.tensor(d.shape))
        elif p.kind is p.VAR_POSITIONAL:
            args.extend(_several(d, p.name))
        elif p.kind is p.VAR_KEYWORD or p.name.startswith("_") or p.name in ("generator", "pin_memory", "layout"):
            continue
        elif p.default is p.empty:
            args.append(d.argument(p))
        elif p.name == "out":
            if space != "Tensor" and not c.number(5):
                named["out"] = d.argument(p)
        elif not c.number(3):
            named[p.name] = d.argument(p)
    if not c.number(40) and args:
        args.pop() if len(args) > 1 or space != "Tensor" else args.append(d.nonsense())
    return Call(space, name, args, named)


def _several(d: Drawer, parameter: str) -> list[Any]:
    if parameter in ("tensors", "operands", "matrices"):
        if d.name == "einsum":
            return [d.again() for _ in range(d.c.number(2) + 1)]
        return [d.again() for _ in range(d.c.number(3) + (1 if parameter == "tensors" else 2))]
    if not d.c.number(10):
        return [d.nonsense()]
    if parameter == "shapes":
        return [d.sizes(), d.sizes()]
    if d.name in ("unsqueeze_", "squeeze_"):
        return [d.dim()]
    if d.name in ("t_", "eig", "lstsq", "solve", "symeig"):
        return []
    if d.name in ("swapaxes_", "swapdims_", "transpose_"):
        return [d.dim(), d.dim()]
    if d.name == "as_strided_":
        return [d.sizes(), d.sizes()]
    if d.name in ("arange", "randint", "random_"):
        found = [d.number() for _ in range(d.c.number(3) + 1)]
        return [*found, (2, 3)] if d.name == "randint" else found
    if d.name in ("permute", "flip"):
        order = list(range(len(d.shape)))[::-1]
        return [tuple(order)] if d.c.yes() else order
    if parameter in ("args", "params") and d.name in ("gru", "lstm", "rnn_tanh", "rnn_relu"):
        return [d.again() for _ in range(3)]
    if parameter == "params":
        return []
    sizes = d.sizes()
    return [sizes] if d.c.yes() else list(sizes)


def _way(*options: Any) -> Callable[[Drawer], Any]:
    return lambda d: d.c.of(options)


_MATRICES = frozenset(
    """
    mm addmm cholesky geqrf lu lu_unpack qr cholesky_inverse cholesky_solve inverse lu_solve triangular_solve det logdet
    pinverse slogdet svd matrix_exp orgqr ormqr pca_lowrank svd_lowrank matrix_power trace corrcoef cov cdist pdist
    linear bilinear addmv mv addr chain_matmul multi_dot addmm_ addmv_ addr_ normalize embedding embedding_bag
    multi_margin_loss multilabel_margin_loss cross_entropy nll_loss cosine_embedding_loss
    """.split()
)
_IMAGES = frozenset(
    """
    pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle fold unfold interpolate upsample grid_sample
    grid_sampler local_response_norm batch_norm instance_norm group_norm upsample_bilinear upsample_nearest affine_grid
    affine_grid_generator native_batch_norm
    """.split()
)
_TWO_OUT = frozenset(
    """
    sort topk kthvalue mode median nanmedian cummax cummin aminmax frexp histogram qr geqrf slogdet eigh eig ldl_factor
    lu_factor inv_ex cholesky_ex triangular_solve
    """.split()
)
_dim, _count, _small = Drawer.dim, Drawer.count, Drawer.small


def _all(names: str, way: Callable[[Drawer], Any]) -> dict[str, Callable[[Drawer], Any]]:
    return dict.fromkeys(names.split(), way)


_BY_NAME: dict[str, Callable[[Drawer], Any]] = {
    **_all("input self x A a tensor x1 real src source anchor query LU_data obj elements", Drawer.tensor),
    **_all("other end exponent min max y weight target positive negative values", Drawer.again),
    **_all("value alpha beta fill_value nan posinf neginf lambd threshold start step base low", Drawer.number),
    **_all("high maxnorm s negative_slope min_val max_val delta margin norm_type", Drawer.number),
    **_all("eps p momentum rtol atol lower upper output_ratio q mean std rcond", Drawer.fraction),
    **_all("dim dims", Drawer.dims),
    **_all("dim0 dim1 dim2 axis0 axis1 start_dim end_dim dimension destination", _dim),
    **_all("k n m length steps repeats shifts chunks num_samples groups offset diagonal row col", _count),
    **_all("num_groups minlength bins N window_length n_fft upscale_factor downscale_factor", _count),
    **_all("num_classes storage_offset hop_length win_length decimals correction r blank ignore_index", _count),
    **_all("kernel_size stride padding dilation output_padding", _small),
    **_all("size sizes shape normalized_shape split_sizes output_size", Drawer.sizes),
    **_all("tensors matrices", Drawer.tensors_list),
    **_all("index indices", Drawer.index),
    "mask": lambda d: d.tensor(None, "bool"),
    "condition": lambda d: d.tensor(None, "bool"),
    "dtype": Drawer.dtype_name,
    "out": Drawer.out,
    "device": _way(None, "cpu", "cl:99", "nowhere", "cpu:7"),
    "requires_grad": _way(False, True),
    "memory_format": lambda d: None,
    "reduce": _way("add", "sum", "prod", "mean", "amax", "amin", "multiply", "nonsense"),
    "reduction": _way("mean", "sum", "none", "nonsense"),
    "rounding_mode": _way(None, "floor", "trunc", "nonsense"),
    "mode": _way("constant", "reflect", "replicate", "circular", "nearest", "bilinear", "sum", "mean", "max", "area"),
    "padding_mode": _way("zeros", "border", "reflection", "nonsense"),
    "interpolation": _way("linear", "lower", "higher", "midpoint", "nearest", "nonsense"),
    "norm": _way(None, "ortho", "forward", "backward", "nonsense"),
    "ord": _way(None, 2, 1, "fro", "nuc", math.inf, -1, 0, "nonsense"),
    "bias": lambda d: d.tensor((2,)) if d.c.yes() else None,
    "pad": lambda d: d.c.of(((1, 1), (0, 1), (1, 1, 1, 1), (-1, 1), (1,), (-9, 0), (2**62, 2**62))),
    "indices_or_sections": lambda d: d.c.of((2, 1, (1,), [1, 2], 0, -1, (5, 1))),
    "split_size_or_sections": lambda d: d.c.of((2, 1, (1, 1), [1, 2], 0, -1, (5, -1))),
    "indexing": _way("ij", "xy", "nonsense"),
    "side": _way("left", "right", "nonsense"),
    "UPLO": _way("L", "U", "nonsense"),
    "driver": _way(None, "gesvd", "gelsd", "gels", "nonsense"),
    "unbiased": _way(True, False),
    "return_complex": _way(True, False, None),
    "scale_factor": _way(2, 0.5, 1.5, (2, 2), 0, -1),
    "divisor_override": _way(None, 2, 0, -1),
    "range": lambda d: d.c.of((None, (0.0, 1.0), (1.0, 0.0), (0.0,))),
    "weights": lambda d: d.tensor(),
    "pos_weight": lambda d: d.tensor(),
    "running_mean": lambda d: d.tensor((2,)) if d.c.yes() else None,
    "running_var": lambda d: d.tensor((2,)) if d.c.yes() else None,
    "window": lambda d: d.tensor((2,)) if d.c.yes() else None,
    "boundaries": lambda d: d.tensor((3,)),
    "sorted_sequence": lambda d: d.tensor(),
    "input_lengths": lambda d: d.c.of(((2,), (2, 2), T("int64", (2,), (1,), 0, 0, "index"))),
    "target_lengths": lambda d: d.c.of(((1,), (1, 1), T("int64", (2,), (1,), 0, 0, "index"))),
    "data": _way([1, 2], 1.5, [[1], [2.5]], [[1, 2], [3]], [], "text", [True, 1j], ((),), [2**63], [None]),
    "spacing": lambda d: d.c.of((1, 2.0, (1.0, 2.0), None)),
}  # fmt: skip
_SPECIAL: dict[tuple[str, str], Callable[[Drawer], Any]] = {
    ("einsum", "equation"): _way("ij,jk->ik", "ii", "i,i->", "ij->ji", "...i->...", "ij,kj", "i->j", "->", "i,", "a-b"),
    ("gather", "dim"): _dim,
    ("where", "other"): Drawer.tensor_or_number,
    ("where", "input"): Drawer.tensor_or_number,
    ("bernoulli", "p"): lambda d: d.fraction() if d.c.yes() else None,
    ("normal", "mean"): lambda d: d.again() if d.c.yes() else d.fraction(),
    ("normal", "std"): lambda d: d.again() if d.c.yes() else d.fraction(),
    ("lerp", "weight"): Drawer.tensor_or_number,
    ("split", "tensor"): Drawer.tensor,
    ("embedding", "input"): lambda d: d.index((3,)),
    ("embedding_bag", "input"): lambda d: d.index((2, 2)),
    ("embedding", "weight"): Drawer.tensor,
    ("one_hot", "tensor"): lambda d: d.index(),
    ("one_hot", "input"): lambda d: d.index(),
    ("cross_entropy", "target"): lambda d: d.index((2,)) if d.c.number(3) else d.again(),
    ("nll_loss", "target"): lambda d: d.index((2,)),
    ("multi_margin_loss", "target"): lambda d: d.index((2,)),
    ("multilabel_margin_loss", "target"): lambda d: d.index(),
    ("bincount", "input"): lambda d: d.index((3,)),
    ("bincount", "weights"): lambda d: d.tensor((3,)) if d.c.yes() else None,
    ("repeat_interleave", "repeats"): lambda d: d.index((2,)) if d.c.number(3) == 0 else d.count(),
    ("put", "index"): lambda d: d.index((2,)),
    ("cross", "dim"): _dim,
    ("slice_scatter", "start"): _count,
    ("slice_scatter", "end"): _count,
    ("slice_scatter", "step"): _count,
    ("slice_copy", "step"): _count,
    ("narrow", "start"): _count,
    ("narrow_copy", "start"): _count,
    ("matrix_power", "n"): _way(2, 0, -1, 1, 3),
    ("polygamma", "n"): _way(1, 0, 2, -1),
    ("multigammaln", "p"): _way(1, 2, 0, -1),
    ("mvlgamma", "p"): _way(1, 2, 0, -1),
    ("combinations", "r"): _way(2, 1, 0, 3, -1),
    ("vander", "N"): _way(None, 2, 0, -1),
    ("diff", "n"): _way(1, 2, 0, -1, 9),
    ("as_tensor", "device"): _way(None, "cpu"),
    ("scatter", "dim"): _dim,
    ("select", "index"): _count,
    ("select_copy", "index"): _count,
    ("select_scatter", "index"): _count,
    ("unravel_index", "shape"): lambda d: d.c.of(((2, 2), 4, (0,), (-1, 2), (2**62, 4))),
    ("permute", "dims"): lambda d: tuple(range(len(d.shape)))[::-1] if d.c.number(3) else d.dims(),
    ("kaiser_window", "beta"): Drawer.fraction,
    ("svd_lowrank", "niter"): _way(2, 0, -1),  # it takes as long as they are many
    ("pca_lowrank", "niter"): _way(2, 0, -1),
    ("pow", "exponent"): Drawer.tensor_or_number,
    ("glu", "dim"): _dim,
    ("full", "size"): Drawer.sizes,
    ("conv_tbc", "pad"): _count,
    ("linspace", "steps"): _count,
    ("logspace", "steps"): _count,
}
for _n in SPACES["special"].__all__:
    if "polynomial" in _n:
        _SPECIAL[_n, "n"] = _way(2, 0, -1, 5, 1.5, 7)  # it takes as long as its degree
for _n in "add sub mul div remainder fmod floor_divide eq ne lt le gt ge bitwise_and bitwise_or xlogy copysign".split():
    _SPECIAL[_n, "other"] = Drawer.tensor_or_number
for _n in "gather scatter scatter_add scatter_reduce index_add index_copy index_fill index_reduce index_select".split():
    _SPECIAL[_n, "dim"] = _dim
for _n in "index_add index_copy index_fill index_reduce index_select take".split():
    _SPECIAL[_n, "index"] = lambda d: d.index((2,))
for _n, _d in (
    ("conv", 1),
    ("conv", 2),
    ("conv", 3),
    ("conv_transpose", 1),
    ("conv_transpose", 2),
    ("conv_transpose", 3),
):
    _SPECIAL[f"{_n}{_d}d", "weight"] = lambda d, k=_d: d.tensor((2, 2) + (2,) * k)
