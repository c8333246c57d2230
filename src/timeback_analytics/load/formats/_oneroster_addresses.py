"""E-mail addresses: each belongs to one user, and of several who have it the first keeps it."""

from typing import Any

from timeback_analytics.load.database import Database
from timeback_analytics.load.problems import shown

Row = tuple[Any, ...]


class Addresses:
    """Who has which address. Capitals make no difference."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holders: dict[str, tuple[str, int]] = {}
        # address, line and the line of the one who keeps it
        self._second: list[tuple[str, int, int]] = []

    def claim(self, email: str, user_id: str, line: int) -> None:
        """Say that a record of users.csv has an address; records come in the order of the file."""
        holder, first = self._holders.setdefault(email.lower(), (user_id, line))
        if holder != user_id:
            self._second.append((email, line, first))

    def share_out(self, names: tuple[str, ...], rows: list[Row], notes: list[str]) -> list[Row]:
        """The rows of one_roster_user, with null in place of an address that somebody else keeps.

        Args:
            names: the columns.
            rows: the rows.
            notes: where to say whose address was left out.
        """
        if "email" not in names:
            return rows
        place = names.index("email")
        in_bundle = {row[0] for row in rows}
        taken = {}
        in_use = self._database.rows(
            "one_roster_user", ("id", "email"), "email", list(self._holders), lower=True
        )
        for user_id, email in in_use:
            # one who is in the bundle too has the address that the bundle says
            if user_id not in in_bundle:
                taken[email.lower()] = user_id
        shared = []
        for row in rows:
            email = row[place]
            if email is not None:
                holder, _ = self._holders.setdefault(email.lower(), (row[0], 0))
                if holder != row[0] or email.lower() in taken:
                    row = (*row[:place], None, *row[place + 1 :])
            shared.append(row)
        self._tell(taken, notes)
        return shared

    def _tell(self, taken: dict[str, str], notes: list[str]) -> None:
        if self._second:
            email, line, first = self._second[0]
            are = "user has" if len(self._second) == 1 else "users have"
            notes.append(
                f"{len(self._second):,} {are} the address of one before them in users.csv, who keeps it; "
                f"theirs is left empty. The first is on line {line}: {shown(email)}, as on line {first}."
            )
        if taken:
            email, user_id = next(iter(taken.items()))
            line = self._holders[email][1]
            are = "user has" if len(taken) == 1 else "users have"
            notes.append(
                f"{len(taken):,} {are} the address of a stored user who is not in users.csv, and keeps it; "
                f"theirs is left empty. The first is on line {line}: {shown(email)}, of user {user_id}."
            )
