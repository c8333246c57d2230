"""The table that is made every night, as a Parquet file that DuckDB reads: a peer outside of Postgres."""

import time
from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner
from cost import Cost


class ParquetFile:
    """benchmark.nightly_attempt in the order of time, written once.

    Args:
        dsn: the database that has it.
        path: the file.
    """

    def __init__(self, dsn: str, path: Path) -> None:
        self._conn = duckdb.connect(config={"threads": 1})
        if not path.is_file():
            (extension,) = Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension")
            self._conn.execute(f"load '{extension}'")
            self._conn.execute(f"attach '{dsn}' as timeback (type postgres, read_only)")
            being_written = path.with_suffix(".new")
            self._conn.execute(
                "copy (select * from timeback.benchmark.nightly_attempt order by start_time) "
                f"to '{being_written}' (format parquet)"
            )
            being_written.rename(path)
        self._conn.execute(f"create view nightly_attempt as select * from '{path}'")

    def cost(self, query: str, repeats: int = 3) -> Cost:
        """The cheapest of several runs of a query, as CPU of this process; DuckDB tells no planning apart."""
        spent = []
        rows = 0
        for _ in range(repeats):
            at_start = time.process_time()
            rows = len(self._conn.execute(query).fetch_arrow_table())
            spent.append((time.process_time() - at_start) * 1000)
        return Cost(planning=0, execution=min(spent), memory=None, buffers=0, rows=rows)
