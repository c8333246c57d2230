"""The demo's files: each is attributed, with its licence, and small."""

import re

from timeback_analytics.demo.source_files import demo_dir

_LARGEST = 8 * 2**20
_LICENCES = ("LICENSE-CC-BY-4.0.txt", "case/LICENSE", "clr/LICENSE", "oneroster/LICENSE")


def test_every_file_is_attributed() -> None:
    readme = (demo_dir() / "README.md").read_text(encoding="utf-8")
    attributed: set[str] = set()
    for line in readme.splitlines():
        if not line.startswith("| `"):
            continue
        # the first name of a row carries the folder of the others
        names = re.findall(r"`([^`]+)`", line.split("|")[1])
        folder = names[0].rpartition("/")[0]
        attributed.update(name if "/" in name else f"{folder}/{name}".lstrip("/") for name in names)
        assert all(cell.strip() for cell in line.strip("|").split("|")), line
    shipped = {path.relative_to(demo_dir()).as_posix() for path in demo_dir().rglob("*") if path.is_file()}
    shipped -= {"README.md", *_LICENCES}
    in_seeds = {name for name in attributed if name.startswith("../seeds/")}
    assert attributed - in_seeds == shipped
    assert all((demo_dir() / name).is_file() for name in in_seeds)


def test_every_licence_is_there() -> None:
    readme = (demo_dir() / "README.md").read_text(encoding="utf-8")
    for name in _LICENCES:
        assert name in readme
        assert len((demo_dir() / name).read_text(encoding="utf-8")) > 1000


def test_the_files_are_small() -> None:
    assert sum(path.stat().st_size for path in demo_dir().rglob("*") if path.is_file()) < _LARGEST
