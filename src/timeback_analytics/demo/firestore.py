"""Values as exports of Firestore have them: ids, and moments in several forms."""

import hashlib
import string
from datetime import datetime
from typing import Any

Document = dict[str, Any]

_ALPHABET = string.digits + string.ascii_letters


def firestore_id(*key: object) -> str:
    """Twenty letters and digits, as Firestore makes ids, decided by the key."""
    number = int.from_bytes(hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=20).digest(), "big")
    characters = []
    for _ in range(20):
        number, place = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[place])
    return "".join(characters)


def iso(moment: datetime) -> str:
    """A moment as text, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp(moment: datetime) -> Document:
    """A moment as an object of seconds and nanoseconds."""
    return {"_seconds": int(moment.timestamp()), "_nanoseconds": moment.microsecond * 1000}
