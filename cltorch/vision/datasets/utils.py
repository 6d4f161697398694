"""Downloading with mirrors and checksums, and unpacking.

Source: https://docs.pytorch.org/vision/stable/datasets.html
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import importlib
import lzma
import os
import shutil
import tarfile
import urllib.error
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from cltorch.download import download

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


def calculate_md5(fpath: str | os.PathLike[str], chunk_size: int = 1 << 20) -> str:
    """Return the MD5 sum of a file in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as f:
        while chunk := f.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath: str | os.PathLike[str], md5: str, **kwargs: Any) -> bool:
    """Return whether a file has an MD5 sum; keywords go to ``calculate_md5``."""
    return calculate_md5(fpath, **kwargs) == md5


def list_dir(root: str | os.PathLike[str], prefix: bool = False) -> list[str]:
    """Return the names of a folder's folders, or with ``prefix`` their paths."""
    return _entries(root, prefix, os.path.isdir)


def list_files(root: str | os.PathLike[str], suffix: str | tuple[str, ...], prefix: bool = False) -> list[str]:
    """Return the names of a folder's files that end with a suffix, or one of several; with ``prefix`` their paths."""
    return [name for name in _entries(root, prefix, os.path.isfile) if name.endswith(suffix)]


def _entries(root: str | os.PathLike[str], prefix: bool, kind: Callable[[str], bool]) -> list[str]:
    base = os.path.expanduser(root)
    names = [name for name in os.listdir(base) if kind(os.path.join(base, name))]
    return [os.path.join(base, name) for name in names] if prefix else names


def check_integrity(fpath: str | os.PathLike[str], md5: str | None = None) -> bool:
    """Return whether a file exists and has the given MD5 sum (any, for None)."""
    return os.path.isfile(fpath) and (md5 is None or calculate_md5(fpath) == md5)


def download_url(
    url: str | Sequence[str],
    root: str | os.PathLike[str],
    filename: str | os.PathLike[str] | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> str:
    """Download a file into ``root`` and return its path; a file with the right MD5 sum is kept.

    Several URLs are mirrors: the next is tried where one fails or sends something else. The file appears under its
    name only when it is complete and its sum is right. Raises RuntimeError for a wrong sum, and where mirrors fail
    one that tells what each said; without mirrors what urllib raises, as URLError for a server that refuses.
    """
    urls = [url] if isinstance(url, str) else list(url)
    root = os.path.expanduser(root)
    path = os.path.join(root, filename or os.path.basename(urlparse(urls[0]).path))
    if check_integrity(path, md5):
        return path
    os.makedirs(root, exist_ok=True)
    failures = []
    for source in urls:
        try:
            _fetch(source, path, md5)
            return path
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            if len(urls) == 1:
                raise
            failures.append(f"  {source}: {error}")
    raise RuntimeError(f"could not download {os.path.basename(path)}:\n" + "\n".join(failures))


def _fetch(url: str, path: str, md5: str | None) -> None:
    def check(got: str) -> None:
        if md5 is not None and got != md5:
            raise RuntimeError(f"File not found or corrupted: its MD5 sum is {got}, not {md5}")

    download(url, path, hashlib.md5(usedforsecurity=False), check)


def extract_archive(
    from_path: str | os.PathLike[str], to_path: str | os.PathLike[str] | None = None, remove_finished: bool = False
) -> Any:
    """Unpack a .zip, .tar (also .tgz, .tbz, .tar.gz, .tar.xz, .tar.bz2) or a single .gz, .xz, .bz2 file.

    Returns the folder, or the file's path for a single one, as a string or a path like ``from_path``. Raises
    RuntimeError for another suffix and for an archive whose members would land outside the folder.
    """
    source = os.fspath(from_path)
    folder = os.fspath(to_path) if to_path is not None else os.path.dirname(source)
    stem, suffix = os.path.splitext(source)
    result = folder
    if suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            _check_members(archive.namelist(), folder)
            archive.extractall(folder)
    elif suffix in (".tar", ".tgz", ".tbz", ".tbz2") or stem.endswith(".tar"):
        with tarfile.open(source) as archive:
            _check_members((m.name for m in archive.getmembers()), folder)
            if any(not (m.isfile() or m.isdir()) for m in archive.getmembers()):
                raise RuntimeError(f"{source} holds links or devices, which no data set needs")
            archive.extractall(folder)
    elif suffix in _OPENERS:
        result = os.path.join(folder, os.path.basename(stem)) if to_path is not None else stem
        with _OPENERS[suffix](source, "rb") as packed, open(result, "wb") as out:
            shutil.copyfileobj(packed, out)
    else:
        raise RuntimeError(
            f"Unknown compression or archive type: '{suffix}'. Known suffixes are: '.zip', '.tar', '.tgz', "
            f"'.tbz', '.tbz2', {', '.join(repr(s) for s in _OPENERS)}."
        )
    if remove_finished:
        os.remove(source)
    return result if isinstance(from_path, str) else Path(result)


def _check_members(names: Iterable[str], folder: str) -> None:
    base = os.path.realpath(folder)
    for name in names:
        if os.path.commonpath([base, os.path.realpath(os.path.join(base, name))]) != base:
            raise RuntimeError(f"the archive's member {name!r} would be written outside {folder}")


def download_and_extract_archive(
    url: str | Sequence[str],
    download_root: str | os.PathLike[str],
    extract_root: str | os.PathLike[str] | None = None,
    filename: str | os.PathLike[str] | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Download an archive (see ``download_url``) and unpack it (see ``extract_archive``)."""
    path = download_url(url, download_root, filename, md5)
    extract_archive(path, os.path.expanduser(extract_root or download_root), remove_finished)


def iterable_to_str(iterable: Iterable[Any]) -> str:
    """Return texts in quotes, with commas between them."""
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(
    value: Any, arg: str | None = None, valid_values: Iterable[str] | None = None, custom_msg: str | None = None
) -> str:
    """Return a string argument; raise ValueError for a value that is not among the valid ones."""
    where = f" for argument {arg}" if arg else ""
    if not isinstance(value, str):
        raise ValueError(f"Expected type str{where}, but got type {type(value)}.")
    if valid_values is not None and value not in valid_values:
        known = iterable_to_str(valid_values)
        raise ValueError(custom_msg or f"Unknown value '{value}'{where}. Valid values are {{{known}}}.")
    return value


def not_found(dataset: Any, folder: str | os.PathLike[str], fetch: bool = True) -> RuntimeError:
    """Return the error to raise for a data set whose files are missing or damaged."""
    hint = "; download=True fetches them" if fetch else ", and they have to be fetched by hand"
    return RuntimeError(f"{type(dataset).__name__}: files not found or damaged in {os.fspath(folder)}{hint}")


def provide(
    dataset: Any,
    download: bool,
    there: Callable[[], bool],
    place: str | os.PathLike[str],
    url: str,
    root: str | os.PathLike[str],
    md5: str | None = None,
) -> None:
    """Download a data set's archive into ``root`` and unpack it, if that is wanted and its files are not there yet.

    Raises RuntimeError where they are not there afterwards, which names the ``place``.
    """
    if download and not there():
        download_and_extract_archive(url, root, md5=md5)
    if not there():
        raise not_found(dataset, place)


def needed(module: str, what: str, kind: type[Exception] = RuntimeError) -> Any:
    """Return an optional module; raise an error that says what needs it and how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise kind(f"{what} needs {package}, which is not installed: pip install {package}") from error


def download_file_from_google_drive(
    file_id: str,
    root: str | os.PathLike[str],
    filename: str | os.PathLike[str] | None = None,
    md5: str | None = None,
) -> None:
    """Download a file of Google Drive into ``root``; one that is there with the right MD5 sum is kept.

    Needs the package gdown. Raises RuntimeError where it is missing, and where something else arrives.
    """
    root = os.path.expanduser(root)
    path = os.path.join(root, filename or file_id)
    gdown = needed("gdown", "downloading from Google Drive")
    if check_integrity(path, md5):
        return
    os.makedirs(root, exist_ok=True)
    gdown.download(id=file_id, output=path, quiet=True)
    if not check_integrity(path, md5):
        raise RuntimeError(f"File not found or corrupted: what Google Drive sent for {path} has not the MD5 sum {md5}")


def load_mat(path: str | os.PathLike[str], what: str, **options: Any) -> Any:
    """Return what SciPy reads from a MATLAB file; raise ImportError that says what needs SciPy."""
    return needed("scipy.io", what, ImportError).loadmat(path, **options)
