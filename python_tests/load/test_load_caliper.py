import json
from pathlib import Path
import psycopg, pytest
from caliper_events import *
from timeback_analytics.load import load
def test_smoke(conn):
    for u,(n,e) in PEOPLE.items():
        conn.execute("insert into one_roster_user values (%s,%s,'x',%s,null,'active',now(),now())",[u,n,e])
    r=load("caliper","/tmp/ev/smoke.jsonl",connection=conn)
    print(r.what)
    for t in r.tables: print(t)
    for n in r.notes: print("NOTE",n)
    for t in r.tables:
        print(t.table)
        for row in conn.execute(f"select * from {t.table}").fetchall(): print("   ",row)
    r=load("caliper","/tmp/ev/smoke.jsonl",connection=conn)
    for t in r.tables: print(t)
    assert 0
