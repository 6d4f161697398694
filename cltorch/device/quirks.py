"""Defects of OpenCL runtimes that are worked around: the one place that knows a runtime by its name.

A quirk is a row: what goes wrong, in which runtime and which versions of it, why and what is done instead. A device's
``caps.quirks`` holds the names of those that apply to it; a template or a plan asks ``"name" in caps.quirks`` and
nothing about vendors. ``tests/device/test_quirks.py`` shows each row's effect on the runtime at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

Version = tuple[int, ...]
_PLATFORMS = {  # a runtime's name here, and what its platform calls itself
    "pocl": "portable computing language",
    "intel-cpu": "intel(r) opencl",
    "rusticl": "rusticl",
    "oclgrind": "oclgrind",
}


@dataclass(frozen=True)
class Runtime:
    """Name an OpenCL implementation and its version, empty where it tells none."""

    name: str
    version: Version = ()


@dataclass(frozen=True)
class Quirk:
    """Describe one defect: the runtimes that have it, each with the first version that does not (None: none known).

    ``on`` is how the names of the devices begin that have it, where a runtime has it on some only.
    """

    name: str
    runtimes: tuple[tuple[str, Version | None], ...]
    what: str
    why: str
    instead: str
    on: str = ""

    def applies(self, runtime: Runtime, device: str = "") -> bool:
        """Return whether a runtime's device has this defect; a runtime that tells no version may have any."""
        return device.lower().startswith(self.on) and any(
            name == runtime.name and (fixed is None or not runtime.version or runtime.version < fixed)
            for name, fixed in self.runtimes
        )


QUIRKS = (
    Quirk(
        "vload_half8",
        (("pocl", None),),
        "vload_half8 and vstore_half8 stop the process at an address that is not a multiple of 16",
        "its library takes an aligned vector where the language promises a half's alignment only; seen in 3.1",
        "two vload_half4, two vstore_half4 (prelude.cl)",
    ),
    Quirk(
        "narrow_vectors",
        (("pocl", None),),
        "vload16 and vstore16 of 8 or 16 bits take four times as long as the same bytes by elements of 32 bits",
        "its library's vectors of narrow elements are put together one by one; seen in 3.1",
        "a pointer to a vector that is aligned as one element is (prelude.cl)",
    ),
    Quirk(
        "double_lanes",
        (("pocl", None),),
        "pow of double vectors is wrong beside an infinite lane, and fmod beside a large one takes minutes",
        "the vector forms share one loop, or one scaling, between their lanes; seen in 3.1",
        "one call for each lane (prelude.cl)",
    ),
    Quirk(
        "slow_header",
        (("pocl", None),),
        "every build parses the declarations of all built-in functions anew, most of what it takes",
        "clang's opencl-c.h, 18,000 lines, is included in front of each program; 0.2 s in 3.1",
        "the declarations that the program names stand in its text (declarations.py)",
    ),
    Quirk(
        "serial_copies",
        (("pocl", None),),
        "copies and fills of buffers take twice as long as a kernel that does the same",
        "they run on one thread, whatever the number of cores; seen in 3.1",
        "a kernel, from 1 MiB on (ops/strided.py)",
    ),
    Quirk(
        "widens_one_item",
        (("intel-cpu", None),),
        "a kernel of explicit vectors for groups of one work-item takes seven times as long to build",
        "the compiler takes its vectors apart to put several work-items side by side, of which there are none; 2026.22",
        "the attribute intel_vec_len_hint says that one work-item is to be one (gemm_tile.cl)",
    ),
    Quirk(
        "asleep_between_launches",
        (("pocl", None),),
        "a launch takes 10 us where the one before has run, and 2 us where it has not",
        "the threads that run kernels sleep in between, and the launch wakes them by a system call; seen in 3.1",
        "up to 16 launches of one work-item each wait for one another (gate.py)",
        on="pthread",  # "basic" has no threads: it runs what waits inside of clSetUserEventStatus, and locks twice
    ),
    Quirk(
        "hangs_amid_threads",
        (("pocl", None),),
        "two threads that put commands into one queue may wait for ever",
        "what a thread enqueues while another runs the command before is run by the latter, with its lock held; 3.1",
        "copies take the turn that launches take, so that no command comes while another runs (context.py)",
        on="basic",  # a device without threads, whose commands run inside of the call that enqueues them
    ),
    Quirk(
        "no_prefetch_builtin",
        (("rusticl", None), ("oclgrind", None)),
        "__builtin_prefetch, which the compiler says it has, ends the process",
        "Mesa's way over SPIR-V cannot translate it, Oclgrind's interpreter does not know it; seen in 22.3 and 21.10",
        "no prefetching (gemm_tile.cl)",
    ),
    Quirk(
        "loops_end_early",
        (("rusticl", None),),
        "the loops of a work-item take 65,535 steps together; each behind that ends after one, and nothing tells",
        "gallivm counts steps so that no shader hangs the process, and does so for OpenCL too; seen in 22.3",
        "kernels for GPUs, whose work-items do little each; they suit its lanes and compile sooner too (context.py)",
        on="llvmpipe",
    ),
    Quirk(
        "byte_choices",
        (("rusticl", None),),
        "a choice between two numbers of 8 bits, as in `c ? a : b`, ends the process",
        "llvmpipe's code for NIR's bcsel of bytes is not valid, as it seems; seen in 22.3",
        "the function select, which is made of bits (pointwise.cl)",
        on="llvmpipe",
    ),
    Quirk(
        "ends_amid_work",
        (("rusticl", None),),
        "a process that ends while commands are queued crashes or hangs",
        "LLVM and Mesa are taken down while the queue's thread still compiles by them, at a launch; seen in 22.3",
        "the end of the program waits for the queue (ending.py)",
        on="llvmpipe",
    ),
    Quirk(
        "arguments_kept",
        (("rusticl", None),),
        "a buffer that was released stays allocated for as long as a kernel has it as an argument",
        "the arguments of a kernel hold references until others are set, which the standard leaves open; seen in 22.3",
        "the arguments are taken away before memory is given back (context.py)",
    ),
    Quirk(
        "local_told_twice",
        (("rusticl", None),),
        "the local memory that a kernel needs is told as twice what it is",
        "the variables of its source are counted among its arguments too; seen in 22.3",
        "half of what is told (program.py)",
    ),
)


def runtime_of(platform_name: str, platform_version: str, driver_version: str) -> Runtime:
    """Return which implementation a platform is; its name in lower case where this file knows nothing about it.

    >>> runtime_of("Portable Computing Language", "OpenCL 3.0 PoCL 3.1+debian  Linux, LLVM 15.0.6", "3.1+debian")
    Runtime(name='pocl', version=(3, 1))
    """
    spelled = platform_name.replace("\0", "").strip().lower()
    name = next((ours for ours, theirs in _PLATFORMS.items() if spelled == theirs), spelled)
    said = re.search(r"pocl (\d+(?:\.\d+)*)", platform_version.lower()) if name == "pocl" else None
    said = said or re.search(r"(\d+(?:\.\d+)*)", driver_version)
    return Runtime(name, tuple(int(n) for n in said.group(1).split(".")) if said else ())


def of(runtime: Runtime, device: str = "", quirks: Iterable[Quirk] = QUIRKS) -> frozenset[str]:
    """Return the names of the quirks of a runtime's device."""
    return frozenset(quirk.name for quirk in quirks if quirk.applies(runtime, device))
