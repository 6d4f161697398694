"""Write the fixture files beside this script, with PyTorch: python tests/serialization/files/make.py."""

import pickle
import sys
from collections import OrderedDict
from pathlib import Path

import torch

HERE = Path(__file__).parent
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def content():
    """Return what the files hold; tests/serialization/test_load.py expects the same."""
    base = torch.arange(24, dtype=torch.float32)
    grid = base.view(4, 6)
    layer = torch.nn.Linear(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(6.0).view(3, 2))
        layer.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.25)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    with torch.no_grad():
        layer.weight.copy_(torch.arange(6.0).view(3, 2))
    return {
        "dtypes": {name: torch.arange(4).to(getattr(torch, name)) for name in DTYPES},
        "base": base,
        "transposed": grid.t(),
        "window": grid[1:3, 2:5],
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "expanded": torch.ones(1, 3).expand(2, 3),
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0]), requires_grad=False),
        "needs_grad": torch.tensor([1.0], requires_grad=True),
        "state_dict": layer.state_dict(),
        "optimizer": optimizer.state_dict(),
        "plain": [None, True, -7, 2**70, 1.5, "text", b"bytes", (1, (2, 3)), {"a": {4, 5}}, 1j, OrderedDict(b=1)],
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
    }


def main():
    torch.manual_seed(0)
    torch.save(content(), HERE / "zip.pt")
    torch.save(content(), HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    plain = {**content(), "layout": torch.strided, "format": torch.channels_last, "meta": torch.empty(2, device="meta")}
    (HERE / "plain.pkl").write_bytes(pickle.dumps(plain))
    # as a machine with a GPU would tag them
    torch.serialization.register_package(0, lambda storage: "cuda:0", lambda storage, tag: None)
    torch.save({"x": torch.arange(3.0)}, HERE / "cuda.pt")
    torch.save({"x": torch.arange(3.0)}, HERE / "cuda_legacy.pt", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    sys.exit(main())
