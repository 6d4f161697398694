"""Parametrisations ready for use: torch.nn.utils.parametrizations.

Source: https://docs.pytorch.org/docs/2.13/nn.html#utilities
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import no_grad
from cltorch.functions.linalg_norm import with_norms
from cltorch.nn.functional import normalize
from cltorch.nn.modules.module import Module
from cltorch.nn.utils import parametrize
from cltorch.nn.utils.spectral_norm import as_matrix, output_dim
from cltorch.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return with_norms(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        return functions.norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    r"""Split a weight into length and direction: :math:`w = g\, v / \|v\|`, with norms over all dimensions but ``dim``.

    The parameters are ``parametrizations.<name>.original0`` (g) and ``original1`` (v); checkpoints with ``<name>_g``
    and ``<name>_v`` are loaded too. Source: Salimans and Kingma, https://arxiv.org/abs/1602.07868.
    Shape: w (*) and so v; g has size 1 but in ``dim``, () for None.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrizations.weight_norm.html

    >>> import cltorch as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape, layer.parametrizations.weight.original1.shape
    (torch.Size([40, 1]), torch.Size([40, 20]))
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_{suffix}" for suffix in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if dim >= ndim or dim < -ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % ndim, eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                u, v = (matrix.new_empty(n).normal_(0, 1) for n in matrix.shape)
                self.register_buffer("_u", normalize(u, dim=0, eps=eps))
                self.register_buffer("_v", normalize(v, dim=0, eps=eps))
                self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Any, iterations: int) -> None:
        for _ in range(iterations):
            self._u.copy_(normalize(functions.mv(matrix, self._v), dim=0, eps=self.eps))
            self._v.copy_(normalize(functions.mv(matrix.t(), self._u), dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # copies: the derivative keeps these values while later passes change the buffers
        u, v = functions.clone(self._u), functions.clone(self._v)
        return functions.div(weight, functions.dot(u, functions.mv(matrix, v)))

    def right_inverse(self, value: Any) -> Any:
        return value  # the original of a normalised weight may be itself


def _weight_of(module: Module, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, which power iterations estimate in training.

    w / σ with σ = uᵀ W v, W being w as a matrix of its outputs' rows, and u ← W v / ‖W v‖, v ← Wᵀ u / ‖Wᵀ u‖ in each
    iteration.
    ``dim`` is the dimension of the outputs: 1 for transposed convolutions, else 0. Raises ValueError where
    ``n_power_iterations`` is not positive. Source: Miyato et al., https://arxiv.org/abs/1802.05957.
    Shape: (*) to the same; buffers ``_u`` (n) of n outputs and ``_v`` (m) of m elements for each.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrizations.spectral_norm.html

    >>> import cltorch as torch
    >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(20, 40), n_power_iterations=30)
    >>> largest = layer.weight.detach().T @ layer.weight.detach()
    >>> bool(largest.diagonal().max() <= 1.01)
    True
    """
    made = _SpectralNorm(_weight_of(module, name), n_power_iterations, output_dim(module, dim), eps)
    return parametrize.register_parametrization(module, name, made)


_MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """Make orthonormal columns (or rows) of any matrix, by one of three maps."""

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.trivial = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Any) -> Any:
        transposed = x.shape[-2] < x.shape[-1]
        if transposed:
            x = x.mT
        n, k = x.shape[-2:]
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            tau = 2.0 / (1.0 + (a * a).sum(-2))
            q = reflections(a, tau) * x.diagonal(dim1=-2, dim2=-1).to(dtypes.int32).unsqueeze(-2)
        else:
            x = x.tril()
            if n != k:
                x = functions.cat([x, x.new_zeros(*x.shape[:-2], n, n - k)], -1)
            a = x - x.mH  # skew-symmetric, or skew-Hermitian
            if self.orthogonal_map == "matrix_exp":
                q = functions.matrix_exp(a)
            else:
                one = functions.eye(n, dtype=a.dtype, device=a.device)
                # both factors commute, for they are of one matrix
                q = (one + 0.5 * a) @ functions.inverse(one - 0.5 * a)
            q = q[..., :k]
        if self.trivial:
            q = self.base @ q
        return q.mT if transposed else q

    @no_grad()
    def right_inverse(self, q: Any) -> Any:
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {q.shape}."
            )
        given = q
        transposed = q.shape[-2] < q.shape[-1]
        if transposed:
            q = q.mT
        n, k = q.shape[-2:]
        if not self.trivial:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            a, tau = functions.geqrf(q)
            d = a.diagonal(dim1=-2, dim2=-1)
            d.copy_(functions.where(tau == 0.0, -d.sign(), d.sign()))
            return a.mT if transposed else a
        if n == k:
            q = functions.clone(q) if _is_orthogonal(q) else _made_orthogonal(q)
        else:
            more = functions.randn(*q.shape[:-2], n, n - k, dtype=q.dtype, device=q.device)
            q = _made_orthogonal(functions.cat([q, more], -1))
        self.base = q
        start = functions.zeros_like(given)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start


def reflections(a: Any, tau: Any) -> Any:
    """Return the first columns of the product of the reflections whose vectors are below the diagonal of ``a``."""
    n, k = a.shape[-2:]
    one = functions.eye(n, k, dtype=a.dtype, device=a.device)
    q = one.expand(*a.shape[:-2], n, k)
    vectors = a.tril(-1) + one
    for i in range(k - 1, -1, -1):
        v = vectors[..., i : i + 1]
        q = q - tau[..., i, None, None] * (v @ (v.mH @ q))
    return q


def _is_orthogonal(q: Any) -> bool:
    n, k = q.shape[-2:]
    one = functions.eye(k, dtype=q.dtype, device=q.device)
    return bool(functions.allclose(q.mH @ q, one, atol=10.0 * n * dtypes.finfo(q.dtype).eps))


def _made_orthogonal(a: Any) -> Any:
    x, tau = functions.geqrf(a)
    return reflections(x, tau) * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight's columns (or rows, where there are fewer) orthonormal, whatever the parameter is.

    Q = exp(A), or (I - A/2)⁻¹ (I + A/2) for "cayley", of the skew A = X - Xᵀ, X being the parameter's lower triangle;
    for "householder" Q = Π (I - τ v vᵀ) over the columns v of X.
    ``orthogonal_map`` is "matrix_exp" (for square matrices by default), "cayley" or "householder" (for others). With
    ``use_trivialization`` the result is multiplied by a constant matrix, so that any orthogonal weight can be assigned.
    Raises ValueError for a weight of less than two dimensions, a complex one with "householder", and another map.
    Shape: (*, n, m) to the same.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrizations.orthogonal.html;
    Lezcano-Casado, https://arxiv.org/abs/1909.09501.

    >>> import cltorch as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2, 4))
    >>> torch.allclose(layer.weight.T @ layer.weight, torch.eye(2), atol=1e-5)
    True
    """
    weight = _weight_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)
