"""A group of one process here and in PyTorch, with its backend gloo: values, exceptions and warnings are the same."""

import importlib

import pytest

import cltorch
from tests.distributed import programs

BOTH = {**programs.COLLECTIVES, **programs.OBJECTS, **programs.GROUPS, **programs.GRADIENTS}


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("PyTorch has no gloo")
    importlib.import_module("torch.distributed.nn.functional")
    importlib.import_module("cltorch.distributed.nn.functional")
    return torch


@pytest.fixture(scope="module")
def groups(torch):
    made = [module.distributed for module in (cltorch, torch)]
    for dist in made:
        dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    yield
    for dist in made:
        dist.destroy_process_group()


def same(torch, program):
    ours = programs.outcome(cltorch, cltorch.distributed, program)
    assert ours == programs.outcome(torch, torch.distributed, program)


@pytest.mark.parametrize("name", [*programs.BEFORE, *programs.STORES])
def test_before_there_is_a_group(torch, name, monkeypatch):
    for variable in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(variable, raising=False)
    same(torch, {**programs.BEFORE, **programs.STORES}[name])


@pytest.mark.parametrize("name", BOTH)
def test_in_a_group_of_one(torch, groups, name, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    same(torch, BOTH[name])
