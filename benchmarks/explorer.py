"""The explorer: its start; Browse of 8,000 rows, against DuckDB on the same rows; each page; 20 visitors at once.

    python benchmarks/explorer.py [younger] [--users 20]

The start is that of the command until the first page has come, processor time, against `import datasets`.
A query's time is the least processor time of several. Each page is asked of the application of an architecture of
some 2,000 operators: the processor time of the first answer, when its row group has been read, and the least of those
that follow. The visitors ask over HTTP, as many threads as there are users, in front of the release as it is; every
answer has to be a success. The memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import duckdb
import numpy as np
import psutil
import pyarrow as pa
import uvicorn
from starlette.applications import Starlette
from starlette.types import Message

from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.pictures import MOST_IN_FULL
from younger_hf.explore.query import PAGE, Query
from younger_hf.explore.server import listen, make_app
from younger_hf.release import open_named

ROWS = 8_000
OPERATORS = 2_000
QUERIES = {
    "all, by parameters": (Query(sort="num_parameters", order="desc"), "true"),
    "a word": (Query(q="resnet"), "contains(lower(name || chr(10) || coalesce(family, '')), 'resnet')"),
    "two operators and a size": (
        Query(all_of=("Conv", "Softmax"), max_nodes=500, sort="num_nodes"),
        "list_has_all(operators, ['Conv', 'Softmax']) and num_nodes <= 500",
    ),
}


def started(command: list[str]) -> float:
    """The processor time of a process that serves, its first page included, in seconds."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline().split()[1]
        urllib.request.urlopen(address, timeout=60).read()
        spent = psutil.Process(running.pid).cpu_times()
        running.send_signal(signal.SIGINT)
        return float(spent.user + spent.system)


def imported(module: str) -> float:
    """The processor time of a process that imports a module, in seconds."""
    code = f"import time, {module}; print(time.process_time())"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


def compare_start(release: str) -> None:
    """Print how long the command takes to start."""
    command = [sys.executable, "-m", "younger_hf", "explore", release, "--port", "0"]
    ours, theirs = (min(call() for _ in range(5)) for call in (lambda: started(command), lambda: imported("datasets")))
    print(f"start, until the first page {ours:.2f} s   import datasets {theirs:.2f} s   ratio {theirs / ours:.2f}")


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


def answer(app: Starlette, path: str, query: str = "") -> None:
    """Have an application answer, without a network."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"accept", b"text/html"), (b"accept-encoding", b"gzip")]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers}
    anyio.run(app, {**scope, "client": ("127.0.0.1", 1)}, receive, send)
    assert sent[0]["status"] == 200


def measure_pages(app: Starlette, catalogue: Catalogue) -> None:
    """Print a row for each page."""
    sizes = catalogue.table.column("num_nodes").to_numpy()
    row, other = catalogue.rows(np.argsort(np.abs(sizes - OPERATORS), kind="stable")[:2])
    here, beside = (f"/architecture/{one['fingerprint']}" for one in (row, other))
    answer(app, beside)
    answer(app, "/")
    pages = [("Browse", "/", "q=resnet"), ("architecture", here, ""), ("drawing", f"{here}/drawing.svg", "")]
    if row["num_nodes"] <= MOST_IN_FULL:
        pages.append(("every operator", f"{here}/drawing.svg", "full=1"))
    pages += [("modules", f"{here}/modules", ""), ("relatives", f"{here}/relatives", "")]
    both = "&".join(f"with={one['fingerprint']}" for one in (row, other))
    pages.append(("difference", "/compare/difference", both))
    print(f"processor time of pages, {row['num_nodes']:,} operators ({row['name']})")
    for name, path, query in pages:
        first, again = (least(lambda path=path, query=query: answer(app, path, query), times) for times in (1, 5))
        print(f"  {name:24} {1e3 * first:7.1f} ms   again {1e3 * again:6.1f} ms")


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
    compare_start(arguments.release)
    release = open_named(arguments.release)
    catalogue = Catalogue.of(release)
    compare_queries(repeated(catalogue, ROWS))
    measure_pages(make_app(release), catalogue)
    with listen("127.0.0.1", 0) as opened:
        app = make_app(release)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        threading.Thread(target=server.run, args=([opened],), daemon=True).start()
        address = f"http://127.0.0.1:{opened.getsockname()[1]}"
        while not server.started:
            time.sleep(0.01)
        start = time.perf_counter()
        urllib.request.urlopen(address, timeout=60).read()
        print(f"first page of {len(catalogue):,} rows: {time.perf_counter() - start:.2f} s")
        app.state.explorer.warm_up()  # as `younger-hf explore` does when it starts
        rows = np.random.default_rng(0).permutation(len(catalogue))[: 2 * arguments.users]
        start, spent = time.perf_counter(), time.process_time()
        keys = [row["fingerprint"] for row in catalogue.rows(rows)]
        with ThreadPoolExecutor(arguments.users) as users:
            visits = [users.submit(visit, address, keys[2 * at : 2 * at + 2]) for at in range(arguments.users)]
            took = np.array([seconds for one in visits for seconds in one.result()])
        passed, spent = time.perf_counter() - start, time.process_time() - spent
        server.should_exit = True
    print(f"{len(took)} pages for {arguments.users} users at once, no error; median {np.median(took):.2f} s, ", end="")
    print(f"longest {took.max():.2f} s, {took.max() / np.median(took):.1f} times the median")
    print(f"all in {passed:.1f} s; {1e3 * spent / len(took):.0f} ms of processor time each, visitors included")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform != "darwin" else 1 << 30)
    print(f"memory of server, DuckDB and users together: {memory:.2f} GiB")


if __name__ == "__main__":
    main()
