"""Texts of attributes: what ONNX documents is kept, what an author wrote is not."""

from __future__ import annotations

import re

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from younger_hf.extract import extract, strip
from younger_hf.extract.operator_rules import DENIED, MICROSOFT_ATTRIBUTES
from younger_hf.extract.string_values import MICROSOFT_WORDS, WORDS, canonical_equation
from younger_hf.identity import fingerprint

SECRET = "ada@example.org"


def one_node(op_type: str, domain: str = "", opset: int = 22, **given: object) -> ModelProto:
    node = helper.make_node(op_type, ["t"], ["y"], domain=domain, **given)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["t"]), node], "g", [x], [y])
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=imports)


def label(m: ModelProto) -> str:
    return extract(m).operator[-1].label


TEXTS = sorted(
    {
        (schema.name, name)
        for schema in onnx.defs.get_all_schemas_with_history()
        for name, attribute in schema.attributes.items()
        if schema.domain == "" and str(attribute.type).endswith(("STRING", "STRINGS")) and schema.name != "Constant"
    }
)


def test_every_text_that_onnx_knows_has_its_words_or_is_denied() -> None:
    told = {tuple(key.split(".")) for key in WORDS} | {("Einsum", "equation")}
    denied = {(op_type, name) for op_type, names in DENIED.items() for name in names}
    assert set(TEXTS) == told | (denied & set(TEXTS))
    assert not told & denied


def test_every_word_is_in_the_documentation_of_its_operator() -> None:
    documents: dict[str, str] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        for name, attribute in schema.attributes.items():
            documents[f"{schema.name}.{name}"] = " ".join(
                (documents.get(f"{schema.name}.{name}", ""), schema.doc, attribute.description)
            )
    documents["Cast.to"] += " " + " ".join(TensorProto.DataType.keys())  # which the documentation refers to
    for key, words in WORDS.items():
        for word in words.split():
            assert re.search(rf"\b{word}\b", documents[key]), f"{key} = {word}"


def test_every_word_of_com_microsoft_is_of_an_attribute_on_its_allow_list() -> None:
    assert set(MICROSOFT_WORDS) == set(MICROSOFT_ATTRIBUTES["STRING"])


@pytest.mark.parametrize(("op_type", "name"), TEXTS)
def test_an_unknown_text_of_a_known_operator_is_its_length(op_type: str, name: str) -> None:
    for opset in (1, 7, 10, 12, 16, 20, 24, onnx.defs.onnx_opset_version()):
        for given in (SECRET, [SECRET, SECRET]):
            m = one_node(op_type, opset=opset, **{name: given})
            assert SECRET not in label(m)
            assert SECRET.encode() not in strip(m).SerializeToString()
            assert fingerprint(extract(strip(m))) == fingerprint(extract(m))


@pytest.mark.parametrize(
    ("op_type", "given", "kept"),
    [
        ("Pad", {"mode": "reflect"}, '"mode":"reflect"'),
        ("Pad", {"mode": SECRET}, f'"mode":{{"length":{len(SECRET)},"type":"STRING"}}'),
        ("LSTM", {"activations": ["Relu", "Tanh", "Elu"]}, '"activations":["Relu","Tanh","Elu"]'),
        ("LSTM", {"activations": ["Relu", SECRET]}, '"activations":{"length":2,"type":"STRINGS"}'),
        ("TfIdfVectorizer", {"mode": "TFIDF"}, '"mode":"TFIDF"'),
        ("TfIdfVectorizer", {"mode": SECRET}, '"mode":{"length":15,"type":"STRING"}'),
        ("Einsum", {"equation": "bij,bjk->bik"}, '"equation":"abc,acd->abd"'),
        ("Einsum", {"equation": SECRET}, '"equation":{"length":15,"type":"STRING"}'),
    ],
)
def test_a_documented_text_is_kept(op_type: str, given: dict[str, object], kept: str) -> None:
    assert kept in label(one_node(op_type, **given))


def test_the_misspelt_default_of_an_old_operator_is_the_word() -> None:
    assert label(one_node("GRU", opset=1)) == label(one_node("GRU", opset=1, direction="forward"))


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("bhid,bhjd->bhij", "abcd,abed->abce"),
        ("ij, jk -> ik", "ab,bc->ac"),
        ("ij,jk", "ij,jk->ik"),
        ("ba", "ba->ab"),
        ("aB", "aB->Ba"),  # ASCII: upper case comes first
        ("...ij,...jk", "...ij,...jk->...ik"),
        ("ii", "ii->"),
        ("i,i", "i,i->"),
    ],
)
def test_equations_that_mean_the_same_are_spelt_the_same(one: str, same: str) -> None:
    assert canonical_equation(one) == canonical_equation(same) is not None


def test_the_letters_of_an_equation_say_nothing() -> None:
    assert canonical_equation("secret") == canonical_equation("sEcrEt->crst") == "abcdbe->cdae"


@pytest.mark.parametrize("text", ["i j; k", "ij->k->l", "i.j", "....", "a_b", "ü", "ij," * 30, "1"])
def test_what_is_no_equation_is_none(text: str) -> None:
    assert canonical_equation(text) is None


def test_a_text_of_com_microsoft_is_kept_where_it_is_documented() -> None:
    assert '"activation":"Relu"' in label(one_node("FusedConv", "com.microsoft", activation="Relu"))
    for name in MICROSOFT_ATTRIBUTES["STRING"]:
        m = one_node("FusedConv", "com.microsoft", **{name: SECRET})
        assert label(m) == f'com.microsoft::FusedConv{{"{name}":{{"length":15,"type":"STRING"}}}}'
        assert SECRET.encode() not in strip(m).SerializeToString()


def body(op_type: str) -> onnx.GraphProto:
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [1])
    return helper.make_graph([helper.make_node(op_type, ["x"], ["o"])], "b", [], [out])


@pytest.mark.parametrize("domain", ["com.microsoft", "my.ops"])
def test_the_names_of_subgraph_attributes_are_not_kept_and_their_order_is(domain: str) -> None:
    bodies = {f"ada{number}": body("Neg" if number == 10 else "Abs") for number in range(12)}
    m = one_node("Search", domain, **bodies)
    assert "ada" not in label(m)
    assert b"ada" not in strip(m).SerializeToString()
    assert fingerprint(extract(strip(m))) == fingerprint(extract(m))
    assert label(strip(m)) == label(m)


def test_an_operator_that_no_version_of_onnx_knows_is_custom_in_onnx_s_own_domains() -> None:
    assert label(one_node("AdasSecretOperator", other=1)) == 'Custom{"attributes":["INT"]}'
    assert label(one_node("AdasSecretOperator", "ai.onnx.ml")) == "ai.onnx.ml::Custom{}"
    assert b"Ada" not in strip(one_node("AdasSecretOperator")).SerializeToString()
    for known in ("LayerNormalization", "ImageScaler", "SimplifiedLayerNormalization"):  # in another version, or beside
        assert label(one_node(known, opset=9)) == f"{known}{{}}"
    assert label(one_node("Magic", "my.ops")) == "my.ops::Magic{}"
