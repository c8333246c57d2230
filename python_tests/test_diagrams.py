"""Diagrams of any joins: around in circles, to a dataset itself, over many columns, in parts, or none."""

import re
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from timeback_analytics.docs import diagrams

NAMES = [f"dataset_{letter}" for letter in "abcdefghij"]
joins = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=25)


def _datasets(pairs: list[tuple[str, str]]) -> dict[str, SimpleNamespace]:
    """Datasets of which each pair is joined, by a column of its own."""
    columns = [SimpleNamespace(name=name) for name in ("key", *NAMES)]
    return {
        name: SimpleNamespace(
            name=name,
            domain="any",
            grain=("key",),
            columns=columns,
            joins=[
                (next(column for column in columns if column.name == target), target, "key")
                for start, target in dict.fromkeys(pairs)
                if start == name
            ],
        )
        for name in NAMES
    }


def _whole(pairs: list[tuple[str, str]]) -> diagrams.Diagram:
    return diagrams.whole("Any", list(_datasets(pairs).values()), lambda name: f"{name}.html")


def _domain(pairs: list[tuple[str, str]]) -> diagrams.Diagram:
    datasets = _datasets(pairs)
    domain = SimpleNamespace(name="any", title="Any", datasets=tuple(datasets.values()))
    catalog = SimpleNamespace(domains=[domain], datasets=datasets)
    return diagrams.domain(catalog, "any", lambda name: f"{name}.html")


def _apart(one: diagrams.Box, other: diagrams.Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


@settings(deadline=None, max_examples=40)
@given(joins)
def test_boxes_stand_apart(pairs: list[tuple[str, str]]) -> None:
    for diagram in (_whole(pairs), _domain(pairs)):
        boxes = list(diagram.boxes.values())
        assert [box.name for box in boxes] == NAMES
        for number, one in enumerate(boxes):
            assert all(_apart(one, other) for other in boxes[:number]), one


@settings(deadline=None, max_examples=40)
@given(joins)
def test_each_line_goes_from_its_box_to_the_other(pairs: list[tuple[str, str]]) -> None:
    """Graphviz leads those between two boxes; one from a dataset to itself is ours."""
    diagram = _whole(pairs)
    assert {(line.start, line.end) for line in diagram.lines} == set(pairs)
    for number, line in enumerate(diagram.lines):
        if line.start == line.end:
            assert number not in diagram.curves
            continue
        curve = diagram.curves[number]
        assert len(curve) % 3 == 1, "a start, and three points for each part"
        for name, (x, y) in ((line.start, curve[0]), (line.end, curve[-1])):
            box = diagram.boxes[name]
            assert box.x - 2 <= x <= box.x + box.width + 2 and box.y - 2 <= y <= box.y + box.height + 2, name


@settings(deadline=None, max_examples=40)
@given(joins)
def test_a_line_of_columns_ends_at_its_rows(pairs: list[tuple[str, str]]) -> None:
    diagram = _domain(pairs)
    for number, line in enumerate(diagram.lines):
        if line.start == line.end:
            continue
        for name, row, (_, y) in (
            (line.start, line.start_row, diagram.curves[number][0]),
            (line.end, line.end_row, diagram.curves[number][-1]),
        ):
            assert abs(y - diagram.boxes[name].row_y(row)) <= 12, (name, row)


@settings(deadline=None, max_examples=20)
@given(joins)
def test_all_of_it_is_within_the_frame(pairs: list[tuple[str, str]]) -> None:
    """What a fitted diagram shows is all of it: no line and no box begins left of or above the picture."""
    diagram = _whole(pairs)
    svg = diagram.svg()
    width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    shift_x, shift_y = map(float, re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", svg).groups())
    points = [point for curve in diagram.curves.values() for point in curve]
    points += [(box.x, box.y) for box in diagram.boxes.values()]
    points += [(box.x + box.width, box.y + box.height) for box in diagram.boxes.values()]
    assert all(0 <= x + shift_x <= width and 0 <= y + shift_y <= height for x, y in points)


def test_many_that_lead_to_one_do_not_stand_in_one_tall_column() -> None:
    diagram = _whole([(name, "dataset_a") for name in NAMES[1:]])
    columns: dict[float, int] = {}
    for box in diagram.boxes.values():
        columns[box.x] = columns.get(box.x, 0) + 1
    assert max(columns.values()) <= 3
