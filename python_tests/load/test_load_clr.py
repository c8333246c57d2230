"""CLR and Open Badges: whose, of which CASE item, how well; revoked, expired, unreadable ones."""

import base64
import gzip
import hashlib
import json
import random
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from clr_kit import (
    ADA,
    ITEM,
    NAMESPACE,
    OTHER_ITEM,
    Load,
    achieved,
    badge,
    clr,
    credentials,
    load_lines,
    ready,
)
from load_helpers import contents, refused

from timeback_analytics.load import load

__all__ = ["load_lines", "ready"]
DATA = Path(__file__).parent / "data" / "credentials"
AWARD = datetime(2026, 1, 5, 10, tzinfo=UTC)
USUAL = (ADA, ITEM, "StandardMastery", Decimal("0.85"), AWARD)


def test_a_badge(ready: psycopg.Connection, load_lines: Load) -> None:
    load_lines(badge())
    assert credentials(ready) == [USUAL]
    (stored,) = ready.execute("select id::text from clr_achievement_credential").fetchone()
    assert f"urn:uuid:{stored}" == badge()["id"]
    before = contents(ready)
    assert load_lines(badge(), badge()).changes == 0
    assert contents(ready) == before


def jwt(payload: dict[str, Any]) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(payload)}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "value",
    [
        clr(badge(subject={"id": "did:example:inner"})),
        [badge()],
        {"credentials": [badge()]},
        jwt(badge()),
        [jwt({"sub": "x", "vc": badge()})],
        clr(jwt(badge(subject={"id": None}))),
        clr(clr(badge(subject={"id": None}), subject_id="did:x")),
    ],
)
def test_wrappings(ready: psycopg.Connection, load_lines: Load, value: Any) -> None:
    load_lines(value)
    assert credentials(ready) == [USUAL]


HASHED = hashlib.sha256(b"ada@school.examplesalty").hexdigest()


@pytest.mark.parametrize(
    "subject",
    [
        {"id": f"urn:uuid:{ADA.upper()}"},
        {"id": "mailto:ADA@school.example"},
        {
            "id": "did:example:1",
            "identifier": [{"identityType": "emailAddress", "identityHash": "ada@School.example"}],
        },
        {
            "id": "did:example:1",
            "identifier": {"identityType": "sourcedId", "identityHash": ADA, "hashed": False},
        },
        {
            "id": None,
            "identifier": [
                {"identityType": "userName", "identityHash": "x"},
                {
                    "identityType": "emailAddress",
                    "identityHash": f"sha256${HASHED}",
                    "hashed": True,
                    "salt": "salty",
                },
            ],
        },
    ],
)
def test_holders(ready: psycopg.Connection, load_lines: Load, subject: dict[str, Any]) -> None:
    load_lines(badge(subject=subject))
    assert credentials(ready) == [USUAL]


def test_a_stranger_is_told(ready: psycopg.Connection, load_lines: Load) -> None:
    report = load_lines(badge(subject={"id": "did:example:nobody"}))
    assert credentials(ready) == []
    assert "Credentials of people who are not in one_roster_user: 1." in report.notes


@pytest.mark.parametrize(
    ("kind", "limits", "value", "found"),
    [
        ("Percent", {}, "87.5", "0.875"),
        ("Percent", {"valueMax": "100"}, 100, "1"),
        ("Result", {}, "87.5 %", "0.875"),
        ("RawScore", {"valueMax": "40"}, 10, "0.25"),
        ("ScaledScore", {"valueMin": 200, "valueMax": 800}, "500", "0.5"),
        ("GradePointAverage", {"valueMin": "0.0", "valueMax": "4.0"}, "3.0", "0.75"),
        ("RubricScore", {"valueMax": "3"}, "1", "0.333333"),
        ("PredictedScore", {"valueMax": "5"}, "0", "0"),
        ("Result", {}, "0.5", "0.5"),
        ("Result", {}, 1, "1"),
        ("RawScore", {}, "17", None),
        ("RawScore", {"valueMax": "10"}, "11", None),
        ("RawScore", {"valueMin": "5", "valueMax": "10"}, "4", None),
        ("RawScore", {"valueMin": "10", "valueMax": "10"}, "10", None),
        ("RawScore", {"valueMax": "many"}, "17", None),
        ("LetterGrade", {}, "A", None),
        ("LetterGrade", {}, "1", None),
        ("PerformanceLevel", {}, "0.5", None),
        ("RubricCriterionLevel", {}, None, None),
        ("Status", {}, None, None),
        ("ext:Mood", {}, "good", None),
        ("Percent", {}, "NaN", None),
    ],
)
def test_results(
    ready: psycopg.Connection,
    load_lines: Load,
    kind: str,
    limits: dict[str, Any],
    value: Any,
    found: str | None,
) -> None:
    description = [{"id": "urn:r", "resultType": kind, **limits}]
    result = [{"type": ["Result"], "resultDescription": "urn:r", "value": value, "status": "Completed"}]
    report = load_lines(
        badge(subject={"achievement": achieved(resultDescription=description), "result": result})
    )
    assert credentials(ready)[0][3] == (None if found is None else Decimal(found))
    assert any("left empty: 1" in note for note in report.notes) == (found is None)


@pytest.mark.parametrize(
    ("alignment", "item"),
    [
        ([{"targetType": "CFItem", "targetUrl": f"https://x.example/{OTHER_ITEM}?a=1"}], OTHER_ITEM),
        ({"targetUrl": f"https://x.example/CFDocuments/{ADA}/CFItems/{ITEM.upper()}"}, ITEM),
        ([{"targetCode": "MATH.2", "targetUrl": "https://x.example/2"}], OTHER_ITEM),
        ([{"targetCode": ITEM}], ITEM),
        # an item whose framework comes later
        (
            [{"targetType": "CFItem", "targetUrl": "https://x.example/e0000000-0000-4000-8000-00000000000e"}],
            "later",
        ),
        (
            [{"targetType": "CTDL", "targetUrl": "https://x.example/e0000000-0000-4000-8000-00000000000e"}],
            None,
        ),
        ([{"targetCode": "MATH.9"}], None),
        ([], None),
        (None, None),
    ],
)
def test_alignments(ready: psycopg.Connection, load_lines: Load, alignment: Any, item: str | None) -> None:
    report = load_lines(badge(subject={"achievement": achieved(alignment=alignment)}))
    wanted = "e0000000-0000-4000-8000-00000000000e" if item == "later" else item
    assert credentials(ready)[0][1] == wanted
    told = any("no CASE item that is known: 1" in note for note in report.notes)
    assert told == (item is None and bool(alignment))


def bit_list(*places: int) -> dict[str, Any]:
    bits = bytearray(16)
    for place in places:
        bits[place // 8] |= 128 >> place % 8
    return {
        "id": "https://x.example/status/1",
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "credentialSubject": {
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": "u" + base64.urlsafe_b64encode(gzip.compress(bytes(bits))).decode().rstrip("="),
        },
    }


ENTRY = {
    "id": "https://x.example/status/1#9",
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "9",
    "statusListCredential": "https://x.example/status/1",
}
LIST = {
    "id": "https://x.example/revoked",
    "issuer": "x",
    "revokedCredential": [{"id": badge()["id"], "revoked": True}],
}


@pytest.mark.parametrize(
    ("credential", "others", "is_there", "is_told"),
    [
        (badge(revoked=True), [], False, False),
        (
            badge(credentialStatus={"id": "https://x.example/revoked", "type": "1EdTechRevocationList"}),
            [LIST],
            False,
            False,
        ),
        (badge("b2", credentialStatus={"id": "https://x.example/revoked"}), [LIST], True, False),
        (badge(credentialStatus={"id": "https://x.example/unknown"}), [], True, True),
        (badge(credentialStatus=ENTRY), [bit_list(9)], False, False),
        (badge(credentialStatus=[ENTRY]), [bit_list(8, 10)], True, False),
        (badge(credentialStatus=ENTRY), [], True, True),
        (badge(credentialStatus={**ENTRY, "statusPurpose": "suspension"}), [], True, False),
    ],
)
def test_revoked(
    ready: psycopg.Connection,
    load_lines: Load,
    credential: dict[str, Any],
    others: list[dict[str, Any]],
    is_there: bool,
    is_told: bool,
) -> None:
    """One that was stored goes; in any order of the files."""
    load_lines({**credential, "revoked": False, "credentialStatus": None})
    assert len(credentials(ready)) == 1
    for values in ([credential, *others], [*others, credential]):
        report = load_lines(*values)
        assert len(credentials(ready)) == is_there
        assert any("revocations that is not here: 1" in note for note in report.notes) == is_told


def test_expired_ones_stay(ready: psycopg.Connection, load_lines: Load) -> None:
    report = load_lines(badge(validUntil="2020-01-01T00:00:00Z"))
    assert credentials(ready) == [USUAL]
    assert "Credentials that have expired; they were awarded, and stay: 1." in report.notes


@pytest.mark.parametrize(
    ("dates", "awarded"),
    [
        ({"validFrom": "2026-01-05T10:00:00"}, AWARD),
        ({"validFrom": None, "issuanceDate": "2026-01-05T11:00:00+01:00"}, AWARD),
        ({"awardedDate": "2026-01-05T10:00:00Z", "validFrom": "2027-01-01T00:00:00Z"}, AWARD),
        ({"validFrom": None}, None),
    ],
)
def test_dates(
    ready: psycopg.Connection, load_lines: Load, dates: dict[str, Any], awarded: datetime | None
) -> None:
    load_lines(badge(**dates))
    assert credentials(ready)[0][4] == awarded


def test_order_makes_no_difference(ready: psycopg.Connection, load_lines: Load) -> None:
    """Two versions of a credential, and two achievements with one id."""
    values = [
        badge(),
        badge(validFrom="2026-03-01T00:00:00Z", subject={"result": [{"value": "0.25"}]}),
        badge("b2", subject={"achievement": achieved(achievementType="Badge", alignment=[])}),
    ]
    seen = set()
    for seed in range(6):
        random.Random(seed).shuffle(values)
        with ready.transaction(force_rollback=True):
            report = load_lines(*values)
            assert (
                "Achievements that share their id with a different one; one of the two counts: 1."
                in report.notes
            )
            seen.add(tuple(credentials(ready)))
    assert len(seen) == 1
    assert {(row[3], row[4].month) for row in next(iter(seen))} == {
        (Decimal("0.25"), 3),
        (Decimal("0.85"), 1),
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"users": []}, "this is not a credential"),
        (5, "this is not a credential"),
        ("eyJ.eyJ.x", "this is not a credential"),
        ({"credentialSubject": None}, "no credentialSubject"),
        (badge(validFrom="soon"), "this is not a time"),
        (badge(id="a\0"), "NUL"),
        (clr({"x": 1}), "a credential in it is not one"),
    ],
)
def test_what_is_none(ready: psycopg.Connection, tmp_path: Path, value: Any, reason: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(badge()) + "\n" + json.dumps(value) + "\n")
    error = refused(ready, path, "clr")
    assert (error.total, error.problems[0].line) == (1, 2)
    assert reason in error.problems[0].reason
    assert load("clr", path, connection=ready, skip_bad=True, skip_limit=50).skipped == 1
    assert credentials(ready) == [USUAL]


def test_real_credentials(ready: psycopg.Connection, tmp_path: Path) -> None:
    """Public ones, of 1EdTech/digital-credentials-public-validator, commit 38254719, Apache-2.0."""
    for number, name in enumerate(("360a0e1e-c3f4-4fc4-9975-379889927d54", str(uuid.uuid5(NAMESPACE, "x")))):
        ready.execute(
            "insert into one_roster_user values (%s, 'N', 'X', %s, null, 'active', now(), now())",
            [name, "student@1edtech.edu" if number else None],
        )
    report = load("clr", DATA, connection=ready)
    found = credentials(ready)
    # six of the complex record, and the complete badge, whose holder gives an address; 'A' is not a fraction
    assert len(found) == 7
    assert {row[3] for row in found} == {None}
    # four achievements of the record, a badge among them, share one id
    assert sorted(row[2] for row in found) == [*["Course"] * 5, "Degree", "Diploma"]
    shared = "Achievements that share their id with a different one; one of the two counts: 1."
    assert shared in report.notes
    assert any(note.startswith("Credentials without an achievement") for note in report.notes)
    assert load("clr", DATA, connection=ready).changes == 0
