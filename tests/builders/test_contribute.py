"""Contributing: a model of one's own becomes a pull request, the next release has it, and its file is gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import onnx
import pytest
from hub.faults import Fault
from hub.listed import repository as listed
from hub.repositories import Repository
from hub.server import Hub
from onnx import ModelProto, helper, numpy_helper
from support.contributions import contribution, of_skeleton, rewritten
from support.crafted_parquet import falsify
from support.light import LIGHT, built, record
from support.releases import ONNX_CONFIGS, every_row
from support.weightless import SECRET
from typer.testing import CliRunner

import younger_hf
from builders import contribute as module
from builders.contribute import Provenance, contribute, contribute_skeleton
from builders.contribution import read_contribution
from builders.convert.onnx_package import with_parameters
from builders.crawl.onnx_package import zoo_files
from builders.ledger import Ledger
from builders.pipeline import build
from builders.publish import publish
from builders.publish.commit_plan import taken_in
from younger_hf.cli import app
from younger_hf.errors import ReleaseError, UsageError, YoungerError
from younger_hf.extract import read_structure, strip

NAME = "org/younger"
ZOO = ("resnet50", "squeezenet", "vgg19")
ADA = Provenance(id="ada/shuffle", license="mit", task="image-classification", family="shufflenet")


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with 5 MB of weights, and with secrets wherever a file has room for them."""
    model = younger_hf.to_onnx(strip(with_parameters(read_structure(zoo_files()["shufflenet"]))), "random")
    model.producer_name = model.doc_string = model.graph.name = model.graph.node[0].doc_string = SECRET
    model.metadata_props.add(key="author", value=f"{SECRET}@example.org")
    for node in model.graph.node:
        node.name = f"/home/{SECRET}/{node.op_type}"
    onnx.save(model, path := tmp_path_factory.mktemp(SECRET) / f"{SECRET}.onnx")
    return path


@pytest.fixture(scope="session")
def converted(file: Path) -> Any:
    """What it becomes, converted once."""
    return module.prepare(module.find_model(str(file), ADA), timeout=600, memory_limit=8 << 30)


@pytest.fixture
def proposed(
    served: Hub, first: Path, file: Path, converted: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Contribute the file to a release that is published, without converting it anew each time."""
    publish(first, NAME)
    served.log.clear()
    monkeypatch.setattr(module, "prepare", lambda *_, **__: converted)
    return lambda **options: contribute(str(file), NAME, ADA, **options)


def test_a_release_whose_footers_lie_is_not_looked_into(served, first, file, converted, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "prepare", lambda *_, **__: converted)
    falsify(shutil.copytree(first, tmp_path / "younger"), "skeletons")
    served.repositories[NAME] = Repository.of_directory(NAME, tmp_path / "younger", "datasets")
    with pytest.raises(ReleaseError, match=r"cannot be taken .it says that it has 0 rows, and has 1"):
        contribute(str(file), NAME, ADA, confirm=lambda: True)


def files_of(served: Hub, revision: str = "main") -> dict[str, bytes]:
    commit = served.repositories[NAME].at(revision)
    assert commit is not None
    return {path: content.open().read() for path, content in commit.files.items()}


def changes_of(served: Hub, number: int) -> dict[str, bytes]:
    """What a pull request adds to the repository."""
    before, after = files_of(served), files_of(served, f"refs/pr/{number}")
    assert before.items() <= after.items()
    return {path: content for path, content in after.items() if path not in before}


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["contribute", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_model_goes_from_a_file_into_the_next_release(served, first, file, tmp_path):
    """The whole way, by the commands, by one who may open pull requests and no more."""
    publish(first, NAME)
    served.users["hf_bob"], served.organisations = "bob", set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", "hf_bob")
        said = ("--id", ADA.id, "--license", ADA.license, "--task", ADA.task, "--family", ADA.family)
        code, output, errors = run(str(file), "--repo-id", NAME, "--yes", *said)
        assert (code, errors) == (0, "")
        assert output.endswith(f"opened: {served.endpoint}/datasets/{NAME}/discussions/1\n")
    ((path, content),) = changes_of(served, 1).items()
    assert output.startswith(f"{path}, {len(content):,} bytes, is all that {NAME} would get:\n")
    served.organisations = {"org"}
    served.repositories[NAME].merge(1)
    release = tmp_path / "younger"
    work = str(tmp_path / "work")
    arguments = ["build", "--source", f"onnx-package:{','.join(ZOO)}", "--work", work, "--output", str(release)]
    done = CliRunner().invoke(app, [*arguments, "--previous", NAME])
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    (row,) = (row for row in every_row(release, "graphs") if row["source"] == "contributions")
    shown = {name: row[name] for name in ("name", "origin", "task", "family", "library", "license", "exporter")}
    assert shown == {
        "name": ADA.id,
        "origin": "contributed",
        "task": ADA.task,
        "family": ADA.family,
        "license": ADA.license,
        "library": "onnx",
        "exporter": "onnx",
    }
    assert taken_in(release) == {path}
    publish(release, NAME, tag="v2.0")
    assert path not in files_of(served)
    assert ADA.id in {row["name"] for part in younger_hf.load(source=NAME).values() for row in part}
    code, output, _ = run(str(file), "--repo-id", NAME, "--yes", *said)
    assert code == 0
    assert output.splitlines()[-1] == (
        f"{NAME} has it, there is nothing to contribute: row {ADA.id} of config graphs, "
        f"fingerprint {row['fingerprint']}, skeleton_fingerprint {Path(path).name[:32]}"
    )
    assert "refs/pr/2" not in served.repositories[NAME].branches


def test_all_that_is_published_is_shown_and_nothing_else_is(served, proposed, file, converted):
    shown: list[str] = []
    done = proposed(show=shown.append)
    ((path, content),) = changes_of(served, 1).items()
    assert (path, content) == (done.contribution.path, converted[0].to_parquet())
    assert len(content) < 40_000 < 5_000_000 < file.stat().st_size
    opened = served.repositories[NAME].at("refs/pr/1")
    assert opened.title == f"Contribute {ADA.id} ({Path(path).stem})"
    sent = b"".join((content, opened.title.encode(), *(text.encode() for text in shown)))
    assert SECRET.encode() not in sent
    num_parameters = done.facts.num_parameters
    assert num_parameters > 1_000_000
    for value in (
        *done.contribution.texts.values(),
        f"{done.facts.num_nodes} operators: ",
        "Conv×",
        f"parameters by element type and shape, without values ({num_parameters:,} elements)",
    ):
        assert value in shown[0]


def test_a_skeleton_is_proposed_in_the_name_of_whose_token_it_is(served, first, converted):
    """As the explorer does: the user of the token, whoever is logged in where it runs."""
    publish(first, NAME)
    served.users["hf_bob"], served.organisations = "bob", set()
    skeleton = converted[0].skeleton
    with pytest.raises(YoungerError, match="the Hub does not know your login any more"):
        contribute_skeleton(skeleton, NAME, ADA, "hf_wrong")
    assert contribute_skeleton(skeleton, NAME, ADA, "hf_bob").url.endswith("/discussions/1")
    assert served.repositories[NAME].at("refs/pr/1").author == "bob"
    assert list(changes_of(served, 1).values()) == [converted[0].to_parquet()]
    served.repositories[NAME].commit({"removals.txt": b"ADA/shuffle\n"})
    with pytest.raises(YoungerError, match="its owner asked for that"):
        contribute_skeleton(skeleton, NAME, ADA, "hf_bob")


def test_the_same_contribution_twice_is_one(served, proposed, converted):
    assert proposed().url == f"{served.endpoint}/datasets/{NAME}/discussions/1"
    again = proposed()
    assert (again.standing, again.url) == ("proposed", f"{served.endpoint}/datasets/{NAME}/discussions/1")
    served.repositories[NAME].merge(1)
    waiting = proposed()
    assert (waiting.standing, waiting.url) == ("waiting", "")
    assert waiting.verdict == f"{NAME} has it in {converted[0].path}, where it waits for the next release"
    assert "refs/pr/2" not in served.repositories[NAME].branches


def other_shapes(model: ModelProto) -> ModelProto:
    """The same graph, one parameter of another shape."""
    shape = next(tensor for tensor in model.graph.initializer if tensor.dims == [4])
    values = numpy_helper.to_array(shape).copy()
    values[0] += 1
    shape.CopyFrom(numpy_helper.from_array(values, shape.name))
    return model


@pytest.mark.parametrize(
    ("model", "standing", "verdict"),
    [
        (
            onnx.load(LIGHT / "light_squeezenet.onnx"),
            "known",
            "there is nothing to contribute: row squeezenet of config",
        ),
        (other_shapes(onnx.load(LIGHT / "light_squeezenet.onnx")), "new skeleton", "has its graph as squeezenet, with"),
        (onnx.load(LIGHT / "light_zfnet512.onnx"), "new graph", f"{NAME} has no such graph"),
    ],
)
def test_what_is_known_is_said(served, proposed, monkeypatch, model, standing, verdict):
    """Under whatever name it comes: known is the skeleton; other shapes are a new one, and so worth having."""
    found = of_skeleton(strip(model))
    facts = module.measure(found.skeleton).facts
    monkeypatch.setattr(module, "prepare", lambda *_, **__: (found, facts))
    done = proposed()
    assert done.standing == standing
    assert verdict in done.verdict
    assert bool(done.url) == ("refs/pr/1" in served.repositories[NAME].branches) == (standing != "known")


def test_another_export_of_a_known_network_is_proposed_only_if_that_is_said(served, proposed, monkeypatch):
    model = onnx.load(LIGHT / "light_squeezenet.onnx")
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    data, relu.input[0] = relu.input[0], "passed on"
    model.graph.node.insert([*model.graph.node].index(relu), helper.make_node("Identity", [data], ["passed on"]))
    found = of_skeleton(strip(model))
    facts = module.measure(found.skeleton).facts
    monkeypatch.setattr(module, "prepare", lambda *_, **__: (found, facts))
    held_back = proposed()
    assert (held_back.standing, held_back.row, held_back.url) == ("another export", "squeezenet", "")
    assert "has the same network by another export, as squeezenet" in held_back.verdict
    assert "--yes-another-export" in held_back.verdict
    assert "refs/pr/1" not in served.repositories[NAME].branches
    assert proposed(another_export=True).url
    assert "refs/pr/1" in served.repositories[NAME].branches


def test_only_the_columns_that_tell_are_read(served, proposed, first):
    proposed(dry_run=True)
    fetched = served.sent("GET */cdn/*")
    assert fetched > 0
    read = {exchange.request.partition("/cdn/")[2].split("/")[4] for exchange in served.requests("GET */cdn/*")}
    assert read == {"skeletons"}


def test_a_dry_run_needs_no_token_and_opens_nothing(served, proposed, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "")
    done = proposed(dry_run=True)
    assert (done.standing, done.url) == ("new graph", "")
    assert not [exchange for exchange in served.log if exchange.request.startswith(("POST", "PUT"))]


def test_one_who_is_asked_can_say_no(served, proposed):
    assert proposed(confirm=lambda: False).url == ""
    assert "refs/pr/1" not in served.repositories[NAME].branches


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("hf_wrong", "the Hub does not know the token"),
        ("hf_reader", "the token may not write to org/younger"),
        ("", "there is no token for the Hub"),
    ],
)
def test_a_token_that_cannot_write_is_told_before_the_work(served, proposed, monkeypatch, token, message):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(module, "prepare", None)
    with pytest.raises(YoungerError, match=message) as caught:
        proposed()
    assert caught.value.exit_code == 1


def test_a_repository_that_is_none_is_told_before_the_work(served, file, monkeypatch):
    monkeypatch.setattr(module, "prepare", None)
    served.repositories["org/other"] = Repository("org/other", "datasets")
    served.repositories["org/other"].commit({"README.md": b"# Other\n"})
    for name, kind, message in [
        ("org/absent", UsageError, "there is no dataset org/absent on the Hub"),
        ("org/other", ReleaseError, "org/other|README"),
        ("younger", UsageError, "younger has no namespace"),
        ("org/a/b", UsageError, "org/a/b is no name of a repository"),
    ]:
        with pytest.raises(kind, match=message):
            contribute(str(file), name, ADA)


def test_a_model_whose_owner_asked_for_its_removal_is_not_proposed(served, proposed):
    served.repositories[NAME].commit({"removals.txt": b"ADA/shuffle\n"})
    with pytest.raises(YoungerError, match="ada/shuffle is not to be in org/younger: its owner asked for that"):
        proposed()


@pytest.mark.parametrize(
    ("model", "provenance", "message"),
    [
        ("nowhere.onnx", ADA, "there is no file or directory nowhere.onnx"),
        ("some/where.onnx", ADA, "there is no file or directory some/where.onnx"),
        (".", ADA, "is a directory: name the model file in it"),
        ("a/b/c", ADA, "a/b/c is neither a file here nor the id of a model of the Hub"),
        ("org/two,library=timm", Provenance(), "is neither a file here nor the id of a model of the Hub"),
        ("{file}", Provenance(), "does not say what it is: give --id ORG/NAME and --license IDENTIFIER"),
        ("{file}", replace(ADA, license=""), "give --id ORG/NAME and --license IDENTIFIER"),
        (
            "{file}",
            replace(ADA, id="ada@example.org"),
            "the contribution has the id 'ada@example.org', and that must be",
        ),
        ("{file}", replace(ADA, family="/home/ada/x"), "the contribution has the family '/home/ada/x'"),
        ("org/model", ADA, "org/model is the id of a model of the Hub: leave out --id"),
        ("org/absent", Provenance(), "the Hub has no model org/absent"),
        ("org/nothing", Provenance(), "there is nothing in org/nothing that can be converted"),
        ("org/silent", Provenance(), "the Hub does not say under which licence org/silent is"),
        ("org/two", Provenance(), "org/two has several models: choose one by --component, of a.onnx, b.onnx"),
        ("org/two", Provenance(component="c.onnx"), "choose one by --component, of a.onnx, b.onnx"),
    ],
)
def test_a_model_that_is_none_is_one_sentence(served, file, model, provenance, message):
    for name, files, card in [
        ("org/nothing", {"model.bin": b"x"}, {"license": "mit"}),
        ("org/silent", {"model.onnx": b"x"}, {}),
        ("org/two", {"a.onnx": b"x", "b.onnx": b"y"}, {"license": "mit"}),
    ]:
        served.repositories[name] = listed(name, files, card)
    with pytest.raises(UsageError) as caught:
        contribute(model.format(file=file), NAME, provenance)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is no model", "its conversion ended as invalid_onnx: "),
        (
            helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString(),
            "ended as trivial: no operator feeds",
        ),
    ],
)
def test_a_file_that_is_no_architecture_is_one_sentence(served, first, tmp_path, content, message):
    publish(first, NAME)
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(YoungerError) as caught:
        contribute(str(tmp_path / "model.onnx"), NAME, ADA)
    assert str(caught.value).startswith("ada/shuffle cannot be contributed, ")
    assert message in str(caught.value)
    assert caught.value.exit_code == 1
    assert "refs/pr/1" not in served.repositories[NAME].branches


def test_a_model_of_the_hub_says_itself_what_it_is(served, first, file, monkeypatch):
    """An ONNX file on the Hub: a small part of it is read, from the commit that is named in the contribution."""
    monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
    publish(first, NAME)
    model = listed(
        "carol/shuffle", {"model.onnx": file.read_bytes()}, {"license": "apache-2.0", "pipeline_tag": "other"}
    )
    served.repositories[model.id] = model
    assert contribute(model.id, NAME).url.endswith("/discussions/1")
    ((path, content),) = changes_of(served, 1).items()
    (file.parent / Path(path).name).write_bytes(content)
    found = read_contribution(file.parent / Path(path).name).model
    assert (found.source, found.id, found.revision, found.component) == (
        *("contributions", "carol/shuffle", model.sha, "model.onnx"),
    )
    assert (found.license, found.task, found.origin) == ("apache-2.0", "other", "contributed")
    assert served.sent("GET */cdn/models/*") < file.stat().st_size / 2


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(cut_request=100)])
def test_a_hub_that_fails_leaves_nothing_and_the_command_can_be_run_again(served, proposed, fault):
    served.faults.add("POST *commit*", fault)
    with pytest.raises(YoungerError, match="the Hub did not finish the work on org/younger"):
        proposed()
    assert "refs/pr/1" not in served.repositories[NAME].branches
    assert proposed().url.endswith("/discussions/1")


def test_a_pull_request_whose_answer_is_lost_is_found(served, proposed):
    served.faults.add("POST *commit*", Fault(lose_answer=True))
    assert proposed().url == f"{served.endpoint}/datasets/{NAME}/discussions/1"
    assert len(served.requests("POST *commit*")) == 1


def test_without_a_terminal_the_command_asks_for_a_word(served, file):
    with pytest.raises(UsageError, match="use --yes, or --dry-run"):
        run(str(file), "--repo-id", NAME)


# What the maintainer's side makes of what was merged


def weighted(model: ModelProto) -> ModelProto:
    model.graph.initializer.append(numpy_helper.from_array(np.ones((9, 9), np.float32), "p99"))
    return model


def merged(served: Hub, contents: dict[str, bytes]) -> None:
    served.repositories[NAME].commit(contents)


def test_bad_contributions_are_left_out_and_stay_and_the_good_ones_go(served, first, tmp_path):
    publish(first, NAME)
    good, waiting, bomb = contribution(), contribution("inception_v1"), contribution("inception_v2")
    bad = contribution("zfnet512")
    hidden = replace(bad, skeleton=weighted(ModelProto.FromString(bad.skeleton)).SerializeToString(deterministic=True))
    liar = replace(bad, model=replace(bad.model, id="ada/liar"), skeleton=contribution("vgg19").skeleton)
    claimant = replace(bad, model=replace(bad.model, id="ada/claimant"))
    merged(
        served,
        {
            good.path: good.to_parquet(),
            bad.path: hidden.to_parquet(),
            liar.path: liar.to_parquet(),
            claimant.path: rewritten(claimant, source="onnx-package", downloads=10**9),
            bomb.path: rewritten(bomb, onnx=bytes(17 << 20)),
            "contributions/x.parquet": b"PAR1",
        },
    )
    release = tmp_path / "younger"
    build([f"onnx-package:{','.join(ZOO)}"], release, tmp_path / "work", previous=NAME)
    names = {row["name"]: row["source"] for row in every_row(release, "graphs")}
    assert names == {**dict.fromkeys(ZOO, "onnx-package"), "ada/shufflenet": "contributions"}
    with Ledger(tmp_path / "work", read_only=True) as ledger:
        failures = {model.id: message for model, _, message in ledger.failures()}
    assert failures.pop(Path(bomb.path).name).endswith("(it unpacks to more than 17 MiB)")
    assert failures == {
        "ada/shufflenet": "its skeleton has the values of tensor 'p99' of shape [9, 9]",
        "ada/liar": f"its fingerprint is {contribution('vgg19').fingerprint}, not {bad.fingerprint}",
        Path(claimant.path).name: "its file has not the columns of a contribution, or another version of them",
        "x.parquet": "its file is not named as contributions are",
    }
    merged(served, {waiting.path: waiting.to_parquet()})  # after the build, so that the release has it not
    publish(release, NAME)
    left = {path for path in files_of(served) if path.startswith("contributions/")}
    assert left == {bad.path, liar.path, claimant.path, bomb.path, "contributions/x.parquet", waiting.path}
    # Built again, nothing is tried twice, and what has come is taken in.
    build([], tmp_path / "next", tmp_path / "work", previous=NAME)
    assert sorted(row["name"] for row in every_row(tmp_path / "next", "graphs") if row["origin"] == "contributed") == [
        "ada/shufflenet",
        "ada/shufflenet",
    ]
    assert taken_in(tmp_path / "next") == {good.path, waiting.path}


@pytest.mark.slow
def test_a_contribution_stays_in_releases_of_a_ledger_that_never_saw_it(served, with_contributions, tmp_path):
    first = with_contributions(contribution(), contribution("squeezenet", id="ada/squeeze"))
    publish(first, NAME)
    build([], tmp_path / "again", tmp_path / "work", previous=NAME)
    with Ledger(tmp_path / "new") as ledger:
        record(ledger, ZOO)
    build([], tmp_path / "next", tmp_path / "new", previous=NAME)
    before, again, after = (
        {row["fingerprint"]: row for row in every_row(release, "graphs")}
        for release in (first, tmp_path / "again", tmp_path / "next")
    )
    assert before == again == after
    assert taken_in(tmp_path / "next") == {contribution().path, contribution("squeezenet", id="ada/squeeze").path}


@pytest.fixture
def with_contributions(tmp_path: Path) -> Callable[..., Path]:
    """A release of zoo models, and of contributions that lie in a release before it."""

    def make(*found: Any, zoo: tuple[str, ...] = ZOO, removals: str = "") -> Path:
        before = built(tmp_path / "before", ("bvlc_alexnet",))
        for one in found:
            (before / one.path).parent.mkdir(exist_ok=True)
            (before / one.path).write_bytes(one.to_parquet())
        (before / "removals.txt").write_text(removals)
        with Ledger(tmp_path / "work") as ledger:
            record(ledger, zoo)
        build([], tmp_path / "younger", tmp_path / "work", previous=before)
        return tmp_path / "younger"

    return make


def test_a_contribution_names_no_row_that_a_source_names(with_contributions):
    """Not even one that would come first by its name, and has the very skeleton."""
    claims = replace(contribution("squeezenet", id="aaa/mine", family="mine"), exporter="mine")
    release = with_contributions(claims, contribution("vgg19", id="squeezenet"))
    rows = {row["name"]: row for row in every_row(release, "graphs")}
    assert set(rows) == {*ZOO, "bvlc_alexnet"}
    squeezenet = rows["squeezenet"]
    assert (squeezenet["source"], squeezenet["origin"], squeezenet["family"], squeezenet["exporter"]) == (
        *("onnx-package", "published", "squeezenet", "onnx"),
    )
    assert [(model["source"], model["id"]) for model in squeezenet["models"]] == [
        ("contributions", "aaa/mine"),
        ("onnx-package", "squeezenet"),
    ]
    assert {model["id"] for model in rows["vgg19"]["models"]} == {"vgg19", "squeezenet"}


def test_removals_hold_for_contributions_and_no_path_shows(with_contributions, tmp_path):
    release = with_contributions(contribution(), contribution("zfnet512", id="bob/zfnet"), removals="ada/*\n")
    names = {row["name"] for row in every_row(release, "graphs")}
    assert names == {*ZOO, "bvlc_alexnet", "bob/zfnet"}
    assert taken_in(release) == {contribution("zfnet512", id="bob/zfnet").path}
    everything = b"".join(path.read_bytes() for path in release.rglob("*") if path.is_file())
    assert str(tmp_path).encode() not in everything


@pytest.mark.parametrize("config", ["graphs", "skeletons"])
def test_contributions_in_a_repository_disturb_nobody_who_loads_it(served, first, config):
    publish(first, NAME)
    before = datasets.load_dataset(NAME, config)
    merged(served, {contribution().path: contribution().to_parquet()})
    after = datasets.load_dataset(NAME, config, revision=served.repositories[NAME].sha)
    assert {split: rows.features for split, rows in after.items()} == {
        split: rows.features for split, rows in before.items()
    }
    assert {split: len(rows) for split, rows in younger_hf.load(config, source=NAME).items()} == {
        split: len(rows) for split, rows in before.items()
    }
    assert datasets.get_dataset_config_names(NAME) == list(ONNX_CONFIGS)
    assert datasets.load_dataset_builder(NAME).config.name == "graphs"


def test_a_directory_with_contributions_is_published_without_them(served, first, tmp_path):
    release = Path(shutil.copytree(first, tmp_path / "younger"))
    (release / "contributions").mkdir()
    (release / contribution().path).write_bytes(contribution().to_parquet())
    publish(release, NAME)
    assert not [path for path in files_of(served) if path.startswith("contributions")]


def test_an_interrupted_command_proposes_nothing(served, first, file, tmp_path):
    publish(first, NAME)
    served.log.clear()
    served.faults.add("PUT *", Fault(stall=30))
    command = [sys.executable, "-m", "younger_hf", "contribute", str(file), "--repo-id", NAME, "--yes"]
    command += ["--id", ADA.id, "--license", ADA.license]
    environment = {
        **os.environ,
        "HF_ENDPOINT": served.endpoint,
        "HF_HOME": str(tmp_path / "home2"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_ada",
        "TMPDIR": str(tmp_path),
    }

    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not served.requests("PUT *") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "younger-hf: interrupted; finished work is kept"
    assert "refs/pr/1" not in served.repositories[NAME].branches
    assert not list(tmp_path.glob("younger-contribute-*"))
