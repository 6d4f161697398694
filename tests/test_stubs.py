"""What the stubs of types say of results is what functions return."""

import re
from pathlib import Path

import pytest

import cltorch as torch

PACKAGE = Path(torch.__file__).parent
RESULTS = {
    "tensor": dict(re.findall(r"    def (\w+)\(self.*\) -> (.*?): \.\.\.", (PACKAGE / "tensor.pyi").read_text())),
    "functions": dict(
        re.findall(r"^def (\w+)\(.*\) -> (.*?): \.\.\.", (PACKAGE / "functions" / "public.pyi").read_text(), re.M)
    ),
}
ARGUMENTS = ((), (2,), (0,), (1, 1), (torch.eye(4),))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("where", list(RESULTS))
def test_what_is_said_to_be_a_tensor_is_one(where):
    x = torch.eye(4) + torch.arange(16.0).reshape(4, 4) / 16
    called, wrong = 0, []
    for name, result in RESULTS[where].items():
        if result != "Tensor" or name.startswith("__"):
            continue
        for arguments in ARGUMENTS:
            try:
                y = x.clone()
                y = getattr(y, name)(*arguments) if where == "tensor" else getattr(torch, name)(y, *arguments)
            except Exception:
                continue  # other arguments may suit it
            called += 1
            if not isinstance(y, torch.Tensor):
                wrong.append(name)
            break
    assert wrong == [] and called > 200
