"""How processes find a store: by a port, by the environment's variables or by a file.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#initialization
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlparse, urlunparse

from cltorch.distributed.shared_stores import FileStore, TCPStore
from cltorch.distributed.store import Store
from cltorch.distributed.world import default_pg_timeout

__all__ = ["register_rendezvous_handler", "rendezvous"]

_Found = Iterator[tuple[Store, int, int]]
_handlers: dict[str, Callable[..., _Found]] = {}


def register_rendezvous_handler(scheme: str, handler: Callable[..., _Found]) -> None:
    """Let addresses that begin with ``scheme`` be read by a generator of (store, rank, world_size).

    Raises RuntimeError for a scheme that is known already.
    """
    if scheme in _handlers:
        raise RuntimeError(f"Rendezvous handler for {scheme}:// already registered")
    _handlers[scheme] = handler


def rendezvous(url: str, rank: int = -1, world_size: int = -1, **kwargs: Any) -> _Found:
    """Return the handler's generator of (store, rank, world_size) for an address.

    ``rank`` and ``world_size`` may stand in the address: "tcp://localhost:29500?rank=0&world_size=1". Raises
    RuntimeError for an address of an unknown kind, AssertionError where they are given twice.
    """
    if not isinstance(url, (str, bytes)):
        raise RuntimeError(f"`url` must be a string. {type(url)}: {url}")
    for name, number in (("rank", rank), ("world_size", world_size)):
        if not isinstance(number, int):
            raise RuntimeError(f"`{name}` must be an integer. {number}")
    address = urlparse(str(url))
    if rank != -1 or world_size != -1:
        query = _query(address.query)
        if "rank" in query or "world_size" in query:
            raise AssertionError(f"The url: {url} has node-specific arguments(rank, world_size) already.")
        query |= {k: str(n) for k, n in (("rank", rank), ("world_size", world_size)) if n != -1}
        address = address._replace(query="&".join(f"{k}={v}" for k, v in query.items()))
    if address.scheme not in _handlers:
        raise RuntimeError(f"No rendezvous handler for {address.scheme}://")
    return _handlers[address.scheme](urlunparse(address), **kwargs)


def _query(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split("&") if part)


def _error(kind: str, what: str) -> ValueError:
    return ValueError(f"Error initializing torch.distributed using {kind}:// rendezvous: {what}")


def _numbers(kind: str, query: dict[str, str]) -> tuple[int, int]:
    for key, name in (("rank", "rank"), ("world_size", "world size")):
        if key not in query:
            raise _error(kind, f"{name} parameter missing")
    return int(query["rank"]), int(query["world_size"])


def _store_at(host: str, port: int, world_size: int, timeout: timedelta) -> Store:
    if not 0 <= port < 2**16:
        raise ValueError(f"port must have value from 0 to 65535 but was {port}.")
    alone(world_size)
    return TCPStore(host, port, world_size, is_master=True, timeout=timeout, multi_tenant=True)


def alone(world_size: int) -> None:
    """Raise NotImplementedError for more than one process."""
    if world_size > 1:
        raise NotImplementedError(f"cltorch computes in one process: world_size must be 1, not {world_size}")


def _tcp(url: str, timeout: timedelta = default_pg_timeout, **kwargs: Any) -> _Found:
    address = urlparse(url)
    if address.port is None:
        raise _error("tcp", "port number missing")
    rank, world_size = _numbers("tcp", _query(address.query))
    if address.hostname is None:
        raise AssertionError("hostname cannot be None")
    yield _store_at(address.hostname, address.port, world_size, timeout), rank, world_size
    raise RuntimeError("Unable to perform re-rendezvous using tcp:// method")


def _env(url: str, timeout: timedelta = default_pg_timeout, **kwargs: Any) -> _Found:
    query = _query(urlparse(url).query)

    def ask(variable: str) -> str:
        found = os.environ.get(variable)
        if not found:
            raise _error("env", f"environment variable {variable} expected, but not set")
        return found

    rank = int(query["rank"] if "rank" in query else ask("RANK"))
    world_size = int(query["world_size"] if "world_size" in query else ask("WORLD_SIZE"))
    host, port = ask("MASTER_ADDR"), int(ask("MASTER_PORT"))
    yield _store_at(host, port, world_size, timeout), rank, world_size
    raise RuntimeError("Unable to perform re-rendezvous using env:// method")


def _file(url: str, **kwargs: Any) -> _Found:
    address = urlparse(url)
    if not address.path:
        raise _error("file", "path missing")
    rank, world_size = _numbers("file", _query(address.query))
    alone(world_size)
    yield FileStore(address.path, world_size), rank, world_size
    raise RuntimeError("Unable to perform rerendezvous using file:// method")


for _scheme, _handler in (("tcp", _tcp), ("env", _env), ("file", _file)):
    register_rendezvous_handler(_scheme, _handler)
