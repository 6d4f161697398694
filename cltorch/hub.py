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

HASH_REGEX = re.compile(r"-([a-f0-9]{8,})\.[^.]+$")
_folder: str | None = None


def get_dir() -> str:
    """Return the folder for weights: that of ``set_dir``, else ``$TORCH_HOME/hub``, else one in the user's cache."""
    if _folder is not None:
        return _folder
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    return os.path.expanduser(os.path.join(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")), "hub"))


def set_dir(d: str | os.PathLike[str]) -> None:
    """Set the folder for weights."""
    global _folder
    _folder = os.path.expanduser(os.fspath(d))


def _hubconf(repo_or_dir: Any, source: str) -> ModuleType:
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        raise NotImplementedError(
            f"hub does not fetch {repo_or_dir} from GitHub: clone it and pass its folder with source='local'"
        )
    path = Path(repo_or_dir) / "hubconf.py"
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


def _entry(module: ModuleType, name: Any) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


def list(github: Any, force_reload: bool = False, *, source: str = "github", **kwargs: Any) -> Any:
    """Return the names of the models that a folder's hubconf.py offers (``source="local"``)."""
    module = _hubconf(github, source)
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def help(github: Any, model: str, force_reload: bool = False, *, source: str = "github", **kwargs: Any) -> str | None:
    """Return what hubconf.py says of a model (``source="local"``)."""
    doc: str | None = _entry(_hubconf(github, source), model).__doc__
    return doc


def load(repo_or_dir: Any, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
    """Return a model from a folder's hubconf.py (``source="local"``), called with the further arguments.

    Raises NotImplementedError for a repository on GitHub, RuntimeError for a name or a package that is missing.
    """
    for name in ("trust_repo", "force_reload", "verbose", "skip_validation"):
        kwargs.pop(name, None)
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

    With ``check_hash`` the file's name has to end in ``-<first digits of its SHA-256 sum>.<ext>``.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    return load_file(path, map_location=map_location, weights_only=weights_only)
