"""The loader with worker processes: the same batches, and clear errors whatever happens to a worker."""

import gc
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest

import cltorch as torch
from cltorch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, dataloader, get_worker_info

METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # for machines with few cores
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


class Numbers(Dataset):
    """Give an array, a number, a string and a nested tensor for each index."""

    def __init__(self, n=40):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return {
            "array": np.full((2, 3), i, np.float32),
            "number": i,
            "name": str(i),
            "pair": (torch.tensor([i]), i / 2),
        }


class Fails(Numbers):
    def __init__(self, action, n=40):
        super().__init__(n)
        self.action = action

    def __getitem__(self, i):
        if i == 12:
            self.action()
        return i


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        return iter(range(self.n) if info is None else range(info.id, self.n, info.num_workers))


class OwnError(Exception):
    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")


def raise_key_error():
    raise KeyError("no such sample")


def raise_own_error():
    raise OwnError(3, "odd")


def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(5)


def sleep():
    time.sleep(3600)


def touch_cl():
    torch.ones(1, device="cl")


def no_children():
    deadline = time.monotonic() + 300
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not multiprocessing.active_children()


@pytest.mark.parametrize("method", METHODS)
def test_batches_are_those_of_one_process(method):
    alone = list(DataLoader(Numbers(), batch_size=7))
    shared = list(DataLoader(Numbers(), batch_size=7, num_workers=2, multiprocessing_context=method))
    assert len(alone) == len(shared) == 6
    for a, b in zip(alone, shared, strict=True):
        assert a["array"].tolist() == b["array"].tolist() and b["array"].dtype is torch.float32
        assert a["number"].tolist() == b["number"].tolist() and a["name"] == b["name"]
        assert a["pair"][0].tolist() == b["pair"][0].tolist() and b["pair"][1].dtype is torch.float64
    shared[0]["array"].fill_(5.0)  # batches are ordinary memory of this process
    assert shared[0]["array"].sum().item() == 5 * 7 * 6
    assert no_children()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_order_follows_the_seed_whatever_the_number_of_workers(workers):
    torch.manual_seed(11)
    order = [b.tolist() for b in DataLoader(range(50), batch_size=8, shuffle=True, num_workers=workers)]
    after = torch.rand(1).item()
    torch.manual_seed(11)
    assert order == [b.tolist() for b in DataLoader(range(50), batch_size=8, shuffle=True)]
    assert after == torch.rand(1).item()


def test_every_dtype_travels():
    names = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
    columns = [torch.tensor([0, 1, 2]).to(getattr(torch, name)) for name in names]
    (batch,) = DataLoader(TensorDataset(*columns), batch_size=3, num_workers=1)
    for got, sent in zip(batch, columns, strict=True):
        assert got.dtype is sent.dtype and got.tolist() == sent.tolist()


def transposed(samples):
    return torch.arange(6).reshape(2, 3).t(), torch.zeros(0, 4), torch.tensor(3.0), np.arange(3)[::2], np.array(["a"])


def test_odd_shapes_travel():
    ((view, empty, scalar, array, text),) = DataLoader([0], num_workers=1, collate_fn=transposed)
    assert view.tolist() == [[0, 3], [1, 4], [2, 5]] and empty.shape == (0, 4) and scalar.item() == 3.0
    assert array.tolist() == [0, 2] and text.tolist() == ["a"]


def test_iterable_datasets_are_shared_out():
    assert [b.tolist() for b in DataLoader(Stream(7), batch_size=2, num_workers=2)] == [[0, 2], [1, 3], [4, 6], [5]]
    assert sorted(DataLoader(Stream(7), batch_size=None, num_workers=3)) == list(range(7))
    assert list(DataLoader(Stream(0), num_workers=2)) == []


@pytest.mark.parametrize("in_order", [True, False])
def test_more_workers_than_batches(in_order):
    loader = DataLoader(range(3), batch_size=2, num_workers=4, in_order=in_order)
    assert sorted(b.tolist() for b in loader) == [[0, 1], [2]]
    assert list(DataLoader([], num_workers=2)) == []


def test_persistent_workers():
    loader = DataLoader(Numbers(), batch_size=10, num_workers=2, persistent_workers=True)
    passes = []
    for _ in range(3):
        pids = {p.pid for p in multiprocessing.active_children()}
        assert [b["number"][0].item() for b in loader] == [0, 10, 20, 30]
        passes.append({p.pid for p in multiprocessing.active_children()})
    assert passes[0] == passes[1] == passes[2] == pids
    for batch in loader:  # a pass that is broken off does not disturb the next
        if batch["number"][0] == 10:
            break
    assert [b["number"][0].item() for b in loader] == [0, 10, 20, 30]
    stream = DataLoader(Stream(6), num_workers=2, persistent_workers=True)
    assert [int(b) for b in stream] == [int(b) for b in stream] == list(range(6))
    del loader, stream
    gc.collect()
    assert no_children()


def state(samples):
    info = get_worker_info()
    drawn = random.random(), float(np.random.rand()), torch.rand(1).item()
    return info.id, info.seed, torch.initial_seed(), torch.get_num_threads(), drawn, repr(info.rng), info.worker_method


def test_seeds_in_a_worker_are_made_of_the_seed_of_the_pass_as_in_pytorch():
    generator = torch.Generator().manual_seed(6)
    base = int(torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(6)))
    loader = DataLoader(range(4), num_workers=2, collate_fn=state, generator=generator, persistent_workers=True)
    first, second = list(loader), list(loader)
    for worker, (seen, later) in enumerate(zip(first[:2], second[:2], strict=True)):
        assert seen[:4] == (worker, base + worker, base + worker, 1)
        words = np.random.SeedSequence([worker, base & 0xFFFFFFFF, base >> 32, 0]).generate_state(4)
        assert seen[4][:2] == (random.Random(base + worker).random(), np.random.RandomState(words).rand())
        # a worker that stays does not begin anew
        assert later[:4] == seen[:4] and all(a != b for a, b in zip(seen[4], later[4], strict=True))
        assert seen[5:] == ("None", "multiprocessing")


def seeds(samples):
    info = get_worker_info()
    return info.id, info.num_workers, info.seed, random.random(), float(np.random.rand()), torch.rand(1).item()


def test_workers_have_seeds_of_their_own():
    def run():
        torch.manual_seed(3)
        return sorted(set(DataLoader(range(4), num_workers=2, collate_fn=seeds)))

    first = run()
    assert {s[0] for s in first} == {0, 1} and {s[1] for s in first} == {2}
    by_worker = [min(s for s in first if s[0] == i) for i in (0, 1)]
    assert by_worker[1][2] == by_worker[0][2] + 1 and all(
        a != b for a, b in zip(*(s[3:] for s in by_worker), strict=True)
    )
    assert run() == first
    assert get_worker_info() is None


def set_variable(worker_id):
    os.environ["CLTORCH_TEST_WORKER"] = str(worker_id)


def fail_to_start(worker_id):
    raise ValueError(f"worker {worker_id} has no file")


class Variable(Numbers):
    def __getitem__(self, i):
        return int(os.environ["CLTORCH_TEST_WORKER"])


def test_worker_init_fn():
    assert [int(b) for b in DataLoader(Variable(4), num_workers=2, worker_init_fn=set_variable)] == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="worker 0 has no file"):
        list(DataLoader(Numbers(4), num_workers=2, worker_init_fn=fail_to_start))


@pytest.mark.parametrize("method", METHODS)
def test_an_exception_arrives_with_its_traceback(method):
    loader = DataLoader(Fails(raise_key_error), batch_size=10, num_workers=2, multiprocessing_context=method)
    batches = iter(loader)
    assert next(batches).tolist() == list(range(10))
    with pytest.raises(KeyError) as error:
        next(batches)
    text = str(error.value)
    assert "DataLoader worker process 1" in text and "raise_key_error" in text and "no such sample" in text
    assert next(batches).tolist() == list(range(20, 30))  # the loader goes on where the user does
    del batches, error  # the traceback of the error holds the iterator too
    gc.collect()
    assert no_children()


def test_exceptions_of_unusual_types():
    with pytest.raises(RuntimeError, match="3: odd"):  # its constructor wants two arguments
        list(DataLoader(Fails(raise_own_error), num_workers=1))


@posix
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("action, message", [(be_killed, "killed by signal: Killed"), (leave, "exited unexpectedly")])
def test_a_worker_that_disappears_is_a_clear_error(action, message, persistent):
    loader = DataLoader(Fails(action), batch_size=5, num_workers=2, persistent_workers=persistent)
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid.* {message}"):
        list(loader)
    assert time.monotonic() - begin < 600 and no_children()


@posix
def test_timeout():
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.5 seconds"):
        list(DataLoader(Fails(sleep), batch_size=5, num_workers=1, timeout=0.5))
    assert time.monotonic() - begin < 600 and no_children()


@posix
@pytest.mark.parametrize("action, message, limit", [
    (be_killed, "killed by signal: Killed", 600), (sleep, "timed out after 0.5", 0.5)
])  # fmt: skip
def test_the_thread_that_pins_tells_of_a_lost_worker(cl_device, action, message, limit):
    loader = DataLoader(Fails(action), batch_size=5, num_workers=1, pin_memory=True, timeout=limit)
    batches, begin = iter(loader), time.monotonic()
    with pytest.raises(RuntimeError, match=message):  # what a worker had not sent is lost with it
        for _ in range(3):
            assert next(batches).is_pinned()
    with pytest.raises(RuntimeError, match=message):  # and says so again
        next(batches)
    assert time.monotonic() - begin < 600 and no_children()


def test_more_workers_than_cores_are_warned_of(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    with pytest.warns(UserWarning, match="will create 3 worker processes in total"):
        DataLoader([0], num_workers=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DataLoader([0], num_workers=2)


def unpicklable(samples):
    return lambda: 0


def test_a_batch_that_cannot_be_sent():
    with pytest.raises(Exception, match="DataLoader worker process 0.*[Pp]ickle|local object"):
        list(DataLoader([1], num_workers=1, collate_fn=unpicklable))


def doubled(samples):
    return torch.ones(2, requires_grad=True) * 2


def leaf(samples):
    return torch.ones(2, requires_grad=True)


def test_gradients_do_not_cross_processes():
    with pytest.raises(RuntimeError, match=r"shape \[2\].*not a leaf.*detach"):
        list(DataLoader([0], num_workers=1, collate_fn=doubled))
    (found,) = DataLoader([0], num_workers=1, collate_fn=leaf)
    assert found.requires_grad and found.is_leaf


def test_leaving_a_pass_early_ends_the_workers():
    for batch in DataLoader(Numbers(), batch_size=2, num_workers=2):
        assert batch["number"].tolist() == [0, 1]
        break
    gc.collect()
    assert no_children()


@pytest.mark.skipif("fork" not in METHODS, reason="needs fork")
def test_a_forked_worker_that_touches_a_device_gets_a_clear_error():
    if not torch.cl.is_available():
        pytest.skip("no OpenCL device")
    torch.ones(1, device="cl")
    with pytest.raises(RuntimeError, match="forked subprocess"):
        list(DataLoader(Fails(touch_cl), batch_size=5, num_workers=1, multiprocessing_context="fork"))


def to_device(samples):
    return torch.ones(2, device="cl")


def test_device_tensors_stay_in_the_worker():
    if not torch.cl.is_available():
        pytest.skip("no OpenCL device")
    with pytest.raises(RuntimeError, match="host tensors only"):
        list(DataLoader([0], num_workers=1, collate_fn=to_device, multiprocessing_context="spawn"))


def test_arguments():
    with pytest.raises(ValueError, match="valid start method"):
        DataLoader([0], num_workers=1, multiprocessing_context="teleport")
    with pytest.raises(ValueError, match="num_workers > 0"):
        DataLoader([0], multiprocessing_context="spawn")
    with pytest.raises(TypeError, match="valid context object"):
        DataLoader([0], num_workers=1, multiprocessing_context=3)
    loader = DataLoader([0], num_workers=1, multiprocessing_context=multiprocessing.get_context("spawn"))
    assert [int(b) for b in loader] == [0] and loader.prefetch_factor == 2
    loader = DataLoader([0], num_workers=1, multiprocessing_context="spawn")
    assert isinstance(loader.multiprocessing_context, type(multiprocessing.get_context("spawn")))
    with pytest.raises(AssertionError, match="prefetch_factor=0"):
        iter(DataLoader([0], num_workers=1, prefetch_factor=0))


SCRIPT = """
import signal, sys, time
import cltorch as torch
from cltorch.utils.data import DataLoader

class Slow:
    def __len__(self): return 100_000  # longer than the test waits for the workers to end
    def __getitem__(self, i):
        time.sleep(0.05)
        return i

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
    pinned, persistent = ("pinned" in sys.argv), ("persistent" in sys.argv)
    loader = DataLoader(Slow(), 2, num_workers=2, pin_memory=pinned, persistent_workers=persistent)
    for _ in range(2):
        for batch in loader:
            assert not pinned or batch.is_pinned()
            print("running", flush=True)
            if persistent:
                break
"""


@posix
@pytest.mark.parametrize("words", [(), ("pinned",), ("pinned", "persistent")], ids="-".join)
@pytest.mark.parametrize("end", ["Ctrl-C", "kill"])
def test_workers_end_with_the_main_process(tmp_path, end, words):
    if words and not torch.cl.is_available():
        pytest.skip("pins memory for no OpenCL device")
    path = tmp_path / "slow.py"
    path.write_text(textwrap.dedent(SCRIPT))
    root = os.path.dirname(os.path.dirname(torch.__file__))
    process = subprocess.Popen(
        [sys.executable, str(path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    )
    assert process.stdout.readline() == b"running\n"
    if end == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the whole group
    else:
        process.kill()
    said = process.communicate(timeout=300)[1].decode()
    assert end != "Ctrl-C" or said.rstrip().endswith("KeyboardInterrupt") and "Exception ignored" not in said
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError("workers outlived the main process")


ENDS = """
import sys, time, weakref
weakref.finalize(sys, print)  # so that finalizers run behind the end of the device's use
import cltorch as torch
from cltorch.utils.data import DataLoader

class Batch:
    def __init__(self, samples): self.x = torch.zeros(100_000 * sum(samples))  # of a size that is not kept yet
    def pin_memory(self):
        time.sleep(0.3)  # still on the way when the program ends
        self.x = self.x.pin_memory()
        return self

torch.ones(1, device="cl")
batches = iter(DataLoader(range(100), 2, num_workers=1, pin_memory=True, collate_fn=Batch))
print(len(next(batches).x))
"""


@posix
def test_a_program_ends_while_a_batch_is_pinned(tmp_path):
    if not torch.cl.is_available():
        pytest.skip("pins memory for no OpenCL device")
    path = tmp_path / "ends.py"
    path.write_text(ENDS)
    root = os.path.dirname(os.path.dirname(torch.__file__))
    ended = subprocess.run(
        [sys.executable, str(path)], capture_output=True, env={**os.environ, "PYTHONPATH": root}, timeout=120
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"100000\n\n", b"")


class OtherLoader:
    """What the iterators need of a loader that is none of ours: a stream that is told apart by its kind."""

    drop_last, in_order, generator, prefetch_factor, pin_memory, pin_memory_device = False, True, None, 2, False, ""
    worker_init_fn, timeout, persistent_workers, multiprocessing_context = None, 0, False, multiprocessing
    _IterableDataset_len_called, _auto_collation, _dataset_kind = None, False, dataloader._DatasetKind.Iterable
    collate_fn = staticmethod(torch.tensor)

    def __init__(self, num_workers):
        self.num_workers, self.dataset = num_workers, self

    @property
    def _index_sampler(self):
        return itertools.count()

    def __iter__(self):
        info = get_worker_info()
        return iter(range(10)) if info is None else iter(range(info.id, 10, info.num_workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_iterators_take_loaders_of_other_libraries(workers):
    kind = dataloader._MultiProcessingDataLoaderIter if workers else dataloader._SingleProcessDataLoaderIter
    assert sorted(x.item() for x in kind(OtherLoader(workers))) == list(range(10))


def test_loaders_tell_the_kind_of_their_dataset():
    assert DataLoader(Numbers())._dataset_kind == dataloader._DatasetKind.Map == 0
    assert DataLoader(OtherStream())._dataset_kind == dataloader._DatasetKind.Iterable == 1
    fetcher = dataloader._DatasetKind.create_fetcher(0, [1, 2, 3], True, torch.tensor, False)
    assert fetcher.fetch([2, 0]).tolist() == [3, 1]


class OtherStream(IterableDataset):
    def __iter__(self):
        return iter(())
