"""The tests' Hub gives applications tokens as OAuth says: for a code, once, to who began and is who it says."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from hub.logins import App
from hub.server import Hub, hub
from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError
from urllib3 import PoolManager, make_headers

BACK = "http://127.0.0.1:1/login/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "space",
    "redirect_uri": BACK,
    "scope": "openid profile write-discussions",
    "state": "the state",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
BASIC = make_headers(basic_auth="space:secret")
GIVEN = {"grant_type": "authorization_code", "redirect_uri": BACK, "code_verifier": VERIFIER}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        server.users = {"hf_org": "org"}
        server.logins.apps["space"] = App("secret", BACK)
        yield server


def authorize(served: Hub, **changes: str) -> dict[str, str]:
    with PoolManager() as pool:
        answer = pool.request("GET", f"{served.endpoint}/oauth/authorize", fields=ASKED | changes, redirect=False)
    if answer.status != 302:
        return {"status": str(answer.status)}
    where = urlsplit(answer.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == BACK
    return {name: value for name, (value,) in parse_qs(where.query).items()}


def token(served: Hub, code: str, basic: dict[str, str] = BASIC, **changes: str) -> dict[str, str]:
    fields = GIVEN | {"code": code} | changes
    with PoolManager() as pool:
        url = f"{served.endpoint}/oauth/token"
        answer = pool.request("POST", url, fields=fields, headers=basic, encode_multipart=False)
    return answer.json()


def test_a_code_gives_one_token_of_who_agreed(served: Hub) -> None:
    came = authorize(served)
    assert came["state"] == "the state"
    given = token(served, came["code"])
    assert (given["token_type"], given["expires_in"]) == ("bearer", 3600)
    assert HfApi(served.endpoint, given["access_token"]).whoami()["name"] == "ada"
    assert token(served, came["code"]) == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"scope": "openid manage-repos"}, {"error": "invalid_scope", "state": "the state"}),
        ({"code_challenge_method": "plain"}, {"error": "invalid_request", "state": "the state"}),
        ({"redirect_uri": "http://elsewhere/"}, {"status": "400"}),
        ({"client_id": "another"}, {"status": "400"}),
    ],
)
def test_an_application_asks_for_no_more_than_it_may(served: Hub, changes: dict[str, str], answer: object) -> None:
    assert authorize(served, **changes) == answer


def test_one_who_does_not_agree_grants_nothing(served: Hub) -> None:
    served.logins.agrees = False
    assert authorize(served) == {"error": "access_denied", "state": "the state"}


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 43}, {"redirect_uri": "http://elsewhere/"}, {"grant_type": "password"}]
)
def test_another_than_who_began_gets_no_token(served: Hub, changes: dict[str, str]) -> None:
    assert token(served, authorize(served)["code"], **changes) == {"error": "invalid_grant"}


def test_an_application_proves_that_it_is_itself(served: Hub) -> None:
    assert token(served, authorize(served)["code"], make_headers(basic_auth="space:guess")) == {
        "error": "invalid_client"
    }


def test_a_token_does_what_was_granted_and_no_more(served: Hub) -> None:
    HfApi(served.endpoint, "hf_org").create_repo("org/data", repo_type="dataset")
    for scope, status in (("openid profile", 403), ("openid profile write-discussions", 200)):
        api = HfApi(served.endpoint, token(served, authorize(served, scope=scope)["code"])["access_token"])
        for options in ({"create_pr": True}, {}):
            try:
                change = [CommitOperationAdd("x.parquet", b"PAR1")]
                api.create_commit("org/data", change, commit_message="m", repo_type="dataset", **options)
                done = 200
            except HfHubHTTPError as error:
                done = error.response.status_code
            assert done == (status if options else 403)
    (opened,) = HfApi(served.endpoint, "hf_org").get_repo_discussions("org/data", repo_type="dataset")
    assert opened.author == "ada"
