"""The explorer as a Space: pushed once, pointed at a dataset."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import yaml
from hub.server import Hub
from typer.testing import CliRunner

from builders.publish import publish, publish_space
from builders.publish.space import FILES, space_files
from younger_hf.cli import app
from younger_hf.errors import UsageError
from younger_hf.explore.login import SCOPES

NAME, SPACE = "org/younger", "org/explorer"


def there(served: Hub) -> dict[str, bytes]:
    commit = served.repositories[SPACE].at("main")
    assert commit is not None
    return {path: content.open().read() for path, content in commit.files.items() if path != ".gitattributes"}


def test_a_space_has_the_explorer_of_a_dataset(served: Hub, first: Path) -> None:
    publish(first, NAME)
    done = CliRunner().invoke(app, ["publish", "--space", SPACE, "--repo-id", NAME])
    assert done.exit_code == 0, done.output
    assert done.output == f"published: {served.endpoint}/spaces/{SPACE}\n"
    assert served.repositories[SPACE].kind == "spaces"
    assert there(served) == space_files(NAME)
    assert b"organisation/younger" not in b"".join(there(served).values())


def test_what_is_there_is_not_pushed_again_and_what_others_added_stays(served: Hub, first: Path) -> None:
    publish(first, NAME)
    publish_space(SPACE, NAME)
    served.repositories[SPACE].commit({"notes.txt": b"mine", "app.py": b"old"})
    assert publish_space(SPACE, NAME).changed == ("app.py",)
    assert publish_space(SPACE, NAME).changed == ()
    assert there(served)["notes.txt"] == b"mine"


def test_a_space_without_its_dataset_is_not_made(served: Hub) -> None:
    with pytest.raises(UsageError, match="publish it first"):
        publish_space(SPACE, "org/none")
    with pytest.raises(UsageError, match="no namespace"):
        publish_space("explorer", NAME)
    assert SPACE not in served.repositories


def test_publish_says_what_it_lacks() -> None:
    done = CliRunner().invoke(app, ["publish", "--repo-id", NAME])
    assert isinstance(done.exception, UsageError)


def test_the_files_of_a_space_start_the_explorer_at_its_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in space_files("org/mine").items():
        (tmp_path / name).write_bytes(content)
    settings = yaml.safe_load((tmp_path / "README.md").read_text().split("---")[1])
    assert (settings["sdk"], settings["datasets"]) == ("docker", ["org/mine"])
    assert settings["hf_oauth"] is True  # with which the Hub tells the Space how visitors log in
    assert f"openid profile {' '.join(settings['hf_oauth_scopes'])}" == SCOPES
    started = []
    command = sys.modules["younger_hf.cli.explore"]  # the package has a function of this name
    monkeypatch.setattr(command, "explore", lambda *what, **how: started.append((what, how)))
    monkeypatch.chdir(tmp_path)
    runpy.run_path("app.py", run_name="__main__")
    assert started == [(("org/mine",), {"port": settings["app_port"], "share": True, "behind_proxy": True})]
    assert sorted(FILES) == sorted(path.name for path in tmp_path.iterdir())
