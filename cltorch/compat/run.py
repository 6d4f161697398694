"""``python -m cltorch run``: run a program written for PyTorch as it is."""

from __future__ import annotations

import argparse
import os
import runpy
import sys

from cltorch.compat import children
from cltorch.compat.finder import install
from cltorch.compat.report import Report
from cltorch.device import set_default_device
from cltorch.distributed.run import main as launch
from cltorch.distributed.script import run_file


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options and the program with its own arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m cltorch run",
        description="Run a program written for PyTorch: `import torch` and `import torchvision` give cltorch.",
    )
    parser.add_argument("--device", help="make tensors on this device where the program names none, as cl or cpu")
    parser.add_argument(
        "--report",
        action="store_true",
        help="list at the end which names were used, how often and for how long they ran, and what ran on the host",
    )
    parser.add_argument("-m", dest="module", action="store_true", help="PROGRAM is a module's name, not a file")
    parser.add_argument("program", metavar="PROGRAM", help="the script, or with -m the module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own arguments")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run the program; what it raises, and how it exits, is as if Python had run it."""
    args = parse(arguments)
    if not args.module and not os.path.exists(args.program):
        print(f"cltorch run: there is no file {args.program}", file=sys.stderr)
        return 2
    install()
    if args.device:
        set_default_device(args.device)
        children.inherit(args.device)
    report = Report() if args.report else None
    argv, path = sys.argv, list(sys.path)
    sys.argv = [args.program, *args.arguments]
    try:
        if report:
            report.start()
        if args.module and args.program == "torch.distributed.run":
            sys.path.insert(0, os.getcwd())
            launch(args.arguments)
        elif args.module:
            sys.path.insert(0, os.getcwd())
            runpy.run_module(args.program, run_name="__main__", alter_sys=True)
        else:
            run_file(args.program)
    finally:
        sys.argv, sys.path[:] = argv, path
        if report:
            report.stop()
            print(report, file=sys.stderr)
    return 0
