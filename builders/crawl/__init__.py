"""Crawl: what models a source has. A specification goes in, `ModelRef` come out; no weight is fetched.

A source is a module here with a `SOURCE`, and a line in the table of `sources`; or a module of another package, and an
entry point `younger_hf.sources` of it. The module lists the models and, for a hub, says how their files are had. A
registry is one page; a hub has many, and its crawl goes on from the cursor of the last one that was recorded.
"""

from builders.crawl.files import Files
from builders.crawl.source import Page, Query, Source, registry
from builders.crawl.sources import SOURCES, check_spec, list_models, list_pages

__all__ = ["SOURCES", "Files", "Page", "Query", "Source", "check_spec", "list_models", "list_pages", "registry"]
