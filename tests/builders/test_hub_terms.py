"""Licences and tasks in the Hub's words: what is meant is found, and what is misspelt gets the nearest."""

from __future__ import annotations

import pytest

from builders.hub_terms import check_license, check_task
from younger_hf.errors import UsageError


@pytest.mark.parametrize(
    ("said", "license_id"),
    [
        ("mit", "mit"),
        ("Apache-2.0", "apache-2.0"),
        ("OpenRAIL", "openrail"),
        ("GPL-3.0-only", "gpl-3.0-only"),
        ("", ""),
    ],
)
def test_a_licence_of_the_hub_or_of_spdx_is_known(said: str, license_id: str) -> None:
    assert check_license(said) == license_id


@pytest.mark.parametrize(
    ("said", "near"), [("apache2", "apache-2.0"), ("bsd3-clause", "bsd-3-clause"), ("mitt", "mit")]
)
def test_a_misspelt_licence_gets_the_nearest(said: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*{near}"):
        check_license(said)


def test_a_task_is_one_of_the_hub() -> None:
    assert check_task("Image-Classification") == "image-classification"
    assert check_task("") == ""
    with pytest.raises(UsageError, match="no task of the Hub 'image-clasification': did you mean image-classification"):
        check_task("image-clasification")
