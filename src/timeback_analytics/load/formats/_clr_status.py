"""Which credentials were revoked: by 1EdTech's lists of them, and by lists of bits."""

import base64
import gzip
import zlib
from typing import Any

from timeback_analytics.load.formats._linked_data import term

_BIT_LISTS = ("BitstringStatusListCredential", "StatusList2021Credential")
_LARGEST = 2**24


class Revocations:
    """What the lists among the files say.

    Attributes:
        unchecked: credentials that name a list that is not among the files.
    """

    def __init__(self) -> None:
        self.unchecked = 0
        self._ids: set[str] = set()
        self._lists: set[str] = set()
        self._bits: dict[str, bytes] = {}

    def add(self, thing: dict[str, Any]) -> bool:
        """Take a list of revocations; False where the thing is none."""
        name = thing.get("id") if isinstance(thing.get("id"), str) else ""
        revoked = thing.get("revokedCredential", thing.get("revokedCredentials"))
        if isinstance(revoked, list):
            self._lists.add(name)
            for one in revoked:
                found = one.get("id") if isinstance(one, dict) and one.get("revoked", True) else one
                if isinstance(found, str):
                    self._ids.add(found)
            return True
        kinds = thing.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        subject = thing.get("credentialSubject")
        if not any(term(kind) in _BIT_LISTS for kind in kinds) or not isinstance(subject, dict):
            return False
        purpose = subject.get("statusPurpose", "revocation")
        if "revocation" in (purpose if isinstance(purpose, list) else [purpose]):
            self._bits[name] = _bits(subject.get("encodedList"))
        return True

    def is_revoked(self, thing: dict[str, Any]) -> bool:
        """Whether a credential was revoked, by what it says itself or by the lists."""
        if thing.get("revoked") is True or thing.get("id") in self._ids:
            return True
        statuses = thing.get("credentialStatus")
        is_checked = True
        for status in statuses if isinstance(statuses, list) else [statuses]:
            if not isinstance(status, dict) or status.get("statusPurpose", "revocation") != "revocation":
                continue
            name = status.get("statusListCredential")
            if name in self._bits:
                if _is_set(self._bits[name], status.get("statusListIndex")):
                    return True
            elif status.get("id") not in self._lists:
                is_checked = False
        self.unchecked += not is_checked
        return False


def _bits(encoded: Any) -> bytes:
    if not isinstance(encoded, str):
        return b""
    # multibase marks base64url with a u
    text = encoded.removeprefix("u") if not encoded.startswith("H4") else encoded
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return zlib.decompressobj(wbits=31).decompress(packed, _LARGEST)
    except (ValueError, zlib.error, gzip.BadGzipFile):
        return b""


def _is_set(bits: bytes, index: Any) -> bool:
    try:
        place = int(index)
    except (TypeError, ValueError):
        return False
    return 0 <= place < 8 * len(bits) and bool(bits[place // 8] & (128 >> place % 8))
