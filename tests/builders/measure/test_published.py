"""What a trusted release says of its skeletons is what measuring them again gives."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import onnx
import pytest
from support.ledgers import conversion
from support.light import LIGHT, record
from support.releases import files

from builders.assemble import assemble, assembly
from builders.ledger import Ledger
from builders.measure.facts import MEASUREMENT_VERSION, measure
from builders.measure.published import PublishedMeasurements
from builders.measure.spool import measure_packed
from builders.model_ref import ModelRef
from builders.pipeline import build
from younger_hf.extract import strip
from younger_hf.release import open_release

NAMES = ("squeezenet", "shufflenet")


def wider(name: str) -> onnx.ModelProto:
    """A zoo model whose parameters have one more element each: another skeleton of the same graph."""
    model = strip(LIGHT / f"light_{name}.onnx")
    first = next(tensor for tensor in model.graph.initializer if tensor.dims and not tensor.raw_data)
    first.dims[0] += 1
    return model


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with Ledger(tmp_path_factory.mktemp("ledger") / "work") as ledger:
        record(ledger, NAMES)
        wide = ModelRef("zoo", "squeezenet-of-another-width", library="onnx")
        ledger.record([wide])
        ledger.finish(wide, conversion(wider("squeezenet")))
        yield ledger


@pytest.fixture(scope="module")
def release(ledger, tmp_path_factory):
    directory = tmp_path_factory.mktemp("release") / "younger"
    report = assemble(ledger, directory)
    assert (report.skeletons, sum(report.rows["graphs"].values())) == (3, 2)
    return open_release(directory)


def models_of(ledger):
    return {one.skeleton_hash: one.models for one in ledger.architectures()}


def test_what_is_published_is_what_is_measured(ledger, release, tmp_path):
    published = PublishedMeasurements(release, models_of(ledger), tmp_path)
    shown = {row["fingerprint"]: row["models"][0]["id"] for row in release.read("graphs").to_pylist()}
    for architecture in ledger.architectures():
        skeleton, modules = architecture.skeleton, architecture.modules or b""
        assert architecture.skeleton_hash in published
        packed, measured = (
            published.packed(architecture.skeleton_hash, skeleton, modules),
            measure_packed(skeleton, modules),
        )
        if architecture.models[0].id in shown.values():
            assert packed.facts == measured.facts
            assert packed.records == measured.records
        else:  # what its row does not show of it nothing asks for
            of_row = {"sketch": packed.facts.sketch, "minhash": packed.facts.minhash}
            assert packed.facts == replace(measured.facts, **of_row)


@pytest.fixture
def measured(monkeypatch):
    """The skeletons that assembly measures, by hash."""
    seen = []

    def measure_seen(skeleton, modules):
        seen.append(blake2b(skeleton, digest_size=16).hexdigest())
        return measure_packed(skeleton, modules)

    monkeypatch.setattr(assembly, "measure_packed", measure_seen)
    return seen


def test_a_build_upon_a_trusted_release_measures_what_is_new_and_gives_the_same_bytes(release, tmp_path, measured):
    build(["onnx-package:bvlc_alexnet"], tmp_path / "all", tmp_path / "work", previous=release.source)
    assert len(measured) == 4
    measured.clear()
    with Ledger(tmp_path / "work") as ledger:
        assemble(ledger, tmp_path / "new", previous=release.source, trust_previous=True)
    assert len(measured) == 1
    assert files(tmp_path / "new") == files(tmp_path / "all")


def test_a_row_that_stands_for_other_models_now_is_measured_again(ledger, release, tmp_path):
    models = models_of(ledger)
    (digest,) = (digest for digest, stood_for in models.items() if stood_for[0].id == "squeezenet")
    models[digest] = (*models[digest], ModelRef("hub", "a/twin", downloads=5))
    published = PublishedMeasurements(release, models, tmp_path)
    known = {models[digest][0].id for digest in models if digest in published}
    assert known == {"shufflenet"}, "the other skeleton of its row may be the one to show now"


def test_of_a_release_by_other_rules_nothing_is_known(ledger, release, tmp_path):
    older = replace(release, measurement_version=MEASUREMENT_VERSION - 1)
    published = PublishedMeasurements(older, models_of(ledger), tmp_path)
    assert not any(digest in published for digest in models_of(ledger))


def test_the_version_rises_when_something_else_is_measured():
    """A failure here means: what is measured has changed, so raise MEASUREMENT_VERSION and put the new digest here."""
    digest = blake2b(digest_size=8)
    for name in ("squeezenet", "shufflenet", "inception_v1"):
        skeleton = strip(LIGHT / f"light_{name}.onnx").SerializeToString(deterministic=True)
        digest.update(repr(measure(skeleton).facts).encode())
    assert (MEASUREMENT_VERSION, digest.hexdigest()) == (1, "fe10d80723739b3e")
