"""What a record of a Firestore export says: which document, with what fields, and when."""

import re
from typing import Any

from timeback_analytics.load.formats._firestore_values import parse, plain, without_tags
from timeback_analytics.load.problems import MalformedError, Problems

_OPERATIONS = ("CREATE", "UPDATE", "IMPORT", "DELETE")
_DATABASE = re.compile(r"/?projects/([^/]+)/databases/([^/]+)/")
ADVICE = "See docs/loading.md for the forms that are read."


def document_of(record: Any, collection: str | None) -> tuple[Any, dict[str, Any] | None, Any] | None:
    """(path, fields, time) of a record; fields are None for a deletion. None for a record of nothing.

    Args:
        record: what the file has.
        collection: the collection of documents that say an id alone.

    Raises:
        MalformedError: it is not a record of a document.
    """
    if not isinstance(record, dict):
        raise MalformedError("this is not a document.", ADVICE)
    if "document_name" in record:
        return _of_changelog(record)
    for wrapper in ("document", "found"):
        # a query's answer, and that of a request for several documents
        if isinstance(record.get(wrapper), dict):
            record = record[wrapper]
    if isinstance(record.get("missing"), str) and not record.keys() - {"missing", "readTime", "transaction"}:
        return None
    if "name" in record and record.keys() & {"fields", "createTime", "updateTime"}:
        return record["name"], plain(record.get("fields", {})), record.get("updateTime")
    if "path" in record and "data" in record:
        return record["path"], _fields(record["data"]), record.get("update_time", record.get("updateTime"))
    if "__path__" in record or "__id__" in record or (collection and "id" in record):
        return _of_fields(record, collection)
    if "readTime" in record or "nextPageToken" in record:
        return None
    raise MalformedError(
        "this is not a document: it has neither path and data, nor name and fields, nor document_name and"
        " operation.",
        ADVICE,
    )


def _of_fields(record: dict[str, Any], collection: str | None) -> tuple[Any, dict[str, Any], Any]:
    """A record whose members are the document's fields, with its path or id among them, as Firefoo's."""
    fields = {
        name: without_tags(value) for name, value in record.items() if name not in ("__path__", "__id__")
    }
    if "__path__" in record:
        return record["__path__"], fields, None
    if not collection:
        raise MalformedError(
            "the record says an id, and not of which collection.", "Name the collection with --collection."
        )
    identifier = record["__id__"] if "__id__" in record else fields.pop("id")
    return f"{collection}/{identifier}", fields, None


def _of_changelog(record: dict[str, Any]) -> tuple[Any, dict[str, Any] | None, Any]:
    """A row of the raw changelog that the Firestore-to-BigQuery extension writes."""
    operation = record.get("operation")
    if operation not in _OPERATIONS:
        raise MalformedError(
            f"operation is {operation!r}, and must be one of {', '.join(_OPERATIONS)}.",
            "Export the raw changelog, with document_name, data, operation and timestamp.",
        )
    if record.get("timestamp") in (None, ""):
        raise MalformedError("the row has no timestamp, so nobody knows which one is the newest.")
    data = None if operation == "DELETE" else _fields(record.get("data"))
    return record["document_name"], data, record["timestamp"]


def _fields(data: Any) -> dict[str, Any]:
    """Fields as an object, or as the text of one."""
    if isinstance(data, str):
        try:
            data = parse(data)
        except (ValueError, RecursionError) as error:
            raise MalformedError(f"data is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise MalformedError("data must be an object, or the text of one.")
    return data


class Databases:
    """Whose documents a load takes: those of one database, for the paths of two would be the same.

    Attributes:
        passed_over: documents of other databases than the one that the user wants.
    """

    def __init__(self, wanted: str | None) -> None:
        """Take the documents of any one database, or of the one that is wanted.

        Args:
            wanted: PROJECT or PROJECT/DATABASE.
        """
        self.passed_over = 0
        self._wanted = wanted
        self._found: dict[str, str] = {}

    def wants(self, path: Any, file: str, problems: Problems) -> bool:
        """Whether to take a document; a second database is noted as a problem.

        Args:
            path: the document's name, with its database or without.
            file: where it is.
            problems: where to note the problem.
        """
        form = _DATABASE.match(path) if isinstance(path, str) else None
        if not form:
            return True
        project, database = form.groups()
        name = f"{project}/{database}"
        if self._wanted is not None:
            if self._wanted in (project, name):
                return self._is_the_only(name, file, problems)
            self.passed_over += 1
            return False
        return self._is_the_only(name, file, problems)

    def _is_the_only(self, name: str, file: str, problems: Problems) -> bool:
        if name in self._found:
            return True
        if self._found:
            first, where = next(iter(self._found.items()))
            problems.add(
                file,
                f"these are documents of the database {name}, and those of {where} are of {first}; their "
                "paths may be the same.",
                f"Say which to load: --database {first} or --database {name}.",
            )
        self._found[name] = file
        return True
