"""The list of mutants is up to date: each one still breaks something, in a way that is its own."""

from collections import Counter

import pytest

from mutants.mutations import MUTATIONS, Mutation
from project_copy import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.what for mutation in MUTATIONS])
def test_what_a_mutant_replaces_is_there_once(mutation: Mutation):
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    assert text.count(mutation.old) == 1
    assert mutation.old != mutation.new
    for test in mutation.tests:
        assert (ROOT / test).is_file()


def test_no_two_mutants_are_one():
    assert max(Counter(mutation.what for mutation in MUTATIONS).values()) == 1
    assert max(Counter((mutation.file, mutation.old, mutation.new) for mutation in MUTATIONS).values()) == 1
