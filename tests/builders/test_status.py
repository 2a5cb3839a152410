"""What a ledger holds, as people and programs read it."""

from __future__ import annotations

import json

import pytest

from builders.convert import Conversion, Outcome
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from builders.status import summarize

MIB = 1 << 20


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path) as ledger:
        yield ledger


def tuned(name):
    return ModelRef("huggingface", name, "sha", library="transformers", config='{"architectures": ["BertModel"]}')


def test_models_and_outcomes_are_counted_by_source(ledger):
    twins = [tuned("a/x"), tuned("b/y")]
    slow, new = ModelRef("torchvision", "slow"), ModelRef("torchvision", "new")
    ledger.record_page("huggingface:bert", twins, "next", finished=False)
    ledger.record_page("torchvision", [slow, new], "", finished=True)
    failed = Conversion(Outcome.ERROR, "no", "torch", seconds=1.0, peak_memory=9 * MIB)
    good = Conversion(
        *(Outcome.OK, "", "optimum"), skeleton=b"s", seconds=2.0, peak_memory=3 * MIB, bytes_fetched=MIB // 2
    )
    ledger.finish(twins[0], failed, good)
    ledger.finish(slow, Conversion(Outcome.TIMEOUT, "it took longer than 600 seconds", "torch", seconds=600.5))
    summary = summarize(ledger)
    assert str(summary) == (
        "crawl             models  finished\n"
        "huggingface:bert       2        no\n"
        "torchvision            2       yes\n"
        "\n"
        "source       outcome  models  conversions  seconds  fetched MiB  peak MiB\n"
        "huggingface  ok            2            1      2.0          0.5       3.0\n"
        "torchvision  timeout       1            1    600.5          0.0       0.0\n"
        "torchvision  untried       1            0      0.0          0.0       0.0\n"
        "\n"
        "slowest           exporter  outcome  seconds  fetched MiB  peak MiB\n"
        "torchvision slow  torch     timeout    600.5          0.0       0.0\n"
        "huggingface a/x   optimum   ok           2.0          0.5       3.0\n"
        "huggingface a/x   torch     error        1.0          0.0       9.0\n"
        "\n"
        "largest           exporter  outcome  seconds  fetched MiB  peak MiB\n"
        "huggingface a/x   torch     error        1.0          0.0       9.0\n"
        "huggingface a/x   optimum   ok           2.0          0.5       3.0\n"
        "torchvision slow  torch     timeout    600.5          0.0       0.0"
    )
    read = json.loads(summary.to_json())
    assert read["crawls"][0] == {"source": "huggingface:bert", "models": 2, "finished": False}
    assert read["endings"][0]["bytes_fetched"] == MIB // 2
    assert read["slowest"][0]["message"] == "it took longer than 600 seconds"


def test_names_from_a_hub_do_nothing_to_a_terminal(ledger):
    evil = ModelRef("huggingface", "a/\x1b[2Jx", "sha")
    ledger.record([evil])
    ledger.finish(evil, Conversion(Outcome.ERROR, seconds=1.0))
    assert "\x1b" not in str(summarize(ledger))


def test_an_empty_ledger_has_empty_tables(ledger):
    assert str(summarize(ledger)).startswith("source  outcome")
