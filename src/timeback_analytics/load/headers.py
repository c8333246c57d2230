"""Column names that are nearly the ones that a standard has."""

import difflib
from collections.abc import Iterable

# Words that exports have in place of the standard's, and no spelling leads to.
_OTHER_WORDS = {
    "beginDate": ("startDate", "entryDate", "fromDate", "enrollmentStartDate", "enrollDate"),
    "endDate": ("exitDate", "finishDate", "toDate", "stopDate", "enrollmentEndDate", "dropDate"),
    "email": ("emailAddress", "mail", "eMail"),
    "agentSourcedIds": ("agents", "agentIds", "parentSourcedIds", "guardianSourcedIds", "guardians"),
    "givenName": ("firstName", "forename"),
    "familyName": ("lastName", "surname"),
    "dateLastModified": ("lastModified", "modified", "updatedAt", "lastModifiedDate"),
    "parentSourcedId": ("parentId", "parentOrgSourcedId", "parent"),
    "sourcedId": ("id", "sourceId", "identifier"),
    "termSourcedIds": ("terms", "termIds"),
    "orgSourcedIds": ("schools", "orgs", "schoolSourcedIds"),
    "score": ("result", "points"),
}
_LIKENESS = 0.8


def near_names(missing: Iterable[str], unread: Iterable[str]) -> dict[str, str]:
    """For columns that a file lacks, the one of its columns that may be meant.

    Args:
        missing: the names that it lacks.
        unread: its names that nobody reads.
    """
    folded: dict[str, str] = {}
    for name in unread:
        folded.setdefault(_folded(name), name)
    found = {}
    for name in missing:
        words = [_folded(word) for word in (name, *_OTHER_WORDS.get(name, ()))]
        same = next((folded[word] for word in words if word in folded), None)
        if same is None:
            close = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=_LIKENESS)
            same = folded[close[0]] if close else None
        if same is not None:
            found[name] = same
    return found


def _folded(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
