"""The text of the kernels: what some compiler refuses though others build it."""

from __future__ import annotations

import re

from cltorch.device import templates


def test_functions_beside_kernels_have_no_name_outside_of_their_program():
    # C99 makes no function of a definition that is only inline, for others to call where it is not inlined: a linker
    # that finds such a call names an undefined symbol, as AMD's does
    texts = {path.name: path.read_text(encoding="utf-8") for path in templates.kernel_dir().glob("*.cl")}
    assert any("static inline" in text for text in texts.values())
    bare = re.compile(r"(?<!static )\binline\b[^;()]*\(")
    assert {name: found for name, text in texts.items() if (found := bare.findall(text))} == {}
