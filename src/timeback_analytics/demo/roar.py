"""ROAR documents: people, organizations, tasks, runs and trials, made up, in the documented shapes.

No openly licensed ROAR data exists. Values are such as the laboratory's public pages give: the stages
practice_response and test_response, correct 0 or 1, response times in milliseconds. Moments come in each
form that Firestore exports have. What breaks the documented shapes is in demo/edge_cases/roar.yml.
"""

import hashlib
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from timeback_analytics.demo.ids import between, normal, pick, share
from timeback_analytics.demo.rows import OperationalRows

Document = dict[str, Any]

_ALPHABET = string.digits + string.ascii_letters
_AUTUMN = datetime(2025, 9, 15, 15, tzinfo=UTC)
_DISTRICTS = {"Lakeside Unified": "LUSD", "Prairie Valley": "PVSD"}
_SCHOOLS = {
    "Lakeside Unified": ("Lakeside Elementary", "Harbor Elementary"),
    "Prairie Valley": ("Prairie Elementary", "Valley Middle"),
}
_TASKS = {
    "swr": ("ROAR-Word", "Rapid recognition of single words", "word"),
    "pa": ("ROAR-Phoneme", "Awareness of the sounds in words", "sound"),
    "sre": ("ROAR-Sentence", "Reading sentences for meaning against the clock", "sentence"),
}
_WORDS = ("cat", "ship", "garden", "whisper", "cloud", "planet", "basket", "thunder", "river", "candle")
_PSEUDOWORDS = (
    "clat",
    "shap",
    "gurden",
    "whesper",
    "cload",
    "plinet",
    "bosket",
    "thander",
    "riber",
    "cundle",
)
_PRACTICE, _TEST = 4, 12


def firestore_id(*key: object) -> str:
    """Twenty letters and digits, as Firestore makes ids, decided by the key."""
    number = int.from_bytes(hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=20).digest(), "big")
    characters = []
    for _ in range(20):
        number, place = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[place])
    return "".join(characters)


def add_roar(rows: OperationalRows) -> None:
    """Add every document."""
    for number, (path, data) in enumerate(documents()):
        rows.add(
            "roar_document", path=path, data=data, update_time=_AUTUMN + timedelta(days=60, seconds=number)
        )


def documents() -> Iterator[tuple[str, Document]]:
    """(path, fields) of each document."""
    yield from _organizations()
    yield from _tasks()
    for district, schools in _SCHOOLS.items():
        for school in schools:
            for number in range(12):
                yield from _student(district, school, number)
    yield from _adults()
    for number in range(12):
        yield from _guest(number)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _firestore(moment: datetime) -> Document:
    return {"_seconds": int(moment.timestamp()), "_nanoseconds": moment.microsecond * 1000}


def _organizations() -> Iterator[tuple[str, Document]]:
    for district, schools in _SCHOOLS.items():
        district_id = firestore_id("district", district)
        school_ids = [firestore_id("school", school) for school in schools]
        town = district.split()[0]
        yield (
            f"districts/{district_id}",
            {
                "name": district,
                "abbreviation": _DISTRICTS[district],
                "schools": school_ids,
                "address": {
                    "name": district,
                    "formattedAddress": f"1 Main Street, {town}, CA 94000, USA",
                    "googleMapsUrl": f"https://maps.example.org/?q={town}",
                    "googlePlacesId": firestore_id("place", district),
                    "addressComponents": [
                        {"long_name": town, "short_name": town, "types": ["locality", "political"]}
                    ],
                },
            },
        )
        for school, school_id in zip(schools, school_ids, strict=True):
            class_ids = [firestore_id("class", school, number) for number in range(2)]
            yield (
                f"schools/{school_id}",
                {
                    "name": school,
                    "abbreviation": "".join(word[0] for word in school.split()),
                    "districtId": district_id,
                    "classes": class_ids,
                },
            )
            for number, class_id in enumerate(class_ids):
                yield (
                    f"classes/{class_id}",
                    {
                        "name": f"Room {number + 1}",
                        "schoolId": school_id,
                        "districtId": district_id,
                        "grade": str(number + 3),
                        "schoolLevel": "middle" if "Middle" in school else "elementary",
                        "subject": "reading",
                        "tags": ["fall"] if number else ["fall", "pilot"],
                        "demoData": False,
                        "testData": False,
                    },
                )
    for number in range(3):
        made = _AUTUMN + timedelta(days=number)
        yield (
            f"families/{firestore_id('family', number)}",
            {
                "name": f"Family {number + 1}",
                "createdAt": _iso(made),
                "lastUpdated": _firestore(made + timedelta(hours=5)),
                "testData": number == 2,
            },
        )
    yield (
        f"groups/{firestore_id('group', 'summer')}",
        {
            "name": "Summer school",
            "parentOrgId": firestore_id("district", "Lakeside Unified"),
            "parentOrgType": "district",
        },
    )
    yield (
        f"groups/{firestore_id('group', 'siblings')}",
        {
            "name": "Siblings",
            "familyId": firestore_id("family", 0),
            "parentOrgId": firestore_id("family", 0),
            "parentOrgType": "family",
        },
    )


def _tasks() -> Iterator[tuple[str, Document]]:
    for task, (name, description, _) in _TASKS.items():
        yield (
            f"tasks/{task}",
            {
                "name": name,
                "description": description,
                "image": f"https://images.example.org/{task}.png",
                "registered": task != "sre",
                "lastUpdated": _iso(_AUTUMN),
            },
        )
        for mode in ("shortAdaptive", "fullRandom"):
            # both spellings of the collection occur
            collection = "task" if (task, mode) == ("pa", "fullRandom") else "tasks"
            yield (
                f"{collection}/{task}/variants/{_variant(task, mode)}",
                {
                    "name": f"{task}-{mode}",
                    "lastUpdated": _firestore(_AUTUMN),
                    "params": {
                        "audioFeedback": "neutral",
                        "buttonLayout": "default",
                        "consent": mode == "fullRandom",
                        "numberOfTrials": _TEST,
                        "practiceCorpus": f"{task}-practice",
                        "recruitment": "school",
                        "sequentialOrder": mode == "fullRandom",
                        "skipInstructions": False,
                        "stimulusCorpus": f"{task}-items",
                        "userMode": mode,
                    },
                },
            )


def _variant(task: str, mode: str) -> str:
    return firestore_id("variant", task, mode)


def _membership(now: list[str], before: list[str], since: datetime) -> Document:
    dates = {org_id: {"from": _iso(since), "to": None} for org_id in now}
    dates |= {org_id: {"from": _iso(since), "to": _iso(since + timedelta(days=90))} for org_id in before}
    return {"current": now, "all": [*now, *before], "dates": dates}


def _user(
    key: object, user_type: str, memberships: dict[str, tuple[list[str], list[str]]], **more: Any
) -> Document:
    since = _AUTUMN + timedelta(days=between(0, 20, "since", key))
    return {
        "assessmentPid": f"roar-{between(1000, 9999, 'pid', key)}",
        "assessmentUid": firestore_id("assessment uid", key),
        "userType": user_type,
        "createdAt": _iso(since),
        **{
            kind: _membership(*memberships.get(kind, ([], [])), since)
            for kind in ("classes", "districts", "families", "groups", "schools")
        },
        **more,
    }


def _student(district: str, school: str, number: int) -> Iterator[tuple[str, Document]]:
    key = f"{school} {number}"
    user_id = firestore_id("user", key)
    other_school = next(name for name in _SCHOOLS[district] if name != school)
    has_moved = share("moved", key) < 0.15
    grade = 3 + number % 2
    document = _user(
        key,
        "student",
        {
            "districts": ([firestore_id("district", district)], []),
            "schools": (
                [firestore_id("school", school)],
                [firestore_id("school", other_school)] if has_moved else [],
            ),
            "classes": ([firestore_id("class", school, number % 2)], []),
            "groups": ([firestore_id("group", "summer")] if number == 0 else [], []),
        },
        grade=str(grade),
        schoolLevel="middle" if "Middle" in school else "elementary",
        birthMonth=between(1, 12, "birth month", key),
        birthYear=2025 - 6 - grade,
    )
    # the last of each school has left for good
    if number == 11:
        yield f"deleted-users/{user_id}", document
        return
    yield f"users/{user_id}", document
    for task in ("swr", "pa"):
        if share("runs", key, task) < 0.7:
            yield from _run(f"users/{user_id}", key, task, firestore_id("district", district))


def _adults() -> Iterator[tuple[str, Document]]:
    district_ids = [firestore_id("district", district) for district in _DISTRICTS]
    people: dict[str, dict[str, tuple[list[str], list[str]]]] = {
        "admin": {"districts": ([district_ids[0]], [])},
        "educator": {
            "districts": ([district_ids[0]], []),
            "schools": ([firestore_id("school", "Lakeside Elementary")], []),
            "classes": ([firestore_id("class", "Lakeside Elementary", 0)], []),
        },
        "caregiver": {"families": ([firestore_id("family", 0)], [])},
        "researcher": {"groups": ([firestore_id("group", "siblings")], []), "districts": ([], district_ids)},
    }
    for user_type, memberships in people.items():
        user_id = firestore_id("user", user_type)
        yield f"users/{user_id}", _user(user_type, user_type, memberships)
        administers = {"districts": memberships.get("districts", ([], []))[0]}
        yield (
            f"userClaims/{user_id}",
            {
                "claims": {
                    "adminOrgs": {
                        **administers,
                        "adminUid": firestore_id("admin uid", user_type),
                        "assessmentUid": firestore_id("assessment uid", user_type),
                    },
                    "minimalAdminOrgs": {**administers, "roarUid": user_id},
                },
                "lastUpdated": int((_AUTUMN + timedelta(days=2)).timestamp()),
            },
        )


def _guest(number: int) -> Iterator[tuple[str, Document]]:
    guest_id = firestore_id("guest", number)
    made = _AUTUMN + timedelta(days=number, minutes=7)
    task = pick(tuple(_TASKS), "guest's task", number)
    mode = _mode(f"guest {number}", task)
    is_child = number % 3 != 2
    document: Document = {
        "assessmentPid": f"guest-{number:03}",
        "assessmentUid": firestore_id("assessment uid", "guest", number),
        "userType": "guest" if number % 4 else "student",
        "age": between(7, 12, "age", number) if is_child else None,
        "ageMonths": between(84, 150, "age in months", number) if is_child else None,
        "birthMonth": None,
        "birthYear": between(2013, 2018, "birth year", number) if is_child else None,
        "created": _firestore(made),
        "lastUpdated": _iso(made + timedelta(minutes=30)),
        "tasks": [task],
        "variants": [_variant(task, mode)],
    }
    if number % 5 != 4:
        document["districtId"] = firestore_id("district", pick(tuple(_DISTRICTS), "guest's district", number))
    yield f"guests/{guest_id}", document
    yield from _run(f"guests/{guest_id}", f"guest {number}", task, None)


def _mode(key: str, task: str) -> str:
    return pick(("shortAdaptive", "fullRandom"), "mode", key, task)


def _run(owner: str, key: str, task: str, district_id: str | None) -> Iterator[tuple[str, Document]]:
    """A run with its trials, and the counts of the trials in it; one in eight was left unfinished."""
    run_id = firestore_id("run", owner, task)
    started = _AUTUMN + timedelta(days=30, minutes=between(0, 20_000, "started", key, task))
    is_finished = share("finished", key, task) >= 0.125
    skill = normal(0, 1, "skill", key)
    counts = {"practice": [0, 0], "test": [0, 0]}
    trials = []
    elapsed = 15_000.0
    for number in range(_PRACTICE + (_TEST if is_finished else between(0, _TEST - 1, "left", key, task))):
        stage = "practice" if number < _PRACTICE else "test"
        answer = number % len(_WORDS)
        is_real = share("real", task, number) < 0.5
        is_correct = share("correct", key, task, number) < 0.75 + skill / 8
        rt = round(max(180.0, normal(900 - 120 * skill, 250, "rt", key, task, number)), 1)
        elapsed += rt + 600
        moment = started + timedelta(milliseconds=elapsed)
        counts[stage][0] += 1
        counts[stage][1] += is_correct
        trials.append(
            (
                f"{owner}/runs/{run_id}/trials/{firestore_id('trial', owner, task, number)}",
                {
                    "assessment_stage": f"{stage}_response",
                    "block": 1 + (number - _PRACTICE) // 6 if stage == "test" else 0,
                    "trial_index": 5 + 2 * number,
                    "trialNumBlock": number % 6 + 1,
                    "trialNumTotal": number + 1,
                    "trial_type": "html-keyboard-response",
                    "itemSource": f"{task}-items",
                    "itemType": "realword" if is_real else "pseudoword",
                    "numAFC": 2,
                    "stimulus": (_WORDS if is_real else _PSEUDOWORDS)[answer],
                    "stimulusRule": "as it is" if is_real else "one letter changed",
                    "targetWord": _WORDS[answer],
                    "answerWord": "real" if is_real else "made up",
                    "options": {"0": "made up", "1": "real"},
                    "correctSide": int(is_real),
                    "response": "ArrowRight" if is_real == is_correct else "ArrowLeft",
                    "correct": int(is_correct),
                    "rt": rt,
                    "replay": between(0, 2, "replay", key, task, number) if task == "pa" else 0,
                    "time_elapsed": round(elapsed, 1),
                    "start_time": started.strftime("%H:%M:%S"),
                    "start_time_unix": int(moment.timestamp()),
                    "serverTimestamp": _firestore(moment + timedelta(milliseconds=85)),
                    "pid": key.replace(" ", "-").lower(),
                    "internal_node_id": f"0.0-{5 + number}.0",
                    "save_trial": True,
                },
            )
        )

    def raw(stage: str) -> Document:
        attempted, correct = counts[stage]
        is_estimated = stage == "test" and is_finished and _mode(key, task) == "shortAdaptive"
        return {
            "numAttempted": attempted,
            "numCorrect": correct,
            "numIncorrect": attempted - correct,
            "thetaEstimate": round(skill, 3) if is_estimated else None,
            "thetaSE": 0.35 if is_estimated else None,
        }

    yield (
        f"{owner}/runs/{run_id}",
        {
            "id": run_id,
            "taskId": task,
            "variantId": _variant(task, _mode(key, task)),
            "assignmentId": firestore_id("assignment", district_id, task) if district_id else None,
            "assigningOrgs": {"districts": [district_id]} if district_id else None,
            "timeStarted": _iso(started),
            "timeFinished": _iso(started + timedelta(milliseconds=elapsed)) if is_finished else None,
            "completed": is_finished,
            "scores": {
                "computed": {"composite": round(500 + 80 * skill)} if is_finished else {},
                "raw": {"composite": {"practice": raw("practice"), "test": raw("test")}},
            },
        },
    )
    yield from trials
