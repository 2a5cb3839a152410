"""The tables of baselines in README.md and docs/baselines.md: every rule and model, trained and scored on one release.

    python benchmarks/baselines.py run younger runs --jobs 2   # some three hours of a core; finished ones are kept
    python benchmarks/baselines.py run younger runs --scale 5  # five times the steps
    python benchmarks/baselines.py run younger runs --only slots --only rules
    python benchmarks/baselines.py render younger runs         # writes the tables between their marks

Each run is what `younger-hf train` and `younger-hf evaluate` do, with one thread, so that its numbers do not depend on
what runs beside it. `PLAN` says what is run, and for how many steps. A table has runs of one release alone: another one
ends the command, and nothing is written.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).parents[1]
DRAWS = 200  # of families, for intervals
SCHEMES = ("family", "paper")
SEEDS = (12345, 1, 2)
SEEDED = ("slots", "operator", "dataflow", "graph")

# Of operator design, about two minutes of a core for each model, in batches of 64 subgraphs: on a processor the same
# minutes go further with those than with the paper's 512.
BATCH = 64
STEPS = {
    "gcn": 1500,
    "gat": 300,
    "sage": 1500,
    "dir-sage": 1000,
    "gine": 2000,
    "dag-transformer": 500,
    "gae": 1000,
    "vgae": 1000,
}


@dataclass(frozen=True)
class Planned:
    """A run: `younger-hf train RECIPE` with settings, of so many steps at scale 1, 0 for a rule."""

    name: str
    group: str
    recipe: str
    settings: dict[str, Any]
    steps: int = 0
    after: str = ""  # a run whose encoder it begins from
    seed: int = SEEDS[0]

    def config(self, release: str, runs: Path, scale: float) -> Any:
        """The configuration of the run."""
        from younger_hf.recipes.recipe import config_of

        told = {**self.settings, "release": release, "device": "cpu", "seed": self.seed}
        if self.steps:
            steps = max(1, round(scale * self.steps))
            told |= {"steps": steps, "patience": 0, "validate_every": max(1, steps // 10)}
        if self.after:
            told["init"] = str(runs / self.after)
        return config_of(self.recipe, told)


def plan() -> Iterator[Planned]:
    """All runs, those first that others begin from."""
    yield Planned("pretrain", "pretrain", "pretrain", {"model": "gine"}, 4000)
    for scheme in SCHEMES:
        of = {"split_scheme": scheme}
        for rule in ("ngram", "nearest", "nearest-unused"):
            yield Planned(f"slots-{rule}-{scheme}", "rules", "slots", {"model": rule, **of})
        for rule in ("rule", "open-slots", "ngram"):
            yield Planned(f"dataflow-{rule}-{scheme}", "rules", "dataflow", {"model": rule, **of})
        for protocol in ("both", "paper"):
            told = {"protocol": protocol, **of}
            yield Planned(f"operator-{protocol}-majority-{scheme}", "rules", "operator", {"model": "majority", **told})
            for hops in (1, 2, 4):
                name = f"operator-{protocol}-ngram{hops}-{scheme}"
                yield Planned(name, "rules", "operator", {"model": "ngram", "hops": hops, **told})
    for target, scheme in (("task", "stratified"), ("family", "stratified"), ("macs", "family"), ("depth", "family")):
        of = {"target": target, "split_scheme": scheme}
        for rule in ("majority", "bag"):
            yield Planned(f"graph-{target}-{rule}", "rules", "graph", {"model": rule, **of})
        gine = {"model": "gine", "batch_size": 4, **of}
        yield Planned(f"graph-{target}-gine", "graph", "graph", gine, 400)
        yield Planned(f"graph-{target}-pretrained", "graph", "graph", gine, 400, after="pretrain")
    for scheme in SCHEMES:
        of = {"split_scheme": scheme}
        for model in ("sage", "dir-sage", "gine", "dag-transformer"):
            yield Planned(f"slots-{model}-{scheme}", "slots", "slots", {"model": model, **of}, 1000)
        for model in ("gcn", "sage", "dir-sage", "gine", "dag-transformer"):
            told = {"model": model, "batch_size": BATCH, **of}
            yield Planned(f"operator-{model}-{scheme}", "operator", "operator", told, STEPS[model])
        told = {"model": "gine", "decoder": "directed", **of}
        yield Planned(f"dataflow-gine-{scheme}", "dataflow", "dataflow", told, 600)
    gine = {"model": "gine", "batch_size": BATCH}
    yield Planned("slots-pretrained", "slots", "slots", {"model": "gine"}, 1000, after="pretrain")
    yield Planned("operator-pretrained", "operator", "operator", gine, STEPS["gine"], after="pretrain")
    paper = {"protocol": "paper", "split_scheme": "paper"}
    for model in ("gcn", "gat", "sage", "gae", "vgae"):
        steps = {"encoder_steps": STEPS[model]} if model in ("gae", "vgae") else {}
        told = {"model": model, "batch_size": BATCH, **steps, **paper}
        yield Planned(f"operator-paper-{model}", "paper", "operator", told, STEPS[model])
    for model in ("gcn", "gat", "sage"):
        yield Planned(f"dataflow-paper-{model}", "paper", "dataflow", {"model": model, **paper}, 600)
    for name, options in {
        "forward": {"direction": "forward"},
        "slotless": {"slots": False},
        "2-layers": {"layers": 2},
        "8-layers": {"layers": 8},
        "normless": {"norm": False},
        "no-residual": {"residual": False},
    }.items():
        yield Planned(f"operator-gine-{name}", "ablations", "operator", {**gine, **options}, STEPS["gine"])


def with_seeds(planned: Planned, seeds: int) -> Iterator[Planned]:
    """A run with the first seed; of models that are trained in our own settings, with others as well."""
    yield planned
    is_seeded = planned.steps and planned.group in SEEDED and planned.settings.get("split_scheme") != "paper"
    for seed in SEEDS[1:seeds] if is_seeded else ():
        yield replace(planned, name=f"{planned.name}-seed{seed}", seed=seed)


PLAN = tuple(plan())
GROUPS = tuple(dict.fromkeys(each.group for each in PLAN))

# The paper, tables of data flow and of operator design without attributes, main text: accuracy and F1, or AUC.
PAPER = {
    ("operator", "gcn"): "0.836 / 0.299",
    ("operator", "gat"): "0.714 / 0.202",
    ("operator", "sage"): "0.925 / 0.365",
    ("operator", "gae"): "0.907 / 0.175",
    ("operator", "vgae"): "0.914 / 0.221",
    ("dataflow", "gcn"): "0.994",
    ("dataflow", "gat"): "0.909",
    ("dataflow", "sage"): "0.925",
}
SHOWN = {
    "slots": ("mrr", "hits1", "hits10"),
    "operator": ("accuracy", "f1"),
    "dataflow": ("auc", "ap"),
    "graph-class": ("accuracy", "f1"),
    "graph-value": ("tau", "within10", "mae"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run", help="train and score what is not there yet")
    command.add_argument("release")
    command.add_argument("runs", type=Path)
    command.add_argument("--scale", type=float, default=1.0, help="of the steps")
    names = [*GROUPS, *(each.name for each in PLAN)]
    command.add_argument("--only", action="append", choices=names, default=[], metavar="GROUP|NAME", help="repeatable")
    command.add_argument("--jobs", type=int, default=1)
    command.add_argument(
        "--seeds",
        type=int,
        default=1,
        choices=range(1, len(SEEDS) + 1),
        help="of models in settings that are not the paper's",
    )
    command.set_defaults(run=lambda told: run(told.release, told.runs, told.scale, told.only, told.jobs, told.seeds))
    command = commands.add_parser("render", help="write the tables into README.md and docs/baselines.md")
    command.add_argument("release")
    command.add_argument("runs", type=Path)
    command.add_argument("--root", type=Path, default=ROOT)
    command.set_defaults(run=lambda told: render(told.release, told.runs, told.root))
    told = parser.parse_args()
    told.run(told)


def run(release: str, runs: Path, scale: float, only: list[str], jobs: int, seeds: int) -> None:
    chosen = [each for each in PLAN if not only or each.group in only or each.name in only]
    wanted = [seeded for each in chosen for seeded in with_seeds(each, seeds)]
    first = [each for each in wanted if not each.steps or each.group == "pretrain"]
    finish_one = partial(finish, release=release, runs=runs, scale=scale)
    for part in (first, [each for each in wanted if each not in first]):
        if jobs == 1:
            list(map(finish_one, part))
            continue
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            list(pool.map(finish_one, part))


def finish(planned: Planned, release: str, runs: Path, scale: float) -> None:
    """Train and score a run, from wherever it was left."""
    directory = runs / planned.name
    if (directory / "evaluation-test.json").is_file():
        return
    if planned.after and not (runs / planned.after / "best.json").is_file():
        print(f"{planned.name} begins from {planned.after}, which is not there: left out", file=sys.stderr)
        return
    from younger_hf import Vocabulary
    from younger_hf.cli.runs import evaluate
    from younger_hf.recipes.rules import complete
    from younger_hf.recipes.run import Run

    if planned.steps:
        import torch

        torch.set_num_threads(1)
    config = planned.config(release, runs, scale)
    if (directory / "config.json").is_file():
        run = Run.open(directory)
        if replace(run.config, init=config.init) != config:
            raise SystemExit(f"{directory} has other settings than are planned: remove it, and run again")
    else:
        run = Run.create(directory, config, Vocabulary.load(release))
    if not (directory / "rule.parquet").is_file():
        complete(run)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        evaluate(directory, draws=DRAWS, device="cpu")
    print(f"{planned.name}: done", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Row:
    """A run that was scored: what it is, and what its evaluation says."""

    planned: Planned
    score: dict[str, Any]
    config: dict[str, Any]
    parameters: int
    graphs: int

    @property
    def scheme(self) -> str:
        """How rows are split."""
        return str(self.score["of"]["split_scheme"])

    @property
    def setting(self) -> tuple[str, ...]:
        """The task, and what is to be predicted."""
        of = self.score["of"]
        return (of["task"], str(of.get("boundary", of.get("protocol", of.get("target", "")))))


Seeds = list[Row]
"""The runs of one model and setting, by seed."""


def value(rows: Seeds, metric: str) -> str:
    """A metric with its interval over families; of several seeds the means, and half of the range."""
    values = [row.score["metrics"][metric] for row in rows]
    text = f"{mean(values):.3f}"
    if len(rows) > 1:
        text += f" ± {(max(values) - min(values)) / 2:.3f}"
    bounds = [found for row in rows if (found := row.score.get("intervals", {}).get(metric))]
    return f"{text} ({mean(low for low, _ in bounds):.3f}–{mean(high for _, high in bounds):.3f})" if bounds else text


def rows_of(release: str, runs: Path) -> list[Row]:
    """The runs that are scored; a run of another release ends it."""
    from younger_hf.release import open_release

    contents = open_release(release).contents
    rows = []
    for planned in (seeded for each in PLAN for seeded in with_seeds(each, len(SEEDS))):
        file = runs / planned.name / "evaluation-test.json"
        # What is pretrained is scored as an operator task is, over other labels: it is no row of that table.
        if planned.group == "pretrain" or not file.is_file():
            continue
        score = json.loads(file.read_text())
        if score["of"]["content"] != contents[score["of"]["config"]]:
            raise SystemExit(f"{file.parent} is of another release than {release}: remove it, and run again")
        config = json.loads((file.parent / "config.json").read_text())
        rows.append(Row(planned, score, config, num_parameters(file.parent), num_graphs(file.parent)))
    if not rows:
        raise SystemExit(f"{runs} has no scored runs of {release}")
    return rows


def num_parameters(run: Path) -> int:
    """The elements of all tensors that a safetensors file says it has."""
    file = run / "best.safetensors"
    if not file.is_file():
        return 0
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    total = 0
    for shape in shapes:
        size = 1
        for dim in shape:
            size *= dim
        total += size
    return total


def num_graphs(run: Path) -> int:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    column = pq.read_table(run / "predictions-test.parquet", columns=["fingerprint"])["fingerprint"]
    return int(pc.count_distinct(column).as_py())


def render(release: str, runs: Path, root: Path) -> None:
    rows = rows_of(release, runs)
    place(root / "docs" / "baselines.md", "\n".join(tables(rows, release)))
    place(root / "README.md", "\n".join(summary(rows, release)))


def place(file: Path, text: str, mark: str = "baselines", by: str = "baselines") -> None:
    """Put text between the marks of a document that say which benchmark it is by."""
    before, begin, rest = file.read_text().partition(f"<!-- {mark}: made by benchmarks/{by}.py -->\n")
    _, end, after = rest.partition(f"<!-- end of {mark} -->\n")
    if not (begin and end):
        raise SystemExit(f"{file} has no marks for the tables")
    file.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def sizes(release: str) -> str:
    from younger_hf import load

    counts = {split: len(rows) for split, rows in load("graphs", source=release).items()}
    return f"{sum(counts.values()):,} architectures"


TITLES = {
    "slots": "Slot filling",
    "operator both": "Operator design, boundary in both directions",
    "operator successors": "Operator design, `--protocol paper`: successors alone",
    "dataflow heldout": "Pairs with and without a data flow, `--protocol heldout`",
    "dataflow paper": "Pairs with and without a data flow, `--protocol paper`",
    "graph-class task": "Graphs, `--target task`, families in both splits",
    "graph-class family": "Graphs, `--target family`, families in both splits",
    "graph-value macs": "Graphs, `--target macs`, families apart",
    "graph-value depth": "Graphs, `--target depth`, families apart",
}


def order(setting: tuple[str, ...]) -> int:
    return list(TITLES).index(" ".join(setting).strip())


def tables(rows: list[Row], release: str) -> Iterator[str]:
    """A table for each task and setting: rules first, then models by their first metric."""
    yield f"On `younger/` with {sizes(release)}, test splits, without attributes; intervals (95 %) are over families."
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.setting].append(row)
    for (task, choice), of_setting in sorted(groups.items(), key=lambda each: order(each[0])):
        metrics = SHOWN[task]
        there = {row.scheme for row in of_setting}
        schemes = [scheme for scheme in WORDS if scheme in there]
        title = TITLES[f"{task} {choice}".strip()]
        yield f"\n### {title}\n"
        for scheme in schemes:
            yield f"{WORDS[scheme].capitalize()}: {counts_of(next(row for row in of_setting if row.scheme == scheme))}."
        heads = [f"{metric}, {WORDS[scheme]}" for scheme in schemes for metric in metrics]
        reported = ["the paper reports"] if any((task, row.config["model"]) in PAPER for row in of_setting) else []
        yield ""
        yield f"| model | {' | '.join([*heads, *reported])} | parameters | steps | minutes |"
        yield f"|---|{'---|' * (len(heads) + len(reported) + 3)}"
        for name, by_scheme in in_order(of_setting, metrics[0]):
            pairs = [(by_scheme.get(scheme), metric) for scheme in schemes for metric in metrics]
            cells = [value(of_seeds, metric) if of_seeds else "" for of_seeds, metric in pairs]
            any_row = next(iter(by_scheme.values()))[0]
            if reported:
                cells.append(PAPER.get((task, any_row.config["model"]), ""))
            yield f"| {name} | {' | '.join([*cells, *costs(any_row)])} |"


WORDS = {"family": "families apart", "stratified": "families in both", "paper": "paper's splits"}


def counts_of(row: Row) -> str:
    of, what = row.score["of"], "subgraphs" if row.score["of"]["config"].startswith("subgraphs") else "graphs"
    classes = f", {len(of['classes']):,} classes" if of.get("classes") else ""
    return f"{row.score['labels']:,} labels of {row.graphs:,} {what} of {row.score['families']:,} families{classes}"


def in_order(rows: list[Row], metric: str) -> list[tuple[str, dict[str, Seeds]]]:
    """By model, the runs of each split scheme: rules first, the best of the first scheme last."""
    by_model: dict[str, dict[str, Seeds]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_model[row.score["model"]][row.scheme].append(row)

    def place(each: tuple[str, dict[str, Seeds]]) -> tuple[bool, float]:
        _, of_seeds = min(each[1].items(), key=lambda item: list(WORDS).index(item[0]))
        return any(row.planned.steps for row in of_seeds), mean(row.score["metrics"][metric] for row in of_seeds)

    return sorted(by_model.items(), key=place)


def costs(row: Row) -> list[str]:
    if not row.parameters:
        return ["0", "", ""]
    steps, seconds = row.score["checkpoint"]["step"], row.score["checkpoint"]["seconds"]
    return [f"{row.parameters:,}", f"{steps:,} of {row.config['steps']:,}", f"{seconds / 60:.0f}"]


README_TASKS = (
    ("slots", "", "mrr", "Slot filling, MRR"),
    ("operator", "both", "accuracy", "Operator design, accuracy"),
    ("dataflow", "heldout", "auc", "Pairs with and without a data flow, AUC"),
    ("graph-class", "task", "accuracy", "What a network is for, accuracy"),
)


def summary(rows: list[Row], release: str) -> Iterator[str]:
    """One small table a task: the best rule, the best of the paper's models, and the best model."""
    yield f"On the {sizes(release)} of `younger/`, test splits, with intervals (95 %) over families; rules, which have"
    yield "no parameters, come first. Steps, other metrics and tasks are in [baselines](docs/baselines.md)."
    for task, choice, metric, title in README_TASKS:
        of_task = [row for row in rows if row.setting == (task, choice) and row.planned.group != "ablations"]
        if not of_task:
            continue
        ordered = in_order(of_task, metric)
        models = {name for name, schemes in ordered if any(row.planned.steps for of in schemes.values() for row in of)}
        of_paper = {row.score["model"] for row in of_task if (task, row.config["model"]) in PAPER}
        rules = [each for each in ordered if each[0] not in models][-1:]
        best = [each for each in ordered if each[0] in models][-1:]
        shown = [each for each in ordered if each[0] in models & of_paper][-1:] + best
        there = {row.scheme for row in of_task}
        schemes = [scheme for scheme in WORDS if scheme in there]
        first = next(row for row in of_task if row.scheme == schemes[0])
        yield f"\n{title} ({counts_of(first)}):\n"
        heads = [WORDS[scheme] for scheme in schemes]
        yield f"| model | {' | '.join([*heads, 'the paper reports', 'parameters'])} |"
        yield f"|---|{'---|' * (len(heads) + 2)}"
        for name, by_scheme in dict([*rules, *shown]).items():
            any_row = next(iter(by_scheme.values()))[0]
            cells = [value(by_scheme[scheme], metric) if scheme in by_scheme else "" for scheme in schemes]
            reported = PAPER.get((task, any_row.config["model"]), "").partition(" /")[0]
            yield f"| {name} | {' | '.join([*cells, reported, f'{any_row.parameters:,}'])} |"


if __name__ == "__main__":
    main()
