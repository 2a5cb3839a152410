"""Settings: the paper's unless something else is said, and refused by name where they make no sense."""

from __future__ import annotations

import math

import pytest

from younger_hf.errors import UsageError
from younger_hf.recipes.config import read_toml
from younger_hf.recipes.recipe import RECIPES, config_of, find_recipe


@pytest.mark.parametrize("model", ["gcn", "gat", "sage"])
def test_the_papers_hyper_parameters_are_the_defaults(model):
    config = config_of("dataflow", {"model": model})
    assert (config.learning_rate, config.weight_decay, config.batch_size) == (1e-4, 5e-5, 1)
    assert (config.steps, config.epochs) == (6 * 5612, None)
    config = config_of("operator", {"model": model})
    assert (config.learning_rate, config.weight_decay, config.batch_size) == (1e-3, 5e-5, 512)
    assert config.steps == 200 * math.ceil(23775 / config.batch_size)
    assert (config.validate_every, config.seed) == (20, 12345)


@pytest.mark.parametrize("model", ["gae", "vgae"])
def test_autoencoders_have_hyper_parameters_of_their_own(model):
    config = config_of("operator", {"model": model})
    assert (config.learning_rate, config.weight_decay) == (1e-3, 5e-4)
    assert config.steps == 100 * math.ceil(23775 / config.batch_size)
    assert (config.encoder_learning_rate, config.encoder_weight_decay) == (1e-4, 5e-5)
    assert config.encoder_steps == 4000


@pytest.mark.parametrize(("given", "other"), [("epochs", "steps"), ("steps", "epochs")])
def test_a_run_is_so_many_steps_or_so_many_epochs_long(given, other):
    config = config_of("operator", {"model": "gae", given: 7})
    assert (getattr(config, given), getattr(config, other)) == (7, None)
    assert config.num_steps(steps_per_epoch=3) == (21 if given == "epochs" else 7)


def test_the_papers_protocol_masks_successors():
    for settings, boundary in (
        ({}, "both"),
        ({"protocol": "paper"}, "successors"),
        ({"protocol": "paper", "boundary": "both"}, "both"),
        ({"boundary": "successors"}, "successors"),
    ):
        assert config_of("operator", {"model": "gcn", **settings}).choices() == {"boundary": boundary}


@pytest.mark.parametrize("settings", [{"layers": 2}, {"slots": False}, {"init": "runs/encoder"}])
def test_a_rule_has_no_options_of_models(settings):
    (name,) = settings
    with pytest.raises(UsageError, match=f"ngram is a rule, which has no {name}: leave --{name} out"):
        config_of("operator", {"model": "ngram", **settings})
    assert config_of("generation", {"model": "counts"}).is_rule


@pytest.mark.parametrize("recipe", RECIPES.names)
def test_a_configuration_survives_being_written(recipe):
    model = next(iter(find_recipe(recipe).config.models))
    config = config_of(recipe, {"model": model, "attributes": True, "limit": 3})
    assert config_of(recipe, config.to_dict()) == config


def test_attributes_choose_table_and_vocabulary():
    assert [config_of("operator", {"model": "gcn", "attributes": flag}).table for flag in (True, False)] == [
        "subgraphs",
        "subgraphs-no-attributes",
    ]
    assert config_of("dataflow", {"model": "gcn", "attributes": True}).vocabulary == "variant"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no model is named: choose one of gcn, gat"),
        ({"model": "saeg"}, r"no model for dataflow 'saeg': did you mean sage"),
        ({"model": "gcn", "epoch": 3}, r"no setting 'epoch': did you mean epochs"),
        ({"model": "gcn", "epochs": "3"}, r"epochs is int \| None, not '3'"),
        ({"model": "gcn", "epochs": True}, r"epochs is int \| None, not True"),
        ({"model": "gcn", "epochs": 0}, "epochs must be more than 0, not 0"),
        ({"model": "gcn", "epochs": 3, "steps": 3}, "a run has a number of steps, or of epochs"),
        ({"model": "gcn", "learning_rate": float("nan")}, "learning_rate must be more than 0, not nan"),
        ({"model": "gcn", "seed": -1}, "seed must be 0 or more, not -1"),
        ({"model": "gcn", "protocol": "papr"}, r"no protocol 'papr': did you mean paper"),
        ({"model": "gcn", "decoder": "cosine"}, "no decoder 'cosine'"),
        ({"model": "gcn", "held_out": 1.0}, "held_out is a share between 0 and 1, not 1.0"),
        ({"model": "gcn", "split_scheme": "random"}, "no split scheme 'random'"),
    ],
)
def test_what_makes_no_sense_is_named(settings, message):
    with pytest.raises(UsageError, match=message):
        config_of("dataflow", settings)


def test_toml_that_cannot_be_read_is_named(tmp_path):
    file = tmp_path / "run.toml"
    with pytest.raises(UsageError, match=r"run\.toml cannot be read"):
        read_toml(file)
    file.write_text("model = gcn")
    with pytest.raises(UsageError, match=r"run\.toml cannot be read as TOML"):
        read_toml(file)
    file.write_text('model = "gcn"\nlearning_rate = 1')
    assert config_of("dataflow", read_toml(file)).learning_rate == 1.0


def test_toml_nested_too_deeply_is_named(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("model = " + "[" * 100_000)
    with pytest.raises(UsageError, match=r"run\.toml cannot be read as TOML"):
        read_toml(file)
