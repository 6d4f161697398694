"""How ``import torch`` finds cltorch: a finder on ``sys.meta_path`` with a facade for each of PyTorch's modules.

A facade forwards to the module of cltorch and answers for what is missing; cltorch's own modules stay untouched.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from types import ModuleType
from typing import Any

from cltorch.compat import absent, children, class_names, imported, reference
from cltorch.compat.missing import Missing
from cltorch.device.device import answer_to_cuda
from cltorch.serialization.api import load_from_bytes
from cltorch.serialization.names import SAFE
from cltorch.version import TorchVersion

# modules whose name here is another one; submodules follow
RENAMED = {
    "torch": "cltorch",
    "torch.cuda": "cltorch.cl",
    "torch.cuda.amp": "cltorch.amp",
    "torch.functional": "cltorch.functions.public",
    "torch.ops": "cltorch.compat.operators",
    "torch.profiler.profiler": "cltorch.profiler",
    "torch._C._distributed_c10d": "cltorch.distributed.distributed_c10d",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper": "cltorch.utils.checkpoint_wrapper",
    "torch.distributed.optim": "cltorch.optim.zero_redundancy_optimizer",
    "torch.distributed.optim.zero_redundancy_optimizer": "cltorch.optim.zero_redundancy_optimizer",
    "torch._tensor": "cltorch.tensor",
    "torch._tensor_str": "cltorch.printing",
    "torch.accelerator.memory": "cltorch.accelerator",
    "torch.cpu.amp": "cltorch.amp",
    "torch.signal.windows.windows": "cltorch.signal.windows",
    "torch.torch_version": "cltorch.version",
    "torchvision": "cltorch.vision",
    "torchvision.models._api": "cltorch.vision.models.weights",
    "torchvision.transforms._functional_pil": "cltorch.vision.transforms.functional",
    "torchvision.transforms._functional_tensor": "cltorch.vision.transforms.functional",
    "torchvision.transforms._presets": "cltorch.vision.transforms.presets",
    "torchvision.transforms.transforms": "cltorch.vision.transforms",
    "torchvision.transforms.v2._utils": "cltorch.vision.transforms.v2.utils",
    "torchvision.transforms.v2.functional._utils": "cltorch.vision.transforms.v2.dispatch",
    "torchvision.version": "cltorch.version",
}
_PACKAGES = ("torch", "torchvision")
# what PyTorch can be built without, and programs ask for by the names that it then does not have
_WITHOUT = ("torch.distributed.rpc.",)
# functions that pickles of tensors name by modules which here have others
_IN_PICKLES = {
    **{name: value for name, value in SAFE.items() if name.rpartition(".")[2].startswith("_")},
    "torch.storage._load_from_bytes": load_from_bytes,
}
_DUNDER_MODULES = ("torch.__config__", "torch.__future__")
_NOTHING = object()
_OWN = {"__name__", "__loader__", "__spec__", "__path__", "__package__", "__class__", "__dict__", "__version__"}


def counterpart(name: str) -> str:
    """Return the name of cltorch's module for one of PyTorch's.

    >>> counterpart("torch.nn.functional"), counterpart("torch.cuda.random")
    ('cltorch.nn.functional', 'cltorch.cl.random')
    """
    head, tail = name, ""
    while head not in RENAMED:
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return RENAMED[head] + tail


class Facade(ModuleType):
    """A module of PyTorch's name over a module of cltorch, or over an object that has its names, or over nothing."""

    def __init__(self, name: str, module: Any) -> None:
        super().__init__(name, getattr(module, "__doc__", None))
        own = self.__dict__
        own["_module"] = module
        own["__path__"] = []
        package, _, rest = name.partition(".")
        if rest in ("", "version"):
            version = reference.version(package)
            own["__version__"] = TorchVersion(version) if package == "torch" else version
        if isinstance(module, ModuleType):
            # functions and classes do not change: kept here, they cost no detour; flags are read where they live
            own.update(
                (key, value) for key, value in vars(module).items() if callable(value) and not key.startswith("__")
            )
            class_names.settle(name, own.values(), counterpart, _find)

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__.get("_module")
        whole = f"{self.__name__}.{name}"
        value = _NOTHING if module is None else getattr(module, name, _NOTHING)
        if value is not _NOTHING:
            if not isinstance(value, ModuleType) or not value.__name__.startswith("cltorch"):
                return value
            if _exists(whole):
                return importlib.import_module(whole)
            # a module that PyTorch has not here, or has from elsewhere
            return imported.find(self.__name__, name) if imported.has(self.__name__, name) else value
        if (
            name == "torch" and self.__name__.partition(".")[0] == "torch"
        ):  # which PyTorch's modules import, the first one too
            return sys.modules["torch"]
        if whole in _IN_PICKLES:
            return _IN_PICKLES[whole]
        if name.startswith("__") and name.endswith("__") and whole not in _DUNDER_MODULES:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        if _exists(whole):
            return importlib.import_module(whole)
        if _listed(self.__name__) and reference.has_name(self.__name__, name):
            value = self.__dict__[name] = _from_package(self.__name__, name) or Missing(whole)
            return value
        return imported.find(self.__name__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        module = self.__dict__.get("_module")
        if isinstance(value, Facade) and callable(getattr(module, name, None)):
            return  # a function that has the name of the file it stands in, which a program has imported from
        if module is None or name in _OWN or isinstance(value, Facade):
            super().__setattr__(name, value)
            return
        setattr(module, name, value)
        if name in self.__dict__:
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        name = self.__name__
        return sorted({*dir(self.__dict__.get("_module")), *reference.names(name), *reference.parts(name)})


def _from_package(module: str, name: str) -> Any:
    """Return what torchvision's package imports from one of its files, which here stands elsewhere, or None."""
    package = module.rpartition(".")[0]
    if not package.startswith("torchvision") or reference.has_parts(module) or not reference.has_name(package, name):
        return None
    return getattr(_find(package), name, None)


def _find(name: str) -> ModuleType | None:
    """Return cltorch's module for a module of PyTorch, or None."""
    own = counterpart(name)
    try:
        return importlib.import_module(own)
    except ModuleNotFoundError as error:
        if error.name and (own == error.name or own.startswith(error.name + ".")):
            return None
        raise


def _stand_in(name: str) -> Any:
    """Return the object that has the names of a module of PyTorch's inside another one, or None."""
    package, _, last = name.rpartition(".")
    found = getattr(_find(package), last, None) if package else None
    return None if callable(found) else found


def _listed(module: str) -> bool:
    return not f"{module}.".startswith(_WITHOUT)


def _exists(name: str) -> bool:
    if _find(name) is not None:
        return True
    return _listed(name) and (reference.has_module(name) or reference.has_inner_module(name))


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Facade(spec.name, _find(spec.name) or _stand_in(spec.name))

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Distribution(Distribution):
    """What ``importlib.metadata.version("torch")`` asks."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        if filename not in ("METADATA", "PKG-INFO"):
            return None
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {reference.version(self._name)}\n"

    def locate_file(self, path: Any) -> Any:
        return path


class Finder(MetaPathFinder):
    """Find ``torch``, ``torchvision`` and their submodules in cltorch."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in _PACKAGES:
            return None
        if not _exists(name):
            return None
        return ModuleSpec(name, _Loader(), origin="cltorch", is_package=True)

    def find_distributions(self, context: Any = None) -> Iterable[Distribution]:
        context = DistributionFinder.Context() if context is None else context
        return [_Distribution(name) for name in _PACKAGES if context.name in (None, name)]


_finder = Finder()


def _loaded() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]


def install() -> None:
    """Let ``import torch`` and ``import torchvision`` give cltorch from here on, here and in spawned processes.

    The ``type`` of an OpenCL device, which is "cl", equals "cuda" as well from here on.
    Raises RuntimeError where PyTorch itself has been imported before.
    """
    foreign = [name for name in _loaded() if not isinstance(sys.modules[name], Facade)]
    if foreign:
        raise RuntimeError(f"{foreign[0]} has been imported already: install() must come before it")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
        answer_to_cuda(True)
        children.follow()
        absent.settle()


def uninstall() -> None:
    """Undo ``install``: what has been imported from cltorch stays with those who have it."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        answer_to_cuda(False)
        children.leave()
        absent.strike()
        class_names.restore()
        for name in _loaded():
            if isinstance(sys.modules[name], Facade):
                del sys.modules[name]


def is_installed() -> bool:
    """Return whether ``import torch`` gives cltorch."""
    return _finder in sys.meta_path
