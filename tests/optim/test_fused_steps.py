"""Steps over lists by the names that fused optimisers call, against their formulas in a few lines of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from tests.libraries import LIBRARIES


def lists(device, count):
    rng = np.random.default_rng(3)
    arrays = [[abs(rng.normal(size=shape)).astype("float32") for shape in ((3, 2), (5,))] for _ in range(count)]
    return arrays, [[cltorch.tensor(a, device=device) for a in row] for row in arrays]


def same(tensors, arrays):
    for t, a in zip(tensors, arrays, strict=True):
        np.testing.assert_allclose(t.cpu().numpy(), a, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("scaled", [None, 0.0, 1.0])
@pytest.mark.parametrize(
    ("name", "decay", "amsgrad"), [("_fused_adam_", 0.1, True), ("_fused_adamw_", 0.1, False)], ids=["adam", "adamw"]
)
def test_adam(name, decay, amsgrad, scaled, device):
    """``scaled`` is whether some gradient was not finite, None without a scale."""
    arrays, tensors = lists(device, 5)
    steps = [cltorch.tensor(3.0, device=device) for _ in range(2)]
    scale = {} if scaled is None else {"grad_scale": cltorch.tensor(4.0), "found_inf": cltorch.tensor(scaled)}
    done = getattr(cltorch, name)(
        *tensors[:4], tensors[4] if amsgrad else [], steps, lr=0.1, beta1=0.9, beta2=0.99, weight_decay=decay, eps=1e-8,
        amsgrad=amsgrad, maximize=False, **scale,
    )  # fmt: skip
    assert done is None
    assert [s.item() for s in steps] == [3.0, 3.0]  # who calls counts
    for i in range(2):
        p, g, m, v, most = (row[i] for row in arrays)
        if scaled != 1.0:
            g = g / (1 if scaled is None else 4)
            gradient = g
            if name == "_fused_adamw_":
                p = p - 0.1 * decay * p
            else:
                gradient = g + decay * p
            m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient**2
            most = np.maximum(most, v) if amsgrad else most
            second = most if amsgrad else v
            p = p - 0.1 * (m / (1 - 0.9**3)) / (np.sqrt(second / (1 - 0.99**3)) + 1e-8)
        same([row[i] for row in tensors], [p, g, m, v, most])


@pytest.mark.parametrize("first", [True, False])
def test_sgd(first, device):
    arrays, tensors = lists(device, 3)
    cltorch._fused_sgd_(
        *tensors, weight_decay=0.1, momentum=0.5, lr=0.1, dampening=0.25, nesterov=False, maximize=True,
        is_first_step=first,
    )  # fmt: skip
    for i in range(2):
        p, g, b = (row[i] for row in arrays)
        d = -g + 0.1 * p
        b = d if first else 0.5 * b + 0.75 * d
        same([row[i] for row in tensors], [p - 0.1 * b, g, b])


def test_sgd_without_momentum_and_adagrad(device):
    arrays, tensors = lists(device, 3)
    cltorch._fused_sgd_(
        *tensors[:2], [], weight_decay=0.0, momentum=0.0, lr=cltorch.tensor(0.1), dampening=0.0, nesterov=False,
        maximize=False, is_first_step=True,
    )  # fmt: skip
    steps = [cltorch.tensor(5.0, device=device)] * 2
    cltorch._fused_adagrad_(
        *tensors, steps, lr=0.1, lr_decay=0.1, weight_decay=0.0, eps=1e-10, maximize=False
    )  # fmt: skip
    for i in range(2):
        p, g, s = (row[i] for row in arrays)
        s = s + g * g
        p = p - 0.1 * g - 0.1 / (1 + 4 * 0.1) * g / (np.sqrt(s) + 1e-10)
        same([row[i] for row in tensors], [p, g, s])


@pytest.mark.parametrize("lib", LIBRARIES)
def test_lists_of_other_lengths_and_integers_are_refused(lib):
    lib = LIBRARIES[lib]()
    more = {"lr": 0.1, "lr_decay": 0.0, "weight_decay": 0.0, "eps": 1e-10, "maximize": False}
    one = [lib.ones(2)]
    with pytest.raises(RuntimeError, match=r"Expected state_sums.size\(\) == n_tensors to be true"):
        lib._fused_adagrad_(one, one, [], [lib.tensor(1.0)], **more)
    with pytest.raises(NotImplementedError, match='"fused_adagrad_kernel" not implemented for'):
        lib._fused_adagrad_([lib.ones(2).long()], one, one, [lib.tensor(1.0)], **more)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_the_first_buffer_lies_as_the_gradient(lib):
    lib = LIBRARIES[lib]()
    p = lib.ones(2, 3, 4, 4).contiguous(memory_format=lib.channels_last).requires_grad_()
    p.grad = lib.ones(2, 3, 4, 4)
    optimizer = lib.optim.SGD([p], lr=0.5, momentum=0.9)
    optimizer.step()
    assert optimizer.state[p]["momentum_buffer"].stride() == p.grad.stride()
    assert p.flatten().tolist() == [0.5] * 96
