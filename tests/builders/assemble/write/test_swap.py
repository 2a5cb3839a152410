"""The swap: all of the old or all of the new, and nobody else's directory."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.assemble.write import swap as staging
from builders.assemble.write.swap import staged
from younger_hf.errors import UsageError, YoungerError

CARD = "---\nlicense: apache-2.0\nyounger_schema_version: 1\n---\n\n# Younger\n"


def write_release(output: Path, text: str, then: Callable[[Path], object] = lambda release: None) -> None:
    with staged(output) as scratch:
        (scratch / "spool").write_bytes(b"x" * 1000)
        (scratch / "release" / "README.md").write_text(CARD + text)
        (scratch / "release" / "graphs").mkdir()
        (scratch / "release" / "graphs" / "train.parquet").write_text(text)
        then(scratch / "release")


def content(output: Path) -> dict[str, str]:
    return {str(path.relative_to(output)): path.read_text() for path in output.rglob("*") if path.is_file()}


def test_a_release_appears_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_release(tmp_path / "deep" / "younger", "one")
    assert set(content(tmp_path / "deep" / "younger")) == {"README.md", "graphs/train.parquet"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["younger"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_release_replaces_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    if not exchange:
        monkeypatch.setattr(staging, "_exchange", lambda first, second: False)
    output = tmp_path / "younger"
    write_release(output, "one")
    write_release(output, "two")
    assert content(output)["graphs/train.parquet"] == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["younger"]


def test_what_lies_beside_the_rows_of_a_release_is_replaced_with_it(tmp_path: Path) -> None:
    def draw(release: Path) -> None:
        (release / "figures").mkdir()
        for name in ("figures/sizes.png", "figures/old.svg", "croissant.json", "removals.txt"):
            (release / name).write_text("old")

    write_release(tmp_path / "younger", "one", then=draw)
    write_release(tmp_path / "younger", "two")
    assert set(content(tmp_path / "younger")) == {"README.md", "graphs/train.parquet"}


def test_an_empty_directory_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "younger").mkdir()
    write_release(tmp_path / "younger", "one")
    assert content(tmp_path / "younger")["graphs/train.parquet"] == "one"


def test_a_link_to_a_release_stays_a_link(tmp_path: Path) -> None:
    write_release(tmp_path / "v1", "one")
    (tmp_path / "younger").symlink_to("v1")
    write_release(tmp_path / "younger", "two")
    assert (tmp_path / "younger").is_symlink()
    assert content(tmp_path / "v1")["graphs/train.parquet"] == "two"


def test_an_error_leaves_the_earlier_release_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "younger"
    write_release(output, "one")

    def fail(release: Path) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_release(output, "two", then=fail)
    assert content(output)["graphs/train.parquet"] == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["younger"]


def test_a_full_disk_is_one_sentence_and_leaves_the_earlier_release(tmp_path: Path) -> None:
    output = tmp_path / "younger"
    write_release(output, "one")

    def write_to_full_device(release: Path) -> None:
        (release / "more").symlink_to("/dev/full")
        (release / "more").write_text("no room")

    with pytest.raises(YoungerError, match="No space left on device"):
        write_release(output, "two", then=write_to_full_device)
    assert content(output)["graphs/train.parquet"] == "one"


def test_a_killed_writer_leaves_the_earlier_release_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    output = tmp_path / "younger"
    write_release(output, "one")
    script = f"""
        import sys, time
        from pathlib import Path
        from builders.assemble.write.swap import staged
        with staged(Path({str(output)!r})) as scratch:
            (scratch / "release" / "README.md").write_text("half")
            print("writing", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        with pytest.raises(YoungerError, match="another process"):
            write_release(output, "two")
        writer.send_signal(signal.SIGKILL)
    assert content(output)["graphs/train.parquet"] == "one"
    assert len(list(tmp_path.iterdir())) == 2
    write_release(output, "two")
    assert content(output)["graphs/train.parquet"] == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["younger"]


def test_a_directory_that_is_no_release_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "README.md").write_text("# My thesis\n\nyounger_schema_version: 1\n---\n")
    with pytest.raises(UsageError, match="no release"):
        write_release(tmp_path / "thesis", "one")
    assert list(content(tmp_path / "thesis")) == ["README.md"]


def test_a_release_with_foreign_files_in_it_is_refused(tmp_path: Path) -> None:
    write_release(tmp_path / "younger", "one")
    (tmp_path / "younger" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        write_release(tmp_path / "younger", "two")
    assert content(tmp_path / "younger")["notes.txt"] == "mine"


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "younger").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        write_release(tmp_path / "younger", "one")


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(YoungerError, match=r"cannot write a release to .*younger") as caught:
        write_release(tmp_path / "file" / "younger", "one")
    assert "\n" not in str(caught.value)
    with pytest.raises(YoungerError, match="cannot write a release to /proc/younger"):
        write_release(Path("/proc/younger"), "one")


def test_what_the_hub_adds_to_a_repository_stays_and_what_a_download_noted_goes(tmp_path: Path) -> None:
    output = tmp_path / "younger"
    noted = output / ".cache" / "huggingface" / "download" / "README.md.metadata"
    noted.parent.mkdir(parents=True)
    noted.write_text("old")
    (output / ".gitattributes").write_text("*.parquet filter=lfs\n")
    write_release(output, "one")
    assert set(content(output)) == {"README.md", "graphs/train.parquet", ".gitattributes"}
    write_release(output, "two")
    assert content(output)[".gitattributes"] == "*.parquet filter=lfs\n"
    assert content(output)["graphs/train.parquet"] == "two"
