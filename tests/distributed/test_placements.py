"""Words for how tensors lie among processes."""

import pytest

from cltorch.distributed.tensor import Partial, Placement, Replicate, Shard


def test_placements_are_values():
    assert repr([Shard(1), Replicate(), Partial(), Partial("max")]) == (
        "[Shard(dim=1), Replicate(), Partial(sum), Partial(max)]"
    )
    assert Shard(0) == Shard(0) != Shard(1) and len({Shard(0), Shard(0), Replicate(), Replicate()}) == 2
    assert Shard(0).is_shard() and Shard(0).is_shard(0) and not Shard(0).is_shard(1) and not Replicate().is_shard()
    assert Replicate().is_replicate() and Partial("avg").is_partial("avg") and not Partial().is_partial("avg")
    assert isinstance(Partial(), Placement) and [str(p) for p in (Shard(2), Replicate(), Partial())] == [
        "S(2)",
        "R",
        "P(sum)",
    ]
    with pytest.raises(AttributeError):
        Shard(0).dim = 1
