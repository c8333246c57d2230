"""A small district as the REST interface of OneRoster answers, for the tests of the loader."""

import json
import uuid
from typing import Any

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "timeback-analytics")
HOST = "https://sis.example/ims/oneroster/rostering/v1p2"


def made(*parts: str) -> str:
    """The UUID that the loader makes of a sourcedId."""
    return str(uuid.uuid5(NAMESPACE, "/".join(("oneroster", *parts))))


def ref(name: str, kind: str = "org") -> dict[str, str]:
    return {"sourcedId": name, "type": kind, "href": f"{HOST}/{kind}s/{name}"}


def answers() -> dict[str, list[dict[str, Any]]]:
    """A small district, as the interface of version 1.2 serves it. Long because it is data."""
    base = {"status": "active", "dateLastModified": "2026-01-05T10:00:00.000Z", "metadata": {"x": 1}}
    return {
        "orgs": [
            {**base, "sourcedId": "d1", "name": "District", "type": "district", "children": [ref("s1")]},
            {
                **base,
                "sourcedId": "s1",
                "name": "School",
                "type": "school",
                "identifier": "77",
                "parent": ref("d1"),
            },
        ],
        "users": [
            {
                **base,
                "sourcedId": "u1",
                "enabledUser": True,
                "givenName": "Ada",
                "familyName": "Lovelace",
                "email": "ada@school.example",
                "grades": [7],
                "roles": [
                    {
                        "roleType": "primary",
                        "role": "student",
                        "org": ref("s1"),
                        "beginDate": "2025-08-01T00:00:00.000Z",
                    }
                ],
                "agents": [ref("u2", "user")],
                "primaryOrg": {"sourcedId": "s1", "name": "School"},
            },
            {
                **base,
                "sourcedId": "u2",
                "enabledUser": "true",
                "givenName": "Anne",
                "familyName": "Byron",
                "roles": [
                    {"roleType": "primary", "role": "parent", "org": ref("s1")},
                    {"roleType": "secondary", "role": "aide", "org": ref("d1"), "endDate": "2026-06-30"},
                ],
            },
        ],
        "courses": [
            {
                **base,
                "sourcedId": "c1",
                "title": "Algebra",
                "courseCode": "A1",
                "org": ref("d1"),
                "subjects": ["Math"],
            }
        ],
        "classes": [
            {
                **base,
                "sourcedId": "k1",
                "title": "Algebra 1",
                "classCode": "A1-1",
                "classType": "scheduled",
                "grades": [1, "02"],
                "subjects": ["Math"],
                "course": ref("c1", "course"),
                "school": ref("s1"),
                "terms": [],
            }
        ],
        "enrollments": [
            {
                **base,
                "sourcedId": "e1",
                "user": ref("u1", "user"),
                "class": ref("k1", "class"),
                "role": "student",
                "primary": None,
                "beginDate": "2025-08-01",
            }
        ],
        "courseComponents": [
            {**base, "sourcedId": "m1", "title": "Unit 1", "course": ref("c1"), "sortOrder": 1},
            {
                **base,
                "sourcedId": "m2",
                "title": "Section",
                "course": ref("c1"),
                "parent": ref("m1"),
                "sortOrder": "2",
            },
        ],
        "componentResources": [
            {
                **base,
                "sourcedId": "r1",
                "title": "Lesson 1",
                "courseComponent": ref("m1"),
                "resource": {"sourcedId": "x1"},
                "sortOrder": 0,
                "lessonType": "quiz",
            }
        ],
        "resources": [{**base, "sourcedId": "x1", "title": "Lesson", "vendorResourceId": "v"}],
        "assessmentResults": [
            {
                **base,
                "sourcedId": "a1",
                "assessmentLineItem": {"sourcedId": "l1"},
                "student": {"sourcedId": "u1"},
                "score": "87.5",
                "scoreDate": "2026-01-04T15:30:00.000Z",
                "scoreStatus": "fully graded",
                "metadata": {"reportUrl": "https://map.example/1.pdf"},
            }
        ],
    }


def as_page(name: str, records: list[dict[str, Any]]) -> str:
    return json.dumps({name: records}, indent=1)
