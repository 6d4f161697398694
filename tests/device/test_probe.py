"""The kernels that measure memory touch every byte that is counted, in every form."""

import numpy as np
import pytest

import cltorch as torch
from cltorch.device import probe, templates


@pytest.mark.parametrize("name, lanes", [("ct_probe_copy", 16), ("ct_probe_copy4", 4), ("ct_probe_update", 16)])
@pytest.mark.parametrize("run, apart", [(1, False), (8, False), (8, True)])
def test_each_form_walks_all_of_the_memory(cl_device, name, lanes, run, apart):
    context = torch.device(cl_device).context
    source = "#define PROBE_SALT 0\n" + (templates.kernel_dir() / "probe.cl").read_text(encoding="utf-8")
    kernel = context.kernel_from_source(source, name, "bbii")
    n = 4096
    x, out = torch.arange(float(n), device=cl_device), torch.ones(n, device=cl_device)
    items = n // lanes // run
    kernel((items,), None, x._storage, out._storage, run, items if apart else 1)
    expected = np.arange(n, dtype=np.float32)
    expected = expected * 0.5 + 1 if name == "ct_probe_update" else expected
    np.testing.assert_array_equal(out.cpu().numpy(), expected)


@pytest.mark.parametrize("seconds_each, amount", [(1e-6, 2000), (1e-3, 62)])
def test_a_slow_device_is_measured_with_a_part_of_the_work(monkeypatch, seconds_each, amount):
    monkeypatch.setattr(probe, "best", lambda seconds: seconds)
    assert probe._amount(2000, 62, lambda n: n * seconds_each) == amount
