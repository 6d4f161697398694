"""Interchange with PyTorch itself, in both directions."""

import io
from collections import Counter, OrderedDict

import pytest

import cltorch

torch = pytest.importorskip("torch", reason="compares with PyTorch")

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
FORMS = [{}, {"_use_new_zipfile_serialization": False}]


def to_cltorch(obj, **form):
    f = io.BytesIO()
    torch.save(obj, f, **form)
    f.seek(0)
    return cltorch.load(f)


def to_torch(obj, **form):
    f = io.BytesIO()
    cltorch.save(obj, f, **form)
    f.seek(0)
    return torch.load(f)


@pytest.mark.parametrize("form", FORMS, ids=["zip", "legacy"])
@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_both_ways(name, form):
    x = torch.arange(6).reshape(2, 3).to(getattr(torch, name)).t()
    there = to_cltorch(x, **form)
    assert there.tolist() == x.tolist() and there.stride() == x.stride()
    back = to_torch(there, **form)
    assert back.dtype is x.dtype and back.equal(x) and back.stride() == x.stride()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("form", FORMS, ids=["zip", "legacy"])
def test_structures_both_ways(form):
    base = torch.arange(12.0)
    obj = {
        "base": base,
        "view": base.view(3, 4)[1:, 1:3],
        "p": torch.nn.Parameter(torch.ones(2)),
        "grad": torch.ones(2, requires_grad=True),
        "od": OrderedDict(a=1),
        "plain": [None, True, 2**70, 1.5, "ü", b"\xff", (1, 2), {1, 2}, 1j, bytearray(b"x"), Counter("aab")],
        "kinds": (torch.float64, torch.Size([1, 2]), torch.device("cpu"), torch.strided),
        "typed": torch.FloatStorage([1.0, 2.0]),
    }
    if not form:  # PyTorch cannot read an untyped storage back from its older format
        obj["storage"] = torch.arange(3).untyped_storage()
    there = to_cltorch(obj, **form)
    back = to_torch(there, **form)
    assert list(back) == list(obj)
    for key in ("od", "plain", "kinds"):
        assert back[key] == obj[key]
    for key in ("base", "view", "p", "grad"):
        assert type(back[key]) is type(obj[key]) and back[key].equal(obj[key])
        assert back[key].requires_grad == obj[key].requires_grad and back[key].stride() == obj[key].stride()
    assert back["base"].untyped_storage().data_ptr() == back["view"].untyped_storage().data_ptr()
    assert list(back["typed"]) == [1.0, 2.0]
    assert form or list(back["storage"]) == list(obj["storage"])


def test_a_trained_model_moves_both_ways():
    def build(t):
        return t.nn.Sequential(
            t.nn.Conv2d(1, 2, 3), t.nn.BatchNorm2d(2), t.nn.ReLU(), t.nn.Flatten(), t.nn.Linear(8, 3)
        )

    torch.manual_seed(0)
    theirs, ours = build(torch), build(cltorch)
    optimizer = torch.optim.Adam(theirs.parameters())
    theirs(torch.randn(4, 1, 4, 4)).sum().backward()
    optimizer.step()
    found = to_cltorch({"model": theirs.state_dict(), "optimizer": optimizer.state_dict()})
    ours.load_state_dict(found["model"])
    x = torch.randn(2, 1, 4, 4)
    theirs.eval(), ours.eval()
    expected = theirs(x).detach().numpy()
    assert ours(cltorch.from_numpy(x.numpy())).detach().numpy() == pytest.approx(expected, abs=1e-5)
    adam = cltorch.optim.Adam(ours.parameters())
    adam.load_state_dict(found["optimizer"])
    back = to_torch({"model": ours.state_dict(), "optimizer": adam.state_dict()})
    fresh = build(torch)
    fresh.load_state_dict(back["model"])
    assert all(a.equal(b) for a, b in zip(fresh.state_dict().values(), theirs.state_dict().values(), strict=True))
    again = torch.optim.Adam(fresh.parameters())
    again.load_state_dict(back["optimizer"])
    assert again.state[fresh[0].weight]["exp_avg"].equal(optimizer.state[theirs[0].weight]["exp_avg"])


def test_files_by_path_and_mapping(tmp_path):
    cltorch.save({"x": cltorch.arange(1000)}, tmp_path / "ours.pt")
    assert torch.load(tmp_path / "ours.pt", mmap=True)["x"].equal(torch.arange(1000))
    torch.save({"x": torch.arange(1000)}, tmp_path / "theirs.pt")
    assert cltorch.load(tmp_path / "theirs.pt", mmap=True)["x"].tolist() == list(range(1000))


def test_a_device_tensor_is_tagged_for_torch(device):
    f = io.BytesIO()
    cltorch.save(cltorch.arange(3.0, device=device), f)
    f.seek(0)
    assert torch.load(f, map_location="cpu").tolist() == [0, 1, 2]


def test_attributes_both_ways():
    x = torch.ones(2)
    x.note = "hello"
    there = to_cltorch(x)
    assert there.note == "hello"
    assert to_torch(there).note == "hello"


def test_what_has_no_counterpart_says_so():
    with pytest.raises(Exception, match="GLOBAL torch|sparse"):
        to_cltorch(torch.zeros(2, 2).to_sparse())


def test_complex_numbers():
    for t in (torch.complex64, torch.complex128):
        found = to_cltorch(torch.tensor([[1 + 2j, 3 - 1j]], dtype=t).T)
        assert str(found.dtype) == str(t) and found.tolist() == [[1 + 2j], [3 - 1j]]


def test_files_without_checksums():
    torch.serialization.set_crc32_options(False)
    try:
        assert to_cltorch(torch.arange(3)).tolist() == [0, 1, 2]
    finally:
        torch.serialization.set_crc32_options(True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(2, dtype=torch.float4_e2m1fn_x2),
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
        lambda: torch.eye(2).to_sparse(),
        lambda: torch.eye(2).to_sparse_csr(),
        lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)], layout=torch.jagged),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_dtypes_and_layouts_without_a_counterpart_are_refused(make):
    f = io.BytesIO()
    torch.save({"x": make()}, f)
    for weights_only in (True, False):
        f.seek(0)
        with pytest.raises(Exception, match="no counterpart|without a counterpart"):
            cltorch.load(f, weights_only=weights_only)


def test_tensors_without_data_both_ways():
    x = torch.empty(2, 3, device="meta")
    there = to_cltorch({"x": x, "p": torch.nn.Parameter(x.t())})
    assert there["x"].is_meta and there["p"].stride() == (1, 3) and type(there["p"]) is cltorch.nn.Parameter
    back = to_torch(there)
    assert back["x"].is_meta and back["x"].shape == (2, 3) and back["p"].stride() == (1, 3)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_parts_of_a_storage_both_ways(dtype):
    base = torch.arange(12).to(getattr(torch, dtype)) * (1 + 2j)
    obj = {"base": base, "part": base[2:10:3], "grid": base.view(3, 4).t()[1:]}
    for form in FORMS:
        back = to_torch(to_cltorch(obj, **form), **form)
        assert all(back[k].equal(obj[k]) and back[k].stride() == obj[k].stride() for k in obj)
        back["base"][2] = 0
        assert back["part"][0] == 0


MODULES = {
    "convolutions": (
        lambda n: n.Sequential(
            n.Conv2d(1, 4, 3, padding="same"), n.BatchNorm2d(4), n.SiLU(), n.ConvTranspose2d(4, 2, 2, 2),
            n.MaxPool2d(2),
            n.GroupNorm(2, 2), n.PReLU(), n.AdaptiveAvgPool2d(2), n.Flatten(), n.LayerNorm(8), n.Linear(8, 3),
        ),
        (2, 1, 8, 8),
    ),
    "recurrent": (lambda n: n.LSTM(4, 5, 2, batch_first=True, bidirectional=True), (2, 3, 4)),
    "gru": (lambda n: n.GRU(4, 5, dropout=0.1, num_layers=2), (2, 3, 4)),
    "transformer": (
        lambda n: n.TransformerEncoder(n.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), 2),
        (2, 3, 8),
    ),
    "containers": (
        lambda n: n.Sequential(OrderedDict(a=n.Linear(4, 4), b=n.ReLU(), c=n.Sequential(n.Dropout(), n.Softmax(1)))),
        (2, 4),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODULES)
def test_whole_modules_of_torch_become_ours(name):
    make, shape = MODULES[name]
    torch.manual_seed(0)
    theirs = make(torch.nn).eval()
    f = io.BytesIO()
    torch.save(theirs, f)
    f.seek(0)
    with pytest.raises(Exception, match="no counterpart|allowed"):
        cltorch.load(f)
    f.seek(0)
    ours = cltorch.load(f, weights_only=False)
    assert type(ours).__module__.startswith("cltorch.nn") and not ours.training
    x = torch.rand(shape)
    expected, found = theirs(x), ours(cltorch.from_numpy(x.numpy()))
    if isinstance(expected, tuple):
        expected, found = expected[0], found[0]
    assert found.detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)
    assert str(ours) == str(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    ours.train()(cltorch.from_numpy(x.numpy()))


@pytest.mark.filterwarnings("ignore")
def test_lazy_modules_of_torch_learn_their_shapes_here():
    f = io.BytesIO()
    torch.save(torch.nn.Sequential(torch.nn.LazyConv2d(3, 2), torch.nn.LazyBatchNorm2d()), f)
    f.seek(0)
    ours = cltorch.load(f, weights_only=False)
    assert ours(cltorch.ones(2, 4, 5, 5)).shape == (2, 3, 4, 4)
    assert ours[0].weight.shape == (3, 4, 2, 2) and type(ours[1]) is cltorch.nn.BatchNorm2d


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True}), ("Adam", {"amsgrad": True}), ("AdamW", {}),
        ("RMSprop", {"centered": True}),
        ("Adagrad", {}), ("Adadelta", {}), ("Adamax", {}), ("NAdam", {}), ("RAdam", {}), ("ASGD", {}), ("Rprop", {}),
        ("LBFGS", {"max_iter": 3}), ("Adafactor", {}), ("Muon", {}),
    ],
)  # fmt: skip
def test_states_of_optimizers_continue_on_the_other_side(name, options):
    start = torch.linspace(-1, 1, 6).reshape(2, 3)

    def run(t, p, optimizer, steps):
        def closure():
            optimizer.zero_grad()
            loss = ((p - t.ones(2, 3)) ** 2).sum()
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)

    p = torch.nn.Parameter(start.clone())
    theirs = getattr(torch.optim, name)([p], lr=0.1, **options)
    run(torch, p, theirs, 2)
    saved = to_cltorch({"p": p, "o": theirs.state_dict()})
    q = cltorch.nn.Parameter(saved["p"].detach().clone())
    ours = getattr(cltorch.optim, name)([q], lr=0.5, **options)
    ours.load_state_dict(saved["o"])
    again = to_torch({"p": q, "o": ours.state_dict()})
    run(torch, p, theirs, 2), run(cltorch, q, ours, 2)
    assert q.detach().numpy() == pytest.approx(p.detach().numpy(), rel=1e-5, abs=1e-6)
    r = torch.nn.Parameter(again["p"].detach().clone())
    back = getattr(torch.optim, name)([r], lr=0.5, **options)
    back.load_state_dict(again["o"])
    run(torch, r, back, 2)
    assert r.detach().numpy() == pytest.approx(p.detach().numpy(), rel=1e-5, abs=1e-6)


def test_states_of_schedulers_continue_on_the_other_side():
    def make(t):
        optimizer = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=1.0)
        first, second = t.optim.lr_scheduler.LinearLR(optimizer), t.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        return optimizer, t.optim.lr_scheduler.SequentialLR(optimizer, [first, second], [3])

    def steps(optimizer, scheduler):
        rates = []
        for _ in range(4):
            optimizer.step(), scheduler.step()
            rates.append(optimizer.param_groups[0]["lr"])
        return rates

    theirs, ours = make(torch), make(cltorch)
    steps(*theirs)
    saved = to_cltorch([part.state_dict() for part in theirs])
    for part, state in zip(ours, saved, strict=True):
        part.load_state_dict(state)
    assert steps(*ours) == pytest.approx(steps(*theirs))


def test_states_without_shapes_go_both_ways():
    for ours, theirs in ((cltorch, torch), (torch, cltorch)):
        file = io.BytesIO()
        ours.save(ours.nn.LazyBatchNorm1d(dtype=ours.float64).state_dict(), file)
        file.seek(0)
        found = theirs.load(file, weights_only=False)
        assert type(found["weight"]) is theirs.nn.parameter.UninitializedParameter
        assert type(found["running_mean"]) is theirs.nn.parameter.UninitializedBuffer
        assert theirs is cltorch or found["weight"].dtype is theirs.float64  # which PyTorch does not write


@pytest.mark.parametrize("form", FORMS, ids=["zip", "legacy"])
def test_views_that_conjugate_or_negate_their_storage_are_read_as_what_they_show(form):
    x = torch.tensor([1 + 2j, 3 - 1j])
    loaded = to_cltorch({"conj": x.conj(), "x": x, "part": x.conj()[1:], "leaf": x.conj().requires_grad_()}, **form)
    assert loaded["conj"].tolist() == [1 - 2j, 3 + 1j] and loaded["x"].tolist() == [1 + 2j, 3 - 1j]
    assert loaded["part"].tolist() == [3 + 1j]
    assert loaded["leaf"].tolist() == [1 - 2j, 3 + 1j] and loaded["leaf"].is_leaf and loaded["leaf"].requires_grad
    assert to_cltorch(x.conj().imag, **form).tolist() == [-2.0, 1.0]


def test_a_stream_may_hold_something_before_the_archive():
    f = io.BytesIO(b"0123456789")
    f.seek(10)
    cltorch.save(cltorch.ones(3), f)
    for load in (torch.load, cltorch.load):
        f.seek(10)
        assert load(f).tolist() == [1, 1, 1]
