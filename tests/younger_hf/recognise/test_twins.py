"""One network by several exporters; benchmarks/twins.py asks the same of sixty networks."""

import io

import onnx
import pytest
import torch
import torchvision

from younger_hf import normal_fingerprint
from younger_hf.extract import extract
from younger_hf.identity import fingerprint

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
