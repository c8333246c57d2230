"""A reader of the demo, for tests that ask what a reader is shown."""

import psycopg


def become_reader(conn: psycopg.Connection) -> None:
    """Make a superuser's session a reader's: of the demo's three largest schools, and of ROAR's districts."""
    conn.execute(
        "select set_config('app.allowed_org_ids', string_agg(id::text, ','), false)"
        " from (select id from analytics.schools order by student_count desc, id limit 3) as largest"
    )
    conn.execute(
        "select set_config('app.allowed_roar_org_ids', array_agg(id)::text, false)"
        " from analytics.roar_districts"
    )
    conn.execute("set role timeback_reader")
