"""How long does a release take, and how much memory, as the number of architectures grows?

    python benchmarks/assemble.py [NUMBER ...]

Architectures are made by perturbing real ones of 415 to 3,608 operators (1,500 on average): one operator in a hundred
becomes another one. They are collected in a ledger first, which is not timed. Memory is that of all processes together.
The ratio is that of the processor time for an architecture in the largest release to that in the smallest: 1 is linear.
"""

from __future__ import annotations

import random
import resource
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import onnx
import psutil
from real_models import FOLDER, onnx_file

from builders.assemble import assemble
from builders.convert import Conversion, Outcome
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from younger_hf.extract import strip

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
JOBS = 2
# Operators of one kind that can take each other's place.
KINDS = (
    ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Exp", "Neg", "Abs", "Sqrt", "Identity", "Floor"),
    ("Add", "Sub", "Mul", "Div", "Pow"),
)


def perturbed(number: int) -> Iterator[tuple[str, bytes]]:
    """The name of a real architecture and the skeleton of one that is like it, as often as is asked for."""
    real = {name: strip(onnx_file(name)) for name in ("swin_t", "vit_b_16")}
    real |= {name: strip(LIGHT / f"light_{name}.onnx") for name in ("densenet121", "inception_v2", "resnet50")}
    chance = random.Random(0)
    for at in range(number):
        name, model = list(real.items())[at % len(real)]
        exchangeable = [(node, kind) for node in model.graph.node for kind in KINDS if node.op_type in kind]
        chosen = chance.sample(exchangeable, len(model.graph.node) // 100)
        before = [node.op_type for node, _ in chosen]
        for node, kind in chosen:
            node.op_type = chance.choice(kind)
        yield name, model.SerializeToString(deterministic=True)
        for (node, _), op_type in zip(chosen, before, strict=True):
            node.op_type = op_type


def fill(work: Path, number: int) -> Ledger:
    """A ledger of so many architectures, in some hundred families."""
    ledger = Ledger(work)
    for at, (name, skeleton) in enumerate(perturbed(number)):
        model = ModelRef("benchmark", f"{name}-{at}", family=f"{name} {at % 397}")
        ledger.record([model])
        ledger.finish(model, Conversion(Outcome.OK, exporter="benchmark", skeleton=skeleton))
    return ledger


class PeakMemory:
    """The most memory that this process and its children have had together since it was entered, in bytes."""

    def __enter__(self) -> PeakMemory:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._done.wait(0.5):
            used = 0
            for process in (here, *here.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    # Pages that the processes share count once.
                    used += process.memory_full_info().pss if psutil.LINUX else process.memory_info().rss
            self.peak = max(self.peak, used)


def processor_seconds() -> float:
    """What this process and its finished children have used."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:]] or [2_500, 5_000, 10_000]
    used = {}
    for number in numbers:
        directory = FOLDER / f"assemble-{number}"
        shutil.rmtree(directory, ignore_errors=True)
        with fill(directory / "work", number) as ledger, PeakMemory() as memory:
            start, used_before = perf_counter(), processor_seconds()
            report = assemble(ledger, directory / "younger", jobs=JOBS)
            seconds, used[number] = perf_counter() - start, processor_seconds() - used_before
        size = sum(file.stat().st_size for file in (directory / "younger").rglob("*.parquet"))
        print(
            f"assemble {number:,}: {seconds:.0f} s ({used[number]:.0f} s of processors), "
            f"{memory.peak / 2**30:.2f} GiB at most, "
            f"{sum(report.rows['graphs'].values()):,} graphs, "
            f"{report.subgraphs['subgraphs'].unique:,} subgraphs of {report.subgraphs['subgraphs'].found:,}, "
            f"{size / 2**20:.0f} MiB of Parquet",
            flush=True,
        )
        shutil.rmtree(directory)
    first, last = min(numbers), max(numbers)
    ratio = (used[last] / last) / (used[first] / first)
    print(f"assemble: an architecture among {last:,} takes {ratio:.2f} times as long as one among {first:,}")


if __name__ == "__main__":
    main()
