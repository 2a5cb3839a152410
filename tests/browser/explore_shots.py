"""The explorer in a real browser: `make explore-shots` opens each page, uses it, and keeps what it looks like.

In goes a release; out come PNGs, in the light and the dark, wide and narrow. A page that does not do what it should
ends the run with an assertion. Chromium is the system's (`/usr/bin/chromium`, or what CHROMIUM names).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import yaml
from hub.client import client
from hub.logins import App
from hub.repositories import Repository
from hub.server import hub
from playwright.sync_api import FilePayload, Page, sync_playwright
from support.explorer import served, served_at

from builders.handed_in import HandedIn
from younger_hf.cli.explore import contribute_to
from younger_hf.explore.login import CALLBACK, Contributing, Provider
from younger_hf.explore.server import make_app
from younger_hf.explore.visitors import RateLimit
from younger_hf.release import open_named, open_release

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
LIMIT = RateLimit(at_once=100_000, a_minute=100_000)  # all pages and their previews come from one client
COMPARED, LARGEST = "q=resnet&sort=num_nodes&order=asc", "sort=num_nodes&order=desc"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def browse(page: Page, address: str) -> None:
    """Search, sort, and open a row with the keyboard."""
    page.goto(address)
    page.get_by_label("Search").fill("resnet")
    page.get_by_label("All of these operators").fill("Conv, Relu")
    page.get_by_role("button", name="Show").click()
    assert "q=resnet" in page.url
    assert "min_nodes" not in page.url  # an empty field is not part of a shared address
    page.get_by_role("link", name="Operators", exact=True).click()
    assert "sort=num_nodes" in page.url
    page.locator("tbody th a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/architecture/*")


def architecture(page: Page) -> None:
    """Wait for the drawing and the parts, zoom, and draw a module."""
    page.locator(".canvas svg").wait_for()
    page.locator("[data-part$='relatives'] .cards").first.wait_for()
    page.locator("[data-part$='modules'] h3").wait_for()
    before = float(page.locator(".canvas svg").get_attribute("width") or 0)
    page.get_by_role("button", name="Zoom in").click()
    assert float(page.locator(".canvas svg").get_attribute("width") or 0) > before
    modules = page.locator("[data-draw^='module=']")
    if modules.count() > 1:
        title = page.locator(".canvas svg title").first.text_content()
        modules.nth(1).click()
        page.wait_for_function("old => document.querySelector('.canvas svg title')?.textContent !== old", arg=title)
    suggestions(page)


def suggestions(page: Page) -> None:
    """Click an operator, and ask about another by its number; without an encoder, the page says that it has none."""
    if not page.locator(".places form").count():
        assert page.locator(".places p").text_content()
        return
    page.locator(".canvas [data-node]").nth(2).click()
    page.locator(".places h3").wait_for()
    page.get_by_label("What could stand in the place").fill("0")
    page.keyboard.press("Enter")
    page.locator(".places h3 small", has_text="operator 0").wait_for()
    page.locator("[data-part$='embedded'] .cards").wait_for(timeout=600_000)  # the first time it reads the release


def narrow_enough(page: Page, width: int) -> None:
    """A page is no wider than its window; tables scroll by themselves."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is wider than {width}"


def known(page: Page, address: str) -> None:
    """Hand in a file and a text."""
    page.goto(f"{address}/known")
    page.get_by_label("ONNX file, at most").set_input_files(LIGHT / "light_squeezenet.onnx")
    page.get_by_role("button", name="Look it up").first.click()
    page.locator(".verdict").wait_for()
    page.locator(".canvas svg").wait_for()
    suggestions(page)


@contextmanager
def as_a_space(release: Path, directory: Path, reader: HandedIn) -> Iterator[str]:
    """The explorer of a release on a Hub of this machine, where ada logs in; gives its address."""
    with hub(Repository.of_directory("org/younger", release, "datasets")) as there, client(there, directory):

        def make(address: str) -> Any:
            there.logins.apps["space"] = App("secret", f"{address}{CALLBACK}")
            provider = Provider(there.endpoint, address, "space", "secret")
            contributing = Contributing(provider, partial(contribute_to, "org/younger"))
            return make_app(open_release("org/younger"), reader, contributing=contributing, limit=LIMIT)

        with served_at(make) as address:
            yield address


def contribute(page: Page, address: str, name: str, width: int, shoot: Callable[[str, Page], None]) -> None:
    """Log in, in the tab that this opens; hand a model in there, open the pull request, and log out."""
    page.goto(f"{address}/known")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Log in with Hugging Face").click()
    tab = opened.value
    tab.get_by_text("Logged in as ada").wait_for()
    new = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,8] x) => (float[1,8] y) '
        "{ a = Relu (x) b = Elu (a) c = Relu (b) y = Hardmax (c) }"
    )
    sent: FilePayload = {"name": "new.onnx", "mimeType": "application/onnx", "buffer": new.SerializeToString()}
    tab.get_by_label("ONNX file, at most").set_input_files(sent)
    tab.get_by_role("button", name="Look it up").first.click()
    tab.get_by_label("What it is called").fill(f"ada/{name}")
    tab.get_by_label("Licence").fill("mit")
    tab.wait_for_load_state("networkidle")  # the previews of what is nearby
    shoot("contribute", tab)
    narrow_enough(tab, width)
    tab.get_by_role("button", name="Open the pull request").click()
    tab.get_by_role("link", name="/discussions/").wait_for()
    shoot("contributed", tab)
    narrow_enough(tab, width)
    tab.get_by_role("button", name="Log out").click()
    tab.get_by_role("link", name="Log in with Hugging Face").wait_for()


def compare(page: Page, address: str, asked: str) -> None:
    """Compare the first two rows of a table; the largest are too large to be matched and are compared by counts."""
    page.goto(f"{address}/?{asked}")
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("button", name="Compare the two").click()
    page.locator("[data-part] .verdict").wait_for()
    page.locator(".canvas svg").nth(1).wait_for()


def with_entries(release: Path, directory: Path) -> Path:
    """A copy of a release whose leaderboard has the rules of operator design."""
    copy = Path(shutil.copytree(release, directory / release.name))
    board = copy / "leaderboard"
    board.mkdir(exist_ok=True)
    for rule in ("majority", "ngram"):
        run = directory / rule
        train = ["train", "operator", "--model", rule, "--release", copy, "--run", run]
        for arguments in (train, ["evaluate", run]):
            subprocess.run([sys.executable, "-m", "younger_hf", *map(str, arguments)], check=True)
        shutil.copy(run / "predictions-test.parquet", board / f"{rule}.parquet")
        code = "https://huggingface.co/datasets/organisation/younger"
        claim = {"model": rule, "parameters": 0, "seed": 12345, "code": code, "license": "apache-2.0"}
        (board / f"{rule}.yaml").write_text(yaml.safe_dump(claim))
    return copy


def main() -> None:
    """Look at every page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        HandedIn() as reader,
        served(
            make_app(open_named(str(release := with_entries(arguments.release, Path(directory)))), reader, limit=LIMIT)
        ) as address,
        as_a_space(release, Path(directory, "hub"), reader) as space,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, width, scheme in (("wide", 1400, "light"), ("dark", 1400, "dark"), ("narrow", 390, "light")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            everywhere = page.context
            everywhere.set_default_timeout(120_000)
            errors: list[str] = []
            everywhere.on("weberror", lambda failed, errors=errors: errors.append(str(failed.error)))
            everywhere.on(
                "console", lambda said, errors=errors: errors.append(said.text) if said.type == "error" else None
            )

            def shoot(what: str, page: Page = page, name: str = name) -> None:
                # Previews are fetched when one scrolls to them, which nobody does here.
                page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
                page.wait_for_function(
                    "() => [...document.images].every((image) => image.complete && image.naturalWidth)"
                )
                page.screenshot(path=arguments.output / f"{what}-{name}.png", full_page=True)

            page.goto(address)
            shoot("browse")
            if name == "wide":
                browse(page, address)
            else:
                page.goto(f"{address}{page.locator('tbody th a').nth(20).get_attribute('href')}")
            architecture(page)
            shoot("architecture")
            narrow_enough(page, width)
            for what, asked in (("compare", COMPARED), ("compare-by-counts", LARGEST)):
                compare(page, address, asked)
                shoot(what)
                narrow_enough(page, width)
            known(page, address)
            shoot("known")
            narrow_enough(page, width)
            contribute(page, space, name, width, shoot)
            page.goto(f"{address}/release")
            page.wait_for_function("() => document.querySelectorAll('.plot .main-svg').length >= 7 * 3")
            page.locator(".board tbody tr").nth(1).wait_for()
            page.wait_for_timeout(500)
            shoot("release")
            narrow_enough(page, width)
            page.locator("[data-plot$='sizes.json'] .point").first.click(force=True)
            page.wait_for_url("**/?min_nodes=*")
            assert not errors, errors
        browser.close()


if __name__ == "__main__":
    main()
