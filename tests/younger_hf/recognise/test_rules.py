from pathlib import Path

import pytest
from execution import assert_same, example_feeds, parse, run, run_network

from younger_hf.identity import fingerprint
from younger_hf.recognise import normalize
from younger_hf.recognise.fixpoint import rewrite
from younger_hf.recognise.normal import graph_of, normal_network, raised_network
from younger_hf.recognise.rules.table import RULES, describe

from .proofs import MORE, PROOFS


def test_every_rule_has_a_proof_and_a_line_that_explains_it():
    assert {rule.name for rule in RULES} == PROOFS.keys()
    assert all(rule.meaning.endswith(".") for rule in RULES)


def test_the_documents_list_every_rule_as_it_is():
    assert describe() in (Path(__file__).parents[3] / "docs/recognise.md").read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_alone_leaves_the_outputs_as_they_are(rule):
    model = parse(PROOFS[rule.name])
    feeds = example_feeds(model)
    network = raised_network(model)
    assert_same(run(model, feeds), run_network(network, feeds))
    assert rewrite(network, [rule], merge=False), "the rule does not apply to its own example"
    assert_same(run(model, feeds), run_network(network, feeds))


@pytest.mark.parametrize("text", [*PROOFS.values(), *MORE.values()], ids=[*PROOFS, *MORE])
def test_all_rules_together_leave_the_outputs_as_they_are(text):
    model = parse(text)
    feeds = example_feeds(model)
    assert_same(run(model, feeds), run_network(normal_network(model), feeds))


@pytest.mark.parametrize("text", [*PROOFS.values(), *MORE.values()], ids=[*PROOFS, *MORE])
def test_the_normal_form_is_the_normal_form_of_itself(text):
    form = normalize(parse(text))
    assert normalize(form).SerializeToString(deterministic=True) == form.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("tanh gelu", {"Gelu": 1}),
        ("gelu by division", {"Gelu": 1}),
        ("decomposed LayerNormalization", {"LayerNormalization": 1}),
        ("attention", {"Attention": 1}),
        ("attention of scaled scores", {"Attention": 1, "Transpose": 1}),
        ("attention of queries scaled before they are heads", {"Attention": 1, "Reshape": 1, "Transpose": 2}),
        ("hard swish by clip", {"HardSwish": 1}),
        ("batch-normalization", {"ConvTranspose": 1}),
        ("merged branches", {"Mul": 1, "Relu": 1}),
        ("opset 9", {"Clip": 1, "Concat": 1, "Pad": 1, "ReduceSum": 1, "Slice": 2, "Gather": 1, "Reshape": 1}),
    ],
)
def test_what_exporters_spell_out_is_one_operator(name, operators):
    assert graph_of(normalize(parse((PROOFS | MORE)[name]))).operator_counts() == operators


def test_an_attention_without_a_scale_is_another_than_one_with():
    with_scale, without = (
        graph_of(normalize(parse(MORE[f"attention {which}"]))) for which in ("of scaled scores", "without a scale")
    )
    assert fingerprint(with_scale) != fingerprint(without)
