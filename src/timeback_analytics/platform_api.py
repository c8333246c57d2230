"""What TimeBack's platform answers, saved as files: its events and rosters, by its own Python clients.

The clients are the extra `api`, and need Python 3.12. Nothing here imports anything of this package's but
its errors, so that the files can be fetched in another Python than they are loaded in.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from timeback_analytics.errors import TimebackError

EVENTS, ROSTERS = "events", "rosters"
_PAGE = 100
# Collection: the service whose path it is below, and the path.
_COLLECTIONS = {
    "orgs": ("rostering", "orgs"),
    "academicSessions": ("rostering", "academicSessions"),
    "users": ("rostering", "users"),
    "courses": ("rostering", "courses"),
    "classes": ("rostering", "classes"),
    "enrollments": ("rostering", "enrollments"),
    "courseComponents": ("rostering", "courses/components"),
    "componentResources": ("rostering", "courses/component-resources"),
    "assessmentResults": ("gradebook", "assessmentResults"),
}
_SETTINGS = (
    "TIMEBACK_API_BASE_URL, TIMEBACK_API_AUTH_URL, TIMEBACK_API_CLIENT_ID and TIMEBACK_API_CLIENT_SECRET"
)


def fetch(folder: Path, since: str | None) -> dict[str, int]:
    """Save the platform's answers as JSON lines: rosters/NAME.jsonl and events/events.jsonl.

    Where the platform is and who asks, the clients read from the environment: TIMEBACK_API_BASE_URL and
    TIMEBACK_API_AUTH_URL, or TIMEBACK_API_ENV (staging or production), with TIMEBACK_API_CLIENT_ID and
    TIMEBACK_API_CLIENT_SECRET.

    Args:
        folder: where to; it must be there.
        since: a date or a time in ISO 8601: only events that happened since, and records that changed since;
            None for everything.

    Returns:
        How many records of each collection, by its name.

    Raises:
        TimebackError: the clients are not installed, the platform cannot be reached or refuses, or since is
            no time.
    """
    _check(since)
    try:
        import timeback_caliper
        import timeback_oneroster
    except ImportError as error:
        raise TimebackError(
            "The platform's clients are not installed. They need Python 3.12 or later: "
            "pip install 'timeback-analytics[api]'."
        ) from error
    options = {} if os.environ.get("TIMEBACK_API_BASE_URL") else {"env": _environment()}
    try:
        return asyncio.run(
            _fetch(
                folder,
                since,
                timeback_oneroster.OneRosterClient(**options),
                timeback_caliper.CaliperClient(**options),
            )
        )
    except OSError:
        raise
    except Exception as error:
        # the clients' own errors, and those of what they are made of
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TimebackError(
            f"The platform's API did not answer as asked: {reason}. Nothing was loaded. Look at {_SETTINGS}."
        ) from error


def _check(since: str | None) -> None:
    if since is None:
        return
    try:
        datetime.fromisoformat(since)
    except ValueError as error:
        raise TimebackError(
            f"--since is {since!r}, and must be a date such as {date(2026, 1, 31)}."
        ) from error


def _environment() -> str:
    found = os.environ.get("TIMEBACK_API_ENV", "production")
    if found not in ("staging", "production"):
        raise TimebackError("TIMEBACK_API_ENV must be staging or production.")
    return found


async def _fetch(folder: Path, since: str | None, rosters: Any, events: Any) -> dict[str, int]:
    counts = {}
    async with rosters, events:
        transport = rosters.get_transport()
        params = {"filter": f"dateLastModified>='{since}'"} if since else {}
        (folder / ROSTERS).mkdir()
        for name, (service, path) in _COLLECTIONS.items():
            url = f"{getattr(transport.paths, service)}/{path}"
            pages = _pages(transport, url, params, unwrap_key=name)
            counts[name] = await _save(folder / ROSTERS / f"{name}.jsonl", pages)
        transport = events.get_transport()
        params = {"startDate": since} if since else {}
        (folder / EVENTS).mkdir()
        pages = _pages(transport, transport.paths.list, params)
        counts[EVENTS] = await _save(folder / EVENTS / "events.jsonl", pages)
    return counts


async def _pages(
    transport: Any, path: str, params: dict[str, Any], **options: Any
) -> AsyncIterator[list[dict[str, Any]]]:
    """The pages of a collection, as the client's transport gives them."""
    offset = 0
    while True:
        page = await transport.request_paginated(
            path, params={**params, "limit": _PAGE, "offset": offset}, **options
        )
        yield page.data
        offset += len(page.data)
        # servers that say nothing of a total may have another page after a full one
        is_more = len(page.data) == _PAGE if page.total is None else offset < page.total
        if not page.data or not (page.has_more or is_more):
            return


async def _save(path: Path, pages: AsyncIterator[list[dict[str, Any]]]) -> int:
    """Write the records as JSON lines; how many. An empty collection has no file."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        async for page in pages:
            for record in page:
                file.write(json.dumps(record) + "\n")
            count += len(page)
    if not count:
        path.unlink()
    return count
