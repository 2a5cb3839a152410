"""The explorer: what Browse asks of 8,000 rows, against DuckDB on a table of the same rows; and 20 visitors at once.

    python benchmarks/explorer.py [younger] [--users 20]

A query's time is the least processor time of several. The pages are asked over HTTP by as many threads as there are
users, in front of the release as it is; every answer has to be a success. The memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import uvicorn

from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.query import PAGE, Query
from younger_hf.explore.server import listen, make_app
from younger_hf.release import open_named

ROWS = 8_000
QUERIES = {
    "all, by parameters": (Query(sort="num_parameters", order="desc"), "true"),
    "a word": (Query(q="resnet"), "contains(lower(name || chr(10) || coalesce(family, '')), 'resnet')"),
    "two operators and a size": (
        Query(all_of=("Conv", "Softmax"), max_nodes=500, sort="num_nodes"),
        "list_has_all(operators, ['Conv', 'Softmax']) and num_nodes <= 500",
    ),
}


def least(call: Callable[[], object], times: int = 15) -> float:
    """The least processor time of several calls, in seconds."""
    found = []
    for _ in range(times):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def repeated(catalogue: Catalogue, rows: int) -> Catalogue:
    """The rows again and again, until there are so many."""
    times = -(-rows // len(catalogue))
    table = pa.concat_tables([catalogue.table] * times).slice(0, rows).combine_chunks()
    return Catalogue(catalogue.release, table, catalogue.operators, np.tile(catalogue.counts, (times, 1))[:rows])


def compare_queries(catalogue: Catalogue) -> None:
    """Print a row for each query."""
    there = [[catalogue.operators[at] for at in np.flatnonzero(row)] for row in catalogue.counts]
    rows = catalogue.table.append_column("operators", pa.array(there))
    connection = duckdb.connect(config={"threads": 1})
    connection.register("rows_in_arrow", rows)
    connection.execute("create table graphs as select * from rows_in_arrow")
    columns = ", ".join(f'"{name}"' for name in catalogue.table.column_names)
    for name, (query, condition) in QUERIES.items():
        order = f"order by {query.sort} {query.order} nulls last" if query.sort else ""
        page = f"select {columns} from graphs where {condition} {order} limit {PAGE}"
        total = f"select count(*) from graphs where {condition}"

        def ask(page: str = page, total: str = total) -> int:
            connection.execute(page).to_arrow_table().to_pylist()
            return int(connection.execute(total).fetchall()[0][0])

        assert ask() == catalogue.select(query).total
        ours, theirs = least(lambda query=query: catalogue.select(query)), least(ask)
        print(f"{name:26} {1e3 * ours:6.1f} ms   DuckDB {1e3 * theirs:6.1f} ms   ratio {theirs / ours:.1f}")


def visit(address: str, fingerprints: list[str]) -> list[float]:
    """Open pages as one user does; the seconds that each took."""
    took = []
    paths = ["/", "/?q=resnet&sort=num_nodes", *(f"/architecture/{one}" for one in fingerprints)]
    paths += [f"{path}/drawing.svg" for path in paths[2:]] + [f"{path}/relatives" for path in paths[2:]]
    for path in paths:
        start = time.perf_counter()
        with urllib.request.urlopen(f"{address}{path}", timeout=120) as answer:
            assert answer.status == 200
            answer.read()
        took.append(time.perf_counter() - start)
    return took


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", nargs="?", default=str(Path(__file__).parents[1] / "younger"))
    parser.add_argument("--users", type=int, default=20)
    arguments = parser.parse_args()
    release = open_named(arguments.release)
    catalogue = Catalogue.of(release)
    compare_queries(repeated(catalogue, ROWS))
    with listen("127.0.0.1", 0) as opened:
        server = uvicorn.Server(uvicorn.Config(make_app(release), log_level="warning"))
        threading.Thread(target=server.run, args=([opened],), daemon=True).start()
        address = f"http://127.0.0.1:{opened.getsockname()[1]}"
        while not server.started:
            time.sleep(0.01)
        start = time.perf_counter()
        urllib.request.urlopen(address, timeout=60).read()
        print(f"first page of {len(catalogue):,} rows: {time.perf_counter() - start:.2f} s")
        rows = np.random.default_rng(0).permutation(len(catalogue))[: 2 * arguments.users]
        keys = [row["fingerprint"] for row in catalogue.rows(rows)]
        with ThreadPoolExecutor(arguments.users) as users:
            visits = [users.submit(visit, address, keys[2 * at : 2 * at + 2]) for at in range(arguments.users)]
            took = np.array([seconds for one in visits for seconds in one.result()])
        server.should_exit = True
    print(f"{len(took)} pages for {arguments.users} users at once, no error; median {np.median(took):.2f} s, ", end="")
    print(f"longest {took.max():.2f} s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform != "darwin" else 1 << 30)
    print(f"memory of server, DuckDB and users together: {memory:.2f} GiB")


if __name__ == "__main__":
    main()
