"""What libraries call of PyTorch's inner module, torch._C: questions with a fixed answer, and types."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from cltorch import accelerator, aten, functions, torch_function
from cltorch.autograd import batch_levels as _batches_of
from cltorch.autograd.batch_levels import state as _batches
from cltorch.autograd.blocking import NoGradient
from cltorch.autograd.dual_levels import state as _duals
from cltorch.autograd.edges import is_multithreading_enabled
from cltorch.autograd.engine import running_node, tasks
from cltorch.autograd.forward_ad import _is_fwd_grad_enabled as _is_fwd_grad_enabled
from cltorch.autograd.grad_mode import mode as _mode
from cltorch.autograd.grad_mode import set_grad_enabled as _set_grad
from cltorch.autograd.graph import AccumulateGrad, Node
from cltorch.autograd.graph import replay as _replay
from cltorch.autograd.links import refusing
from cltorch.autograd.saved import Saved
from cltorch.cl.devices import _is_in_bad_fork as _cuda_isInBadFork  # noqa: F401
from cltorch.cl.streams import Event as Event
from cltorch.cl.streams import Stream as Stream
from cltorch.device import device as device
from cltorch.device import get_default_device
from cltorch.dtypes import dtype as dtype
from cltorch.errors import OutOfMemoryError as OutOfMemoryError
from cltorch.formats import layout as layout
from cltorch.formats import memory_format as memory_format
from cltorch.func import levels as _levels
from cltorch.ops.generator import Generator as Generator
from cltorch.random import default_generator as default_generator
from cltorch.shapes import Size as Size
from cltorch.storage_types import UntypedStorage as StorageBase
from cltorch.tensor import Tensor as _Tensor
from cltorch.torch_function import DisableTorchFunction as DisableTorchFunction
from cltorch.torch_function import DisableTorchFunctionSubclass as DisableTorchFunctionSubclass


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    device, dtype, non_blocking, memory_format, _ = functions.parse_to(*args, **kwargs)
    return device, dtype, non_blocking, memory_format


class _Functions:
    """Functions of layers: those of torch.nn.functional, and what reads the arguments of ``Tensor.to``."""

    _parse_to = staticmethod(_parse_to)

    def __getattr__(self, name: str) -> Any:
        return aten.layer(name)


# What PyTorch was built with: of its libraries, one of LAPACK's kind stands here too, and Fourier transforms. The names
# of CUDA stand for OpenCL devices, as in torch.backends.cuda.
_has_cuda = has_lapack = has_spectral = _GLIBCXX_USE_CXX11_ABI = True
_has_cudnn = _has_cusparselt = _has_eigen_sparse = _has_kleidiai = _has_magma = _has_mkldnn = _has_mkldnn_acl = False
_has_mps = _has_xpu = has_mkl = has_openmp = False

_nn = _Functions()
_VariableFunctions = functions.public

TensorBase = _TensorBase = _Tensor
_disabled_torch_function_impl = torch_function.disabled
_disabled_torch_dispatch_impl = torch_function.undispatched
_push_on_torch_function_stack, _pop_torch_function_stack = torch_function.push, torch_function.pop

__all__ = [
    "DisableTorchFunction", "DisableTorchFunctionSubclass", "Event", "Generator", "OutOfMemoryError", "Size",
    "StorageBase", "Stream", "TensorBase", "default_generator", "device", "dtype", "layout", "memory_format",
]  # fmt: skip


class _Autograd:
    """Nodes of the graph that programs make or ask for by name."""

    AccumulateGrad = AccumulateGrad

    class DelayedError:
        """Hand tensors on; a gradient that comes back raises RuntimeError with a message."""

        def __init__(self, msg: str | bytes, num_inputs: int) -> None:
            self.msg, self.num_inputs = msg.decode() if isinstance(msg, bytes) else msg, num_inputs

        def __call__(self, *tensors: Any) -> Any:
            made = refusing(self.msg, tensors)
            return made[0] if len(made) == 1 else tuple(made)

    class UndefinedGrad:
        """Hand a tensor on; no gradient comes back."""

        def __call__(self, x: Any) -> Any:
            return NoGradient.apply(x)


class _Kept:
    """The class of what nodes keep, and the versions of tensors."""

    SavedTensor = Saved

    @staticmethod
    def _make_saved_tensor(tensor: Any, is_output: bool) -> Any:
        """Keep a tensor as a node does, by the hooks that are on."""
        return Saved(tensor, True if is_output else None)

    @staticmethod
    def _saved_tensors_hooks_is_enabled() -> bool:
        """Return whether hooks of saved tensors may be set."""
        return _mode.hooks_refused is None

    @staticmethod
    def _get_current_graph_task_keep_graph() -> bool:
        """Return whether the backward pass around the caller keeps its graph; True outside of any."""
        return tasks.running[-1].keeps if tasks.running else True

    @staticmethod
    def _unsafe_set_version_counter(tensors: tuple[Any, ...], versions: tuple[int, ...]) -> None:
        for x, version in zip(tensors, versions, strict=True):
            if version < 0:
                raise RuntimeError(f"Cannot set a version_counter to a value below 0: {version}")
            x._storage.version = version


_functions = _Autograd()
_autograd = _Kept()
_current_autograd_node = running_node


def _current_graph_task_id() -> int:
    """Return the number of the backward pass around the caller, or -1."""
    return tasks.running[-1].number if tasks.running else -1


def _will_engine_execute_node(node: Any) -> bool:
    """Return whether the backward pass around the caller runs a node; raise RuntimeError where there is none."""
    if not isinstance(node, Node):
        raise RuntimeError(f"_will_engine_execute_node expects an grad_fn, but got {type(node).__name__}")
    if not tasks.running:
        raise RuntimeError("_get_should_execute_nodes should only be called during the backward pass")
    task = tasks.running[-1]
    if task.returns and isinstance(node, AccumulateGrad):
        raise RuntimeError(
            "A leaf node was passed to _will_engine_execute_node but we are currently running autograd.grad(). This is "
            "currently not supported."
        )
    return task.will_run(node)


def _current_graph_task_execution_order() -> list[Node]:
    """Return the nodes of the backward pass around the caller as they run; raise RuntimeError where there is none."""
    if not tasks.running:
        raise RuntimeError("_current_graph_task_execution_order should only be called during the backward pass")
    if is_multithreading_enabled():
        raise RuntimeError(
            "get_current_graph_task_execution_order expects the current backward to be executed with multithreading "
            "disabled, e.g. by running:\n\n>>> with torch.autograd.set_multithreading_enabled(False):\n"
            "...     torch.autograd.grad(...)\n"
        )
    return tasks.running[-1].order()


def _set_fwd_grad_enabled(enabled: bool) -> None:
    """Switch forward-mode derivatives on or off."""
    _duals.enabled = bool(enabled)


def _is_view_replay_enabled() -> bool:
    """Return whether the history of a changed view is made anew from its own operation."""
    return _replay.on


def _set_grad_enabled(enabled: bool) -> None:
    """Record operations from now on, or do not."""
    _set_grad(enabled)


class _Batches:
    """Questions about the batches of vmap."""

    @staticmethod
    def is_batchedtensor(tensor: Any) -> bool:
        """Return whether a tensor is a batch's slice within vmap."""
        return bool(tensor._batch)

    @staticmethod
    def get_unwrapped(tensor: Any) -> Any:
        """Return the tensor that a batch's slice stands for, at the innermost level of vmap; others as they are."""
        return tensor._inner if tensor._batch else tensor

    @staticmethod
    def _add_batch_dim(tensor: Any, in_dim: int, level: int) -> Any:
        """Return a tensor as a batch along a dimension, at a level of vmap."""
        return _batches_of.wrap(functions.movedim(tensor, in_dim, 0), level)

    @staticmethod
    def _remove_batch_dim(tensor: Any, level: int, batch_size: int, out_dim: int) -> Any:
        """Return the tensor that a slice at a level stands for, with the batch along a dimension."""
        return functions.movedim(_batches_of.expose(tensor, level, batch_size), 0, out_dim)


_functorch = _Batches()


def _is_alias_of(first: Any, second: Any) -> bool:
    """Return whether two tensors share their storage."""
    return first._storage is second._storage


def _get_accelerator() -> Any:
    """Return the kind of device that accelerates; the host, where there is none."""
    return accelerator.current_accelerator() or device("cpu")


def _get_privateuse1_backend_name() -> str:
    """Return the name of a device that a program could add: there is none."""
    return "privateuseone"


def _has_torch_function(arguments: Any) -> bool:
    """Return whether modes, or the classes of arguments, are to be asked before a function runs."""
    return torch_function.has_torch_function(arguments)


class _WeakTensorRef:
    """Know whether a tensor is still there."""

    def __init__(self, tensor: Any) -> None:
        self._ref = weakref.ref(tensor)

    def expired(self) -> bool:
        """Return whether the tensor is gone."""
        return self._ref() is None


def _log_api_usage_once(event: str) -> None:
    """Do nothing: no use is counted."""


def _get_tracing_state() -> Any:
    """Return None: nothing is traced."""
    return None


def _is_tracing() -> bool:
    """Return False: nothing is traced."""
    return False


def _are_functorch_transforms_active() -> bool:
    """Return whether vmap, or a derivative of torch.func, is around the caller."""
    return bool(_batches.levels) or _levels.inside()


def _cuda_getCurrentRawStream(index: int) -> int:
    """Raise NotImplementedError: work is given to OpenCL's queues, which libraries made for CUDA cannot use."""
    raise NotImplementedError(f"the OpenCL device {index} has no CUDA stream to hand to a library")


def _get_default_device() -> str:
    """Return the default device's kind, as ``cpu``."""
    return get_default_device().type


def _len_torch_function_stack() -> int:
    """Return how many modes there are around the caller."""
    return len(torch_function.state.modes)


def _get_function_stack_at(i: int) -> Any:
    """Return a mode by its place, the outermost first."""
    return torch_function.state.modes[i]


def _is_torch_function_enabled() -> bool:
    """Return whether subclasses of Tensor are asked."""
    return torch_function.state.off == 0


def _is_torch_function_all_disabled() -> bool:
    """Return whether neither subclasses nor modes are asked."""
    return torch_function.state.off == 2


class _Switches:
    """Settings of TorchScript's compiler: each returns what was set before, and nothing reads them."""

    def __init__(self, **values: bool) -> None:
        self._values = values

    def setter(self, name: str) -> Callable[[bool], bool]:
        def set_(value: bool) -> bool:
            before = self._values[name]
            self._values[name] = bool(value)
            return before

        set_.__doc__ = "Keep a setting of a compiler that is not there, and return the one before."
        return set_


_switches = _Switches(
    profiling_executor=True, profiling_mode=True, texpr_fuser=False, nvfuser=False, nvfuser_guard=False,
    texpr_reductions=False, inline_everything=False, llga=False, autocast=True,
)  # fmt: skip
_jit_set_profiling_executor = _switches.setter("profiling_executor")
_jit_set_profiling_mode = _switches.setter("profiling_mode")
_jit_set_texpr_fuser_enabled = _switches.setter("texpr_fuser")
_jit_set_texpr_reductions_enabled = _switches.setter("texpr_reductions")
_jit_set_nvfuser_enabled = _switches.setter("nvfuser")
_jit_set_nvfuser_guard_mode = _switches.setter("nvfuser_guard")
_jit_set_inline_everything_mode = _switches.setter("inline_everything")
_jit_set_llga_enabled = _switches.setter("llga")
_jit_set_autocast_mode = _switches.setter("autocast")


def _jit_override_can_fuse_on_cpu(value: bool) -> None:
    """Do nothing: no compiler fuses here."""


_jit_override_can_fuse_on_gpu = _jit_override_can_fuse_on_cpu


def _jit_can_fuse_on_cpu() -> bool:
    """Return False: no compiler fuses here."""
    return False


_jit_can_fuse_on_gpu = _jit_can_fuse_on_cpu
