"""Typed tensor classes and storages: construction, isinstance, names, conversions, shared memory."""

import copy
import pickle

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.storage_types import TypedStorage, UntypedStorage

NAMES = {
    "Float": dtypes.float32, "Double": dtypes.float64, "Half": dtypes.float16, "BFloat16": dtypes.bfloat16,
    "Byte": dtypes.uint8, "Char": dtypes.int8, "Short": dtypes.int16, "Int": dtypes.int32, "Long": dtypes.int64,
    "Bool": dtypes.bool_,
}  # fmt: skip


def module(device):
    return cltorch if cltorch.device(device).type == "cpu" else cltorch.cl


def usable(t, device):
    d = cltorch.device(device)
    return t is not dtypes.float64 or d.type == "cpu" or d.context.caps.fp64


@pytest.mark.parametrize("name", NAMES)
def test_tensor_classes(name, device):
    t, home = NAMES[name], module(device)
    if not usable(t, device):
        pytest.skip("the device has no float64")
    cls = getattr(home, name + "Tensor")
    x = cls(2, 3)
    assert x.dtype is t and tuple(x.shape) == (2, 3) and x.device.type == cltorch.device(device).type
    assert cls([1, 0]).tolist() == [1, 0] and cls().tolist() == [] and cls(cltorch.Size([2])).shape == (2,)
    assert isinstance(x, cls) and isinstance(x, cltorch.Tensor) and type(x) is cltorch.Tensor
    others = [getattr(m, n + "Tensor") for m in (cltorch, cltorch.cl) for n in NAMES]
    assert [c for c in others if isinstance(x, c)] == [cls]
    prefix = "torch." if home is cltorch else "torch.cl."
    assert x.type() == f"{prefix}{name}Tensor" and repr(cls) == f"<class '{prefix}{name}Tensor'>"
    assert cls.dtype is t and cls.is_cuda is (home is not cltorch)


def test_type_conversions(device):
    x = cltorch.ones(2, device=device)
    assert x.type(dtypes.int8).dtype is dtypes.int8 and x.type(dtypes.int8).device == x.device
    for target in ("torch.LongTensor", cltorch.LongTensor):
        y = x.type(target)
        assert y.dtype is dtypes.int64 and y.device.type == "cpu"
    assert x.type(x.type()) is x
    if x.device.type == "cl":
        for target in ("torch.cl.HalfTensor", "torch.cuda.HalfTensor", cltorch.cl.HalfTensor, cltorch.cuda.HalfTensor):
            assert cltorch.ones(2).type(target).type() == "torch.cl.HalfTensor"
    with pytest.raises(ValueError, match="invalid type: 'foo'"):
        x.type("foo")
    with pytest.raises(TypeError, match="dtype must be a type, str, or dtype object"):
        x.type(5)


def test_tensor_makes_another_name_of_a_tensor_with_its_dtype_and_history(device):
    for values in ([1, 2], [True, False], [1.5]):
        x = cltorch.tensor(values, device=device)
        y = cltorch.Tensor(x)
        assert y is not x and y.dtype is x.dtype and y.device == x.device and y.tolist() == values
        assert y.data_ptr() == x.data_ptr()
    assert cltorch.Tensor(cltorch.tensor(3, device=device)).shape == ()

    class Kind(cltorch.Tensor):
        pass

    leaf = cltorch.ones(2, device=device, requires_grad=True)
    assert type(Kind(leaf)) is Kind and Kind(cltorch.tensor([1])).dtype is cltorch.int64
    for y in (cltorch.Tensor(leaf), Kind(leaf), leaf.detach().new(leaf)):
        assert y._base is leaf and y.grad_fn.name() == "AliasBackward0"
        leaf.grad = None
        (y * 3).sum().backward()
        assert leaf.grad.tolist() == [3, 3]


def test_construction_errors():
    with pytest.raises(TypeError, match=r"expected torch.LongTensor \(got torch.FloatTensor\)"):
        cltorch.LongTensor(cltorch.ones(1))
    with pytest.raises(TypeError, match="data must be a sequence"):
        cltorch.FloatTensor(3.5)
    with pytest.raises(RuntimeError, match="without overflow"):
        cltorch.ByteTensor([300])
    with pytest.raises(RuntimeError, match="negative dimension"):
        cltorch.FloatTensor(-1)
    with pytest.raises(RuntimeError, match="expects device type: cpu but device type: cl"):
        cltorch.FloatTensor(2, device="cl")
    with pytest.raises(RuntimeError, match="Expected a Storage of type Float"):
        cltorch.FloatTensor(cltorch.LongStorage([1]))


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_construction_like_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    cases = [
        "FloatTensor([1, 2])",
        "LongTensor([1.7, 2])",
        "FloatTensor((2, 3))",
        "FloatTensor([[1, 2], [3, 4]])",
        "BoolTensor([0, 2])",
        "FloatTensor(np.array([1.0, 2]))",
        "FloatTensor(FloatStorage([1, 2]))",
        "FloatTensor([])",
        "Tensor([1, 2])",
    ]
    for text in cases:
        ours, theirs = (eval(text, {**vars(m), "np": np}) for m in (cltorch, torch))
        assert repr(ours) == repr(theirs) and ours.type() == theirs.type()


def test_shares_memory():
    x = cltorch.FloatTensor([1, 2])
    storage = x.untyped_storage()
    y = cltorch.FloatTensor(x)
    y[0] = 5
    assert x[0].item() == 5 and storage.data_ptr() == y.untyped_storage().data_ptr()
    z = cltorch.FloatTensor(TypedStorage(wrap_storage=storage, dtype=dtypes.float32))
    z[1] = 7
    assert x.tolist() == [5, 7]


@pytest.mark.filterwarnings("ignore:torch.set_default_tensor_type")
def test_default_tensor_type():
    try:
        cltorch.set_default_tensor_type(cltorch.DoubleTensor)
        assert cltorch.ones(1).dtype is dtypes.float64 and cltorch.Tensor(2).dtype is dtypes.float64
        with pytest.raises(TypeError, match="only floating-point types"):
            cltorch.set_default_tensor_type("torch.LongTensor")
    finally:
        cltorch.set_default_tensor_type("torch.FloatTensor")
    assert cltorch.ones(1).dtype is dtypes.float32


# ---- storages ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_storage_classes(name, device):
    t, home = NAMES[name], module(device)
    if not usable(t, device):
        pytest.skip("the device has no float64")
    cls = getattr(home, name + "Storage")
    s = cls([1, 0, 1])
    assert len(s) == s.size() == 3 and s.dtype is t and s.tolist() == [1, 0, 1] and s.nbytes() == 3 * t.itemsize
    assert isinstance(s, cls) and type(s) is TypedStorage
    assert s.type() == f"torch.{'' if home is cltorch else 'cl.'}{name}Storage"
    s[1] = 1
    assert s[1] == s[-2] == 1 and list(s) == [1, 1, 1]
    assert s.fill_(0).tolist() == [0, 0, 0] and len(cls(5)) == 5 and len(cls()) == 0
    assert s.clone().data_ptr() != s.data_ptr() and s.cpu().tolist() == [0, 0, 0]
    with pytest.raises(IndexError, match="out of range for storage of size 3"):
        s[3]
    with pytest.raises(RuntimeError, match="slices are only supported"):
        s[0:1]


def test_storage_conversions(device):
    s = module(device).FloatStorage([1.5, -2])
    assert s.long().tolist() == [1, -2] and s.half().tolist() == [1.5, -2] and s.bfloat16().dtype is dtypes.bfloat16
    assert s.int().device == s.device and s.type(cltorch.IntStorage).tolist() == [1, -2]
    t = cltorch.FloatStorage(2)
    assert t.copy_(s.cpu()).tolist() == [1.5, -2]
    s.resize_(3)
    assert s.size() == 3 and s.tolist()[:2] == [1.5, -2]
    assert pickle.loads(pickle.dumps(s)).tolist()[:2] == [1.5, -2]
    assert s.complex_float().dtype is dtypes.complex64 and s.complex_double().cpu().tolist()[0] == 1.5 + 0j
    with pytest.raises(RuntimeError, match="size does not match, self was 8 bytes but src was 12 bytes"):
        t.copy_(s)


def test_untyped_storage(device):
    s = UntypedStorage([1, 2, 3], device=device)
    assert s.tolist() == [1, 2, 3] and s[1] == 2 and s[1:].tolist() == [2, 3] and len(s) == s.nbytes() == 3
    s[0:2] = 9
    assert s.tolist() == [9, 9, 3] and s.untyped() is s and s.element_size() == 1
    assert "UntypedStorage(device=" in repr(s) and s.cpu().tolist() == [9, 9, 3]
    assert s.is_cuda is (cltorch.device(device).type == "cl")
    assert len(UntypedStorage(7, device=device)) == 7


def test_bytes_are_turned_round(device):
    for t, expected in ((dtypes.int16, [1, 0, 3, 2]), (dtypes.float32, [3, 2, 1, 0]), (dtypes.uint8, [0, 1, 2, 3])):
        s = UntypedStorage([0, 1, 2, 3], device=device)
        copied = copy.copy(s)
        s.byteswap(t)
        assert s.tolist() == expected and copied.tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="not a multiple of 8"):
        s.byteswap(dtypes.complex128)
    with pytest.raises(RuntimeError, match="expected torch.dtype"):
        s.byteswap(2)


def test_deep_copies_share_what_was_shared(device):
    x = cltorch.ones(3, device=device)
    y, typed, untyped = copy.deepcopy([x, x.storage(), x.untyped_storage()])
    y.fill_(2)
    assert typed.tolist() == [2, 2, 2] and untyped._cdata == typed._cdata == y.storage()._cdata != x.storage()._cdata
    assert x.tolist() == [1, 1, 1] and y.storage().__sizeof__() - cltorch.FloatStorage().__sizeof__() == 12


def test_tensors_of_storages(device):
    x = cltorch.tensor([1.5, -2.0], device=device)
    for made in (cltorch.tensor(x.untyped_storage(), device=device), cltorch.tensor(x.storage(), device=device)):
        assert made.tolist() == [1.5, -2] and made.data_ptr() != x.data_ptr()
    assert cltorch.tensor(x.untyped_storage(), dtype=cltorch.int16).shape == (4,)
    for wrong in (
        lambda: cltorch.tensor(x.storage(), dtype=cltorch.float64),
        lambda: cltorch.tensor(x.int().storage()),
        lambda: x.set_(x.short().storage()),
    ):
        with pytest.raises(RuntimeError, match="Expected a Storage of type"):
            wrong()


def test_storages_that_cannot_be():
    bits = UntypedStorage(4)
    for call, error, words in (
        (lambda: cltorch.FloatStorage(device="cpu"), RuntimeError, "'device' cannot be specified"),
        (lambda: cltorch.FloatStorage(dtype=dtypes.int8), RuntimeError, "'dtype' cannot be specified"),
        (lambda: cltorch.FloatStorage(0, 0), RuntimeError, "Too many positional arguments"),
        (lambda: cltorch.FloatStorage(cltorch.ones(2)), TypeError, "Argument type not recognized"),
        (lambda: cltorch.FloatStorage(0, wrap_storage=bits), RuntimeError, "No positional arguments"),
        (lambda: cltorch.FloatStorage(wrap_storage=cltorch.FloatStorage()), TypeError, "must be UntypedStorage"),
        (lambda: TypedStorage(0, wrap_storage=bits, dtype=dtypes.int8), RuntimeError, "No positional arguments"),
        (lambda: TypedStorage(wrap_storage=bits), RuntimeError, "Argument 'dtype' must be specified"),
        (lambda: TypedStorage(wrap_storage=bits, dtype=0), TypeError, "'dtype' must be torch.dtype"),
        (lambda: TypedStorage(wrap_storage=bits, dtype=dtypes.int8, device="cpu"), RuntimeError, "'device' should not"),
        (lambda: TypedStorage([1], device="meta").share_memory_(), RuntimeError, "only available on CPU"),
        (lambda: cltorch.FloatStorage(2).fill_(cltorch.FloatStorage(2)), RuntimeError, "cannot set item"),
    ):
        with pytest.raises(error, match=words):
            call()
    assert cltorch.storage._storage_type_to_dtype_map()["HalfStorage"] is dtypes.float16
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (cltorch.FloatTensor,), {})


def test_a_tensors_storage(device):
    x = cltorch.arange(6, dtype=cltorch.int16, device=device).view(2, 3)
    s = x[1, 1:].storage()  # of the whole tensor, whatever the view
    assert type(s) is TypedStorage and s.dtype is cltorch.int16 and s.tolist() == [0, 1, 2, 3, 4, 5]
    s[4] = 40
    assert x.tolist() == [[0, 1, 2], [3, 40, 5]] and s.data_ptr() == x.data_ptr() and len(x.storage()) == 6
    y = cltorch.empty(0, dtype=cltorch.int16, device=device).set_(x.storage(), 1, (2, 2))
    assert y.tolist() == [[1, 2], [3, 40]] and y.view(cltorch.uint8).storage().size() == 12


def test_from_buffer():
    assert cltorch.ByteStorage.from_buffer(b"abc").tolist() == [97, 98, 99]
    assert cltorch.ShortStorage.from_buffer(b"\x00\x01", "big").tolist() == [1]
    with pytest.raises(ValueError, match="invalid byte_order"):
        cltorch.ShortStorage.from_buffer(b"\x00\x01", "middle")


def test_storage_text():
    assert (
        repr(cltorch.FloatStorage([1, 2]))
        == " 1.0\n 2.0\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 2]"
    )


def test_a_storage_on_a_file(tmp_path):
    file = tmp_path / "bytes"
    file.write_bytes(bytes(range(8)))
    private, shared = (cltorch.UntypedStorage.from_file(str(file), kept, 8) for kept in (False, True))
    private[0] = 9
    assert private.tolist()[:2] == [9, 1] and file.read_bytes()[0] == 0
    assert cltorch.HalfStorage.from_file(str(file), True, 2).size() == 2
    shared[1] = 7
    assert file.read_bytes()[:2] == bytes([0, 7])
    assert cltorch.asarray(private[2:4], dtype=cltorch.uint8).tolist() == [2, 3]
    with pytest.raises(RuntimeError, match="smaller than the required"):
        cltorch.UntypedStorage.from_file(str(file), False, 9)
    assert cltorch.asarray(cltorch.FloatStorage([1.0, 2.0]), dtype=cltorch.float64).tolist() == [1.0, 2.0]
