"""Only the built-in functions that a program names, declared in front of it, where a driver would declare them all.

PoCL puts clang's ``opencl-c.h``, 18,000 lines, in front of every program and parses it anew each time: 0.2 s, most of
what a small program's build takes. The header guards itself by a macro, so with the macro defined it is empty, and the
declarations that the program needs, taken from the same file, stand in its text. A program that does not build like
this, for it makes a name out of parts, is built the driver's own way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path

#: the build option that empties the header
OPTION = "-D_OPENCL_H_"
_GUARD = "#ifndef _OPENCL_H_"
# what the headers before this one define for OpenCL C 1.2; the driver reads them only after these directives
_ASSUMED = "#define __opencl_c_named_address_space_builtins 1"
_CONDITIONS = {"if": "#if", "ifdef": "#if", "ifndef": "#if", "else": "#else", "elif": "#else", "endif": "#endif"}
_NAME = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
_WORD = re.compile(r"[A-Za-z_]\w*")
_REMARK = re.compile(r"[ \t]*(?://[^\n]*|/\*.*?\*/)", re.DOTALL)
_ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)\s*", re.DOTALL)


def before(source: str, options: Sequence[str]) -> str | None:
    """Return the text to put in front of a program, which then needs ``OPTION``; None where that does not apply."""
    # later versions of the language have conditions that depend on headers which are read only after this text
    folder = _folder() if "-cl-std=CL1.2" in options else None
    return None if folder is None else _chosen(_pieces(folder), set(_WORD.findall(source)))


@functools.cache
def _folder() -> Path | None:
    """Return the folder of PoCL's headers, beside the library that this process has loaded."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    libraries = {line.split(maxsplit=5)[-1] for line in lines if "/libpocl.so" in line}
    for library in libraries:
        for parent in Path(library).parents[1:4]:
            folder = parent / "share" / "pocl" / "include"
            try:
                includes, header = (folder / "_clang_opencl.h").read_text(), (folder / "opencl-c.h").read_text()
            except OSError:
                continue
            if _GUARD in includes and _GUARD in header and (folder / "opencl-c-base.h").exists():
                return folder
    return None


@functools.cache
def _pieces(folder: Path) -> list[tuple[str, str]]:
    """Return the header as (name, declaration), and its directives as ("#if", line), ("#", line) and so on."""
    text = (folder / "opencl-c.h").read_text().replace("_OPENCL_H_", "CT_DECLARED")
    found: list[tuple[str, str]] = []
    pending = ""
    for line in _REMARK.sub("", text.replace("\\\n", " ")).splitlines():
        if line.startswith("#"):
            word = line[1:].split(maxsplit=1)[0]
            # the file that it includes stays in front of every program, and is not found from here
            if word != "include":
                found.append((_CONDITIONS.get(word, "#"), line))
            continue
        pending += line
        if pending.endswith(";"):
            found.append((_name(pending), pending))
            pending = ""
        elif pending:
            pending = pending.strip() + " " if pending.strip() else ""
    return found


def _name(declaration: str) -> str:
    before, _, _ = declaration.partition("(")
    name = before[before.rfind(" ") + 1 :]
    if name.isidentifier() and not name.startswith("__"):
        return name
    match = _NAME.search(_ATTRIBUTE.sub("", declaration))
    return match[1] if match else ""


def _chosen(pieces: list[tuple[str, str]], names: set[str]) -> str:
    """Return the declarations of some names, with the directives around them."""
    lines = [_ASSUMED]
    open_at: list[int] = []  # where each open condition begins
    used = [True]  # and whether there is anything in it
    for name, text in pieces:
        if name == "#if":
            open_at.append(len(lines))
            used.append(False)
        elif name == "#endif":
            begin = open_at.pop()
            if not used.pop():
                del lines[begin:]
                continue
            used[-1] = True
        elif name != "#else":
            if name[0] != "#" and name not in names:
                continue
            used[-1] = True
        lines.append(text)
    return "\n".join(lines) + "\n#line 1\n"
