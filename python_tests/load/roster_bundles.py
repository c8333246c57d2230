"""OneRoster bundles for tests: small sound ones, to be written as they are or broken in one place."""

import csv
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from timeback_analytics.load.identifiers import derived_id

VERSIONS = ("1.1", "1.2")
Rows = list[dict[str, str]]
Bundle = dict[str, Rows]

_COLUMNS = {
    "orgs": "name type identifier parentSourcedId",
    "courses": "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
    "classes": "title grades courseSourcedId classCode classType location schoolSourcedId termSourcedIds "
    "subjects subjectCodes periods",
    "enrollments": "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
    "academicSessions": "title type startDate endDate parentSourcedId schoolYear",
    "lineItems": "title classSourcedId",
    "results": "lineItemSourcedId studentSourcedId scoreStatus score scoreDate comment",
    "roles": "userSourcedId roleType role beginDate endDate orgSourcedId userProfileSourcedId",
}
_USER_COLUMNS = {
    "1.1": "enabledUser orgSourcedIds role username userIds givenName familyName middleName identifier email "
    "sms phone agentSourcedIds grades password",
    "1.2": "enabledUser username userIds givenName familyName middleName identifier email sms phone "
    "agentSourcedIds grades password userMasterIdentifier primaryOrgSourcedId",
}


def columns(version: str, file: str) -> list[str]:
    """The columns of a file, in the standard's order."""
    own = _USER_COLUMNS[version] if file == "users" else _COLUMNS[file]
    return ["sourcedId", "status", "dateLastModified", *own.split()]


def small_bundle(version: str) -> Bundle:
    """A district with one school; Ada is a student, Grace her teacher, Byron a parent. Ids are not UUIDs."""
    bundle: Bundle = {
        "orgs": [
            {"sourcedId": "d1", "name": "District", "type": "district"},
            {"sourcedId": "s1", "name": "School", "type": "school", "parentSourcedId": "d1"},
        ],
        "courses": [{"sourcedId": "c1", "title": "Algebra", "courseCode": "ALG", "orgSourcedId": "s1"}],
        "users": [
            {"sourcedId": "ada", "givenName": "Ada", "familyName": "Lovelace", "email": "ada@example.org"},
            {
                "sourcedId": "grace",
                "givenName": "Grace",
                "familyName": "Hopper",
                "email": "grace@example.org",
            },
            {"sourcedId": "byron", "givenName": "George", "familyName": "Byron"},
        ],
        "classes": [
            {
                "sourcedId": "k1",
                "title": "Algebra 1",
                "grades": "01,02",
                "courseSourcedId": "c1",
                "classType": "scheduled",
                "schoolSourcedId": "s1",
                "subjects": "Mathematics",
            }
        ],
        "enrollments": [
            {"sourcedId": "e1", "userSourcedId": "ada", "role": "student", "beginDate": "2025-08-15"},
            {"sourcedId": "e2", "userSourcedId": "grace", "role": "teacher", "primary": "true"},
        ],
    }
    for user in bundle["users"]:
        user.update(enabledUser="true", username=user["sourcedId"])
    bundle["users"][0]["agentSourcedIds"] = "grace,byron"
    for enrollment in bundle["enrollments"]:
        enrollment.update(classSourcedId="k1", schoolSourcedId="s1")
    roles = {"ada": "student", "grace": "teacher", "byron": "parent"}
    if version == "1.1":
        for user in bundle["users"]:
            user.update(orgSourcedIds="s1", role=roles[user["sourcedId"]])
    else:
        bundle["roles"] = [
            {
                "sourcedId": f"r{n}",
                "userSourcedId": user,
                "roleType": "primary",
                "role": role,
                "orgSourcedId": "s1",
            }
            for n, (user, role) in enumerate(roles.items())
        ]
    return bundle


def written(
    folder: Path,
    version: str,
    bundle: Bundle,
    *,
    mode: str = "bulk",
    manifest: dict[str, str] | None = None,
) -> Path:
    """Write the bundle as a folder.

    Args:
        folder: made here.
        version: 1.1 or 1.2.
        bundle: the rows of each file; a column that no row has is there and empty.
        mode: what the manifest says of each file.
        manifest: properties to add to the manifest or to replace; None as a value takes one away.
    """
    folder.mkdir(parents=True)
    properties = {"manifest.version": "1.0", "oneroster.version": version}
    properties |= {f"file.{file}": mode for file in bundle} | (manifest or {})
    rows = [{"propertyName": name, "value": value} for name, value in properties.items() if value is not None]
    (folder / "manifest.csv").write_bytes(csv_bytes(["propertyName", "value"], rows))
    for file, records in bundle.items():
        extra = dict.fromkeys(name for record in records for name in record)
        header = dict.fromkeys([*columns(version, file), *extra])
        (folder / f"{file}.csv").write_bytes(csv_bytes(header, records))
    return folder


def csv_bytes(header: Iterable[str], records: Rows) -> bytes:
    """A CSV file with CRLF line ends."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(header), restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def zipped(folder: Path, top: str = "") -> Path:
    """Zip the folder's files, in a folder named top where it is given."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{top}/{file.name}" if top else file.name)
    return path


def row_id(kind: str, sourced_id: str) -> str:
    """The id that the loader derives for a sourcedId that is not a UUID."""
    return derived_id(f"oneroster/{kind}", sourced_id)
