"""Every dataset equals its expectation, on adversarial operational rows, whoever asks.

TIMEBACK_EXAMPLES is how many examples to run (50 by default), TIMEBACK_SEED the first one's seed (0).
"""

from __future__ import annotations

import os

import pytest

from expectation.datasets import SCOPED, facts
from expectation.run import Run

EXAMPLES = int(os.environ.get("TIMEBACK_EXAMPLES", "50"))
FIRST_SEED = int(os.environ.get("TIMEBACK_SEED", "0"))


@pytest.fixture(scope="module")
def run(shared_catalog: str) -> Run:
    """All examples compared."""
    return Run(shared_catalog, range(FIRST_SEED, FIRST_SEED + EXAMPLES)).explore()


@pytest.mark.parametrize("dataset", sorted(facts()))
def test_rows_are_those_of_the_documentation(dataset, run):
    """The view's rows equal the expectation as a multiset, for every caller of every example."""
    if report := run.report(dataset):
        pytest.fail(report, pytrace=False)


@pytest.mark.skipif(EXAMPLES < 20, reason="needs a run of 20 examples or more")
@pytest.mark.parametrize("dataset", sorted(facts()))
def test_examples_have_rows(dataset, run):
    """Examples without rows prove nothing: a good part of them has some, for a list of organizations too."""
    assert run.with_rows[dataset] >= EXAMPLES // 4
    if dataset in SCOPED:
        assert run.with_rows_in_a_list[dataset] >= EXAMPLES // 5
