"""Evaluating a formula over arrays: by one kernel on a device, by NumPy on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import CPU
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array, check_dtype, empty_layout, from_host, to_numpy, two_devices
from cltorch.ops.complex_formula import lower
from cltorch.ops.host_plan import READY, UNFIT, HostPlan
from cltorch.ops.plan import output_layout, specialise


class Formula:
    """A traced function with a name; ``masks`` are the operands used as conditions (bool Arrays)."""

    __slots__ = ("name", "fn", "masks", "params", "__weakref__")

    def __init__(self, name: str, fn: Callable[..., Any], masks: Sequence[int] = (), params: int = 0) -> None:
        self.name, self.fn, self.masks, self.params = name, fn, frozenset(masks), params


def compute_dtype(t: dtype) -> dtype:
    """Return the dtype in which values of a dtype are computed (the halves compute in float32, or pairs of it)."""
    return dtypes.float32 if t.compute == "float" else dtypes.complex64 if t is dtypes.complex32 else t


def devices_agree(name: str, operands: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return the common device of Arrays and the operands moved to it (only 0-d host Arrays are moved).

    Raises RuntimeError naming both devices where they differ.
    """
    arrays = [x for x in operands if isinstance(x, Array)]
    dev = arrays[0].device
    for x in arrays:
        if x.device is not dev:
            if dev.type == "cpu" and dev is CPU and all(a.lay.ndim == 0 for a in arrays if a.device is CPU):
                dev = x.device
            elif not (x.device is CPU and x.lay.ndim == 0):
                raise two_devices(dev, x.device, name)
    return dev, [
        from_host(to_numpy(x), x.dtype, dev)
        if isinstance(x, Array) and x.device is not dev and not x.dtype.opaque
        else _bits_to(x, dev)
        if isinstance(x, Array) and x.device is not dev
        else x
        for x in operands
    ]


def _bits_to(x: Any, dev: Any) -> Any:
    out = empty_layout(Layout.of(x.shape), x.dtype, dev)
    dev.context.write(out._storage.buf, to_numpy(x).reshape(-1).view(np.uint8), owned=True)
    return out


def run(
    formula: Formula,
    compute: dtype,
    operands: Sequence[Any],
    params: Sequence[Any],
    out_dtypes: Sequence[dtype],
    shape: Sequence[int],
) -> list[Any]:
    """Compute a formula into new Arrays of these dtypes; operands lie on one device or are numbers."""
    arrays = [x for x in operands if isinstance(x, Array)]
    dev = arrays[0]._storage.device
    if dev.type == "cpu":
        return host_planned(formula, compute, operands, out_dtypes, shape).run_all(operands, params)
    for t in {*out_dtypes, compute}:
        check_dtype(t, dev)
    layout = output_layout(shape, [x.lay for x in arrays])
    outs = [empty_layout(layout, t, dev) for t in out_dtypes]
    _launch(formula, compute, operands, params, outs, True)
    return outs


def run_into(
    formula: Formula,
    compute: dtype,
    operands: Sequence[Any],
    params: Sequence[Any],
    outs: Sequence[Any],
    apart: bool = False,
) -> None:
    """Compute a formula into existing Arrays of one shape (which may be operands themselves, but for ``apart``)."""
    if outs[0].device.type == "cpu":
        types = [x.dtype for x in outs]
        host_planned(formula, compute, operands, types, outs[0].lay.shape).into(operands, params, outs)
        return
    _launch(formula, compute, operands, params, outs, apart)


def _launch(
    formula: Formula, compute: dtype, operands: Sequence[Any], params: Sequence[Any], outs: Sequence[Any], apart: bool
) -> None:
    if outs[0].lay.numel:
        if compute.is_complex or outs[0].dtype.is_complex:
            formula, compute, operands, params, outs = lower(formula, compute, operands, params, outs)
        enqueue(planned(formula, compute, operands, outs, apart), compute, operands, params, outs)


def planned(formula: Formula, compute: dtype, operands: Sequence[Any], outs: Sequence[Any], apart: bool = False) -> Any:
    """Return the kernel of a formula for these layouts and dtypes, with its sizes and first arguments.

    ``apart`` says that no operand lies in the memory of the results.
    """
    context = outs[0].device.context
    key = (
        formula, compute, apart, *((x.lay.key, x.dtype) for x in outs),
        *((x.lay.key, x.dtype) if isinstance(x, Array) else None for x in operands),
    )  # fmt: skip
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = specialise(
            context, formula, compute, [(x.lay, x.dtype) for x in outs],
            [(x.lay, x.dtype) if isinstance(x, Array) else None for x in operands], apart=apart,
        )  # fmt: skip
    return plan


def enqueue(plan: Any, compute: dtype, operands: Sequence[Any], params: Sequence[Any], outs: Sequence[Any]) -> None:
    """Launch what ``planned`` has returned."""
    kernel, global_size, local_size, pre = plan
    arrays = [x for x in operands if isinstance(x, Array)]
    number = float if compute.is_floating_point else _signed if compute.family == "u" else int
    try:
        numbers = [*[number(x) for x in operands if not isinstance(x, Array)], *[number(p) for p in params]]
    except UNFIT as error:
        raise RuntimeError(f"value cannot be converted to type {compute.name} without overflow") from error
    kernel.launch(
        global_size, local_size,
        (
            *pre, *[x._storage.buf for x in outs], *[x._storage.buf for x in arrays],
            *[x.lay.offset for x in outs], *[x.lay.offset for x in arrays],
            *numbers,
        ),
    )  # fmt: skip


def _signed(x: Any) -> int:
    """Return a number as the int64 of the same bits, which is what kernels of unsigned numbers take."""
    x = int(x)
    return x - 2**64 if 2**63 <= x < 2**64 else x


def host_planned(
    formula: Formula, compute: dtype, operands: Sequence[Any], types: Sequence[dtype], shape: Sequence[int]
) -> HostPlan:
    """Return how NumPy computes a formula for operands of these layouts and dtypes."""
    key = (
        formula, compute, shape, *types,
        *[(x.lay.key, x.dtype) if isinstance(x, Array) else None for x in operands],
    )  # fmt: skip
    plan = READY.get(key)
    if plan is None:
        layout = output_layout(shape, [x.lay for x in operands if isinstance(x, Array)])
        plan = READY[key] = HostPlan(formula, compute, operands, types, layout)
    return plan
