"""Diagrams of the catalog as SVG, which the pages hold and colour.

Graphviz, which is in pygraphviz's wheel, places the boxes of the larger ones and leads the lines around
them; what stands in two or three columns is placed here. Pixels at normal size throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pygraphviz
from markupsafe import Markup, escape

from timeback_analytics.docs.catalog import Catalog, Dataset

_CHARACTER = 7.3
"""Width of a character of the monospaced font at 12 px, with some to spare."""
_ROW = 20
_HEAD = 30
_ROW_GAP = 22
_FOOT = 6
_MARGIN = 14
_POINT = 1 / 72
"""Graphviz wants gaps in inches; a pixel is a point to it."""


@dataclass
class Box:
    """A table in a diagram: its name, and the columns that lines may end at."""

    name: str
    rows: tuple[str, ...]
    href: str
    kind: str
    keys: frozenset[str] = frozenset()
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        """Width that holds the longest text."""
        return float(round(max(len(text) for text in (self.name, *self.rows)) * _CHARACTER + 30))

    @property
    def height(self) -> float:
        """Height of the heading and the rows."""
        return _HEAD + len(self.rows) * _ROW + (_FOOT if self.rows else 0)

    def row_y(self, row: str) -> float:
        """Where a line to this row ends; the heading's middle where there is no such row."""
        if row not in self.rows:
            return self.y + _HEAD / 2
        return self.y + _HEAD + (self.rows.index(row) + 0.5) * _ROW


@dataclass(frozen=True)
class Line:
    """A line from a box's row to another's."""

    start: str
    start_row: str
    end: str
    end_row: str
    is_aside: bool = False
    """Whether the one is read for the other and no origin of it; drawn dashed."""


@dataclass
class Diagram:
    """Boxes with places, and lines."""

    title: str
    description: str
    boxes: dict[str, Box]
    lines: list[Line]
    curves: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    """Bezier points of the lines, by number; a line without any goes straight from box to box."""

    def svg(self) -> Markup:
        """The diagram as an SVG element, with a title and a description for those who do not see it."""
        boxes = self.boxes.values()
        points = [point for curve in self.curves.values() for point in curve]
        shift_x = _MARGIN - min([box.x for box in boxes] + [x for x, _ in points])
        shift_y = _MARGIN - min([box.y for box in boxes] + [y for _, y in points])
        width = shift_x + max([box.x + box.width for box in boxes] + [x for x, _ in points]) + _MARGIN
        height = shift_y + max([box.y + box.height for box in boxes] + [y for _, y in points]) + _MARGIN
        parts = [
            f'<svg class="diagram" role="group" aria-label="{escape(f"{self.title}. {self.description}")}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">',
            f'<g transform="translate({shift_x:.1f} {shift_y:.1f})">',
        ]
        parts += [self._line(number, line) for number, line in enumerate(self.lines)]
        parts += [self._box(box) for box in self.boxes.values()]
        return Markup("".join([*parts, "</g></svg>"]))

    def _line(self, number: int, line: Line) -> str:
        start, end = self.boxes[line.start], self.boxes[line.end]
        label = (
            f"{line.start}.{line.start_row} = {line.end}.{line.end_row}"
            if line.start_row
            else f"{line.start} joins {line.end}"
        )
        if line.is_aside:
            label = f"{line.start}.{line.start_row} is read for {line.end}.{line.end_row}"
        path, tip = _path(self.curves[number]) if number in self.curves else _straight(line, start, end)
        kind = "line aside" if line.is_aside else "line"
        return (
            f'<g class="{kind}" data-ends="{escape(line.start)} {escape(line.end)}">'
            f"<title>{escape(label)}</title>"
            f'<path class="reach" d="{path}"/><path d="{path}"/>'
            f'<circle cx="{tip[0]:.1f}" cy="{tip[1]:.1f}" r="3"/></g>'
        )

    @staticmethod
    def _box(box: Box) -> str:
        rows = "".join(
            f'<text class="{"row key" if row in box.keys else "row"}" x="12" y="{_HEAD + index * _ROW + 14}">'
            f"{escape(row)}</text>"
            for index, row in enumerate(box.rows)
        )
        return (
            f'<a class="box {escape(box.kind)}" href="{escape(box.href)}" data-name="{escape(box.name)}" '
            f'transform="translate({box.x:.1f} {box.y:.1f})">'
            f'<rect width="{box.width:.1f}" height="{box.height:.1f}" rx="7"/>'
            f'<text class="head" x="12" y="20">{escape(box.name)}</text>{rows}</a>'
        )


def _path(curve: list[tuple[float, float]]) -> tuple[str, tuple[float, float]]:
    """Bezier points as SVG says them, and the last one."""
    (x, y), *rest = curve
    return f"M{x:.1f} {y:.1f}C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in rest), curve[-1]


def _straight(line: Line, start: Box, end: Box) -> tuple[str, tuple[float, float]]:
    """The path of a line between boxes with nothing between them, and its end."""
    top, bottom = start.row_y(line.start_row), end.row_y(line.end_row)
    if start is end or start.x == end.x:
        first, last = (start.x + start.width, top), (end.x + end.width, bottom)
        bends = (max(first[0], last[0]) + 26,) * 2
    else:
        forward = start.x < end.x
        first = (start.x + (start.width if forward else 0), top)
        last = (end.x + (0 if forward else end.width), bottom)
        bends = ((first[0] + last[0]) / 2,) * 2
    return _path([first, (bends[0], top), (bends[1], bottom), last])


def parts(catalog: Catalog) -> dict[str, list[Dataset]]:
    """The datasets of TimeBack and, where there are any, those of ROAR, which join only among themselves."""
    named = {"TimeBack": [], "ROAR": []}
    for dataset in catalog.datasets.values():
        named["ROAR" if dataset.domain == "roar" else "TimeBack"].append(dataset)
    return {name: datasets for name, datasets in named.items() if datasets}


def whole(name: str, datasets: Sequence[Dataset], href: Callable[[str], str]) -> Diagram:
    """Many datasets and every documented join between them, names only."""
    return _layered(
        f"The datasets of {name} and their joins",
        "Each box is a dataset, each line a documented join; the lists of joins on the pages say the same.",
        {
            dataset.name: Box(dataset.name, (), href(dataset.name), f"d-{dataset.domain}")
            for dataset in datasets
        },
        _names_only(line for dataset in datasets for line in _join_lines(dataset)),
        gap=56,
    )


def domain(catalog: Catalog, name: str, href: Callable[[str], str]) -> Diagram:
    """The datasets of a domain with the columns that join, and the datasets elsewhere that they lead to."""
    own = next(domain for domain in catalog.domains if domain.name == name)
    lines = [line for dataset in own.datasets for line in _join_lines(dataset)]
    boxes = {dataset.name: dataset for dataset in own.datasets}
    boxes.update({line.end: catalog.datasets[line.end] for line in lines})
    return _layered(
        f"{own.title}: datasets and joins",
        "Each box is a dataset with its key and the columns that join; datasets of other domains are dashed.",
        {
            box: _entity(dataset, href, lines, "" if dataset.domain == name else " outside")
            for box, dataset in boxes.items()
        },
        lines,
        gap=80,
    )


def neighbours(catalog: Catalog, dataset: Dataset, href: Callable[[str], str]) -> Diagram | None:
    """A dataset between those that lead to it and those that it leads to; None where there are none."""
    out = _join_lines(dataset)
    into = [
        Line(other.name, column.name, dataset.name, target)
        for other, column, target in catalog.led_here(dataset.name)
        if other is not dataset
    ]
    lines = into + out
    if not lines:
        return None
    left = dict.fromkeys(line.start for line in into)
    right = [
        name for name in dict.fromkeys(line.end for line in out) if name not in left and name != dataset.name
    ]
    boxes = {
        name: _entity(
            catalog.datasets[name], href, lines, " current" if name == dataset.name else "", keys_too=False
        )
        for name in [*left, dataset.name, *right]
    }
    columns = [list(left), [dataset.name], right]
    _stack([[boxes[name] for name in column] for column in columns if column], column_gap=90)
    return Diagram(
        f"{dataset.title} and its neighbours",
        "Left, the datasets that lead here; right, those this one leads to.",
        boxes,
        lines,
    )


def lineage(dataset: Dataset, table_href: Callable[[str], str]) -> Diagram:
    """From the columns of the operational tables to those of a dataset, as its SQL reads them."""
    lines = [
        Line(*source.split("."), dataset.name, column.name, is_aside=source not in column.origin)
        for column in dataset.columns
        for source in column.lineage
    ]
    asides = " Dashed: read for a value beside what it comes from." if any(x.is_aside for x in lines) else ""
    tables: dict[str, dict[str, None]] = {}
    for line in lines:
        tables.setdefault(line.start, {})[line.start_row] = None
    boxes = {table: Box(table, tuple(rows), table_href(table), "source") for table, rows in tables.items()}
    # a dataset and a table of one name would be one box
    key = f"{dataset.name} " if dataset.name in boxes else dataset.name
    boxes[key] = Box(
        dataset.name,
        tuple(column.name for column in dataset.columns),
        "#columns",
        f"d-{dataset.domain} current",
        frozenset(dataset.grain),
    )
    _stack([[boxes[table] for table in tables], [boxes[key]]], column_gap=150)
    return Diagram(
        f"Where the columns of {dataset.title} come from",
        f"Left, the operational tables; right, the dataset.{asides} The columns list says the same.",
        boxes,
        [replace(line, end=key) for line in lines],
    )


def _join_lines(dataset: Dataset) -> list[Line]:
    return [Line(dataset.name, column.name, target, row) for column, target, row in dataset.joins]


def _names_only(lines: Iterable[Line]) -> list[Line]:
    pairs = dict.fromkeys((line.start, line.end) for line in lines)
    return [Line(start, "", end, "") for start, end in pairs]


def _entity(
    dataset: Dataset, href: Callable[[str], str], lines: Sequence[Line], suffix: str, *, keys_too: bool = True
) -> Box:
    used = {line.start_row for line in lines if line.start == dataset.name}
    used |= {line.end_row for line in lines if line.end == dataset.name}
    if keys_too and not suffix:
        used |= set(dataset.grain)
    return Box(
        dataset.name,
        tuple(column.name for column in dataset.columns if column.name in used),
        href(dataset.name),
        f"d-{dataset.domain}{suffix}",
        frozenset(dataset.grain),
    )


def _stack(columns: Sequence[Sequence[Box]], column_gap: float) -> None:
    """Place boxes in columns from left to right, each column centred."""
    heights = [sum(box.height for box in column) + _ROW_GAP * (len(column) - 1) for column in columns]
    x = 0.0
    for column, height in zip(columns, heights, strict=True):
        y = (max(heights) - height) / 2
        for box in column:
            box.x, box.y = x, y
            y += box.height + _ROW_GAP
        x += max(box.width for box in column) + column_gap


def _layered(title: str, description: str, boxes: dict[str, Box], lines: list[Line], gap: float) -> Diagram:
    """Boxes that lines lead from stand left of those that they lead to, placed and joined by Graphviz."""
    graph = pygraphviz.AGraph(
        directed=True, strict=False, rankdir="LR", nodesep=_POINT * 4, ranksep=_POINT * gap, mclimit=20
    )
    for box in boxes.values():
        graph.add_node(box.name, shape="plain", label=_cells(box))
    steps = _steps(boxes, lines)
    for number, line in enumerate(lines):
        if line.start != line.end:
            graph.add_edge(
                line.start,
                line.end,
                key=str(number),
                dir="none",
                minlen=steps.get(line.start, 1),
                tailport=_port(boxes[line.start], line.start_row),
                headport=_port(boxes[line.end], line.end_row),
            )
    graph.layout("dot")
    for name, box in boxes.items():
        x, y = map(float, graph.get_node(name).attr["pos"].split(","))
        box.x, box.y = x - box.width / 2, -y - box.height / 2
    curves = {
        int(key): [
            (float(x), -float(y))
            for x, y in (point.split(",") for point in graph.get_edge(start, end, key).attr["pos"].split())
        ]
        for start, end, key in graph.edges(keys=True)
    }
    return Diagram(title, description, boxes, lines, curves)


def _cells(box: Box) -> str:
    """The box as Graphviz's table of cells of fixed size, so that no font has a say in where things stand."""
    heights = [("head", _HEAD), *((f"row{index}", _ROW) for index in range(len(box.rows)))]
    if box.rows:
        heights.append(("foot", _FOOT))
    rows = "".join(
        f'<tr><td port="{port}" fixedsize="true" width="{box.width:.0f}" height="{height}"></td></tr>'
        for port, height in heights
    )
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="0">{rows}</table>>'


def _port(box: Box, row: str) -> str:
    """The cell of a row; none lets a line end anywhere at the box."""
    return f"row{box.rows.index(row)}" if row in box.rows else ""


def _steps(boxes: dict[str, Box], lines: list[Line]) -> dict[str, int]:
    """How many columns the line of a box of a name alone leads on: 1 to 3 in turn where many lead to one box.

    They would stand in one tall column otherwise.
    """
    ends: dict[str, set[str]] = {name: set() for name in boxes}
    for line in lines:
        ends[line.start].add(line.end)
    led_to = {end for of_box in ends.values() for end in of_box}
    leaves: dict[str, list[str]] = {}
    for name, of_box in ends.items():
        if name not in led_to and len(of_box) == 1 and not boxes[name].rows:
            leaves.setdefault(next(iter(of_box)), []).append(name)
    return {
        name: 1 + place % 3 for group in leaves.values() if len(group) > 3 for place, name in enumerate(group)
    }
