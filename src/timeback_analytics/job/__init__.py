"""The scheduled job: checks the sources, deploys, tests, and says in one report how it went.

plan.py has the order of the steps, steps/ what each of them does, work.py what they share. run.py takes them,
and takes one again where a connection breaks. lock.py keeps a second job out and notices a lost connection,
dbt_runs.py runs dbt in this very process, so that nothing is left running when the process is killed.
outcome.py is what came of a job, report.py writes it, and history.py reads what earlier jobs wrote.
"""
