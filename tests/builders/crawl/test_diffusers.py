"""diffusers' model classes, read without diffusers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from builders.crawl import list_models
from younger_hf.errors import MissingExtraError

# Every class that diffusers can build without a configuration, found by importing it.
BY_IMPORT = """
import inspect, diffusers, torch
def is_model(entry):
    model = isinstance(entry, type) and issubclass(entry, diffusers.ModelMixin)
    return model and entry.forward is not torch.nn.Module.forward
def needs_nothing(entry):
    parameters = list(inspect.signature(entry.__init__).parameters.values())[1:]
    return all(p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in parameters)
entries = {name: getattr(diffusers.models, name) for name in dir(diffusers.models)}
print(*(name for name, entry in entries.items() if is_model(entry) and needs_nothing(entry)))
"""


@pytest.mark.slow
def test_the_listing_is_what_diffusers_can_build_without_a_configuration():
    found = subprocess.run([sys.executable, "-c", BY_IMPORT], capture_output=True, text=True, check=True)
    assert {model.id for model in list_models("diffusers")} == set(found.stdout.split())


def test_a_class_is_its_own_family():
    (model,) = list_models("diffusers:UNet2DConditionModel")
    assert (model.library, model.family, model.origin) == ("diffusers", "UNet2DConditionModel", "default-configuration")


def test_listing_does_not_import_torch():
    code = "import sys, builders.crawl; list(builders.crawl.list_models('diffusers')); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("builders.crawl.installed.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'younger-hf\[diffusers\]'"):
        list(list_models("diffusers"))
