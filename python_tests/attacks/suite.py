"""The attacks, and the session in which one is made and everything that is said to it is kept.

An attack is a function that takes a session and a scoped view and asks whatever it likes. It judges nothing:
the session keeps every row, message and error, and the caller looks through them for another school's data.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

PUBLISHED = "analytics"
INTERNAL = "analytics_internal"
SETTING = "app.allowed_org_ids"
"""What the attacks say; asked of a view that goes by another setting, they say that one."""
OWN_SCHEMA = "attacker"
"""A schema that the attacker owns."""
FOREIGN = re.compile(r"f0f0f0f0-[0-9a-f-]{27}|FOREIGN\d+")
"""What another school's rows can be told by, as text."""
_ON_FOREIGN = "'f0f0f0f0|FOREIGN'"

AS_IT_COMES = "as it comes"
PLANNERS = {
    AS_IT_COMES: (),
    "no hash joins": ("enable_hashjoin",),
    "no nested loops": ("enable_nestloop",),
    "no sequential scans": ("enable_seqscan",),
    "no merge joins": ("enable_mergejoin",),
}


@dataclass(frozen=True)
class Guess:
    """A predicate that holds for rows of the other school and none of ours.

    Attributes:
        predicate: SQL with {column} and {value}.
        column: the column of the view.
        hit: the value with which it does, as text.
        miss: one with which it holds for nobody's rows.
    """

    predicate: str
    column: str
    hit: str
    miss: str


@dataclass(frozen=True)
class View:
    """A scoped view: name, columns, setting, what an attacker may guess of the others' rows, schema."""

    name: str
    columns: tuple[str, ...]
    setting: str = SETTING
    guesses: tuple[Guess, ...] = ()
    schema: str = PUBLISHED

    @property
    def quoted(self) -> sql.Identifier:
        """Its name with its schema."""
        return sql.Identifier(self.schema, self.name)


@dataclass
class Session:
    """A reader's connection, and what it has been told since `said` was last cleared.

    Attributes:
        conn: the connection, not in autocommit; each attack is made in a transaction that is rolled back.
        own: the reader's organization.
        foreign: the organization of everybody else.
        said: the text of every row, notice and error.
        counted: what was counted of a view's rows.
        raised: errors that a row's content gave rise to.
        told_apart: guesses whose plan is another one when they hold for somebody else's rows.
        attempts: how many statements have been sent.
        setting: the setting by which the view that is attacked is scoped.
    """

    conn: psycopg.Connection
    own: str
    foreign: str
    said: list[str] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    told_apart: list[str] = field(default_factory=list)
    attempts: int = 0
    setting: str = SETTING

    def __post_init__(self) -> None:
        self.conn.add_notice_handler(lambda notice: self.said.append(_text(notice)))

    def ask(self, statement: str, **names: object) -> list[tuple]:
        """Execute, keep what comes back, go on after an error.

        `{v}` and other names in braces are filled in as identifiers or literals.

        Returns:
            The rows; none after an error.
        """
        query = sql.SQL(statement.replace(SETTING, self.setting)).format(**_filled(names))
        self.attempts += 1
        try:
            with self.conn.transaction():
                cursor = self.conn.execute(query)
                rows = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            self.said.append(_text(error.diag) or str(error))
            if not isinstance(error, psycopg.errors.InsufficientPrivilege):
                self.raised.append(str(error))
            return []
        self.said += [" ".join(map(str, row)) for row in rows]
        return rows

    def count(self, statement: str, **names: object) -> None:
        """Execute, and keep the number in the first row."""
        rows = self.ask(statement, **names)
        if rows:
            self.counted.append(int(rows[0][0] or 0))

    def compare_plans(self, explain: str, guess: Guess, **names: object) -> None:
        """EXPLAIN a query with what is there and with what is not, and keep the guess when the plans differ.

        `{where}` in it is the guess's predicate, `{value}` its value.
        """
        plans = []
        for value in (guess.hit, guess.miss):
            where = sql.SQL(guess.predicate).format(
                column=sql.Identifier(guess.column), value=sql.Literal(value)
            )
            lines = self.explain(explain, **{**names, "where": where, "value": value})
            plans.append([_without(value, line) for line in lines])
            self.said += plans[-1]
        if plans[0] != plans[1]:
            self.told_apart.append(f"{guess.column}: {guess.predicate}")

    def explain(self, explain: str, **names: object) -> list[str]:
        """The lines of a plan."""
        self.attempts += 1
        with self.conn.transaction():
            return [line for (line,) in self.conn.execute(sql.SQL(explain).format(**_filled(names)))]

    def copy_out(self, statement: str, **names: object) -> None:
        """COPY ... TO STDOUT, its lines kept."""
        query = sql.SQL(statement.replace(SETTING, self.setting)).format(**_filled(names))
        self.attempts += 1
        try:
            with self.conn.transaction(), self.conn.cursor().copy(query) as lines:
                self.said += [bytes(line).decode() for line in lines]
        except psycopg.Error as error:
            self.said.append(_text(error.diag) or str(error))


@dataclass
class SessionInFunction(Session):
    """A session whose queries run within a function of another role's, with that role's rights.

    Attributes:
        function: the function's name with its schema; it takes a query and gives its rows as texts.
    """

    function: str = ""

    def ask(self, statement: str, **names: object) -> list[tuple]:
        """Execute a query within the function, anything else as it is."""
        if not re.match(r"\s*(select|with|table|explain)\b", statement):
            return super().ask(statement, **names)
        query = sql.SQL(statement.replace(SETTING, self.setting)).format(**_filled(names))
        rows = super().ask(f"select * from {self.function}({{query}})", query=query.as_string(self.conn))
        return [tuple(text.removeprefix("(").removesuffix(")").split(",")) for (text,) in rows]

    def explain(self, explain: str, **names: object) -> list[str]:
        """The lines of a plan that is made within the function."""
        query = sql.SQL(explain).format(**_filled(names)).as_string(self.conn)
        self.attempts += 1
        with self.conn.transaction():
            return [line for (line,) in self.conn.execute(f"select * from {self.function}(%s)", [query])]


@dataclass(frozen=True)
class Attack:
    """One idea.

    Attributes:
        name: for the report.
        make: makes it on one view.
        needs: what has to be missing for it to succeed: "barrier", "binding", "rights", "pinned path" or
            "pinned path under a binding"; None for what Postgres itself refuses whatever we do.
        every_error_tells: whether an error is a disclosure, since no row of one's own gives rise to one.
        planner: which of PLANNERS it is made with.
    """

    name: str
    make: Callable[[Session, View], None]
    needs: str | None
    every_error_tells: bool = False
    planner: str = AS_IT_COMES


def _filled(names: dict[str, object]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, sql.Composable) else sql.Literal(value)
        for name, value in names.items()
    }


def _text(diagnostic: psycopg.errors.Diagnostic) -> str:
    parts = ("message_primary", "message_detail", "message_hint", "context", "internal_query")
    return " ".join(filter(None, (getattr(diagnostic, part) for part in parts)))


def _without(value: str, line: str) -> str:
    """A line of a plan without the attacker's own value, which tells nothing; a number may stand unquoted."""
    literal = re.escape(value)
    return re.sub(rf"('{literal}'|(?<=[<>=] ){literal}(?![\w.]))(::numeric)?", "?", line)


ATTACKS: list[Attack] = []


def attack(
    name: str, needs: str | None, every_error_tells: bool = False, planner: str = AS_IT_COMES
) -> Callable:
    """Register a function as an attack."""

    def register(make: Callable[[Session, View], None]) -> Callable[[Session, View], None]:
        ATTACKS.append(Attack(name, make, needs, every_error_tells, planner))
        return make

    return register


# -- predicates and functions that see a row before the scope does -----------------------------------

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
        _plan(session, planner)
        session.count(
            "select count(*) from {v} as v where {each}",
            v=view.quoted,
            each=_each_column(view, f"case when {{c}} ~ {_ON_FOREIGN} then {expression} else true end"),
        )


def _register_reporting(volatility: str, planner: str) -> None:
    name = f"{volatility} function of the caller's that costs nothing"

    @attack(f"{name}, {planner}", "barrier", planner=planner)
    def make(session: Session, view: View) -> None:
        _plan(session, planner)
        _make_reporter(session, volatility)
        session.count("select count(*) from {v} as v where pg_temp.report(v::text)", v=view.quoted)
        session.count("select count(*) from {v} as v where {each}", v=view.quoted, each=_reported(view))


def _reported(view: View) -> sql.Composed:
    return _each_column(view, "pg_temp.report({c})")


def _plan(session: Session, planner: str) -> None:
    for setting in PLANNERS[planner]:
        session.conn.execute(f"set local {setting} = off")


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


# -- asking for more than one may -------------------------------------------------------------------

_WIDER = ("{foreign}", "{own},{foreign}", "{{{foreign}}}")


def _wider(session: Session) -> list[str]:
    return [text.format(own=session.own, foreign=session.foreign) for text in _WIDER]


@attack("the setting, set to the other school", "binding")
def _set_wider(session: Session, view: View) -> None:
    for scope in [*_wider(session), "*", "{*}", f"{session.own},*", " * ", ""]:
        for level in ("", "local", "session"):
            session.ask(f"set {level} app.allowed_org_ids = {{scope}}", scope=scope)
            session.ask("select v::text from {v} as v", v=view.quoted)
            session.count("select count(*) from {v}", v=view.quoted)
    session.ask("reset app.allowed_org_ids")
    session.ask("select v::text from {v} as v", v=view.quoted)
    session.ask("alter role current_user set app.allowed_org_ids = {scope}", scope=session.foreign)


@attack("set_config inside the query that is being scoped", "binding")
def _set_config_inside(session: Session, view: View) -> None:
    for scope in (session.foreign, "*"):
        call = sql.SQL("set_config({}, {}, true)").format(session.setting, scope)
        for query in (
            "select {call}, v::text from {v} as v",
            "select v::text from (select {call} as s offset 0) as s cross join {v} as v",
            "select v::text from (select {call} as s offset 0) as s "
            "cross join lateral (select * from {v} where s <> '') as v",
            "with s as materialized (select {call} as s) select v::text from s cross join {v} as v",
            "select v::text from {v} as v where {call} is not null",
            "select v::text from {v} as v where (select {call}) is not null",
            "select v::text from {v} as v order by {call}",
            "select v::text from {v} as v where exists (select from (select {call} as s) as s where s <> '')",
            "select a::text from {v} as a union all select {call} union all select b::text from {v} as b",
        ):
            session.ask("set local app.allowed_org_ids = {own}", own=session.own)
            session.ask(query, v=view.quoted, call=call)


@attack("one generic plan under two scopes", "binding")
def _generic_plan(session: Session, view: View) -> None:
    session.conn.execute("set local plan_cache_mode = force_generic_plan")
    session.ask("set local app.allowed_org_ids = {own}", own=session.own)
    session.ask("prepare mine as select v::text from {v} as v", v=view.quoted)
    for scope in (session.own, session.foreign, session.own, "*"):
        session.ask("set local app.allowed_org_ids = {scope}", scope=scope)
        session.ask("execute mine")
    session.ask("deallocate mine")


@attack("a cursor held over a change of the setting", "binding")
def _cursor(session: Session, view: View) -> None:
    for options in ("cursor", "scroll cursor"):
        session.ask("set local app.allowed_org_ids = {own}", own=session.own)
        session.ask(f"declare held {options} for select v::text from {{v}} as v", v=view.quoted)
        session.ask("set local app.allowed_org_ids = {scope}", scope=session.foreign)
        session.ask("fetch all from held")
        session.ask("close held")


@attack("COPY", "binding")
def _copy(session: Session, view: View) -> None:
    for scope in (session.foreign, "*"):
        session.ask("set local app.allowed_org_ids = {scope}", scope=scope)
        session.copy_out("copy (select * from {v}) to stdout", v=view.quoted)
        session.copy_out("copy (select v::text from {v} as v) to stdout with (format csv)", v=view.quoted)
        session.copy_out("copy {v} to stdout", v=view.quoted)
    session.ask("copy (select * from {v}) to '/tmp/timeback_attack'", v=view.quoted)
    session.ask("copy (select * from {v}) to program 'cat'", v=view.quoted)


@attack("functions that run with another's rights or setting", "binding")
def _definer(session: Session, view: View) -> None:
    for options in (
        "",
        "security definer",
        f"security definer set app.allowed_org_ids = '{session.foreign}'",
        "set app.allowed_org_ids = '*'",
        "security definer set role = 'timeback_unrestricted'",
    ):
        session.ask(
            f"""create or replace function attacker.all_of() returns setof text language plpgsql {options}
            as $$ begin
                perform set_config('app.allowed_org_ids', '{session.foreign}', true);
                return query select v::text from {{v}} as v;
            end $$""",
            v=view.quoted,
        )
        session.ask("select * from attacker.all_of()")


@attack("another role", "binding")
def _roles(session: Session, view: View) -> None:
    for role in (
        "role timeback_reader",
        "role timeback_unrestricted",
        "role postgres",
        "role none",
        "session authorization timeback_unrestricted",
        "session authorization postgres",
        "session authorization default",
    ):
        for scope in (session.foreign, "*"):
            session.ask(f"set local {role}")
            session.ask("set local app.allowed_org_ids = {scope}", scope=scope)
            session.ask("select v::text from {v} as v", v=view.quoted)
        session.ask("reset role")


# -- other names for the same things ------------------------------------------------------------------


@attack("functions of the same name, earlier in search_path", "pinned path")
def _same_functions(session: Session, view: View) -> None:
    for function in (
        f"btrim(text, text) returns text language sql immutable as $$select '{session.foreign}'$$",
        "btrim(text) returns text language sql immutable as $$select '*'$$",
        f"current_setting(text, boolean) returns text language sql as $$select '{session.foreign}'$$",
        "pg_has_role(name, oid, text) returns boolean language sql as $$select true$$",
        f"unnest(uuid[]) returns setof uuid language sql as $$select '{session.foreign}'::uuid$$",
        "caller_scope(text, text, uuid[], name, boolean, out is_everyone boolean, out org_ids uuid[]) "
        "language sql as $$select true, null::uuid[]$$",
        "person_in_scope(uuid[]) returns table (person_id uuid, org_ids uuid[]) language sql as "
        "$$select v.student_id, v.org_ids from analytics.sessions as v$$",
        "is_bound_when_planned() returns boolean language sql immutable as $$select false$$",
    ):
        for schema in (OWN_SCHEMA, "pg_temp"):
            session.ask(f"create function {schema}.{function}")
    for path in ("attacker, pg_catalog", "pg_temp, attacker, pg_catalog", "attacker, analytics, pg_catalog"):
        session.ask(f"set local search_path = {path}")
        session.ask("select v::text from {v} as v", v=view.quoted)


@attack("an operator of the same name, earlier in search_path", "pinned path under a binding")
def _same_operator(session: Session, view: View) -> None:
    session.ask(
        "create function attacker.alike(uuid, uuid) returns boolean language sql immutable as $$select true$$"
    )
    session.ask("create operator attacker.= (function = attacker.alike, leftarg = uuid, rightarg = uuid)")
    session.ask("set local search_path = attacker, pg_catalog")
    session.ask("set local app.allowed_org_ids = {scope}", scope=session.foreign)
    session.ask("select v::text from {v} as v", v=view.quoted)


@attack("tables of the same name, earlier in search_path", None)
def _same_tables(session: Session, view: View) -> None:
    session.ask("create temp table scope_binding (role_name name, org_id uuid)")
    session.ask("insert into pg_temp.scope_binding values (current_user, {foreign})", foreign=session.foreign)
    session.ask(
        "create temp view int_caller_scope as select true as is_everyone, array[{foreign}::uuid] as org_ids",
        foreign=session.foreign,
    )
    session.ask("create temp table one_roster_role (user_id uuid, org_id uuid, status text, end_date date)")
    session.ask("create temp table pg_roles (rolname name, oid oid)")
    session.ask("set local search_path = pg_temp, pg_catalog")
    session.ask("select v::text from {v} as v", v=view.quoted)


# -- around the views -----------------------------------------------------------------------------------


@attack("what the view reads, read directly", "rights")
def _behind(session: Session, view: View) -> None:
    session.ask("select u::text from operational.one_roster_user as u")
    session.ask("select r::text from operational.one_roster_role as r")
    for model in (f"int_{view.name}", "int_students", "int_person_current_organization"):
        session.ask(f"select i::text from {INTERNAL}.{model} as i")
    session.ask(f"select * from {INTERNAL}.scope_binding")
    session.ask(f"select * from {INTERNAL}.int_caller_scope")
    theirs = f"array['{session.foreign}'::uuid]"
    session.ask(f"select p::text from {INTERNAL}.person_in_scope({theirs}) as p")
    session.ask(f"select {INTERNAL}.timeback_scope_of('postgres')")
    session.ask(f"select {INTERNAL}.person_scope_is_wide({theirs}, 0.5)")
    session.ask(f"select {INTERNAL}.caller_scope('x', '*', null, current_user, true)")
    session.ask(
        f"insert into {INTERNAL}.scope_binding values (current_user, {{foreign}})", foreign=session.foreign
    )
    session.ask(f"delete from {INTERNAL}.scope_binding")
    session.ask("set local app.allowed_org_ids = '*'")
    session.ask("select v::text from {v} as v", v=view.quoted)


@attack("a unique key, which would say that a row exists", "rights", every_error_tells=True)
def _unique(session: Session, view: View) -> None:
    session.ask(
        "insert into operational.one_roster_organization "
        "(id, name, type, status, date_created, date_last_modified) "
        "values ({foreign}, '', 'school', 'active', now(), now())",
        foreign=session.foreign,
    )
    session.ask(
        "create table attacker.child (org_id uuid references operational.one_roster_organization (id))"
    )


@attack("row locks and writes", None)
def _locks(session: Session, view: View) -> None:
    for statement in (
        "select v::text from {v} as v for update",
        "select v::text from {v} as v for key share skip locked",
        "lock table {v} in access share mode",
        "delete from {v} as v returning v::text",
        "update {v} as v set {column} = null returning v::text",
        "insert into {v} ({column}) values (null)",
        "truncate {v}",
        "select v::text from {v} as v tablesample system (100)",
        "alter view {v} reset (security_barrier)",
        "alter view {v} owner to current_user",
    ):
        session.ask(statement, v=view.quoted, column=sql.Identifier(view.columns[0]))


@attack("statistics", None)
def _statistics(session: Session, view: View) -> None:
    session.ask("select s::text from pg_stats as s where schemaname <> 'pg_catalog'")
    session.ask("select s::text from pg_statistic as s")
    session.ask("select s::text from pg_stats_ext as s")
    session.ask("select s::text from pg_statistic_ext_data as s")
    session.ask("select a::text from pg_stat_activity as a")
    session.ask("select s::text from pg_stats_ext_exprs as s")
    session.ask("analyze {v}", v=view.quoted)


@attack("files, large objects, programs", None)
def _files(session: Session, view: View) -> None:
    for statement in (
        "select pg_read_file('pg_hba.conf')",
        "select pg_ls_dir('.')",
        "select lo_import('/etc/hostname')",
        "select lo_export(1, '/tmp/timeback_attack')",
        "select l::text from pg_largeobject as l",
        "create extension dblink",
        "create function pg_temp.shell(cstring) returns int language c as 'libc', 'system'",
        "select query_to_xml('select * from operational.one_roster_user', true, true, '')",
        "select schema_to_xml('operational', true, true, '')",
        "select table_to_xml('analytics_internal.int_students'::regclass, true, true, '')",
    ):
        session.ask(statement)


# planning and execution time and, on PostgreSQL 18, buffers differ from one time to the next
_COUNTING = "explain (analyze, timing off, summary off, buffers off)"


def _register_counts(planner: str) -> None:
    @attack(f"what a plan counts and estimates, {planner}", "binding", planner=planner)
    def make(session: Session, view: View) -> None:
        _plan(session, planner)
        for guess in view.guesses:
            session.compare_plans(_COUNTING + " select from {v} where {where}", guess, v=view.quoted)


for _planner in (AS_IT_COMES, "no nested loops", "no sequential scans"):
    _register_counts(_planner)


@attack("what a plan estimates, and that of a semi join", "binding")
def _estimates(session: Session, view: View) -> None:
    for guess in view.guesses:
        session.compare_plans("explain (verbose) select from {v} where {where}", guess, v=view.quoted)
        session.compare_plans(
            _COUNTING + " select from {v} as mine where exists (select from {v} as others where {where})",
            guess,
            v=view.quoted,
        )


@attack("the plan of a prepared statement", "binding")
def _prepared_plan(session: Session, view: View) -> None:
    session.conn.execute("set local plan_cache_mode = force_generic_plan")
    for guess in view.guesses:
        session.ask(
            "prepare guess as select from {v} where {where}",
            v=view.quoted,
            where=sql.SQL(guess.predicate.replace("{value}", "$1")).format(
                column=sql.Identifier(guess.column)
            ),
        )
        session.compare_plans(_COUNTING + " execute guess ({value})", guess)
        session.ask("deallocate guess")


@attack("the plan's text", None)
def _plan_text(session: Session, view: View) -> None:
    for options in ("verbose", "analyze, verbose, settings, timing off"):
        session.ask(f"explain ({options}) select * from {{v}}", v=view.quoted)
        session.ask(
            f"explain ({options}, format json) select * from {{v}} as v where v::text ~ 'FOREIGN'",
            v=view.quoted,
        )
