"""Small programs over a group of one process, written once and run by cltorch and by PyTorch.

Each takes the module torch and torch.distributed and returns what can be compared: plain values, tensors as lists.
"""

from __future__ import annotations

import datetime
import re
import warnings

OPS = "SUM PRODUCT MIN MAX AVG BAND BOR BXOR".split()
DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 float8_e4m3fn".split()


def plain(torch, x):
    """Return a value with tensors as their dtype, shape and list, and objects by their kind."""
    if isinstance(x, torch.Tensor):
        wide = x.float() if x.dtype.is_floating_point else x
        return str(x.dtype).split(".")[1], tuple(x.shape), wide.tolist()
    if isinstance(x, (list, tuple)):
        return [plain(torch, y) for y in x]
    if isinstance(x, dict):
        return {key: plain(torch, value) for key, value in x.items()}
    return x if x is None or isinstance(x, (bool, int, float, str, bytes)) else type(x).__name__


def outcome(torch, dist, program):
    """Return what a program gives, or the type of its exception with the begin of its message, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(torch, program(torch, dist))
        except Exception as error:
            result = type(error).__name__, re.sub(r"^\[enforce.*?\]\s*", "", str(error))[:19]
    return result, sorted({(w.category.__name__, str(w.message)[:60]) for w in caught})


def inplace(name, *args, values=(1.0, 2.0), dtype="float32", **kwargs):
    """Return a program: a collective of one tensor, and that tensor afterwards."""

    def program(torch, dist):
        x = torch.tensor(values).to(getattr(torch, dtype))
        given = {k: getattr(dist.ReduceOp, v) if k == "op" else v for k, v in kwargs.items()}
        return getattr(dist, name)(x, *args, **given), x

    return program


def into(name, outputs, inputs, *args, **kwargs):
    """Return a program: a collective that writes ``outputs`` from ``inputs``, in PyTorch's order of arguments."""

    def make(torch, x):
        if isinstance(x, list):
            return [make(torch, y) for y in x]
        return None if x is None else torch.zeros(x[1:], dtype=getattr(torch, x[0])) if x[0] != "=" else x[1](torch)

    def program(torch, dist):
        y, x = make(torch, outputs), make(torch, inputs)
        first, second = (x, y) if name == "gather" else (y, x)
        return getattr(dist, name)(first, second, *args, **kwargs), y

    return program


def row(torch):
    return torch.tensor([1.0, 2.0, 3.0])


def table(torch):
    return torch.arange(12.0).reshape(3, 4).t()


X, TABLE, WHOLE = ("=", row), ("=", table), ("=", lambda torch: torch.tensor([1, 2, 3]))
Y, LONG, INT = ("float32", 3), ("float32", 4), ("int64", 3)

COLLECTIVES = {
    **{f"all_reduce {op}": inplace("all_reduce", op=op) for op in OPS},
    **{f"all_reduce of integers {op}": inplace("all_reduce", op=op, values=(3, 5), dtype="int64") for op in OPS},
    **{f"all_reduce {t}": inplace("all_reduce", dtype=t) for t in DTYPES},
    **{f"broadcast {t}": inplace("broadcast", 0, dtype=t) for t in DTYPES},
    **{f"all_gather {t}": into("all_gather", [(t, 2)], (t, 2)) for t in DTYPES},
    "all_reduce complex max": inplace("all_reduce", op="MAX", dtype="complex64"),
    "all_reduce of a list": lambda torch, dist: dist.all_reduce([row(torch)]),
    "all_reduce of a parameter": lambda torch, dist: dist.all_reduce(torch.ones(2, requires_grad=True)),
    "all_reduce by a name": lambda torch, dist: isinstance(dist.all_reduce(row(torch), op=dist.ReduceOp.SUM), object),
    "all_reduce later": lambda torch, dist: [
        (work := dist.all_reduce(row(torch), async_op=True)).wait(),
        work.is_completed(),
        work.is_success(),
        work.get_future().wait(),
        work.get_future().then(lambda f: f.value()[0] * 2).wait(),
    ],
    "all_reduce in no group": lambda torch, dist: dist.all_reduce(row(torch), group="group"),
    "broadcast from nobody": inplace("broadcast"),
    "broadcast from another": inplace("broadcast", 1),
    "broadcast from a rank of the group": inplace("broadcast", group_src=0),
    "broadcast from two": inplace("broadcast", 0, group_src=0),
    "reduce": inplace("reduce", 0),
    "reduce to another": inplace("reduce", 1),
    "reduce to nobody": inplace("reduce"),
    "reduce bits": inplace("reduce", 0, op="BAND"),
    "all_gather": into("all_gather", [Y], X),
    "all_gather of a shape": into("all_gather", [LONG], X),
    "all_gather of a dtype": into("all_gather", [INT], X),
    "all_gather of none": into("all_gather", [], X),
    "all_gather of two": into("all_gather", [Y, Y], X),
    "all_gather into a tensor": into("all_gather", Y, X),
    "all_gather of columns": into("all_gather", [("float32", 4, 3)], TABLE),
    "all_gather into columns": lambda torch, dist: (
        dist.all_gather([y := torch.zeros(3, 4).t()], torch.arange(12.0).reshape(4, 3)),
        y,
    ),
    "all_gather of a parameter": lambda torch, dist: (
        dist.all_gather([y := torch.zeros(1)], torch.ones(1, requires_grad=True)),
        y,
        y.requires_grad,
    ),
    "all_gather into a parameter": lambda torch, dist: dist.all_gather(
        [torch.zeros(1, requires_grad=True)], torch.ones(1)
    ),
    "all_gather_into_tensor": into("all_gather_into_tensor", Y, X),
    "all_gather_single": into("all_gather_single", Y, X),
    "all_gather_single stacked": into("all_gather_single", ("float32", 1, 3), X),
    "all_gather_single of a dtype": into("all_gather_single", INT, X),
    "all_gather_coalesced": into("all_gather_coalesced", [[Y, LONG]], [X, ("=", lambda torch: torch.ones(4))]),
    "all_reduce_coalesced": lambda torch, dist: (dist.all_reduce_coalesced([x := row(torch)]), x),
    "gather": into("gather", [Y], X, 0),
    "gather to 0": into("gather", [Y], X),
    "gather to another": into("gather", [Y], X, 1),
    "gather of two": into("gather", [Y, Y], X),
    "gather of none": into("gather", None, X),
    "gather of a shape": into("gather", [LONG], X),
    "gather of a dtype": into("gather", [INT], X),
    "scatter": into("scatter", Y, [X], 0),
    "scatter from 0": into("scatter", Y, [X]),
    "scatter of none": into("scatter", Y, None),
    "scatter of two": into("scatter", Y, [X, X]),
    "scatter of a shape": into("scatter", LONG, [X]),
    "scatter of a dtype": into("scatter", Y, [WHOLE]),
    "reduce_scatter": into("reduce_scatter", Y, [X]),
    "reduce_scatter of two": into("reduce_scatter", Y, [X, X]),
    "reduce_scatter of a dtype": into("reduce_scatter", Y, [WHOLE]),
    "reduce_scatter_tensor": into("reduce_scatter_tensor", Y, X),
    "reduce_scatter_single": into("reduce_scatter_single", Y, X),
    "all_to_all": into("all_to_all", [Y], [X]),
    "all_to_all of two": into("all_to_all", [Y, Y], [X, X]),
    "all_to_all of a shape": into("all_to_all", [LONG], [X]),
    "all_to_all_single": into("all_to_all_single", Y, X),
    "all_to_all_single in parts": into("all_to_all_single", Y, X, [3], [3]),
    "all_to_all_single in two parts": into("all_to_all_single", Y, X, [1, 2], [1, 2]),
    "all_to_all_single in wrong parts": into("all_to_all_single", Y, X, [2], [3]),
    "all_to_all_single of a dtype": into("all_to_all_single", Y, WHOLE),
    "barrier": lambda torch, dist: [dist.barrier(), dist.barrier(async_op=True).wait()],
    "monitored_barrier": lambda torch, dist: dist.monitored_barrier(timeout=datetime.timedelta(seconds=1)),
    "monitored_barrier in seconds": lambda torch, dist: dist.monitored_barrier(timeout=1.0),
    "monitored_barrier in no time": lambda torch, dist: dist.monitored_barrier(timeout=1),
}

OBJECTS = {
    "all_gather_object": lambda torch, dist: (dist.all_gather_object(y := [None], {"a": (1, [2])}), y),
    "all_gather_object copies": lambda torch, dist: (dist.all_gather_object(y := [None], x := [1]), y[0] is x),
    "all_gather_object of a tensor": lambda torch, dist: (dist.all_gather_object(y := [None], row(torch)), y),
    "all_gather_object into none": lambda torch, dist: dist.all_gather_object([], 1),
    "all_gather_object into two": lambda torch, dist: (dist.all_gather_object(y := [None, None], 1), y),
    "all_gather_object of a function": lambda torch, dist: dist.all_gather_object([None], lambda: 1),
    "gather_object": lambda torch, dist: (dist.gather_object("x", y := [None]), y),
    "gather_object into none": lambda torch, dist: dist.gather_object("x"),
    "gather_object to another": lambda torch, dist: dist.gather_object("x", [None], dst=1),
    "broadcast_object_list": lambda torch, dist: (dist.broadcast_object_list(y := ["x", 3]), y),
    "broadcast_object_list from another": lambda torch, dist: dist.broadcast_object_list(["x"], src=1),
    "broadcast_object_list of none": lambda torch, dist: dist.broadcast_object_list([]),
    "broadcast_object_list of a number": lambda torch, dist: dist.broadcast_object_list(3),
    "scatter_object_list": lambda torch, dist: (dist.scatter_object_list(y := [None], ["x"]), y),
    "scatter_object_list into none": lambda torch, dist: dist.scatter_object_list([], ["x"]),
    "scatter_object_list of none": lambda torch, dist: dist.scatter_object_list([None]),
    "scatter_object_list of two": lambda torch, dist: dist.scatter_object_list([None], ["x", "y"]),
    "send": lambda torch, dist: dist.send(row(torch), 0),
    "send to nobody": lambda torch, dist: dist.send(row(torch)),
    "send_object_list": lambda torch, dist: dist.send_object_list([1], 0),
    "recv_object_list": lambda torch, dist: dist.recv_object_list([1], 0),
    "P2POp": lambda torch, dist: [(op := dist.P2POp(dist.isend, row(torch), 0)).peer, op.group_peer, op.tag],
    "P2POp of another": lambda torch, dist: dist.P2POp(dist.send, row(torch), 0),
    "batch_isend_irecv": lambda torch, dist: dist.batch_isend_irecv([1]),
}


def world(torch, dist):
    all_of_it = dist.group.WORLD
    return [
        dist.get_rank(), dist.get_world_size(), dist.get_backend(), dist.get_backend_config(), dist.is_initialized(),
        dist.get_process_group_ranks(None), all_of_it is dist.GroupMember.WORLD, all_of_it.rank(),
        all_of_it.size(), all_of_it.name(), all_of_it.group_desc, all_of_it.bound_device_id,
        dist.get_global_rank(all_of_it, 0), dist.get_group_rank(all_of_it, 0), isinstance(all_of_it, dist.ProcessGroup),
    ]  # fmt: skip


def part(torch, dist):
    made = dist.new_group([0])
    found = [
        made.size(), made == dist.group.WORLD, dist.get_rank(made), dist.get_world_size(made), dist.get_backend(made),
        dist.get_process_group_ranks(made), dist.get_global_rank(made, 0), dist.all_reduce(row(torch), group=made),
    ]  # fmt: skip
    dist.destroy_process_group(made)
    return found, dist.all_reduce(row(torch), group=made)


GROUPS = {
    "world": world,
    "part": part,
    "twice": lambda torch, dist: dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore()),
    "a rank that is not there": lambda torch, dist: dist.new_group([1]),
    "too many": lambda torch, dist: dist.new_group([0, 1]),
    "one twice": lambda torch, dist: dist.new_group([0, 0]),
    "subgroups": lambda torch, dist: dist.new_subgroups(1),
    "subgroups of two": lambda torch, dist: dist.new_subgroups(2),
    "subgroups of none": lambda torch, dist: dist.new_subgroups(0),
    "subgroups by ranks": lambda torch, dist: dist.new_subgroups_by_enumeration([[0]]),
    "subgroups by no ranks": lambda torch, dist: dist.new_subgroups_by_enumeration([]),
    "split": lambda torch, dist: dist.split_group(split_ranks=[[0]]),
    "a rank of a stranger": lambda torch, dist: dist.get_global_rank("x", 0),
    "local rank": lambda torch, dist: dist.get_node_local_rank(3),
    "no local rank": lambda torch, dist: dist.get_node_local_rank(),
    "sampler": lambda torch, dist: list(torch.utils.data.distributed.DistributedSampler(range(4), shuffle=False)),
}


def begun(*args, ranks=None, **kwargs):
    """Return a program that makes the group of all, asks a question of it and ends it."""

    def program(torch, dist):
        given = dict(kwargs)
        if given.pop("hash", None):
            given["store"] = dist.HashStore()
        dist.init_process_group(*args, **given)
        found = dist.get_rank(), dist.get_world_size(), dist.get_backend()
        return found, dist.destroy_process_group(), dist.is_initialized()

    return program


def asked(name):
    """Return a program: a function of torch.distributed without arguments."""
    return lambda torch, dist: getattr(dist, name)()


ONE = {"rank": 0, "world_size": 1}
BEFORE = {
    **{
        name: asked(name)
        for name in "get_rank get_world_size get_backend barrier destroy_process_group get_pg_count is_initialized "
        "new_group monitored_barrier get_backend_config is_available is_gloo_available is_mpi_available".split()
    },
    "all_reduce": lambda torch, dist: dist.all_reduce(row(torch)),
    "broadcast": lambda torch, dist: dist.broadcast(row(torch), 0),
    "world": lambda torch, dist: [dist.group.WORLD, dist.GroupMember.WORLD, dist.GroupMember.NON_GROUP_MEMBER],
    "module": lambda torch, dist: torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2)),
    "sampler": lambda torch, dist: torch.utils.data.distributed.DistributedSampler(range(5)),
    "by nothing": begun("gloo"),
    "by both": begun("gloo", init_method="env://", hash=True),
    "by a store": begun("gloo", hash=True, **ONE),
    "by a store, of a time": begun("gloo", hash=True, timeout=datetime.timedelta(seconds=5), **ONE),
    "by a store, of a number": begun("gloo", hash=True, timeout=5, **ONE),
    "by a store, unnumbered": begun("gloo", hash=True),
    "by a store, unranked": begun("gloo", hash=True, world_size=1),
    "by a store, ranked too high": begun("gloo", hash=True, world_size=1, rank=1),
    "by a port": begun("gloo", init_method="tcp://127.0.0.1:29713", **ONE),
    "by a port, in the address": begun("gloo", init_method="tcp://127.0.0.1:29714?rank=0&world_size=1"),
    "by a port, both": begun("gloo", init_method="tcp://127.0.0.1:29714?rank=0&world_size=1", **ONE),
    "by a port, unranked": begun("gloo", init_method="tcp://127.0.0.1:29715"),
    "by no port": begun("gloo", init_method="tcp://127.0.0.1", **ONE),
    "by an unknown way": begun("gloo", init_method="foo://127.0.0.1", **ONE),
    "by no path": begun("gloo", init_method="file://", **ONE),
    "by a number": begun("gloo", init_method=3, **ONE),
    "of the host": begun("cpu:gloo", hash=True, **ONE),
    "of capitals": begun("GLOO", hash=True, **ONE),
    "of no name": begun(hash=True, **ONE),
    "of mpi": begun("mpi"),
    "of no text": begun(3, hash=True, **ONE),
    "of an unknown name": begun("foo", hash=True, **ONE),
    "Backend": lambda torch, dist: [dist.Backend("GLOO"), dist.Backend("foo"), dist.Backend.NCCL],
    "Backend of a number": lambda torch, dist: dist.Backend(3),
    "BackendConfig": lambda torch, dist: repr(dist.BackendConfig(dist.Backend("cpu:gloo,cuda:nccl"))),
    "BackendConfig of one twice": lambda torch, dist: dist.BackendConfig(dist.Backend("cpu:gloo,cpu:nccl")),
    "is_backend_available": lambda torch, dist: [dist.is_backend_available(b) for b in ("gloo", "GLOO", "mpi", "foo")],
    "backend of a device": lambda torch, dist: dist.get_default_backend_for_device("cpu"),
    "backend of meta": lambda torch, dist: dist.get_default_backend_for_device("meta"),
    "ReduceOp": lambda torch, dist: [
        repr(dist.ReduceOp.SUM),
        str(dist.ReduceOp.MAX),
        int(dist.ReduceOp.AVG),
        dist.ReduceOp.SUM.name,
        isinstance(dist.ReduceOp.SUM, dist.ReduceOp),
        dist.ReduceOp(dist.ReduceOp.SUM) == dist.ReduceOp.SUM,
        dist.ReduceOp(dist.ReduceOp.SUM) == dist.ReduceOp.MAX,
    ],
    "supports_complex": lambda torch, dist: [dist.supports_complex(getattr(dist.ReduceOp, op)) for op in OPS],
    "debug level": lambda torch, dist: dist.get_debug_level().name,
}


def stored(make):
    def program(torch, dist):
        s = make(dist)
        found = [
            s.set("a", "1"), s.get("a"), s.add("n", 2), s.add("n", 3), s.get("n"), s.check(["a"]), s.check(["b"]),
            s.num_keys(), s.delete_key("a"), s.compare_set("c", "", "x"), s.get("c"), s.compare_set("c", "y", "z"),
            s.compare_set("c", "x", "z"), s.compare_set("d", "x", "z"), s.timeout.total_seconds(),
        ]  # fmt: skip
        if type(s).__name__ != "FileStore":
            found += [s.append("l", "x"), s.append("l", b"\0"), s.get("l"), s.multi_set(["u", "v"], ["1", "2"]),
                      s.multi_get(["v", "u"]), s.delete_key("nothing")]  # fmt: skip
        s.set_timeout(datetime.timedelta(milliseconds=20))
        return found, s.get("missing")

    return program


def queued(torch, dist):
    s = dist.HashStore()
    found = [s.queue_push("q", "1"), s.queue_push("q", "2"), s.queue_len("q"), s.queue_pop("q"), s.queue_len("q")]
    return found, s.queue_pop("q"), s.queue_pop("q", False)


def clients(torch, dist):
    master = dist.TCPStore("127.0.0.1", 0, 1, True)
    client = dist.TCPStore("127.0.0.1", master.port, 1, False)
    client.set("a", "x")
    return master.get("a"), master.host, master.port > 0, client.port == master.port


def prefixed(torch, dist):
    store = dist.HashStore()
    dist.PrefixStore("p", store).set("a", "x")
    return store.get("p/a"), dist.PrefixStore("p", store).get("a"), dist.PrefixStore("q", store).check(["a"])


STORES = {
    "hash": stored(lambda dist: dist.HashStore()),
    "tcp": stored(lambda dist: dist.TCPStore("127.0.0.1", 0, 1, True)),
    "prefix": stored(lambda dist: dist.PrefixStore("p", dist.HashStore())),
    "queue": queued,
    "clients": clients,
    "prefixes": prefixed,
    "of a number": lambda torch, dist: dist.HashStore().set("a", 1),
}


def gradient(act):
    """Return a program: a collective with gradients, its result and the gradient of its square."""

    def program(torch, dist):
        x = row(torch).requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = act(torch, dist, dist.nn.functional, x)
        results = found if isinstance(found, tuple) else (found,)
        weights = torch.tensor([1.0, 10.0, 100.0])
        (first,) = torch.autograd.grad(((results[0] * weights).sum() ** 2), x, create_graph=True)
        second = torch.autograd.grad((first * row(torch)).sum(), x)[0] if first.requires_grad else None
        return type(found).__name__, results[0], first, second

    return program


GRADIENTS = {
    "gradient of all_reduce": gradient(lambda torch, dist, nn, x: nn.all_reduce(x)),
    "gradient of all_reduce max": gradient(lambda torch, dist, nn, x: nn.all_reduce(x, op=dist.ReduceOp.MAX)),
    "gradient of all_gather": gradient(lambda torch, dist, nn, x: nn.all_gather(x)),
    "gradient of broadcast": gradient(lambda torch, dist, nn, x: nn.broadcast(x, 0)),
    "gradient of reduce": gradient(lambda torch, dist, nn, x: nn.reduce(x, 0)),
    "gradient of gather": gradient(lambda torch, dist, nn, x: nn.gather(x)),
    "gradient of scatter": gradient(lambda torch, dist, nn, x: nn.scatter([x])),
    "gradient of reduce_scatter": gradient(lambda torch, dist, nn, x: nn.reduce_scatter(torch.zeros(3), [x])),
    "gradient of all_to_all": gradient(lambda torch, dist, nn, x: nn.all_to_all([torch.zeros(3)], [x])),
    "gradient of all_to_all_single": gradient(lambda torch, dist, nn, x: nn.all_to_all_single(torch.zeros(3), x)),
    "warning of a gradient": lambda torch, dist: dist.nn.functional.all_gather(row(torch)),
}
