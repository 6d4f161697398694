"""Where loaded storages go: location tags, ``map_location`` and the functions that restore a storage.

PyTorch's files tag storages on a GPU ``cuda:N``. Here that means the OpenCL device ``cl:N``, and storages on ``cl:N``
are tagged ``cuda:N`` when they are saved, so that each side reads the other's files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.cl.devices import device_count
from cltorch.device import device
from cltorch.storage_types import TypedStorage, UntypedStorage

Restore = Callable[[Any, str], Any]
Tagger = Callable[[Any], str | None]
Deserializer = Callable[[Any, str], Any]

_packages: list[tuple[int, Tagger, Deserializer]] = []


def register_package(priority: int, tagger: Tagger, deserializer: Deserializer) -> None:
    """Add a rule for storages of a further kind of device.

    ``tagger(storage)`` returns the location tag to save, or None; ``deserializer(storage, tag)`` the storage moved
    there, or None. Rules of a lower priority are asked first.
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda rule: rule[0])


def location_tag(storage: Any) -> str:
    """Return the tag under which a storage's device is saved; raise RuntimeError where no rule knows it."""
    for _, tagger, _ in _packages:
        tag = tagger(storage)
        if tag:
            return tag
    raise RuntimeError(f"don't know how to determine data location of {type(storage).__name__}")


def default_restore_location(storage: Any, location: str) -> Any:
    """Move a host storage to where its tag says; raise RuntimeError where no rule knows the tag."""
    for _, _, deserializer in _packages:
        moved = deserializer(storage, location)
        if moved is not None:
            return moved
    raise RuntimeError(
        f"don't know how to restore data location of {type(storage).__name__} (tagged with {location}). Please use "
        "load with map_location=torch.device('cpu') to map your storages to the CPU."
    )


def restore_location(map_location: Any) -> Restore:
    """Return the function (storage, tag) -> storage of a ``map_location`` argument in any of its forms."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        table = {str(key): str(value) for key, value in map_location.items()}

        def by_table(storage: Any, location: str) -> Any:
            alias = location.replace("cuda", "cl", 1) if location.startswith("cuda") else location
            return default_restore_location(storage, table.get(location, table.get(alias, location)))

        return by_table
    if isinstance(map_location, (str, device)):
        where = str(device(map_location))
        return lambda storage, location: default_restore_location(storage, where)
    if callable(map_location):

        def by_function(storage: Any, location: str) -> Any:
            moved = map_location(storage, location)
            if moved is None:
                return default_restore_location(storage, location)
            if not isinstance(moved, (UntypedStorage, TypedStorage)):
                raise TypeError(f"map_location returned a {type(moved).__name__}, not a storage")
            return moved.untyped()

        return by_function
    raise TypeError(
        f"map_location must be None, a string, a torch.device, a dict or a function, not {type(map_location).__name__}"
    )


# ---- the rules of our own devices -----------------------------------------------------------------------------------
def _tag(storage: Any) -> str | None:
    kind = storage.device.type
    if kind == "cpu":
        return "cpu"
    return f"cuda:{storage.device.index or 0}" if kind == "cl" else None


def _restore(storage: Any, location: str) -> Any:
    name = location.partition(":")[0]
    if name == "cpu":
        return storage.cpu()
    if name == "meta":
        return storage.to("meta")
    if name not in ("cl", "cuda", "opencl"):
        return None
    return storage.to(_existing(device(location).resolve()))


def _existing(where: device) -> device:
    """Return the device, or raise RuntimeError that says how to load without it."""
    advice = "Please use load with map_location="
    count = device_count()
    if not count:
        raise RuntimeError(
            f"Attempting to deserialize object on an OpenCL (CUDA) device ({where}) but there is none. {advice}"
            "torch.device('cpu') to map your storages to the CPU, or see `python -m cltorch doctor`."
        )
    if (where.index or 0) >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on OpenCL (CUDA) device {where.index} but device_count() is {count}. "
            f"{advice}to map your storages to an existing device."
        )
    return where


register_package(10, _tag, _restore)
