"""What does a crawl of a whole hub take, killed in the middle, run again, and run the next day; and what to plan it?

    python benchmarks/crawl.py [LISTED] [FETCHED] [PLANNED]

A hub on this machine makes its answers up as it is asked: pages of the listing as the Hugging Face Hub's API gives
them, with cursors, and a configuration for each fine-tune, as `benchmarks/plan.py` has them. The crawl is the real one.
The hub counts requests. The peer is a bare client that fetches the same pages and files in as many threads and keeps
nothing; processor time is compared.

1. FETCHED models, of which one in eight is an ONNX file and all others have a configuration to fetch: the crawl is
   killed once it is half through, begun again, and planned. Then the next day's, when one in a hundred has a new
   commit and one in a hundred has come.
2. LISTED models, all ONNX files, so that the listing says it all and each is a conversion of its own, the most that
   there can be to plan: killed, begun again, planned.
3. A ledger of PLANNED models, each a conversion of its own, which SQL has filled and no crawl: planned.
4. A hub whose limits are those of the real one, but a sixtieth of the time and a tenth of the requests: whether a crawl
   takes what its requests and the limits make it take. Then what the real limits would make of 3 million models.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, local
from typing import Final
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import requests
from plan import configurations
from tqdm import tqdm

from builders.crawl.huggingface import PAGE_SIZE, THREADS
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from builders.pipeline import crawl

SPEC: Final = "huggingface:library=transformers"
WINDOW: Final = 300  # seconds
LIMITS: Final = {"anonymous": (500, 3000), "free account": (1000, 5000)}
"""Requests of the API, and of files, in a window."""
CHANGED: Final = 100
"""One model in so many has a new commit the next day, and for so many one has come."""


@dataclass(frozen=True)
class Scene:
    """A hub.

    Attributes:
        models: how many it has.
        configurations: among how many their configurations vary; 0 for a hub of ONNX files.
        next_day: whether some have changed.
        window: seconds after which a quota is whole again; 0 for a hub without limits.
        of_api: requests of the API in a window.
        of_files: requests of files in a window.
    """

    models: int
    configurations: int = 0
    next_day: bool = False
    window: int = 0
    of_api: int = 0
    of_files: int = 0

    @property
    def pages(self) -> int:
        """Of the listing."""
        return -(-self.models // PAGE_SIZE)

    @property
    def files(self) -> int:
        """How many of the models have a configuration to fetch."""
        return self.models - self.models // 8 if self.configurations else 0

    def revision(self, number: int) -> str:
        """The commit of a model."""
        return f"{number + (1 << 80 if self.next_day and number % CHANGED == 0 else 0):040x}"


class Answers(BaseHTTPRequestHandler):
    """The hub: nothing is kept but how often it was asked."""

    protocol_version = "HTTP/1.1"
    scene: Scene
    bases: list[dict[str, object]]
    lock = Lock()
    asked = 0
    refused = 0
    spent = {"api": (0.0, 0), "resolvers": (0.0, 0)}  # noqa: RUF012 - the one server of this process

    def do_GET(self) -> None:
        """A page, a configuration, or how often anything was asked, and refused."""
        where = urlsplit(self.path)
        if where.path == "/asked":
            return self.answer(json.dumps([Answers.asked, Answers.refused]).encode())
        limits = self.limits("api" if where.path == "/api/models" else "resolvers")
        if limits is None:
            return None
        if where.path == "/api/models":
            first = int(parse_qs(where.query).get("cursor", ["0"])[0])
            last = min(first + PAGE_SIZE, self.scene.models)
            link = f'<http://{self.headers["Host"]}/api/models?cursor={last}>; rel="next"'
            page = f"[{','.join(self.entry(number) for number in range(first, last))}]"
            return self.answer(page.encode(), limits | ({"Link": link} if last < self.scene.models else {}))
        number = int(re.search(r"model-(\d+)/", where.path)[1])
        config = self.bases[number % len(self.bases)] | {"_name_or_path": where.path}
        return self.answer(json.dumps(config).encode(), limits)

    def limits(self, quota: str) -> dict[str, str] | None:
        """Headers on what is left of a quota; None if nothing was, which is then said."""
        scene = self.scene
        with self.lock:
            Answers.asked += 1
            if not scene.window:
                return {}
            most = scene.of_api if quota == "api" else scene.of_files
            began, used = self.spent[quota]
            now = time.monotonic()
            if now - began >= scene.window:
                began, used = now, 0
            self.spent[quota] = began, used + 1
            Answers.refused += used >= most
        rest = max(most - used - 1, 0)
        headers = {"RateLimit": f'"{quota}";r={rest};t={int(began + scene.window - now) + 1}'}
        if used < most:
            return headers
        self.answer(b"", headers, 429)
        return None

    def entry(self, number: int) -> str:
        """A model as the listing has it, in JSON."""
        is_onnx = number % 8 == 7 or not self.scene.configurations
        return (
            f'{{"id": "user{number % 9973}/model-{number}", "sha": "{self.scene.revision(number)}", '
            f'"library_name": "{"onnx" if is_onnx else "transformers"}", "pipeline_tag": "text-classification", '
            f'"tags": ["transformers", "bert", "text-classification"], "downloads": {self.scene.models - number}, '
            '"likes": 0, "gated": false, "private": false, '
            f'"siblings": [{{"rfilename": "{"model.onnx" if is_onnx else "config.json"}"}}]}}'
        )

    def answer(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        """Send a body."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"1"', **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(scene: str) -> None:
    """Answer, on a port that is printed, until this process ends."""
    Answers.scene = Scene(**json.loads(scene))
    Answers.bases = configurations(Answers.scene.configurations)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


def crawl_all(work: str) -> None:
    """Crawl into a ledger and plan."""
    with Ledger(work) as ledger:
        crawl(ledger, SPEC)
        started = time.process_time()
        planned = len(ledger.unconverted([SPEC]))
        print(f"{planned} {time.process_time() - started}")


def fill(work: str, models: str) -> None:
    """Make a ledger in which a crawl has listed so many models, of which no two share a conversion."""
    with Ledger(work) as ledger:
        path = ledger.path
        ledger.record_page(
            SPEC, [ModelRef("huggingface", "user/model", f"{0:040x}", library="onnx")], "", finished=True
        )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute(
            "INSERT INTO models (source, id, revision, component, location, export_key, record) "
            "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "
            "SELECT source, id || number, revision, component, location, lower(hex(randomblob(16))), record "
            "FROM models, numbers",
            (int(models) - 1,),
        )
        connection.execute("INSERT OR IGNORE INTO listings SELECT crawl, model FROM crawls, models")


def plan(work: str) -> None:
    """Plan, as a build does first."""
    with Ledger(work) as ledger:
        print(len(ledger.unconverted([SPEC])))


def fetch_all(endpoint: str, models: str) -> None:
    """The peer: the same requests, by a bare client that keeps nothing."""
    mine = local()

    def get(path: str) -> bytes:
        session = getattr(mine, "session", None) or requests.Session()
        mine.session = session
        return session.get(endpoint + path).content

    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, int(models), PAGE_SIZE):
            entries = json.loads(get(f"/api/models?cursor={first}"))
            names = [one["id"] for one in entries if one["library_name"] == "transformers"]
            for content in pool.map(get, [f"/{name}/resolve/main/config.json" for name in names]):
                json.loads(content)


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds by the clock and of a processor, peak bytes; and what it printed."""

    wall: float
    processor: float
    peak: int
    output: str = ""


def start(*arguments: str, endpoint: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def ended(process: subprocess.Popen[bytes], started: float, *, killed: bool = False) -> Taken:
    """What a process of this file took, once it has ended."""
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status and not killed:
        sys.exit(f"{process.args[2]} ended with {os.waitstatus_to_exitcode(status)}")
    return Taken(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output)


def run(*arguments: str, endpoint: str) -> Taken:
    started = time.perf_counter()
    return ended(start(*arguments, endpoint=endpoint), started)


@contextmanager
def served(scene: Scene) -> Iterator[str]:
    """The address of a hub."""
    hub = start("--serve", json.dumps(asdict(scene)))
    try:
        yield f"http://127.0.0.1:{int(hub.stdout.readline())}"
    finally:
        hub.kill()
        hub.wait()


def asked(endpoint: str) -> tuple[int, int]:
    """How many requests there were, and how many of them were refused."""
    return tuple(json.loads(urlopen(f"{endpoint}/asked").read()))


def listed(work: Path) -> int:
    """How many models a crawl has entered so far."""
    file = work / "ledger.sqlite"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
        try:
            return ledger.execute("SELECT max(model) FROM models").fetchone()[0] or 0
        except sqlite3.OperationalError:  # it is just being made
            return 0


def killed_and_resumed(scene: Scene, work: Path) -> None:
    """Crawl a hub, be killed half-way, crawl on, plan; print what it took beside the bare client."""
    with served(scene) as endpoint, tqdm(desc=f"{scene.models:,} models", total=scene.models, disable=None) as bar:
        started = time.perf_counter()
        process = start("--crawl", str(work), endpoint=endpoint)
        while (reached := listed(work)) < scene.models / 2:
            if process.poll() is not None:
                sys.exit("the crawl ended by itself")
            bar.update(reached - bar.n)
            time.sleep(0.5)
        process.kill()
        first = ended(process, started, killed=True)
        reached = listed(work)
        second = run("--crawl", str(work), endpoint=endpoint)
        requests_, _ = asked(endpoint)
        entered = listed(work)
        bar.update(entered - bar.n)
        peer = run("--fetch", endpoint, str(scene.models), endpoint=endpoint)
    planned, planning = second.output.split()
    own = first.processor + second.processor
    kinds = f"{scene.configurations:,} configurations" if scene.configurations else "files of their own"
    print(f"{scene.models:,} models of {kinds}: killed at {reached:,}, then crawled to {entered:,}")
    print(f"{requests_:,} requests, {requests_ - scene.pages - scene.files:,} of them again after the kill")
    print(f"{int(planned):,} conversions planned in {float(planning):.1f} s of a processor")
    print(f"peak memory {second.peak >> 20:,} MiB, ledger {(work / 'ledger.sqlite').stat().st_size >> 20:,} MiB")
    print(
        f"{own / 60:,.1f} minutes of a processor, {own / scene.models * 1e6:,.0f} µs a model, "
        f"{own / peer.processor:.1f} times the bare client's; {(first.wall + second.wall) / 60:,.1f} by the clock",
        flush=True,
    )


def the_next_day(before: Scene, work: Path) -> None:
    """Crawl a hub again that has changed, with the ledger of the first crawl."""
    scene = Scene(before.models + before.models // CHANGED, before.configurations, next_day=True)
    with served(scene) as endpoint:
        again = run("--crawl", str(work), endpoint=endpoint)
        requests_, _ = asked(endpoint)
    new = [n for n in range(scene.models) if n % 8 != 7 and (n >= before.models or n % CHANGED == 0)]
    print(
        f"the next day, {scene.models:,} models: {requests_:,} requests, {scene.pages:,} pages and "
        f"{requests_ - scene.pages:,} files, of {len(new):,} configurations that are new; "
        f"{again.processor / scene.models * 1e6:,.0f} µs of a processor a model",
        flush=True,
    )


def planned(models: int) -> None:
    """Plan a ledger of so many conversions."""
    with tempfile.TemporaryDirectory() as work:
        run("--fill", work, str(models), endpoint="")
        taken = run("--plan", work, endpoint="")
    print(
        f"a ledger of {models:,} models: {int(taken.output):,} conversions planned in {taken.processor:.0f} s of a "
        f"processor, peak memory {taken.peak >> 20:,} MiB",
        flush=True,
    )


def limited(models: int, user: str) -> None:
    """Crawl a hub with the limits of the real one on a smaller scale, and compare with what they come to."""
    of_api, of_files = (most // 10 for most in LIMITS[user])
    scene = Scene(models, 400, window=WINDOW // 60, of_api=of_api, of_files=of_files)
    with served(scene) as endpoint, tempfile.TemporaryDirectory() as work:
        taken = run("--crawl", work, endpoint=endpoint)
        _, refused = asked(endpoint)
    windows = max((scene.pages - 1) // of_api, (scene.files - 1) // of_files)
    print(
        f"limits of {user}, scaled: {models:,} models in {taken.wall:.0f} s, "
        f"{windows * scene.window} s of them the least that the limits allow; {refused:,} requests refused",
        flush=True,
    )


def main(listed_: int = 100_000, fetched: int = 10_000, planned_: int = 3_000_000) -> None:
    """Serve, crawl, kill, crawl on, plan, compare."""
    planned(planned_)
    scene = Scene(fetched, 400)
    with tempfile.TemporaryDirectory() as work:
        killed_and_resumed(scene, Path(work))
        the_next_day(scene, Path(work))
    with tempfile.TemporaryDirectory() as work:
        killed_and_resumed(Scene(listed_), Path(work))
    limited(2_000, "free account")
    for user, (of_api, of_files) in LIMITS.items():
        for what, models, files in (
            ("3 million models", 3_000_000, 3_000_000),
            (f"the next day, {2 / CHANGED:.0%} new or changed", 3_000_000, 3_000_000 * 2 // CHANGED),
        ):
            pages = models // PAGE_SIZE
            hours = max(pages / of_api, files / of_files) * WINDOW / 3600
            print(f"{user}, {what}: {pages:,} pages and at most {files:,} files in {hours:,.1f} hours")


if __name__ == "__main__":
    kinds = {"--serve": serve, "--crawl": crawl_all, "--fill": fill, "--plan": plan, "--fetch": fetch_all}
    if sys.argv[1:2] and sys.argv[1] in kinds:
        kinds[sys.argv[1]](*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
