"""The files of a bundle: a folder, or a zip that is read in place and never unpacked."""

import gzip
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from timeback_analytics.load.problems import LoadError, Problem, shown
from timeback_analytics.load.recognize import what_is

# A zip is compressed text, which shrinks 5 to 20 times; what promises far more is made to fill a disk.
MAX_BYTES = 4 * 2**30
MAX_RATIO = 200
MAX_ENTRIES = 1_000
_RATIO_MATTERS_FROM = 64 * 2**20
# an export is in the folder that is named, or in one or two inside
_DEEPEST = 3
_GZIP = b"\x1f\x8b"


class Files(ABC):
    """Files by name, all in one folder. Capitals of a name do not matter, nor whether it is gzipped.

    Attributes:
        names: the names of the files, as the landmark and the others are written where one of them is meant,
            else as they are.
        found: the names as they are.
    """

    def __init__(self, found: Collection[str], known: Collection[str]) -> None:
        self.found = frozenset(found)
        by_lower = {name.lower(): name for name in known}
        self._actual: dict[str, str] = {}
        # an exact name comes before one in other capitals, and that before a gzipped one
        for name in sorted(found, key=lambda name: (name.lower().endswith(".gz"), name not in known, name)):
            lower = name.lower().removesuffix(".gz")
            self._actual.setdefault(by_lower.get(lower, name), name)
        self.names = frozenset(self._actual)

    def open(self, name: str) -> IO[bytes]:
        """The file, to be read and closed; one that is gzipped is unpacked on the way."""
        actual = self._actual[name]
        with self._open(actual) as raw:
            is_packed = raw.read(2) == _GZIP
        raw = self._open(actual)
        # gzip does not close a file that was opened by its caller, so _Gunzipped does
        return _Gunzipped(raw, name) if is_packed else raw

    @abstractmethod
    def _open(self, actual: str) -> IO[bytes]:
        """The file as it is."""


class _Gunzipped(gzip.GzipFile):
    """A gzipped file; closes what it reads from, and stops where that grows out of all proportion."""

    def __init__(self, raw: IO[bytes], name: str) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._raw_file = raw
        self._name = name
        self._given = 0

    def read(self, size: int | None = -1) -> bytes:
        data = self._told(lambda: super(_Gunzipped, self).read(size))
        self._given += len(data)
        if self._given > MAX_BYTES:
            reason = f"the file unpacks to more than {MAX_BYTES:,} bytes."
            raise LoadError(self._name, [Problem(self._name, reason, "Unpack it, and load that.")])
        return data

    def read1(self, size: int = -1) -> bytes:
        return self.read(size if size and size > 0 else 2**16)

    def _told(self, read) -> bytes:
        try:
            return read()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            reason = f"the gzip is damaged: {error}."
            raise LoadError(self._name, [Problem(self._name, reason, "Export or copy it again.")]) from error

    def close(self) -> None:
        super().close()
        self._raw_file.close()


class _Folder(Files):
    def __init__(self, path: Path, names: Collection[str], known: Collection[str]) -> None:
        super().__init__(names, known)
        self._path = path

    def _open(self, actual: str) -> IO[bytes]:
        return (self._path / actual).open("rb")


class _Zip(Files):
    def __init__(
        self, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], known: Collection[str]
    ) -> None:
        super().__init__(entries, known)
        self._archive = archive
        self._entries = entries

    def _open(self, actual: str) -> IO[bytes]:
        return self._archive.open(self._entries[actual])


@contextmanager
def open_bundle(path: Path, landmark: str, known: Collection[str] = ()) -> Iterator[Files]:
    """The files of a folder or a zip; they may lie in a folder inside.

    Args:
        path: the folder or the zip.
        landmark: the file that every bundle has; it says which folder is meant.
        known: the other files of a bundle; where there is no landmark, the folder with any of them is meant.

    Raises:
        LoadError: path is neither, or the zip is damaged, encrypted, or built to do harm, or it is not clear
            which of several folders is meant.
    """
    if not path.exists():
        raise _refused(path, "there is no such file or folder.")
    if path.is_dir():
        folder = _folder_of(path, list(_files_below(path)), landmark, known)
        here = path / folder
        names = [entry.name for entry in here.iterdir() if entry.is_file() and not _is_clutter(entry.name)]
        yield _Folder(here, names, [landmark, *known])
        return
    if not path.is_file() or not zipfile.is_zipfile(path):
        found = what_is(path) if path.is_file() else None
        remedy = f"Give the folder or the zip that holds {landmark}."
        raise _refused(
            path,
            f"this is neither a folder nor a zip{f', but {found.what}' if found else ''}.",
            found.remedy if found and found.remedy else remedy,
        )
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Zip(archive, _entries(path, archive, landmark, known), [landmark, *known])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _refused(path, f"the zip is damaged: {error}.", "Export or copy it again.") from error


def open_file(path: Path) -> Files:
    """A file that is there on its own, as the only one."""
    return _Folder(path.parent, [path.name], [path.name])


def _files_below(path: Path) -> Iterator[str]:
    """Names of the files, with the folders that they lie in; the walk ends where no bundle is this deep."""
    folders = [path]
    for depth in range(_DEEPEST):
        following = []
        for folder in folders:
            for entry in sorted(folder.iterdir()):
                if entry.is_dir() and not entry.is_symlink() and not _is_clutter(f"{entry.name}/"):
                    following.append(entry)
                elif entry.is_file():
                    yield entry.relative_to(path).as_posix()
        # a folder with many folders is somebody's home and no export
        if len(following) > MAX_ENTRIES or depth == _DEEPEST - 1:
            return
        folders = following


def _folder_of(path: Path, names: Collection[str], landmark: str, known: Collection[str]) -> str:
    """The folder that is meant: the top where it can be, else the only one."""
    places = [(str(PurePosixPath(name).parent), PurePosixPath(name).name.lower()) for name in names]
    places = [("" if folder == "." else folder, name.removesuffix(".gz")) for folder, name in places]
    for wanted in ([landmark], known):
        lower = {name.lower() for name in wanted}
        folders = {folder for folder, name in places if name in lower}
        if "" in folders:
            return ""
        if len(folders) > 1:
            found = ", ".join(sorted(folders))
            what = landmark if wanted == [landmark] else "the bundle"
            raise _refused(path, f"{what} is in more than one folder: {found}.", "Load one bundle at a time.")
        if folders:
            return folders.pop()
    return ""


def _entries(
    path: Path, archive: zipfile.ZipFile, landmark: str, known: Collection[str]
) -> dict[str, zipfile.ZipInfo]:
    infos = [info for info in archive.infolist() if not info.is_dir() and not info.filename.endswith("\\")]
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
    # programs of Windows write backslashes between folders
    visible = [(info.filename.replace("\\", "/"), info) for info in infos]
    visible = [(name, info) for name, info in visible if not _is_clutter(name)]
    folder = _folder_of(path, [name for name, _ in visible], landmark, known)
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, zipfile.ZipInfo] = {}
    for full_name, info in visible:
        name = full_name.removeprefix(prefix)
        if not full_name.startswith(prefix) or "/" in name:
            continue
        if name in entries:
            raise _refused(path, f"the zip has two files named {info.filename}.", "Export it again.")
        entries[name] = info
    return entries


def _check_entry(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    plain = name.replace("\\", "/")
    parts = plain.split("/")
    if plain.startswith("/") or ".." in parts or ":" in parts[0]:
        raise _refused(path, f"the name {shown(name)} points out of the zip.", "A bundle has plain names.")
    if info.flag_bits & 0x1:
        raise _refused(path, f"{name} is encrypted.", "Make a zip without a password.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refused(path, f"{name} is a link, not a file.", "Zip the files themselves.")


def _is_clutter(name: str) -> bool:
    """Whether a file, or a folder with / at its end, is the system's: .DS_Store, ._users.csv, __MACOSX."""
    parts = name.removesuffix("/").split("/")
    return parts[0] == "__MACOSX" or parts[-1].startswith(".")


def _refused(path: Path, reason: str, remedy: str = "") -> LoadError:
    return LoadError(str(path), [Problem(path.name, reason, remedy)])
