"""Models from a folder with a hubconf.py, and weights by address or from a file: torch.hub.

Repositories are not fetched from GitHub; weights are, over HTTPS, with their checksum.
Source: https://docs.pytorch.org/docs/2.13/hub.html
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from cltorch.download import download
from cltorch.serialization import load as load_file

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

READ_DATA_CHUNK = 128 * 1024
HASH_REGEX = re.compile(r"-([a-f0-9]{8,})\.[^.]+$")
_folder: str | None = None


def get_dir() -> str:
    """Return the folder for weights: that of ``set_dir``, else ``$TORCH_HOME/hub``, else one in the user's cache."""
    return os.path.join(_get_torch_home(), "hub") if _folder is None else _folder


def _get_torch_home() -> str:
    """Return ``$TORCH_HOME``, else a folder in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d: str | os.PathLike[str]) -> None:
    """Set the folder for weights."""
    global _folder
    _folder = os.path.expanduser(os.fspath(d))


def _hubconf(repo_or_dir: Any, source: str) -> ModuleType:
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    path = Path(_cached(repo_or_dir) if source == "github" else repo_or_dir) / "hubconf.py"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    spec = importlib.util.spec_from_file_location("hubconf", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    missing = [name for name in getattr(module, "dependencies", []) if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _cached(repository: Any) -> str:
    """Return the folder that PyTorch's hub would have put OWNER/NAME or OWNER/NAME:REF in, if it is there."""
    name, _, ref = str(repository).partition(":")
    if name.count("/") != 1:
        raise ValueError(f"Expected a repository as OWNER/NAME or OWNER/NAME:REF, but got {repository}")
    refs = (ref,) if ref else ("main", "master")
    places = [os.path.join(get_dir(), f"{name}/{r}".replace("/", "_")) for r in refs]
    for place in places:
        if os.path.isdir(place):
            return place
    raise NotImplementedError(
        f"hub does not fetch {repository} from GitHub: clone it to {places[0]}, or pass its folder with source='local'"
    )


def _entry(module: ModuleType, name: Any) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


def list(
    github: Any, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check",
    verbose: bool = True, *, source: str = "github",
) -> Any:  # fmt: skip
    """Return the names of the models that a folder's hubconf.py offers (see ``load``)."""
    module = _hubconf(github, source)
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def help(
    github: Any, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check", *,
    source: str = "github",
) -> str | None:  # fmt: skip
    """Return what hubconf.py says of a model (see ``load``)."""
    doc: str | None = _entry(_hubconf(github, source), model).__doc__
    return doc


def load(
    repo_or_dir: Any, model: str, *args: Any, source: str = "github", trust_repo: Any = "check",
    force_reload: bool = False, verbose: bool = True, skip_validation: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return a model from a folder's hubconf.py, called with the further arguments.

    With ``source="local"`` the folder is given. Otherwise it is a repository's, OWNER/NAME or OWNER/NAME:REF, which is
    looked for in ``get_dir()`` under the name that PyTorch gives it, OWNER_NAME_REF (of main or master by default).
    Nothing is fetched, so that the arguments about that change nothing. Raises NotImplementedError for a repository
    that is not there, RuntimeError for a name or a package that is missing.
    """
    return _entry(_hubconf(repo_or_dir, source), model)(*args, **kwargs)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download a file, which appears under its name only when it is complete and its SHA-256 sum fits.

    Raises RuntimeError for another sum than ``hash_prefix`` begins, and where the connection breaks.
    """
    if urlparse(url).scheme not in ("http", "https", "file"):
        raise ValueError(f"cannot download {url}: neither http nor https")

    def check(found: str) -> None:
        if hash_prefix is not None and not found.startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')

    download(url, os.path.expanduser(dst), hashlib.sha256(), check, progress)


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True, check_hash: bool = False,
    file_name: str | None = None, weights_only: bool = True,
) -> Any:  # fmt: skip
    """Return what ``load`` reads from a file, downloaded unless it is in ``model_dir`` (``get_dir()/checkpoints``).

    With ``check_hash`` the file's name has to end in ``-<first digits of its SHA-256 sum>.<ext>``. ``weights_only`` is
    True by default, where PyTorch 2.13 has False here: a file from elsewhere runs code only where it is asked to.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    return load_file(path, map_location=map_location, weights_only=weights_only)
