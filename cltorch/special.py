"""torch.special: special functions of mathematics.

Every name is a function of tensors of any shape on any device; integers become floating point.
Source: https://docs.pytorch.org/docs/2.13/special.html

>>> import cltorch as torch
>>> torch.special.zeta(torch.tensor([2.0, 4.0]), 1)
tensor([1.6449, 1.0823])
>>> torch.special.i0e(torch.tensor([0.0, 10.0]))
tensor([1.0000, 0.1278])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cltorch import functions, public_forms

# torch.special's name where torch.* has another
_RENAMED = {
    "expit": "sigmoid",
    "gammainc": "igamma",
    "gammaincc": "igammac",
    "gammaln": "lgamma",
    "psi": "digamma",
    "modified_bessel_i0": "i0",
    "modified_bessel_i1": "i1",
    "multigammaln": "mvlgamma",
}
_SAME = """
airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v
chebyshev_polynomial_w digamma entr erf erfc erfcx erfinv exp2 expm1 hermite_polynomial_h hermite_polynomial_he i0 i0e
i1 i1e laguerre_polynomial_l legendre_polynomial_p log1p log_ndtr log_softmax logit logsumexp modified_bessel_k0
modified_bessel_k1 ndtr ndtri polygamma round scaled_modified_bessel_k0 scaled_modified_bessel_k1
shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
shifted_chebyshev_polynomial_w sinc softmax spherical_bessel_j0 xlog1py xlogy zeta
""".split()

if TYPE_CHECKING:  # most names are taken from the functions at run time

    def __getattr__(name: str) -> Any: ...


globals().update({name: getattr(functions, name) for name in _SAME})
globals().update({name: getattr(functions, other) for name, other in _RENAMED.items()})
__all__ = sorted([*_SAME, *_RENAMED])
public_forms.functions(__all__, globals(), "cltorch.special", "torch.special")
