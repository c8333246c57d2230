"""Attacks that ask for more than one may."""

from psycopg import sql

from attacks.session import Session, View, attack

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
