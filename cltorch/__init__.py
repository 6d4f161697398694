"""cltorch: PyTorch's API on any OpenCL device.

>>> import cltorch as torch
>>> x = torch.ones(2, 3)
>>> (x + 1).sum()
tensor(12.)
"""

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any
from warnings import warn as _warn

from numpy import newaxis

from cltorch import (
    __future__,
    accelerator,
    amp,
    autograd,
    backends,
    cl,
    dtypes,
    functions,
    linalg,
    nn,
    random,
    serialization,
    special,
    utils,
    version,
)
from cltorch import aten_facts as _aten_facts  # what torch.ops finds
from cltorch import aten_gradients as _aten_gradients
from cltorch import cl as cuda
from cltorch import cl as opencl
from cltorch.accelerator import get_device_module
from cltorch.amp import GradScaler, autocast
from cltorch.amp.scaling import FUNCTIONS as _scaling
from cltorch.amp.settings import (
    autocast_decrement_nesting,
    autocast_increment_nesting,
    clear_autocast_cache,
    get_autocast_cpu_dtype,
    get_autocast_dtype,
    get_autocast_gpu_dtype,
    is_autocast_cache_enabled,
    is_autocast_cpu_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
    set_autocast_cpu_dtype,
    set_autocast_cpu_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
    set_autocast_gpu_dtype,
)
from cltorch.autograd import (
    enable_grad,
    inference_mode,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from cltorch.autograd.anomaly_mode import is_anomaly_check_nan_enabled, set_anomaly_enabled
from cltorch.batched import Batched as _Batched  # what vmap makes of tensors
from cltorch.checks import assert_ as _assert
from cltorch.checks import assert_async as _assert_async
from cltorch.checks import check as _check
from cltorch.checks import check_index as _check_index
from cltorch.checks import check_is_size as _check_is_size
from cltorch.checks import check_not_implemented as _check_not_implemented
from cltorch.checks import check_tensor_all as _check_tensor_all
from cltorch.checks import check_tensor_all_with as _check_tensor_all_with
from cltorch.checks import check_type as _check_type
from cltorch.checks import check_value as _check_value
from cltorch.checks import check_with as _check_with
from cltorch.cl import Event, Stream
from cltorch.compiler import compile
from cltorch.control_flow import cond, while_loop
from cltorch.device import device, get_default_device, set_default_device
from cltorch.dlpack import from_dlpack, to_dlpack
from cltorch.dtype_names import (
    bits1x8,
    bits2x4,
    bits4x2,
    bits8,
    bits16,
    float4_e2m1fn_x2,
    int1,
    int2,
    int3,
    int4,
    int5,
    int6,
    int7,
    qint8,
    qint32,
    quint2x4,
    quint4x2,
    quint8,
    uint1,
    uint2,
    uint3,
    uint4,
    uint5,
    uint6,
    uint7,
)
from cltorch.dtype_names import uint1 as bit
from cltorch.dtypes import (
    bfloat16,
    can_cast,
    complex32,
    complex64,
    complex128,
    dtype,
    finfo,
    float8_e4m3fn,
    float8_e4m3fnuz,
    float8_e5m2,
    float8_e5m2fnuz,
    float8_e8m0fnu,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)
from cltorch.dtypes import bool_ as bool
from cltorch.dtypes import complex32 as chalf
from cltorch.dtypes import complex64 as cfloat
from cltorch.dtypes import complex128 as cdouble
from cltorch.dtypes import float16 as half
from cltorch.dtypes import float32 as float
from cltorch.dtypes import float64 as double
from cltorch.dtypes import int16 as short
from cltorch.dtypes import int32 as int
from cltorch.dtypes import int64 as long
from cltorch.errors import (
    AcceleratorError,
    BuildError,
    DeviceError,
    DeviceIndexError,
    DeviceMemoryError,
    OutOfMemoryError,
)
from cltorch.foreach import FUNCTIONS as _foreach
from cltorch.formats import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    legacy_contiguous_format,
    memory_format,
    preserve_format,
    sparse_coo,
    strided,
)
from cltorch.functions.from_data import shape_as_tensor as _shape_as_tensor
from cltorch.functions.gamma_sample import dirichlet_slope as _dirichlet_grad
from cltorch.functions.gamma_sample import gamma_slope as _standard_gamma_grad
from cltorch.functions.gamma_sample import sample_dirichlet as _sample_dirichlet
from cltorch.functions.gamma_sample import standard_gamma as _standard_gamma
from cltorch.functions.linalg_norm import with_norms as _weight_norm
from cltorch.functions.linalg_norm import with_norms_and_norms as _weight_norm_interface
from cltorch.functions.public import *  # noqa: F403  # every function of the torch namespace, new rows included
from cltorch.functions.softmax import log_softmax_backward_data as _log_softmax_backward_data
from cltorch.functions.softmax import softmax_backward_data as _softmax_backward_data
from cltorch.nn.functional.embedding_bag_plain import embedding_bag
from cltorch.nn.functional.numbered import (
    bilinear,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    embedding_renorm_,
    hinge_embedding_loss,
    kl_div,
    margin_ranking_loss,
    poisson_nll_loss,
    triplet_margin_loss,
)
from cltorch.ops.fallback import get_host_fallback, set_host_fallback
from cltorch.ops.generator import Generator
from cltorch.printing import set_printoptions
from cltorch.public_forms import builtin as _builtin
from cltorch.random import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
    thread_safe_generator,
)
from cltorch.serialization import load, save
from cltorch.settings import (
    are_deterministic_algorithms_enabled,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    has_lapack,
    has_mkl,
    has_openmp,
    has_spectral,
    is_deterministic_algorithms_warn_only_enabled,
    is_vulkan_available,
    is_warn_always_enabled,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    set_warn_always,
    use_deterministic_algorithms,
)
from cltorch.shapes import Size
from cltorch.sparse import sparse_coo_tensor
from cltorch.storage import (
    BFloat16Storage,
    BoolStorage,
    ByteStorage,
    CharStorage,
    ComplexDoubleStorage,
    ComplexFloatStorage,
    DoubleStorage,
    FloatStorage,
    HalfStorage,
    IntStorage,
    LongStorage,
    ShortStorage,
    TypedStorage,
    UntypedStorage,
    is_storage,
)
from cltorch.storage import FloatStorage as Storage
from cltorch.tensor import Tensor, is_tensor
from cltorch.torch_function import DisableTorchFunction, DisableTorchFunctionSubclass
from cltorch.typed import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    set_default_tensor_type,
    typename,
)
from cltorch.underscored import FUNCTIONS as _underscored
from cltorch.version import __version__

if _TYPE_CHECKING:
    from cltorch import optim

# what few programs need is imported at its first use
_LATER = frozenset(
    "_C _VF __config__ _dynamo compat compiler cpu distributed distributions fft func futures fx hub jit library mps "
    "mtia masked multiprocessing onnx optim overrides profiler quasirandom return_types signal testing types vision "
    "xpu".split()
)

globals().update(_foreach | _underscored | _scaling)  # not for `import *`

# what PyTorch has not written in Python and no tensor can override: it is no method as an attribute of a class either
for _name in """
    autocast_decrement_nesting autocast_increment_nesting can_cast clear_autocast_cache from_numpy
    get_autocast_cpu_dtype get_autocast_dtype get_autocast_gpu_dtype get_default_dtype get_num_interop_threads
    get_num_threads is_anomaly_check_nan_enabled is_anomaly_enabled is_autocast_cache_enabled
    is_autocast_cpu_enabled is_autocast_enabled is_grad_enabled is_inference_mode_enabled is_vulkan_available
    promote_types set_anomaly_enabled set_autocast_cache_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled
    set_autocast_dtype set_autocast_enabled set_autocast_gpu_dtype set_flush_denormal set_num_interop_threads
    set_num_threads sparse_coo_tensor to_dlpack
    """.split():
    globals()[_name] = _builtin(globals()[_name], __name__, _name)
del _name


# what is asked of torch.backends now
_FORMER = {
    "has_cuda": ("cuda", "is_built"),
    "has_cudnn": ("cudnn", "is_available"),
    "has_mkldnn": ("mkldnn", "is_available"),
    "has_mps": ("mps", "is_built"),
}


def __getattr__(name: str) -> _Any:
    if name == "vmap":
        return _import_module("cltorch.func").vmap
    if name == "functional":  # torch.functional has the functions under the names of torch.*
        return _import_module("cltorch.functions.public")
    if name.startswith("_fused_"):
        steps = _import_module("cltorch.optim.fused_steps").FUNCTIONS
        if name in steps:
            return steps[name]
    if name in _FORMER:
        module, question = _FORMER[name]
        _warn(f"'{name}' is deprecated, please use 'torch.backends.{module}.{question}()'", stacklevel=2)
        return getattr(getattr(backends, module), question)()
    if name == "set_vital":  # which does nothing in PyTorch either
        _warn(f"'{name}' is deprecated, please do not call", stacklevel=2)
        return lambda *args: None
    if name in _LATER:
        return _import_module(f"cltorch.{name}")
    raise AttributeError(f"module 'cltorch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, "functional", "vmap"})
