"""Checks in environments of their own: `nox` runs them all, `nox -s compat` the two generations of huggingface_hub.

The development environment has the older one, which transformers and optimum-onnx hold; a user of the library alone
gets the newer. What talks to the Hub is tested with both, without a framework.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True

TESTS = (
    "tests/hub/test_server.py",
    "tests/crawl/test_huggingface.py",
    "tests/crawl/test_onnx_model_zoo.py",
    "tests/extract/test_ranges.py",
    "tests/library/test_hub.py",
)


@nox.session
@nox.parametrize("requirement", ["huggingface_hub>=0.36,<1", "huggingface_hub>=2"], ids=["0.36", "2"])
def compat(session: nox.Session, requirement: str) -> None:
    """The crawl of the Hub, and a release on it, with one generation of its client."""
    session.install(".[build]", requirement, "hypothesis>=6.100", "pytest>=8")
    session.run("python", "-m", "pytest", "-q", *(session.posargs or TESTS))
