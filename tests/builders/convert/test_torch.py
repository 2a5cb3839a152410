"""PyTorch modules become skeletons without their weights ever being there."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from math import prod

import onnx
import psutil
import pytest
import torch

from builders.convert import ConversionError, Outcome, Request
from builders.convert.torch import Valueless, export_module
from builders.convert.torchvision import export
from builders.crawl import list_models
from builders.model_ref import ModelRef
from younger_hf.extract import strip


@pytest.fixture(scope="module")
def conversions(converted):
    """Real conversions, two at once; resnet18 twice."""
    names = ["resnet18", "ssdlite320_mobilenet_v3_large", "regnet_y_128gf", "resnet18"]
    models = [model for name in names for model in list_models(f"torchvision:{name}")]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(converted, models))


def operators(model):
    return Counter(node.op_type for node in model.graph.node)


def parameters(model):
    return [tensor for tensor in model.graph.initializer if not tensor.raw_data]


@pytest.mark.slow
def test_resnet18_keeps_every_layer_and_no_value(conversions):
    done = conversions[0]
    assert (done.outcome, done.exporter) == (Outcome.OK, "torch")
    assert {"torch", "torchvision", "onnxscript"} <= set(done.versions)
    model = onnx.load_from_string(done.skeleton)
    counted = operators(model)
    assert counted["Conv"] == counted["BatchNormalization"] == 20
    assert counted["Relu"] == 17
    # 11,689,512 parameters, and the running mean and variance of the BatchNormalizations
    assert sum(prod(tensor.dims) for tensor in parameters(model)) == 11_689_512 + 2 * 4_800
    assert len(done.skeleton) < 20_000


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(conversions):
    assert conversions[0].skeleton == conversions[3].skeleton


@pytest.mark.slow
def test_two_and_a_half_gigabytes_of_parameters_take_no_memory(conversions):
    done = conversions[2]
    assert done.outcome is Outcome.OK
    elements = sum(prod(tensor.dims) for tensor in parameters(onnx.load_from_string(done.skeleton)))
    assert elements > 644_000_000
    assert done.peak_memory < 1_500_000_000


@pytest.mark.slow
def test_a_detection_model_goes_through_torchscript(conversions):
    done = conversions[1]
    assert (done.outcome, done.exporter) == (Outcome.OK, "torchscript")
    counted = operators(onnx.load_from_string(done.skeleton))
    assert counted["NonZero"] > 0
    # Parameters that happen to be equal are not merged through Identity nodes.
    assert counted["Identity"] < 5


def test_an_unknown_name_is_not_found():
    with pytest.raises(ConversionError, match="resnet1") as raised:
        export(Request(ModelRef("torchvision", "resnet1")))
    assert raised.value.outcome is Outcome.NOT_FOUND


def test_large_parameters_are_reserved_and_not_touched():
    process = psutil.Process()
    before = process.memory_info().rss
    with Valueless():
        layers = [torch.nn.Linear(8192, 8192) for _ in range(16)]  # 4 GiB
        for layer in layers:
            torch.nn.init.xavier_normal_(layer.weight)
            torch.ones_like(layer.weight).mul_(2)
            layer.weight.detach().div_(2).sub_(1)
        small = torch.nn.LayerNorm(8)
        marks = torch.ones(8192, dtype=torch.int64)
    assert process.memory_info().rss - before < 256 << 20
    assert layers[0].weight.shape == (8192, 8192)
    assert layers[0].weight.dtype == torch.float32
    assert torch.zeros(8192, 8192, device="meta").is_meta
    assert small.weight.tolist() == [1.0] * 8
    assert marks.sum() == 8192


def test_a_truncated_normal_ends_though_nothing_is_drawn():
    with Valueless():
        kept = [torch.full((1 << 20,), 1e9, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
        del kept  # memory that is used again is not read as what was in it
        for _ in range(4):
            torch.nn.init.trunc_normal_(torch.empty(1 << 20))


def test_a_parameter_has_the_layout_in_which_it_is_used():
    model = strip(export_module(lambda: torch.nn.Linear(3, 5), lambda _: (torch.rand(1, 2, 3),)).onnx)
    assert "Transpose" not in operators(model)
    assert sorted(tuple(tensor.dims) for tensor in parameters(model)) == [(3, 5), (5,)]


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.rand(7, 3))

    def forward(self, x):
        return torch.relu(x @ self.weight) @ self.weight.T


def test_a_parameter_used_twice_stays_one():
    model = strip(export_module(Tied, lambda _: (torch.rand(2, 4, 7),)).onnx)
    assert operators(model)["Transpose"] == 1
    assert [tuple(tensor.dims) for tensor in parameters(model)] == [(7, 3)]


def test_narrow_and_wide_layers_give_one_graph():
    def counted(width):
        layers = [torch.nn.Conv2d(3, width, 3), torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
        model = export_module(lambda: torch.nn.Sequential(*layers), lambda _: (torch.rand(1, 3, 8, 8),)).onnx
        return operators(model), len(parameters(strip(model)))

    assert counted(2) == counted(512) == ({"Conv": 1, "BatchNormalization": 1, "Relu": 1}, 6)


class Undecided(torch.nn.Module):
    def forward(self, x):
        return x.numpy()


def test_what_neither_way_can_export_is_unsupported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConversionError, match=r"torch\.export: .*; TorchScript: ") as raised:
        export_module(Undecided, lambda _: (torch.rand(2),))
    assert raised.value.outcome is Outcome.UNSUPPORTED


class Named(torch.nn.Module):
    def forward(self, left=None, right=None):
        return left - torch.relu(right)


def test_arguments_may_have_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"right": torch.rand(3), "left": torch.rand(2, 3)}
    model = strip(export_module(Named, lambda _: given).onnx)
    assert operators(model) == {"Relu": 1, "Sub": 1}


class Windows(torch.nn.Module):
    """Attention with a bias whose result is split into windows, as MaxViT does it."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.rand(4, 49, 49))

    def forward(self, x):
        heads = x.reshape(2, 49, 4, 32).transpose(1, 2)
        attended = torch.nn.functional.scaled_dot_product_attention(heads, heads, heads, attn_mask=self.bias[None])
        return attended.transpose(1, 2).reshape(2, 7, 7, 128)


def test_attention_that_is_viewed_otherwise_needs_no_values():
    done = export_module(Windows, lambda _: (torch.rand(2, 49, 128),), torchscript=False)
    assert done.exporter == "torch"
    assert "Identity" not in operators(strip(done.onnx))


class Squeezed(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x.squeeze(0)), torch.relu(x.squeeze((1, 2))), x.squeeze(2)


def test_only_axes_of_one_element_are_squeezed():
    model = export_module(Squeezed, lambda _: (torch.rand(2, 1, 3),)).onnx
    assert operators(model) == {"Relu": 2, "Squeeze": 1, "Identity": 1}
    onnx.checker.check_model(model, full_check=True)


class Evaluated(torch.nn.Module):
    """What torch.export cannot trace, and TorchScript can: a condition on the data."""

    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0] if x.sum() > 0 else x


def test_attention_goes_through_torchscript(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = export_module(Evaluated, lambda _: (torch.rand(1, 3, 8),))
    assert done.exporter == "torchscript"
    assert operators(strip(done.onnx))["Softmax"] == 1


@pytest.mark.parametrize("opset", [17, 18, 20, 23])
def test_an_opset_comes_out_as_asked(opset):
    model = strip(export_module(lambda: torch.nn.Linear(3, 5), lambda _: (torch.rand(1, 2, 3),), opset).onnx)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]


class Split(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x.chunk(2, dim=-1)[0])


def test_an_opset_that_one_way_cannot_write_is_left_to_the_other(tmp_path, monkeypatch):
    # onnx converts no Split of opset 18.
    monkeypatch.chdir(tmp_path)
    done = export_module(Split, lambda _: (torch.rand(1, 4),), 17)
    assert done.exporter == "torchscript"
    assert strip(done.onnx).opset_import[0].version == 17


def test_an_opset_that_there_is_not_is_unsupported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConversionError, match="99") as raised:
        export_module(lambda: torch.nn.Linear(3, 5), lambda _: (torch.rand(1, 3),), 99)
    assert raised.value.outcome is Outcome.UNSUPPORTED


class Huge(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(32_768, 32_768)  # 4 GiB

    def forward(self, x):
        return self.layer(x).numpy()


def test_values_that_would_not_fit_are_not_made():
    before = psutil.Process().memory_info().rss
    with pytest.raises(ConversionError, match=r"4\.0 GiB of parameters are too many"):
        export_module(Huge, lambda _: (torch.rand(1, 32_768),))
    assert psutil.Process().memory_info().rss - before < 1 << 30
