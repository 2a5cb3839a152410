"""A visitor logs in with the Hub and proposes what they have handed in: by HTTP, to the pull request on the Hub."""

from __future__ import annotations

import base64
import http.cookiejar
import json
import logging
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import onnx
import pytest
from hub.client import client
from hub.faults import Fault
from hub.logins import App, Logins
from hub.repositories import Repository
from hub.server import Hub, hub
from support.explorer import Answer, ask, served_at

from builders.contribution import read_contribution
from builders.handed_in import HandedIn
from younger_hf.cli.explore import contribute_to
from younger_hf.dataset import load
from younger_hf.explore.login import Contributing, Provider, Session, Sessions
from younger_hf.explore.server import make_app
from younger_hf.explore.visitors import RateLimit
from younger_hf.extract import strip
from younger_hf.interop.onnx import to_onnx
from younger_hf.interop.text_form import to_text
from younger_hf.release import open_release

from .conftest import PAYLOAD
from .test_handing_in import BOUNDARY, RESNET, model
from .test_server import check_harmless

NAME = "org/younger"
SECRET = "the secret of the Space"
SAID = {"id": "ada/new", "license": "MIT", "task": "other", "family": "new"}
NEW = model("(float[1,8] x) => (float[1,8] y) { a = Relu (x) b = Elu (a) y = Hardmax (b) }")
SKELETON = base64.b64encode(strip(onnx.load_model_from_string(NEW)).SerializeToString(deterministic=True)).decode()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Place:
    """An explorer as a Space, and the Hub that it is on."""

    hub: Hub
    address: str
    sessions: Sessions
    clock: Clock

    @property
    def pulls(self) -> list[str]:
        return [name for name in self.hub.repositories[NAME].branches if name.startswith("refs/pr/")]

    @property
    def session(self) -> Session:
        """Of the one visitor."""
        (found,) = self.sessions._sessions.values()
        return found


@dataclass
class Browser:
    """Keeps cookies, goes where it is sent, and remembers all that it saw."""

    place: Place
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jar = http.cookiejar.CookieJar()
        self._follows = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self._stays = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar), _Stay)

    def get(self, path: str, follow: bool = True) -> Answer:
        return self._open(
            urllib.request.Request(f"{self.place.address}{path}", headers={"Accept": "text/html"}), follow
        )

    def post(self, path: str, fields: dict[str, Any], origin: str | None = "", follow: bool = True) -> Answer:
        """Send a form as a page here does, or one of another origin."""
        parts = []
        for name, value in fields.items():
            named = '; filename="new.onnx"' if isinstance(value, bytes) else ""
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
            parts.append(head + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
        headers = {"Accept": "text/html", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        if origin is not None:
            headers["Origin"] = origin or self.place.address
        body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
        return self._open(urllib.request.Request(f"{self.place.address}{path}", body, headers), follow)

    def log_in(self) -> Answer:
        return self.get("/login")

    def form(self, **changes: str) -> dict[str, str]:
        """What the form sends that proposes the new model."""
        return {"form_secret": self.place.session.form_secret, "skeleton": SKELETON, **SAID, **changes}

    def propose(self, **changes: str) -> Answer:
        return self.post("/contribute", self.form(**changes))

    def _open(self, request: urllib.request.Request, follow: bool) -> Answer:
        try:
            with (self._follows if follow else self._stays).open(request, timeout=120) as came:
                answer = Answer(came.status, {name.lower(): value for name, value in came.headers.items()}, came.read())
        except urllib.error.HTTPError as error:
            headers = {name.lower(): value for name, value in error.headers.items()}
            answer = Answer(error.code, headers, error.read())
        self.seen += [str(answer.headers), answer.text]
        return answer


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def hidden(answer: Answer) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return {one["name"]: one["value"] for one in answer.page.every("input") if one.get("type") == "hidden"}


@pytest.fixture(scope="module")
def reader() -> Iterator[HandedIn]:
    with HandedIn() as made:
        yield made


@pytest.fixture(scope="module")
def everywhere(zoo: Path, reader: HandedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    clock = Clock()
    sessions = Sessions(clock=clock)
    with hub(Repository.of_directory(NAME, zoo / "younger", kind="datasets")) as there:
        there.organisations = set()

        def make(address: str) -> Any:
            there.logins.apps["space"] = App(SECRET, f"{address}/login/callback")
            provider = Provider(there.endpoint, address, "space", SECRET)
            return make_app(
                open_release(NAME),
                reader,
                handing_in=RateLimit(at_once=1000, a_minute=0),
                contributing=Contributing(provider, partial(contribute_to, NAME), sessions),
            )

        # The server has a token of its own, which is not to be used for what visitors do.
        with client(there, tmp_path_factory.mktemp("home"), token="hf_server"), served_at(make) as address:
            yield Place(there, address, sessions, clock)


@pytest.fixture
def place(everywhere: Place) -> Place:
    """It as on the first day."""
    served, repository = everywhere.hub, everywhere.hub.repositories[NAME]
    served.users, served.logins = {"hf_server": "server"}, Logins(apps=dict(served.logins.apps))
    served.logins.apps["space"] = App(SECRET, f"{everywhere.address}/login/callback")
    served.faults.clear()
    served.log.clear()
    repository.branches, repository.private = {"main": repository.sha}, False
    everywhere.sessions._sessions.clear()
    return everywhere


@pytest.fixture
def browser(place: Place) -> Browser:
    return Browser(place)


def test_a_visitor_who_is_logged_in_opens_a_pull_request(
    place: Place, browser: Browser, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    begun = browser.get("/login", follow=False)
    verifier = begun.headers["set-cookie"].partition(".")[2].partition(";")[0]
    page = browser.log_in()
    assert "Logged in as ada" in page.page.text
    token, session = place.session.token, place.session
    form = hidden(browser.post("/known", {"file": NEW}))
    done = browser.post("/contribute", {**form, **SAID})
    assert done.status == 200, done.page.text
    where = f"{place.hub.endpoint}/datasets/{NAME}/discussions/1"
    assert f"The pull request is open: {where}" in done.page.text
    assert {"href": where, "target": "_blank", "rel": "noopener"} in done.page.every("a")

    repository = place.hub.repositories[NAME]
    opened = repository.at("refs/pr/1")
    assert opened is not None
    assert opened.author == "ada"
    ((path, content),) = opened.files.items() - repository.commits[repository.sha].files.items()
    (file := tmp_path / Path(path).name).write_bytes(content.open().read())
    found = read_contribution(file)
    assert found.skeleton == strip(onnx.load_model_from_string(NEW)).SerializeToString(deterministic=True)
    assert (found.model.id, found.model.license, found.model.task) == ("ada/new", "mit", "other")
    assert (found.model.family, found.model.source, found.exporter) == ("new", "contributions", "onnx")
    for value in found.texts.values():  # all that was published is shown
        assert value in done.page.text

    assert {one.authorization for one in place.hub.requests("POST */commit/*")} == {f"Bearer {token}"}
    said = capfd.readouterr()
    shown = [*browser.seen, *(f"{one.name}={one.value}" for one in browser.jar), caplog.text, said.out, said.err]
    for secret in (token, SECRET):
        assert not any(secret in one for one in shown)
    assert not any(key in one for key in place.sessions._sessions for one in (caplog.text, said.err, done.text))
    assert not any(secret in caplog.text + said.err for secret in (session.form_secret, verifier))


def test_what_is_proposed_already_is_not_proposed_again(place: Place, browser: Browser) -> None:
    browser.log_in()
    assert browser.propose().status == 200
    again = browser.propose()
    assert again.status == 409
    assert f"proposed already, and waits to be merged: {place.hub.endpoint}" in again.page.text
    assert place.pulls == ["refs/pr/1"]


def test_what_the_release_has_is_refused(zoo: Path, place: Place, browser: Browser) -> None:
    browser.log_in()
    (row,) = load("graphs", "all", zoo / "younger", name="squeezenet")
    squeezenet = to_onnx(row, source=zoo / "younger").SerializeToString()
    for content, said in ((squeezenet, "its graph is that of squeezenet"), (RESNET.read_bytes(), "another export")):
        page = browser.post("/known", {"file": content})
        assert not [one for one in page.page.every("form") if one.get("action") == "/contribute"]
        skeleton = base64.b64encode(strip(onnx.load_model_from_string(content)).SerializeToString()).decode()
        answer = browser.propose(skeleton=skeleton)
        assert answer.status == 409
        assert said in answer.page.text
    assert not place.pulls


def test_what_comes_back_from_a_page_is_stripped_again(place: Place, browser: Browser) -> None:
    """A browser sends what it likes: here a model with a weight, and words wherever there is room for them."""
    browser.log_in()
    made = onnx.load_model_from_string(model("(float[9,9] x) => (float[9,9] y) { a = Elu (x) y = Hardmax (a) }"))
    made.graph.node[0].op_type, made.doc_string = "MatMul", "private words"
    made.graph.node[0].input.append("private weight")
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((9, 9), np.float32), "private weight"))
    sent = base64.b64encode(made.SerializeToString()).decode()
    assert browser.propose(skeleton=sent).status == 200
    opened = place.hub.repositories[NAME].at("refs/pr/1")
    assert opened is not None
    (content,) = (content for path, content in opened.files.items() if path.startswith("contributions/"))
    assert b"private" not in content.open().read()
    assert content.size < 4000


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"skeleton": base64.b64encode(b"rubbish").decode()}, 422, "It is not proposed"),
        ({"skeleton": "no base64!"}, 400, "did not come along"),
        ({"skeleton": "ä"}, 400, "did not come along"),
        ({"skeleton": ""}, 422, "It is not proposed"),
        ({"license": "my own"}, 422, "license"),
        ({"license": ""}, 422, "the contribution has the license ''"),
        ({"id": ""}, 422, "the contribution has the id ''"),
        ({"id": PAYLOAD}, 422, "the contribution has the id"),
        ({"family": PAYLOAD}, 422, "the contribution has the family"),
        ({"task": PAYLOAD}, 422, "task"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    place: Place, browser: Browser, changes: dict[str, str], status: int, said: str
) -> None:
    browser.log_in()
    answer = browser.propose(**changes)
    assert answer.status == status
    assert said in answer.page.text
    check_harmless(answer)
    assert not place.pulls
    kept = {one.get("name"): one.get("value") for one in answer.page.every("input")}
    if status == 422 and "skeleton" not in changes:  # what was filled in is there to be put right
        assert {name: kept[name] for name in SAID} == {**SAID, **changes}


def test_a_model_of_the_hub_is_named_in_the_form_as_there(place: Place, browser: Browser) -> None:
    made = Repository("bob/model")
    made.commit({"model.onnx": NEW})
    place.hub.repositories["bob/model"] = made
    browser.log_in()
    page = browser.post("/known", {"address": "bob/model"}).page
    (named,) = (one for one in page.every("input") if one.get("name") == "id")
    assert named["value"] == "bob/model"


def test_a_text_cannot_be_proposed_and_the_page_says_why(browser: Browser) -> None:
    browser.log_in()
    page = browser.post("/known", {"text": to_text(onnx.load_model_from_string(NEW))})
    assert "A text has no shapes of parameters" in page.page.text
    assert "skeleton" not in hidden(page)


def test_what_is_too_large_is_left_to_the_command(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("younger_hf.explore.known_page._MOST_SKELETON", 10)
    browser.log_in()
    page = browser.post("/known", {"file": NEW})
    assert "too large to be proposed from here" in page.page.text
    assert "skeleton" not in hidden(page)
    monkeypatch.setattr("younger_hf.explore.known_page._MOST_SKELETON", 1000)
    assert [browser.propose(skeleton="A" * size).status for size in (2500, 5000)] == [400, 413]


def test_who_is_not_logged_in_sees_the_command_and_where_to_log_in(place: Place, browser: Browser) -> None:
    page = browser.post("/known", {"file": NEW})
    assert f"younger-hf contribute MODEL.onnx --id ORG/NAME --license LICENCE --repo-id {NAME}" in page.page.text
    assert {"class": "button", "href": f"{place.address}/login", "target": "_blank", "rel": "noopener"} in (
        page.page.every("a")
    )
    assert not hidden(page)
    answer = browser.post("/contribute", {**SAID, "skeleton": "", "form_secret": ""})
    assert answer.status == 401
    assert "You are not logged in any more" in answer.page.text
    assert not place.pulls


def test_one_who_does_not_agree_is_not_logged_in(place: Place, browser: Browser) -> None:
    place.hub.logins.agrees = False
    answer = browser.log_in()
    assert answer.status == 403
    assert "you did not allow it" in answer.page.text
    assert "Logged in" not in browser.get("/known").page.text
    assert not place.hub.requests("POST /oauth/token*")


def test_a_scope_that_the_space_may_not_ask_for_is_a_sentence(place: Place, browser: Browser) -> None:
    place.hub.logins.apps["space"] = App(SECRET, f"{place.address}/login/callback", frozenset())
    assert "The Hub grants no login" in browser.log_in().page.text


def callback(place: Place, browser: Browser) -> str:
    """Begin, agree, and give the address that the Hub sends back to, without going there."""
    where = browser.get("/login", follow=False).headers["location"]
    opener = urllib.request.build_opener(_Stay)
    with pytest.raises(urllib.error.HTTPError) as sent:
        opener.open(where)
    back = sent.value.headers["Location"]
    assert back.startswith(f"{place.address}/login/callback?")
    return str(back.removeprefix(place.address))


def test_a_login_that_another_browser_began_is_refused(place: Place, browser: Browser) -> None:
    """So nobody is logged in as somebody else by a link, whether they have begun a login themselves or not."""
    back = callback(place, browser)
    victim = Browser(place)
    for begins in (False, True):
        if begins:
            victim.get("/login", follow=False)
        answer = victim.get(back)
        assert answer.status == 403
        assert "This browser has begun no such login" in answer.page.text
    assert not place.hub.requests("POST /oauth/token*")
    assert not place.sessions._sessions


def test_who_logs_in_again_has_one_session(place: Place, browser: Browser) -> None:
    browser.log_in()
    (first,) = place.sessions._sessions
    browser.log_in()
    (second,) = place.sessions._sessions
    assert first != second


def test_a_code_is_good_once_and_for_who_has_the_verifier(place: Place, browser: Browser) -> None:
    back = callback(place, browser)
    (begun,) = (one for one in browser.jar if one.name == "younger-login")
    state = str(begun.value).partition(".")[0]
    thief = Browser(place)  # has seen the address, and the state in it, but not the cookie
    guessed = copy(begun)
    guessed.value = f"{state}.{'v' * 43}"
    thief.jar.set_cookie(guessed)
    assert "The Hub does not confirm the login" in thief.get(back).page.text

    back = callback(place, browser)
    (begun,) = (one for one in browser.jar if one.name == "younger-login")
    assert "Logged in as ada" in browser.get(back).page.text
    assert "This browser has begun no such login" in browser.get(back).page.text
    browser.jar.set_cookie(begun)
    assert "The Hub does not confirm the login" in browser.get(back).page.text
    assert len(place.sessions._sessions) == 1


@pytest.mark.parametrize("path", ["token", "userinfo"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(lose_answer=True),
        Fault(body=b"<html>"),
        Fault(body=b"[]"),
        Fault(body=b'{"access_token": "a\\nb", "preferred_username": 7}'),
        Fault(body=b"[" * 100_000),
    ],
)
def test_a_hub_that_makes_no_sense_logs_nobody_in(place: Place, browser: Browser, path: str, fault: Fault) -> None:
    place.hub.faults.add(f"* /oauth/{path}*", fault)
    answer = browser.log_in()
    assert answer.status == 403
    assert "The Hub does not confirm the login: log in again." in answer.page.text
    assert not place.sessions._sessions


def test_a_name_of_the_hub_is_text(place: Place, browser: Browser) -> None:
    place.hub.logins.user = PAYLOAD
    answer = browser.log_in()
    assert "Logged in as" in answer.page.text
    check_harmless(answer)


def test_a_session_that_has_ended_proposes_nothing(place: Place, browser: Browser) -> None:
    browser.log_in()
    form = browser.form()
    place.clock.now += 3601
    answer = browser.post("/contribute", form)
    assert answer.status == 401
    assert "You are not logged in any more" in answer.page.text
    assert not place.pulls
    assert not place.sessions._sessions


@pytest.mark.parametrize("origin", [None, "null", "https://example.org", "http://127.0.0.1", "http://127.0.0.1:1"])
def test_a_form_of_another_origin_does_nothing(place: Place, browser: Browser, origin: str | None) -> None:
    browser.log_in()
    form = browser.form()
    assert browser.post("/contribute", form, origin).status == 403
    assert browser.post("/logout", {"form_secret": form["form_secret"]}, origin).status == 403
    assert not place.pulls
    assert place.session.user == "ada"


@pytest.mark.parametrize("guess", ["", "guess", "ä"])
def test_a_form_without_the_secret_of_the_session_does_nothing(place: Place, browser: Browser, guess: str) -> None:
    browser.log_in()
    form = browser.form()
    of_another = hidden(Browser(place).log_in())["form_secret"]
    for secret in (guess, of_another):
        answer = browser.post("/contribute", {**form, "form_secret": secret})
        assert answer.status == 403
        assert browser.post("/logout", {"form_secret": secret}).status == 403
    del form["form_secret"]
    assert browser.post("/contribute", form).status == 403
    assert not place.pulls
    assert "Logged in as ada" in browser.get("/known").page.text


def test_who_logs_out_is_forgotten(place: Place, browser: Browser) -> None:
    form = hidden(browser.log_in())
    (kept,) = (one for one in browser.jar if one.name == "younger-session")
    out = browser.post("/logout", {"form_secret": form["form_secret"]})
    assert "Log in with Hugging Face" in out.page.text
    assert not place.sessions._sessions
    assert [one.name for one in browser.jar] == []
    browser.jar.set_cookie(kept)  # as a thief who has copied it
    assert "Logged in" not in browser.get("/known").page.text
    assert "Log in with" in browser.post("/logout", {"form_secret": form["form_secret"]}).page.text


@pytest.mark.parametrize("path", ["/login", "/logout", "/contribute"])
def test_what_changes_something_is_no_link(place: Place, browser: Browser, path: str) -> None:
    browser.log_in()
    wrong = browser.post(path, {}) if path == "/login" else browser.get(path)
    assert wrong.status == 405
    assert place.session.user == "ada"


def test_what_a_login_does_not_allow_is_a_sentence(place: Place, browser: Browser) -> None:
    browser.log_in()
    place.hub.logins.granted[place.session.token] = frozenset({"openid", "profile"})
    answer = browser.propose()
    assert answer.status == 422
    assert f"the Hub does not let you open a pull request on {NAME} from here: log in again" in answer.page.text
    del place.hub.users[place.session.token]
    assert "the Hub does not know your login any more: log in again" in browser.propose().page.text
    assert not place.pulls


def test_a_repository_that_the_visitor_may_not_see_is_none(place: Place, browser: Browser) -> None:
    place.hub.repositories[NAME].private, place.hub.repositories[NAME].readers = True, frozenset({"server"})
    browser.log_in()
    assert f"there is no dataset {NAME} on the Hub" in browser.propose().page.text
    assert not place.pulls


def test_a_hub_that_fails_meanwhile_is_a_sentence_and_it_can_be_tried_again(place: Place, browser: Browser) -> None:
    browser.log_in()
    place.hub.faults.add("POST *commit*", Fault(status=503))
    answer = browser.propose()
    assert "the Hub did not finish the work on org/younger (status 503): try again" in answer.page.text
    assert browser.post("/contribute", {**hidden(answer), **SAID}).status == 200


def test_an_address_that_is_not_of_the_hub_is_no_link(place: Place, browser: Browser) -> None:
    browser.log_in()
    where = f"javascript:alert(1)//datasets/{NAME}/discussions/1"
    told = {"success": True, "commitOid": "0" * 40, "commitUrl": f"{place.hub.endpoint}/x", "pullRequestUrl": where}
    place.hub.faults.add("POST *commit*", Fault(body=json.dumps(told).encode()))
    answer = browser.propose()
    assert f"The pull request is open: {where}" in answer.page.text
    check_harmless(answer)


def test_who_proposes_much_has_to_wait(zoo: Path, place: Place) -> None:
    limited = Contributing(Provider(place.hub.endpoint, "http://here", "space", SECRET), partial(contribute_to, NAME))
    app = make_app(open_release(zoo / "younger"), handing_in=RateLimit(at_once=2, a_minute=0), contributing=limited)
    with served_at(lambda _: app) as address:
        statuses = [
            *(ask(f"{address}/contribute", b"form_secret=x", Origin="http://here").status for _ in range(3)),
            ask(f"{address}/login/callback?state=x&code=y").status,
        ]
    assert statuses == [401, 401, 429, 429]


def test_the_command_takes_what_a_space_is_told(place: Place, tmp_path: Path) -> None:
    told = {
        "OPENID_PROVIDER_URL": place.hub.endpoint,
        "SPACE_HOST": "org-explorer.hf.space",
        "OAUTH_CLIENT_ID": "space",
        "OAUTH_CLIENT_SECRET": SECRET,
    }
    environment = {**os.environ, **told, "HF_ENDPOINT": place.hub.endpoint, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "younger_hf", "explore", NAME, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().split()[1]
            assert "https://org-explorer.hf.space/login" in ask(f"{address}/known").text
            opener = urllib.request.build_opener(_Stay)
            with pytest.raises(urllib.error.HTTPError) as sent:
                opener.open(f"{address}/login")
            where = urlsplit(sent.value.headers["Location"])
            assert f"{where.scheme}://{where.netloc}{where.path}" == f"{place.hub.endpoint}/oauth/authorize"
            assert parse_qs(where.query)["redirect_uri"] == ["https://org-explorer.hf.space/login/callback"]
        finally:
            running.kill()
