"""Grade levels as exports write them, as the codes of the Common Education Data Standards (CEDS)."""

import re

_CODES = frozenset(
    ["IT", "PR", "PK", "TK", "KG", "AS", "BA", "PB", "MD", "PM", "DO", "PD", "AE", "PT", "OT", "PS", "UG"]
    + [f"{number:02}" for number in range(1, 14)]
)
_WORDS = {
    "k": "KG",
    "kg": "KG",
    "kn": "KG",
    "kinder": "KG",
    "kindergarten": "KG",
    "kindergarden": "KG",
    "prek": "PK",
    "prekindergarten": "PK",
    "prekinder": "PK",
    "pre-k": "PK",
    "preschool": "PR",
    "transitionalkindergarten": "TK",
    "infant": "IT",
    "toddler": "IT",
    "infanttoddler": "IT",
    "ungraded": "UG",
    "postsecondary": "PS",
    "adulteducation": "AE",
    "adult": "AE",
    "other": "OT",
}
_NAMES = (
    ("first", "one"),
    ("second", "two"),
    ("third", "three"),
    ("fourth", "four"),
    ("fifth", "five"),
    ("sixth", "six"),
    ("seventh", "seven"),
    ("eighth", "eight"),
    ("ninth", "nine", "freshman"),
    ("tenth", "ten", "sophomore"),
    ("eleventh", "eleven", "junior"),
    ("twelfth", "twelve", "senior"),
    ("thirteenth", "thirteen"),
)
_NUMBERS = {name: number for number, names in enumerate(_NAMES, 1) for name in names}
_NUMBER = re.compile(r"0*([1-9]|1[0-3])(?:\.0)?(?:st|nd|rd|th)?", re.ASCII)
_BETWEEN = re.compile(r"[;|/&+]|\s+and\s+|\s+")


def ceds_codes(text: str) -> list[str]:
    """The CEDS codes that a grade means; none where that is not plain.

    Numbers with and without zeros, ordinals, words (Kindergarten, First Grade, Ungraded), common letters
    (K, P, UG) and several of them with ; | or / between. 0, 00 and -1 are not plain: exports that number
    the years before the first grade do so in several ways.
    """
    whole = _code(text)
    if whole:
        return [whole]
    codes = [_code(part) for part in _BETWEEN.split(text.strip()) if part]
    return list(dict.fromkeys(codes)) if codes and all(codes) else []


def _code(text: str) -> str | None:
    word = text.strip().lower()
    if word.upper() in _CODES:
        return word.upper()
    word = re.sub(r"^(grade|gr\.?|year group|g)\s*[-_.:]?\s*(?=[\dkp])|\s*[-_.]?\s*(grade|gr\.?)$", "", word)
    number = _NUMBER.fullmatch(word)
    if number:
        return f"{int(number[1]):02}"
    plain = re.sub(r"[^a-z]", "", word)
    if plain in _WORDS and not any(character.isdigit() for character in word):
        return _WORDS[plain]
    if word in _NUMBERS:
        return f"{_NUMBERS[word]:02}"
    return word.upper() if word.upper() in _CODES else None
