"""dbt plugin: a dbt command on the target `embedded` finds this checkout's server running.

dbt imports this module because its name starts with dbt_. It does nothing for another project, for
another target, or where TIMEBACK_EMBEDDED_HOST names a server that somebody else looks after.
"""

plugins: list[type] = []
