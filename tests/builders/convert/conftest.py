"""What tests of converters share: a model converted by the first exporter of its library."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from builders.convert import Conversion, Request, exporters_for
from builders.convert.isolation import Limits, convert
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef


@pytest.fixture(scope="module")
def converted() -> Iterator[Callable[..., Conversion]]:
    """Convert in children of templates that a module's tests share.

    A published model needs templates of its own: these take the way to the hubs from the environment, which is another
    in each test.
    """
    with Templates() as pool:

        def convert_model(
            model: ModelRef, limits: Limits | None = None, templates: Templates | None = None
        ) -> Conversion:
            request, exporter = Request(model), exporters_for(model)[0]
            if templates or not (exporter.network and model.has_remote_files):
                return convert(request, exporter, limits=limits, templates=templates or pool)
            with Templates() as fresh:
                return convert(request, exporter, limits=limits, templates=fresh)

        yield convert_model
