"""Functions of torch.nn.functional that no layer calls so, with weights and masks laid out as inputs are."""

from __future__ import annotations

import numpy as np

from tests.golden.modules import Draw, gradients

# as in modules.py: name or several, then what it is called with
CASES: dict[str, str] = {
    "affine_grid": "f(2, 2, 3), (2, 1, 3, 4), False",
    "affine_grid volume": "f(1, 3, 4), (1, 1, 2, 3, 2), True",
    "grid_sample": "f(2, 2, 4, 5), 0.9 * f(2, 3, 2, 2), align_corners=False",
    "grid_sample bicubic": "f(1, 2, 4, 5), 0.5 * f(1, 3, 2, 2), 'bicubic', 'border', True",
    "grid_sample volume": "f(1, 2, 3, 4, 2), 0.9 * f(1, 2, 2, 2, 3), 'bilinear', 'reflection', False",
    "interpolate area": "f(1, 2, 6, 5), (3, 2), mode='area'",
    "interpolate exact": "f(1, 2, 6), 4, mode='nearest-exact'",
    "interpolate bilinear": "f(1, 2, 6, 5), scale_factor=1.7, mode='bilinear', align_corners=False",
    "interpolate antialias": "f(1, 2, 6, 7), (3, 4), mode='bicubic', antialias=True",
    "interpolate trilinear": "f(1, 2, 3, 2, 3), (4, 3, 2), mode='trilinear', align_corners=True",
    "scaled_dot_product_attention": "f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6)",
    "scaled_dot_product_attention causal": "f(2, 3, 4), f(2, 3, 4), f(2, 3, 4), is_causal=True",
    "scaled_dot_product_attention mask": "f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 4), f(3, 5)",
    "scaled_dot_product_attention shared": "f(1, 4, 3, 4), f(1, 2, 5, 4), f(1, 2, 5, 4), enable_gqa=True",
    "pad": "f(2, 3, 4), (1, -1, 2, 0), 'constant', 0.3",
    "pad circular": "f(2, 3, 4), (1, 2), 'circular'",
    "pad reflect": "f(2, 3, 4, 5), (1, 2, 0, 3), 'reflect'",
    "pad replicate": "f(3, 4), (1, 2), 'replicate'",
    "normalize": "f(3, 4), 3.0, 1",
    "pdist": "f(4, 3), 1.5",
    "cosine_similarity": "f(2, 3, 4), f(3, 4), 2",
    "one_hot": "i(5, 2, 3), 6",
    "bilinear": "f(5, 2), f(5, 3), f(4, 2, 3), f(4)",
    "linear": "f(2, 3, 4), f(5, 4), f(5)",
    "linear line": "f(2, 3), f(3)",
    "conv1d": "f(2, 3, 7), f(4, 3, 3), f(4), 2, 1",
    "conv2d": "f(1, 4, 5, 5), f(6, 2, 3, 3), f(6), 1, 1, 1, 2",
    "conv3d": "f(2, 3, 4, 3), f(2, 2, 2, 2, 2)",
    "conv_tbc": "f(5, 2, 3), f(2, 3, 4), f(4), 1",
    "conv_transpose1d": "f(2, 5), f(2, 3, 3), f(3), 2, 1, 1",
    "conv_transpose2d": "f(1, 4, 3, 4), f(4, 2, 3, 3), f(4), 2, 1, 0, 2",
    "batch_norm": "f(4, 3, 2), None, None, f(3), f(3), True",
    "batch_norm given": "f(4, 3, 2), f(3).detach(), u(3), f(3), f(3)",
    "group_norm": "f(2, 4, 3), 2, f(4), f(4)",
    "instance_norm": "f(2, 3, 5), None, None, f(3), f(3)",
    "layer_norm": "f(2, 3, 4), (3, 4), f(3, 4), f(3, 4)",
    "rms_norm": "f(2, 3, 4), (4,), f(4)",
    "prelu": "f(2, 3, 4), f(3)",
    "embedding": "i(5, 2, 3), f(5, 4)",
    "embedding_bag": "i(5, 2, 3), f(5, 4), mode='sum', per_sample_weights=f(2, 3)",
    "ctc_loss": "f(6, 2, 4).log_softmax(2), 1 + i(3, 3), np.array([6, 5]), np.array([2, 1])",
    "gaussian_nll_loss": "f(3, 4), f(3, 4), u(3, 1)",
    "kl_div": "f(3, 4).log_softmax(1), f(3, 4).log_softmax(1), reduction='sum', log_target=True",
}
# a gradient that is what rounding leaves of nothing once all numbers are the same; operands that PyTorch's views refuse
NOT_EXPANDED = {"pdist", "conv_tbc"}


def run(library, case: str, device: str = "cpu", layout: str = "contiguous") -> list[np.ndarray]:
    """Return what a function gives, then the gradients of its operands."""
    draw = Draw(library, case, device, layout)
    given = {}

    def called(*arguments, **named):
        given.update(named)
        return [draw.laid(x) if isinstance(x, np.ndarray) else x for x in arguments]

    arguments = eval(f"called({CASES[case]})", {**draw.names(), "called": called})
    result = getattr(library.nn.functional, case.split()[0])(*arguments, **given)
    return gradients(draw, result, [])
