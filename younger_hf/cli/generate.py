"""`younger-hf generate` and `complete`: new architectures, and ways to go on with one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from younger_hf.given_paths import check_file, check_unused

if TYPE_CHECKING:
    from younger_hf.recipes.run import Run
    from younger_hf.tasks.generation.slotted import SlottedGraph

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Mask = Annotated[bool, typer.Option(help="Draw only what the operators' schemas allow.")]
Temperature = Annotated[float, typer.Option(help="Below 1, draw likely operators more often; above, more rarely.")]
Output = Annotated[Path, typer.Option(help="Directory for graphs.parquet, samples.png and ONNX files.")]


def generate(
    run: Annotated[Path, typer.Argument(help="A run's directory, of the recipe generation.")],
    output: Output,
    num: Annotated[int, typer.Option(min=1, help="How many graphs.")] = 100,
    nodes: Annotated[int | None, typer.Option(min=2, help="Operators of each. Default: the model decides.")] = None,
    task: Annotated[str | None, typer.Option(help="What the networks are for, as in training.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same graphs.")] = 0,
    mask: Mask = True,
    temperature: Temperature = 1.0,
    device: Device = "auto",
) -> None:
    """Generate architectures with a trained model.

    Writes rows with the columns of config graphs that follow from the graph, a picture of the first ones, and an ONNX
    file of each whole network that ONNX Runtime runs.
    """
    from younger_hf.recipes.generate import Request
    from younger_hf.recipes.generate import generate as make
    from younger_hf.recipes.run import Run

    check_unused(output)
    opened = Run.open(run)
    request = Request(num, nodes, task, seed, mask, temperature)
    _write(opened, make(opened, request, device), output, "sample")


def complete(
    model: Annotated[Path, typer.Argument(help="An ONNX file; its weights are not read.")],
    run: Annotated[Path, typer.Option(help="A run of generation, by the autoregressive model.")],
    cut: Annotated[str, typer.Option(help="The node to cut before, by its name or position.")],
    output: Output,
    num: Annotated[int, typer.Option(min=1, help="How many ways to go on.")] = 5,
    nodes: Annotated[int | None, typer.Option(min=2, help="Operators of each. Default: the model decides.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same graphs.")] = 0,
    mask: Mask = True,
    temperature: Temperature = 1.0,
    device: Device = "auto",
) -> None:
    """Go on with half a network.

    What stands before a node is kept, and a trained model draws the rest.
    """
    check_file(model)
    check_unused(output)
    from younger_hf.recipes.beginnings import beginning_of
    from younger_hf.recipes.generate import Request
    from younger_hf.recipes.generate import generate as make
    from younger_hf.recipes.run import Run

    opened = Run.open(run)
    start = beginning_of(opened, model, cut)
    request = Request(num, nodes, seed=seed, masked=mask, temperature=temperature)
    _write(opened, make(opened, request, device, start), output, "completion")


def _write(run: Run, graphs: Sequence[SlottedGraph], output: Path, name: str) -> None:
    from younger_hf.recipes.generated_files import write_generated

    written = write_generated(run, graphs, output, name)
    for graph, verdict in zip(graphs[:5], written.verdicts, strict=False):
        typer.echo(f"{graph.num_nodes} operators: {_in_short(run, graph)}{'' if verdict is None else f' ({verdict})'}")
    sound = sum(verdict is None for verdict in written.verdicts)
    run_as_onnx = "" if written.num_onnx is None else f", {written.num_onnx:,} of them run as ONNX"
    typer.echo(f"{len(graphs):,} graphs, {sound:,} sound{run_as_onnx}")
    for file in written.files:
        typer.echo(f"wrote {file}", err=True)


def _in_short(run: Run, graph: SlottedGraph) -> str:
    names: list[Any] = [run.labels[number].partition("{")[0] for number in graph.operator.tolist()]
    return " ".join(names[:12] + ["…"] * (len(names) > 12))
