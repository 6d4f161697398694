"""torch.distributions: probability distributions with samples, densities and gradients through both.

Every distribution computes where its parameters lie. Source: https://docs.pytorch.org/docs/2.13/distributions.html

>>> import cltorch as torch
>>> policy = torch.distributions.Categorical(logits=torch.zeros(4))
>>> policy.log_prob(torch.tensor(2))
tensor(-1.3863)
"""

from cltorch.distributions import constraints, kl_cross, kl_same, transforms  # noqa: F401 (they fill the table)
from cltorch.distributions.bernoulli import Bernoulli
from cltorch.distributions.beta import Beta
from cltorch.distributions.binomial import Binomial
from cltorch.distributions.categorical import Categorical
from cltorch.distributions.cauchy import Cauchy
from cltorch.distributions.chi2 import Chi2
from cltorch.distributions.constraint_registry import biject_to, transform_to
from cltorch.distributions.continuous_bernoulli import ContinuousBernoulli
from cltorch.distributions.dirichlet import Dirichlet
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.exp_family import ExponentialFamily
from cltorch.distributions.exponential import Exponential
from cltorch.distributions.fishersnedecor import FisherSnedecor
from cltorch.distributions.gamma import Gamma
from cltorch.distributions.generalized_pareto import GeneralizedPareto
from cltorch.distributions.geometric import Geometric
from cltorch.distributions.gumbel import Gumbel
from cltorch.distributions.half_cauchy import HalfCauchy
from cltorch.distributions.half_normal import HalfNormal
from cltorch.distributions.independent import Independent
from cltorch.distributions.inverse_gamma import InverseGamma
from cltorch.distributions.kl import kl_divergence, register_kl
from cltorch.distributions.kumaraswamy import Kumaraswamy
from cltorch.distributions.laplace import Laplace
from cltorch.distributions.lkj_cholesky import LKJCholesky
from cltorch.distributions.log_normal import LogNormal
from cltorch.distributions.logistic_normal import LogisticNormal
from cltorch.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from cltorch.distributions.mixture_same_family import MixtureSameFamily
from cltorch.distributions.multinomial import Multinomial
from cltorch.distributions.multivariate_normal import MultivariateNormal
from cltorch.distributions.negative_binomial import NegativeBinomial
from cltorch.distributions.normal import Normal
from cltorch.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from cltorch.distributions.pareto import Pareto
from cltorch.distributions.poisson import Poisson
from cltorch.distributions.relaxed_bernoulli import RelaxedBernoulli
from cltorch.distributions.relaxed_categorical import RelaxedOneHotCategorical
from cltorch.distributions.studentT import StudentT
from cltorch.distributions.transformed_distribution import TransformedDistribution
from cltorch.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from cltorch.distributions.uniform import Uniform
from cltorch.distributions.von_mises import VonMises
from cltorch.distributions.weibull import Weibull
from cltorch.distributions.wishart import Wishart

__all__ = [
    "AbsTransform", "AffineTransform", "Bernoulli", "Beta", "Binomial", "CatTransform", "Categorical", "Cauchy", "Chi2",
    "ComposeTransform", "ContinuousBernoulli", "CorrCholeskyTransform", "CumulativeDistributionTransform", "Dirichlet",
    "Distribution", "ExpTransform", "Exponential", "ExponentialFamily", "FisherSnedecor", "Gamma", "GeneralizedPareto",
    "Geometric", "Gumbel", "HalfCauchy", "HalfNormal", "Independent", "IndependentTransform", "InverseGamma",
    "Kumaraswamy", "LKJCholesky", "Laplace", "LogNormal", "LogisticNormal", "LowRankMultivariateNormal",
    "LowerCholeskyTransform", "MixtureSameFamily", "Multinomial", "MultivariateNormal", "NegativeBinomial", "Normal",
    "OneHotCategorical", "OneHotCategoricalStraightThrough", "Pareto", "Poisson", "PositiveDefiniteTransform",
    "PowerTransform", "RelaxedBernoulli", "RelaxedOneHotCategorical", "ReshapeTransform", "SigmoidTransform",
    "SoftmaxTransform", "SoftplusTransform", "StackTransform", "StickBreakingTransform", "StudentT", "TanhTransform",
    "Transform", "TransformedDistribution", "Uniform", "VonMises", "Weibull", "Wishart", "biject_to", "constraints",
    "identity_transform", "kl_divergence", "register_kl", "transform_to", "transforms",
]  # fmt: skip
