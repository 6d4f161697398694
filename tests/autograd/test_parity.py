"""The programs on every device against what PyTorch says, recorded and, where it is installed, live."""

from __future__ import annotations

import inspect
import json

import pytest

import cltorch
from tests.autograd.all_programs import PROGRAMS
from tests.autograd.programs import EXPECTED, plain

pytestmark = pytest.mark.filterwarnings("ignore:.*should not be instantiated", "ignore:Using backward")
RECORDED = json.loads(EXPECTED.read_text())


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_program_says_what_pytorch_says(device, fp64, name):
    text = inspect.getsource(PROGRAMS[name])
    if not fp64 and ("float64" in text or ".double()" in text):
        pytest.skip("the program uses float64, which the device has not")
    with cltorch.device(device):
        assert plain(PROGRAMS[name](cltorch)) == RECORDED[name]


def test_what_is_recorded_is_what_pytorch_says():
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    for name, f in PROGRAMS.items():
        assert plain(f(torch)) == RECORDED[name], name
