"""How long architectures take: `measure` runs the skeleton of each row of `graphs` with random parameters, in turn.

In goes a release; out come rows of config `measurements`, in a file that grows by one model at a time, so that an
interrupted measurement is taken up where it was. Each model runs in a process of its own, with limits on time and on
memory; two measurements at once in one directory would disturb each other, and are refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from builders.results.files import merged, read_results, write_results
from builders.results.run_skeleton import PROVIDERS
from younger_hf.choices import check_choice
from younger_hf.errors import MissingExtraError, UsageError, YoungerError
from younger_hf.interop.onnx import representative_skeletons
from younger_hf.release import Release
from younger_hf.text import plain

CONFIG: Final = "measurements"

_RUNTIME: Final = "onnxruntime"
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES")
_LONGEST: Final = 500  # characters of what went wrong
_SMALLEST: Final = 64 << 20  # bytes


@dataclass(frozen=True)
class Limits:
    """What one model may use, and how it is timed.

    Attributes:
        passes: how many are timed at most.
        seconds: that timing may take, three passes at the least; then the passes that there are count.
        timeout: seconds for all of it, from the start of the process.
        memory: bytes of address space, besides what the libraries reserve.
    """

    passes: int = 30
    seconds: float = 5
    timeout: float = 120
    memory: int = 8 << 30

    def __post_init__(self) -> None:
        for name, least in (("passes", 3), ("seconds", 0), ("timeout", 1), ("memory", _SMALLEST)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be {least:,} or more, not {getattr(self, name):,}")


def measure(
    release: Release,
    work: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    limit: int | None = None,
    limits: Limits | None = None,
) -> Counter[str]:
    """Measure what is not measured yet.

    Args:
        release: whose rows of `graphs` are measured, by the skeletons of their representatives.
        work: the directory of the file `measurements.parquet`.
        device: "cpu" or "cuda".
        threads: of the runtime.
        limit: at most so many models now.
        limits: what one model may use.

    Returns:
        How many of those that were measured now ended how.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        UsageError: ONNX Runtime has no such device here, or `threads` makes no sense.
        YoungerError: another process measures in the same directory, or a file cannot be written.
    """
    setting = _setting(device, threads)
    limits = limits or Limits()
    with _alone(work):
        rows = read_results(work, CONFIG)
        names = list(setting)
        known = {row["fingerprint"] for row in rows if [row[name] for name in names] == list(setting.values())}
        wanted = sorted({row["fingerprint"] for row in _graphs(release)} - known)[:limit]
        ended: Counter[str] = Counter()
        with tqdm(total=len(wanted), desc="measure", unit="model", disable=None) as bar:
            for fingerprint, skeleton_fingerprint, skeleton in representative_skeletons(release, wanted):
                found = _run(skeleton, device, threads, limits)
                ended[found["outcome"]] += 1
                key = {"fingerprint": fingerprint, "skeleton_fingerprint": skeleton_fingerprint}
                rows = merged(CONFIG, [*rows, {**key, **setting, **found}])
                write_results(work, CONFIG, rows)
                bar.set_postfix(ended, refresh=False)
                bar.update()
        return ended


def _graphs(release: Release) -> Iterator[Mapping[str, Any]]:
    for _, table in release.row_groups("graphs", ["fingerprint"]):
        yield from table.to_pylist()


def _setting(device: str, threads: int) -> dict[str, Any]:
    """What measurements that can be compared have in common.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        UsageError: it has no such device here.
    """
    check_choice("device", device, PROVIDERS)
    if threads < 1:
        raise UsageError(f"threads must be 1 or more, not {threads}")
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError(_RUNTIME, "audit") from error
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise UsageError(
            f"the installed ONNX Runtime has no device {device}: install one that has, or use --device cpu"
        )
    processor = _name_of_cpu() if device == "cpu" else _name_of_gpu()
    version = onnxruntime.__version__
    return {"device": device, "processor": processor, "threads": threads, "runtime": _RUNTIME, "version": version}


def _name_of_cpu() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return plain(found[1].strip(), 100)
    return platform.processor() or platform.machine()


def _name_of_gpu() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
        return plain(said.stdout.splitlines()[0].strip(), 100)
    return "a GPU"


def _run(skeleton: bytes, device: str, threads: int, limits: Limits) -> dict[str, Any]:
    """Run a skeleton in a process of its own, in an empty directory."""
    told = {
        "device": device,
        "threads": threads,
        "passes": limits.passes,
        "seconds": limits.seconds,
        "memory": limits.memory,
    }
    nothing = {"batch": None, "passes": 0, "median": None, "spread": None}
    with tempfile.TemporaryDirectory(prefix="younger-measure-") as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "builders.results.run_skeleton"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env=_environment(home, threads),
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(json.dumps(told).encode() + b"\n" + skeleton, timeout=limits.timeout)
        except subprocess.TimeoutExpired:
            return {**nothing, "outcome": "timeout", "message": f"more than {limits.timeout:g} seconds"}
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    try:
        said = json.loads(out)
        if "outcome" in said:
            return {**nothing, "outcome": said["outcome"], "message": plain(str(said["message"]), _LONGEST)}
        return {**{name: said[name] for name in nothing}, "outcome": "ok", "message": None}
    except (ValueError, KeyError, TypeError):
        return {**nothing, "outcome": "crashed", "message": f"the process ended with {process.returncode}"}


def _environment(home: str, threads: int) -> dict[str, str]:
    """Nothing of the user's that a model could learn, and no threads that work beside those of the runtime."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    python = os.pathsep.join(path for path in sys.path if path)
    return {**kept, "PYTHONPATH": python, "HOME": home, "TMPDIR": home, "OMP_NUM_THREADS": str(threads)}


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold the directory against other measurements; the lock goes with the process, however it ends."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = os.open(work / "measure.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise YoungerError(f"{work} cannot be written ({error.strerror})") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise YoungerError(f"another process measures in {work}: wait for its end") from error
        yield
    finally:
        os.close(lock)
