"""What is built upon collectives: torch.distributed.algorithms."""

from cltorch.distributed.algorithms.join import Join, Joinable, JoinHook

__all__ = ["Join", "JoinHook", "Joinable"]
