"""Spectral normalisation by a hook: the older form of ``parametrizations.spectral_norm``.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.spectral_norm.html; Miyato et al.,
https://arxiv.org/abs/1802.05957.
"""

from __future__ import annotations

from typing import Any

from cltorch import linalg
from cltorch.autograd import no_grad
from cltorch.functions import public as functions
from cltorch.nn.functional import normalize
from cltorch.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter, refuse_lazy

__all__ = [
    "SpectralNorm", "SpectralNormLoadStateDictPreHook", "SpectralNormStateDictHook", "as_matrix", "output_dim",
    "remove_spectral_norm", "spectral_norm",
]  # fmt: skip


def as_matrix(weight: Any, dim: int) -> Any:
    """Return a weight as a matrix whose rows are along ``dim``."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.shape[0], -1)


def output_dim(module: Module, dim: int | None) -> int:
    """Return the dimension of a weight that numbers outputs, where None was given."""
    if dim is not None:
        return dim
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


class SpectralNorm:
    """Divide a parameter by an estimate of its largest singular value before every forward pass."""

    _version = 1

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def reshape_weight_to_matrix(self, weight: Any) -> Any:
        """Return the weight as a matrix."""
        return as_matrix(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Any:
        """Return the weight, after improving the estimate where asked for."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(functions.mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(normalize(functions.mv(matrix, v), dim=0, eps=self.eps))
                # the derivative keeps these values while later passes change the buffers
                u, v = functions.clone(u), functions.clone(v)
        return functions.div(weight, functions.dot(u, functions.mv(matrix, v)))

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))

    @staticmethod
    def apply(module: Module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        """Add the hook to a module; raises RuntimeError where there is one for the parameter."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
        fn = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        refuse_lazy(weight, "SpectralNorm", "spectral normalization")
        with no_grad():
            h, w = fn.reshape_weight_to_matrix(weight).shape
            u, v = (normalize(weight.new_empty(n).normal_(0, 1), dim=0, eps=eps) for n in (h, w))
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        # a tensor and no parameter: that one is computed
        setattr(module, name, weight.data)
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(fn)
        module._register_state_dict_hook(SpectralNormStateDictHook(fn))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(fn))
        return fn


class SpectralNormLoadStateDictPreHook:
    """Complete checkpoints from before PyTorch 1.2, which have the weight in place of ``v``.

    u = normalize(W v) and the weight is W / σ with σ = uᵀ W v, so v solves W v = u up to a factor.
    """

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: Any, unexpected_keys: Any,
        error_msgs: Any,
    ) -> None:  # fmt: skip
        key = prefix + self.fn.name
        version = local_metadata.get("spectral_norm", {}).get(self.fn.name + ".version", None)
        if version is not None and version >= 1:
            return
        complete = all(key + suffix in state_dict for suffix in ("_orig", "_u", "_v")) and key not in state_dict
        if version is None and complete:
            return  # a newer one, made by hand
        lacking = [k for k in (key + "_orig", key, key + "_u") if k not in state_dict]
        if lacking:
            missing_keys.extend(lacking if strict else ())
            return
        with no_grad():
            original, u = state_dict[key + "_orig"], state_dict[key + "_u"]
            sigma = functions.mean(original / state_dict.pop(key))
            matrix = self.fn.reshape_weight_to_matrix(original)
            v = functions.mv(linalg.pinv(matrix.t() @ matrix) @ matrix.t(), u)
            state_dict[key + "_v"] = v * (sigma / functions.dot(u, functions.mv(matrix, v)))


class SpectralNormStateDictHook:
    """Note the version of the form of the state."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: Any) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = self.fn.name + ".version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, which power iterations estimate in training.

    w = w_orig / σ with σ = uᵀ W v, W being w_orig as a matrix of its outputs' rows, and v ← Wᵀ u / ‖Wᵀ u‖, u ← W v / ‖W
    v‖ in each iteration.
    The parameter is ``<name>_orig`` then. ``dim`` is the dimension of the outputs: 1 for transposed convolutions, else
    0. Raises ValueError where ``n_power_iterations`` is not positive.
    Shape: weight (*), n outputs and m elements for each; ``<name>_u`` (n), ``<name>_v`` (m).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.spectral_norm.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3))
    >>> list(net.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    SpectralNorm.apply(module, name, n_power_iterations, output_dim(module, dim), eps)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo ``spectral_norm``; raises ValueError where there is none.

    w = w_orig / σ stays as the value of the parameter.
    Shape: weight (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.remove_spectral_norm.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3))
    >>> list(torch.nn.utils.remove_spectral_norm(net).state_dict())
    ['bias', 'weight']
    """
    for k, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[k]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    kinds: tuple[tuple[Any, Any], ...] = (
        (module._state_dict_hooks, SpectralNormStateDictHook),
        (module._load_state_dict_pre_hooks, SpectralNormLoadStateDictPreHook),
    )
    for hooks, kind in kinds:
        for k, hook in list(hooks.items()):
            inner = getattr(hook, "hook", hook)  # where the module keeps it in a wrapper
            if isinstance(inner, kind) and inner.fn.name == name:
                del hooks[k]
                break
    return module
