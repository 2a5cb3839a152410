"""Checks in environments of their own, with what is installed there and no more.

`nox -s compat` has one for each generation of datasets and huggingface_hub but that of the development environment,
which transformers and optimum-onnx hold. A user of the library alone gets the newest of both, and one of loading
scripts an old `datasets`. What loads a release or talks to the Hub is tested with each, without a framework.

`nox -s wheel` has one for each extra: the wheel is installed with it alone, and does what the extra promises.

`nox -s versions` assembles one ledger with every Python and with the oldest and newest libraries, and compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from shutil import rmtree

import nox

# uv makes an environment of what is cached in seconds; what it lacks of pip (its settings) is not needed here.
nox.options.default_venv_backend = "uv|venv"
nox.options.error_on_missing_interpreters = True

RELEASES = (
    "tests/compat",
    "tests/loading_script",
    "tests/younger_hf/test_builder.py",
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
    "3.6": (["datasets==3.6.*", "huggingface_hub<1"], RELEASES),
    "newest": (["datasets", "huggingface_hub>=2"], RELEASES + HUB),
}

# By extra, what tests its promise. The frameworks come after what all of them need.
EXTRAS = {
    "build": "test_build.py",
    "base": "test_base.py",
    "inspect": "test_inspect.py",
    "networkx": "test_networkx.py",
    "plots": "test_plots.py",
    "explore": "test_explore.py",
    "evaluate": "test_evaluate.py",
    "pyg": "test_pyg.py",
    "train": "test_train.py",
    "torchvision": "test_build.py",
    "timm": "test_build.py",
}

OLDEST = ("onnx==1.19.*", "numpy==1.26.*", "numba==0.60.*", "pyarrow==21.*")
MADE_WITH = {
    "oldest-3.10": ("3.10", OLDEST),
    "newest-3.11": ("3.11", ()),
    "oldest-3.12": ("3.12", OLDEST),
    "newest-3.13": ("3.13", ()),
}


@nox.session
@nox.parametrize("name", list(VERSIONS), ids=list(VERSIONS))
def compat(session: nox.Session, name: str) -> None:
    """What loads a release or talks to the Hub, with one generation of both; all read what the first has built."""
    versions, tests = VERSIONS[name]
    session.install(".[build]", *versions, "hypothesis>=6.100", "pytest>=8", "pytest-xdist>=3.6")
    zoo = build_zoo(session, anew=name == next(iter(VERSIONS)))
    session.run("python", "-m", "pytest", "-q", "-n", "2", *(session.posargs or tests), env={"YOUNGER_ZOO": str(zoo)})


@nox.session
@nox.parametrize("extra", list(EXTRAS), ids=list(EXTRAS))
def wheel(session: nox.Session, extra: str) -> None:
    """The wheel with one extra alone, away from the repository; all read what the first has built.

    Nothing is shared with the environment that nox runs in. PyTorch and its CUDA libraries are gigabytes, which uv
    fetches once and links from its cache.
    """
    here, built = Path.cwd(), Path(session.cache_dir, "wheel").absolute()
    rmtree(built, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--wheel", "--out-dir", str(built), external=True)
    (file,) = built.glob("*.whl")
    session.install(f"{file}[{extra}]" if extra != "base" else str(file), "hypothesis>=6.100", "pytest>=8")
    zoo = build_zoo(session, anew=True) if extra == "build" else Path(session.cache_dir, "zoo").absolute()
    session.chdir(session.create_tmp())
    session.run(
        *("pytest", "-q", "-p", "no:cacheprovider", "-c", str(here / "pyproject.toml"), "--rootdir", str(here)),
        *(session.posargs or [str(here / "tests" / "wheel" / EXTRAS[extra])]),
        env={"YOUNGER_ZOO": str(zoo), "YOUNGER_EXTRA": extra, "PYTHONPATH": None},
    )


@nox.session
@nox.parametrize("python,name", [(python, name) for name, (python, _) in MADE_WITH.items()], ids=list(MADE_WITH))
def versions(session: nox.Session, name: str) -> None:
    """One ledger, assembled by one Python and one set of libraries, is the release that the first has made of it."""
    is_first = name == next(iter(MADE_WITH))
    session.install(".[build]", *MADE_WITH[name][1])
    zoo = build_zoo(session, anew=is_first)
    output = Path(session.create_tmp(), "younger").absolute()
    rmtree(output, ignore_errors=True)
    told = Path(session.create_tmp(), "told.json").absolute()
    session.run("python", "tests/determinism/assemble.py", str(zoo / "work"), str(output), str(told))
    made = json.loads(told.read_text())
    reference = Path(session.cache_dir, "made.json")
    if is_first:
        reference.write_text(json.dumps(made))
    first = json.loads(reference.read_text())
    others = [file for file in first["bytes"] if made["bytes"].get(file) != first["bytes"][file]]
    session.log(f"Python {made['python']}, {made['versions']}: {len(others)} of {len(first['bytes'])} files differ")
    if made["rows"] != first["rows"]:
        differ = [config for config in first["rows"] if made["rows"].get(config) != first["rows"][config]]
        session.error(f"rows differ in {', '.join(differ)}")


def build_zoo(session: nox.Session, anew: bool) -> Path:
    """A release of the onnx package's models, for all environments; built by one that has [build]."""
    zoo = Path(session.cache_dir, "zoo").absolute()
    if anew or not zoo.exists():
        rmtree(zoo, ignore_errors=True)
        session.run(
            *("younger-hf", "build", "--source", "onnx-package"),
            *("--work", str(zoo / "work"), "--output", str(zoo / "younger")),
        )
    return zoo
