"""Programs written for PyTorch run as they are, through the command and through ``compat.install``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cltorch
from cltorch.compat import reference
from cltorch.compat.finder import counterpart

ROOT = Path(cltorch.__file__).resolve().parents[1]

TRAIN = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor, optim
from torch.utils.data import DataLoader, TensorDataset

@torch.jit.script
def double(x: Tensor) -> Tensor:
    return x * 2

torch.manual_seed(0)
model = torch.compile(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
optimizer = optim.SGD(model.parameters(), lr=0.1)
data = TensorDataset(torch.randn(32, 4), torch.randint(0, 3, (32,)))
losses = []
for epoch in range(5):
    for x, y in DataLoader(data, batch_size=32):
        loss = F.cross_entropy(model(double(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
print(torch.__version__, losses[-1] < losses[0], sys.argv[1:], torch.zeros(1).device)
"""


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


def program(text: str) -> str:
    ran = python("-c", "from cltorch import compat; compat.install()\n" + textwrap.dedent(text))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_script_runs_with_its_arguments(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    ran = python("-m", "cltorch", "run", str(script), "--epochs", "3")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [reference.version(), "True", "['--epochs',", "'3']", "cpu"]


SELF = """
import atexit, os, pickle, sys, __main__
class Kept: pass
atexit.register(lambda: print(pickle.loads(pickle.dumps(Kept())).__class__ is Kept))
os.chdir(os.sep)
names = "__name__ __doc__ __package__ __spec__ __cached__".split()
print(sys.argv, __file__, sys.path[0], [globals()[n] for n in names], type(__loader__).__name__, __main__.Kept is Kept)
"""


def test_a_script_finds_itself_as_python_runs_it(tmp_path):
    (tmp_path / "itself.py").write_text(SELF)
    env, found = {**os.environ, "PYTHONPATH": str(ROOT)}, []
    for launcher in ([], ["-m", "cltorch", "run"], ["-m", "cltorch", "run", "-m", "torch.distributed.run"]):
        command = [sys.executable, *launcher, "itself.py", "-x"]
        ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        found.append(ran.stdout)
    assert found[0] == found[1] == found[2] and found[0].endswith("True\nTrue\n")


def test_a_folder_and_an_archive_run(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("import torch, beside\nprint(beside.x, torch.ones(1).item())")
    (tmp_path / "app" / "beside.py").write_text("x = 4")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "app")
    for target in (str(tmp_path / "app"), archive):
        ran = python("-m", "cltorch", "run", target)
        assert ran.returncode == 0 and ran.stdout.split() == ["4", "1.0"], ran.stderr


def test_the_device_option_is_the_default_device(tmp_path, cl_device):
    script = tmp_path / "train.py"
    script.write_text("import torch\nprint(torch.zeros(1).device)")
    assert python("-m", "cltorch", "run", "--device", cl_device, str(script)).stdout.strip() == cl_device


def test_a_module_runs_and_keeps_its_exit_status(tmp_path):
    (tmp_path / "tool.py").write_text("import sys, torch\nsys.exit(int(torch.tensor(3)))")
    ran = subprocess.run(
        [sys.executable, "-m", "cltorch", "run", "-m", "tool"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, timeout=120
    )
    assert ran.returncode == 3
    assert python("-m", "cltorch", "run", str(tmp_path / "none.py")).returncode == 2


def test_the_report_tells_what_ran(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN + "\nfrom torch.nn import LSTM\nfrom torch.sparse import mm\n")
    ran = python("-m", "cltorch", "run", "--report", str(script))
    assert ran.returncode == 0, ran.stderr
    calls = {line.split()[0]: line.split()[1] for line in ran.stderr.splitlines() if line.strip()}
    assert calls["torch.nn.functional.cross_entropy"] == calls["Tensor.backward"] == calls["optim.SGD.step"] == "5"
    assert calls["nn.Linear"] == "10"
    assert "torch.sparse.mm" in ran.stderr.splitlines()[-1]


def test_the_report_names_classes_attributes_and_flags(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        """
import torch
from torch import nn
from torch.backends import cudnn
from torch.utils.data import TensorDataset, DataLoader as Loader

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
        self.act = nn.ReLU()

class Squared(nn.MSELoss): ...

cudnn.benchmark = True
net, loss = Net(), Squared()
x = torch.ones(4, 3, dtype=torch.float32)
data = TensorDataset(x)
assert isinstance(x, torch.Tensor) and len(Loader(data)) == 4 and x.shape[0] == 4 and torch.cuda.device_count() >= 0
assert isinstance(nn.Linear(1, 1), nn.Linear) and type(net.act) is nn.ReLU
torch.fx.wrap("len")  # looks at the module that calls it
from torch.nn.functional import relu as unused
"""
    )
    ran = python("-m", "cltorch", "run", "--report", str(script))
    assert ran.returncode == 0, ran.stderr
    table, *rest = ran.stderr.split("\n\n")
    calls = {line.split()[0]: line.split()[1] for line in table.splitlines()}
    assert calls["torch.nn.Linear()"] == "3" and calls["torch.nn.ReLU()"] == calls["torch.nn.ModuleList()"] == "1"
    assert calls["torch.nn.Module()"] == calls["torch.nn.MSELoss()"] == "1"  # the program's own, derived from them
    assert calls["torch.utils.data.TensorDataset()"] == calls["torch.utils.data.DataLoader()"] == "1"
    assert calls["torch.ones"] == "1" and not [name for name in calls if name.startswith("cltorch.")]
    said = {part.partition(": ")[0]: part.partition(": ")[2].replace("\n", " ").split(", ") for part in rest}
    wanted = {"torch.float32", "torch.Tensor", "Tensor.shape", "torch.nn.functional.relu"}
    assert wanted <= set(said["named besides"]) and "Tensor.device" not in said["named besides"]
    assert [name.strip() for name in said["set"]] == ["torch.backends.cudnn.benchmark"]


def test_after_a_report_everything_is_as_before():
    out = program(
        """
        import cltorch, torch
        from torch import nn
        from cltorch.compat.report import Report
        before = dict(vars(cltorch.Tensor)), nn.Linear.__init__, torch.add, torch.__dict__.keys()
        report = Report()
        report.start()
        nn.Linear(2, 2), torch.add(torch.ones(1), 1), torch.ones(1).shape
        report.stop()
        after = dict(vars(cltorch.Tensor)), nn.Linear.__init__, torch.add, torch.__dict__.keys()
        nn.Linear(2, 2), torch.ones(1)
        print(before == after, report.calls["torch.nn.Linear()"][0], report.calls["torch.ones"][0])
        """
    )
    assert out == "True 1 2"


def test_the_report_tells_what_ran_on_the_host(tmp_path, cl_device):
    script = tmp_path / "solve.py"
    script.write_text(
        f"""
import torch
from torch.utils.data import DataLoader
torch.linalg.inv(torch.eye(2, device={cl_device!r}))
class Data(torch.utils.data.Dataset):
    def __len__(self): return 2
    def __getitem__(self, i): return torch.ones(1).add(i)  # in a worker, which must leave the device alone
if __name__ == "__main__":
    print([float(x) for x in DataLoader(Data(), num_workers=1, multiprocessing_context="fork")])
"""
    )
    ran = python("-m", "cltorch", "run", "--report", str(script))
    assert ran.returncode == 0 and "ran on the host: linalg_inv" in ran.stderr and "[1.0, 2.0]" in ran.stdout, (
        ran.stderr
    )


def test_what_is_missing_is_named_at_its_use_and_not_at_its_import():
    out = program(
        """
        import torch.distributed.fsdp
        from typing import Optional
        from torch.sparse import spsolve
        from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
        def annotated(x: "Optional[spsolve]", y: Optional[FSDP] = None) -> FSDP | None: ...
        class Mine(FSDP): ...
        x = torch.ones(1)
        print(isinstance(x, FSDP), hasattr(x, "to_sparse_csr"), hasattr(torch.Tensor, "coalesce"), x.is_sparse)
        class Sub(torch.Tensor):
            @property
            def broken(self):
                return self.hidden
        for name in ("nothing", "broken"):
            try:
                getattr(x.as_subclass(Sub), name)
            except AttributeError as error:
                print(error)
        for use in (lambda: spsolve(1, 2), lambda: Mine(), lambda: FSDP.method, lambda: x.to_sparse_csr()):
            try:
                use()
            except NotImplementedError as error:
                print(error)
        """
    )
    assert [line.partition(";")[0] for line in out.splitlines()] == [
        "False False False False",
        "'Sub' object has no attribute 'nothing'",
        "'Sub' object has no attribute 'hidden'",
        "torch.sparse.spsolve is not available in cltorch",
        "torch.distributed.fsdp.FullyShardedDataParallel is not available in cltorch",
        "torch.distributed.fsdp.FullyShardedDataParallel.method is not available in cltorch",
        "torch.Tensor.to_sparse_csr is not available in cltorch",
    ]
    assert "cltorch; not planned: sparse tensors" in out


def test_what_is_missing_of_torchvision_is_named_at_its_use_too():
    out = program(
        """
        import importlib.metadata
        import torchvision, torchvision.io.video
        from torchvision import datasets, io, models
        from torchvision.datasets import UCF101, Kinetics, HMDB51
        from torchvision.datasets.kinetics import Kinetics as Same
        from torchvision.io import read_video
        from torchvision.models import quantization
        from torchvision.models.quantization import resnet18
        from torchvision.models._utils import _ModelURLs
        class Clips(UCF101): ...
        assert torchvision.__version__ == torchvision.version.__version__ == importlib.metadata.version("torchvision")
        print(torchvision.__version__, isinstance(datasets.FakeData(2), Kinetics), torchvision._is_tracing())
        uses = [
            lambda: Clips("."), lambda: Same("."), lambda: read_video("x.mp4"), lambda: io.decode_heic(None),
            lambda: HMDB51("."), lambda: resnet18(), lambda: quantization.mobilenet_v2(),
            lambda: _ModelURLs(),
        ]
        for use in uses:
            try:
                use()
            except NotImplementedError as error:
                print(error)
        for line in ("import torchvision.nonsense", "from torchvision.ops import nonsense"):
            try:
                exec(line)
            except ImportError as error:
                print(type(error).__name__)
        """
    )
    lines = out.splitlines()
    assert lines[0] == f"{reference.version('torchvision')} False False"
    assert [line.partition(" is not available in cltorch")[0] for line in lines[1:-2]] == [
        "torchvision.datasets.UCF101",
        "torchvision.datasets.kinetics.Kinetics",
        "torchvision.io.read_video",
        "torchvision.io.decode_heic",
        "torchvision.datasets.HMDB51",
        "torchvision.models.quantization.resnet18",
        "torchvision.models.quantization.mobilenet_v2",
        "torchvision.models._utils._ModelURLs",
    ]
    assert "not planned: files of videos" in lines[3] and "not planned: quantized" in lines[6]
    assert lines[-2:] == ["ModuleNotFoundError", "ImportError"]


def test_every_module_and_name_of_torchvision_can_be_imported():
    out = program(
        """
        import importlib
        from cltorch import vision
        from cltorch.compat import reference
        names = [(m, name) for m in reference.modules("torchvision") for name in reference.names(m)]
        for module, name in names:
            getattr(importlib.import_module(module), name)
        from torchvision.transforms.transforms import Compose, _setup_angle, _setup_size
        from torchvision.transforms.v2._utils import _check_fill_arg, _setup_size as same
        from torchvision.transforms._functional_tensor import _get_gaussian_kernel2d, _rgb2hsv, rgb_to_grayscale
        from torchvision.transforms.functional import _interpolation_modes_from_int
        from torchvision.ops.boxes import _box_inter_union, _upcast
        assert _setup_size((3, 4), error_msg="") == (3, 4) and same is _setup_size
        assert _setup_angle(3, name="degrees", req_sizes=(2,)) == [-3.0, 3.0]
        assert _interpolation_modes_from_int(3) is vision.transforms.InterpolationMode.BICUBIC
        from torchvision.transforms.v2.functional._geometry import resize_image
        from torchvision.models._api import WeightsEnum
        from torchvision.models.mobilenet import mobilenet_v2
        from torchvision.ops.roi_align import RoIAlign
        assert Compose is vision.transforms.Compose
        assert rgb_to_grayscale is vision.transforms.functional.rgb_to_grayscale
        assert resize_image is vision.transforms.v2.functional.resize_image and RoIAlign is vision.ops.RoIAlign
        assert mobilenet_v2 is vision.models.mobilenet_v2
        assert WeightsEnum is vision.models.ResNet18_Weights.__mro__[1]
        print(len(names))
        """
    )
    assert int(out) > 2000


def test_what_pytorch_does_not_have_either_is_an_ordinary_error():
    out = program(
        """
        import torch
        print(hasattr(torch, "nonsense"), hasattr(torch.nn, "nonsense"))
        for line in ("import torch.nonsense", "from torch.nn import nonsense"):
            try:
                exec(line)
            except ImportError as error:
                print(type(error).__name__)
        """
    )
    assert out.split() == ["False", "False", "ModuleNotFoundError", "ImportError"]


def test_names_are_cltorchs_and_flags_are_shared():
    out = program(
        """
        import importlib.metadata, sys
        import cltorch, torch, torch.backends.cudnn as cudnn, torchvision.transforms as T
        from torch.cuda import is_available
        from torch.nn.modules.linear import Linear
        assert torch.Tensor is cltorch.Tensor and Linear is cltorch.nn.Linear and torch.cuda.Event is cltorch.cl.Event
        assert torch.nn is sys.modules["torch.nn"] and is_available is cltorch.cl.is_available
        assert T.Compose is cltorch.vision.transforms.Compose
        cudnn.benchmark = True
        torch.backends.cudnn.deterministic = True
        assert cltorch.backends.cudnn.benchmark and cltorch.backends.cudnn.deterministic
        print(importlib.metadata.version("torch"), torch.distributed.is_available(), torch.jit.is_scripting())
        """
    )
    assert out.split() == [reference.version(), "True", "False"]


def test_install_comes_before_another_torch():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    ran = python("-c", "import torch; from cltorch import compat; compat.install()")
    assert ran.returncode and "has been imported already" in ran.stderr


def test_uninstall_gives_the_name_back():
    out = program(
        """
        import sys, torch
        kind = torch.Tensor
        compat.uninstall()
        assert not hasattr(kind, "__getattr__") and not compat.is_installed() and "torch" not in sys.modules
        import importlib.util
        spec = importlib.util.find_spec("torch")
        print(spec is None or spec.origin != "cltorch")
        """
    )
    assert out == "True"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("torch", "cltorch"),
        ("torch.nn.functional", "cltorch.nn.functional"),
        ("torch.cuda", "cltorch.cl"),
        ("torch.cuda.amp", "cltorch.amp"),
        ("torchvision.datasets", "cltorch.vision.datasets"),
    ],
)
def test_counterparts(theirs, ours):
    assert counterpart(theirs) == ours


def test_inner_modules_are_there_to_be_imported():
    out = program(
        """
        import torch
        import torch.onnx, torch._dynamo, torch._inductor.config
        from torch._dynamo import OptimizedModule
        from torch.nn.modules.module import _IncompatibleKeys
        from torch.utils.data import IterDataPipe, functional_datapipe
        from torch.distributed import autograd, rpc
        assert not autograd.is_available()
        torch._dynamo.config.suppress_errors = True
        table = {torch.ops.aten.add.Tensor: 1, torch.ops.aten.mm.default: 2}

        @torch._dynamo.disable
        def plain(x):
            torch._dynamo.mark_static_address(x)
            return x + 1

        print(plain(torch.ones(1)).item(), torch.torch is torch, len(table), isinstance(torch.ones(1), OptimizedModule))
        print(hasattr(torch.ops.extension, "op"), hasattr(rpc, "api"), rpc.is_available())
        print(torch.__config__.show().splitlines()[0], torch.profiler.kineto_available())
        for use in (lambda: torch.onnx.export(plain, ()), lambda: torch.ops.aten.mkldnn_linear.default(1, 2)):
            try:
                use()
            except NotImplementedError as error:
                print(error)
        """
    )
    assert [line.partition("; not planned")[0] for line in out.splitlines()] == [
        "2.0 True 2 False",
        "False False False",
        "cltorch built with: False",
        "torch.onnx.export is not available in cltorch",
        "torch.ops.aten.mkldnn_linear.default is not available in cltorch",
    ]


def test_a_device_is_recognised_by_the_name_cuda():
    out = program(
        """
        import copy, io, pickle
        import torch
        d = torch.device("cuda", 0)
        print(d.type == "cuda", d.type in ("cuda", "xpu"), d.type != "cuda", "cuda" == d.type, d.type == "cl")
        print(d.type == "cpu", d.type != "cpu", torch.device("cpu").type == "cuda", torch.device("cl:1").type == "cuda")
        print("cuda" in d.type, d.type.startswith("cuda"), d.type.startswith(("cpu", "meta")), "cpu" in d.type)
        print(*(t.replace("cuda", "gpu") for t in (d.type, torch.device("cpu").type)), d.type.replace("cl", "gpu"))
        print(d, {"cl": 1}[d.type], pickle.loads(pickle.dumps(d)) is d, type(d.__reduce__()[1][0]).__name__)
        with torch.autocast(device_type=d.type, dtype=torch.bfloat16):
            print(torch.is_autocast_enabled("cuda") == torch.cuda.is_available())
        file = io.BytesIO()
        torch.save({"device": d}, file)
        file.seek(0)
        print(torch.load(file)["device"] is d)
        """
    )
    assert out.splitlines() == [
        "True True False True True",
        "False True False True",
        "True True False False",
        "gpu cpu gpu",
        "cl:0 1 True str",
        "True",
        "True",
    ]
    kind = cltorch.device("cl").type
    assert kind != "cuda" and type(kind) is str  # only where the program is PyTorch's


def test_questions_and_conditions_of_libraries():
    out = program(
        """
        import torch
        from torch import _assert
        from torch.library import custom_op, register_kernel
        print(torch.xpu.is_available(), torch.mps.is_available(), torch.mtia.device_count())
        print(torch.onnx.is_in_onnx_export(), torch.is_autocast_enabled("mps"), torch.device("meta").type)
        print(torch._C._nn._parse_to("cpu", torch.float64)[:2])
        from torch.utils._python_dispatch import is_traceable_wrapper_subclass
        from torch.utils.flop_counter import FlopCounterMode
        with FlopCounterMode(display=False) as counter:
            torch.mm(torch.ones(2, 3), torch.ones(3, 4))
        assert not is_traceable_wrapper_subclass(torch.ones(1)) and counter.get_total_flops() == 48
        _assert(torch.tensor(True), "fine")
        torch._check(True)

        @custom_op("test::scaled", mutates_args=())
        def scaled(x: torch.Tensor, by: float) -> torch.Tensor:
            return x * by

        scaled.register_autograd(
            lambda ctx, g: (g * ctx.by, None), setup_context=lambda ctx, inputs, output: setattr(ctx, "by", inputs[1])
        )
        x = torch.ones(2, requires_grad=True)
        scaled(x, 3.0).sum().backward()
        register_kernel("test::scaled", "cpu", lambda x, by: x - by)
        print(x.grad.tolist(), scaled(torch.ones(1), 3.0).item())

        class Wrapper(torch.optim.Optimizer):
            def __init__(self, inner): self.inner = inner
            def step(self, closure=None): return self.inner.step(closure)

        Wrapper(torch.optim.SGD([x], 0.5)).step()
        print(x.tolist())
        for use in (
            lambda: _assert(False, "said"), lambda: torch._check(False, lambda: "told"),
            lambda: torch.zeros(1, device="xla"), lambda: torch.ones(1).to("mps"),
        ):
            try:
                use()
            except (AssertionError, RuntimeError) as error:
                print(type(error).__name__, error)
        """
    )
    assert out.splitlines() == [
        "False False 0",
        "False False meta",
        "(device(type='cpu'), torch.float64)",
        "[3.0, 3.0] -2.0",
        "[-0.5, -0.5]",
        "AssertionError said",
        "RuntimeError told",
        "NotImplementedError there is no device 'xla' in cltorch: a tensor can be on cpu, cl or meta",
        "NotImplementedError there is no device 'mps' in cltorch: a tensor can be on cpu, cl or meta",
    ]


def test_inner_functions_of_libraries():
    out = program(
        """
        import torch
        from torch._tensor import Tensor
        from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors
        from torch.utils.data._utils.collate import np_str_obj_array_pattern
        assert Tensor is torch.Tensor and np_str_obj_array_pattern.search("<U3")

        seen = []
        def look(x):
            seen.append(torch._C._are_functorch_transforms_active())
            return x.sum()
        torch.vmap(look)(torch.ones(2, 2)), torch.func.grad(look)(torch.ones(2)), look(torch.ones(2))
        print(seen, torch._C._get_default_device(), torch._shape_as_tensor(torch.ones(2, 3)).tolist())
        print(torch._C._jit_set_profiling_mode(False), torch._C._jit_set_profiling_mode(True))
        print(torch._C._jit_set_autocast_mode(False), torch._C._jit_set_autocast_mode(True))
        import pickle
        print(torch.serialization.pickle is pickle)
        try:
            torch.ops.load_library("operators.so")
        except OSError as error:
            print(error)
        sizes = [torch._utils._element_size(d) for d in (torch.bool, torch.bfloat16, torch.complex64)]
        print(sizes, torch._utils._get_device_index(3), torch._utils._get_device_index("cpu", allow_cpu=True))
        parts = torch.ones(2, 2), torch.zeros(3)
        flat = _flatten_dense_tensors(parts)
        print(flat.tolist(), [p.shape == q.shape for p, q in zip(_unflatten_dense_tensors(flat, parts), parts)])
        torch._assert_async(torch.tensor([3]))
        for use in (
            lambda: torch._assert_async(torch.tensor(0)), lambda: torch._assert_async(torch.tensor(0.0), "said"),
            lambda: torch._utils._get_device_index("cpu"), lambda: torch._utils._get_device_index(None),
        ):
            try:
                use()
            except (ValueError, RuntimeError) as error:
                print(type(error).__name__, error)
        """
    )
    assert out.splitlines() == [
        "[True, True, False] cpu [2, 3]",
        "True False",
        "True False",
        "True",
        "Could not load this library: operators.so (it is compiled for PyTorch, not for cltorch)",
        "[1, 2, 8] 3 -1",
        "[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0] [True, True]",
        "RuntimeError Expected Tensor with single nonzero value, but got zero",
        "RuntimeError said",
        "ValueError Expected a non cpu device, but got: cpu",
        "ValueError Expected a torch.device with a specified index or an integer, but got:None",
    ]


def test_pickles_that_pytorch_wrote():
    out = program(
        f"""
        import pickle
        import torch
        found = pickle.load(open({str(ROOT / "tests" / "serialization" / "files" / "plain.pkl")!r}, "rb"))
        for name in ("transposed", "window", "empty", "scalar", "parameter", "needs_grad", "meta"):
            x = found[name]
            print(name, type(x) is torch.nn.Parameter, x.stride(), x.requires_grad, "" if x.is_meta else x.tolist())
        print([found["dtypes"][k].dtype is getattr(torch, k) for k in ("bool", "bfloat16", "float64")])
        layer = torch.nn.Linear(2, 3)
        print(layer.load_state_dict(found["state_dict"]), found["format"], found["layout"])
        """
    )
    assert out.splitlines() == [
        f"transposed False (1, 6) False {[[float(6 * i + j) for i in range(4)] for j in range(6)]}",
        "window False (6, 1) False [[8.0, 9.0, 10.0], [14.0, 15.0, 16.0]]",
        "empty False (3, 1) False []",
        "scalar False () False 2.5",
        "parameter True (1,) False [1.0, 2.0]",
        "needs_grad False (1,) True [1.0]",
        "meta False (1,) False ",
        "[True, True, True]",
        "<All keys matched successfully> torch.channels_last torch.strided",
    ]


def test_what_pytorchs_modules_import_can_be_imported_from_them():
    out = program(
        """
        import math, typing, warnings
        import numpy, torch, torchvision
        from torch.functional import F, Tensor
        from torch.nn.functional import math as m, warnings as w
        from torch.nn.modules.transformer import Any, Callable, Tensor as T, xavier_uniform_
        from torch.optim.adam import Optimizer
        from torch.utils.data.dataloader import Dataset, ExceptionWrapper
        from torchvision.datasets.folder import Image
        from torchvision.datasets.mnist import np
        from torchvision.models.resnet import nn
        from torchvision.transforms.transforms import F as G
        print(F is torch.nn.functional, Tensor is T is torch.Tensor, m is math, w is warnings, Any is typing.Any)
        print(Optimizer is torch.optim.Optimizer, Dataset is torch.utils.data.Dataset, np is numpy, Image.__name__)
        print(xavier_uniform_ is torch.nn.init.xavier_uniform_, nn is torch.nn, G is torchvision.transforms.functional)
        print(torch.os.path.sep, torch.torch is torch, torch.nn.functional.torch is torch)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            print(torch.set_vital("Dataloader", "enabled", "True"), told[0].message)
        try:
            torch.functional.nothing
        except AttributeError as error:
            print(error)
        """
    )
    assert out.splitlines() == [
        "True True True True True",
        "True True True PIL.Image",
        "True True True",
        "/ True True",
        "None 'set_vital' is deprecated, please do not call",
        "module 'torch.functional' has no attribute 'nothing'",
    ]


def test_questions_of_former_versions():
    out = program(
        """
        import warnings
        import torch, torchvision
        from torch.distributions.transforms import _clipped_sigmoid
        from torch.utils._triton import has_triton
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            print(torch.has_cuda is torch.backends.cuda.is_built(), torch.has_mps, torch.has_mkldnn, torch.has_cudnn)
        print(*(str(warning.message) for warning in told[:1]), len(told))
        print(torch.cuda._initialized, has_triton(), _clipped_sigmoid(torch.tensor([-200.0, 0.0])).tolist())
        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]])
        print(*(areas.tolist() for areas in torchvision.ops.boxes._box_inter_union(boxes[:1], boxes)))
        """
    )
    assert out.splitlines() == [
        "True False False False",
        "'has_cuda' is deprecated, please use 'torch.backends.cuda.is_built()' 4",
        f"False False [{float(cltorch.finfo(cltorch.float32).tiny)}, 0.5]",
        "[[4.0, 2.0]] [[4.0, 6.0]]",
    ]


def test_questions_about_tracers():
    out = program(
        """
        import torch
        from torch._subclasses.fake_tensor import FakeTensor, is_fake, maybe_get_fake_mode
        from torch.fx.experimental.proxy_tensor import get_innermost_proxy_mode, get_proxy_mode, make_fx
        x = torch.empty(2, device="meta")
        print(get_proxy_mode(), get_innermost_proxy_mode())
        print(is_fake(x), maybe_get_fake_mode(x), isinstance(x, FakeTensor))
        try:
            make_fx(torch.sin)
        except NotImplementedError as error:
            print(error)
        """
    )
    assert out.splitlines()[:2] == ["None None", "False None False"]
    assert "torch.fx.experimental.proxy_tensor.make_fx is not available in cltorch" in out


def test_divergences_may_be_registered_for_bases_of_libraries():
    assert (
        program(
            """
        import torch
        from torch.distributions import Normal, kl_divergence, register_kl

        class Base: pass
        class Mine(Normal, Base): pass
        register_kl(Mine, Base)(lambda p, q: p.loc - q.loc)
        print(kl_divergence(Mine(3.0, 1.0), Mine(1.0, 1.0)).item())
        """
        )
        == "2.0"
    )


def test_every_name_that_is_listed_can_be_read():
    program(
        """
        import torch
        assert "opencl" in dir(torch) and torch.opencl.is_available() == torch.cuda.is_available()
        assert all(hasattr(torch, name) for name in dir(torch))
        assert {"testing", "optim", "fft", "distributed", "vmap"} < set(dir(torch))
        assert {"functional", "utils"} < set(dir(torch.nn))
        from torch.utils.data.dataloader import _collate_fn_t, _worker_init_fn_t
        from typing import Optional
        assert Optional[_collate_fn_t[int]] and Optional[_worker_init_fn_t]
        """
    )


def test_inner_names_that_libraries_use():
    program(
        """
        import torch

        assert torch.__version__ >= "2.2" and torch.__version__ >= (1, 8)  # not as texts
        import torch._C._nn
        from torch._C._nn import _parse_to
        assert _parse_to("cpu", torch.int8)[:2] == torch._C._nn._parse_to("cpu", torch.int8)[:2]
        assert torch._C._nn.gelu(torch.zeros(1)).item() == 0
        import torch._dynamo.config as config
        with config.patch(verbose=True, new=1):
            assert torch._dynamo.config.verbose and config.new == 1
        assert not config.verbose and not hasattr(config, "new")
        config.suppress_errors = True
        assert torch._dynamo.config.suppress_errors
        try:
            1 / 0
        except (torch._dynamo.exc.Unsupported, ZeroDivisionError):
            torch._dynamo.reset_code_caches()
        with torch._dynamo.utils.disable_cache_limit():
            assert config.recompile_limit == config.accumulated_recompile_limit > 2**60
        assert (config.recompile_limit, config.accumulated_recompile_limit) == (8, 256)
        assert isinstance(torch.ones(1), torch._C.TensorBase) and torch._C._get_accelerator().type in ("cuda", "cpu")
        assert torch._C._is_alias_of(x := torch.ones(2), x[1:]) and not torch._C._is_alias_of(x, x.clone())
        torch._C._set_grad_enabled(False)
        assert not torch.is_grad_enabled()
        torch._C._set_grad_enabled(True)
        found = []
        torch.vmap(lambda x: (found.append(torch._C._functorch.is_batchedtensor(x)), x)[1])(x)
        assert found == [True] and not torch._C._functorch.is_batchedtensor(x)

        from torch.utils._contextlib import _DecoratorContextManager, context_decorator

        class Doubling(_DecoratorContextManager):
            depth = 0
            def __init__(self, by): self.by = by
            def clone(self): return Doubling(self.by)
            def __enter__(self): Doubling.depth += self.by
            def __exit__(self, *error): Doubling.depth -= self.by

        @Doubling(2)
        def steps():
            yield Doubling.depth
            yield Doubling.depth + 1
        assert list(steps()) == [2, 3] and Doubling.depth == 0
        assert context_decorator(lambda: Doubling(5), lambda: Doubling.depth)() == 5

        try:
            {}["missing"]
        except KeyError:
            carried = torch._utils.ExceptionWrapper(where="in a thread")
        try:
            carried.reraise()
        except KeyError as error:
            first, second, *rest = str(error).splitlines()
            assert first == "Caught KeyError in a thread." and second.startswith("Original Traceback")
            assert rest[-1] == "KeyError: 'missing'"

        from torch.utils.data import DataLoader
        from torch.utils.data.dataloader import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter
        from torch.utils.data._utils.worker import _generate_state
        it = iter(DataLoader(range(4)))
        assert isinstance(it, _BaseDataLoaderIter) and next(it).item() == it._num_yielded - 1
        assert _generate_state(123456789, 3) == [79161910, 865404129, 3632275496, 1052160850]  # PyTorch's
        it = iter(DataLoader(range(4), num_workers=1, multiprocessing_context="fork"))
        worker = it._workers[0]
        assert isinstance(it, _MultiProcessingDataLoaderIter) and worker.is_alive() and next(it).item() == 0
        it._shutdown_workers()
        assert not worker.is_alive()
        """
    )


def test_what_containers_for_vmap_are_made_of():
    program(
        """
        import torch
        from torch._C._functorch import _add_batch_dim, _remove_batch_dim, get_unwrapped, is_batchedtensor
        from torch._functorch.vmap import _broadcast_to_and_flatten, _get_name, _maybe_remove_batch_dim, tree_flatten

        table = torch.arange(6.0).reshape(2, 3)

        def f(x):
            level = x._batch
            column = _add_batch_dim(table, 0, level)  # another batch of two
            assert column.shape == (3,) and is_batchedtensor(column) and get_unwrapped(column).shape == (2, 3)
            y = x * column
            whole = _remove_batch_dim(y, level, 2, 1)
            assert not is_batchedtensor(whole) and torch.equal(whole, (table * table).T)
            assert torch.equal(_maybe_remove_batch_dim("f", y, level, 2, 0), table * table)
            for wrong, dim in ((y, None), (3, 0)):
                try:
                    _maybe_remove_batch_dim("f", wrong, level, 2, dim)
                except ValueError as error:
                    assert "vmap(f, ...)" in str(error)
                else:
                    raise AssertionError
            return y

        assert torch.equal(torch.vmap(f)(table), table * table)
        spec = tree_flatten({"a": [1, 2], "b": 3})[1]
        assert _broadcast_to_and_flatten({"a": 0, "b": 1}, spec) == [0, 0, 1]
        assert _broadcast_to_and_flatten(7, spec) == [7, 7, 7]
        assert _broadcast_to_and_flatten({"a": [1], "b": 1}, spec) is None and _get_name(len) == "len"
        """
    )


def test_modes_see_operators():
    output = program(
        """
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                print(func, func is torch.ops.aten.relu.default)
                return func(*args, **(kwargs or {}))

        assert not isinstance(3, TorchDispatchMode) and not issubclass(int, TorchDispatchMode)
        with Mode():
            torch.relu(torch.ones(2))
        """
    )
    assert output.splitlines() == ["aten.ones.default False", "aten.relu.default True"]
