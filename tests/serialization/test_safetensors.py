"""The safetensors package, unmodified: ``safetensors.torch`` under ``python -m cltorch run``."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="reads and writes with safetensors")

PROGRAM = """
import sys, torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

path, device = sys.argv[1:]
given = {
    "a": torch.arange(6.0).reshape(2, 3), "half": torch.ones(2, dtype=torch.float16), "b": torch.ones(2).bfloat16(),
    "u": torch.tensor([1, 65535], dtype=torch.uint16), "u8": torch.tensor([2**64 - 1], dtype=torch.uint64),
    "f8": torch.tensor([1, 448.0]).to(torch.float8_e4m3fn), "f8_too": torch.ones(3).to(torch.float8_e5m2),
    "n": torch.tensor([1, -2]), "none": torch.zeros(0, 3), "yes": torch.tensor(True),
}
if device == "cpu" or torch.cuda.get_device_properties(device).has_fp64:
    given["d"] = torch.ones(1).double()
save_file({k: v.to(device) for k, v in given.items()}, path, metadata={"format": "pt"})
found = load_file(path, device=device)
assert set(found) == set(given)
for k, v in given.items():
    assert found[k].dtype is v.dtype and found[k].device == torch.device(device) and torch.equal(found[k].cpu(), v)
with safe_open(path, framework="pt", device=device) as f:
    assert f.metadata() == {"format": "pt"} and f.get_slice("a")[:, 1:].tolist() == [[1, 2], [4, 5]]
assert load(save(given))["a"].tolist() == given["a"].tolist()
make = lambda: torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).to(device)
one, two = make(), make()
save_model(one, path + ".model")
assert load_model(two, path + ".model") == (set(), [])
assert torch.equal(one[0].weight, two[0].weight)
try:
    save_file({"x": given["a"], "part": given["a"][0]}, path + ".shared")
except RuntimeError as error:
    assert "share memory" in str(error)
print("done")
"""


def test_files_both_ways(tmp_path, device):
    program, path = tmp_path / "program.py", tmp_path / "x.safetensors"
    program.write_text(PROGRAM)
    # the package knows the names of devices that PyTorch has
    name = str(device).replace("cl", "cuda")
    command = [sys.executable, "-m", "cltorch", "run", str(program), str(path), name]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0 and ran.stdout == "done\n", ran.stderr
    # the format read by itself: a length, a header in JSON, the bytes
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    begin, end = header["a"]["data_offsets"]
    assert [header[k]["dtype"] for k in ("u", "u8", "f8", "f8_too")] == ["U16", "U64", "F8_E4M3", "F8_E5M2"]
    assert header["b"]["dtype"] == "BF16" and header["a"]["shape"] == [2, 3]
    assert np.frombuffer(data[8 + length :][begin:end], np.float32).tolist() == [0, 1, 2, 3, 4, 5]
