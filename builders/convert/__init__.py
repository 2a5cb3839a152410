"""Convert: a `Request` goes in, a `Conversion` comes out, which holds the model's skeleton or says why not.

A converter is a module here with `export(request) -> Export`, and a line in the table of `converters`; or a module of
another package, and an entry point `younger_hf.converters` of it. A module that needs files of a hub has besides
`fetch(request) -> int`, which puts them into `request.files` and says how many bytes came. Both run in child processes,
and only `fetch` in one that has a network: `isolation` starts and watches them.
"""

from builders.convert.conversion import Conversion, ConversionError, Export, Outcome, Request
from builders.convert.converters import CONVERTERS, Converter, Exporter, exporters_for

__all__ = [
    "CONVERTERS",
    "Conversion",
    "ConversionError",
    "Converter",
    "Export",
    "Exporter",
    "Outcome",
    "Request",
    "exporters_for",
]
