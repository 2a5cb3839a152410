"""How long does a crawl of a whole hub take, killed in the middle and run again, and how many conversions come out?

    python benchmarks/crawl.py [MODELS] [CONFIGURATIONS]

A hub on this machine makes its answers up as it is asked: pages of the listing as the Hugging Face Hub's API gives
them, with cursors, and a configuration for each fine-tune, as `benchmarks/plan.py` has them; one model in eight is an
ONNX file. The crawl is the real one. It is killed once it is half through, begun again, and planned; the hub counts
requests. The peer is a bare client that fetches the same pages and files in as many threads and keeps nothing. Then:
the time that so many requests take under the rate limits of the real Hub.
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import local
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import requests
from plan import configurations

from builders.crawl.huggingface import PAGE_SIZE, THREADS
from builders.ledger import Ledger
from builders.pipeline import crawl

SPEC = "huggingface:library=transformers"
LIMITS = {"anonymous": (500, 3000), "free account": (1000, 5000)}
"""Requests of the API, and of files, in five minutes."""


class Answers(BaseHTTPRequestHandler):
    """The hub: nothing is kept but how often it was asked."""

    protocol_version = "HTTP/1.1"
    models = 0
    bases: list[dict[str, object]] = []  # noqa: RUF012 - set once
    asked = 0

    def do_GET(self) -> None:
        """A page, a configuration, or how often anything was asked."""
        Answers.asked += 1
        where = urlsplit(self.path)
        if where.path == "/asked":
            return self.answer(str(Answers.asked).encode())
        if where.path == "/api/models":
            first = int(parse_qs(where.query).get("cursor", ["0"])[0])
            last = min(first + PAGE_SIZE, self.models)
            link = f'<http://{self.headers["Host"]}/api/models?cursor={last}>; rel="next"'
            return self.answer(
                json.dumps([self.entry(number) for number in range(first, last)]).encode(),
                {"Link": link} if last < self.models else {},
            )
        number = int(re.search(r"model-(\d+)/", where.path)[1])
        return self.answer(json.dumps(self.bases[number % len(self.bases)] | {"_name_or_path": where.path}).encode())

    def entry(self, number: int) -> dict[str, object]:
        """A model as the listing has it."""
        is_onnx = number % 8 == 7
        return {
            "id": f"user{number % 9973}/model-{number}",
            "sha": f"{number:040x}",
            "library_name": "onnx" if is_onnx else "transformers",
            "pipeline_tag": "text-classification",
            "tags": ["transformers", "bert", "text-classification"],
            "downloads": self.models - number,
            "likes": 0,
            "gated": False,
            "private": False,
            "siblings": [{"rfilename": "model.onnx" if is_onnx else "config.json"}],
        }

    def answer(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a body."""
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"1"', **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(models: int, configurations_: int) -> None:
    """Answer, on a port that is printed, until this process ends."""
    Answers.models, Answers.bases = models, configurations(configurations_)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


def crawl_all(work: str) -> None:
    """Crawl into a ledger and plan."""
    with Ledger(work) as ledger:
        crawl(ledger, SPEC)
        started = time.perf_counter()
        planned = len(ledger.unconverted([SPEC]))
        print(f"{planned} {time.perf_counter() - started}")


def fetch_all(endpoint: str, models: int) -> None:
    """The peer: the same requests, by a bare client that keeps nothing."""
    mine = local()

    def get(path: str) -> bytes:
        session = getattr(mine, "session", None) or requests.Session()
        mine.session = session
        return session.get(endpoint + path).content

    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, models, PAGE_SIZE):
            entries = json.loads(get(f"/api/models?cursor={first}"))
            names = [one["id"] for one in entries if one["library_name"] == "transformers"]
            for content in pool.map(get, [f"/{name}/resolve/main/config.json" for name in names]):
                json.loads(content)


def run(*arguments: str, endpoint: str) -> tuple[float, int, str]:
    """Wall-clock seconds, peak bytes and output of this file in a process of its own."""
    started = time.perf_counter()
    process = start(*arguments, endpoint=endpoint)
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{arguments[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - started, usage.ru_maxrss * 1024, output


def start(*arguments: str, endpoint: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


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


def main(models: int = 20_000, configurations_: int = 400) -> None:
    """Serve, crawl, kill, crawl on, plan, compare."""
    hub = start("--serve", str(models), str(configurations_), endpoint="")
    endpoint = f"http://127.0.0.1:{int(hub.stdout.readline())}"
    try:
        with tempfile.TemporaryDirectory() as directory:
            work = Path(directory)
            began = time.perf_counter()
            first = start("--crawl", directory, endpoint=endpoint)
            while listed(work) < models / 2:
                time.sleep(0.05)
            first.kill()
            first.wait()
            reached, half = listed(work), time.perf_counter() - began
            seconds, peak, output = run("--crawl", directory, endpoint=endpoint)
            planned, planning = output.split()
            asked = int(urlopen(f"{endpoint}/asked").read()) - 1
            size = (work / "ledger.sqlite").stat().st_size
            entered = listed(work)
        peer, _, _ = run("--fetch", endpoint, str(models), endpoint=endpoint)
    finally:
        hub.kill()
    pages = -(-models // PAGE_SIZE)
    files = models - models // 8
    print(
        f"{models:,} models of {configurations_:,} configurations: killed at {reached:,}, then crawled to {entered:,}"
    )
    print(f"{half + seconds:,.0f} s by the clock, {(half + seconds) / peer:.2f} times the bare client's {peer:,.0f} s")
    print(f"peak memory {peak >> 20:,} MiB, ledger {size >> 20:,} MiB")
    print(f"{asked:,} requests, {asked - pages - files:,} of them again after the kill")
    print(f"{int(planned):,} conversions planned in {float(planning):.1f} s")
    for user, (of_api, of_files) in LIMITS.items():
        hours = max(pages / of_api, files / of_files) * 5 / 60
        print(f"under the Hub's limits, {user}: {pages:,} pages and {files:,} files in {hours:,.1f} hours")


if __name__ == "__main__":
    kinds = {
        "--serve": lambda a, b: serve(int(a), int(b)),
        "--crawl": crawl_all,
        "--fetch": lambda a, b: fetch_all(a, int(b)),
    }
    if sys.argv[1:2] and sys.argv[1] in kinds:
        kinds[sys.argv[1]](*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
