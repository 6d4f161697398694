"""What SummaryWriter writes through the packages tensorboard and tensorboardX is read back from its files."""

from __future__ import annotations

import io
import struct
from importlib import import_module

import numpy as np
import pytest

import cltorch
from cltorch.utils import tensorboard
from cltorch.utils.tensorboard import package


@pytest.fixture(params=["tensorboard", "tensorboardX"])
def through(request, monkeypatch):
    """Return the name of the package that writes."""
    needed = {"tensorboard": "tensorboard.summary.writer.event_file_writer", "tensorboardX": "tensorboardX"}
    pytest.importorskip(needed[request.param], reason=f"{request.param} is not installed")
    monkeypatch.setattr(package, "_has_tensorboard", lambda: request.param == "tensorboard")
    return request.param


@pytest.fixture
def records():
    """Return the module that makes records for the package tensorboard."""
    pytest.importorskip("tensorboard.summary.writer.event_file_writer", reason="tensorboard is not installed")
    return import_module("cltorch.utils.tensorboard._summary")


def events(folder, through):
    """Return the events of the only file in a folder: each stands between its length and two check sums."""
    place = {"tensorboard": "tensorboard.compat.proto", "tensorboardX": "tensorboardX.proto"}[through]
    message = import_module(f"{place}.event_pb2").Event
    (path,) = folder.glob("events.out.tfevents.*")
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(message.FromString(data[at + 12 : at + 12 + length]))
        at += 16 + length
    return found


def test_values_are_written(through, device, tmp_path):
    x = cltorch.arange(6.0, device=device, requires_grad=True)
    with tensorboard.SummaryWriter(tmp_path) as writer:
        assert str(writer.get_logdir()) == str(tmp_path)
        writer.add_scalar("loss", x.sum(), 3, walltime=12.5, double_precision=True)
        writer.add_histogram("values", x, 4, bins=[0, 2, 4, 6])
        writer.add_image("image", x.reshape(1, 2, 3) / 5, 5)
        writer.add_text("text", "some *words*")
        writer.add_pr_curve("curve", x > 2, x / 5, num_thresholds=5)
        writer.add_scalars("both", {"a": x[1], "b": 2.0}, 6)
        writer.add_hparams({"lr": 0.1, "kind": "plain"}, {"accuracy": x[1]}, run_name="run")
        writer.add_embedding(x.reshape(2, 3), metadata=["one", "two"])
    _, loss, histogram, image, text, curve = events(tmp_path, through)
    assert (loss.step, loss.wall_time) == (3, 12.5)
    assert (loss.summary.value[0].tag, loss.summary.value[0].simple_value) == ("loss", 15.0)
    bars = histogram.summary.value[0].histo
    assert (bars.num, bars.sum, list(bars.bucket_limit), list(bars.bucket)) == (6, 15.0, [0, 2, 4, 6], [0, 2, 2, 2])
    pil = pytest.importorskip("PIL.Image")
    picture = np.asarray(pil.open(io.BytesIO(image.summary.value[0].image.encoded_image_string)))
    assert picture.shape == (2, 3, 3) and picture[..., 0].tolist() == [[0, 51, 102], [153, 204, 255]]
    assert text.summary.value[0].tensor.string_val[0] == b"some *words*"
    points = np.array(curve.summary.value[0].tensor.float_val).reshape(6, 5)
    assert points[0].tolist() == [3, 3, 3, 2, 1] and points[1].tolist() == [3, 1, 0, 0, 0]
    places = [tmp_path / f"both{'_' if through == 'tensorboard' else '/'}{name}" for name in "ab"]
    assert [events(place, through)[1].summary.value[0].simple_value for place in places] == [1.0, 2.0]
    run = events(tmp_path / "run", through)
    assert run[-1].summary.value[0].tag == "accuracy" and run[-1].summary.value[0].simple_value == 1.0
    assert (tmp_path / "00000/default/tensors.tsv").read_text().split() == ["0.0", "1.0", "2.0", "3.0", "4.0", "5.0"]
    assert (tmp_path / "00000/default/metadata.tsv").read_text() == "one\ntwo\n"
    assert "default:00000" in (tmp_path / "projector_config.pbtxt").read_text()


class Block(cltorch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = cltorch.nn.Conv2d(4, 4, 3, padding=1), cltorch.nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.bn(self.conv(x))
        y += x
        return cltorch.relu(y)


class Net(cltorch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.blocks = cltorch.nn.Conv2d(1, 4, 3), cltorch.nn.Sequential(Block(), Block())
        self.head = cltorch.nn.Linear(36, 10)

    def forward(self, image, scale):
        x = self.blocks(cltorch.nn.functional.max_pool2d(self.first(image), 2)) * scale
        return {"scores": self.head(x.flatten(1)).log_softmax(1), "same": scale}


def test_the_graph_of_a_model(through, device, tmp_path, capsys):
    """Modules and functions are those that PyTorch's own tracer finds, beside its constants."""
    net = Net().to(device).train()
    before = cltorch.torch_function.on[0]
    with tensorboard.SummaryWriter(tmp_path) as writer:
        inputs = cltorch.ones(2, 1, 8, 8, device=device), cltorch.ones(1, device=device)
        writer.add_graph(net, inputs, verbose=True)
    assert "Net/Linear[head]/linear" in capsys.readouterr().out
    assert net.training and net.blocks[0].bn.num_batches_tracked == 0 and cltorch.torch_function.on[0] == before
    place = {"tensorboard": "tensorboard.compat.proto", "tensorboardX": "tensorboardX.proto"}[through]
    message = import_module(f"{place}.graph_pb2").GraphDef
    (graph,) = (message.FromString(e.graph_def) for e in events(tmp_path, through) if e.graph_def)
    nodes = {node.name: node for node in graph.node}
    assert len(nodes) == len(graph.node)  # no name twice
    block = "Net/Sequential[blocks]/Block[{}]"
    functions = {name: node.op for name, node in nodes.items() if node.op.startswith("aten::")}
    assert functions == {
        "Net/Conv2d[first]/convolution": "aten::_convolution",
        "Net/max_pool2d": "aten::max_pool2d",
        **{f"{block.format(i)}/Conv2d[conv]/convolution": "aten::_convolution" for i in range(2)},
        **{f"{block.format(i)}/BatchNorm2d[bn]/batch_norm": "aten::batch_norm" for i in range(2)},
        **{f"{block.format(i)}/add": "aten::add_" for i in range(2)},
        **{f"{block.format(i)}/relu": "aten::relu" for i in range(2)},
        "Net/mul": "aten::mul",
        "Net/flatten": "aten::flatten",
        "Net/Linear[head]/linear": "aten::linear",
        "Net/log_softmax": "aten::log_softmax",
    }
    owned = {name for name, node in nodes.items() if node.op == "prim::GetAttr"}
    parts = ("weight", "bias", "running_mean", "running_var")
    assert owned == {
        *(f"{m}/{part}" for m in ("Net/Conv2d[first]", "Net/Linear[head]") for part in parts[:2]),
        *(f"{block.format(i)}/Conv2d[conv]/{part}" for i in range(2) for part in parts[:2]),
        *(f"{block.format(i)}/BatchNorm2d[bn]/{part}" for i in range(2) for part in parts),
    }
    edges = {name: list(node.input) for name, node in nodes.items()}
    assert edges["Net/Conv2d[first]/convolution"] == [
        "input/image",
        "Net/Conv2d[first]/weight",
        "Net/Conv2d[first]/bias",
    ]
    assert edges[f"{block.format(0)}/add"] == [f"{block.format(0)}/BatchNorm2d[bn]/batch_norm", "Net/max_pool2d"]
    assert edges[f"{block.format(0)}/relu"] == [f"{block.format(0)}/add"]
    assert edges["Net/mul"] == [f"{block.format(1)}/relu", "input/scale"]
    assert (edges["output/output"], edges["output/output_1"]) == (["Net/log_softmax"], ["input/scale"])
    shape = nodes["Net/flatten"].attr["_output_shapes"].list.shape[0]
    assert [d.size for d in shape.dim] == [2, 36] and nodes["Net/flatten"].attr["attr"].s == b"{1}"


def test_a_run_goes_on_and_hides_what_it_repeats(records, tmp_path):
    writer = tensorboard.SummaryWriter(tmp_path, purge_step=7)
    writer.close()
    writer.add_scalar("later", 1)  # opens another file
    writer.close()
    written = min(tmp_path.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns)
    first = tmp_path / "first"
    first.mkdir()
    written.rename(first / written.name)
    _, version, start = events(first, "tensorboard")
    assert (version.step, version.file_version, start.step) == (7, "brain.Event:2", 7)
    assert start.session_log.status == start.session_log.START


def test_images_sounds_and_meshes_may_be_written(records, tmp_path):
    pil = pytest.importorskip("PIL.Image")
    with tensorboard.SummaryWriter(tmp_path) as writer:
        writer.add_video("video", cltorch.rand(3, 4, 1, 6, 8), fps=2)
        writer.add_audio("sound", cltorch.linspace(-1, 1, 50))
        writer.add_mesh("mesh", cltorch.rand(1, 4, 3), faces=cltorch.zeros(1, 2, 3, dtype=cltorch.int64))
        writer.add_custom_scalars_multilinechart(["a", "b"])
        writer.add_embedding(cltorch.rand(3, 2), label_img=cltorch.rand(3, 3, 4, 5), tag="a/b", global_step=2)
    assert pil.open(tmp_path / "00002" / "a%2fb" / "sprite.png").size == (10, 10)
    video = events(tmp_path, "tensorboard")[1].summary.value[0].image
    film = pil.open(io.BytesIO(video.encoded_image_string))
    assert (film.format, film.n_frames, film.size, film.info["duration"]) == (
        "GIF",
        4,
        (32, 6),
        500,
    )  # a row of four, the last one black


def test_what_cannot_be_written_is_refused(records, tmp_path):
    writer = tensorboard.SummaryWriter(tmp_path)
    for call, error, message in (
        (lambda: writer.add_scalar("a", cltorch.ones(2)), AssertionError, "should contain one element"),
        (lambda: writer.add_histogram("a", cltorch.ones(0)), ValueError, "The input has no element"),
        (lambda: writer.add_histogram_raw("a", 0, 1, 2, 1, 1, [1], []), ValueError, "bucket_limits"),
        (lambda: writer.add_image("a", cltorch.ones(2, 2)), AssertionError, "input format are different"),
        (lambda: writer.add_hparams({"a": [1]}, {}), ValueError, "one of int, float, str"),
        (lambda: writer.add_hparams([], {}), TypeError, "should be dictionary"),
        (lambda: writer.add_hparams({"a": 1}, {}, {"a": ["x"]}), TypeError, "list of same type"),
        (lambda: writer.add_embedding(cltorch.ones(2, 2), metadata=["x"]), AssertionError, "#labels"),
        (lambda: writer.add_audio("a", cltorch.ones(2, 2)), AssertionError, "1 dimensional"),
        (lambda: writer.add_scalar("a", "text"), ValueError, "could not convert"),
        (lambda: writer.add_scalar("a", [1]), NotImplementedError, "numpy array or torch tensor are expected"),
    ):
        with pytest.raises(error, match=message):
            call()
    writer.close()


def test_records_are_pytorchs(records):
    pytest.importorskip("torch", reason="compares with PyTorch")
    theirs = pytest.importorskip("torch.utils.tensorboard.summary", reason="compares with PyTorch")
    torch = import_module("torch")
    rng = np.random.default_rng(0)
    x = rng.standard_normal(500)
    parameters = {"lr": 0.1, "n": 3, "name": "x", "flag": True, "none": None}
    layout = {"A": {"x": ["Multiline", ["a", "b"]], "y": ["Margin", ["a", "b", "c"]]}}
    for name, arguments, options in (
        ("scalar", ("a", 3), {"new_style": True, "double_precision": True}),
        ("histogram", ("a", x, 30), {"max_bins": 7}),
        ("histogram", ("a", x, "auto"), {}),
        ("image", ("a", rng.integers(0, 255, (5, 1, 8, 9), np.uint8)), {}),
        ("image", ("a", rng.random((8, 9))), {"dataformats": "HW", "rescale": 2}),
        ("image_boxes", ("a", rng.random((3, 32, 32)), np.array([[2.0, 3, 20, 25]])), {"labels": ["cat"]}),
        ("audio", ("a", rng.uniform(-1, 1, 100)), {}),
        ("hparams", (parameters, {"accuracy": 1.0}, {"lr": [0.1, 0.2], "name": ["x", "y"]}), {}),
        ("pr_curve", ("a", rng.integers(0, 2, 100), rng.random(100)), {}),
        ("custom_scalars", (layout,), {}),
        ("mesh", ("a", rng.random((1, 4, 3)), None, rng.integers(0, 4, (1, 2, 3)), {"a": 1}), {}),
    ):
        ours, expected = getattr(records, name)(*arguments, **options), getattr(theirs, name)(*arguments, **options)
        pairs = zip(ours, expected, strict=True) if isinstance(ours, tuple) else [(ours, expected)]
        for a, b in pairs:
            assert a.SerializeToString(deterministic=True) == b.SerializeToString(deterministic=True), name
    for dtype in ("float16", "bfloat16", "float32", "int64", "uint8", "bool", "complex64"):
        a = records.tensor_proto("a", cltorch.arange(6).reshape(2, 3).to(getattr(cltorch, dtype)))
        b = theirs.tensor_proto("a", torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)))
        assert a.SerializeToString(deterministic=True) == b.SerializeToString(deterministic=True), dtype
