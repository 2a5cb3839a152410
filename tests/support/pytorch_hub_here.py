"""The exporter of PyTorch Hub repositories, as tests use it: they come from the server that the model's tag names."""

from __future__ import annotations

from builders.convert import Request, pytorch_hub
from builders.convert.pytorch_hub import export
from builders.crawl import pytorch_hub as crawl

__all__ = ["export", "fetch"]


def fetch(request: Request) -> int:
    (crawl.GITHUB,) = request.model.tags
    return pytorch_hub.fetch(request)
