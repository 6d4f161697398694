"""The names of what carries collectives, and which devices each is for.

Here there is one process and nothing to carry: a backend's name says only which devices' tensors a group takes. "nccl"
is that of OpenCL devices, as "cuda" is another name of "cl".
Source: https://docs.pytorch.org/docs/2.13/distributed.html#backends
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from cltorch import cl
from cltorch.device import device as Device
from cltorch.ops.fallback import callers_level

__all__ = [
    "Backend", "BackendConfig", "get_default_backend_for_device", "is_available", "is_backend_available",
    "is_gloo_available", "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "is_ucc_available",
    "is_xccl_available",
]  # fmt: skip


class _Plugin(NamedTuple):
    creator_fn: Callable[..., Any]
    extended_api: bool


class Backend(str):
    """Name a backend: ``Backend("GLOO")`` is "gloo".

    Raises ValueError for what is no text.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.Backend

    >>> Backend("GLOO"), Backend.NCCL
    ('gloo', 'nccl')
    """

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    UCC = "ucc"
    MPI = "mpi"
    XCCL = "xccl"
    FAKE = "fake"

    _BackendPlugin = _Plugin
    _plugins: dict[str, _Plugin] = {}
    backend_list = [UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI, FAKE]
    default_device_backend_map: dict[str, str] = {"cpu": GLOO, "cuda": NCCL, "cl": NCCL, "xpu": XCCL, "mps": GLOO}
    backend_capability: dict[str, list[str]] = {
        GLOO: ["cpu", "cuda"],
        NCCL: ["cuda"],
        XCCL: ["xpu"],
        UCC: ["cpu", "cuda"],
        MPI: ["cpu", "cuda"],
        FAKE: ["cpu", "cuda", "hpu", "xpu"],
    }

    def __new__(cls, name: str) -> Any:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        known = getattr(Backend, name.upper(), None)
        return known if isinstance(known, str) and known != Backend.UNDEFINED else name.lower()

    @classmethod
    def register_backend(
        cls, name: str, func: Callable[..., Any], extended_api: bool = False, devices: str | list[str] | None = None
    ) -> None:
        """Refuse: raise NotImplementedError, for there are no other processes that a backend could reach."""
        raise NotImplementedError(f"the backend {name} cannot be registered: cltorch computes in one process")


class BackendConfig:
    """Tell the backend of each kind of device, from a backend's name or a list "device:backend,…".

    Raises ValueError for a list that is none, or names a device twice.

    >>> BackendConfig("gloo"), BackendConfig("cpu:gloo,cuda:nccl")
    (cpu:gloo,cuda:gloo, cpu:gloo,cuda:nccl)
    """

    def __init__(self, backend: str) -> None:
        name = str(backend).lower()
        found: dict[str, Any] = {}
        if name == Backend.UNDEFINED:
            found = {"cpu": Backend.GLOO, "cuda": Backend.NCCL} if cl.is_available() else {"cpu": Backend.GLOO}
        elif name in Backend.backend_list:
            found = dict.fromkeys(Backend.backend_capability[name], name)
        elif ":" in name:
            what = (
                f'The custom backend string argument is invalid: {backend}. It is a list "<device_type1>:<backend1>,'
                "<device_type2>:<backend2>...\", e.g. 'cpu:gloo,cuda:nccl'"
            )
            for pair in name.split(","):
                parts = pair.split(":")
                if len(parts) != 2:
                    raise ValueError(f"Invalid device:backend pairing: {pair}. {what}")
                kind = "cuda" if parts[0] in ("cl", "opencl") else parts[0]
                if kind in found:
                    raise ValueError(f"Duplicate device type {kind} in backend string: {parts[1]}. {what}")
                found[kind] = Backend(parts[1])
        else:
            warnings.warn(
                f"Device capability of {backend} unknown, assuming `cpu` and `cuda`. You can specify it in "
                "`device:backend` format in `init_process_group` call.",
                stacklevel=callers_level(),
            )
            found = dict.fromkeys(("cpu", "cuda", "xpu"), Backend(name))
        self.device_backend_map = found

    def __repr__(self) -> str:
        return ",".join(f"{kind}:{name}" for kind, name in self.device_backend_map.items())

    def get_device_backend_map(self) -> dict[str, Any]:
        """Return the backend of each kind of device."""
        return self.device_backend_map


def is_available() -> bool:
    """Return True: a group of one process can be made.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.is_available

    >>> is_available()
    True
    """
    return True


def is_gloo_available() -> bool:
    """Return True: a group of the backend "gloo" takes tensors on the host and on OpenCL devices."""
    return True


def is_nccl_available() -> bool:
    """Return whether there is an OpenCL device, whose tensors a group of the backend "nccl" takes."""
    return cl.is_available()


def is_mpi_available() -> bool:
    """Return False."""
    return False


is_ucc_available = is_xccl_available = is_mpi_available
_AVAILABLE = {
    "gloo": is_gloo_available, "mpi": is_mpi_available, "nccl": is_nccl_available, "ucc": is_ucc_available,
    "xccl": is_xccl_available,
}  # fmt: skip


def is_backend_available(backend: str) -> bool:
    """Return whether there is a backend, or each one in a list "device:backend,…".

    >>> is_backend_available("gloo"), is_backend_available("mpi")
    (True, False)
    """
    if ":" in backend:
        return all(is_backend_available(name) for name in BackendConfig(backend).device_backend_map.values())
    name = backend.lower()
    return _AVAILABLE[name]() if name in _AVAILABLE else name in Backend.backend_list


def is_torchelastic_launched() -> bool:
    """Return whether torchrun started this process, as the variable TORCHELASTIC_RUN_ID tells."""
    return os.getenv("TORCHELASTIC_RUN_ID") is not None


def get_default_backend_for_device(device: Any) -> str:
    """Return the name of the backend for a device; raise ValueError where none is known.

    >>> get_default_backend_for_device("cpu")
    'gloo'
    """
    found = Backend.default_device_backend_map.get(str(Device(device).type))
    if found is None:
        raise ValueError(f"Default backend not registered for device : {device}")
    return found
