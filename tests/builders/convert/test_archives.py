"""Archives of strangers: nothing lands outside of the directory, and nothing fills the disk."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from builders.convert import archives
from builders.convert.archives import unpack
from builders.convert.conversion import ConversionError


def tar_of(path, *members):
    """An archive of members: name, content or None, and what else a TarInfo is to have."""
    with tarfile.open(path, "w:gz") as content:
        for name, data, fields in members:
            info = tarfile.TarInfo(name)
            info.size = len(data or b"")
            for field, value in fields.items():
                setattr(info, field, value)
            content.addfile(info, io.BytesIO(data or b""))
    return path


LINK = {"type": tarfile.SYMTYPE}
HARD = {"type": tarfile.LNKTYPE}
ESCAPES = {
    "a name that goes up": [("../out", b"x", {})],
    "an absolute link, and a file through it": [("a", None, {**LINK, "linkname": "/tmp"}), ("a/out", b"x", {})],
    "a link that goes up, and a file through it": [("a", None, {**LINK, "linkname": ".."}), ("a/out", b"x", {})],
    "a link to a link that goes up": [
        ("a/b", None, {**LINK, "linkname": "."}),
        ("a/b/c", None, {**LINK, "linkname": "../../.."}),
    ],
    "a hard link to a file outside": [("a", None, {**HARD, "linkname": "../secret"})],
    "a device": [("a", None, {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    "a pipe": [("a", None, {"type": tarfile.FIFOTYPE})],
    "links of thousands of characters": [
        (f"{'d' * 247}/" * 16 + "a", None, {**LINK, "linkname": f"{'d' * 247}/" * 16})
    ],
    "a path of thousands of directories": [("d/" * 2000 + "a", b"x", {})],
}


@pytest.mark.parametrize("members", ESCAPES.values(), ids=ESCAPES)
def test_nothing_leaves_the_directory(tmp_path, members):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in").mkdir()
    archive = tar_of(tmp_path / "a.tar.gz", *members)
    with pytest.raises(ConversionError) as refused:
        unpack(archive, tmp_path / "in" / "side")
    assert str(refused.value.outcome) == "unsupported"
    assert {path.name for path in tmp_path.iterdir()} == {"secret", "a.tar.gz", "in"}
    assert {path.name for path in (tmp_path / "in").iterdir()} <= {"side"}


def test_an_absolute_name_lands_within(tmp_path):
    unpack(tar_of(tmp_path / "a.tar.gz", ("/etc/a", b"x", {})), tmp_path / "inside")
    assert (tmp_path / "inside" / "etc" / "a").read_bytes() == b"x"


def test_of_two_entries_of_one_name_the_later_is_kept(tmp_path):
    unpack(tar_of(tmp_path / "a.tar.gz", ("a", b"first", {}), ("a", b"second", {})), tmp_path / "inside")
    assert (tmp_path / "inside" / "a").read_bytes() == b"second"


def test_a_bomb_is_too_large_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_SIZE", 1 << 20)
    archive = tar_of(tmp_path / "a.tar.gz", ("a", bytes(64 << 20), {}))
    assert archive.stat().st_size < 1 << 20
    with pytest.raises(ConversionError, match="holds more than"):
        unpack(archive, tmp_path / "inside")
    assert not (tmp_path / "inside" / "a").exists()


def test_a_million_entries_are_too_many_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 100)
    archive = tmp_path / "a.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as content:
        block = b"".join(tarfile.TarInfo(str(number)).tobuf() for number in range(1000))
        for _ in range(1000):
            content.write(block)
    with pytest.raises(ConversionError, match="holds more than 100 files"):
        unpack(archive, tmp_path / "inside")
    assert len(list((tmp_path / "inside").iterdir())) <= 100


def test_directories_that_a_path_makes_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 100)
    members = [(f"{number}/" + "d/" * 20 + "a", b"", {}) for number in range(10)]
    with pytest.raises(ConversionError, match="holds more than 100 files"):
        unpack(tar_of(tmp_path / "a.tar.gz", *members), tmp_path / "inside")


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: data[:20] + b"\xff" * 20, lambda data: b"PK"])
def test_what_is_damaged_is_said_to_be(tmp_path, damage):
    archive = tar_of(tmp_path / "a.tar.gz", ("a", b"content" * 1000, {}))
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(ConversionError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "inside")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_a_zip_the_configuration_alone_is_read_whatever_else_it_holds(tmp_path):
    from builders.convert.keras import _of_archive

    def configuration(*entries, damage=lambda data: data):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries:
                archive.writestr(name, data)
            archive.writestr("../out", b"x")
            archive.writestr("../out", b"y")
        return _of_archive(io.BytesIO(damage(content.getvalue())))

    assert configuration(("config.json", b"{}")) == b"{}"
    assert configuration(("/etc/config.json", b"{}")) is None
    assert configuration(("config.json", b"first"), ("config.json", b"second")) == b"second"
    assert len(configuration(("config.json", bytes(100 << 20)))) == 64 << 20
    encrypted = configuration(
        ("config.json", b"{}"),
        # The first bit of the flags in both headers says that an entry is encrypted.
        damage=lambda data: data.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
        ),
    )
    assert encrypted is None
