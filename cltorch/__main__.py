"""The command line, ``python -m cltorch COMMAND``."""

from __future__ import annotations

import importlib
import sys

# command: the module whose main(arguments) runs it, imported only then, and what it does
COMMANDS = {
    "doctor": ("cltorch.doctor", "list OpenCL drivers and devices, say which one is used and what to do"),
    "run": ("cltorch.compat.run", "run a program written for PyTorch as it is"),
    "ops": ("cltorch.compat.ops_table", "print which names of PyTorch there are, and where they are computed"),
    "bench": ("cltorch.bench", "time operators and training steps against this machine's limits, and against PyTorch"),
    "tune": ("cltorch.tune", "search better parameters of kernels for a device; everything works well without"),
}


def usage() -> str:
    """Return the list of commands."""
    lines = [f"  {name:8} {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(
        ["usage: python -m cltorch COMMAND [options]", "", *lines, "", "COMMAND --help lists its options."]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 2 when there is no such command."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        status: int = importlib.import_module(COMMANDS[words[0]][0]).main(words[1:])
        return status
    asked = bool(words) and words[0] in ("-h", "--help", "help")
    if words and not asked:
        print(f"cltorch has no command {words[0]!r}", file=sys.stderr)
    print(usage(), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
