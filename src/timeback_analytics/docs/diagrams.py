"""Diagrams of the catalog as SVG, which the pages hold and colour.

igraph's Sugiyama layout says in which column a box stands, which box comes above which, and where a line
passes between boxes; the rest is arithmetic with the size of the text. Pixels at normal size throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import igraph
from markupsafe import Markup, escape

from timeback_analytics.docs.catalog import Catalog, Dataset

_CHARACTER = 7.3
"""Width of a character of the monospaced font at 12 px, with some to spare."""
_ROW = 20
_HEAD = 30
_ROW_GAP = 22
_MARGIN = 14
_PULL = 0.85
"""How far a box follows what it is tied to; the rest of the way it stays near the middle of the diagram."""


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
        return max(len(text) for text in (self.name, *self.rows)) * _CHARACTER + 30

    @property
    def height(self) -> float:
        """Height of the heading and the rows."""
        return _HEAD + len(self.rows) * _ROW + (6 if self.rows else 0)

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
    """Boxes with places, and lines with the points that they pass."""

    title: str
    description: str
    boxes: dict[str, Box]
    lines: list[Line]
    via: dict[int, list[tuple[float, float]]] = field(default_factory=dict)

    def svg(self) -> Markup:
        """The diagram as an SVG element, with a title and a description for those who do not see it."""
        boxes = self.boxes.values()
        passed = [y for points in self.via.values() for _, y in points]
        shift_x = _MARGIN - min(box.x for box in boxes)
        shift_y = _MARGIN - min([box.y for box in boxes] + passed)
        width = shift_x + max(box.x + box.width for box in boxes) + _MARGIN
        height = shift_y + max([box.y + box.height for box in boxes] + passed) + _MARGIN
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
        if start is end or start.x == end.x:
            x, top, bottom = start.x + start.width, start.row_y(line.start_row), end.row_y(line.end_row)
            end_x = end.x + end.width
            right = max(x, end_x) + 26
            path = (
                f"M{x:.1f} {top:.1f}C{right:.1f} {top:.1f} {right:.1f} {bottom:.1f} {end_x:.1f} {bottom:.1f}"
            )
            tip = (end_x, bottom)
        else:
            forward = start.x < end.x
            first = (start.x + (start.width if forward else 0), start.row_y(line.start_row))
            last = (end.x + (0 if forward else end.width), end.row_y(line.end_row))
            points = [first, *self.via.get(number, []), last]
            path = f"M{first[0]:.1f} {first[1]:.1f}"
            for (x1, y1), (x2, y2) in pairwise(points):
                bend = (x2 - x1) / 2
                path += f"C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
            tip = last
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


def whole(catalog: Catalog, href: Callable[[str], str]) -> Diagram:
    """Every dataset and every documented join, names alone."""
    return _layered(
        "All datasets and their joins",
        "Each box is a dataset, each line a documented join; the lists of joins on the pages say the same.",
        {
            name: Box(name, (), href(name), f"d-{dataset.domain}")
            for name, dataset in catalog.datasets.items()
        },
        _names_only(line for dataset in catalog.datasets.values() for line in _join_lines(dataset)),
        column_gap=110,
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
        column_gap=90,
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


def _layered(
    title: str, description: str, boxes: dict[str, Box], lines: list[Line], column_gap: float
) -> Diagram:
    """Boxes that lines lead from stand left of those that they lead to; lines to one box run together."""
    layers = _layers(list(boxes), lines)
    last = max(layers.values())
    # where a line passes a column on its way, it goes through a point that all lines to its end share
    routes = [_route(line, layers) for line in lines]
    stops: dict[_Stop, int] = dict(layers)
    stops.update({stop: stop[1] for route in routes for stop in route[1:-1]})
    places = list(stops)
    pairs = dict.fromkeys(pair for route in routes for pair in pairwise(route))
    # Every edge leads one column on: igraph 1.0 reads memory that is not its own, and at times ends the
    # process, where it has to put points of its own on an edge that passes columns or leads backwards.
    steps = dict.fromkeys(
        (places.index(start), places.index(end))
        if stops[start] < stops[end]
        else (places.index(end), places.index(start))
        for start, end in pairs
    )
    graph = igraph.Graph(n=len(places), edges=list(steps), directed=True)
    # igraph draws from top to bottom: its x is the order in a column here
    layout = graph.layout_sugiyama(layers=list(stops.values()), maxiter=1000)
    order = dict(zip(places, (x for x, _ in layout.coords[: len(places)]), strict=True))
    columns = [
        sorted((stop for stop in places if stops[stop] == layer), key=lambda stop: (order[stop], str(stop)))
        for layer in range(last + 1)
    ]
    parts = sorted(graph.connected_components(mode="weak"), key=len, reverse=True)
    # what is tied to nothing stands together at the end
    groups = [[places[index] for index in part] for part in parts if len(part) > 1]
    groups.append([places[part[0]] for part in parts if len(part) == 1])
    middles: dict[_Stop, float] = {}
    top = 0.0
    for group in groups:
        members = set(group)
        placed = _middles(
            [[stop for stop in column if stop in members] for column in columns], list(pairs), boxes
        )
        edges = [
            (placed[stop] - _space(stop, boxes) / 2, placed[stop] + _space(stop, boxes) / 2) for stop in group
        ]
        least = min((upper for upper, _ in edges), default=0.0)
        middles.update({stop: place - least + top for stop, place in placed.items()})
        top += max((lower for _, lower in edges), default=0.0) - least
    via: dict[_Stop, tuple[float, float]] = {}
    x = 0.0
    for column in columns:
        width = max([boxes[stop].width for stop in column if isinstance(stop, str)] or [20])
        for stop in column:
            if isinstance(stop, str):
                boxes[stop].x, boxes[stop].y = x, middles[stop] - boxes[stop].height / 2
            else:
                via[stop] = (x + width / 2, middles[stop])
        x += width + column_gap
    return Diagram(
        title,
        description,
        boxes,
        lines,
        {number: [via[stop] for stop in route[1:-1]] for number, route in enumerate(routes)},
    )


_Stop = str | tuple[str, int]
"""A box by its name, or the point that lines to a box pass on their way: the box's name, the column."""


def _route(line: Line, layers: dict[str, int]) -> list[_Stop]:
    """Where a line goes: from its start, through a point in each column between, to its end."""
    start, end = layers[line.start], layers[line.end]
    between = range(start + 1, end) if start < end else range(start - 1, end, -1)
    return [line.start, *((line.end, layer) for layer in between), line.end]


def _layers(names: list[str], lines: list[Line]) -> dict[str, int]:
    """The column of each box: what leads nowhere is in the last, all else just left of what it leads to."""
    graph = igraph.Graph(directed=True)
    graph.add_vertices(names)
    graph.add_edges([(line.start, line.end) for line in lines])
    graph.simplify()
    graph.delete_edges(graph.feedback_arc_set())
    from_last = [0] * len(names)
    for vertex in graph.topological_sorting(mode="in"):
        from_last[vertex] = max((from_last[after] + 1 for after in graph.successors(vertex)), default=0)
    return {name: max(from_last) - distance for name, distance in zip(names, from_last, strict=True)}


def _space(stop: _Stop, boxes: dict[str, Box]) -> float:
    """The height that a box or a point takes in its column, with the gap around it."""
    return boxes[stop].height + _ROW_GAP if isinstance(stop, str) else _ROW_GAP


def _middles(
    columns: Sequence[Sequence[_Stop]], pairs: Sequence[tuple[_Stop, _Stop]], boxes: dict[str, Box]
) -> dict[_Stop, float]:
    """The height at which each box and point has its middle: near what it is tied to, in the given order."""
    near: dict[_Stop, list[_Stop]] = {stop: [] for column in columns for stop in column}
    for start, end in pairs:
        if start in near:
            near[start].append(end)
            near[end].append(start)
    middles: dict[_Stop, float] = {}
    for column in columns:
        y = -sum(_space(stop, boxes) for stop in column) / 2
        for stop in column:
            middles[stop] = y + _space(stop, boxes) / 2
            y += _space(stop, boxes)
    for _ in range(12):
        for column in (*columns, *reversed(columns)):
            wanted = [
                _PULL * sum(middles[other] for other in near[stop]) / len(near[stop])
                if near[stop]
                else middles[stop]
                for stop in column
            ]
            placed: list[float] = []
            for index, stop in enumerate(column):
                if placed:
                    apart = (_space(column[index - 1], boxes) + _space(stop, boxes)) / 2
                    placed.append(max(wanted[index], placed[-1] + apart))
                else:
                    placed.append(wanted[index])
            # pushed down by those above them, all go up again by as much on average
            shift = sum(place - wish for place, wish in zip(placed, wanted, strict=True)) / max(
                len(column), 1
            )
            middles.update({stop: place - shift for stop, place in zip(column, placed, strict=True)})
    return middles
