"""The list of mutants is up to date: each one still breaks something, in a way that is its own.

And what runs them takes no silence for a proof.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from mutants.mutation import MUTATIONS, Mutation
from mutants.results import Results, Verdict
from mutants.run import PATIENCE, Ran, refusal, run_for, why_silent
from project_copy import ROOT, copy_project


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_a_mutant_applies_once_and_breaks_something(mutation: Mutation, tmp_path: Path):
    """Where it does not, what is said names its patch: the lines that it breaks have changed."""
    (tmp_path / mutation.file).parent.mkdir(parents=True)
    whole = (ROOT / mutation.file).read_text(encoding="utf-8")
    (tmp_path / mutation.file).write_text(whole, encoding="utf-8")
    mutation.apply(tmp_path)
    assert (tmp_path / mutation.file).read_text(encoding="utf-8") != whole
    assert [test for test in mutation.tests if not (ROOT / test).is_file()] == []


@pytest.mark.parametrize(("text", "times"), [("other lines\n", 0), ("one\ntwo\n" * 2, 2)])
def test_a_mutant_that_does_not_apply_names_its_patch(text: str, times: int, tmp_path: Path):
    mutation = Mutation("scope/some.patch", "some", "file.sql", (("one\n", "none\n"),), ("tests",))
    (tmp_path / "file.sql").write_text(text)
    with pytest.raises(ValueError, match=rf"scope/some.patch again: file.sql has these lines {times} times"):
        mutation.apply(tmp_path)
    assert (tmp_path / "file.sql").read_text() == text


def test_no_two_mutants_are_one():
    assert max(Counter(mutation.what for mutation in MUTATIONS).values()) == 1
    assert max(Counter((mutation.file, mutation.pieces) for mutation in MUTATIONS).values()) == 1


SKIPPED = (
    "SKIPPED [10] python_tests/test_older_postgres.py:47: no PostgreSQL is installed\n10 skipped in 1.1s\n"
)


@pytest.mark.parametrize(
    ("ran", "reason"),
    {
        "passed": (Ran(0, "....\n4 passed in 1.1s\n"), ""),
        "passed, but for some": (Ran(0, f"{SKIPPED}4 passed, 10 skipped in 1.1s\n"), ""),
        "skipped": (Ran(0, SKIPPED), "test_x.py is skipped, no PostgreSQL is installed"),
        "hanging": (Ran(None, "4 passed"), f"test_x.py did not end in {PATIENCE} seconds"),
        "not there": (Ran(1, "No module named pytest\n"), "pytest test_x.py ends with 1"),
        "nothing collected": (Ran(5, ""), "pytest test_x.py ends with 5"),
    }.values(),
)
def test_tests_that_did_not_run_say_so(ran: Ran, reason: str):
    assert why_silent("test_x.py", ran) == reason
    if reason:
        assert Verdict(None, 1, did_not_run=reason).told == f"tests did not run: {reason}"


def test_dbt_that_breaks_has_noticed_nothing():
    said = (
        "10:00:01    Compilation Error in model tests (models/x.sql)\n10:00:01    This model has an enforced"
    )
    assert refusal(said) == "tests: This model has an enforced"
    assert refusal("ModuleNotFoundError: No module named 'dbt'") is None


@pytest.mark.parametrize("stubborn", [False, True], ids=["ends when asked", "has to be ended"])
def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path, stubborn: bool):
    """Asked first, so that tests stop their servers."""
    script = tmp_path / "hangs.py"
    script.write_text(
        "import signal, subprocess, sys, time\n"
        + ("signal.signal(signal.SIGINT, signal.SIG_IGN)\n" if stubborn else "")
        + "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    ran = run_for([sys.executable, script], tmp_path, {}, patience=2, grace=2)
    assert ran.returncode is None
    child = int(ran.stdout.split()[0])
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.1)
    else:
        pytest.fail("what it started is still there")


def test_verdicts_are_kept_for_the_project_that_they_are_of(tmp_path: Path):
    project = copy_project(tmp_path / "project")
    first, second, *_ = MUTATIONS
    results = Results(tmp_path / "mutants.jsonl", project)
    results.note(first, Verdict("test_scope.py::test_x[a | b]", 12.3))
    results.note(second, Verdict(None, 4.5, did_not_run="test_x.py is skipped"))
    again = Results(tmp_path / "mutants.jsonl", project)
    assert again.of(first).caught_by == "test_scope.py::test_x[a | b]"
    assert again.of(second).did_not_run == "test_x.py is skipped" and not again.of(second).caught_by
    assert "| test_scope.py::test_x[a b] | 12 |" in again.table()
    assert "1 of 2 mutants were noticed." in again.table()
    again.write_table()
    assert (tmp_path / "mutants.md").read_text() == again.table() + "\n"

    with (project / "models" / "staging" / "stg_lti_application.sql").open("a") as file:
        file.write("-- another project\n")
    assert Results(tmp_path / "mutants.jsonl", project).of(first) is None
