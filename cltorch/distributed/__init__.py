"""torch.distributed for one process: groups whose only member is this one, collectives in them, stores.

cltorch computes in one process. A program that is written for several runs as the first of one: collectives give what
PyTorch's give there. A group of more raises NotImplementedError.
Source: https://docs.pytorch.org/docs/2.13/distributed.html
"""

from cltorch.distributed import autograd, rpc
from cltorch.distributed.backend import (
    Backend,
    BackendConfig,
    get_default_backend_for_device,
    is_available,
    is_backend_available,
    is_gloo_available,
    is_mpi_available,
    is_nccl_available,
    is_torchelastic_launched,
    is_ucc_available,
    is_xccl_available,
)
from cltorch.distributed.collectives import (
    all_gather,
    all_gather_coalesced,
    all_gather_into_tensor,
    all_gather_single,
    all_reduce,
    all_reduce_coalesced,
    all_to_all,
    all_to_all_single,
    barrier,
    broadcast,
    gather,
    monitored_barrier,
    record_comm,
    reduce,
    reduce_scatter,
    reduce_scatter_single,
    reduce_scatter_tensor,
    scatter,
)
from cltorch.distributed.collectives import all_gather_single as _all_gather_base  # noqa: F401
from cltorch.distributed.collectives import reduce_scatter_single as _reduce_scatter_base  # noqa: F401
from cltorch.distributed.debug_level import DebugLevel, get_debug_level, set_debug_level, set_debug_level_from_env
from cltorch.distributed.errors import DistBackendError, DistError, DistNetworkError, DistStoreError, QueueEmptyError
from cltorch.distributed.grad_bucket import GradBucket
from cltorch.distributed.groups import (
    destroy_process_group,
    init_process_group,
    new_group,
    new_subgroups,
    new_subgroups_by_enumeration,
    shrink_group,
    split_group,
)
from cltorch.distributed.objects import (
    all_gather_object,
    broadcast_object_list,
    gather_object,
    scatter_object_list,
)
from cltorch.distributed.points import (
    P2POp,
    batch_isend_irecv,
    irecv,
    isend,
    recv,
    recv_object_list,
    send,
    send_object_list,
)
from cltorch.distributed.process_group import ProcessGroup, Work
from cltorch.distributed.reduce_op import (
    AllreduceCoalescedOptions,
    AllreduceOptions,
    AllToAllOptions,
    BarrierOptions,
    BroadcastOptions,
    GatherOptions,
    ReduceOp,
    ReduceOptions,
    ReduceScatterOptions,
    ScatterOptions,
    reduce_op,
    supports_complex,
)
from cltorch.distributed.reducer import Reducer
from cltorch.distributed.rendezvous import register_rendezvous_handler, rendezvous
from cltorch.distributed.shared_stores import FileStore, TCPStore
from cltorch.distributed.store import HashStore, PrefixStore, Store
from cltorch.distributed.world import (
    GroupMember,
    get_backend,
    get_backend_config,
    get_global_rank,
    get_group_rank,
    get_node_local_rank,
    get_pg_count,
    get_process_group_ranks,
    get_rank,
    get_world_size,
    group,
    is_initialized,
)
from cltorch.distributed.world import is_outside as _rank_not_in_group  # noqa: F401

GroupName = str

__all__ = [
    "AllToAllOptions", "AllreduceCoalescedOptions", "AllreduceOptions", "Backend", "BackendConfig", "BarrierOptions",
    "BroadcastOptions", "DebugLevel", "DistBackendError", "DistError", "DistNetworkError", "DistStoreError",
    "FileStore", "GatherOptions", "GradBucket", "GroupMember", "GroupName", "HashStore", "P2POp", "PrefixStore",
    "ProcessGroup", "QueueEmptyError", "ReduceOp", "ReduceOptions", "ReduceScatterOptions", "Reducer", "ScatterOptions",
    "Store", "TCPStore", "Work", "all_gather", "all_gather_coalesced", "all_gather_into_tensor", "all_gather_object",
    "all_gather_single", "all_reduce", "all_reduce_coalesced", "all_to_all", "all_to_all_single", "autograd", "barrier",
    "batch_isend_irecv", "broadcast", "broadcast_object_list", "destroy_process_group", "gather", "gather_object",
    "get_backend", "get_backend_config", "get_debug_level", "get_default_backend_for_device", "get_global_rank",
    "get_group_rank", "get_node_local_rank", "get_pg_count", "get_process_group_ranks", "get_rank", "get_world_size",
    "group", "init_process_group", "irecv", "is_available", "is_backend_available", "is_gloo_available",
    "is_initialized", "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "is_ucc_available",
    "is_xccl_available", "isend", "monitored_barrier", "new_group", "new_subgroups", "new_subgroups_by_enumeration",
    "record_comm", "recv", "recv_object_list", "reduce", "reduce_op", "reduce_scatter", "reduce_scatter_single",
    "reduce_scatter_tensor", "register_rendezvous_handler", "rendezvous", "rpc", "scatter", "scatter_object_list",
    "send", "send_object_list", "set_debug_level", "set_debug_level_from_env", "shrink_group", "split_group",
    "supports_complex",
]  # fmt: skip

from cltorch.distributed import distributed_c10d  # noqa: E402, F401 (it imports this module's names)
