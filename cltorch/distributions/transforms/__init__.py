"""Transforms of random variables, with the logarithm of their Jacobian's determinant.

Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.transforms
"""

from cltorch.distributions.transforms.base import ComposeTransform, Transform, _InverseTransform, identity_transform  # noqa: F401
from cltorch.distributions.transforms.elementwise import (
    AbsTransform,
    AffineTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    PowerTransform,
    SigmoidTransform,
    SoftplusTransform,
    TanhTransform,
)
from cltorch.distributions.transforms.elementwise import _clipped_sigmoid as _clipped_sigmoid
from cltorch.distributions.transforms.events import (
    CatTransform,
    IndependentTransform,
    ReshapeTransform,
    StackTransform,
)
from cltorch.distributions.transforms.vectors import (
    CorrCholeskyTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    SoftmaxTransform,
    StickBreakingTransform,
)

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform", "SigmoidTransform", "SoftmaxTransform",
    "SoftplusTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform",
    "identity_transform",
]  # fmt: skip
