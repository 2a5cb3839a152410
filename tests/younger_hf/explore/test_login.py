"""Who is logged in, and for how long; what a browser is told to keep of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support.explorer import served
from urllib3 import BaseHTTPResponse, PoolManager

from younger_hf.explore.login import Contributing, Granted, LoginError, Provider, Sessions
from younger_hf.explore.server import make_app
from younger_hf.release import open_release

SPACE = {
    "OPENID_PROVIDER_URL": "https://huggingface.co/",
    "SPACE_HOST": "org-explorer.hf.space,explorer.example.org",
    "OAUTH_CLIENT_ID": "an id",
    "OAUTH_CLIENT_SECRET": "a secret",
}
ADA = Granted("ada", "hf_oauth_ada", 3600.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider() -> Provider:
    made = Provider.of_space(SPACE)
    assert made is not None
    return made


def test_a_space_says_where_one_logs_in(provider: Provider) -> None:
    assert (provider.url, provider.address) == ("https://huggingface.co", "https://org-explorer.hf.space")
    for name in SPACE:
        assert Provider.of_space({**SPACE, name: ""}) is None


def test_what_the_hub_is_asked_for_is_the_least(provider: Provider) -> None:
    where, begun = provider.begin()
    asked = {name: value for name, (value,) in parse_qs(urlsplit(where).query).items()}
    assert where.startswith("https://huggingface.co/oauth/authorize?")
    assert asked["redirect_uri"] == "https://org-explorer.hf.space/login/callback"
    assert set(asked["scope"].split()) == {"openid", "profile", "write-discussions"}
    assert asked["code_challenge_method"] == "S256"
    state, _, verifier = begun.partition(".")
    assert asked["state"] == state
    assert len(state) == len(verifier) == 43
    assert verifier not in where
    assert "a secret" not in where
    assert provider.begin() != provider.begin()


@pytest.mark.parametrize("begun", ["", ".", "another.verifier", ".verifier"])
@pytest.mark.parametrize("state", ["", "the state", "ä"])
def test_a_state_that_this_browser_has_not_is_refused(provider: Provider, begun: str, state: str) -> None:
    with pytest.raises(LoginError, match="begun no such login"):
        provider.finish(begun, {"state": state, "code": "a code"})


def test_no_secret_is_shown_with_what_holds_it(provider: Provider) -> None:
    sessions = Sessions()
    session = sessions.find(sessions.begin(ADA))
    assert session is not None
    shown = repr((provider, ADA, session, sessions, Contributing(provider, lambda *_: None, sessions)))
    for secret in ("a secret", ADA.token, session.form_secret):
        assert secret not in shown


def test_a_session_ends_with_its_token_or_when_it_is_idle() -> None:
    clock = Clock()
    sessions = Sessions(idle=1800, clock=clock)
    key = sessions.begin(ADA)
    for now in (0.0, 1700.0, 3400.0, 3599.0):
        clock.now = now
        assert sessions.find(key) is not None, now
    clock.now = 3600.0
    assert sessions.find(key) is None
    key = sessions.begin(ADA)
    clock.now += 1800
    assert sessions.find(key) is None
    assert "hf_oauth" not in str(vars(sessions))


def test_whoever_asks_what_has_ended_is_forgotten() -> None:
    clock = Clock()
    sessions = Sessions(clock=clock)
    sessions.begin(ADA)
    clock.now = 1800
    sessions.find("somebody else")
    assert not sessions._sessions


def test_a_full_table_forgets_who_was_idle_for_longest() -> None:
    sessions = Sessions(most=2)
    first, second = sessions.begin(ADA), sessions.begin(ADA)
    assert sessions.find(first) is not None
    third = sessions.begin(ADA)
    assert [sessions.find(key) is not None for key in (first, second, third)] == [True, False, True]


def test_two_sessions_share_no_secret() -> None:
    sessions = Sessions()
    keys = [sessions.begin(ADA) for _ in range(20)]
    found = [sessions.find(key) for key in keys]
    assert len({*keys, *(one.form_secret for one in found if one)}) == 40
    assert all(len(key) == 43 for key in keys)


@dataclass(frozen=True)
class Space:
    """The explorer as a Space; here it is asked without the proxy before it, which does HTTPS."""

    address: str
    sessions: Sessions

    def ask(self, path: str, method: str = "GET") -> BaseHTTPResponse:
        with PoolManager() as pool:
            return pool.request(method, f"{self.address}{path}", redirect=False)


@pytest.fixture(scope="module")
def space(zoo: Path) -> Iterator[Space]:
    provider = Provider.of_space(SPACE)
    assert provider is not None
    contributing = Contributing(provider, lambda *_: None)
    with served(make_app(open_release(zoo / "younger"), contributing=contributing)) as address:
        yield Space(address, contributing.sessions)


def cookies(answer: BaseHTTPResponse) -> dict[str, tuple[str, set[str]]]:
    """Each cookie that an answer sets: its value, and its attributes as browsers read them."""
    found = {}
    for header in answer.headers.getlist("set-cookie"):
        named, *attributes = header.split("; ")
        name, _, value = named.partition("=")
        found[name] = value, {one.lower() for one in attributes}
    return found


def test_cookies_are_for_this_host_by_https_and_for_no_script(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    always = {"path=/", "secure", "httponly", "samesite=lax"}
    begun = space.ask("/login")
    ((name, (value, attributes)),) = cookies(begun).items()
    assert (name, attributes) == ("__Host-younger-login", always | {"max-age=600"})
    assert len(value) == 87
    assert begun.headers["cache-control"] == "no-store"
    monkeypatch.setattr(Provider, "finish", lambda *_: ADA)
    done = space.ask("/login/callback?state=s&code=c&next=https://example.org")
    assert (done.status, done.headers["location"]) == (303, "/known")
    set_here = cookies(done)
    assert set_here["__Host-younger-session"][1] == always
    assert set_here["__Host-younger-login"] == ('""', always | {"max-age=0"})


def test_a_page_of_a_visitor_is_not_kept_and_the_login_leaves_the_frame(space: Space) -> None:
    page = space.ask("/known")
    assert page.headers["cache-control"] == "no-store"
    link = '<a class="button" href="https://org-explorer.hf.space/login" target="_blank" rel="noopener">'
    assert link in page.data.decode()
    assert space.ask("/").headers.get("cache-control") != "no-store"


def test_a_browser_says_whose_form_it_sends(space: Space) -> None:
    """Of pages with the policy no-referrer it says null, whosever they are."""
    assert space.ask("/known").headers["referrer-policy"] == "same-origin"


def test_where_nobody_can_contribute_there_is_no_login(zoo: Path) -> None:
    with served(make_app(open_release(zoo / "younger"))) as address:
        plain = Space(address, Sessions())
        asked = [plain.ask(*one).status for one in (("/login",), ("/logout", "POST"), ("/contribute", "POST"))]
        assert asked == [404, 404, 404]
        assert "Log in" not in plain.ask("/known").data.decode()
