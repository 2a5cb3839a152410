"""Entry points of PyTorch Hub repositories: fetched at a commit, run in the child that has no network."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from dataclasses import replace

import onnx
import pytest
from hub.faults import Fault
from hub.github import COMMIT, HUBCONF, github

from builders.convert import CONVERTERS, Conversion, ConversionError, Outcome, Request, archives
from builders.convert.archives import unpack
from builders.convert.isolation import convert
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef
from younger_hf.extract import extract

EARS = """
import torch

class Helper:
    pass

_private = 1

def ears(pretrained=False):
    return torch.nn.Sequential(torch.nn.Conv1d(1, 4, 9, stride=4), torch.nn.ReLU())
"""


@pytest.fixture
def served():
    with github({"org/nets": {"hubconf.py": HUBCONF, "nets/__init__.py": "", "nets/ears.py": EARS}}) as server:
        yield server


@pytest.fixture(scope="module")
def templates():
    with Templates() as pool:
        yield pool


@pytest.fixture
def converted(served, templates):
    (exporter,) = CONVERTERS.find("pytorch-hub").exporters
    # The child cannot be told of this server but by the model: see pytorch_hub_here.
    here = replace(exporter, module="support.pytorch_hub_here")

    def convert_entry(name: str) -> Conversion:
        model = ModelRef("pytorch-hub", f"org/{name}", COMMIT, library="pytorch-hub", tags=(served.endpoint,))
        return convert(Request(model), here, templates=templates)

    return convert_entry


@pytest.mark.slow
def test_an_entry_point_is_built_without_weights_and_exported(served, converted):
    done = converted("nets/eyes")
    assert (done.outcome, done.message, done.exporter) == (Outcome.OK, "", "torch")
    graph = extract(onnx.load_from_string(done.skeleton))
    assert Counter(operator.op_type for operator in graph.operator)["Conv"] == 1
    assert done.bytes_fetched == served.sent("GET *.tar.gz") > 0


@pytest.mark.slow
def test_the_first_layer_tells_what_a_module_takes(converted):
    for name, first in (("nets/ears", "Conv"), ("nets/words", "Gather")):
        done = converted(name)
        assert (done.outcome, done.message) == (Outcome.OK, "")
        graph = extract(onnx.load_from_string(done.skeleton))
        assert graph.operator[0].op_type == first


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        ("nets/greedy", Outcome.UNSUPPORTED, "greedy wants to download"),
        ("nets/picky", Outcome.UNSUPPORTED, "picky wants arguments: size"),
        ("nets/nothing", Outcome.NOT_FOUND, "no entry point nothing"),
        ("gone/eyes", Outcome.NOT_FOUND, "answers with 404"),
        ("needy/eyes", Outcome.UNSUPPORTED, "packages that are not installed: ['no_such_package']"),
        ("tuple/eyes", Outcome.UNSUPPORTED, "makes a tuple and no torch.nn.Module"),
        ("bare/eyes", Outcome.UNSUPPORTED, "no layer by which one could tell"),
        ("empty/eyes", Outcome.NOT_FOUND, "no hubconf.py"),
    ],
)
def test_what_cannot_be_converted_is_told(served, converted, name, outcome, says):
    served.contents |= {
        "org/needy": {"hubconf.py": "dependencies = ['no_such_package']\neyes = int"},
        "org/tuple": {"hubconf.py": "def eyes(): return 1, 2"},
        "org/bare": {"hubconf.py": "import torch\ndef eyes(): return torch.nn.ReLU()"},
        "org/empty": {"README.md": "nothing"},
    }
    done = converted(name)
    assert done.outcome is outcome
    assert says in done.message


def test_a_network_that_fails_for_a_while_is_asked_again(served, converted):
    served.faults.add("GET *.tar.gz", Fault(status=503, headers={"Retry-After": "1"}))
    assert converted("nets/nothing").message == "hubconf.py has no entry point nothing"
    assert [exchange.status for exchange in served.requests("GET *.tar.gz")] == [503, 200]


def test_an_archive_does_not_leave_its_directory(tmp_path):
    for member in (tarfile.TarInfo("../outside"), _link("inside", "../outside"), _link("inside", "/outside")):
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as content:
            content.addfile(member, io.BytesIO())
        with pytest.raises(ConversionError, match=r"a\.tar\.gz is not unpacked") as raised:
            unpack(tmp_path / "a.tar.gz", tmp_path / "in")
        assert raised.value.outcome is Outcome.UNSUPPORTED
    assert not list(tmp_path.rglob("*outside"))


def test_an_archive_is_bounded(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as content:
        for name in "abc":
            member = tarfile.TarInfo(name)
            member.size = 1000
            content.addfile(member, io.BytesIO(bytes(1000)))
    unpack(tmp_path / "a.tar.gz", tmp_path / "whole")
    assert len(list((tmp_path / "whole").iterdir())) == 3
    for bound, value in (("MAX_FILES", 2), ("MAX_SIZE", 2000)):
        with monkeypatch.context() as patch:
            patch.setattr(archives, bound, value)
            with pytest.raises(ConversionError) as raised:
                unpack(tmp_path / "a.tar.gz", tmp_path / bound)
        assert raised.value.outcome is Outcome.TOO_LARGE


@pytest.mark.parametrize("content", [b"noise" * 100, b""])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(ConversionError, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "in")


def _link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member
