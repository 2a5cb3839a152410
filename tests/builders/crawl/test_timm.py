"""timm's registry, read without timm."""

from __future__ import annotations

import subprocess
import sys

import pytest

from builders.crawl import list_models
from younger_hf.errors import MissingExtraError


@pytest.mark.slow
def test_the_listing_is_what_timm_itself_registers():
    # In another process: torch costs seconds and memory that the other tests need not carry.
    code = "import timm; print(*timm.list_models())"
    registered = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {model.id for model in list_models("timm")} == set(registered.stdout.split())


def test_an_architecture_carries_the_module_that_defines_it():
    (model,) = list_models("timm:vit_tiny_patch16_224")
    assert (model.family, model.task, model.origin) == ("vision_transformer", "image-classification", "registry")
    assert (model.library, model.revision.count(".")) == ("timm", 2)


def test_an_architecture_is_listed_whole_and_by_its_documented_uses():
    names = [f"timm:resnet18{component}" for component in ("", "/features", "/embedding")]
    listed = [model for name in names for model in list_models(name)]
    assert [(model.id, model.component) for model in listed] == [
        ("resnet18", ""),
        ("resnet18", "features"),
        ("resnet18", "embedding"),
    ]
    assert len(list(list_models("timm"))) == 3 * len({model.id for model in list_models("timm")})


def test_listing_does_not_import_torch():
    code = (
        "import sys; from builders.crawl import list_models; list(list_models('timm')); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("builders.crawl.installed.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'younger-hf\[timm\]'"):
        list(list_models("timm"))
