"""Questions about tools that build extensions. PyTorch, built for the host alone, is checked as well."""

from __future__ import annotations

import importlib
import os
import shutil
import sys

import pytest

from tests.libraries import LIBRARIES


@pytest.fixture(params=LIBRARIES)
def building(request):
    """Return this package's module or, where it is installed, PyTorch's."""
    return importlib.import_module(LIBRARIES[request.param]().__name__ + ".utils.cpp_extension")


def test_there_is_no_cuda_and_no_rocm_to_build_for(building):
    assert building.CUDA_HOME is building.ROCM_HOME is building.HIP_HOME is None and building.IS_HIP_EXTENSION is False
    assert building.IS_LINUX is sys.platform.startswith("linux")


def test_compilers_are_asked(building, monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    assert building.get_cxx_compiler() == ("cl" if building.IS_WINDOWS else "c++")
    monkeypatch.setenv("CXX", "clang++")
    assert building.get_cxx_compiler() == "clang++"
    assert building.check_compiler_is_gcc("no-such-compiler") is False
    if shutil.which("gcc") and building.IS_LINUX:
        assert building.check_compiler_is_gcc("gcc") is True
    program = tmp_path / "cc"
    program.write_text("#!/bin/sh\necho clang version 3 >&2\n")
    program.chmod(0o755)
    assert building.check_compiler_is_gcc(str(program)) is False


@pytest.mark.skipif(os.name != "posix", reason="the program is a shell script")
def test_whether_ninja_runs(building, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert building.is_ninja_available() is False
    with pytest.raises(RuntimeError, match="Ninja is required to load C"):
        building.verify_ninja_availability()
    (tmp_path / "ninja").write_text("#!/bin/sh\n")
    (tmp_path / "ninja").chmod(0o755)
    assert building.is_ninja_available() is True
    building.verify_ninja_availability()
