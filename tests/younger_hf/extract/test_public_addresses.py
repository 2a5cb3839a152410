"""Which addresses a stranger's URL may lead to."""

from __future__ import annotations

import pytest
from hub.repositories import Repository
from hub.server import hub

from younger_hf.extract import public_addresses
from younger_hf.extract.public_addresses import is_public
from younger_hf.extract.ranges import RemoteError
from younger_hf.extract.remote import RemoteSource


def repository(content: bytes) -> Repository:
    made = Repository("org/one")
    made.commit({"model.onnx": content})
    return made


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "224.0.0.1", "::", "255.255.255.255"),
    ],
)
def test_addresses_of_machines_and_their_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_what_anybody_can_ask_is_public(address: str) -> None:
    assert is_public(address)


def test_a_name_is_refused_by_its_addresses_before_it_is_asked() -> None:
    with hub(repository(b"x")) as served:
        for host in ("127.0.0.1", "localhost", "2130706433"):
            url = f"http://{host}:{served.endpoint.rpartition(':')[2]}/org/one/resolve/main/model.onnx"
            with pytest.raises(RemoteError, match="is no public address"):
                RemoteSource(url, public_only=True)
        assert not served.log


def test_the_address_that_was_connected_to_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a name has another address when it is looked up again."""
    monkeypatch.setattr(public_addresses, "_check_name", lambda connection: None)
    with hub(repository(b"x")) as served:
        with pytest.raises(RemoteError, match="is no public address"):
            RemoteSource(f"{served.endpoint}/org/one/resolve/main/model.onnx", public_only=True)
        assert not served.log


def test_a_redirect_is_a_new_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def only_the_first(address: str) -> bool:
        asked.append(address)
        return len(asked) <= 2  # the name and the connection of the first place

    monkeypatch.setattr(public_addresses, "is_public", only_the_first)
    large = bytes(20 << 20)  # is at the Hub's other place
    with hub(repository(large)) as served:
        with pytest.raises(RemoteError, match="is no public address"):
            RemoteSource(f"{served.endpoint}/org/one/resolve/main/model.onnx", public_only=True)
        assert len(asked) == 3
