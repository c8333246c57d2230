"""Bundles with anything wrong: never a crash, never half a load, always the file and the line."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from load_helpers import contents
from roster_bundles import small_bundle, written, zipped

from timeback_analytics.load import LoadError, load

Change = Callable[[bytes], bytes]
PIECES = [
    *(
        b",",
        b";",
        b"\t",
        b"\n",
        b"\r\n",
        b'"',
        b"\0",
        b"\x1a",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x1f\x8b",
        b"\xe9",
    ),
    *(b"\xe9", b"s1", b"ada", b"tobedeleted", b"2025-13-01", b"  ", b"sep=;\n", b"=1+1", b"x" * 300),
]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Something that happens to a file at a place: bytes are put in, lost, doubled or moved."""
    place, length = draw(st.floats(0, 1)), draw(st.integers(0, 40))
    piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)))
    kind = draw(st.sampled_from(["put", "lose", "double", "cut", "swap lines", "whole", "utf-16"]))

    def apply(data: bytes) -> bytes:
        at = int(place * len(data))
        if kind == "put":
            return data[:at] + piece + data[at:]
        if kind == "lose":
            return data[:at] + data[at + length :]
        if kind == "double":
            return data[: at + length] + data[at:]
        if kind == "cut":
            return data[:at]
        if kind == "swap lines":
            return b"\r\n".join(reversed(data.split(b"\r\n")))
        if kind == "utf-16":
            return data.decode(errors="replace").encode("utf-16")
        return piece

    return apply


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    # what it finds is small enough, and a run of it takes a database
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    data=st.data(),
    version=st.sampled_from(["1.1", "1.2"]),
    mode=st.sampled_from(["bulk", "delta"]),
    options=st.fixed_dictionaries(
        {}, optional={"skip_bad": st.just(True), "whole": st.just(True), "skip_limit": st.just(100.0)}
    ),
    is_zip=st.booleans(),
)
def test_anything_may_be_wrong(
    conn: psycopg.Connection,
    tmp_path: Path,
    data: st.DataObject,
    version: str,
    mode: str,
    options: dict[str, object],
    is_zip: bool,
) -> None:
    folder = tmp_path / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    written(folder, version, small_bundle(version), mode=mode)
    names = sorted(file.name for file in folder.iterdir())
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
        file = folder / name
        file.write_bytes(data.draw(changes())(file.read_bytes()))
    path = zipped(folder) if is_zip else folder
    with conn.transaction(force_rollback=True):
        before = contents(conn)
        try:
            load("oneroster", path, connection=conn, **options)
        except LoadError as error:
            assert contents(conn) == before
            for problem in error.problems:
                is_known = problem.file in names or problem.file.startswith("one_roster_")
                assert is_known, problem
                # a file or a manifest as a whole has no line
                assert problem.line or "manifest" in problem.file or problem.column is None, problem
            assert "Traceback" not in str(error)
            # nor what Python makes of bytes
            assert not re.search(r"(?<!\w)b'", str(error)), str(error)
        else:
            assert load("oneroster", path, connection=conn, **options).changes == 0
