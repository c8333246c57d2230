"""timeback standby: does a hot standby show what its primary holds, near enough."""

from __future__ import annotations

import click
import psycopg

from timeback_analytics.commands._options import target_option
from timeback_analytics.connection import connect
from timeback_analytics.errors import TimebackError
from timeback_analytics.queries import first_row

# A walreceiver's row says more to members of pg_read_all_stats than to others, who see nulls.
_STATE = """
    select
        pg_is_in_recovery(),
        case when pg_is_in_recovery() then pg_get_wal_replay_pause_state() end,
        pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(),
        extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()),
        (
            select extract(epoch from clock_timestamp() - last_msg_receipt_time)
            from pg_stat_wal_receiver
            where status = 'streaming'
        )
"""

_SETTINGS = """
    select name, setting::float8 / 1000
    from pg_catalog.pg_settings
    where
        name in ('max_standby_streaming_delay', 'max_standby_archive_delay', 'recovery_min_apply_delay')
    order by name
"""


@click.command()
@target_option
@click.option(
    "--max-lag",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="The longest that the standby may be behind its primary.",
)
def command(target: str, max_lag: float) -> None:
    """Check that a hot standby is no further behind its primary than a stated time.

    A membership or a binding that ended on the primary goes on counting here for as long. The exit code is 1
    where the lag is longer or cannot be known, replay is paused, or the server is not a standby.
    """
    with connect(target, autocommit=True) as conn:
        problem, said = lag_of(conn, max_lag)
        settings = conn.execute(_SETTINGS).fetchall() if not problem else []
    if problem:
        raise TimebackError(problem)
    click.echo(said)
    for name, seconds in settings:
        if seconds < 0 or seconds > max_lag:
            lasts = "for ever" if seconds < 0 else f"for {seconds:g} s"
            click.secho(
                f"{name} lets replay wait {lasts}, which is longer than the {max_lag:g} s that are allowed.",
                fg="yellow",
            )


def lag_of(conn: psycopg.Connection, max_lag: float) -> tuple[str, str]:
    """How far a standby is behind its primary.

    Args:
        conn: to the standby, as any role.
        max_lag: how many seconds it may be behind.

    Returns:
        What is wrong, or an empty string; and what is known, in a sentence.
    """
    is_standby, pause, is_replayed, since_replay, since_heard = first_row(conn.execute(_STATE))
    if not is_standby:
        return "This server is not a standby: it is asked for its own rows, and nothing lags.", ""
    if pause != "not paused":
        return (
            f"Replay is {pause} here: what ends on the primary goes on counting. pg_wal_replay_resume()",
            "",
        )
    # all that came is replayed, so that the standby is as old as the last word of its primary
    if since_heard is not None and is_replayed:
        lag, since = since_heard, "since the primary was heard, and all that it sent is replayed"
    elif since_replay is not None:
        lag, since = since_replay, "since the last transaction that is replayed was committed"
    else:
        return "No transaction has been replayed here yet, so that its lag is not known.", ""
    sentence = f"{max(lag, 0):.1f} s {since}."
    if lag <= max_lag:
        return "", sentence
    if since_heard is None:
        sentence += " So does one whose primary writes nothing, to a role outside pg_read_all_stats."
    return f"The standby lags: {sentence} It may be {max_lag:g} s.", ""
