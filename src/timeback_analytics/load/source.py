"""The files of a bundle: a folder, or a zip that is read in place and never unpacked."""

import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from timeback_analytics.load.problems import LoadError, Problem, shown

# A zip is compressed text, which shrinks 5 to 20 times; what promises far more is made to fill a disk.
MAX_BYTES = 4 * 2**30
MAX_RATIO = 200
MAX_ENTRIES = 1_000
_RATIO_MATTERS_FROM = 64 * 2**20


class Files(ABC):
    """Files by name, all in one place.

    Attributes:
        names: the names of the files.
    """

    names: frozenset[str]

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of the file, unpacked."""

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """The file, to be read and closed."""


class _Folder(Files):
    def __init__(self, path: Path, names: Iterable[str]) -> None:
        self._path = path
        self.names = frozenset(names)

    def size(self, name: str) -> int:
        return (self._path / name).stat().st_size

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


class _Zip(Files):
    def __init__(self, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> None:
        self._archive = archive
        self._entries = entries
        self.names = frozenset(entries)

    def size(self, name: str) -> int:
        return self._entries[name].file_size

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(self._entries[name])


@contextmanager
def open_bundle(path: Path, landmark: str) -> Iterator[Files]:
    """The files of a folder or a zip; in a zip they may lie in one folder at its top.

    Args:
        path: the folder or the zip.
        landmark: the file that every bundle has; it says which folder of a zip is meant.

    Raises:
        LoadError: path is neither, or the zip is damaged, encrypted, or built to do harm.
    """
    if path.is_dir():
        yield _Folder(path, (entry.name for entry in path.iterdir() if entry.is_file()))
        return
    if not path.exists():
        raise _refused(path, "there is no such file or folder.")
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise _refused(
            path, "this is neither a folder nor a zip.", f"Give the folder or the zip that holds {landmark}."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Zip(archive, _entries(path, archive, landmark))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _refused(path, f"the zip is damaged: {error}.", "Export or copy it again.") from error


def open_file(path: Path) -> Files:
    """A file that is there on its own, as the only one."""
    return _Folder(path.parent, [path.name])


def _entries(path: Path, archive: zipfile.ZipFile, landmark: str) -> dict[str, zipfile.ZipInfo]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_ENTRIES:
        raise _refused(path, f"the zip has {len(infos):,} files; a bundle has at most {MAX_ENTRIES:,}.")
    for info in infos:
        _check_entry(path, info)
    size = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if size > MAX_BYTES or (size > _RATIO_MATTERS_FROM and size > MAX_RATIO * packed):
        raise _refused(
            path,
            f"the zip would unpack to {size:,} bytes from {packed:,}, which no export does.",
            f"If it is genuine, unpack it and load the folder; the limit is {MAX_BYTES:,} bytes.",
        )
    visible = [info for info in infos if not _is_clutter(info.filename)]
    paths = [info.filename.rpartition("/") for info in visible]
    folders = {folder for folder, _, name in paths if name == landmark and "/" not in folder}
    folder = "" if "" in folders else min(folders, default="")
    if folder and len(folders) > 1:
        found = ", ".join(sorted(folders))
        raise _refused(path, f"{landmark} is in more than one folder: {found}.", "Load one bundle at a time.")
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in visible:
        name = info.filename.removeprefix(prefix)
        if not info.filename.startswith(prefix) or "/" in name:
            continue
        if name in entries:
            raise _refused(path, f"the zip has two files named {info.filename}.", "Export it again.")
        entries[name] = info
    return entries


def _check_entry(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\\" in name:
        raise _refused(path, f"the name {shown(name)} points out of the zip.", "A bundle has plain names.")
    if info.flag_bits & 0x1:
        raise _refused(path, f"{name} is encrypted.", "Make a zip without a password.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refused(path, f"{name} is a link, not a file.", "Zip the files themselves.")


def _is_clutter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _refused(path: Path, reason: str, remedy: str = "") -> LoadError:
    return LoadError(str(path), [Problem(path.name, reason, remedy)])
