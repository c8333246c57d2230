"""Attacks by other names for the same things, around the views, and by what plans tell."""

from psycopg import sql

from attacks.session import AS_IT_COMES, INTERNAL, OWN_SCHEMA, Session, View, attack


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
        session.plan_by(planner)
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
