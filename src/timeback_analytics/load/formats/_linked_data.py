"""JSON-LD as senders of events use it: prefixes of a context, types and ids in several spellings."""

import re
from collections.abc import Mapping
from typing import Any

Prefixes = Mapping[str, str]

_KEYWORDS = {"@id": "id", "@type": "type"}
_TERM = re.compile(r"[^/#:]+\Z")
_VOCABULARY = "caliper:"


def prefixes_of(context: Any, above: Prefixes) -> Prefixes:
    """The prefixes that a context defines, beside those that hold above it."""
    if isinstance(context, list):
        for part in context:
            above = prefixes_of(part, above)
        return above
    if not isinstance(context, dict):
        return above
    found = dict(above)
    for name, meaning in context.items():
        iri = meaning.get("@id") if isinstance(meaning, dict) else meaning
        if isinstance(iri, str) and iri.endswith(("/", "#", ":", "=")) and not name.startswith("@"):
            found[name] = iri
    return found


def expanded(text: str, prefixes: Prefixes) -> str:
    """An id with its prefix written out, without white space around it."""
    text = text.strip()
    if prefixes:
        prefix, colon, rest = text.partition(":")
        if colon and not rest.startswith("//") and prefix in prefixes:
            return prefixes[prefix] + rest
    return text


def term(value: Any) -> str | None:
    """The name of a type or an action, as a name, with a prefix, or as an IRI; of a list the first."""
    if isinstance(value, list):
        return next((found for found in map(term, value) if found), None)
    if not isinstance(value, str):
        return None
    found = _TERM.search(value.strip())
    return found.group() if found else None


def normal(thing: dict[str, Any]) -> dict[str, Any]:
    """The object with its members named as Caliper names them: id for @id, actor for caliper:actor."""
    if not any(name in _KEYWORDS or name.startswith(_VOCABULARY) for name in thing):
        return thing
    return {_KEYWORDS.get(name, name.removeprefix(_VOCABULARY)): member for name, member in thing.items()}


def reference(value: Any, prefixes: Prefixes) -> tuple[str | None, dict[str, Any]]:
    """The id of what is given as an IRI or as an object, and the object, which is empty for an IRI.

    The id is None where nothing is given, or an object without an id. Of a list the first counts.
    """
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        return expanded(value, prefixes) or None, {}
    if not isinstance(value, dict):
        return None, {}
    thing = normal(value)
    if "@context" in thing:
        prefixes = prefixes_of(thing["@context"], prefixes)
    name = thing.get("id")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    return (expanded(name, prefixes) or None) if isinstance(name, str) else None, thing
