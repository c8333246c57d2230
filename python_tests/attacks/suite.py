"""All attacks.

An attack is a function that takes a session and a scoped view and asks whatever it likes. It judges nothing:
the session keeps every row, message and error, and the caller looks through them for another school's data.
"""

from attacks import around, asking, predicates
from attacks.session import ATTACKS

__all__ = ["ATTACKS", "around", "asking", "predicates"]
