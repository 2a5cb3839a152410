"""README's table of baselines: the release that it is of, and the table from runs that were trained on it.

    python benchmarks/baselines.py release OUTPUT --work DIR [--jobs 2]
    python benchmarks/baselines.py rules OUTPUT runs
    younger-hf train operator --model gine --release OUTPUT --run runs/gine …
    younger-hf evaluate runs/gine --split test …
    python benchmarks/baselines.py table runs/*

The release is of 180 models of timm and of each model type that optimum exports, with one of its tasks, both drawn at
random, and of torchvision and Keras. `rules` runs every rule in every setting, which takes minutes. The table has a row
for each model: of one run its metrics with their intervals over families, of several the means and how far apart they
are.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

SEED = 1234
NUM_TIMM = 180
NUM_TORCHVISION = 100  # the first of its registry
DRAWS = 300  # of families, for the intervals of rules


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("release", help="crawl, convert and assemble")
    command.add_argument("output", type=Path)
    command.add_argument("--work", type=Path, required=True)
    command.add_argument("--jobs", type=int, default=2)
    command.set_defaults(run=lambda arguments: make_release(arguments.output, arguments.work, arguments.jobs))
    command = commands.add_parser("rules", help="run and evaluate every rule")
    command.add_argument("release")
    command.add_argument("runs", type=Path)
    command.set_defaults(run=lambda arguments: run_rules(arguments.release, arguments.runs))
    command = commands.add_parser("table", help="print the Markdown table of evaluated runs")
    command.add_argument("runs", type=Path, nargs="+")
    command.set_defaults(run=lambda arguments: print_table(arguments.runs))
    arguments = parser.parse_args()
    arguments.run(arguments)


def make_release(output: Path, work: Path, jobs: int) -> None:
    from builders.ledger import Ledger
    from builders.pipeline import build, crawl

    timm, transformers = draw()
    with Ledger(work) as ledger:
        for source in (f"timm:{','.join(timm)}", f"transformers:{','.join(transformers)}", "keras"):
            crawl(ledger, source)
        crawl(ledger, "torchvision", limit=NUM_TORCHVISION)
    build([], output, work, jobs=jobs)


def draw() -> tuple[list[str], list[str]]:
    """The names of timm's architectures, and model types of transformers with a task, as `--source` takes them."""
    import optimum.exporters.onnx.model_configs  # noqa: F401 - registers what optimum exports
    from optimum.exporters.tasks import TasksManager

    from builders.crawl import list_models
    from builders.crawl.transformers import architectures

    rng = random.Random(SEED)
    timm = [model.id for model in list_models("timm")]
    rng.shuffle(timm)
    tasks = architectures()
    supported = {name for name, exporters in TasksManager._SUPPORTED_MODEL_TYPE.items() if "onnx" in exporters}
    types = sorted(
        {name.replace("-", "_") if name.replace("-", "_") in tasks else name for name in supported} & set(tasks)
    )
    rng.shuffle(types)
    return sorted(timm[:NUM_TIMM]), sorted(f"{name}/{rng.choice(sorted(tasks[name]))}" for name in types)


def run_rules(release: str, runs: Path) -> None:
    from younger_hf import Vocabulary
    from younger_hf.cli.runs import evaluate
    from younger_hf.recipes.recipe import config_of
    from younger_hf.recipes.rules import complete
    from younger_hf.recipes.run import Run

    for name, (recipe, settings) in rule_settings().items():
        for scheme in ("family", "paper"):
            config = config_of(recipe, {**settings, "release": release, "split_scheme": scheme})
            run = Run.create(runs / f"{name}-{scheme}", config, Vocabulary.load(release))
            complete(run)
            evaluate(run.directory, draws=DRAWS)


def rule_settings() -> dict[str, tuple[str, dict[str, Any]]]:
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for protocol in ("both", "paper"):
        found[f"operator-{protocol}-majority"] = "operator", {"model": "majority", "protocol": protocol}
        for hops in (1, 2, 4):
            settings = {"model": "ngram", "protocol": protocol, "hops": hops}
            found[f"operator-{protocol}-ngram-{hops}"] = "operator", settings
    for rule in ("nearest", "nearest-unused", "ngram"):
        found[f"slots-{rule}"] = "slots", {"model": rule}
    for protocol in ("heldout", "paper"):
        for rule in ("rule", "open-slots", "ngram"):
            found[f"dataflow-{protocol}-{rule}"] = "dataflow", {"model": rule, "protocol": protocol}
    return found


def print_table(runs: list[Path]) -> None:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        score = json.loads((run / "evaluation-test.json").read_text())
        of = score["of"]
        setting = of.get("protocol", "") or of.get("boundary", "")
        groups[of["task"], of["config"], of["split_scheme"], setting, score["model"]].append(score)
    before: tuple[str, ...] = ()
    for key, scores in sorted(groups.items(), key=lambda group: (group[0][:4], best(group[1]))):
        if key[:4] != before:
            before = key[:4]
            num_labels, num_families = scores[0]["labels"], scores[0]["families"]
            print(f"\n{' '.join(filter(None, before))}: {num_labels:,} labels of {num_families} families\n")
            print(f"| model | {' | '.join(scores[0]['metrics'])} | seeds | best step | minutes to it |")
            print(f"|---|{'---|' * (len(scores[0]['metrics']) + 3)}")
        metrics = [shown(scores, name) for name in scores[0]["metrics"]]
        steps = spread([score["checkpoint"]["step"] for score in scores], ",.0f")
        minutes = spread([score["checkpoint"]["seconds"] / 60 for score in scores], ".1f")
        print(f"| {key[-1]} | {' | '.join(metrics)} | {len(scores)} | {steps} | {minutes} |")


def best(scores: list[dict[str, Any]]) -> float:
    return mean(next(iter(score["metrics"].values())) for score in scores)


def shown(scores: list[dict[str, Any]], name: str) -> str:
    """A metric of one run with its interval, if it has one; of several runs their mean and spread."""
    interval = scores[0].get("intervals", {}).get(name)
    text = spread([score["metrics"][name] for score in scores])
    return f"{text} ({interval[0]:.3f} to {interval[1]:.3f})" if interval and len(scores) == 1 else text


def spread(values: list[float], form: str = ".3f") -> str:
    """The mean, and half of the distance between the smallest and the largest."""
    text = f"{mean(values):{form}}"
    return text if len(values) == 1 else f"{text} ± {(max(values) - min(values)) / 2:{form}}"


if __name__ == "__main__":
    main()
