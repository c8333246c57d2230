"""In which encoding a text file is written, and what separates the values of a CSV file."""

import codecs
import csv
import gzip
import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from charset_normalizer import from_bytes

from timeback_analytics.load.problems import shown

_CHUNK = 2**20
_SAMPLE = 64 * 2**10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheets and databases write; a guess among all there are is wrong too often in short files.
_LIKELY = ["cp1252", "cp1250", "cp1251", "mac_roman", "shift_jis", "gb18030", "big5", "euc_kr"]
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
END_OF_FILE = "\x1a"
"""Ctrl-Z, with which old programs end a text file."""


class EncodingError(ValueError):
    """A file is not in the encoding that it seems to be in.

    Attributes:
        line: the line with the first bytes that cannot be read.
        reason: what is wrong.
        remedy: what to do about it.
    """

    def __init__(self, line: int, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.remedy = remedy


def encoding_of(head: bytes) -> str:
    """The encoding that the first bytes of a text say: UTF-8, or one of two or four bytes a character."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # text in Latin letters has zeros in every other byte of UTF-16
    even, odd = head[0:1024:2], head[1:1024:2]
    if len(odd) > 2 and odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if len(even) > 2 and even.count(0) > 0.6 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return "utf-8-sig"


@contextmanager
def plain_utf8(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """A file without gzip's compression, and in UTF-8 where it is in UTF-16 or UTF-32; it can be sought in.

    Raises:
        OSError, EOFError, zlib.error: what is compressed is damaged.
        UnicodeDecodeError: it is in none of these.
    """
    is_packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    opened: Any = gzip.GzipFile(fileobj=raw) if is_packed else raw
    encoding = encoding_of(opened.read(1024))
    opened.seek(0)
    if encoding == "utf-8-sig":
        yield opened
        return
    with tempfile.TemporaryFile() as recoded:
        reader = codecs.getreader(encoding)(opened)
        while chunk := reader.read(_CHUNK):
            recoded.write(chunk.encode())
        recoded.seek(0)
        yield recoded


@dataclass(frozen=True)
class TextFile:
    """What a file is found to be.

    Attributes:
        encoding: its encoding.
        lines: how many lines it has.
        is_ended: whether it ends with a Ctrl-Z.
    """

    encoding: str
    lines: int
    is_ended: bool


def examine(opened: Callable[[], IO[bytes]], encoding: str | None) -> TextFile:
    """Read a file once, and find that all of it is in its encoding.

    Args:
        opened: opens it.
        encoding: the one that the user named; None to detect it from the bytes.

    Raises:
        EncodingError: the file is in another encoding.
    """
    lines = done = 0
    tail = b""
    with opened() as raw:
        chunk = raw.read(_CHUNK)
        while len(chunk) < 1024 and (more := raw.read(_CHUNK)):
            chunk += more
        found = encoding_of(chunk)
        if encoding and found == "utf-8-sig" and not chunk.startswith(codecs.BOM_UTF8):
            found = encoding
        decoder = codecs.getincrementaldecoder(found)()
        while True:
            pending = decoder.getstate()[0]
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                data = pending + chunk
                place = done - len(pending) + error.start + 1
                # the line with the bad bytes may go on in the next chunk
                sample = (
                    data[max(0, error.start - _SAMPLE // 2) : error.start]
                    + (data[error.start :] + raw.read(_SAMPLE))[: _SAMPLE // 2]
                )
                line = lines + data.count(b"\n", 0, error.start) + 1
                raise _not_in(found, place, line, sample, min(error.start, _SAMPLE // 2)) from None
            if not chunk:
                break
            lines += chunk.count(b"\n")
            done += len(chunk)
            tail = (tail + chunk)[-16:]
            chunk = raw.read(_CHUNK)
    return TextFile(found, lines + 1, tail.rstrip(b"\r\n\0 ").endswith(b"\x1a"))


def _not_in(encoding: str, place: int, line: int, sample: bytes, bad: int) -> EncodingError:
    name = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
    best = from_bytes(sample, cp_isolation=_LIKELY, threshold=1.0).best()
    # of those that read the same, the one that most people have
    guess = "cp1252" if not best or "cp1252" in best.could_be_from_charset else best.encoding
    start = sample.rfind(b"\n", 0, bad) + 1
    end = sample.find(b"\n", bad)
    reads = (
        sample[max(start, bad - 20) : end if end >= 0 else None][:40].decode(guess, errors="replace").strip()
    )
    return EncodingError(
        line,
        f"the file is not {name} (byte {place:,}).",
        f"It may be {guess}, in which the line reads {shown(reads)}. Save it as UTF-8 (Excel calls that "
        f"'CSV UTF-8'), or say --encoding {guess}.",
    )


@dataclass(frozen=True)
class Layout:
    """How a CSV file separates its values.

    Attributes:
        separator: the character.
        skipped: lines before the header.
    """

    separator: str = ","
    skipped: int = 0

    @property
    def name(self) -> str:
        """The separators in a word, for messages."""
        return SEPARATORS.get(self.separator, f"the character {shown(self.separator)}")


def layout_of(lines: list[str], names: Collection[str]) -> Layout:
    """How a file separates its values: as a `sep=` line says, else so that the header has the most names.

    Args:
        lines: its first two lines.
        names: the columns that it might have.
    """
    first = lines[0] if lines else ""
    said = _SEP_LINE.fullmatch(first)
    if said:
        return Layout(said[1], 1)
    known = {name.lower() for name in names}

    def matches(separator: str) -> int:
        try:
            cells = next(csv.reader([first], delimiter=separator), [])
        except csv.Error:
            cells = first.split(separator)
        return len(known & {cell.strip().lower() for cell in cells})

    # of two as good the earlier: commas are the standard
    return Layout(max(SEPARATORS, key=matches))
