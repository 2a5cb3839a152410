"""One network by several exporters; benchmarks/twins.py asks the same of sixty networks."""

import io

import numpy as np
import onnx
import pytest
import torch
import torchvision
from execution import assert_same, run, run_network

from younger_hf import normal_fingerprint, normalize
from younger_hf.extract import extract
from younger_hf.identity import fingerprint
from younger_hf.recognise.normal import graph_of, normal_network

NETWORKS = {
    "ResNet": lambda: torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1]),
    "ViT": lambda: torchvision.models.VisionTransformer(224, 32, num_layers=1, num_heads=2, hidden_dim=64, mlp_dim=128),
}


def exported(network: torch.nn.Module, dynamo: bool, opset: int) -> onnx.ModelProto:
    images = (torch.zeros(1, 3, 224, 224),)
    if dynamo:
        return torch.onnx.export(network, images, dynamo=True, opset_version=opset, verbose=False).model_proto
    buffer = io.BytesIO()
    torch.onnx.export(network, images, buffer, dynamo=False, opset_version=opset)
    return onnx.load_model_from_string(buffer.getvalue())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_one_normal_fingerprint_whatever_exported_it(name):
    network = NETWORKS[name]().eval()
    exports = [exported(network, dynamo, opset) for dynamo, opset in ((False, 14), (True, 18))]
    assert len({fingerprint(extract(model)) for model in exports}) > 1
    assert len({normal_fingerprint(model) for model in exports}) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_decoder_by_dynamo_and_by_optimum_is_one_network_and_computes_what_it_did(tmp_path):
    from optimum.exporters.onnx import onnx_export_from_model
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    network = LlamaForCausalLM(LlamaConfig(num_hidden_layers=1, vocab_size=64, use_cache=False, **sizes)).eval()
    ids, attended = torch.arange(14).reshape(2, 7), torch.ones(2, 7, dtype=torch.int64)
    attended[1, 5:] = 0
    by_dynamo = torch.onnx.export(network, (ids, attended), dynamo=True, opset_version=18, verbose=False).model_proto
    onnx_export_from_model(
        network, tmp_path, task="text-generation", opset=17, do_validation=False, no_post_process=True
    )
    by_optimum = onnx.load(tmp_path / "model.onnx")
    assert normal_fingerprint(by_dynamo) == normal_fingerprint(by_optimum)
    assert graph_of(normalize(by_optimum)).operator_counts().items() >= {"RotaryEmbedding": 2, "Attention": 1}.items()
    positions = np.arange(7).repeat(2).reshape(7, 2).T.copy()
    for model, feeds in ((by_dynamo, [ids, attended]), (by_optimum, [ids, attended, positions])):
        arrays = [np.asarray(feed) for feed in feeds]
        assert_same(run(model, arrays), run_network(normal_network(model), arrays))
        form = normalize(model)
        assert normalize(form).SerializeToString(deterministic=True) == form.SerializeToString(deterministic=True)
