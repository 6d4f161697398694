"""Arguments of odd types and devices: what they are taken for, and what is said of them."""

from __future__ import annotations

import pytest

import cltorch as torch


def test_lines_between_ends_without_values_have_none():
    end = torch.empty((), device="meta")
    for line in (torch.linspace(end, 1, 3), torch.linspace(0, end, 3, device="cpu"), torch.logspace(end, end, 3)):
        assert line.device.type == "meta" and line.shape == (3,) and line.dtype is torch.float32
    with pytest.raises(RuntimeError, match="0-dimensional start and end"):
        torch.linspace(torch.empty(2, device="meta"), 1, 3)


def test_dimensions_are_integers(device):
    x = torch.tensor([[3.0, 1.0], [2.0, 5.0]], device=device)
    for name in ("median", "nanmedian", "mode"):
        for dim, kind in ((True, "bool"), (0.0, "float"), ((0,), "tuple")):
            with pytest.raises(TypeError, match=rf"{name}\(\): argument 'dim' \(position 2\) must be int, not {kind}"):
                getattr(torch, name)(x, dim)
        assert getattr(torch, name)(x, dim=0).values.tolist() == [2, 1]


def test_orders_and_counts_out_of_what_there_is(device):
    x = torch.tensor([1.0, 2.0], device=device)
    for order in ("fro", None):
        with pytest.raises(TypeError, match="argument 'ord' .* must be Number"):
            torch.linalg.vector_norm(x, order)
    with pytest.raises(RuntimeError, match="Storage size calculation overflowed"):
        torch.linalg.vander(x, N=2**62)
    assert "saved_tensors_hooks" in torch.autograd.graph.__all__
    assert all(hasattr(torch.autograd.graph, name) for name in torch.autograd.graph.__all__)


def test_values_of_a_batch_are_not_read(device):
    x = torch.ones(2, 3, device=device)
    for read in (float, int, complex, lambda s: f"{s:.2f}", lambda s: 1.0 in s.expand(2), lambda s: s.item()):
        with pytest.raises(RuntimeError, match=r"calling .item\(\) on a Tensor"):
            torch.vmap(lambda a, read=read: read(a.sum()))(x)


def test_numbers_that_a_dtype_does_not_hold_are_no_bounds_choices_or_exponents(device):
    for kind, least, most in (("uint8", -300, 300), ("int8", -129, 128), ("int32", -(2**31) - 1, 2**31)):
        x = torch.tensor([1, 5, 100], dtype=getattr(torch, kind), device=device)
        for f in (lambda v: x.clamp(max=v), lambda v: x.clip(v), lambda v: x.clone().clamp_(0, v),  # noqa: B023
                  lambda v: torch.where(x > 2, x, v), lambda v: torch.where(x > 2, v, x)):  # fmt: skip # noqa: B023
            for value in (least, most):
                with pytest.raises(RuntimeError, match="value cannot be converted to type .* without overflow"):
                    f(value)
        with pytest.raises(RuntimeError, match="without overflow"):
            x**most
        assert x.clamp(-128 if kind == "int8" else 0, 127).tolist() == [1, 5, 100]
        assert x.clamp(max=float(most)).dtype is torch.float32
    whole = torch.tensor([1, 5], dtype=torch.uint8, device=device)
    assert torch.where(whole > 2, whole, -1).tolist() == [255, 5] and whole.clamp(max=-1).tolist() == [1, 5]
    for kind, most in (("float16", 65504), ("float32", 3.4e38)):
        x = torch.tensor([-2.0, 2.0], dtype=getattr(torch, kind), device=device)
        assert x.clamp(-most, float("inf")).tolist() == [-2, 2]
        assert torch.where(x > 0, x, float("nan")).isnan().tolist() == [True, False]
        for value in (most * 2, -1e300):
            with pytest.raises(RuntimeError, match="without overflow"):
                x.clamp(min=value)
            with pytest.raises(RuntimeError, match="without overflow"):
                torch.where(x > 0, x, value)


def test_numbers_that_a_dtype_does_not_hold_are_no_limits_thresholds_or_factors(device):
    for kind, least, most in (("uint8", -300, 300), ("int8", -129, 128), ("int32", -(2**31) - 1, 2**31)):
        x = torch.tensor([1, 5, 100], dtype=getattr(torch, kind), device=device)
        for value in (least, most):
            for f in (lambda v: torch.clamp_min(x, v), lambda v: torch.clamp_max(x, max=v),  # noqa: B023
                      lambda v: x.clone().clamp_min_(v), lambda v: x.clone().clamp_max_(max=v),  # noqa: B023
                      lambda v: torch.nn.functional.threshold(x, v, 3),  # noqa: B023
                      lambda v: torch.nn.functional.threshold(x, 2, v),  # noqa: B023
                      lambda v: torch.threshold_(x.clone(), 2, v),  # noqa: B023
                      lambda v: torch.nn.functional.hardtanh(x, 0, abs(v)),  # noqa: B023
                      lambda v: torch.add(x, x, alpha=v)):  # fmt: skip # noqa: B023
                with pytest.raises(RuntimeError, match="value cannot be converted to type .* without overflow"):
                    f(value)
        assert torch.clamp_min(x, 4.5).tolist() == [4.5, 5, 100] and torch.clamp_max(x, 7).tolist() == [1, 5, 7]
        assert torch.nn.functional.threshold(x, 4.9, 3.2).tolist() == [3, 5, 100]
        for value in (float("inf"), float("nan")):
            with pytest.raises(RuntimeError, match="without overflow"):
                torch.nn.functional.threshold(x, value, 3)
    whole = torch.tensor([1, 5], dtype=torch.uint8, device=device)
    assert torch.sub(whole, whole, alpha=-1).tolist() == [2, 10]


def test_integers_are_not_divided_by_a_number_that_goes_round_to_0(device):
    for kind in ("uint8", "int32"):
        x = torch.tensor([1, 5, 100], dtype=getattr(torch, kind), device=device)
        for value in (0, False, 2**32):
            for f in (lambda v: x % v, lambda v: torch.fmod(x, v), lambda v: x // v, lambda v: x.clone().fmod_(v),  # noqa: B023
                      lambda v: x.clone().remainder_(other=v), lambda v: torch.remainder(x, other=v),  # noqa: B023
                      lambda v: torch.div(x, v, rounding_mode="trunc"),  # noqa: B023
                      lambda v: torch.div(x, v, rounding_mode="floor")):  # fmt: skip # noqa: B023
                with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                    f(value)
        assert (x[:0] % 0).shape == (0,) and (x // 0.5).tolist() == [2, 10, 200]
        assert torch.fmod(x, 0.0).isnan().all()


def test_fractions_take_limits_that_they_hold(device):
    f = torch.nn.functional
    for kind, most in (("float16", 65504), ("float32", 3e38)):
        x = torch.tensor([-2.0, 0.5, 2.0], dtype=getattr(torch, kind), device=device)
        assert f.hardtanh(x, -most, float("inf")).tolist() == f.threshold(x, -most, float("nan")).tolist()
        for value in (most * 2, 1e300):
            with pytest.raises(RuntimeError, match="without overflow"):
                f.hardtanh(x, -1, value)
            with pytest.raises(RuntimeError, match="without overflow"):
                f.threshold(x, 0, value)
        assert f.elu(x, True).tolist() == f.elu(x, 1.0).tolist()  # alpha of an activation is no factor of a sum
    with pytest.raises(RuntimeError, match="Bool inputs not supported for hardtanh"):
        f.hardtanh(torch.ones(2, dtype=torch.bool, device=device))
    for call in (f.threshold, torch.threshold, torch.threshold_):
        with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
            call(torch.ones(2, dtype=torch.bool, device=device), 0, 1)
