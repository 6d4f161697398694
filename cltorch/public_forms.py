"""The public forms of functions: the objects behind ``torch.add`` and ``torch.nn.functional.linear``.

They ask modes and subclasses of Tensor (see ``torch_function``) and then call what the package itself calls. Like
PyTorch's, those that it writes in C++ are no methods where a class has them as attributes, the others are.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from cltorch.torch_function import PATHS, asking, called, method, on, overloaded, twin, unless

# what PyTorch writes in Python of torch.*, and in C++ of torch.nn.functional
_IN_PYTHON = frozenset(
    """
    atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cartesian_prod cdist chain_matmul eig einsum lobpcg
    lstsq lu matrix_rank meshgrid norm pca_lowrank solve split stft svd_lowrank sym_float sym_int sym_ite sym_max
    sym_min sym_not sym_sqrt sym_sum symeig tensordot unique unique_consecutive unravel_index
    """.split()
)
_BUILTIN_LAYERS = frozenset(
    """
    adaptive_avg_pool1d avg_pool1d avg_pool2d avg_pool3d bilinear celu_ channel_shuffle conv1d conv2d conv3d conv_tbc
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity elu_ gelu hardshrink hardtanh_ leaky_relu_
    linear logsigmoid native_channel_shuffle one_hot pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu relu_
    rrelu_ scaled_dot_product_attention selu_ softplus softshrink threshold_
    """.split()
)
#: Functions that make tensors of what are no tensors: an argument of a subclass is not asked.
MODES_ONLY = frozenset(
    """
    arange as_tensor asarray bartlett_window blackman_window empty empty_permuted empty_strided eye frombuffer full
    hamming_window hann_window kaiser_window linspace logspace normal ones rand randint randn randperm range
    scalar_tensor tensor tril_indices triu_indices vander zeros from_file fft_fftfreq fft_rfftfreq fftfreq rfftfreq
    """.split()
)
_NEVER = frozenset(("broadcast_shapes", "from_numpy"))  # which look at no tensor

#: NumPy's names of arguments, which PyTorch's functions written in C++ take too.
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}

#: what overloads call the first operand where it is a number, of functions that take numbers there
_SELF = dict.fromkeys(("bucketize", "float_power", "pow", "searchsorted", "where"), "input")


def _with_numpys_names(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes NumPy's names of its arguments where it refuses them."""

    @functools.wraps(f)
    def g(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except TypeError:
            renamed = _as_named_here(f, kwargs) if kwargs else None
            if renamed is None:
                raise
        return f(*args, **renamed)

    return g


def _as_named_here(f: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return keywords by a function's own names for NumPy's, or None where none of them is NumPy's."""
    own = inspect.signature(f).parameters
    found = {}
    for k, v in kwargs.items():
        name = k if k in own else _SELF.get(f.__name__, k) if k == "self" else NUMPY_NAMES.get(k, k)
        found[name if name in own else k] = v
    return found if found.keys() != kwargs.keys() and len(found) == len(kwargs) else None


class Builtin(functools.partial[Any]):
    """A function that is no method where a class has it as an attribute, like those that PyTorch writes in C++."""

    __name__: str

    def __get__(self, instance: Any, owner: Any = None) -> Builtin:
        return self

    def __reduce__(self) -> Any:
        return self.__name__  # what names a global to pickle

    def __repr__(self) -> str:
        return f"<built-in function {self.__name__}>"


def builtin(f: Callable[..., Any], module: str, name: str) -> Any:
    """Return a function's form that is no method, for a name of a module."""
    made: Any = Builtin(f)
    made.__module__, made.__name__, made.__qualname__, made.__doc__ = module, name, name, f.__doc__
    made.__wrapped__ = f  # for its signature
    return made


def function(f: Callable[..., Any], module: str, path: str, modes_only: bool = False, binds: bool = True) -> Any:
    """Return the public form of a function, which asks modes and (unless ``modes_only``) arguments.

    Objects that are no tensors are asked too: where nothing else is on, once the function has refused them. With
    ``binds`` it is a method where a class has it as an attribute.
    """
    name = path.rpartition(".")[2]
    if f in asking:
        own: Any = twin(f)  # type: ignore[arg-type]
        public = own if binds else builtin(own, module, name)
        method(own, path, public)
        own.__name__, own.__qualname__, own.__module__ = name, name, module
        return public
    switch, inner = unless.get(f, (on, f))

    @functools.wraps(f)
    def g(*args: Any, **kwargs: Any) -> Any:
        if on[0] or switch[0]:
            return call(args, kwargs)
        try:
            return inner(*args, **kwargs)
        except TypeError:
            if modes_only or overloaded(args, kwargs) is None:
                renamed = _as_named_here(f, kwargs) if kwargs and not binds else None
                if renamed is None:
                    raise
                return inner(*args, **renamed)
        return call(args, kwargs)

    g.__module__, g.__qualname__, g.__name__ = module, name, name
    public = g if binds else builtin(g, module, name)
    PATHS[public] = path
    call = called(public, f if binds else _with_numpys_names(f), modes_only)
    return public


def functions(names: Iterable[str], namespace: dict[str, Any], module: str, prefix: str) -> None:
    """Put the public forms of functions into a module's namespace, one for each function under however many names."""
    made: dict[Any, Any] = {}
    for name in names:
        f = namespace[name]
        if isinstance(f, FunctionType) and f not in PATHS and name not in _NEVER:
            key = f, _binds(prefix, name)
            if key not in made:
                modes_only = name in MODES_ONLY and prefix != "torch.linalg"
                made[key] = function(f, module, f"{prefix}.{name}", modes_only, key[1])
            namespace[name] = made[key]


def _binds(prefix: str, name: str) -> bool:
    """Return whether PyTorch has written a function in Python, so that it is a method as an attribute of a class."""
    if prefix == "torch.nn.functional":
        return name not in _BUILTIN_LAYERS
    return prefix == "torch.nn.init" or (prefix == "torch" and name in _IN_PYTHON)
