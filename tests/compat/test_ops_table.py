"""The table of PyTorch's names: that OPS.md is fresh, and that what it says is so."""

from pathlib import Path

import pytest

import cltorch
from cltorch.__main__ import main
from cltorch.compat import ops_table, probe, reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_table_is_fresh():
    path = ROOT / "OPS.md"
    if not path.is_file():
        pytest.skip("the table is not part of this installation")
    cltorch.manual_seed(3)
    before, mode = cltorch.get_rng_state(), cltorch.get_host_fallback()
    assert ops_table.report() == path.read_text("utf-8"), "run `python ci/ops_table.py`"
    assert cltorch.equal(before, cltorch.get_rng_state()) and cltorch.get_host_fallback() == mode
    assert cltorch.get_default_dtype() is cltorch.float32 and cltorch.is_grad_enabled()


def state(module, name):
    return dict(ops_table.rows(module))[name]


def test_states():
    assert set(state("torch.special", "erfcx").values()) >= {"device"}
    assert state("torch.linalg", "solve")["float32"] == "host" and state("torch.linalg", "solve")["int"] == "no"
    special = dict(ops_table.rows("torch.special"))
    assert special["expit"]["bool"] == "device" and set(special) == set(reference.names("torch.special"))


def test_a_call_that_uses_the_host_is_told_from_one_that_does_not():
    found = ops_table.states(cltorch.linalg.inv, "inv")
    assert found["float64"] == "host" and found["bool"] == "no"
    assert ops_table.states(cltorch.bitwise_and, "bitwise_and") == {
        "float32": "no", "float64": "no", "half": "no", "int": "device", "bool": "device", "complex": "no"
    }  # fmt: skip
    assert set(ops_table.states(lambda x: 1 / 0, "none").values()) == {"there"}


def test_nothing_that_changes_the_process_is_called():
    for name in ("set_default_dtype", "manual_seed", "cuda", "share_memory_", "save"):
        assert not probe.callable_with_tensors(lambda x: x, name)


def test_what_is_left_out_has_a_reason_and_is_not_there():
    for module, name in reference.listed():
        assert name in reference.names(module), f"PyTorch has no {module}.{name}"
        place = ops_table.home(module)
        assert place is None or not ops_table.has(place, name), f"{module}.{name} is there: strike it from the list"
    for module in reference.modules():
        place = ops_table.home(module)
        for name in reference.names(module):
            if place is None or not ops_table.has(place, name):
                assert reference.not_planned(module, name), f"why is {module}.{name} missing?"
    assert reference.not_planned("torch.nn.quantized.modules", "Linear") == "quantized"
    assert reference.not_planned("torch", "add") is None


def test_command(capsys):
    assert main(["ops", "torch.linalg.qr"]) == 0
    assert capsys.readouterr().out.startswith("torch.linalg.qr: float32: host, float64: host, half: no")
    assert main(["ops", "sparse_csr_tensor"]) == 0
    assert capsys.readouterr().out.startswith("torch.sparse_csr_tensor: not planned: sparse tensors in other formats")
    assert main(["ops", "no_such_name"]) == 1 and "no public name" in capsys.readouterr().err
