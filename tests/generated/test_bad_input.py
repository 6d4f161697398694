"""Nonsense for every public function: it ends in a value or in an exception that is promised, and harms nothing.

5,000 calls in CI, always the same ones; ``CLTORCH_CASES=10 python -m pytest tests/generated/test_bad_input.py`` makes
50,000. Devices are given all functions, but, as each builds programs, fewer calls than the host.
"""

from __future__ import annotations

import re

import pytest

import cltorch
from tests.generated import calls
from tests.generated.drawing import FACTOR, cases
from tests.generated.nonsense import DTYPES, Call
from tests.generated.outcome import Outcome, differ, function, related, sensible

try:
    import torch
except ImportError:
    torch = None

BYTES = 96  # from which a call is drawn
# results of which PyTorch makes another shape where there are no elements at all
OWN_SHAPES = frozenset("pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle".split())
# functions that change an operand without saying so in their names: running statistics, rows that are too long, noise
WRITE = frozenset(
    "batch_norm batch_norm_update_stats instance_norm native_batch_norm embedding embedding_bag rrelu".split()
)
# functions that look at values on the host only, since a device would have to be waited for
UNASKED = frozenset("binary_cross_entropy gaussian_nll_loss quantile nanquantile".split())
# functions that promise no numbers: of memory as it was, and of boundaries that are not in order
INEXACT = frozenset(
    """
    empty empty_like empty_permuted empty_strided new_empty new_empty_strided resize resize_ resize_as_ bucketize
    searchsorted
    """.split()
)


def chosen(c, names: list[str]) -> str:
    return names[(256 * c.number(256) + c.number(256)) % len(names)]


def truth(x: object) -> bool:
    """Return whether a function may take a flag for set."""
    try:
        return bool(x)
    except ValueError:  # of several numbers
        return True


def made(call: Call, device: str) -> Outcome:
    """Make a call, and assert that it ended as promised and changed nothing but what it should."""
    beside = cltorch.arange(37.0).to(device)
    cltorch.manual_seed(0)
    outcome = Outcome(cltorch, call, device)
    assert outcome.documented and sensible(outcome.value), f"{call} on {device}: {outcome}"
    writes = call.name.endswith("_") or call.name in WRITE or "out" in call.named or truth(call.named.get("inplace"))
    if not (writes and outcome.error is None) and not isinstance(outcome.error, cltorch.DeviceIndexError):
        changed = outcome.built.changed()
        assert not changed, f"{call} on {device}: {outcome}, but it changed {changed}"
    assert beside.tolist() == list(range(37)), f"{call} on {device} changed a tensor beside it"
    return outcome


def agree(call: Call, ours: Outcome, theirs: Outcome, where: str, values: bool) -> None:
    """Assert that two outcomes are alike: values, or exceptions of which one's class is a kind of the other's."""
    if ours.error is None and theirs.error is None:
        difference = differ(ours.value, theirs.value, values)
        assert not difference, f"{call} here and {where}: {difference}"


def as_in_pytorch(call: Call, ours: Outcome) -> None:
    """Compare with PyTorch: where both give a value, it has the same dtype and shape."""
    if "away" in repr(call):
        return
    try:
        function(torch, call)
    except AttributeError:
        return  # what PyTorch has under this name in a module of its own
    theirs = Outcome(torch, call)
    if call.name not in OWN_SHAPES:
        agree(call, ours, theirs, "in PyTorch", values=False)
    if theirs.error is None and ours.error is not None:
        # what is not there says so; nothing is refused for its type but a number where a tensor belongs
        refused = isinstance(ours.error, RuntimeError) or "must be Tensor" in str(ours.error)
        # PyTorch does not look at the dimensions of some operands that have no elements
        refused |= "Dimension out of range" in str(ours.error) and any(
            0 in x.shape for x, _, _ in ours.built.made.values()
        )
        assert refused, f"{call}: {ours}, but PyTorch gives {theirs}"


@pytest.mark.parametrize(("space", "examples"), [
    ("torch", 90), ("Tensor", 62), ("nn.functional", 50), ("linalg", 20), ("fft", 10), ("special", 12)
])  # fmt: skip
def test_calls_end_as_promised(space, examples):
    names = calls.names(space)

    @cases("bad input", examples, BYTES)
    def run(c):
        call = calls.call(c, space, chosen(c, names))
        outcome = made(call, "cpu")
        if torch is not None:
            as_in_pytorch(call, outcome)

    run()


def waits_for_nothing(call: Call, here: Outcome, there: Outcome) -> bool:
    """Return whether the host refuses what a device, which is not asked for its values, rightly gives a value for."""
    told = str(here.error)
    return (
        call.name in UNASKED
        or "ZeroDivisionError" in told  # integers
        or "not implemented on the CPU" in told
        or '_cpu" not implemented for' in told
        or (("index" in told or "without overflow" in told) and nothing(there.value))
    )


def nothing(value: object) -> bool:
    """Return whether a result has no elements, so that no index of its operands was looked at."""
    return isinstance(value, cltorch.Tensor) and not value.numel()


def on_device(call: Call, device: str) -> None:
    """Make a call on the host and on a device, and assert that they agree."""
    if not cltorch.device(device).resolve().context.caps.fp64 and re.search("<(float64|complex128)", repr(call)):
        return  # the operand could not be made
    here, there = made(call, "cpu"), made(call, device)
    if "away" in repr(call):
        return
    if "has no double precision" in str(there.error) and not cltorch.device(device).resolve().context.caps.fp64:
        return
    if here.error is None:
        assert there.error is None, f"{call} on {device}: {there}, but the host gives {here}"
        agree(call, here, there, f"on {device}", call.name not in INEXACT)
    elif there.error is not None:
        # the host looks at indices before it looks at other things
        assert waits_for_nothing(call, here, there) or "index" in str(here.error) or related(here.error, there.error), (
            f"{call} on {device}: {there}, but on the host: {here}"
        )
    else:
        assert waits_for_nothing(call, here, there), f"{call} on {device}: {there}, but the host refuses: {here}"


@cases("bad input on OpenCL devices", 12, BYTES)
def test_devices_do_as_the_host(c, cl_device):
    space = c.of(("torch", "Tensor", "nn.functional", "torch", "linalg", "special", "fft", "Tensor"))
    # few dtypes, whose programs other tests build too; the long run takes all
    dtypes = ("float32", "int64", "bool") if FACTOR == 1 else DTYPES
    on_device(calls.call(c, space, chosen(c, calls.names(space)), dtypes), cl_device)
