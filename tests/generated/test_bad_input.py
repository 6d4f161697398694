"""Nonsense for every public function: it ends in a value or in an exception that is promised, and harms nothing.

5,000 calls in CI; ``CLTORCH_CASES=10 python -m pytest tests/generated/test_bad_input.py`` makes 50,000.
"""

from __future__ import annotations

import pytest

import cltorch
from tests.generated import calls
from tests.generated.drawing import FACTOR, cases
from tests.generated.nonsense import Call
from tests.generated.outcome import Outcome, differ, function, related

try:
    import torch
except ImportError:
    torch = None

BYTES = 96  # from which a call is drawn
# results of which PyTorch makes another shape where there are no elements at all
OWN_SHAPES = frozenset("pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle".split())
# functions that change an operand without saying so in their names: running statistics, rows that are too long, noise
WRITE = frozenset("batch_norm instance_norm native_batch_norm embedding embedding_bag rrelu".split())
# programs that many tests build: others would only take the time of building them
ON_DEVICES = sorted(
    """
    add mul sub div where sum mean amax argmax cumsum sort topk cat stack flip roll gather scatter_add index_select
    index_add index_copy index_fill masked_fill masked_select take take_along_dim matmul mm bmm softmax embedding
    expand reshape permute narrow tril nonzero clamp exp sigmoid relu eq lt isin pad full arange zeros ones
    repeat_interleave
    """.split()
)


def chosen(c, names: list[str]) -> str:
    return names[(256 * c.number(256) + c.number(256)) % len(names)]


def made(call: Call, device: str) -> Outcome:
    """Make a call, and assert that it ended as promised and changed nothing but what it should."""
    beside = cltorch.arange(37.0).to(device)
    cltorch.manual_seed(0)
    outcome = Outcome(cltorch, call, device)
    assert outcome.documented, f"{call} on {device}: {outcome}"
    writes = call.name.endswith("_") or call.name in WRITE or "out" in call.named or call.named.get("inplace")
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


def on_device(call: Call, device: str) -> None:
    """Make a call on the host and on a device, and assert that they agree."""
    here, there = made(call, "cpu"), made(call, device)
    if "away" in repr(call):
        return
    if here.error is None:
        assert there.error is None, f"{call} on {device}: {there}, but the host gives {here}"
        # other functions are compared where their tests know how exact they are
        agree(call, here, there, f"on {device}", call.name in ON_DEVICES)
    elif there.error is not None:
        # the host looks at indices before it looks at other things
        assert "index" in str(here.error) or related(here.error, there.error), (
            f"{call} on {device}: {there}, but on the host: {here}"
        )
    else:
        raise AssertionError(f"{call} on {device}: {there}, but the host refuses: {here}")


@cases("bad input on OpenCL devices", 10, BYTES)
def test_devices_do_as_the_host(c, cl_device):
    space = c.of(("torch", "Tensor", "nn.functional", "torch"))
    names = [n for n in calls.names(space) if FACTOR > 1 or n in ON_DEVICES]
    on_device(calls.call(c, space, chosen(c, names), ("float32", "int64", "bool")), cl_device)
