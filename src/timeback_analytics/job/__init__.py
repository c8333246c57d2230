"""The scheduled job: checks the sources, deploys, tests, and says in one report how it went.

lock.py keeps a second job out and notices a lost connection, dbt_runs.py runs dbt in this very process,
so that nothing is left running when the process is killed, run.py goes through the steps, and report.py
writes what came of them.
"""
