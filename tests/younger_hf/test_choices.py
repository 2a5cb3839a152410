"""What is said of a name that does not exist."""

from __future__ import annotations

import pytest

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError


def test_a_name_that_exists_passes():
    check_choice("operator", "Conv", ["Relu", "Conv"])


@pytest.mark.parametrize("name", ["Convv", "conv", "CONV"])
def test_the_nearest_names_are_given_whatever_their_case(name):
    with pytest.raises(UsageError, match=rf"^no operator '{name}': did you mean Conv( or \w+)*\?$"):
        check_choice("operator", name, ["Relu", "Conv", "ConvTranspose", "MaxPool"])


def test_the_first_names_are_given_where_none_is_near():
    with pytest.raises(UsageError, match=r"^no task 'x': there is translation, summarization$"):
        check_choice("task", "x", ["translation", "summarization"])
    with pytest.raises(UsageError, match=r": there is family0, .*, family19 and 980 more$"):
        check_choice("family", "x", [f"family{i}" for i in range(1000)])
    with pytest.raises(UsageError, match=r"^no license 'mit': there is none at all$"):
        check_choice("license", "mit", [])
