"""Policies of augmentation: AutoAugment, RandAugment, TrivialAugment and AugMix.

Source: https://docs.pytorch.org/vision/stable/transforms.html#auto-augmentation
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import float32, int32
from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.vision.transforms.functional import color, convert, warp
from cltorch.vision.transforms.functional import geometry as F
from cltorch.vision.transforms.functional.resample import InterpolationMode
from cltorch.vision.transforms.geometry import randint
from cltorch.vision.transforms.policies import Step, policy
from cltorch.vision.transforms.warp import fill_of

# the strengths of each operation, 0 for what has none, and whether their sign is drawn
Space = dict[str, tuple[Tensor, bool]]

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


def _apply_op(img: Any, op_name: str, magnitude: float, interpolation: InterpolationMode, fill: Any) -> Any:
    """Return the image changed by one operation of the policies; raise ValueError for another name.

    The strength of a shear is the tangent of its angle, that of a translation is in pixels, that of a rotation in
    degrees, that of adjustments the factor less one.
    """
    if op_name in _PLAIN:
        return _PLAIN[op_name](img)
    if op_name in _ADJUST:
        return _ADJUST[op_name](img, 1.0 + magnitude)
    if op_name in ("ShearX", "ShearY"):
        angle = math.degrees(math.atan(magnitude))
        shear = [angle, 0.0] if op_name == "ShearX" else [0.0, angle]
        return warp.affine(img, 0.0, [0, 0], 1.0, shear, interpolation=interpolation, fill=fill, center=[0, 0])
    if op_name in ("TranslateX", "TranslateY"):
        move = [int(magnitude), 0] if op_name == "TranslateX" else [0, int(magnitude)]
        return warp.affine(img, 0.0, move, 1.0, [0.0, 0.0], interpolation=interpolation, fill=fill)
    if op_name == "Rotate":
        return warp.rotate(img, magnitude, interpolation=interpolation, fill=fill)
    if op_name == "Posterize":
        return color.posterize(img, int(magnitude))
    if op_name == "Solarize":
        return color.solarize(img, magnitude)
    if op_name == "Identity":
        return img
    raise ValueError(f"The provided operator {op_name} is not recognized.")


@functools.lru_cache(maxsize=128)
def _strengths(
    bins: int, shear: float, right: float, down: float, turn: float, adjust: float, bits: tuple[int, int]
) -> Space:
    """Return the strengths from the least to the greatest; those without a sign of their own may be turned round."""

    def up_to(highest: float, start: float = 0.0) -> Tensor:
        return functions.linspace(start, highest, bins, dtype=float32, device="cpu")

    low, high = bits
    kept = [low - round((low - high) * index / (bins - 1)) for index in range(bins)]
    none = functions.tensor(0.0, dtype=float32, device="cpu")
    space: Space = {"ShearX": (up_to(shear), True), "ShearY": (up_to(shear), True)}
    space |= {"TranslateX": (up_to(right), True), "TranslateY": (up_to(down), True), "Rotate": (up_to(turn), True)}
    space |= dict.fromkeys(_ADJUST, (up_to(adjust), True))
    space |= {"Posterize": (functions.tensor(kept, dtype=int32, device="cpu"), False)}
    space |= {"Solarize": (up_to(0.0, 255.0), False), "AutoContrast": (none, False), "Equalize": (none, False)}
    return space


def _around(bins: int, size: tuple[int, int]) -> Space:
    """Return the strengths that AutoAugment and RandAugment share, for images of this height and width."""
    height, width = size
    return _strengths(bins, 0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, (8, 4))


def _none() -> tuple[Tensor, bool]:
    return functions.tensor(0.0, dtype=float32, device="cpu"), False


def _strength(found: tuple[Tensor, bool], index: int | None, sign: Callable[[], bool]) -> float:
    """Return the strength at a place of the range; ``sign`` says whether it is negative, and is asked where it may."""
    values, signed = found
    value = float(values[index].item()) if index is not None and values.ndim > 0 else 0.0
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

    _operate = staticmethod(_apply_op)


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

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        """Return the strengths of each operation; a class derived from this one may have others."""
        return {**_around(num_bins, image_size), "Invert": _none()}

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        _, height, width = F.get_dimensions(img)
        space = self._augmentation_space(10, (height, width))
        fill = fill_of(self.fill, img)
        chosen, drawn, signs = self.get_params(len(self.policies))
        steps = zip(self.policies[chosen], drawn.tolist(), signs.tolist(), strict=True)
        for (name, p, index), number, positive in steps:
            if number <= p:
                magnitude = _strength(space[name], index, lambda up=positive: not up)  # type: ignore[misc]
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

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        """Return the strengths of each operation, of which one is drawn; derived classes may have others."""
        return {"Identity": _none(), **_around(num_bins, image_size)}

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        _, height, width = F.get_dimensions(img)
        space = self._augmentation_space(self.num_magnitude_bins, (height, width))
        fill = fill_of(self.fill, img)
        for _ in range(self.num_ops):
            name = list(space)[randint(0, len(space))]
            magnitude = _strength(space[name], self.magnitude, _heads)
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

    def _augmentation_space(self, num_bins: int) -> Space:
        """Return the strengths of each operation, of which one is drawn; derived classes may have others."""
        return {"Identity": _none(), **_strengths(num_bins, 0.99, 32.0, 32.0, 135.0, 0.99, (8, 2))}

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        space = self._augmentation_space(self.num_magnitude_bins)
        name = list(space)[randint(0, len(space))]
        values, _ = space[name]
        magnitude = _strength(space[name], randint(0, len(values)) if values.ndim > 0 else None, _heads)
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

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        """Return the strengths of each operation, of which some are drawn; derived classes may have others."""
        height, width = image_size
        space = _strengths(num_bins, 0.3, width / 3.0, height / 3.0, 30.0, 0.9, (4, 0))
        space = {name: space[name] for name in sorted(space, key=lambda name: name in _ADJUST)}
        return space if self.all_ops else {name: found for name, found in space.items() if name not in _ADJUST}

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
        space = self._augmentation_space(self._PARAMETER_MAX, (height, width))
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
                magnitude = _strength(space[name], randint(0, self.severity), _heads)
                changed = self._operate(changed, name, magnitude, self.interpolation, fill)
            mix = mix + weights[:, i].reshape(shape) * changed
        return mix.reshape(img.shape).to(img.dtype)

    def __repr__(self) -> str:
        detail = f"severity={self.severity}, mixture_width={self.mixture_width}, chain_depth={self.chain_depth}"
        detail += f", alpha={self.alpha}, all_ops={self.all_ops}"
        return f"{type(self).__name__}({detail}, interpolation={self.interpolation}, fill={self.fill})"
