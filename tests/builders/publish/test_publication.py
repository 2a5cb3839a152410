"""Publishing: one commit and a tag, whatever goes wrong on the way, with huggingface_hub as it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest
from hub.faults import Fault
from hub.repositories import Repository
from hub.server import Hub
from huggingface_hub import HfApi
from support.light import built
from support.releases import every_row, files
from typer.testing import CliRunner

from builders.assemble.write.kept import keep_beside
from builders.publish import Published, publish
from younger_hf import load
from younger_hf.cli import app
from younger_hf.errors import ReleaseError, UsageError, YoungerError
from younger_hf.recipes.encoders import FILES

NAME = "org/younger"
# What is so small and plain that it goes with the commit itself.
TEXTS = ("README.md", "croissant.json")
FOUR = ("resnet50", "shufflenet", "squeezenet", "vgg19")


def there(served: Hub, revision: str = "main") -> dict[str, bytes]:
    """The files of a release in the repository."""
    commit = served.repositories[NAME].at(revision)
    assert commit is not None
    return {path: content.open().read() for path, content in commit.files.items() if path != ".gitattributes"}


def uploaded(served: Hub) -> int:
    return served.received("PUT *")


def rows_of_graphs(shown: str) -> tuple[str, str]:
    """How many rows of config `graphs` are added and removed, as shown."""
    (cells,) = (line.split() for line in shown.splitlines() if line.startswith("graphs "))
    return cells[1], cells[3]


def parquet_bytes(release: Path) -> int:
    return sum(len(content) for path, content in files(release).items() if path.endswith(".parquet"))


@pytest.fixture
def published(served: Hub, first: Path) -> Published:
    done = publish(first, NAME, tag="v1.0")
    served.log.clear()
    return done


def test_a_release_is_one_commit_and_a_tag_and_loads(served, first):
    shown: list[str] = []
    done = publish(first, NAME, tag="v1.0", show=shown.append)
    repository = served.repositories[NAME]
    assert there(served) == files(first)
    assert repository.tags == {"v1.0": done.commit} == {"v1.0": repository.sha}
    assert [commit.title for commit in repository.commits.values()] == [
        "initial commit",
        "Younger v1.0: 3 architectures",
    ]
    assert done.url == f"{served.endpoint}/datasets/{NAME}"
    assert shown[0].splitlines()[0].startswith(f"{NAME}, which is to be made: add {len(files(first))} files of ")
    graphs = load("graphs", source=NAME, revision="v1.0")
    assert sorted(row["name"] for split in graphs.values() for row in split) == ["resnet50", "squeezenet", "vgg19"]
    assert datasets.load_dataset(NAME)["train"].features == graphs["train"].features  # the default config


def test_only_what_changed_is_sent_and_what_is_gone_is_deleted(served, first, second, published, tmp_path):
    release = tmp_path / "younger"
    shutil.copytree(second, release)
    repository = served.repositories[NAME]
    staying = {"contributions/a.parquet": b"PAR1", "removals.txt": b"# none\n", "notes.md": b"notes"}
    staying |= {"leaderboard/theirs.yaml": b"model: theirs\n", "leaderboard/theirs.parquet": b"PAR1"}
    repository.commit({**staying, "graphs/old.parquet": b"PAR1", "figures/old.png": b"png"})
    same = {path for path, content in files(first).items() if files(release).get(path) == content}
    gone = set(files(first)) - set(files(release)) | {"graphs/old.parquet", "figures/old.png"}
    done = publish(release, NAME)
    assert there(served) == {**files(release), **staying}
    assert set(done.plan.paths("delete")) == gone
    assert set(done.plan.paths("keep")) == same
    sent = {path: len(files(release)[path]) for path in done.plan.paths("add", "change")}
    assert uploaded(served) == sum(sent.values()) - sum(map(sent.get, TEXTS))
    title = repository.commits[repository.sha].title
    assert title.startswith("Younger: graphs +1; graphs-no-attributes +1; subgraphs +")


def test_an_encoder_and_entries_are_published_and_kept_by_the_next_build(served, first, tmp_path):
    release = tmp_path / "younger"
    shutil.copytree(first, release)
    beside = {"leaderboard/mine.yaml": "model: mine\n", **{f"encoder/{name}": name for name in FILES}}
    for path, text in beside.items():
        (release / path).parent.mkdir(exist_ok=True)
        (release / path).write_text(text)
    publish(release, NAME)
    assert there(served) == files(release)
    keep_beside(NAME, tmp_path / "kept")
    assert files(tmp_path / "kept") == {path: text.encode() for path, text in beside.items()}


def test_a_release_that_is_there_is_not_committed_again(served, first, published):
    again = publish(first, NAME, tag="v1.0")
    assert (again.plan.is_empty, again.commit) == (True, published.commit)
    assert len(served.repositories[NAME].commits) == 2
    assert not served.requests("POST *commit*")
    # A tag that could not be made is made by the same command.
    assert publish(first, NAME, tag="v1.1").commit == served.repositories[NAME].tags["v1.1"]


def test_a_dry_run_says_what_would_change(served, second, published, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "")
    done = CliRunner().invoke(app, ["publish", str(second), "--repo-id", NAME, "--dry-run"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{NAME}, at {published.commit}: ")
    assert "change  graphs/train-00000-of-00001.parquet" in done.stdout
    assert rows_of_graphs(done.stdout) == ("1", "0")
    assert not [exchange for exchange in served.log if exchange.request.startswith(("POST", "PUT"))]
    elsewhere = publish(second, "org/other", dry_run=True)
    assert (elsewhere.commit, elsewhere.plan.parent) == (None, None)
    assert set(served.repositories) == {NAME}


def test_the_command_says_where_it_went(served, first):
    done = CliRunner().invoke(app, ["publish", str(first), "--repo-id", NAME, "--private", "--tag", "v1.0"])
    assert done.exit_code == 0, done.output
    sha = served.repositories[NAME].sha
    assert done.stdout.splitlines()[-1] == f"published: {served.endpoint}/datasets/{NAME}, commit {sha}, tag v1.0"
    assert served.repositories[NAME].private
    assert "hf_ada" not in done.output
    assert done.stderr == ""  # no progress bars where nobody looks


def test_a_pull_request_leaves_the_repository_as_it_is(served, first, second, published):
    done = publish(second, NAME, create_pr=True)
    assert done.url == f"{served.endpoint}/datasets/{NAME}/discussions/1"
    assert there(served) == files(first)
    served.repositories[NAME].merge(1)
    assert there(served) == files(second)


def test_a_tag_that_exists_is_refused_before_anything_is_sent(served, first, second, published):
    with pytest.raises(UsageError, match=r"has a tag v1\.0 already"):
        publish(second, NAME, tag="v1.0")
    assert (uploaded(served), there(served)) == (0, files(first))


@pytest.mark.parametrize("content", [{"README.md": b"---\nlicense: mit\n---\n# Other\n"}, {"data/x.csv": b"1"}])
def test_a_repository_with_other_content_is_refused(served, first, content):
    served.repositories[NAME] = Repository(NAME, "datasets")
    served.repositories[NAME].commit(content)
    with pytest.raises(UsageError, match=rf"{NAME} is no release"):
        publish(first, NAME)
    assert set(there(served)) == set(content)


def test_what_makes_no_sense_is_refused(served, first, published):
    for options, message in [
        ({"create_pr": True, "tag": "v2"}, "leave out --tag"),
        ({"private": True}, "is there and public"),
    ]:
        with pytest.raises(UsageError, match=message):
            publish(first, NAME, **options)
    with pytest.raises(UsageError, match="there is no org/absent to open a pull request in"):
        publish(first, "org/absent", create_pr=True)
    with pytest.raises(UsageError, match="has no namespace"):
        publish(first, "younger")


def test_rows_that_would_be_lost_are_refused(served, first, published, tmp_path):
    fewer = built(tmp_path / "fewer", ("resnet50", "squeezenet"), previous=NAME, allow_removals=True)
    shown: list[str] = []
    with pytest.raises(ReleaseError, match=rf"1 of the architectures in {NAME} would be lost, such as vgg19"):
        publish(fewer, NAME, show=shown.append)
    assert rows_of_graphs("\n".join(shown)) == ("0", "1")
    assert (uploaded(served), there(served)) == (0, files(first))
    publish(fewer, NAME, allow_removals=True)
    assert there(served) == files(fewer)


def test_rows_that_were_asked_to_be_removed_may_go(served, published, tmp_path):
    served.repositories[NAME].commit({"removals.txt": b"vgg19\n"})
    publish(built(tmp_path, ("resnet50", "squeezenet"), previous=NAME), NAME)


def test_ids_that_change_their_meaning_are_refused(served, second, published, tmp_path):
    other = built(tmp_path, ("bvlc_alexnet", "shufflenet"))
    with pytest.raises(ReleaseError, match=rf"build it with `--previous {NAME}`"):
        publish(other, NAME)
    assert uploaded(served) == 0


def test_a_model_that_is_to_be_removed_is_refused(served, second, published):
    served.repositories[NAME].commit({"removals.txt": b"# asked for by its owner\nshufflenet  # in June\n"})
    with pytest.raises(ReleaseError, match=rf"config graphs .* has shufflenet, .* anew with `--previous {NAME}`"):
        publish(second, NAME)
    assert uploaded(served) == 0


def test_a_model_that_was_asked_to_be_removed_of_the_release_alone_is_refused_too(served, second, tmp_path):
    release = Path(shutil.copytree(second, tmp_path / "younger"))
    (release / "removals.txt").write_text("shufflenet\n")
    with pytest.raises(ReleaseError, match=r"has shufflenet, which removals\.txt asks to leave out"):
        publish(release, NAME)
    assert NAME not in served.repositories


def test_what_the_next_release_leaves_out_is_what_the_repository_names(served, second, published, tmp_path):
    served.repositories[NAME].commit({"removals.txt": b"SHUFFLEnet\nsomeone/*  # gone\n"})
    release = built(tmp_path, FOUR, previous=NAME)
    assert sorted(row["name"] for row in every_row(release, "graphs")) == ["resnet50", "squeezenet", "vgg19"]
    assert (release / "removals.txt").read_bytes() == b"SHUFFLEnet\nsomeone/*  # gone\n"
    publish(release, NAME)
    # What the maintainer adds to the release joins what is there; what is missing of it is not taken away.
    (release / "removals.txt").write_text("someone/*\nshufflenet\nelse/*\n")
    publish(release, NAME)
    assert there(served)["removals.txt"] == b"someone/*\nshufflenet\nelse/*\n"
    (release / "removals.txt").write_text("shufflenet\n")
    publish(release, NAME)
    assert there(served)["removals.txt"] == b"someone/*\nshufflenet\nelse/*\n"
    (release / "removals.txt").write_text("shufflenet\nmore/*\n")
    with pytest.raises(ReleaseError, match=rf"removals\.txt of {NAME} names else/\*, and that of .* does not: build"):
        publish(release, NAME)


def test_removals_that_cannot_be_had_are_not_taken_for_none(served, published, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    served.faults.add(f"GET *{NAME}/resolve/*/removals.txt", Fault(status=503), times=100)
    served.faults.add(f"HEAD *{NAME}/resolve/*/removals.txt", Fault(status=503), times=100)
    with pytest.raises(ReleaseError, match=f"removals.txt of {NAME} cannot be read from the Hub"):
        built(tmp_path, FOUR, previous=NAME)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("hf_wrong", "the Hub does not know the token"),
        ("hf_reader", "the token may not write to org/younger"),
        ("", "there is no token for the Hub"),
    ],
)
def test_a_token_that_cannot_write_is_one_sentence(served, first, monkeypatch, token, message):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(YoungerError, match=message) as caught:
        publish(first, NAME)
    assert served.repositories == {}
    assert not token or token not in str(caught.value)


def test_a_namespace_of_others_is_refused(served, first):
    with pytest.raises(YoungerError, match="the token may not write to others/younger"):
        publish(first, "others/younger")


def test_another_commit_that_came_first_is_planned_upon(served, second, published):
    repository = served.repositories[NAME]

    def contribute() -> None:
        repository.commit({"contributions/a.parquet": b"PAR1"})

    served.faults.add("POST *preupload*", Fault(then=contribute))
    done = publish(second, NAME)
    assert done.plan.parent not in (published.commit, repository.sha)
    assert there(served) == {**files(second), "contributions/a.parquet": b"PAR1"}
    assert uploaded(served) < 2 * parquet_bytes(second)


def test_commits_that_keep_coming_first_end_it(served, first, second, published):
    repository = served.repositories[NAME]
    served.faults.add("POST *preupload*", Fault(then=lambda: repository.commit({"notes.md": b"n"})), times=2)
    with pytest.raises(YoungerError, match="another commit to org/younger came first, twice"):
        publish(second, NAME)
    assert there(served) == {**files(first), "notes.md": b"n"}


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(cut_request=100)])
def test_an_upload_that_fails_once_is_tried_again(served, first, fault):
    served.faults.add("PUT *", fault, after=1)
    publish(first, NAME)
    assert there(served) == files(first)


def test_a_hub_that_stays_away_leaves_nothing_and_what_was_sent_is_not_sent_again(served, first, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    served.faults.add("PUT *", Fault(status=503), times=1000, after=4)
    with pytest.raises(YoungerError, match=r"did not finish the work on org/younger \(status 503\)"):
        publish(first, NAME)
    assert there(served) == {}
    stored = sum(content.size for content in served.repositories[NAME].objects.values())
    assert stored > 0
    served.faults.clear()
    served.log.clear()
    publish(first, NAME)
    assert there(served) == files(first)
    distinct = {hashlib.sha256(content).digest(): len(content) for content in files(first).values()}
    assert uploaded(served) == sum(distinct.values()) - sum(len(files(first)[path]) for path in TEXTS) - stored


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(cut_request=100)])
def test_a_commit_that_fails_leaves_the_old_release_whole(served, first, second, published, fault):
    served.faults.add("POST *commit*", fault)
    with pytest.raises(YoungerError, match="run the command again"):
        publish(second, NAME)
    assert there(served) == files(first)
    sent = uploaded(served)
    publish(second, NAME, tag="v2.0")
    assert (there(served), uploaded(served)) == (files(second), sent)


def test_a_commit_whose_answer_is_lost_is_found(served, second, published):
    served.faults.add("POST *commit*", Fault(lose_answer=True))
    done = publish(second, NAME, tag="v2.0")
    assert there(served) == files(second)
    assert served.repositories[NAME].tags["v2.0"] == served.repositories[NAME].sha == done.commit
    assert len(served.requests("POST *commit*")) == 1


def test_a_tag_that_fails_is_made_by_running_it_again(served, second, published):
    served.faults.add("POST *tag*", Fault(status=503))
    with pytest.raises(YoungerError, match="run the command again"):
        publish(second, NAME, tag="v2.0")
    assert publish(second, NAME, tag="v2.0").commit == served.repositories[NAME].tags["v2.0"]


def test_a_command_that_is_killed_leaves_the_old_release_whole(served, first, second, published, tmp_path):
    served.faults.add("PUT *", Fault(stall=60), after=2)
    environment = {
        **os.environ,
        "HF_ENDPOINT": served.endpoint,
        "HF_HOME": str(tmp_path),
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [sys.executable, "-m", "younger_hf", "publish", str(second), "--repo-id", NAME]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while len(served.requests("PUT *")) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert "the Hub" not in "".join(process.communicate())
    assert there(served) == files(first)
    served.faults.clear()
    publish(second, NAME)
    assert there(served) == files(second)


def default_configs(name: str) -> list[str]:
    configs = HfApi().dataset_info(name).card_data.to_dict()["configs"]
    return [entry["config_name"] for entry in configs if entry.get("default")]


def test_configs_are_pushed_by_datasets_and_load_equal(served, first):
    for config in ("graphs", "operators"):
        load(config, source=first).push_to_hub("org/mine", config, set_default=config == "graphs")
    assert default_configs("org/mine") == ["graphs"]
    for config in ("graphs", "operators"):
        pushed, local = datasets.load_dataset("org/mine", config), load(config, source=first)
        assert set(pushed) == set(local)
        for split, part in local.items():
            assert pushed[split].features == part.features
            assert pushed[split].to_list() == part.to_list()
    assert datasets.load_dataset("org/mine")["train"].column_names == load("graphs", source=first)["train"].column_names


def test_a_config_that_is_pushed_into_a_release_leaves_it_one(served, first, second, published):
    load("sample", source=second).push_to_hub(NAME, "sample")
    assert default_configs(NAME) == ["graphs"]
    names = {row["name"] for row in every_row(second, "graphs")}
    assert {row["name"] for row in load("sample", "train", NAME)} == names
    # The first push of a default config that is there takes its mark away, whatever it is told; the second sets it.
    for _ in range(2):
        load("graphs", source=second).push_to_hub(NAME, "graphs", set_default=True)
    assert default_configs(NAME) == ["graphs"]
    assert {row["name"] for part in load(source=NAME).values() for row in part} == names
