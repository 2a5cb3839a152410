"""What a worker has finished comes back as it was, or not at all."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from builders.conversion_store import ConversionStore, name_of
from builders.convert import Conversion, Outcome, Request
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from builders.pipeline import collect
from younger_hf.errors import YoungerError

REQUEST = Request(ModelRef("torchvision", "resnet18", library="torchvision"))
ATTEMPTS = (
    Conversion(Outcome.UNSUPPORTED, "it cannot", "torch", {"torch": "2"}, log="the end"),
    Conversion(Outcome.OK, "", "torchscript", {"torch": "2"}, 17, b"\x00\xff", b"{}", 1.5, 1 << 30, 12, "", True),
)


@pytest.fixture
def store(tmp_path: Path) -> ConversionStore:
    return ConversionStore(f"file://{tmp_path}/results")


def test_what_is_kept_comes_back_until_it_is_forgotten(store: ConversionStore) -> None:
    assert store.names() == set()
    store.put(REQUEST, ATTEMPTS)
    assert store.names() == {name_of(REQUEST)}
    assert store.take(name_of(REQUEST)) == ATTEMPTS
    store.forget(name_of(REQUEST))
    store.forget(name_of(REQUEST))
    assert store.names() == set()
    assert store.take(name_of(REQUEST)) == ()


def test_the_opset_and_the_model_decide_the_name() -> None:
    other = replace(REQUEST, model=replace(REQUEST.model, id="resnet34"))
    assert len({name_of(REQUEST), name_of(replace(REQUEST, opset=17)), name_of(other)}) == 3


def test_what_was_cut_off_is_not_taken(store: ConversionStore, tmp_path: Path) -> None:
    store.put(REQUEST, ATTEMPTS)
    (file,) = (tmp_path / "results").iterdir()
    whole = file.read_bytes()
    for length in (0, 5, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert store.take(name_of(REQUEST)) == ()


def test_it_travels_as_its_address(store: ConversionStore) -> None:
    store.put(REQUEST, ATTEMPTS)
    assert pickle.loads(pickle.dumps(store)).names() == store.names()


def test_an_address_that_nothing_serves_is_told() -> None:
    with pytest.raises(YoungerError, match="cannot keep results at nowhere://x"):
        ConversionStore("nowhere://x")


def test_a_build_takes_what_is_finished_and_forgets_what_it_has_entered(store: ConversionStore, tmp_path: Path) -> None:
    with Ledger(tmp_path / "first") as ledger:
        collect(ledger, ["onnx-package:squeezenet"], store=store.url)
        assert store.names() == set()
        (planned,) = ledger.unconverted(None, (0, 17))
        request = replace(ledger.request(*planned), opset=0)
    store.put(request, (Conversion(Outcome.TRIVIAL, "as a worker found"),))
    with Ledger(tmp_path / "second") as ledger:
        assert collect(ledger, ["onnx-package:squeezenet"], store=store.url) == {Outcome.TRIVIAL: 1}
    assert store.names() == set()
