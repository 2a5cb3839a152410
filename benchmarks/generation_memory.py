"""How much memory one step of DiGress takes on eight graphs of 300 nodes, as the paper's are at most.

    python benchmarks/generation_memory.py [RELEASE]

The eight largest networks of train with up to 300 operators, in one batch, forward and backward, at the recipe's
default width and depth. The peer is the same step with every layer kept, and not computed again in the backward pass.
Each runs in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch

from younger_hf.dataset import load
from younger_hf.recipes.generation import build
from younger_hf.recipes.generators import digress
from younger_hf.recipes.models import graph_denoiser
from younger_hf.recipes.recipe import config_of
from younger_hf.tasks.generation.slotted import rows_of, slotted_graphs
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.vocabulary import Vocabulary

NODES, BATCH = 300, 8


def peak(release: str, keeps_layers: bool) -> tuple[float, list[int]]:
    """The most memory that was resident, in bytes, and how many nodes each graph has."""
    config = config_of("generation", {"model": "digress", "max_nodes": NODES, "level": "graph", "release": release})
    table = GraphTable(load("graphs-no-attributes", "train", source=release), "operator")
    graphs = list(slotted_graphs(table, rows_of(table, NODES).tolist()))
    largest = sorted(graphs, key=lambda graph: graph.num_nodes)[-BATCH:]
    if keeps_layers:
        graph_denoiser._CHECKPOINTED = 1 << 40
    torch.manual_seed(0)
    model = build(config, len(Vocabulary.load(release).operators))
    task = np.zeros(BATCH, np.int64)
    digress.loss(model, largest, task, task, torch.device("cpu")).backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, [graph.num_nodes for graph in largest]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", nargs="?", default="younger")
    release = parser.parse_args().release
    found = {}
    for keeps_layers in (False, True):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found[keeps_layers], nodes = pool.submit(peak, release, keeps_layers).result()
    print(f"{BATCH} networks of {min(nodes)} to {max(nodes)} nodes")
    print(f"a step: {found[False] / 2**30:.1f} GiB at most (to reach: under 6 GB)")
    print(f"with every layer kept: {found[True] / 2**30:.1f} GiB, {found[True] / found[False]:.1f} times as much")


if __name__ == "__main__":
    main()
