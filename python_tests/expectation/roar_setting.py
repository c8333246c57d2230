"""The setting that names ROAR's organizations: texts of it, and what they ask for, in plain Python."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from expectation.roar_documents import IDS


def is_bare(element: str) -> bool:
    """Whether an id may be written without quotes."""
    return bool(re.fullmatch(r'[^ \t\n\v\f\r,{}"\\/*]+', element)) and element.lower() != "null"


class NoListError(ValueError):
    """The setting is not a list; `element` is the first part of it that is not an id."""

    def __init__(self, element: str) -> None:
        super().__init__(element)
        self.element = element


SETTING = "app.allowed_roar_org_ids"
_BLANKS = " \t\n\v\f\r"


def organizations_asked_for(setting: str) -> frozenset[str] | None:
    """What the setting asks for; None for everybody.

    Raises:
        NoListError: it is neither a list nor `*`.
    """
    text = setting.strip(_BLANKS)
    if text == "*":
        return None
    if len(text) >= 2 and text[0] == "{" and text[-1] == "}":
        text = text[1:-1].strip(_BLANKS)
    found = set()
    while text or found:
        element, text, is_last = _first_element(text)
        found.add(element)
        if is_last:
            break
    return frozenset(found)


def _first_element(text: str) -> tuple[str, str, bool]:
    """The first id of a list, what is behind its comma, and whether there is no comma."""
    # up to the comma; one between a quote and its end is not an end of the element
    raw = re.match(r'[^",]*"(?:[^"\\]|\\.)*"[^",]*(?=,|\Z)|[^,]*', text, re.DOTALL)[0]
    rest, is_last = text[len(raw) + 1 :], len(raw) == len(text)
    element = raw.strip(_BLANKS)
    if quoted := re.fullmatch(r'"((?:[^"\\/]|\\[^/])+)"', element, re.DOTALL):
        return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), rest, is_last
    if not is_bare(element):
        raise NoListError(element)
    return element, rest, is_last


_TEXTS = (
    "",
    " ",
    "\t\n\v\f\r ",
    "{}",
    "{ }",
    "*",
    " * ",
    "{*}",
    "*,a",
    "a,*",
    '"*"',
    ",",
    "{,}",
    "a,",
    ",a",
    "a,,b",
    "a, ,b",
    "{a",
    "a}",
    "{{a}}",
    "{a},{b}",
    "null",
    "a,NULL",
    '"null"',
    '""',
    '"',
    '"a',
    '"a"b',
    'a"b"',
    '"a" "b"',
    "a b",
    "a/b",
    '"a/b"',
    '"a\\/b"',
    '"a\\',
    '"\\"',
    '"a\\\\"',
    "a\\b",
    '"a,null,b"',
    "[0:1]={a,b}",
    "[a]",
    "a;b",
    "a\u00a0",
    "' or true --",
    '{"a","b,c"}',
    '{"a","b\\"}',
    '"{a}"',
    "(a)",
)


def settings() -> Iterator[str]:
    """Lists in many spellings, good and bad: ids and tokens thrown together."""
    chance = random.Random("roar settings")
    yield from _TEXTS
    tokens = (
        *(listed([element]) for element in IDS[:30]),
        ",",
        ",",
        " ",
        "{",
        "}",
        '"',
        "\\",
        "a",
        "null",
        "*",
        "/",
    )
    for _ in range(600):
        yield "".join(chance.choices(tokens, k=chance.randint(1, 7)))
    for _ in range(100):
        elements = chance.sample(IDS, chance.randint(1, 5))
        text = ", ".join(listed([element], quote_all=chance.random() < 0.5) for element in elements)
        yield f"{{{text}}}" if chance.random() < 0.5 else text


def listed(ids: list[str], *, quote_all: bool = False) -> str:
    """The setting that asks for these ids."""
    return ",".join(
        '"' + re.sub(r'(["\\])', r"\\\1", element) + '"' if quote_all or not is_bare(element) else element
        for element in ids
    )
