"""``CLTORCH_DEBUG=1``: writes outside of buffers and indices out of range are raised at the line that launched them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = textwrap.dedent(
    """
    import sys
    import cltorch as torch

    device = sys.argv[1]
    bad = torch.cl.kernel('''
    __kernel void off_by(__global float *x, const int at) { x[at] = 1; }
    ''')
    x = torch.zeros(10, device=device)  # the line that makes the buffer

    def fails(kind, *parts):
        def check(f):
            try:
                f()
            except kind as error:
                told = str(error)
                assert all(part in told for part in parts), told
                print("told")
            else:
                raise AssertionError(f"{kind} was not raised")
        return check

    @fails(torch.DeviceMemoryError, "kernel off_by", "at byte 40 of a buffer of 40 bytes (argument 0",
           "the line that makes", "was launched by", ", in behind: bad(x=x, at=10)")
    def behind():
        bad(x=x, at=10)

    @fails(torch.DeviceMemoryError, "at byte -4 of a buffer of 40 bytes", "in before")
    def before():
        bad(x=x, at=-1)

    bad(x=x, at=9)  # the strips were mended, and the last element is inside
    assert x.tolist() == [0] * 9 + [1]

    @fails(torch.DeviceIndexError, "index(): index 12 is out of bounds for dimension 0 with size 10", "in index: x[i]")
    def index():
        i = torch.tensor([1, 12], device=device)
        x[i]

    assert torch.empty(5, device=device).isnan().all() and torch.empty(5, device=device, dtype=torch.int).ne(0).all()
    torch.manual_seed(0)
    layer, inputs, classes = torch.nn.Linear(5, 3).to(device), torch.ones(4, 5, device=device), x[:4].long() + 1
    losses = []
    for _ in range(2):
        layer.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(inputs), classes)
        loss.backward()
        with torch.no_grad():
            for p in layer.parameters():
                p -= 0.1 * p.grad
        losses.append(loss.item())
    assert losses[1] < losses[0], losses
    print("trained")
    """
)


def test_what_a_kernel_does_wrong_is_raised_at_the_line_that_launched_it(cl_device, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, program, cl_device], env={**os.environ, "CLTORCH_DEBUG": "1"}, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["told"] * 3 + ["trained"]


@pytest.mark.parametrize(("value", "on"), [("", False), ("0", False), ("1", True)])
def test_it_is_asked_for_by_the_environment(value, on, monkeypatch):
    debug = pytest.importorskip("cltorch.device.debug")  # needs PyOpenCL
    monkeypatch.setenv("CLTORCH_DEBUG", value)
    assert debug.wanted() is on
