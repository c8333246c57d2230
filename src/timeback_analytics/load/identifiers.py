"""Ids of operational rows, for sources whose own ids are not UUIDs."""

import re
import uuid
from functools import lru_cache
from urllib.parse import quote

# uuid5(NAMESPACE_DNS, 'timeback-analytics'). Never to be changed: what is loaded already has its ids from it.
NAMESPACE = uuid.UUID("740cbf68-0e68-5162-8145-ab933b946533")

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)


def as_uuid(text: str) -> str | None:
    """The UUID in lower case when text is one in its canonical form (8-4-4-4-12, any case), else None."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None


@lru_cache(maxsize=2**16)
def derived_id(*parts: str) -> str:
    """The UUID (version 5) that the parts always get: the same in every file, load and database.

    Args:
        parts: what it is the id of, from the general to the particular: ('oneroster', 'user', '4711').
    """
    return str(uuid.uuid5(NAMESPACE, "/".join(parts)))


@lru_cache(maxsize=2**16)
def identify(kind: str, source_id: str) -> str:
    """The id of an operational row: the source's own where that is a UUID, else derived from both arguments.

    Two kinds never share a derived id: standards ask for unique ids, and exports number each file from 1.
    """
    return as_uuid(source_id) or derived_id(kind, source_id)


def scoped(prefix: str, source: str) -> str:
    """The prefix of derived ids, for records of a source: with its name where the user gave one.

    Args:
        prefix: the format, such as 'oneroster'.
        source: see Options.source.
    """
    # no kind of record has an @, so no source is ever taken for one
    return f"{prefix}/@{quote(source, safe='')}" if source else prefix
