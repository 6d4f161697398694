"""Files that want to run code, exhaust memory or are damaged: they raise, and nothing else happens."""

import builtins
import collections
import functools
import io
import os
import pickle
import pickletools
import random
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

import cltorch as torch
from cltorch.serialization.unpickler import _ACTIONS

FILES = Path(__file__).parent / "files"
ERRORS = (pickle.UnpicklingError, RuntimeError, EOFError)


def archive(graph, records=(), compression=zipfile.ZIP_STORED):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", compression) as out:
        out.writestr("archive/data.pkl", graph)
        out.writestr("archive/byteorder", b"little")
        out.writestr("archive/version", b"3\n")
        for name, data in records:
            out.writestr(f"archive/{name}", data)
    f.seek(0)
    return f


def legacy(graph):
    heads = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return io.BytesIO(b"".join(pickle.dumps(h, 2) for h in heads) + graph + pickle.dumps([], 2))


class Call:
    def __init__(self, func, *args):
        self.call = func, args

    def __reduce__(self):
        return self.call


def canary(path):
    """Touch the file that must never appear."""
    Path(path).touch()


PAYLOADS = {
    "os.system": lambda p: Call(os.system, f"touch {p}"),
    "subprocess.Popen": lambda p: Call(subprocess.Popen, ["touch", p]),
    "eval": lambda p: Call(eval, f"open({p!r}, 'w')"),
    "exec": lambda p: Call(exec, f"open({p!r}, 'w')"),
    "open": lambda p: Call(open, p, "w"),
    "function of this module": lambda p: Call(canary, p),
    "getattr": lambda p: Call(getattr, Call(__import__, "os"), "system"),
    "partial": lambda p: Call(functools.partial, os.system, f"touch {p}"),
    "map": lambda p: Call(list, Call(map, os.system, [f"touch {p}"])),
    "loads inside": lambda p: Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {p}"))),
    "import": lambda p: Call(builtins.__import__, "antigravity"),
    "path": lambda p: Path(p),
    "defaultdict": lambda p: collections.defaultdict(list, a=1),
}


@pytest.mark.parametrize("make", [archive, legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", PAYLOADS)
def test_payloads_run_nothing(name, protocol, make, tmp_path):
    target = tmp_path / "ran"
    f = make(pickle.dumps({"x": PAYLOADS[name](str(target))}, protocol))
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL"):
        torch.load(f)
    assert not target.exists()
    f.seek(0)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(f)
    assert not target.exists()


def test_the_error_names_the_global_and_the_way_out():
    with pytest.raises(pickle.UnpicklingError) as error:
        torch.load(archive(pickle.dumps(collections.defaultdict(list), 2)))
    text = str(error.value)
    assert (
        "collections.defaultdict" in text and "add_safe_globals([defaultdict])" in text and "weights_only=False" in text
    )
    with pytest.raises(pickle.UnpicklingError, match="posix.system|nt.system") as error:
        torch.load(archive(pickle.dumps(Call(os.system, "true"), 2)))
    assert "blocked" in str(error.value)


def ops(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


GLOBAL = b"ctorch._utils\n_rebuild_tensor_v2\n"
OD = b"ccollections\nOrderedDict\n"

HAND_MADE = {
    "state of a function": ops(GLOBAL, b"}U\x08__code__Ksb"),
    "slots of a function": ops(GLOBAL, b"N}U\x0c__defaults__)s\x86b"),
    "slots of the class Tensor": ops(b"ctorch\nTensor\n", b"N}U\x08__repr__", GLOBAL, b"s\x86b"),
    "methods of an OrderedDict": ops(OD, b")R", b"}U\x05items", GLOBAL, b"sb"),
    "call of a value": ops(b"K\x05)R"),
    "call of a dict": ops(b"})R"),
    "call of a class": ops(b"ctorch\nTensor\n", b")R"),
    "arguments that are no tuple": ops(OD, b"]R"),
    "INST": b"(cos\nsystem\nios\nsystem\n.",
    "OBJ": ops(b"(cbuiltins\nset\no"),
    "EXT": ops(b"\x82\x01"),
    "NEWOBJ_EX": b"\x80\x04" + b"cbuiltins\nset\n)}\x92.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "persistent id as text": b"P0\n.",
    "dotted name": b"\x80\x04\x8c\x05torch\x8c\x10Tensor.__class__\x93.",
    "builtins by another way": ops(b"ctorch.serialization\nos\n"),
    "bytearray of a length": ops(b"c__builtin__\nbytearray\n", b"J\xff\xff\xff\x7f\x85R"),
    "bytes by any codec": ops(b"c_codecs\nencode\n", b"X\x01\0\0\0aX\x05\0\0\0rot13\x86R"),
    "stack underflow": ops(b"0"),
    "no mark": ops(b"t"),
    "memo miss": ops(b"h\x05"),
    "unhashable key": ops(b"}]Ns"),
    "deeply nested key": ops(b"})" + b"\x85" * 200_000 + b"Ns"),
    "deeply nested set": ops(b"c__builtin__\nset\n](" + b")" + b"\x85" * 200_000 + b"e\x85R"),
    "odd items": ops(b"}(K\x01u"),
    "append to a dict": ops(b"}Na"),
    "protocol of the future": b"\x80\x63N.",
    "not a pickle": b"hello world",
    "empty": b"",
    "no stop": b"\x80\x02N",
    "long string": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "very long string": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fabc.",
    "long integer": b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
    "negative length": b"\x80\x02\x8b\xff\xff\xff\xff\x01.",
    "huge memo index": b"\x80\x02Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.",
    "getattr of what is allowed": ops(b"cbuiltins\ngetattr\n", OD, b"U\x04move\x86R"),
    "dotted name of what is allowed": b"\x80\x04\x8c\x0bcollections\x8c\x15OrderedDict.__class__\x93.",
    "dotted module": b"\x80\x04\x8c\x17collections.OrderedDict\x8c\x08__init__\x93.",
    "name that is no text": b"\x80\x04K\x01\x8c\x08__init__\x93.",
    "names of our own": ops(b"ccltorch.serialization.names\nunrestricted\n"),
    "builtins of Python 2": ops(b"c__builtin__\neval\n", b"U\x011\x85R"),
    "extension codes": ops(b"\x83\x01\x00") + b"\x84\x01\x00\x00\x00.",
    "state that calls": ops(OD, b")R", b"}U\x0c__setstate__", GLOBAL, b"sb"),
    "state of a set": ops(b"c__builtin__\nset\n", b"]\x85R", b"}U\x01aNsb"),
    "state of a Parameter's class": ops(b"ctorch.nn.parameter\nParameter\n", b"}U\x07__new__", GLOBAL, b"sb"),
    "dunder of a tensor": ops(b"ctorch\nTensor\n", b")\x81}U\x09__class__", GLOBAL, b"sb"),
    "persistent id of nothing": ops(b"NQ"),
    "persistent id of a class": ops(b"(U\x07storage", GLOBAL, b"U\x010U\x03cpuK\x01tQ"),
    "persistent id nested in itself": ops(b"(U\x07storage(U\x07storagettQ"),
    "persistent module": ops(b"(U\x06module", b"cos\nsystem\n", b"U\x01aU\x01btQ"),
    "key that doubles": ops(b"}", b"K\x01", b"2\x86" * 15, b"Ns") + b"",
    "set that doubles": ops(b"c__builtin__\nset\n](", b"K\x01", b"2\x86" * 15, b"e\x85R"),
    "copies of one value": ops(
        b"T\x00\x00\x01\x00", b"a" * 65536, b"q\x00", b"c_codecs\nencode\nq\x01", b"(" + b"h\x01h\x00\x85R" * 9000, b"t"
    ),
    "tensor of many dimensions": ops(GLOBAL, b"(NK\x00(" + b"K\x01" * 65 + b"t(" + b"K\x01" * 65 + b"t\x89NtR"),
    "set_ on Tensor": ops(b"ctorch\nTensor\n", b")\x81}b"),
}


@pytest.mark.parametrize("make", [archive, legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made_pickles(name, make):
    functions = torch.serialization.get_safe_globals()
    with pytest.raises(ERRORS):
        torch.load(make(HAND_MADE[name]))
    assert torch.serialization.get_safe_globals() == functions and not hasattr(dict, "__code__")
    assert torch.load(FILES / "zip.pt")["size"] == torch.Size([2, 3])  # nothing was changed behind our back


def tensor_graph(kind="FloatStorage", numel=4, offset=0, size=(4,), stride=(1,), key="0", location="cpu"):
    def text(s):
        return b"X" + struct.pack("<I", len(s)) + s.encode()

    def number(n):
        return pickle.dumps(n, 2)[2:-1]

    def numbers(values):
        return b"(" + b"".join(number(v) for v in values) + b"t"

    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text(location) + number(numel) + b"tQ"
    return ops(GLOBAL, b"(", storage, number(offset), numbers(size), numbers(stride), b"\x89", OD, b")Rt", b"R")


def test_the_hand_made_tensor_is_fine_when_it_is_honest():
    x = torch.load(archive(tensor_graph(), [("data/0", struct.pack("<4f", 1, 2, 3, 4))]))
    assert x.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "wrong",
    [
        {"numel": 2**40},
        {"numel": -1},
        {"numel": 2**62, "kind": "DoubleStorage"},
        {"numel": 3},
        {"size": (5,)},
        {"size": (2**40,)},
        {"size": (2**40, 2**40), "stride": (0, 0)},
        {"size": (-4,)},
        {"size": (2, 2)},
        {"size": (4,), "stride": (-1,)},
        {"size": (2,), "stride": (2**40,)},
        {"offset": 1},
        {"offset": -1},
        {"offset": 2**62},
        {"offset": "0"},
        {"size": (4.0,)},
        {"kind": "DoubleStorage"},
        {"kind": "UnheardOfStorage"},
        {"key": "1"},
        {"key": "../../../etc/passwd"},
        {"location": "nowhere"},
    ],
    ids=str,
)
def test_tensors_that_do_not_fit_their_storage(wrong):
    with pytest.raises(ERRORS):
        torch.load(archive(tensor_graph(**wrong), [("data/0", struct.pack("<4f", 1, 2, 3, 4))]))


def test_a_large_virtual_tensor_costs_nothing():
    graph = tensor_graph(size=(2**30, 4), stride=(0, 1))
    x = torch.load(archive(graph, [("data/0", bytes(16))]))
    assert x.shape == (2**30, 4) and x.stride() == (0, 1)


def test_a_zip_bomb_is_not_unpacked():
    bomb = archive(tensor_graph(numel=2**25, size=(2**25,)), [("data/0", bytes(2**27))], zipfile.ZIP_DEFLATED)
    with pytest.raises(RuntimeError, match="claims to expand from .*zip bomb"):
        torch.load(bomb)
    lying = archive(tensor_graph(numel=2**28, size=(2**28,)), [("data/0", bytes(2**20))], zipfile.ZIP_DEFLATED)
    with pytest.raises(RuntimeError, match="wrong byte size"):
        torch.load(lying)


def test_compressed_records_that_lie_or_are_broken():
    data = bytearray(archive(tensor_graph(), [("data/0", bytes(range(16)))], zipfile.ZIP_DEFLATED).getvalue())
    at = data.index(b"archive/data/0") + len(b"archive/data/0")
    data[at] ^= 0xFF
    with pytest.raises(RuntimeError, match="cannot be expanded|cut off"):
        torch.load(io.BytesIO(bytes(data)))


def test_records_that_overlap():
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w") as out:
        out.writestr("archive/data.pkl", tensor_graph())
        out.writestr("archive/data/0", bytes(10_000))
        first = out.getinfo("archive/data/0")
        for i in range(1, 1000):  # the directory names one record a thousand times
            twin = zipfile.ZipInfo(f"archive/data/{i}")
            twin.header_offset, twin.file_size, twin.compress_size, twin.CRC = (
                first.header_offset,
                10_000,
                10_000,
                first.CRC,
            )
            out.filelist.append(twin)
            out.NameToInfo[twin.filename] = twin
    f.seek(0)
    with pytest.raises(RuntimeError, match="larger than the file"):
        torch.load(f)


def test_a_lying_legacy_stream_allocates_nothing():
    graph = tensor_graph(numel=2**45, size=(2**45,))[:-1]
    graph = graph.replace(b"tQ", b"NtQ") + b"."
    with pytest.raises(RuntimeError, match="claim"):
        torch.load(legacy(graph))


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt"])
def test_every_truncation_is_noticed(name):
    data = (FILES / name).read_bytes()
    for length in range(0, len(data), 41):
        with pytest.raises(ERRORS):
            torch.load(io.BytesIO(data[:length]))


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt"])
def test_random_damage_never_crashes(name):
    data = (FILES / name).read_bytes()
    rng = random.Random(0)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 5)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            torch.load(io.BytesIO(bytes(damaged)), map_location="cpu")
        except (*ERRORS, NotImplementedError):
            pass


def test_a_changed_byte_of_the_data_is_noticed():
    data = bytearray((FILES / "zip.pt").read_bytes())
    with zipfile.ZipFile(FILES / "zip.pt") as archive:
        info = archive.getinfo("zip/data/0")
    name, extra = struct.unpack("<HH", data[info.header_offset + 26 : info.header_offset + 30])
    data[info.header_offset + 30 + name + extra] ^= 1
    with pytest.raises(RuntimeError, match="CRC"):
        torch.load(io.BytesIO(bytes(data)))


class Config:
    def __init__(self, depth):
        self.depth = depth


def test_safe_globals():
    torch.serialization.clear_safe_globals()
    graph = pickle.dumps({"config": Config(3), "kind": collections.defaultdict(list)}, 2)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(archive(graph))
    assert "collections.defaultdict" in names and any(n.endswith("Config") for n in names)
    here = f"{Config.__module__}.Config"
    with torch.serialization.safe_globals([Config, collections.defaultdict, list]):
        found = torch.load(archive(graph))
        assert found["config"].depth == 3 and type(found["kind"]) is collections.defaultdict
    with pytest.raises(pickle.UnpicklingError, match=here.replace(".", r"\.")):
        torch.load(archive(pickle.dumps(Config(1), 2)))
    torch.serialization.add_safe_globals([(Config, here)])
    assert torch.load(archive(pickle.dumps(Config(1), 2))).depth == 1
    torch.serialization.clear_safe_globals()
    assert torch.serialization.get_safe_globals() == []
    with pytest.raises(TypeError, match="class or function"):
        torch.serialization.add_safe_globals([3])
    # a module that is never needed cannot be allowed by mistake
    with torch.serialization.safe_globals([os.system]), pytest.raises(pickle.UnpicklingError, match="blocked"):
        torch.load(archive(pickle.dumps(Call(os.system, "true"), 2)))


def test_weights_only_and_pickle_module():
    with pytest.raises(RuntimeError, match="pickle_module"):
        torch.load(FILES / "zip.pt", pickle_module=pickle, weights_only=True)
    assert torch.load(FILES / "zip.pt", pickle_module=pickle)["scalar"].item() == 2.5
    graph = pickle.dumps(Config(2), 2)
    assert torch.load(archive(graph), weights_only=False).depth == 2


def test_force_weights_only_by_environment(monkeypatch):
    graph = pickle.dumps(Config(2), 2)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(archive(graph), weights_only=False)
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    assert torch.load(archive(graph)).depth == 2


def test_the_allowed_instructions_are_the_ones_we_mean():
    # a list of what is left out, so that an addition is a decision
    left_out = {op.name for op in pickletools.opcodes if op.code.encode("latin-1") not in _ACTIONS and op.code != "."}
    assert left_out == {
        "INT", "LONG", "FLOAT", "STRING", "UNICODE", "INST", "OBJ", "EXT1", "EXT2", "EXT4",
        "NEWOBJ_EX", "PERSID", "NEXT_BUFFER", "READONLY_BUFFER",
    }  # fmt: skip
