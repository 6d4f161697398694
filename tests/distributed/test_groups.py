"""Groups made and ended, and the stores through which they begin."""

import threading
from datetime import timedelta

import pytest

from cltorch import distributed as dist
from cltorch.distributed import distributed_c10d


def test_more_processes_than_one_are_refused(monkeypatch, tmp_path):
    four = {"rank": 0, "world_size": 4}
    for way in ({"store": dist.HashStore()}, {"init_method": "tcp://localhost:29771"},
                {"init_method": (tmp_path / "keys").as_uri()}):  # fmt: skip
        with pytest.raises(NotImplementedError, match="one process: world_size must be 1, not 4"):
            dist.init_process_group("gloo", **way, **four)
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "29771")
    with pytest.raises(NotImplementedError, match="not 4"):
        dist.init_process_group("gloo", **four)
    assert not dist.is_initialized()
    with pytest.raises(NotImplementedError, match="one process"):
        dist.Backend.register_backend("mine", lambda *args: None)


def test_a_launcher_tells_by_the_environment(monkeypatch):
    for name, value in {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "localhost", "MASTER_PORT": 29772,
                        "TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True"}.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    for _ in range(2):
        dist.init_process_group()
        assert dist.get_rank() == dist.get_node_local_rank() == 0 and dist.get_world_size() == 1
        assert dist.is_torchelastic_launched()
        dist.destroy_process_group()
    monkeypatch.delenv("MASTER_PORT")
    with pytest.raises(ValueError, match="environment variable MASTER_PORT expected"):
        dist.init_process_group()


def test_a_file_is_a_meeting_point(tmp_path):
    path = tmp_path / "keys"
    dist.init_process_group("gloo", init_method=path.as_uri(), rank=0, world_size=1)
    distributed_c10d._get_default_store().set("a", "x")
    assert dist.FileStore(str(path), 1).get("default_pg/a") == b"x" and path.exists()
    dist.destroy_process_group()


def test_groups_are_numbered_and_forgotten():
    for _ in range(2):
        dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
        made = dist.new_group(group_desc="mine")
        assert [dist.group.WORLD.group_name, made.group_name, made.group_desc] == ["0", "1", "mine"]
        assert dist.get_pg_count() == 2 and distributed_c10d._resolve_process_group("1") is made
        dist.destroy_process_group(made)
        with pytest.raises(ValueError, match="not initialized in the world group map"):
            dist.get_backend(made)
        with pytest.raises(AssertionError, match="Invalid process group"):
            dist.destroy_process_group(made)
        dist.destroy_process_group()
        assert not dist.is_initialized() and dist.get_pg_count() == 0


def test_a_way_to_meet_can_be_added():
    def handler(url, **kwargs):
        yield dist.HashStore(), 0, 1

    if "given" not in dist.rendezvous.__globals__["_handlers"]:
        dist.register_rendezvous_handler("given", handler)
    dist.init_process_group("gloo", init_method="given://somewhere")
    dist.destroy_process_group()
    with pytest.raises(RuntimeError, match="already registered"):
        dist.register_rendezvous_handler("given", handler)


def test_a_key_is_waited_for_by_threads(tmp_path):
    for store in (dist.HashStore(), dist.FileStore(str(tmp_path / "keys"), 1)):
        later = threading.Timer(0.02, lambda s=store: s.set("late", "x"))
        later.start()
        assert store.get("late") == b"x"
        later.join()
        with pytest.raises(RuntimeError, match=r"[Tt]imeout"):
            store.wait(["never"], timedelta(milliseconds=10))


def test_a_port_is_found_in_this_process_only():
    first = dist.TCPStore("localhost", 0, 1, True)
    with pytest.raises(dist.DistNetworkError, match="EADDRINUSE"):
        dist.TCPStore("localhost", first.port, 1, True)
    shared = dist.TCPStore("localhost", first.port, 1, True, multi_tenant=True)
    shared.set("a", "x")
    assert first.get("a") == b"x"
    port = first.port
    del first, shared
    with pytest.raises(dist.DistNetworkError, match="master of port"):
        dist.TCPStore("localhost", port)
    with pytest.raises(NotImplementedError, match="2 workers"):
        dist.TCPStore("localhost", 0, 2, True)


def test_the_level_of_checks_is_read(monkeypatch):
    monkeypatch.setenv("TORCH_DISTRIBUTED_DEBUG", "detail")
    assert dist.get_debug_level() is dist.DebugLevel.DETAIL
    monkeypatch.setenv("TORCH_DISTRIBUTED_DEBUG", "much")
    with pytest.raises(RuntimeError, match="must be OFF"):
        dist.get_debug_level()
