"""Which rows Browse shows, and in what order."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from younger_hf.dataset import load
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.query import Query


def names(catalogue: Catalogue, **asked) -> list[str]:
    return [row["name"] for row in catalogue.select(Query(**asked)).rows]


def test_without_conditions_there_is_every_row_in_the_order_of_the_release(zoo, catalogue):
    splits = load("graphs", source=zoo / "younger").values()
    assert names(catalogue) == [name for split in splits for name in split["name"]]


def test_rows_are_searched_by_words_in_any_case(catalogue):
    (found,) = names(catalogue, q="RESNET 50")
    assert "resnet50" in found
    fingerprint = catalogue.select(Query(q="resnet50")).rows[0]["fingerprint"]
    assert names(catalogue, q=fingerprint) == [found]
    assert names(catalogue, q="resnet vgg") == []


def test_words_are_no_patterns(catalogue):
    assert names(catalogue, q=".*") == []
    assert names(catalogue, q="%") == []


def test_filters_by_operators_are_those_of_load(zoo, catalogue):
    def loaded(**filters) -> set[str]:
        return {name for split in load("graphs", source=zoo / "younger", **filters).values() for name in split["name"]}

    assert set(names(catalogue, all_of=("Conv", "LRN"))) == loaded(all_operators=["Conv", "LRN"])
    assert set(names(catalogue, any_of=("LRN", "Sum"))) == loaded(operators=["LRN", "Sum"])


def test_an_operator_that_no_row_has_is_named(catalogue):
    found = catalogue.select(Query(all_of=("Conv", "Konv")))
    assert (found.total, found.unknown) == (0, ("Konv",))
    assert catalogue.select(Query(any_of=("Conv", "Konv"))).total > 0


def test_sizes_are_between_bounds_that_count(catalogue):
    sizes = sorted(row["num_nodes"] for row in catalogue.select(Query()).rows)
    found = catalogue.select(Query(min_nodes=sizes[1], max_nodes=sizes[-2]))
    assert sorted(row["num_nodes"] for row in found.rows) == sizes[1:-1]


def test_rows_are_sorted_and_what_is_not_known_is_last(catalogue):
    macs = [row["macs"] for row in catalogue.select(Query(sort="macs", order="desc")).rows]
    known = [one for one in macs if one is not None]
    assert known == sorted(known, reverse=True)
    assert macs[: len(known)] == known
    downloads = [row["name"] for row in catalogue.select(Query(sort="downloads", order="desc")).rows]
    assert downloads == names(catalogue)  # none is known, so that they are as they were


def test_a_query_is_what_its_address_says():
    query = Query("res 50", "torchvision", all_of=("Conv", "com.microsoft::Gelu"), min_nodes=5, sort="name", page=3)
    address = query.url(page=3)
    assert Query.parse(parse_qsl(urlsplit(address).query)) == query
    assert Query.parse(parse_qsl(urlsplit(query.url(sort="macs")).query)).page == 1


def test_nonsense_in_an_address_is_passed_over():
    given = [
        ("page", "-1"),
        ("sort", "drop table"),
        ("order", "up"),
        ("min_nodes", "1e9"),
        ("x", "y"),
        ("max_nodes", "²"),
    ]
    assert Query.parse(given) == Query()
    assert Query.parse([("min_nodes", "9" * 400)]).min_nodes == 10**15


def test_a_page_beyond_the_last_is_the_last(catalogue):
    assert names(catalogue, page=10**9) == names(catalogue)
