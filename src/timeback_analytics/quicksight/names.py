"""Names, ids and ARNs of QuickSight resources, and texts cut to what a field of the service takes."""

import re

COLUMN_DESCRIPTION = 500
DATA_SET_DESCRIPTION = 500
TOPIC_DESCRIPTION = 256
TOPIC_INSTRUCTIONS = 5_000
DATA_SET_INSTRUCTIONS = 50_000

# How the parts of our column names are written for people; a unit stands in brackets.
WORDS = {
    "id": "ID",
    "ids": "IDs",
    "xp": "XP",
    "map": "MAP",
    "pid": "PID",
    "uid": "UID",
    "roar": "ROAR",
    "afc": "AFC",
    "rt": "response time",
    "num": "number",
    "avg": "average",
    "se": "standard error",
    "url": "URL",
    "sec": "(seconds)",
    "unix": "(Unix)",
    "org": "organization",
    "orgs": "organizations",
}


def title(name: str) -> str:
    """A column's or data set's name as a person reads it: `duration_sec` is `Duration (seconds)`."""
    words = " ".join(WORDS.get(word, word) for word in name.split("_"))
    return words[0].upper() + words[1:]


def table_key(name: str) -> str:
    """A key of a table map, which takes letters, digits and hyphens alone, up to 64 of them."""
    return re.sub(r"[^0-9a-zA-Z]+", "-", name).strip("-")


def one_line(text: str) -> str:
    """The text without line breaks, Markdown's code marks and doubled spaces."""
    return re.sub(r"\s+", " ", text.replace("`", "")).strip()


def cut(text: str, limit: int) -> str:
    """The text within a limit: as many whole sentences as fit; if none does, whole words and an ellipsis."""
    text = one_line(text)
    if len(text) <= limit:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?= [A-Z(])", text) if match.end() <= limit]
    if ends:
        return text[: ends[-1]]
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
