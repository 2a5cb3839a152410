"""Family splits: what is published stays, and what is new goes where it leaks least."""

from __future__ import annotations

from builders.assemble.split.kept import keep_family_splits

PUBLISHED = [({"bert"}, "train"), ({"bert"}, "train"), ({"gpt"}, "test"), ({"gpt"}, "test"), ({"vit"}, "validation")]


def splits_of(*rows: tuple[set[str], str | None]) -> list[str | None]:
    """The splits of rows that come after those published."""
    everything = [*PUBLISHED, *rows]
    found = keep_family_splits([families for families, _ in everything], [split for _, split in everything])
    assert found[: len(PUBLISHED)] == [split for _, split in PUBLISHED]
    return found[len(PUBLISHED) :]


def test_without_a_release_before_nothing_is_decided() -> None:
    assert keep_family_splits([{"bert"}, {"gpt", "vit"}], [None, None]) == [None, None]


def test_a_new_row_goes_where_its_family_is() -> None:
    assert splits_of(({"gpt"}, None), ({"bert"}, None), ({"vit"}, None)) == ["test", "train", "validation"]


def test_a_new_family_is_not_decided() -> None:
    assert splits_of(({"mamba"}, None)) == [None]


def test_a_new_family_that_shares_a_row_with_a_published_one_goes_there_with_all_its_rows() -> None:
    assert splits_of(({"mamba", "gpt"}, None), ({"mamba"}, None)) == ["test", "test"]


def test_a_row_that_joins_families_of_train_and_test_is_held_out() -> None:
    assert splits_of(({"bert", "gpt"}, None)) == ["test"]
    assert splits_of(({"bert", "vit"}, None)) == ["validation"]


def test_joined_families_go_on_where_they_were() -> None:
    assert splits_of(({"bert", "gpt"}, None), ({"bert"}, None), ({"gpt"}, None)) == ["test", "train", "test"]


def test_a_row_that_was_held_out_so_does_not_pull_its_family_along_in_the_next_release() -> None:
    assert splits_of(({"bert", "gpt"}, "test"), ({"bert"}, None), ({"gpt"}, None)) == ["test", "train", "test"]


def test_a_new_family_between_two_splits_goes_to_train() -> None:
    assert splits_of(({"mamba", "bert"}, None), ({"mamba", "gpt"}, None), ({"mamba"}, None)) == [
        "train",
        "test",
        "train",
    ]


def test_a_published_row_stays_though_its_models_are_found_in_another_family() -> None:
    assert splits_of(({"bert", "gpt"}, "train")) == ["train"]


def test_the_family_of_an_unseen_row_stays_held_out() -> None:
    assert splits_of(({"mamba"}, "unseen"), ({"mamba"}, None)) == ["test", "test"]
    assert splits_of(({"vit"}, "unseen"), ({"vit"}, None)) == ["validation", "validation"]


def test_the_order_of_rows_does_not_matter() -> None:
    rows: list[tuple[set[str], str | None]] = [
        *PUBLISHED,
        ({"bert", "gpt"}, None),
        ({"mamba", "gpt"}, "unseen"),
        ({"mamba"}, None),
        ({"new"}, None),
    ]
    straight = keep_family_splits([families for families, _ in rows], [split for _, split in rows])
    backward = keep_family_splits([families for families, _ in rows[::-1]], [split for _, split in rows[::-1]])
    assert straight == backward[::-1]
