"""Diagrams of any joins: around in circles, to a dataset itself, over many columns, in parts, or none."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import igraph
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeback_analytics.docs import diagrams

NAMES = [f"dataset_{letter}" for letter in "abcdefghij"]
joins = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=25)

CIRCLE_BESIDE_A_PART = [
    *(("dataset_a", "dataset_b"), ("dataset_b", "dataset_c"), ("dataset_c", "dataset_d")),
    *(("dataset_d", "dataset_a"), ("dataset_e", "dataset_f")),
]
"""The line back to the first passes two columns: igraph 1.0 would put points of its own on it."""


@pytest.fixture(scope="module", autouse=True)
def laid_out() -> Iterator[list[list[int]]]:
    """How many columns each edge leads on, for each graph that igraph was asked to lay out."""
    asked: list[list[int]] = []
    original = igraph.Graph.layout_sugiyama

    def spy(graph: igraph.Graph, *, layers: list[int], **options: Any) -> igraph.Layout:
        asked.append([layers[end] - layers[start] for start, end in graph.get_edgelist()])
        return original(graph, layers=layers, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(igraph.Graph, "layout_sugiyama", spy)
        yield asked


def _diagram(pairs: list[tuple[str, str]]) -> diagrams.Diagram:
    """The diagram of datasets of which each pair is joined."""
    column = SimpleNamespace(name="key")
    datasets = {
        name: SimpleNamespace(
            name=name,
            domain="any",
            joins=[(column, target, "key") for start, target in pairs if start == name],
        )
        for name in NAMES
    }
    return diagrams.whole(SimpleNamespace(datasets=datasets), lambda name: f"{name}.html")


@settings(deadline=None)
@given(joins)
def test_igraph_is_given_steps_of_one_column(laid_out: list[list[int]], pairs: list[tuple[str, str]]) -> None:
    """Its layout of any other edge reads memory that is not its own, and now and then ends the process."""
    laid_out.clear()
    _diagram(pairs)
    assert len(laid_out) == 1
    assert set(laid_out[0]) <= {0, 1}


@settings(deadline=None)
@given(joins)
def test_boxes_stand_apart(pairs: list[tuple[str, str]]) -> None:
    boxes = list(_diagram(pairs).boxes.values())
    assert [box.name for box in boxes] == NAMES
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            assert (
                one.x + one.width <= other.x
                or other.x + other.width <= one.x
                or one.y + one.height <= other.y
                or other.y + other.height <= one.y
            ), (one, other)


@settings(deadline=None)
@given(joins)
def test_lines_pass_each_column_between_their_ends_once(pairs: list[tuple[str, str]]) -> None:
    diagram = _diagram(pairs)
    assert {(line.start, line.end) for line in diagram.lines} == set(pairs)
    columns = sorted({box.x for box in diagram.boxes.values()})
    for number, line in enumerate(diagram.lines):
        start, end = diagram.boxes[line.start].x, diagram.boxes[line.end].x
        between = [x for x in columns if min(start, end) < x < max(start, end)]
        width = diagram.boxes[line.start].width  # all names are of one length, so all boxes of one width
        passed = [x - width / 2 for x, _ in diagram.via[number]]
        assert passed == pytest.approx(between if start < end else between[::-1])


def test_a_line_back_has_points_of_ours(laid_out: list[list[int]]) -> None:
    laid_out.clear()
    diagram = _diagram(CIRCLE_BESIDE_A_PART)
    assert set(laid_out[0]) == {1}
    assert max(len(points) for points in diagram.via.values()) == 2
    assert 'data-ends="dataset_d dataset_a"' in diagram.svg()
