"""Badges and records of credentials of one student, and tables that they can be loaded into."""

import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from load_helpers import Load, loader_of_lines

ADA = "a0000000-0000-4000-8000-00000000000a"
ITEM = "c0000000-0000-4000-8000-00000000000c"
OTHER_ITEM = "c0000000-0000-4000-8000-00000000000d"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "timeback-analytics")


@pytest.fixture
def ready(conn: psycopg.Connection) -> psycopg.Connection:
    """A user and two CASE items in the tables."""
    conn.execute(
        "insert into one_roster_user"
        " values (%s, 'Ada', 'X', 'Ada@school.example', null, 'active', now(), now())",
        [ADA],
    )
    for item, code in ((ITEM, "MATH.1"), (OTHER_ITEM, "MATH.2")):
        conn.execute("insert into cf_item values (%s, null, 'x', %s, 'Standard')", [item, code])
    return conn


@pytest.fixture
def load_lines(ready: psycopg.Connection, tmp_path: Path) -> Load:
    return loader_of_lines("clr", ready, tmp_path)


def badge(name: str = "b1", **changed: Any) -> dict[str, Any]:
    """A credential of Ada, aligned to a CASE item, with 17 of 20 points."""
    subject = {
        "id": f"https://api.example/ims/oneroster/rostering/v1p2/users/{ADA}",
        "type": ["AchievementSubject"],
        "achievement": {
            "id": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, 'achievement')}",
            "type": ["Achievement"],
            "name": "Counting",
            "achievementType": "ext:StandardMastery",
            "alignment": [
                {"type": ["Alignment"], "targetType": "CTDL", "targetUrl": f"https://ctdl.example/{ADA}"},
                {"targetType": "CFItem", "targetUrl": f"https://case.example/ims/case/v1p0/CFItems/{ITEM}"},
            ],
            "resultDescription": [
                {"id": "urn:r1", "resultType": "RawScore", "valueMin": "0", "valueMax": "20"},
                {"id": "urn:r2", "resultType": "LetterGrade", "allowedValue": ["A", "B"]},
            ],
        },
        "result": [
            {"type": ["Result"], "resultDescription": "urn:r2", "value": "A"},
            {"type": ["Result"], "resultDescription": "urn:r1", "value": "17"},
        ],
        **changed.pop("subject", {}),
    }
    return {
        "id": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, name)}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "validFrom": "2026-01-05T10:00:00Z",
        "credentialSubject": subject,
        **changed,
    }


def achieved(**changed: Any) -> dict[str, Any]:
    return {**badge()["credentialSubject"]["achievement"], **changed}


def clr(*credentials: Any, subject_id: str = f"urn:uuid:{ADA}", **more: Any) -> dict[str, Any]:
    return {
        "id": "urn:uuid:00000000-0000-4000-8000-0000000000cc",
        "type": ["VerifiableCredential", "ClrCredential"],
        "validFrom": "2026-02-01T00:00:00Z",
        "credentialSubject": {
            "id": subject_id,
            "type": ["ClrSubject"],
            "verifiableCredential": list(credentials),
        },
        **more,
    }


def credentials(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    """User, item, type, result and date of each."""
    return conn.execute(
        "select credential_subject_id::text, cf_item_id::text, achievement_type, result_value, awarded_date"
        " from clr_achievement_credential c join clr_achievement a on a.id = c.achievement_id order by c.id"
    ).fetchall()
