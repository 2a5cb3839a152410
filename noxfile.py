"""Checks in environments of their own: `nox -s compat` has one for each generation of datasets and huggingface_hub.

The development environment has the versions that transformers and optimum-onnx hold; a user of the library alone gets
the newest of both, and one of loading scripts an old `datasets`. What loads a release or talks to the Hub is tested
with all of them, without a framework.
"""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import nox

# uv makes an environment of what is cached in seconds; what it lacks of pip (its settings) is not needed here.
nox.options.default_venv_backend = "uv|venv"
nox.options.error_on_missing_interpreters = True

RELEASES = (
    "tests/compat",
    "tests/loading_script",
    "tests/younger_hf/test_hub.py",
    "tests/younger_hf/test_release_diff.py",
    "tests/builders/publish",
)
HUB = (
    "tests/hub/test_server.py",
    "tests/hub/test_writing.py",
    "tests/builders/crawl/test_huggingface.py",
    "tests/builders/crawl/test_contributions.py",
    "tests/builders/crawl/test_onnx_model_zoo.py",
    "tests/younger_hf/extract/test_ranges.py",
)
VERSIONS = {
    "5.0": (["datasets==5.0.*", "huggingface_hub==0.36.*"], RELEASES + HUB),
    "3.6": (["datasets==3.6.*", "huggingface_hub<1"], RELEASES),
    "newest": (["datasets", "huggingface_hub>=2"], RELEASES + HUB),
}


@nox.session
@nox.parametrize("name", list(VERSIONS), ids=list(VERSIONS))
def compat(session: nox.Session, name: str) -> None:
    """What loads a release or talks to the Hub, with one generation of both; all read what the first has built."""
    versions, tests = VERSIONS[name]
    session.install(".[build]", *versions, "hypothesis>=6.100", "pytest>=8", "pytest-xdist>=3.6")
    zoo = Path(session.cache_dir, "zoo").absolute()
    if name == next(iter(VERSIONS)) or not zoo.exists():
        rmtree(zoo, ignore_errors=True)
        session.run(
            *("younger-hf", "build", "--source", "onnx-package"),
            *("--work", str(zoo / "work"), "--output", str(zoo / "younger")),
        )
    session.run("python", "-m", "pytest", "-q", "-n", "2", *(session.posargs or tests), env={"YOUNGER_ZOO": str(zoo)})
