"""How long does assembly take, and how much memory, from the facts of 1 to 10 million architectures to Parquet files?

    python benchmarks/assemble_rows.py [NUMBER ...]

The rows are SYNTHETIC: facts as they are measured, drawn by chance, of architectures that do not exist. Four of them
are one graph, two graphs are one without attributes, and every third graph is a near-duplicate of the one before. All
that is decided about rows is real: they are set aside, merged at three levels, searched for near-duplicates, placed in
their splits, counted for leaks, and configs `graphs`, `graphs-no-attributes`, `skeletons` and `architectures` written.
Left out are measuring, the structure of graphs (one of three nodes stands for all, without a picture), subgraphs,
blocks, figures and the card.

Each number runs in a process of its own. The ratio is that of the processor time for an architecture in the largest run
to that in the smallest: 1 is linear.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import shake_128
from pathlib import Path

import numpy as np

from builders.assemble.assembly import near_duplicates_of
from builders.assemble.measured import MeasuredStore
from builders.assemble.merge import Chosen, by_normal_form, count_wl_collisions, merge, normal_form_pairs
from builders.assemble.split.leaks import graph_leaks
from builders.assemble.split.placement import place_rows
from builders.assemble.write.operator_rows import operator_rows
from builders.assemble.write.parquet import write_split
from builders.assemble.write.rows import architecture_row, graph_row, skeleton_row, type_graph_row
from builders.ledger import Tool
from builders.measure.facts import Facts, Identity
from builders.model_ref import ModelRef
from younger_hf.graph import Operator, OperatorGraph
from younger_hf.recognise.sketch import MINHASH_LENGTH, SKETCH_LENGTH
from younger_hf.schema import SPLITS, features
from younger_hf.vocabulary import Vocabulary

OF_ONE_GRAPH = 4
LABELS = [f"{name}{{}}" for name in ("Add", "Conv", "Gemm", "MatMul", "Relu", "Softmax", "Mul", "Sigmoid")]
TOOL = Tool("synthetic", {"synthetic": "1"})
GRAPH = OperatorGraph(
    tuple(map(Operator.from_label, LABELS[:3])),
    np.array([[0, 1], [1, 2]]),
    np.zeros((2, 2), np.int64),
    np.full(3, -1),
)


class NoSpool:
    """One graph in the place of all."""

    def graph(self, _number: int, *, attributes: bool = True) -> OperatorGraph:
        """The graph."""
        return GRAPH if attributes else GRAPH.without_attributes()

    def unfed(self, _number: int, **_: bool) -> np.ndarray:
        """No slot."""
        return np.zeros((3, 0), np.int64)

    def preview(self, _number: int) -> bytes:
        """No picture."""
        return b""

    def skeleton(self, _number: int) -> bytes:
        """No skeleton."""
        return b""

    def modules(self, _number: int) -> bytes:
        """No modules."""
        return b""


def architectures(number: int) -> Iterator[tuple[str, dict[ModelRef, Tool], Facts]]:
    """Facts by chance, the skeletons of one graph at random places."""
    graphs = -(-number // OF_ONE_GRAPH)
    order = np.random.default_rng(0).permutation(number).astype(np.int32)
    for at in order.tolist():
        graph = at % graphs
        # Bytes by chance, the same for near-duplicates; they take a tenth of the time of a generator of numbers.
        chance = shake_128(b"%d" % (graph - (graph % 3 == 2))).digest(len(LABELS) + SKETCH_LENGTH // 4 + MINHASH_LENGTH)
        counts = {label: 1 + byte for label, byte in zip(LABELS, chance, strict=False)}
        sketch = [byte % 30 for byte in chance[len(LABELS) : -MINHASH_LENGTH]] * 4
        minhash = tuple(chance[-MINHASH_LENGTH:])
        sketch[graph % SKETCH_LENGTH] += 1
        name = f"{graph:032x}"
        yield (
            f"{at:032x}",
            {
                ModelRef(
                    *("synthetic", f"user{at % 9973}/model-{at}", f"{at:040x}"),
                    family=f"family{graph % (graphs // 50 + 1)}",
                    library="transformers",
                    task="text-classification",
                    downloads=at % 1000,
                ): TOOL
            },
            Facts(
                graph=Identity(name),
                type_graph=Identity(f"{graph // 2:032x}"),
                skeleton=Identity(f"{at:032x}"),
                wl_hash=name,
                type_wl_hash=name,
                num_edges=sum(counts.values()) + 1,
                depth=50,
                num_parameters=at,
                num_shapes=10,
                costs=None,
                opset=17,
                variants=counts,
                num_searched=0,
                normal=Identity(name),
                normal_types=counts,
                sketch=tuple(sketch),
                minhash=minhash,
            ),
        )


def assemble(number: int, directory: Path) -> None:
    """Assemble so many, and say how it went."""
    began, seconds = time.perf_counter(), {}

    def done(what: str) -> None:
        seconds[what] = time.process_time() - sum(seconds.values())
        print(f"  {what}: {seconds[what]:.0f} s of processor", file=sys.stderr, flush=True)

    with closing(MeasuredStore(directory / "measured.sqlite")) as measured:
        for one in architectures(number):
            measured.append(*one)
        measured.finish()
        done("set aside")
        types = merge(measured)
        rows, _ = types.finer_rows()
        forms = by_normal_form(rows)
        count_wl_collisions(rows)
        done("merge")
        similar = near_duplicates_of(rows, directory)
        done("near-duplicates")
        placement = place_rows(types, 1234, near_duplicates=normal_form_pairs(forms), similar=similar)
        graph_leaks(placement)
        done("split")
        graphs = Chosen(rows, placement.graphs.order)
        vocabulary = Vocabulary.from_rows(operator_rows(graph.representative.facts.variants for graph in graphs))
        written = []
        for config, make, placed in (
            ("graphs", lambda row: graph_row(row, NoSpool(), vocabulary), placement.graphs),
            ("graphs-no-attributes", lambda row: type_graph_row(row, NoSpool(), vocabulary), placement.type_graphs),
            ("skeletons", lambda row: skeleton_row(row, NoSpool()), placement.skeletons),
        ):
            for split in SPLITS if config != "skeletons" else SPLITS[:1]:
                of_split = placed if config == "skeletons" else Chosen(placed, placed.of_split(split))
                made = map(make, of_split)
                written.append(write_split(directory / config, split, made, features(config, vocabulary.operators)))
        of_forms = (architecture_row(Chosen(rows, forms[form])) for form in range(len(forms)))
        config = features("architectures", vocabulary.operators)
        written.append(write_split(directory / "architectures", "train", of_forms, config))
        done("write")
        aside = sum(file.stat().st_size for file in directory.iterdir() if file.is_file())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        *(number, len(rows), len(types), len(similar), time.perf_counter() - began, usage.ru_utime + usage.ru_stime),
        *(usage.ru_maxrss * 1024, aside, sum(files.file_bytes for files in written), *seconds.values()),
    )


def main() -> None:
    numbers = sorted(int(argument) for argument in sys.argv[1:]) or [1_000_000, 3_000_000, 10_000_000]
    per_row = {}
    print("SYNTHETIC rows; seconds of processor: in all (set aside, merge, near-duplicates, split, write)")
    for number in numbers:
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, __file__, "--one", str(number), directory]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        architectures_, graphs, types, similar, wall, used, peak, aside, size, *parts = map(float, output.split())
        per_row[number] = used / number
        print(
            f"{architectures_:,.0f} architectures, {graphs:,.0f} graphs, {types:,.0f} without attributes, "
            f"{similar:,.0f} near-duplicates: {wall:,.0f} s by the clock, {used:,.0f} s of processor "
            f"({', '.join(f'{part:,.0f}' for part in parts)}), {peak / 2**20:,.0f} MiB at most, "
            f"{aside / 2**20:,.0f} MiB set aside, {size / 2**20:,.0f} MiB of Parquet",
            flush=True,
        )
    if len(numbers) > 1:
        ratio = per_row[numbers[-1]] / per_row[numbers[0]]
        print(f"an architecture among {numbers[-1]:,} takes {ratio:.2f} times as long as one among {numbers[0]:,}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        assemble(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
