"""A writer who never stops: operational rows that come, change and go while a catalog is kept up."""

import random
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

import psycopg

CHANGES = (
    """update caliper_score set score_given = max_score - score_given
    where id = (select id from caliper_score where max_score is not null order by random() limit 1)""",
    """insert into caliper_score (id, attempt_id, score_given, max_score, date_created)
    select 'written ' || gen_random_uuid(), id, round(random()::numeric), 1, now()
    from caliper_attempt order by random() limit 3""",
    """delete from caliper_score
    where id = (select id from caliper_score where id like 'written %' order by random() limit 1)""",
    """update caliper_attempt set duration = 'PT' || ceil(random() * 90) || 'S'
    where id = (select id from caliper_attempt order by random() limit 1)""",
    """update caliper_event set session_id = (select id from caliper_session order by random() limit 1)
    where id = (select id from caliper_event where session_id is not null order by random() limit 1)""",
    """insert into tb_xp_ledger (id, user_id, application_id, value, date_generated, date_created)
    select gen_random_uuid(), user_id, application_id, -value, now(), now()
    from tb_xp_ledger order by random() limit 1""",
    """update tb_xp_ledger set value = value + 1
    where id = (select id from tb_xp_ledger order by random() limit 1)""",
)
"""What the stored models are made of changes, each time in rows of the server's choice."""


@dataclass
class Writer(AbstractContextManager):
    """A thread that changes rows of the operational tables, a few a second, in a connection of its own.

    Attributes:
        dsn: libpq's connection string.
        schema: the schema of the operational tables.
        chance: what is drawn from.
        pause: seconds between two transactions.
    """

    dsn: str
    schema: str
    chance: random.Random
    pause: float = 0.05
    commits: int = 0

    def __enter__(self) -> "Writer":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        with psycopg.connect(self.dsn) as conn:
            conn.execute("select set_config('search_path', %s, false)", [self.schema])
            conn.commit()
            while not self._stop.wait(self.pause):
                for _ in range(self.chance.choice((1, 1, 2, 5))):
                    conn.execute(self.chance.choice(CHANGES))
                # now and then a transaction is given up, or stays open for a while
                if self.chance.random() < 0.2:
                    self._stop.wait(self.chance.uniform(0, 2))
                if self.chance.random() < 0.1:
                    conn.rollback()
                else:
                    conn.commit()
                    self.commits += 1
