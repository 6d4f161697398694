"""Hooks of DistributedDataParallel that reduce gradients as they are, or in half precision.

Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html#default-communication-hooks
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import dtypes
from cltorch.distributed.collectives import all_reduce
from cltorch.distributed.grad_bucket import GradBucket
from cltorch.distributed.world import given_or_default
from cltorch.futures import Future

__all__ = [
    "allreduce_hook", "bf16_compress_hook", "bf16_compress_wrapper", "fp16_compress_hook", "fp16_compress_wrapper",
]  # fmt: skip


def allreduce_hook(process_group: Any, bucket: GradBucket) -> Future[Any]:
    """Return a future of the gradients' mean over all processes, as without a hook.

    y = (x_1 + … + x_n) / n.
    Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html
    """
    return _mean(process_group, bucket.buffer().div_(given_or_default(process_group).size()))


def _mean(group: Any, buffer: Any) -> Future[Any]:
    work = all_reduce(buffer, group=given_or_default(group), async_op=True)
    assert work is not None
    return work.get_future().then(lambda future: future.value()[0])


def _compressed(dtype: Any, group: Any, bucket: GradBucket) -> Future[Any]:
    buffer = bucket.buffer()
    small = buffer.to(dtype).div_(given_or_default(group).size())
    return _mean(group, small).then(lambda future: buffer.copy_(future.value()))


def fp16_compress_hook(process_group: Any, bucket: GradBucket) -> Future[Any]:
    """Return a future of the gradients' mean, summed in float16.

    Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html
    """
    return _compressed(dtypes.float16, process_group, bucket)


def bf16_compress_hook(process_group: Any, bucket: GradBucket) -> Future[Any]:
    """Return a future of the gradients' mean, summed in bfloat16.

    Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html
    """
    return _compressed(dtypes.bfloat16, process_group, bucket)


def _wrapper(hook: Callable[..., Future[Any]], dtype: Any, name: str) -> Callable[..., Future[Any]]:
    def wrapped(state: Any, bucket: GradBucket) -> Future[Any]:
        whole = bucket.buffer()
        bucket.set_buffer(whole.to(dtype))
        return hook(state, bucket).then(lambda future: whole.copy_(future.value()))

    wrapped.__name__ = wrapped.__qualname__ = name
    return wrapped


def fp16_compress_wrapper(hook: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    """Return a hook that gives another one its gradients in float16.

    Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html
    """
    return _wrapper(hook, dtypes.float16, "fp16_compress_wrapper_hook")


def bf16_compress_wrapper(hook: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    """Return a hook that gives another one its gradients in bfloat16.

    Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html
    """
    return _wrapper(hook, dtypes.bfloat16, "bf16_compress_wrapper_hook")
