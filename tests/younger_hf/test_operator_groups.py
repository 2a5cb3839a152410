"""Operator groups: every operator of ONNX has one."""

from __future__ import annotations

import onnx.defs

from younger_hf.graph import Operator
from younger_hf.operator_groups import GROUPS, MEMBERS, operator_group


def test_every_operator_of_a_network_in_the_default_domain_has_a_group() -> None:
    names = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    ungrouped = {name for name in names if operator_group(Operator("", name)) == "other"}
    # Signal and text processing, losses, decoding: nothing that a network is told apart by.
    assert ungrouped <= {
        *(
            "AffineGrid",
            "BlackmanWindow",
            "DFT",
            "HammingWindow",
            "HannWindow",
            "ImageDecoder",
            "MelWeightMatrix",
            "STFT",
        ),
        *("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"),
        *("Multinomial", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "ATen"),
        *("Adagrad", "Adam", "Gradient", "Momentum"),
    }


def test_no_operator_is_in_two_groups() -> None:
    names = [name for members in MEMBERS.values() for name in members.split()]
    assert len(names) == len(set(names))


def test_quantised_operators_are_known_by_their_names() -> None:
    for name in ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "MatMulInteger", "DynamicQuantizeLinear"):
        assert operator_group(Operator("", name)) == "quantisation"
    assert operator_group(Operator("com.microsoft", "MatMulNBits")) == "quantisation"


def test_operators_of_foreign_domains_are_other() -> None:
    assert operator_group(Operator("com.example", "Conv")) == "other"
    assert operator_group(Operator("ai.onnx.ml", "TreeEnsembleClassifier")) == "other"
    assert "other" in GROUPS
