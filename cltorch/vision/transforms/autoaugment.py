"""Policies of augmentation: AutoAugment, RandAugment, TrivialAugment and AugMix.

Source: https://docs.pytorch.org/vision/stable/transforms.html#auto-augmentation
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import float32
from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.vision.transforms.functional import color, convert, warp
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.functional.resample import InterpolationMode
from cltorch.vision.transforms.geometry import randint
from cltorch.vision.transforms.policies import Step, policy
from cltorch.vision.transforms.warp import fill_of

# a range of strengths: (from, to, whether the sign is drawn); None for what has no strength
Space = dict[str, "tuple[float, float, bool] | None"]

_PLAIN: dict[str, Callable[..., Any]] = {
    "AutoContrast": color.autocontrast,
    "Equalize": color.equalize,
    "Invert": color.invert,
}
_ADJUST: dict[str, Callable[..., Any]] = {
    "Brightness": color.adjust_brightness,
    "Color": color.adjust_saturation,
    "Contrast": color.adjust_contrast,
    "Sharpness": color.adjust_sharpness,
}


def apply_op(img: Any, name: str, magnitude: float, interpolation: InterpolationMode, fill: Any) -> Any:
    """Return the image changed by one operation of the policies; raise ValueError for another name.

    The strength of a shear is the tangent of its angle, that of a translation is in pixels, that of a rotation in
    degrees, that of adjustments the factor less one.
    """
    if name in _PLAIN:
        return _PLAIN[name](img)
    if name in _ADJUST:
        return _ADJUST[name](img, 1.0 + magnitude)
    if name in ("ShearX", "ShearY"):
        angle = math.degrees(math.atan(magnitude))
        shear = [angle, 0.0] if name == "ShearX" else [0.0, angle]
        return warp.affine(img, 0.0, [0, 0], 1.0, shear, interpolation=interpolation, fill=fill, center=[0, 0])
    if name in ("TranslateX", "TranslateY"):
        move = [int(magnitude), 0] if name == "TranslateX" else [0, int(magnitude)]
        return warp.affine(img, 0.0, move, 1.0, [0.0, 0.0], interpolation=interpolation, fill=fill)
    if name == "Rotate":
        return warp.rotate(img, magnitude, interpolation=interpolation, fill=fill)
    if name == "Posterize":
        return color.posterize(img, int(magnitude))
    if name == "Solarize":
        return color.solarize(img, magnitude)
    if name == "Identity":
        return img
    raise ValueError(f"The provided operator {name} is not recognized.")


def _space(shear: float, right: float, down: float, turn: float, adjust: float, bits: tuple[int, int]) -> Space:
    space: Space = {"ShearX": (0.0, shear, True), "ShearY": (0.0, shear, True)}
    space |= {"TranslateX": (0.0, right, True), "TranslateY": (0.0, down, True), "Rotate": (0.0, turn, True)}
    space |= dict.fromkeys(_ADJUST, (0.0, adjust, True))
    space |= {"Posterize": (*bits, False), "Solarize": (255.0, 0.0, False), "AutoContrast": None, "Equalize": None}
    return space


def _strength(space: Space, name: str, index: int | None, bins: int, sign: Callable[[], bool]) -> float:
    """Return the strength at a place of the range; ``sign`` says whether it is negative, and is asked where it may."""
    found = space[name]
    if found is None or index is None:
        return 0.0
    low, high, signed = found
    value = low + (high - low) * index / (bins - 1)
    if name == "Posterize":
        value = low - round((low - high) * index / (bins - 1))
    return -value if signed and sign() else value


class AutoAugmentPolicy(enum.Enum):
    """Name the data set that a policy of AutoAugment was found for.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.AutoAugmentPolicy.html

    >>> from cltorch.vision import transforms
    >>> transforms.AutoAugmentPolicy("cifar10").name
    'CIFAR10'
    """

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def _heads() -> bool:
    return bool(randint(0, 2))


class _Policy(Module):
    """What the policies have in common: the one place where an operation is applied."""

    _operate = staticmethod(apply_op)


class AutoAugment(_Policy):
    """Change an image by one of 25 pairs of operations that were found by a search.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.AutoAugment.html;
    https://arxiv.org/abs/1805.09501

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    >>> transforms.AutoAugment()(image).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self, policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST, fill: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.policy, self.interpolation, self.fill = policy, interpolation, fill
        self.policies = self._get_policies(policy)

    def _get_policies(self, name: AutoAugmentPolicy) -> list[tuple[Step, Step]]:
        if not isinstance(name, AutoAugmentPolicy):
            raise ValueError(f"The provided policy {name} is not recognized.")
        return policy(name.value)

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Draw which pair, a number for each step's probability, and signs."""
        return randint(0, transform_num), functions.rand(2), functions.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        _, height, width = F.get_dimensions(img)
        space = _space(0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, (8, 4)) | {"Invert": None}
        fill = fill_of(self.fill, img)
        chosen, drawn, signs = self.get_params(len(self.policies))
        steps = zip(self.policies[chosen], drawn.tolist(), signs.tolist(), strict=True)
        for (name, p, index), number, positive in steps:
            if number <= p:
                magnitude = _strength(space, name, index, 10, lambda up=positive: not up)  # type: ignore[misc]
                img = self._operate(img, name, magnitude, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(_Policy):
    """Change an image by ``num_ops`` random operations of the same strength ``magnitude``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandAugment.html;
    E. D. Cubuk et al., https://arxiv.org/abs/1909.13719

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    >>> transforms.RandAugment()(image).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST, fill: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins
        self.interpolation, self.fill = interpolation, fill

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        _, height, width = F.get_dimensions(img)
        around = _space(0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, (8, 4))
        space: Space = {"Identity": None, **around}
        fill = fill_of(self.fill, img)
        for _ in range(self.num_ops):
            name = list(space)[randint(0, len(space))]
            magnitude = _strength(space, name, self.magnitude, self.num_magnitude_bins, _heads)
            img = self._operate(img, name, magnitude, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        detail = f"num_ops={self.num_ops}, magnitude={self.magnitude}, num_magnitude_bins={self.num_magnitude_bins}"
        return f"{type(self).__name__}({detail}, interpolation={self.interpolation}, fill={self.fill})"


class TrivialAugmentWide(_Policy):
    """Change an image by one random operation of random strength.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.TrivialAugmentWide.html;
    S. G. Müller and F. Hutter, https://arxiv.org/abs/2103.10158

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    >>> transforms.TrivialAugmentWide()(image).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_magnitude_bins, self.interpolation, self.fill = num_magnitude_bins, interpolation, fill

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        space: Space = {"Identity": None, **_space(0.99, 32.0, 32.0, 135.0, 0.99, (8, 2))}
        name, bins = list(space)[randint(0, len(space))], self.num_magnitude_bins
        magnitude = _strength(space, name, randint(0, bins), bins, _heads)
        return self._operate(img, name, magnitude, self.interpolation, fill_of(self.fill, img))

    def __repr__(self) -> str:
        detail = f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, fill={self.fill}"
        return f"{type(self).__name__}({detail})"


class AugMix(_Policy):
    """Mix an image with ``mixture_width`` versions of it, each changed by a chain of random operations.

    ``severity`` from 1 to 10 bounds the strengths, ``chain_depth`` is the length of the chains (random from 1 to 3
    where it is not positive), ``alpha`` the parameter of the mixing distributions.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.AugMix.html;
    D. Hendrycks et al., https://arxiv.org/abs/1912.02781

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> image = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    >>> transforms.AugMix()(image).shape
    torch.Size([1, 4, 4])
    """

    def __init__(
        self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0,
        all_ops: bool = True, interpolation: InterpolationMode = InterpolationMode.BILINEAR, fill: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._PARAMETER_MAX = 10
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops, self.interpolation, self.fill = alpha, all_ops, interpolation, fill

    def _sample_dirichlet(self, params: Tensor) -> Tensor:
        """Draw shares that add up to 1, a row for each row of ``params``."""
        rng = np.random.default_rng(randint(0, 2**31 - 1))  # follows the default generator's seed
        drawn = rng.standard_gamma(params.cpu().numpy().astype(np.float64))
        return functions.from_numpy((drawn / drawn.sum(-1, keepdims=True)).astype(np.float32))

    def forward(self, orig_img: Any) -> Any:
        """Return the mixture."""
        if not isinstance(orig_img, Tensor):
            return convert.to_pil_image(self._mixed(convert.pil_to_tensor(orig_img)))
        return self._mixed(orig_img)

    def _mixed(self, img: Tensor) -> Tensor:
        _, height, width = F.get_dimensions(img)
        space = _space(0.3, width / 3.0, height / 3.0, 30.0, 0.9, (4, 0))
        if not self.all_ops:
            space = {name: found for name, found in space.items() if name not in _ADJUST}
        fill = fill_of(self.fill, img)
        batch = img if img.ndim > 3 else img[(None,) * (4 - img.ndim)]
        shape = (batch.shape[0],) + (1,) * (batch.ndim - 1)

        def drawn(count: int) -> Tensor:
            alphas = functions.full((batch.shape[0], count), float(self.alpha), dtype=float32)
            return self._sample_dirichlet(alphas)

        share = drawn(2)
        weights = (drawn(self.mixture_width) * share[:, 1:]).to(batch.device)
        mix = share[:, 0].to(batch.device).reshape(shape) * batch
        for i in range(self.mixture_width):
            changed = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else randint(1, 4)):
                name = list(space)[randint(0, len(space))]
                magnitude = _strength(space, name, randint(0, self.severity), self._PARAMETER_MAX, _heads)
                changed = self._operate(changed, name, magnitude, self.interpolation, fill)
            mix = mix + weights[:, i].reshape(shape) * changed
        return mix.reshape(img.shape).to(img.dtype)

    def __repr__(self) -> str:
        detail = f"severity={self.severity}, mixture_width={self.mixture_width}, chain_depth={self.chain_depth}"
        detail += f", alpha={self.alpha}, all_ops={self.all_ops}"
        return f"{type(self).__name__}({detail}, interpolation={self.interpolation}, fill={self.fill})"
