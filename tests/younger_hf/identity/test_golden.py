"""Golden fingerprints: they hold the identity still across versions of Python, libraries and platforms.

A value here may only change together with `IDENTITY_VERSION`, for it changes every release.
"""

from __future__ import annotations

import pytest
from onnx import ModelProto

from builders.convert import Request
from builders.convert.onnx_package import export
from builders.crawl import list_models
from builders.crawl.onnx_package import zoo_files
from younger_hf.extract import extract, strip
from younger_hf.identity import fingerprint, skeleton_fingerprint, wl_hash

# fingerprint and skeleton_fingerprint of the zoo models that the onnx package ships
ZOO = {
    "bvlc_alexnet": ("57aac317c0608eb0f3d32eb028944878", "5cac6348171842e96282dd62be1bb81e"),
    "densenet121": ("2a7d44e7296a18c9ef4af32107f3b027", "4cb9865044c42337368ba6d33a372693"),
    "inception_v1": ("53895e52fe00650129a7a91086688313", "2bb97bd89b651a06462709aea3e93b7a"),
    "inception_v2": ("a4c7edf35063363000038eb5cbba40f9", "48edaad7654d0fd5dfee11c6b358ded2"),
    "resnet50": ("facd4038c547871162fe3ee11f5b7c44", "a62bca408b5e7893393ba4e13a7b5371"),
    "shufflenet": ("f4d2427970c82c5d63f6ed67a3ad3b03", "9de9e9d45a6d450b919f5a15c385d411"),
    "squeezenet": ("8f02084bedbf3e311bd031a79387e420", "9b7ee42f07172971c569c57e9fcf37c0"),
    "vgg19": ("02c0c80eab25a19fbcdbe7e1ec977e88", "e1a944cba12687cc16337e0a6dfeb017"),
    "zfnet512": ("96686d1df55b1ea2071f08eeda68fe22", "a8c3b9614abf1a49db7f3c427130ec11"),
}


def read_zoo_model(name: str) -> ModelProto:
    (model,) = list_models(f"onnx-package:{name}")
    exported = export(Request(model)).onnx
    assert isinstance(exported, ModelProto)
    return exported


def test_the_golden_models_are_all_that_the_package_ships() -> None:
    assert set(zoo_files()) == set(ZOO)


@pytest.mark.parametrize("name", ZOO)
def test_fingerprints_of_the_zoo_models_stay_as_they_are(name: str) -> None:
    model = read_zoo_model(name)
    expected = ZOO[name]
    assert (fingerprint(extract(model)), skeleton_fingerprint(model)) == expected
    skeleton = strip(model)
    assert (fingerprint(extract(skeleton)), skeleton_fingerprint(skeleton)) == expected


def test_type_fingerprint_and_wl_hash_of_resnet50_stay_as_they_are() -> None:
    graph = extract(read_zoo_model("resnet50"))
    assert fingerprint(graph, attributes=False) == "398611a5a27695a9a77fa1cbf060e01e"
    assert wl_hash(graph) == "e0a2bf282ffce05371a2c523ea5f00fe"
    assert wl_hash(graph, attributes=False) == "d8c2ac8340dc8aa3ff772e64359d2057"
