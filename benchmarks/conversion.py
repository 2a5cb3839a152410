"""What does a conversion's isolation cost over the bare export, once warm, and against a process that starts cold?

    python benchmarks/conversion.py [ROUNDS]

The bare export runs in this process with one thread, as in a child: export, strip, extract, after a first time that
does not count. The three in turn, medians; the ratio is cold against warm. Overhead is what lies between the medians
of `convert` from a warm template and of the bare export: the fork, the namespaces, what a library does on first use,
the answer, the end of the child. Time is wall-clock, so measure on a machine that is at rest.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"

from builders.convert import Outcome, Request, exporters_for
from builders.convert.isolation import convert
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef
from younger_hf.extract import extract, strip

MODELS = (
    ModelRef("onnx-package", "squeezenet", library="onnx"),
    ModelRef("torchvision", "resnet18", library="torchvision"),
)


def bare(request: Request) -> bytes:
    """The skeleton, made in this process."""
    exporter = exporters_for(request.model)[0]
    with contextlib.redirect_stdout(io.StringIO()):
        skeleton = strip(import_module(exporter.module).export(request).onnx)
    extract(skeleton)
    return skeleton.SerializeToString(deterministic=True)


def isolated(request: Request, templates: Templates | None) -> bytes:
    """The skeleton, made in a child."""
    done = convert(request, exporters_for(request.model)[0], templates=templates)
    assert done.outcome is Outcome.OK, done
    assert done.skeleton is not None
    return done.skeleton


def main(rounds: int) -> None:
    os.chdir(tempfile.mkdtemp())
    with Templates() as templates:
        for model in MODELS:
            request = Request(model)
            ways: dict[str, Callable[[Request], bytes]] = {
                "bare": bare,
                "warm": lambda request: isolated(request, templates),
                "cold": lambda request: isolated(request, None),
            }
            assert len({way(request) for way in ways.values()}) == 1
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, way in ways.items():
                    started = time.perf_counter()
                    way(request)
                    seconds[name].append(time.perf_counter() - started)
            took = {name: median(times) for name, times in seconds.items()}
            overhead = [warm - took["bare"] for warm in seconds["warm"]]
            print(
                f"{model.id}: warm {took['cold'] / took['warm']:.1f} times as fast as cold "
                f"({took['warm']:.2f} s against {took['cold']:.2f} s); overhead over the bare export "
                f"({took['bare']:.2f} s): {median(overhead):.2f} s, {min(overhead):.2f} to {max(overhead):.2f} s"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
