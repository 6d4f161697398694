"""Start a program as torchrun does, as the only process of its group, in this process.

``python -m cltorch run -m torch.distributed.run [options] train.py …`` comes here: the variables by which torchrun
tells a program its rank are set, and the program runs.
Source: https://docs.pytorch.org/docs/2.13/elastic/run.html
"""

from __future__ import annotations

import argparse
import os
import runpy
import socket
import sys
from collections.abc import Sequence

from cltorch import cl
from cltorch.distributed.script import run_file

__all__ = ["get_args_parser", "main", "parse_args"]


def get_args_parser() -> argparse.ArgumentParser:
    """Return the parser of torchrun's options; those about other machines and restarts are taken and not used."""
    parser = argparse.ArgumentParser(prog="torch.distributed.run", description="Run a program as its only process.")

    def add(name: str, default: str, about: str) -> None:
        parser.add_argument(f"--{name}", f"--{name.replace('-', '_')}", default=default, help=about)

    add("nnodes", "1:1", "number of machines, or from the least to the most: 1")
    add("nproc-per-node", "1", "number of processes of a machine: 1, or auto, cpu or gpu where that comes to 1")
    add("node-rank", "0", "number of this machine")
    add("master-addr", "127.0.0.1", "address that the program is told")
    add("master-port", "29500", "port that the program is told")
    for name in "rdzv-backend rdzv-endpoint rdzv-id rdzv-conf role max-restarts monitor-interval log-dir".split():
        add(name, "none" if name == "rdzv-id" else "", "not used for one process")
    parser.add_argument("--standalone", action="store_true", help="tell the program a port that is free")
    parser.add_argument("-m", "--module", action="store_true", help="the program is a module's name, not a file")
    parser.add_argument("training_script", help="the program")
    parser.add_argument("training_script_args", nargs=argparse.REMAINDER, help="the program's own arguments")
    return parser


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return torchrun's options, from the command line for None."""
    return get_args_parser().parse_args(args)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _processes(given: str) -> int:
    if given == "cpu":
        return os.cpu_count() or 1
    if given in ("auto", "gpu"):
        if given == "gpu" and not cl.is_available():
            raise ValueError("Cuda is not available.")
        return cl.device_count() if cl.is_available() else os.cpu_count() or 1
    return int(given)


def main(args: Sequence[str] | None = None) -> None:
    """Set the variables of a group of one process and run the program; NotImplementedError for more processes."""
    given = parse_args(args)
    count = _processes(given.nproc_per_node) * int(given.nnodes.rpartition(":")[2])
    if count != 1:
        raise NotImplementedError(f"cltorch computes in one process: it cannot start {count}")
    port = str(_free_port()) if given.standalone else given.master_port
    os.environ.update(
        RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", LOCAL_WORLD_SIZE="1", GROUP_RANK="0", GROUP_WORLD_SIZE="1",
        ROLE_RANK="0", ROLE_WORLD_SIZE="1", MASTER_ADDR=given.master_addr, MASTER_PORT=port,
        TORCHELASTIC_RUN_ID=given.rdzv_id, TORCHELASTIC_RESTART_COUNT="0", TORCHELASTIC_MAX_RESTARTS="0",
    )  # fmt: skip
    sys.argv = [given.training_script, *given.training_script_args]
    if given.module:
        runpy.run_module(given.training_script, run_name="__main__", alter_sys=True)
    else:
        run_file(given.training_script)
