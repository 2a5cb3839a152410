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
    "bvlc_alexnet": ("ce90e07cd89d3db90cb4c8dc82ba5189", "25c475ff1025382cb870637a843fe34e"),
    "densenet121": ("efc907cac19407250324ed7dff0b0dcc", "3907e1aea2a671c9401dea7be4c9b07d"),
    "inception_v1": ("f63f56681d3a02fba78f8615c9f74e52", "0be23d0908e0eee40dcf25cfccf439ad"),
    "inception_v2": ("6c69b16c81e076d481c3f1b6e75b899b", "8da2402fae9ff7a70af7644407869bc8"),
    "resnet50": ("36660749e74b1d108a5d4cd6a2cbb229", "82b2d00edd318dd3044268bd00b6ef06"),
    "shufflenet": ("cd65e67bd80a58249539c90dd68d6709", "9f742411cc3322b388a0da8769a318f9"),
    "squeezenet": ("e695b37884c3af243aea5c2da4a2ddc7", "c4b139cc4360076cadf458951e29400c"),
    "vgg19": ("c4443fbed389668e29ab4fff65468373", "b84ed7eeeb3a51b74999d7fe2eaa5a36"),
    "zfnet512": ("9097604213ea525df6d2cc27c5dcfb20", "f6e4643302bff16ff7d7377ebadceba6"),
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
    assert fingerprint(graph, attributes=False) == "0fbd3e9fbcefa3ca39818684913bcb44"
    assert wl_hash(graph) == "e0a2bf282ffce05371a2c523ea5f00fe"
    assert wl_hash(graph, attributes=False) == "d8c2ac8340dc8aa3ff772e64359d2057"
