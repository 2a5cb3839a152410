"""Ranges of a file on a web server that fails in every way: the right bytes, or one sentence on why there are none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from hub.faults import Fault
from hub.repositories import Repository
from hub.server import Hub, hub

from younger_hf.extract import ranges
from younger_hf.extract.ranges import MAX_WHOLE, Patience, RangedFile, RemoteError

CONTENT = bytes(range(256)) * 1024
LARGE = bytes(32 << 20)
PATIENCE = Patience(tries=3, connect=2.0, silence=0.3, request=1.0, pause=0.25, longest_pause=300.0)
RESOLVED, SENT = "GET */resolve/*", "GET /cdn/*"


@pytest.fixture
def served() -> Iterator[Hub]:
    repository = Repository("org/model")
    # As on the Hub: the one is in LFS, behind a redirect, the other in git
    repository.commit({"model.onnx": CONTENT, "model.pb": CONTENT, "large.onnx": LARGE})
    with hub(repository) as served:
        yield served


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the reader would make; the server's are its own."""
    pauses: list[float] = []
    monkeypatch.setattr(ranges, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    return pauses


def address(served: Hub, path: str = "model.onnx", revision: str = "main") -> str:
    return f"{served.endpoint}/org/model/resolve/{revision}/{path}"


def remote(served: Hub, path: str = "model.onnx") -> RangedFile:
    return RangedFile(address(served, path), PATIENCE)


def refusal(file: RangedFile, start: int = 0, stop: int = 100) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        file.read(start, stop)
    assert str(caught.value).startswith(f"{file.name} cannot be read: ")
    return caught.value


def test_ranges_are_those_of_the_file_and_end_with_it(served: Hub) -> None:
    with remote(served) as file:
        assert file.read(1000, 1010) == CONTENT[1000:1010]
        assert file.read(0, 1) == CONTENT[:1]
        assert file.read(len(CONTENT) - 3, len(CONTENT) + 100) == CONTENT[-3:]
        assert (file.size, file.fetched) == (len(CONTENT), 14)
    assert served.sent(SENT) == 14


def test_redirects_are_followed_once_and_connections_kept(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    connect = ranges.PoolManager.connection_from_host

    def counted(self, host, port=None, scheme="http", pool_kwargs=None):
        pool = connect(self, host, port, scheme, pool_kwargs)
        opened.append(pool)
        return pool

    monkeypatch.setattr(ranges.PoolManager, "connection_from_host", counted)
    with remote(served) as file:
        for start in range(0, 1000, 100):
            file.read(start, start + 50)
    assert len(served.requests(RESOLVED)) == 1
    assert len(served.requests(SENT)) == 10
    assert len({id(pool) for pool in opened}) == 2
    assert [pool.num_connections for pool in {id(pool): pool for pool in opened}.values()] == [1, 1]


def test_requests_are_anonymous(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    remote(served).read(0, 10)
    assert [exchange.authorization for exchange in served.requests()] == ["", ""]


def test_a_signature_is_in_no_error(served: Hub) -> None:
    error = refusal(RangedFile(address(served, "none.onnx") + "?X-Amz-Signature=secret", PATIENCE))
    assert "secret" not in str(error)


# What passes


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("where", [RESOLVED, SENT])
def test_a_server_in_trouble_is_asked_again(served: Hub, pauses: list[float], status: int, where: str) -> None:
    served.faults.add(where, Fault(status=status, headers={"RateLimit": ""}), times=2)
    assert remote(served).read(10, 20) == CONTENT[10:20]
    assert pauses == [0.25, 0.5]


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "in 100 seconds"}, 100),
        ({"Retry-After": "soon", "RateLimit": '"resolvers";r=0;t=42'}, 42),
        ({"Retry-After": "9" * 5000, "RateLimit": ""}, 0.25),
        ({"RateLimit": "resolvers"}, 0.25),
    ],
)
def test_a_pause_is_as_long_as_the_server_says(
    served: Hub, pauses: list[float], headers: dict[str, str], pause: float
) -> None:
    if pause == 100:  # a date counts from when it is sent, which is long after the tests were collected
        headers = {"Retry-After": formatdate(time.time() + pause, usegmt=True)}
    served.faults.add(SENT, Fault(status=429, headers=headers))
    assert remote(served).read(10, 20) == CONTENT[10:20]
    assert pauses == [pytest.approx(pause, abs=60 if pause == 100 else 0)]


def test_a_quota_is_waited_for(served: Hub) -> None:
    served.quotas["resolvers"].limit = 2
    served.quotas["resolvers"].window = 1.0
    file = remote(served)
    began = time.monotonic()
    assert file.read(10, 20) + file.read(20, 30) == CONTENT[10:30]
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("asked", ["7200", "9" * 400])
def test_a_pause_of_hours_is_not_made(served: Hub, pauses: list[float], asked: str) -> None:
    served.faults.add(SENT, Fault(status=429, headers={"Retry-After": asked}))
    assert "asks to wait for " in str(refusal(remote(served)))
    assert pauses == []


def test_a_server_that_stays_in_trouble_is_given_up(served: Hub, pauses: list[float]) -> None:
    served.faults.add(SENT, Fault(status=503), times=100)
    error = refusal(remote(served))
    assert str(error).endswith("the server answers with status 503, 3 times in a row; try again later")
    assert error.kind == "error"
    assert len(served.requests(SENT)) == 3


def test_a_stalled_server_is_asked_again(served: Hub, pauses: list[float]) -> None:
    served.faults.add(SENT, Fault(stall=0.6))
    assert remote(served).read(10, 20) == CONTENT[10:20]
    assert pauses == [0.25]


def test_a_server_that_stays_stalled_is_given_up(served: Hub, pauses: list[float]) -> None:
    served.faults.add(SENT, Fault(stall=0.6), times=100)
    assert "the connection fails (ReadTimeoutError), 3 times" in str(refusal(remote(served)))


def test_a_server_that_drips_is_given_up(served: Hub, pauses: list[float]) -> None:
    file = RangedFile(address(served, "large.onnx"), Patience(tries=3, request=0.0))
    assert "a range takes longer than 0 seconds, 3 times" in str(refusal(file, 0, len(LARGE)))
    assert file.fetched < len(LARGE)


@pytest.mark.parametrize("cut", [0, 50])
def test_a_short_body_is_asked_for_again(served: Hub, pauses: list[float], cut: int) -> None:
    file = remote(served)
    assert file.read(0, 10) == CONTENT[:10]
    served.faults.add(SENT, Fault(cut=cut), times=2)
    assert file.read(10, 1000) == CONTENT[10:1000]
    assert file.fetched == 10 + 990 + 2 * cut


def test_bodies_that_stay_short_are_given_up(served: Hub, pauses: list[float]) -> None:
    served.faults.add(SENT, Fault(cut=50), times=100)
    assert "3 times in a row" in str(refusal(remote(served)))


def test_an_expired_address_is_asked_for_again(served: Hub) -> None:
    file = remote(served)
    file.read(0, 10)
    served.faults.add(SENT, Fault(status=403))
    assert file.read(10, 20) == CONTENT[10:20]
    assert file.read(20, 30) == CONTENT[20:30]
    assert len(served.requests(RESOLVED)) == 2


# What does not pass


def test_a_file_that_changes_is_noticed_by_the_tag(served: Hub) -> None:
    file = remote(served)
    file.read(0, 10)
    served.faults.add(SENT, Fault(headers={"ETag": '"another"'}))
    assert "the file changed while it was read" in str(refusal(file, 10, 20))


def test_a_file_that_changes_is_noticed_by_the_size(served: Hub) -> None:
    file = remote(served)
    file.read(0, 10)
    served.faults.add(SENT, Fault(headers={"Content-Range": f"bytes 10-19/{len(CONTENT) + 1}"}))
    assert "the file changed while it was read" in str(refusal(file, 10, 20))


@pytest.mark.parametrize("path", ["model.onnx", "model.pb"])
def test_a_revision_that_moves_is_noticed_when_it_is_asked_for_again(served: Hub, path: str) -> None:
    file = remote(served, path)
    file.read(0, 10)
    served.repositories["org/model"].commit({path: CONTENT[::-1]})
    served.faults.add(SENT, Fault(status=403))
    assert "the file changed while it was read" in str(refusal(file, 10, 20))


def test_a_file_that_shrinks_below_the_range_is_noticed(served: Hub) -> None:
    file = remote(served, "model.pb")
    file.read(0, 10)
    served.repositories["org/model"].commit({"model.pb": b"short"})
    assert "the file changed while it was read" in str(refusal(file, 10, 20))


def test_another_place_may_name_the_same_version_differently(served: Hub) -> None:
    file = remote(served)
    file.read(0, 10)
    served.faults.add(SENT, Fault(status=403))
    served.faults.add(SENT, Fault(headers={"ETag": '"by-another-network"'}), times=2)
    assert file.read(10, 20) == CONTENT[10:20]
    assert file.read(20, 30) == CONTENT[20:30]


@pytest.mark.parametrize("given", ["bytes 0-98/262144", "bytes 1-99/262144", "bytes 0-99/*", "bytes */262144", "lines"])
def test_another_range_than_was_asked_for_is_refused(served: Hub, given: str) -> None:
    served.faults.add(SENT, Fault(headers={"Content-Range": given}))
    assert f"a request for bytes 0-99 with {given!r}" in str(refusal(remote(served)))


def test_a_compressed_file_is_refused(served: Hub) -> None:
    served.faults.add(SENT, Fault(headers={"Content-Encoding": "gzip"}))
    assert "compresses it" in str(refusal(remote(served)))


def test_a_small_file_is_taken_whole(served: Hub) -> None:
    served.faults.add(SENT, Fault(ignore_range=True))
    file = remote(served)
    assert file.read(0, 10) == CONTENT
    assert file.size == len(CONTENT)


def test_the_rest_of_a_small_file_is_taken_from_a_whole_one(served: Hub) -> None:
    file = remote(served)
    file.read(0, 10)
    served.faults.add(SENT, Fault(ignore_range=True))
    assert file.read(10, 20) == CONTENT[10:]


def test_a_large_file_is_not_taken_whole(served: Hub) -> None:
    served.faults.add(SENT, Fault(ignore_range=True))
    file = remote(served, "large.onnx")
    error = refusal(file)
    assert "does not answer range requests" in str(error)
    assert error.kind == "too_large"
    assert file.fetched == 0
    assert served.sent(SENT) < len(LARGE) / 2  # what the system's buffers took before the connection was closed


def test_a_whole_body_of_unknown_size_is_taken_up_to_a_bound(served: Hub) -> None:
    served.faults.add(SENT, Fault(ignore_range=True, headers={"Content-Length": "unknown"}))
    file = remote(served, "large.onnx")
    assert refusal(file).kind == "too_large"
    assert file.fetched <= MAX_WHOLE + 1


def test_an_empty_file_is_empty(served: Hub) -> None:
    served.repositories["org/model"].commit({"model.onnx": b""})
    file = remote(served)
    assert file.read(0, 10) == b""
    assert file.size == 0


def test_so_much_is_fetched_and_no_more(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "MAX_FETCHED", 1000)
    file = remote(served)
    file.read(0, 900)
    assert refusal(file, 900, 1001).kind == "too_large"
    assert len(served.requests(SENT)) == 1


def test_a_file_that_is_not_there_is_not_found(served: Hub) -> None:
    for url in (
        address(served, "none.onnx"),
        address(served, revision="none"),
        f"{served.endpoint}/org/none/resolve/main/model.onnx",
        f"{served.endpoint}/nothing",
    ):
        error = refusal(RangedFile(url, PATIENCE))
        assert error.kind == "not_found"
        assert "there is no such file" in str(error)


def test_a_file_for_those_who_ask_is_gated(served: Hub) -> None:
    served.repositories["org/model"].gated = "auto"
    error = refusal(remote(served))
    assert error.kind == "gated"
    assert "(HTTP 401 GatedRepo)" in str(error)


def test_an_answer_that_means_nothing_here_is_refused(served: Hub) -> None:
    served.faults.add(SENT, Fault(status=418))
    error = refusal(remote(served))
    assert error.kind == "error"
    assert "the server refuses it (HTTP 418)" in str(error)


def test_redirects_in_a_circle_are_left(served: Hub) -> None:
    served.faults.add(RESOLVED, Fault(status=302, headers={"Location": address(served)}), times=100)
    assert "redirected more than 5 times" in str(refusal(remote(served)))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/model.onnx", "http://[::1", ""])
def test_only_web_servers_are_asked(served: Hub, target: str) -> None:
    served.faults.add(RESOLVED, Fault(status=302, headers={"Location": target}))
    assert "is not followed" in str(refusal(remote(served)))


def test_a_server_that_is_not_there_is_given_up(pauses: list[float]) -> None:
    with hub() as served:
        gone = RangedFile(address(served), PATIENCE)
    assert "the connection fails (NewConnectionError), 3 times" in str(refusal(gone))


@pytest.mark.parametrize("url", ["http://", "http:///model.onnx", "http://[::1/model.onnx"])
def test_an_address_that_is_none_is_refused_at_once(url: str, pauses: list[float]) -> None:
    with pytest.raises(RemoteError, match=r"cannot be read: its address.* makes no sense"):
        RangedFile(url, PATIENCE).read(0, 1)
    assert pauses == []


def test_the_proxy_of_the_environment_is_asked(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", served.endpoint)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert remote(served).read(10, 20) == CONTENT[10:20]
    served.log.clear()
    refusal(RangedFile("http://hub.example/model.onnx", PATIENCE))
    assert [exchange.request for exchange in served.log] == ["GET http://hub.example/model.onnx"]
