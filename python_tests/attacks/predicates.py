"""Attacks by predicates and functions that see a row before the scope does."""

from psycopg import sql

from attacks.session import PLANNERS, Session, View, attack

_ON_FOREIGN = "'f0f0f0f0|FOREIGN'"

# on each column by itself: a predicate on the whole row needs org_ids, and so waits for the scope anyway
_RAISING = {
    "cast of a value to a number": "({c})::int = 0",
    "division by zero": "1 / (length({c}) * 0) = 0",
    "to_number of a value": "to_number({c}, repeat({c}, 99)) = 0",
    "regular expression out of a value": "'' ~ ('(' || {c})",
}


def _each_column(view: View, expression: str) -> sql.Composed:
    """The expression for every column of v, joined by `and`; {c} in it is the column as text."""
    return sql.SQL(" and ").join(
        sql.SQL(expression).format(c=sql.SQL("v.{}::text").format(sql.Identifier(column)))
        for column in view.columns
    )


def _register_raising(name: str, expression: str, planner: str) -> None:
    @attack(f"{name}, {planner}", "barrier", every_error_tells=True, planner=planner)
    def make(session: Session, view: View) -> None:
        session.plan_by(planner)
        session.count(
            "select count(*) from {v} as v where {each}",
            v=view.quoted,
            each=_each_column(view, f"case when {{c}} ~ {_ON_FOREIGN} then {expression} else true end"),
        )


def _register_reporting(volatility: str, planner: str) -> None:
    name = f"{volatility} function of the caller's that costs nothing"

    @attack(f"{name}, {planner}", "barrier", planner=planner)
    def make(session: Session, view: View) -> None:
        session.plan_by(planner)
        _make_reporter(session, volatility)
        session.count("select count(*) from {v} as v where pg_temp.report(v::text)", v=view.quoted)
        session.count("select count(*) from {v} as v where {each}", v=view.quoted, each=_reported(view))


def _reported(view: View) -> sql.Composed:
    return _each_column(view, "pg_temp.report({c})")


def _make_reporter(session: Session, volatility: str = "immutable") -> None:
    session.conn.execute(
        f"""create function pg_temp.report(value text) returns boolean
        language plpgsql {volatility} cost 0.0000001
        as 'begin raise notice ''%'', value; return true; end'"""
    )


for _planner in PLANNERS:
    for _name, _expression in _RAISING.items():
        _register_raising(_name, _expression, _planner)
    for _volatility in ("immutable", "stable", "volatile"):
        _register_reporting(_volatility, _planner)


@attack("a function of the caller's in a join, an order, a group, a window", "barrier")
def _elsewhere_in_the_query(session: Session, view: View) -> None:
    _make_reporter(session)
    for query in (
        "select count(*) from {v} as v inner join (values (true)) as one (yes) on ({each}) = yes",
        "select count(*) from (select from {v} as v order by ({each})) as o",
        "select count(*) from (select from {v} as v group by ({each})) as g",
        "select count(*) from (select {each} as told, row_number() over () from {v} as v) as w where told",
        "select count(*) from {v} as v where exists (select where {each})",
        "select count(*) from (select * from {v} limit 1000) as v where {each}",
        "select count(*) from (values (1)) as one (n) cross join lateral (select * from {v} as v "
        "where {each} and n = 1) as l",
        "select count(*) from {v} as v where v::text ~ 'x' or ({each})",
    ):
        session.ask(query, v=view.quoted, each=_reported(view))


@attack("an operator of the caller's", "barrier")
def _own_operator(session: Session, view: View) -> None:
    session.ask(
        """create function pg_temp.told(value text, text) returns boolean
        language plpgsql immutable cost 0.0000001
        as 'begin raise notice ''%'', value; return true; end'"""
    )
    session.ask(
        "create operator pg_temp.=== (function = pg_temp.told, leftarg = text, rightarg = text, "
        "restrict = eqsel, join = eqjoinsel)"
    )
    each = _each_column(view, "{c} operator(pg_temp.===) ''")
    session.count("select count(*) from {v} as v where {each}", v=view.quoted, each=each)


@attack("a function that claims to be leakproof", None)
def _leakproof(session: Session, view: View) -> None:
    session.ask(
        """create function pg_temp.quiet(value text) returns boolean language plpgsql leakproof
        as 'begin raise notice ''%'', value; return true; end'"""
    )
    session.ask("select count(*) from {v} as v where pg_temp.quiet(v::text)", v=view.quoted)


@attack("a generic plan with a function of the caller's", "barrier")
def _generic_reporter(session: Session, view: View) -> None:
    _make_reporter(session)
    session.conn.execute("set local plan_cache_mode = force_generic_plan")
    each = _each_column(view, "pg_temp.report({c} || $1)")
    session.ask(
        "prepare probe (text) as select count(*) from {v} as v where {each}", v=view.quoted, each=each
    )
    session.ask("execute probe ('')")
    session.ask("deallocate probe")


@attack("a view of the caller's over the published one", "barrier")
def _own_view(session: Session, view: View) -> None:
    _make_reporter(session)
    for option in ("security_barrier = false", "security_invoker = true"):
        session.ask(
            f"create or replace view attacker.over with ({option}) as select * from {{v}}", v=view.quoted
        )
        session.ask("select count(*) from attacker.over as v where {each}", each=_reported(view))


@attack("errors caught and told in a block", "barrier")
def _caught(session: Session, view: View) -> None:
    session.ask(
        """create function pg_temp.attempt() returns text language plpgsql as $$
        declare
            told text;
        begin
            perform from {v} as v where {each};
            return null;
        exception when others then
            get stacked diagnostics told = message_text;
            return told;
        end $$""",
        v=view.quoted,
        each=_each_column(view, f"case when {{c}} ~ {_ON_FOREIGN} then {{c}}::int = 0 else true end"),
    )
    session.ask("select pg_temp.attempt()")
