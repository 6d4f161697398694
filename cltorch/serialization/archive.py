"""PyTorch's zip archives: writing their records, uncompressed and aligned, and reading them.

An archive ``model.pt`` holds ``model/data.pkl`` (the object graph), ``model/data/0``, ``model/data/1``, … (one record
for each storage), ``model/byteorder``, ``model/version`` and a few marks. Records start at multiples of 64 bytes so
that they can be mapped into memory. An archive that a program has packed anew, with compression, can be read as well.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any

import numpy as np

ALIGNMENT = 64
_LOCAL_HEADER = 30  # bytes of a zip local file header before the name
_DIRECTORY_ENTRY = 46  # bytes of a record's entry in the directory before its name
_ZIP64_EXTRA = 20  # what zipfile adds to the header of a record of 2 GiB and more
_CHUNK = 1 << 24
_EXPANSION = 64  # how many times longer than the file records may be that something else has compressed,
_SMALL = 1 << 26  # unless they are no longer than this together


class CorruptArchiveError(RuntimeError):
    """Raise where an archive cannot be read; a RuntimeError, as PyTorch's reader raises."""


def is_zip(f: Any) -> bool:
    """Return whether a stream starts with a zip archive; its position does not move."""
    at = f.tell()
    magic = f.read(4)
    f.seek(at)
    return bool(magic == b"PK\x03\x04")


class ArchiveReader:
    """Read records of an archive by name, after checking what its directory claims."""

    def __init__(self, f: Any, name: str) -> None:
        self._f, self._name = f, name
        f.seek(0, 2)
        self._length = f.tell()
        try:
            self._zip = zipfile.ZipFile(f)
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError, EOFError) as error:
            raise self._corrupt(f"failed finding central directory ({error})") from error
        if not infos:
            raise self._corrupt("the archive is empty")
        self._prefix = infos[0].filename.split("/")[0]
        self._records = {i.filename: i for i in infos}
        # records that overlap could make a small file claim any amount of memory, and so could a compressed one
        if sum(i.compress_size for i in self._records.values()) > self._length:
            raise self._corrupt("its records together claim to be larger than the file")
        whole = sum(i.file_size for i in self._records.values())
        if whole > max(_EXPANSION * self._length, _SMALL):
            raise self._corrupt(
                f"it claims to expand from {self._length} bytes to {whole}, more than numbers do (a zip bomb)"
            )
        if f"{self._prefix}/data.pkl" not in self._records:
            raise self._corrupt("file not found: data.pkl")
        if f"{self._prefix}/constants.pkl" in self._records:
            raise RuntimeError(
                f"{name} is a TorchScript archive, which load does not read; "
                "save the module's state_dict in PyTorch instead"
            )

    def _corrupt(self, reason: str) -> CorruptArchiveError:
        return CorruptArchiveError(
            f"PytorchStreamReader failed reading zip archive: {reason}. {self._name} is corrupted: it was not saved or "
            "transferred completely, or something else wrote to it."
        )

    def has(self, record: str) -> bool:
        """Return whether there is a record of this name."""
        return f"{self._prefix}/{record}" in self._records

    def size(self, record: str) -> int:
        """Return the length of a record in bytes."""
        return self._info(record).file_size

    def _info(self, record: str) -> zipfile.ZipInfo:
        info = self._records.get(f"{self._prefix}/{record}")
        if info is None:
            raise self._corrupt(f"file not found: {record}")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            raise self._corrupt(f"record {record} is stored, but has two lengths")
        if info.flag_bits & 1:
            raise self._corrupt(f"record {record} is encrypted")
        return info

    def offset(self, record: str) -> int:
        """Return where a record's bytes start in the file; RuntimeError for one that is compressed."""
        info = self._info(record)
        if info.compress_type != zipfile.ZIP_STORED:
            raise RuntimeError(
                f"{self._name} was compressed by something else than save: record {record} cannot be mapped, load it "
                "with mmap=False"
            )
        if not 0 <= info.header_offset < self._length:
            raise self._corrupt(f"record {record} lies outside the file")
        self._f.seek(info.header_offset)
        header = self._f.read(_LOCAL_HEADER)
        if len(header) != _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise self._corrupt(f"record {record} has no local header")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        start = info.header_offset + _LOCAL_HEADER + name_length + extra_length
        if start + info.file_size > self._length:
            raise self._corrupt(f"record {record} reaches past the end of the file")
        return int(start)

    def checksum_places(self, folder: str) -> list[int]:
        """Return where in the file the checksums of a folder's records stand, in the directory at its end."""
        places, at = [], int(self._zip.start_dir)
        for info in self._zip.infolist():
            self._f.seek(at)
            entry = self._f.read(_DIRECTORY_ENTRY)
            if len(entry) != _DIRECTORY_ENTRY or entry[:4] != b"PK\x01\x02":
                raise self._corrupt("its directory is not where it should be")
            if info.filename.startswith(f"{self._prefix}/{folder}/"):
                places.append(at + 16)
            at += _DIRECTORY_ENTRY + sum(struct.unpack("<HHH", entry[28:34]))
        return places

    def read(self, record: str) -> np.ndarray:
        """Return a record as a new uint8 array; raise CorruptArchiveError where its checksum does not match."""
        info = self._info(record)
        out = np.empty(info.file_size, np.uint8)
        if info.compress_type != zipfile.ZIP_STORED:
            self._expand(info, out)
            return out
        self._f.seek(self.offset(record))
        _read_into(self._f, out, lambda: self._corrupt(f"record {record} is cut off"))
        # PyTorch leaves the field 0 where it was told not to compute checksums
        if info.CRC and zlib.crc32(out.data) != info.CRC:
            raise self._corrupt(f"bad CRC-32 for record {record}")
        return out

    def _expand(self, info: zipfile.ZipInfo, out: np.ndarray) -> None:
        """Fill an array from a record that something else than ``save`` has compressed."""
        try:
            with self._zip.open(info) as f:
                _read_into(f, out, lambda: self._corrupt(f"record {info.filename} is cut off"))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
            raise self._corrupt(f"record {info.filename} cannot be expanded ({error})") from error


def _read_into(f: Any, out: np.ndarray, error: Any) -> None:
    """Fill an array from a stream, in chunks where the stream has no ``readinto``."""
    target = out.data
    done, readinto = 0, getattr(f, "readinto", None)
    while done < len(target):
        if readinto is not None:
            n = readinto(target[done : done + _CHUNK])
        else:
            chunk = f.read(min(_CHUNK, len(target) - done))
            n = len(chunk)
            target[done : done + n] = chunk
        if not n:
            raise error()
        done += n


class _Forward:
    """Write to a stream from here on, never going back: a compressing one could not, and positions count from here."""

    def __init__(self, f: Any) -> None:
        self.write = f.write

    def flush(self) -> None:
        """Do nothing: the stream's owner flushes it."""


class ArchiveWriter:
    """Write records, uncompressed, each aligned; the same content gives the same bytes."""

    def __init__(self, f: Any, prefix: str, alignment: int = ALIGNMENT) -> None:
        forward: Any = _Forward(f)
        self._zip = zipfile.ZipFile(forward, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._prefix, self._alignment = prefix, alignment
        self._digest = 0

    def write(self, record: str, data: Any) -> None:
        """Append a record from bytes or a contiguous buffer."""
        view = memoryview(data).cast("B") if not isinstance(data, bytes) else memoryview(data)
        info = zipfile.ZipInfo(f"{self._prefix}/{record}", (1980, 1, 1, 0, 0, 0))
        info.file_size = len(view)
        large = len(view) >= zipfile.ZIP64_LIMIT // 2
        position = self._zip.fp.tell() if self._zip.fp is not None else 0
        start = position + _LOCAL_HEADER + len(info.filename.encode()) + (_ZIP64_EXTRA if large else 0)
        info.extra = _padding(-start % self._alignment, self._alignment)
        try:
            with self._zip.open(info, "w", force_zip64=large) as out:
                for at in range(0, len(view), _CHUNK):
                    out.write(view[at : at + _CHUNK])
        except BaseException:
            self._zip.fp = None  # else zipfile writes a directory when it is collected, to a file that may be closed
            raise
        info.extra = b""  # the padding is for the local header only, not for the directory
        self._digest = zlib.crc32(f"{info.filename}{info.CRC}".encode(), self._digest)

    def close(self) -> None:
        """Write the marks that PyTorch puts at the end, and the directory."""
        self.write("version", b"3\n")
        self.write(".data/serialization_id", b"%040d" % self._digest)
        self._zip.close()


def _padding(n: int, alignment: int) -> bytes:
    """Return a zip extra field, at least 4 bytes long, whose length is ``n`` modulo the alignment."""
    while 0 < n < 4:
        n += alignment
    return b"" if n == 0 else b"FB" + struct.pack("<H", n - 4) + b"Z" * (n - 4)
