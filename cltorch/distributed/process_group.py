"""A group of one process, and what each collective comes to in it.

A process alone gathers what it has, reduces one value to itself and sends to nobody: collectives copy where the results
are other tensors than what is given, and leave alone what they work on in place.
Source: https://docs.pytorch.org/docs/2.13/distributed.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, NoReturn

from cltorch import dtypes, functions
from cltorch.distributed.backend import Backend, BackendConfig
from cltorch.distributed.reduce_op import RedOpType, kind_of
from cltorch.distributed.store import Store
from cltorch.futures import Future

__all__ = ["ProcessGroup", "Work"]

_CARRIED = (
    dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16, dtypes.int8, dtypes.uint8, dtypes.bool_,
    dtypes.int32, dtypes.int64,
)  # fmt: skip
_BITWISE = (RedOpType.BAND, RedOpType.BOR, RedOpType.BXOR)


class Work:
    """What an asynchronous collective returns: a handle to wait by.

    Among one process a collective is done when it returns, as far as the program can tell: what it enqueued on a device
    comes before what follows it there.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.Work
    """

    def __init__(self, results: Sequence[Any] = ()) -> None:
        self._results = list(results)

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Return True once the collective is done."""
        return True

    def is_completed(self) -> bool:
        """Return whether the collective is done."""
        return True

    def is_success(self) -> bool:
        """Return whether it is done without an exception."""
        return True

    def exception(self) -> None:
        """Return what it raised: nothing, for the collective itself raises."""

    def result(self) -> list[Any]:
        """Return the tensors that it wrote."""
        return self._results

    def synchronize(self) -> None:
        """Let what follows on the device come after the collective, as it does."""

    def block_current_stream(self) -> None:
        """Let the current stream come after the collective, as it does."""

    def source_rank(self) -> int:
        """Return who sent what was received; nobody can."""
        raise RuntimeError("sourceRank() may only be called on work objects that correspond to a recv or recv-from-any")

    _source_rank = source_rank

    def get_future(self) -> Any:
        """Return a completed future of the tensors that it wrote."""
        future: Future[list[Any]] = Future()
        future.set_result(self._results)
        return future


class BackendType(Enum):
    """The kinds of backend."""

    UNDEFINED = 0
    GLOO = 1
    NCCL = 2
    UCC = 3
    MPI = 4
    XCCL = 5
    CUSTOM = 6


class ProcessGroup:
    """Know the processes that take part in collectives: this one.

    ``init_process_group`` and ``new_group`` make groups. The methods are what the functions of torch.distributed come
    down to: they take lists of tensors and return a Work. A tensor's device must have a backend in the group, and what
    "gloo" carries are the dtypes float16, bfloat16, float32, float64, int8, uint8, int32, int64 and bool. Raises
    RuntimeError for others, for lists that have not one item per process, and for other shapes or dtypes on one side
    than on the other.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.ProcessGroup
    """

    BackendType = BackendType

    def __init__(self, store: Store, rank: int, size: int) -> None:
        if size != 1:
            raise NotImplementedError(f"cltorch computes in one process: a group has 1 process, not {size}")
        self._store, self._rank = store, rank
        self._backends: dict[str, Any] = BackendConfig(Backend.GLOO).device_backend_map
        self.group_name, self.group_desc = "", "undefined"
        self.bound_device_id: Any = None

    def __hash__(self) -> int:
        return id(self)

    def rank(self) -> int:
        """Return the number of this process among those of the group: 0."""
        return self._rank

    def size(self) -> int:
        """Return how many processes the group has: 1."""
        return 1

    def name(self) -> str:
        """Return the name of the backend, that of the host if there are several."""
        return next(iter(self._backends.values()), Backend.UNDEFINED)

    _get_backend_name = name

    def get_group_store(self) -> Store:
        """Return the store of the group."""
        return self._store

    def set_timeout(self, timeout: timedelta) -> None:
        """Take how long to wait for other processes; there are none."""

    def shutdown(self) -> None:
        """End the group: nothing is open."""

    abort = shutdown

    @property
    def _device_types(self) -> list[Any]:
        return [functions.resolve_device(kind) for kind in self._backends if kind in ("cpu", "cuda")]

    def _backend_of(self, x: Any) -> str:
        kind = "cuda" if x.device.type == "cl" else x.device.type
        found = self._backends.get(kind)
        if found is None:
            raise RuntimeError(f"No backend type associated with device type {kind}")
        return found

    def _check(self, name: str, tensors: Sequence[Any]) -> None:
        for x in tensors:
            if self._backend_of(x) == Backend.GLOO and x.dtype not in _CARRIED:
                raise RuntimeError(f"Invalid scalar type: {name} of {x.dtype} is not there for the backend gloo")

    def _check_root(self, name: str, root: int) -> None:
        if not 0 <= root < self.size():
            raise RuntimeError(f"ProcessGroupGloo::{name}: invalid root rank: {root}")

    def _check_reduction(self, given: Any, tensors: Sequence[Any]) -> None:
        op = kind_of(getattr(given, "reduceOp", given))
        for x in tensors:
            backend = self._backend_of(x)
            if op in _BITWISE and backend == Backend.NCCL:
                raise RuntimeError(f"Cannot use ReduceOp.{op.name} with NCCL")
            if op in _BITWISE and x.dtype.is_floating_point:
                raise RuntimeError(f"Cannot use ReduceOp.{op.name} with non-integral dtype")
            if op is RedOpType.AVG and not x.dtype.is_floating_point and backend != Backend.NCCL:
                raise RuntimeError(
                    f"result type Float can't be cast to the desired output type: a mean of {x.dtype} has a fraction"
                )
            if op is RedOpType.PREMUL_SUM:
                raise RuntimeError("Cannot use ReduceOp.PREMUL_SUM with the backend gloo")

    def _fill(self, name: str, results: Sequence[Any], given: Sequence[Any]) -> Work:
        """Write what is given into the results, each of the same shape and dtype."""
        self._check(name, given)
        for i, (y, x) in enumerate(zip(results, given, strict=True)):
            if y.shape != x.shape:
                raise RuntimeError(
                    f"ProcessGroupGloo::{name}: invalid tensor size at index {i} (expected {_sizes(x)}, got "
                    f"{_sizes(y)})"
                )
            if y.dtype != x.dtype or y.device.type != x.device.type:
                raise RuntimeError(
                    f"ProcessGroupGloo::{name}: invalid tensor type at index {i} (expected {x.dtype} on {x.device}, "
                    f"got {y.dtype} on {y.device})"
                )
        for y, x in zip(results, given, strict=True):
            y.copy_(x.detach())
        return Work(results)

    def allreduce(self, tensors: Any, opts: Any = RedOpType.SUM) -> Work:
        """Reduce each tensor over all processes, in place: it stays as it is."""
        listed = tensors if isinstance(tensors, list) else [tensors]
        self._check_reduction(opts, listed)
        self._check("allreduce", listed)
        return Work(listed)

    allreduce_coalesced = allreduce

    def reduce(self, tensors: Any, opts: Any = 0) -> Work:
        """Reduce each tensor to one process, in place: it stays as it is."""
        self._check_root("reduce", getattr(opts, "rootRank", opts))
        return self.allreduce(tensors, getattr(opts, "reduceOp", RedOpType.SUM))

    def broadcast(self, tensors: Any, opts: Any = 0) -> Work:
        """Give each tensor the values that one process has: its own."""
        listed = tensors if isinstance(tensors, list) else [tensors]
        self._check_root("broadcast", getattr(opts, "rootRank", opts))
        self._check("broadcast", listed)
        return Work(listed)

    def allgather(self, output_tensors: Any, input_tensors: Any, opts: Any = None) -> Work:
        """Write the tensor of each process into a list of as many."""
        for i, outputs in enumerate(output_tensors):
            if len(outputs) != self.size():
                raise RuntimeError(
                    f"ProcessGroupGloo::allgather: invalid output tensor list at index {i} (expected length "
                    f"{self.size()}, got {len(outputs)})"
                )
        return self._fill("allgather", [outputs[0] for outputs in output_tensors], input_tensors)

    def allgather_coalesced(self, output_lists: Any, input_list: Any, opts: Any = None) -> Work:
        """Write the tensors of each process into a list of as many lists."""
        if len(output_lists) != self.size():
            raise RuntimeError(
                f"ProcessGroupGloo::allgather_coalesced: invalid output list (expected length {self.size()}, got "
                f"{len(output_lists)})"
            )
        return self._fill("allgather_coalesced", output_lists[0], input_list)

    def all_gather_single(self, output: Any, input: Any, opts: Any = None) -> Work:
        """Write the tensors of all processes into one."""
        return self._fill("allgather", [output], [input])

    _allgather_base = all_gather_single

    def gather(self, output_tensors: Any, input_tensors: Any, opts: Any = 0) -> Work:
        """Write the tensor of each process into a list of one of them."""
        self._check_root("gather", getattr(opts, "rootRank", opts))
        if len(output_tensors[0]) != self.size():
            raise RuntimeError(
                f"ProcessGroupGloo::gather: Incorrect output list size {len(output_tensors[0])}. Output list size "
                f"should be {self.size()}, same as size of the process group."
            )
        return self._fill("gather", output_tensors[0], input_tensors)

    def scatter(self, output_tensors: Any, input_tensors: Any, opts: Any = 0) -> Work:
        """Write each tensor of one process's list into that of another process."""
        self._check_root("scatter", getattr(opts, "rootRank", opts))
        given = input_tensors[0]
        if len(given) != self.size():
            raise RuntimeError(
                f"ProcessGroupGloo::scatter: Incorrect input list size {len(given)}. Input list size should be "
                f"{self.size()}, same as size of the process group."
            )
        if output_tensors[0].shape != given[0].shape:
            raise RuntimeError(
                f"ProcessGroupGloo::scatter: invalid tensor size at index 0 (expected {_sizes(output_tensors[0])}, got "
                f"{_sizes(given[0])})"
            )
        return self._fill("scatter", output_tensors, given)

    def reduce_scatter(self, output_tensors: Any, input_tensors: Any, opts: Any = RedOpType.SUM) -> Work:
        """Reduce a list with an item for each process, and write each its own."""
        given = input_tensors[0]
        if len(given) != self.size():
            raise RuntimeError("invalid input tensor list size, must be world size")
        self._check_reduction(opts, given)
        return self._fill("reduce_scatter", output_tensors, given)

    def reduce_scatter_single(self, output: Any, input: Any, opts: Any = RedOpType.SUM) -> Work:
        """Reduce a tensor with a part for each process, and write each its own."""
        self._check_reduction(opts, [input])
        return self._fill("reduce_scatter", [output], [input])

    _reduce_scatter_base = reduce_scatter_single

    def alltoall(self, output_tensors: Any, input_tensors: Any, opts: Any = None) -> Work:
        """Give each process an item of a list and get one of each."""
        for name, given in (("input", input_tensors), ("output", output_tensors)):
            if len(given) != self.size():
                raise RuntimeError(
                    f"ProcessGroupGloo::alltoall: {name} tensor list size {len(given)} does not match world size "
                    f"{self.size()}"
                )
        if any(y.numel() != x.numel() for y, x in zip(output_tensors, input_tensors, strict=True)):
            raise RuntimeError("ProcessGroupGloo::alltoall: input and output tensors must have the same size")
        return self._fill("alltoall", output_tensors, input_tensors)

    def all_to_all_single(
        self, output: Any, input: Any, output_split_sizes: Any = (), input_split_sizes: Any = (), opts: Any = None
    ) -> Work:
        """Give each process a part of a tensor and get one of each."""
        for x, sizes in ((output, output_split_sizes), (input, input_split_sizes)):
            if sizes and len(sizes) != self.size():
                raise RuntimeError("Number of tensor splits not equal to group size")
            if sizes and sum(sizes) != x.shape[0]:
                raise RuntimeError("Split sizes doesn't match total dim 0 size")
        if output.numel() != input.numel():
            raise RuntimeError(f"in->size == out->size: {input.numel()} and {output.numel()} elements")
        return self._fill("alltoall_base", [output], [input.reshape(output.shape)])

    alltoall_base = all_to_all_single

    def barrier(self, opts: Any = None) -> Work:
        """Wait until every process is here: this one is."""
        return Work()

    def monitored_barrier(self, timeout: timedelta | None = None, wait_all_ranks: bool = False) -> None:
        """Wait until every process is here, in time."""

    def _no_peer(self, rank: int) -> NoReturn:
        raise ValueError(
            f"there is no rank {rank} to send to or to receive from: the group has {self.size()} process, whose rank "
            f"is {self.rank()}"
        )

    def send(self, tensors: Any, dstRank: int, tag: int) -> NoReturn:
        """Raise ValueError: there is nobody to send to."""
        self._no_peer(dstRank)

    def recv(self, tensors: Any, srcRank: int, tag: int) -> NoReturn:
        """Raise ValueError: there is nobody to receive from."""
        self._no_peer(srcRank)

    def recv_anysource(self, tensors: Any, tag: int) -> NoReturn:
        """Raise ValueError: there is nobody to receive from."""
        self._no_peer(-1)


def _sizes(x: Any) -> str:
    return f"({', '.join(map(str, x.shape))})"
