"""The scope setting as documented: which texts are lists, who may ask for everybody, what bindings do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from expectation.comparison import EVERYBODY, READER, SETTING, Caller, Catalog, OperationalRows, bound_callers
from expectation.datasets import SCOPED, expected
from expectation.operational import operational_rows, organizations_in
from expectation.scope import Scope, ScopeError

SEEDS = range(2000, 2004)
CASES = 400


@pytest.fixture(scope="module")
def catalog(shared_catalog: str) -> Iterator[Catalog]:
    """The catalog by a connection of the module's own."""
    with psycopg.connect(shared_catalog) as connection:
        yield Catalog(connection, "operational", "analytics", UTC)


def rows_of(seed: int) -> OperationalRows:
    return operational_rows(seed, datetime.now(UTC).date())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_binding_limits_every_setting(catalog, seed):
    """Bindings of the login and of the current role both apply, to every scoped dataset."""
    tables = rows_of(seed)
    session_user = catalog.connection.execute("select session_user::text").fetchone()[0]
    with catalog.example(tables) as today:
        for caller in bound_callers(tables, session_user):
            with catalog.asking_as(caller):
                for dataset in SCOPED:
                    assert catalog.difference(dataset, tables, caller, today) is None, (dataset, caller)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("setting", ["*", "{*}", "not-an-id"])
def test_a_reader_that_may_not_ask_so_gets_an_error(catalog, seed, setting):
    """Neither the rows nor an empty answer, for every scoped dataset that has rows."""
    tables = rows_of(seed)
    caller = Caller("a reader that overreaches", Scope(setting), READER)
    with catalog.example(tables) as today, catalog.asking_as(caller):
        for dataset in SCOPED:
            if expected(dataset, tables, EVERYBODY, today, UTC):
                message = error_of(catalog, dataset)
                assert message is not None, dataset
                assert SETTING in message and setting.strip("{}") in message


@pytest.mark.parametrize("seed", SEEDS)
def test_a_member_of_the_unrestricted_role_sees_everybody(catalog, seed):
    """Membership is what makes a reader unrestricted."""
    tables = rows_of(seed)
    caller = Caller("an unrestricted reader", EVERYBODY, READER)
    with catalog.example(tables) as today:
        catalog.connection.execute(
            sql.SQL("grant timeback_unrestricted to {}").format(sql.Identifier(READER))
        )
        # plans that this session kept from before the grant are refused, see test_scope.py
        catalog.connection.execute("discard plans")
        with catalog.asking_as(caller):
            for dataset in SCOPED:
                assert catalog.difference(dataset, tables, caller, today) is None, dataset


def test_every_text_of_the_setting_is_read_as_documented(catalog):
    """Lists of ids in any spelling that is allowed give their rows, any other text an error that names it."""
    tables = rows_of(SEEDS[0])
    texts = settings_to_try(organizations_in(tables))
    outcomes = set()
    with catalog.example(tables) as today:
        for text in texts:
            caller = Caller("some text", Scope(text, unrestricted=True))
            with catalog.asking_as(caller):
                try:
                    caller.scope.resolve()
                except ScopeError as wrong:
                    message = error_of(catalog, "students")
                    assert message is not None, f"setting {text!r} is not a list, and no error either"
                    assert SETTING in message and wrong.element in message, (text, message)
                    outcomes.add("error")
                else:
                    difference = catalog.difference("students", tables, caller, today)
                    assert difference is None, (text, difference)
                    outcomes.add(bool(expected("students", tables, caller.scope, today, UTC)))
    assert outcomes == {"error", True, False}, "the texts are not of every kind"


def error_of(catalog: Catalog, dataset: str) -> str | None:
    """What the database says when it refuses, None when it answers."""
    try:
        with catalog.connection.transaction(force_rollback=True):
            catalog.fetch(dataset)
    except psycopg.Error as error:
        return str(error)
    return None


def settings_to_try(organizations: list[UUID]) -> list[str]:
    """Lists in many spellings, good and bad: a list with one thing done to it, or tokens thrown together."""
    chance = random.Random("settings to try")
    one = str(organizations[0])
    blanks = ("", " ", "\t", "\n", "\r", "\f", "\v", "  \t ")
    spellings = (str.lower, str.upper, str.title)
    wrong = (
        *"* {} { } \" ' '' null NULL 0 true - ; % \\ ()".split(),  # noqa: SIM905
        *(
            one.replace("-", ""),
            one[:-1],
            one + "0",
            f"urn:uuid:{one}",
            f"{one[:4]}-{one[4:]}",
            f"{one} {one}",
        ),
        *(f"{{{one}}}", f'"{one}"', f"'{one}'", f"{one}'; select 1; --", "'||current_user||'", "\u00a0"),
        *(one.replace("-", "\u2010"), one.replace("0", "\u0660", 1), one.replace("0", "g", 1)),
    )
    texts = [
        *("", " ", "\t\n\r\f\v ", "{}", " {} ", "{ }", "{\n}", "*", " * ", "\t*\n", "{*}", "**", "*,*"),
        *(",", "{,}", "{", "}", "{{}}", "{}{}", "}{", f"*,{one}", f"{one},", f",{one}", f"{one},,{one}"),
        *(f"{{{one}", f"{one}}}", f"{{ {{{one}}} }}"),
        *wrong,
    ]
    while len(texts) < CASES:
        elements = [
            blank + spelling(str(organization)) + blank
            for blank, spelling, organization in zip(
                *(chance.choices(options, k=4) for options in (blanks, spellings, organizations)), strict=True
            )
        ][: chance.randint(1, 4)]
        if chance.random() < 0.5:
            elements.insert(chance.randint(0, len(elements)), chance.choice((*wrong, *blanks)))
        text = ",".join(elements)
        if chance.random() < 0.5:
            text = chance.choice(blanks) + "{" + text + "}" + chance.choice(blanks)
        texts.append(text)
    return texts
