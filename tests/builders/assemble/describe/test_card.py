"""The card: what it has to say is there, and what a source wrote means nothing but itself."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from support.ledgers import conversion
from support.light import LIGHT
from support.releases import LEDGER_CONFIGS, every_row, files

from builders.assemble import ReleaseReport, assemble
from builders.assemble.describe.card import escape
from builders.convert import Conversion, Outcome
from builders.ledger import Ledger
from builders.model_ref import Evaluation, ModelRef
from younger_hf.families import family_of

HOSTILE = [
    "evil\n---\nlicense: mit",
    "---",
    "<script>alert(1)</script>",
    "<!-- ",
    "a | b | c",
    "{{ front_matter }}",
    "{% for x in y %}",
    "[click](https://example.com)",
    "![x](http://example.com/x.png)",
    "`code` **bold** _it_ ~~no~~",
    "# heading",
    "www.example.com",
    "me@example.com",
    "\u202egnp.exe",
    "a\x00b\x1b[31m",
    "&lt;b&gt;",
    "\\",
    "```\n\n# out\n",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_means_something_to_markdown_html_or_yaml_is_left(text: str) -> None:
    shown = escape(text)
    bare = re.sub(r"&#\d+;", "", shown)
    assert not re.search(r"[^\w\s./-]|_", bare)
    assert not re.search(r"(^|\s)-|-(\s|$)|www\.", bare)
    assert "\n" not in shown
    assert shown == shown.strip()


@pytest.mark.parametrize("text", ["microsoft/resnet-50", "bsd-3-clause", "v1.5", "Müller/模型"])
def test_an_ordinary_name_stays_readable(text: str) -> None:
    assert escape(text) == text


def test_a_reader_sees_the_characters_that_were_escaped() -> None:
    assert html.unescape(escape("a|b <c> {{d}} [e](f) `g`")) == "a|b <c> {{d}} [e](f) `g`"


def test_a_long_name_is_cut() -> None:
    assert len(html.unescape(escape("x" * 10_000))) <= 80


# As GitHub and the Hub read Markdown: HTML in it, tables, and bare addresses that become links.
MARKDOWN = MarkdownIt("gfm-like")
SKELETONS = [conversion(LIGHT / f"light_{name}.onnx") for name in ("resnet50", "squeezenet")]


class Elements(HTMLParser):
    """Which elements with which attributes a browser makes of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, tuple[tuple[str, str | None], ...]]] = Counter()
        self.comments = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag, tuple(attrs)] += 1

    def handle_comment(self, data: str) -> None:
        self.comments += 1


def release_of(directory: Path, texts: list[str], families: list[str] | None = None) -> Path:
    """A release with a model for each text, which stands wherever a hub could have written it."""
    with Ledger(directory / "work") as ledger:
        for number, (text, family) in enumerate(zip(texts, families or texts, strict=True)):
            results = (Evaluation(text, text, text, text, 0.5),)
            tagged = {"task": text, "family": family, "license": text, "tags": (text,), "evaluations": results}
            model = ModelRef("hub", text, revision=text, component=text, **tagged)
            ledger.record([model])
            ledger.finish(model, SKELETONS[number % len(SKELETONS)])
        assemble(ledger, directory / "younger")
    return directory / "younger"


def body(release: Path) -> str:
    return (release / "README.md").read_text().split("\n---\n", 1)[1]


def walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from walk(token.children or [])


def structure(release: Path) -> list[tuple[str, str, Any]]:
    """What a card is made of in Markdown, all but its texts."""
    return [
        (token.type, token.tag, token.attrs) for token in walk(MARKDOWN.parse(body(release))) if token.type != "text"
    ]


def front_matter(release: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((release / "README.md").read_text().split("\n---\n", 1)[0]))


def shape(value: Any) -> Any:
    """What is left of YAML without its leaves."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value)


def test_hostile_names_change_no_structure_of_yaml_markdown_or_html(tmp_path: Path) -> None:
    hostile = release_of(tmp_path / "hostile", HOSTILE)
    # Some of these texts are two spellings of one family.
    spelt = list(map(family_of, HOSTILE))
    families = [f"name{spelt.index(one)}" if one else "" for one in spelt]
    ordinary = release_of(tmp_path / "ordinary", [f"name{number}" for number in range(len(HOSTILE))], families)
    names = {model["id"] for row in every_row(hostile, "graphs") for model in row["models"]}
    assert names == set(HOSTILE)
    assert structure(hostile) == structure(ordinary)
    assert not [token for token in walk(MARKDOWN.parse(body(hostile))) if token.type.startswith("html")]
    elements, expected = (Elements(MARKDOWN.render(body(one))) for one in (hostile, ordinary))
    assert (elements.found, elements.comments) == (expected.found, expected.comments)
    # A card that some program takes for HTML as it stands has no element either.
    assert not Elements(body(hostile)).found
    assert shape(front_matter(hostile)) == shape(front_matter(ordinary))


def test_the_front_matter_has_every_config_split_feature_and_size(release: tuple[Path, ReleaseReport]) -> None:
    younger, report = release
    described = {entry["config_name"]: entry for entry in front_matter(younger)["dataset_info"]}
    assert (
        list(described) == [entry["config_name"] for entry in front_matter(younger)["configs"]] == list(LEDGER_CONFIGS)
    )
    for config, entry in described.items():
        assert {split["name"]: split["num_examples"] for split in entry["splits"]} == report.rows[config]
        assert {feature["name"] for feature in entry["features"]} == set(every_row(younger, config)[0])
        assert entry["dataset_size"] == sum(split["num_bytes"] for split in entry["splits"]) > 0
        assert entry["download_size"] == sum(file.stat().st_size for file in (younger / config).iterdir())


def test_the_card_has_what_a_card_must_say(release: tuple[Path, ReleaseReport]) -> None:
    tokens = MARKDOWN.parse(body(release[0]))
    heads = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    assert heads == [
        *("Younger", "Load it", "Columns", "Costs", "Subgraphs", "Blocks", "Previews", "Splits", "How it was built"),
        *("Audit", "Statistics", "Privacy", "Ask for removal", "Licence", "Citation"),
    ]
    assert {token.info for token in tokens if token.type == "fence"} == {"python", "bibtex"}
    columns = set(re.findall(r"`(\w+)`", body(release[0]).split("| column | meaning |")[1].split("\n\n")[0]))
    assert columns >= {name for config in LEDGER_CONFIGS for name in every_row(release[0], config)[0]}


def test_the_figures_of_the_card_are_those_beside_it(release: tuple[Path, ReleaseReport]) -> None:
    shown = [token.attrs["src"] for token in walk(MARKDOWN.parse(body(release[0]))) if token.type == "image"]
    assert shown == ["figures/sizes.png", "figures/operators.png", "figures/families.png"]
    assert sorted(shown) == sorted(path for path in files(release[0]) if path.startswith("figures/"))


def test_without_families_there_is_no_figure_of_them(tmp_path: Path) -> None:
    model = ModelRef("hub", "someone/model")
    with Ledger(tmp_path / "work") as ledger:
        ledger.record([model])
        ledger.finish(model, SKELETONS[0])
        assemble(ledger, tmp_path / "younger")
    assert sorted(path.name for path in (tmp_path / "younger" / "figures").iterdir()) == ["operators.png", "sizes.png"]
    assert "families.png" not in body(tmp_path / "younger")


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the table with this head."""
    lines = text.split(head, 1)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_how_far_the_models_of_each_source_came_is_in_the_card(release: tuple[Path, ReleaseReport]) -> None:
    younger, report = release
    counts = table(body(younger), "| source | listed |")
    assert [row[0] for row in counts] == ["hub", "onnx-package", "torchvision"]
    graphs = every_row(younger, "graphs")
    for source, listed, tried, converted, rows, alone in counts:
        sources = [{model["source"] for model in row["models"]} for row in graphs]
        assert int(rows) == sum(source in of_row for of_row in sources)
        assert int(alone) == sum({source} == of_row for of_row in sources)
        assert int(listed) == int(tried) == int(converted) + 2 * (source == "hub")
    assert sum(int(row[3]) for row in counts) == report.models
    assert table(body(younger), "| why models were not converted |") == [["timeout", "1"], ["trivial", "1"]]


def test_a_model_is_counted_once_whatever_its_opsets_paths_and_tries(tmp_path: Path) -> None:
    here, there = (ModelRef("files", "a", location=path) for path in ("/here", "/there"))
    others = [ModelRef("files", name) for name in ("b", "c")]
    with Ledger(tmp_path / "work") as ledger:
        ledger.record([here, there, *others])
        ledger.finish(here, Conversion(Outcome.TIMEOUT), SKELETONS[0])
        ledger.finish(here, Conversion(Outcome.UNSUPPORTED), opset=20)
        ledger.finish(there, SKELETONS[0])
        ledger.finish(others[0], Conversion(Outcome.ERROR), Conversion(Outcome.TIMEOUT))
        collected = assemble(ledger, tmp_path / "younger").collected
    (counts,) = collected.sources
    assert (counts.listed, counts.tried, counts.converted, counts.graphs, counts.graphs_alone) == (3, 2, 1, 1, 1)
    assert collected.failures == {"timeout": 1}
    assert collected.conversions == 2


def test_composed_models_are_counted_apart(tmp_path: Path) -> None:
    with Ledger(tmp_path / "work") as ledger:
        for name, origin, made in zip(("a", "b"), ("registry", "composed"), SKELETONS, strict=True):
            model = ModelRef("here", name, origin=origin)
            ledger.record([model])
            ledger.finish(model, made)
        assemble(ledger, tmp_path / "younger")
    card = body(tmp_path / "younger")
    assert "| graphs with attributes | 2 | 1 |" in card
    assert "| normal forms | 2 | 1 |" in card


def test_a_model_of_which_two_exports_are_two_rows_is_counted(tmp_path: Path) -> None:
    with Ledger(tmp_path / "work") as ledger:
        model = ModelRef("here", "a", origin="registry")
        ledger.record([model])
        for opset, made in zip((17, 20), SKELETONS, strict=True):
            ledger.finish(model, made, opset=opset)
        assemble(ledger, tmp_path / "younger")
    assert "Of 1 models there is more than one graph" in body(tmp_path / "younger")


def test_the_release_stands_beside_the_papers(tmp_path: Path) -> None:
    assert "| graphs with attributes | 2 | 7,629 |" in body(release_of(tmp_path, ["a", "b"]))
