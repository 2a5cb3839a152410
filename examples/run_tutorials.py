"""Run the notebooks of docs/tutorials/ on the release in younger/, and keep what they show.

    python examples/run_tutorials.py [NAME…]

Each runs in an empty directory but for `younger`; without names all run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"


def run(notebook: Path) -> None:
    """Run a notebook, and write what it shows into it."""
    content = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "younger").symlink_to(ROOT / "younger")
        where = {"metadata": {"path": directory}}
        client = NotebookClient(content, timeout=1800, record_timing=False, coalesce_streams=True, resources=where)
        client.execute()
    content.metadata["language_info"] = {"name": "python"}  # the version is that of this machine
    nbformat.write(content, notebook)


def main() -> None:
    """Run those that are named, or all."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found,ignore::FutureWarning"  # what libraries say
    chosen = [TUTORIALS / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(TUTORIALS.glob("*.ipynb"))
    for notebook in chosen:
        run(notebook)
        print(f"ran {notebook.relative_to(ROOT)}", flush=True)


if __name__ == "__main__":
    main()
