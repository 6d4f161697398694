"""Find and render the Mako templates of the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mako.exceptions import text_error_template
from mako.lookup import TemplateLookup

from cltorch.dtypes import FLOAT8
from cltorch.errors import BuildError


@cache
def kernel_dir() -> Path:
    """Return the folder of the ``.cl`` templates: inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "kernels", package.parent / "kernels"):
        if (folder / "prelude.cl").is_file():
            return folder
    raise BuildError(f"no kernel templates beside {package}: the installation is incomplete")


@cache
def _lookup() -> TemplateLookup:
    return TemplateLookup(directories=[str(kernel_dir())], strict_undefined=True)


def render(template: str, params: Mapping[str, Any]) -> str:
    """Return the OpenCL C of ``kernels/<template>.cl``, with the prelude in front."""
    try:
        body = _lookup().get_template(f"{template}.cl").render(**params)
        # what a kernel does not use takes as long to compile as a small kernel
        float8 = [t for t in FLOAT8 if t.tag in body]
        used = {"with_halves": "f16" in body, "with_notes": "ct_note(" in body, "float8": float8}
        head = _lookup().get_template("prelude.cl").render(**params, **used)
        return head + body
    except Exception as error:
        raise BuildError(
            f"kernel template {template} with {dict(params)}:\n{text_error_template().render()}"
        ) from error
