"""Identifiers and chance that come out the same on every machine and in every run.

Nothing here depends on the order of calls: what is drawn for a key is a function of that key alone, so
that a row added to the demo's input leaves every other row as it was.
"""

import hashlib
import uuid
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

Choice = TypeVar("Choice")

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:timeback-analytics:demo")


def uid(*key: object) -> uuid.UUID:
    """The UUID (version 5) of a key such as ("attempt", student, item)."""
    return uuid.uuid5(NAMESPACE, "/".join(map(str, key)))


def urn(*key: object) -> str:
    """The same as an IRI, the form in which Caliper clients mostly send an id."""
    return f"urn:uuid:{uid(*key)}"


def share(*key: object) -> float:
    """A number from 0 to below 1 that the key alone decides, evenly spread over keys."""
    digest = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    # 53 bits are what a float holds; more would round up to 1 now and then
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def pick(choices: Sequence[Choice], *key: object) -> Choice:
    """One of the choices, decided by the key."""
    return choices[int(share(*key) * len(choices))]


def between(low: int, high: int, *key: object) -> int:
    """A whole number from low to high, both included, decided by the key."""
    return low + int(share(*key) * (high - low + 1))


def normal(mean: float, deviation: float, *key: object) -> float:
    """A normally distributed number, decided by the key."""
    # inv_cdf is undefined at 0
    return NormalDist(mean, deviation).inv_cdf(max(share(*key), 2**-53))
