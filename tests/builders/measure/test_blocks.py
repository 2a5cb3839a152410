"""Blocks of networks that torch's exporter wrote: which modules are blocks, and which of these are one."""

from __future__ import annotations

import onnx
import pytest
import torch
from torch import nn

from builders.convert.module_tree import module_tree
from builders.measure.blocks import Block, find_blocks, find_blocks_in
from younger_hf.extract import strip
from younger_hf.identity.canonical import canonical_forms
from younger_hf.module_tree import ModuleTree
from younger_hf.work import Work


class Gated(nn.Module):
    """Two values from outside go into one module."""

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) * torch.sigmoid(gate)


class GatedByItself(Gated):
    """One value goes into both places."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x, x)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.perceptrons = nn.ModuleList(
            nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 4)) for width in (5, 7)
        )
        self.wrapped = nn.Sequential(GatedByItself())
        self.gated = Gated()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for perceptron in self.perceptrons:
            x = x + perceptron(x)
        return self.gated(self.wrapped(x), torch.tanh(x))


@pytest.fixture(scope="module")
def network() -> tuple[bytes, ModuleTree]:
    program = torch.onnx.export(Network().eval(), (torch.zeros(2, 4),), dynamo=True, verbose=False)
    assert program is not None
    proto = program.model_proto
    tree = module_tree(proto)
    assert tree is not None
    return strip(proto).SerializeToString(deterministic=True), tree


@pytest.fixture(scope="module")
def blocks(network: tuple[bytes, ModuleTree]) -> list[Block]:
    return find_blocks(*network)


def test_the_blocks_of_a_network_share_one_budget(
    network: tuple[bytes, ModuleTree], blocks: list[Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[Work] = []
    find = canonical_forms
    monkeypatch.setattr(
        "builders.measure.blocks.canonical_forms", lambda batch, work: (spent.append(work), find(batch, work))[1]
    )
    find_blocks(*network)
    (work,) = {id(each): each for each in spent}.values()
    assert len(spent) == len(blocks) > 2
    size = sum(len(block.node) + block.edge_index.shape[1] + block.open_input.shape[1] for block in blocks)
    assert size <= work.spent < work.limit


def test_modules_of_other_widths_are_one_block(blocks: list[Block]) -> None:
    perceptron = max(blocks, key=lambda block: len(block.kinds))
    assert perceptron.kinds == ["torch.nn.modules.container.Sequential"] * 2
    assert perceptron.depths == [1, 1]
    assert [label.partition("{")[0] for label in perceptron.labels] == ["Gemm", "Relu"]
    assert perceptron.edge_index.tolist() == [[0, 1], [1, 2]]
    assert perceptron.open_input.tolist() == [[0], [0]]
    assert perceptron.open_output.tolist() == [[2], [0]]


def test_how_many_values_come_from_outside_tells_blocks_apart(blocks: list[Block]) -> None:
    one, two = (block for block in blocks if any(label.startswith("Sigmoid") for label in block.labels))
    assert one.key != two.key
    assert one.edge_index.tolist() == two.edge_index.tolist()
    assert sorted((one.open_value.tolist(), two.open_value.tolist())) == [[0, 0], [0, 1]]


def test_wrappers_whole_networks_and_single_operators_are_no_blocks(blocks: list[Block]) -> None:
    assert sum(len(block.kinds) for block in blocks) == 4
    assert {len(block.node) for block in blocks} == {3}


@pytest.mark.parametrize("tree", [b"junk", b"[]", b"[" * 100_000])
def test_a_tree_that_cannot_be_read_has_no_blocks(tree):
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { h = Relu (x) y = Abs (h) }'
    )
    assert find_blocks_in((strip(model).SerializeToString(deterministic=True), tree)) == []
