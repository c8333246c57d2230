"""The grid: callers x datasets x questions, each beside the same question without our scope.

A peer of a cell is the same rows by other means: the model behind a dataset and a join with the school, as
an analyst who may read everything would write it (by hand); the same model without any scope; hand-written
probes on the operational tables; a table that is made every night, in Postgres and as Parquet for DuckDB.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import psycopg
import yaml
from cost import Cost, cost
from parquet import ParquetFile

BUDGET = Path(__file__).resolve().parent / "budget.yml"
INTERNAL = "analytics_internal"
ONE = "md5('school5')::uuid"

# dataset -> the model behind it and its person's column
BEHIND = {
    "attempts": ("int_attempts", "student_id"),
    "aggregated_session_attempts": ("int_aggregated_session_attempts", "student_id"),
    "sessions": ("int_sessions", "student_id"),
    "students_xp": ("int_students_xp", "student_id"),
    "sessions_waste": ("int_sessions_waste", "student_id"),
    "sessions_cheating": ("int_sessions_cheating", "student_id"),
    "sessions_proctoring": ("int_sessions_proctoring", "student_id"),
    "waste_insights": ("int_waste_insights", "student_id"),
    "cheating_insights": ("int_cheating_insights", "student_id"),
    "proctoring_insights": ("int_proctoring_insights", "student_id"),
    "students_mastery": ("int_students_mastery", "student_id"),
    "placement_results": ("int_placement_results", "student_id"),
    "recommendations": ("int_recommendations", "student_id"),
    "students": ("int_students", "id"),
    "guides": ("int_guides", "id"),
    "student_guides": ("int_student_guides", "student_id"),
    "student_schools": ("int_student_schools", "student_id"),
    "students_enrollments": ("int_students_enrollments", "student_id"),
    "student_start_dates": ("int_student_start_dates", "student_id"),
}
THREE_SUMS = (
    "select s.id, w.waste_duration_sec, c.cheating_duration_sec, p.proctoring_duration_sec "
    "from analytics.sessions s "
    "left join analytics.sessions_waste w on s.id = w.session_id "
    "left join analytics.sessions_cheating c on s.id = c.session_id "
    "left join analytics.sessions_proctoring p on s.id = p.session_id"
)


@dataclass(frozen=True)
class Cell:
    """One comparison: its name, what it measured, and the figure that the budget limits."""

    name: str
    shown: str
    figure: float | None


class Grid:
    """Measures on one database.

    Args:
        connect: opens a connection; its argument is SQL for the value of app.allowed_org_ids, or None.
        schools: how many the platform has.
        repeats: runs of each query; the best counts.
        parquet: the table that is made every night, for DuckDB; None leaves this peer out.
    """

    def __init__(
        self,
        connect: Callable[[str | None], psycopg.Connection],
        schools: int,
        repeats: int,
        parquet: ParquetFile | None = None,
    ) -> None:
        self._connect = connect
        self._schools = schools
        self._repeats = repeats
        self._parquet = parquet

    def _cost(self, query: str, scope: str | None = None, repeats: int | None = None) -> Cost | None:
        with self._connect(scope) as conn:
            return cost(conn, query, repeats or self._repeats)

    def _list(self, schools: int) -> str:
        ids = "string_agg(md5('school' || n)::uuid::text, ',')"
        return f"(select {ids} from generate_series(1, {schools}) as n)"

    def cells(self) -> Iterator[Cell]:
        """Every cell of the grid, as it is measured."""
        yield from self._one_school()
        yield from self._many_schools()
        yield from self._questions()

    def _one_school(self) -> Iterator[Cell]:
        total = 0.0
        for dataset, (model, person) in BEHIND.items():
            ours = self._cost(f"select * from analytics.{dataset}", f"{ONE}::text")
            by_hand = self._cost(
                f"select r.* from {INTERNAL}.{model} r where {_of_the_school(person)}",
                repeats=1 if dataset in ("sessions_waste", "aggregated_session_attempts") else None,
            )
            if ours is not None:
                total += ours.whole
            yield _ratio(f"planning: {dataset}", ours, by_hand, lambda c: c.planning, "ms")
        yield Cell("one school: all scoped datasets", f"{total:,.0f} ms of CPU", total / 1000)

    def _many_schools(self) -> Iterator[Cell]:
        scopes = {"everybody": "'*'"} | {
            f"{share:.0%} of the schools": self._list(max(1, int(self._schools * share)))
            for share in (0.1, 0.3, 1)
        }
        for dataset, (model, person) in BEHIND.items():
            plain = self._cost(
                f"select r.*, o.org_ids from {INTERNAL}.{model} r "
                "left join (select person_id, array_agg(distinct org_id order by org_id) as org_ids "
                f"from {INTERNAL}.int_person_current_organization group by 1) o on r.{person} = o.person_id",
                repeats=1,
            )
            for name, scope in scopes.items():
                ours = self._cost(f"select * from analytics.{dataset}", scope, repeats=1)
                yield _ratio(f"{name}: {dataset}", ours, plain, lambda c: c.whole, "ms")
        xp = [
            self._cost("select * from analytics.students_xp", self._list(n)) for n in (1, self._schools // 10)
        ]
        if None not in xp:
            many = max(1, self._schools // 10)
            yield Cell(
                "students_xp: a tenth of the schools / so many times one school",
                f"{xp[1].whole:,.0f} / {many} x {xp[0].whole:,.0f} ms",
                xp[1].whole / (many * xp[0].whole),
            )

    def _questions(self) -> Iterator[Cell]:
        one = f"{ONE}::text"
        probes = self._cost(PROBES)
        yield _ratio(
            "attempts of one school / hand-written probes",
            self._cost("select * from analytics.attempts", one), probes, lambda c: c.whole, "ms",
        )  # fmt: skip
        with self._connect(one) as conn:
            sessions = conn.execute(
                "select array_agg(id)::text "
                "from (select id from analytics.sessions order by id limit 5) as five"
            ).fetchone()[0]
        yield _ratio(
            "attempts, session_id = any(five) / by hand",
            self._cost(f"select * from analytics.attempts where session_id = any('{sessions}')", one),
            self._cost(
                f"select r.* from {INTERNAL}.int_attempts r "
                f"where session_id = any('{sessions}') and {_of_the_school('student_id')}"
            ),
            lambda c: c.whole, "ms",
        )  # fmt: skip
        sums = self._cost(THREE_SUMS, one)
        if sums is not None:
            yield Cell("planning: sessions with three sums, ms", f"{sums.planning:.1f} ms", sums.planning)
            if sums.memory is not None:
                yield Cell("planning: sessions with three sums, MB", f"{sums.memory:.1f} MB", sums.memory)
        usage = self._cost(f"select * from analytics.school_usage_stats where school_id = {ONE}", one)
        if usage is not None:
            yield Cell("school_usage_stats of one school, ms", f"{usage.whole:.1f} ms", usage.whole)
        ours = self._cost("select * from analytics.attempts", one)
        for name, peer in PEERS.items():
            yield _ratio(
                f"attempts of one school / {name}", ours, self._cost(peer, repeats=1), lambda c: c.whole, "ms"
            )
        if self._parquet:
            with self._connect(None) as conn:
                (school,) = conn.execute(f"select {ONE}::text").fetchone()
            theirs = self._parquet.cost(
                f"select * from nightly_attempt where list_contains(org_ids, '{school}'::uuid)", self._repeats
            )
            yield _ratio("attempts of one school / DuckDB on Parquet", ours, theirs, lambda c: c.whole, "ms")


def _of_the_school(person: str) -> str:
    """SQL condition on r: that its person is of the one school."""
    return (
        "exists (select from operational.one_roster_role m "
        f"where m.user_id = r.{person} and m.org_id = {ONE} and m.status = 'active')"
    )


def _ratio(
    name: str, ours: Cost | None, other: Cost | None, figure: Callable[[Cost], float], unit: str
) -> Cell:
    if ours is None:
        return Cell(name, "reached the timeout", float("inf"))
    if other is None:
        return Cell(name, f"{figure(ours):,.1f} {unit}; the other reached the timeout", 0.0)
    ratio = figure(ours) / max(figure(other), 0.01)
    return Cell(
        name,
        f"{figure(ours):,.1f} / {figure(other):,.1f} {unit}, x{ratio:.2f}; "
        f"{ours.buffers:,} / {other.buffers:,} buffers",
        ratio,
    )


PROBES = f"""
select
    a.assignee_id, a.assignable_id, e.session_id, (a.started_at_time at time zone 'UTC')::date as date,
    a.started_at_time, a.ended_at_time,
    coalesce(
        round(extract(epoch from a.duration::interval)),
        round(extract(epoch from a.ended_at_time - a.started_at_time))
    ) as duration_sec,
    s.is_correct
from (
    select distinct user_id from operational.one_roster_role where org_id = {ONE} and status = 'active'
) p
join operational.caliper_attempt a on a.assignee_id = p.user_id
left join lateral (
    select score_given = max_score as is_correct from operational.caliper_score s
    where s.attempt_id = a.id order by date_created desc, id collate "C" desc limit 1
) s on true
left join lateral (
    select session_id from (
        select session_id, event_time, id from operational.caliper_event where generated_id = a.id
        union all
        select session_id, event_time, id from operational.caliper_event where object_id = a.id
    ) e where session_id is not null order by event_time, id collate "C" limit 1
) e on true
where not exists (
    select from operational.caliper_attempt b
    where b.assignee_id = a.assignee_id and b.assignable_id = a.assignable_id
    and (b.started_at_time, coalesce(b.count, 0), b.id collate "C")
        < (a.started_at_time, coalesce(a.count, 0), a.id collate "C")
)
"""
"""The same attempts by index probes, written out: the limit of a live view."""

PEERS = {
    "a table made every night, index on the school": (
        f"select * from benchmark.nightly_attempt where org_ids @> array[{ONE}]"
    ),
    "a table made every night, in the order of schools": (
        f"select * from benchmark.nightly_attempt_by_school where org_id = {ONE}"
    ),
}


def over_budget(cells: list[Cell]) -> list[str]:
    """What costs more than budget.yml allows, a line each; names are matched from the longest prefix on."""
    budget: dict[str, float] = yaml.safe_load(BUDGET.read_text(encoding="utf-8"))
    found = []
    for cell in cells:
        limits = [(prefix, limit) for prefix, limit in budget.items() if cell.name.startswith(prefix)]
        if limits and cell.figure is not None:
            _, limit = max(limits, key=lambda pair: len(pair[0]))
            if cell.figure > limit:
                found.append(f"{cell.name}: {cell.figure:.2f}, may be {limit} ({cell.shown})")
    return found


def measure(grid: Grid) -> list[Cell]:
    """Every cell, printed as it comes."""
    cells = []
    for cell in grid.cells():
        click.echo(f"  {cell.name:<62} {cell.shown}")
        cells.append(cell)
    return cells
