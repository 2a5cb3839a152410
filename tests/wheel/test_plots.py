"""`pip install 'younger-hf[plots]'`: figures of a release, and of an embedding."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image

from younger_hf.plots.embedding import scatter_graphs


def test_the_command_draws_a_release(younger_hf_command, release, tmp_path):
    done = younger_hf_command("stats", release, "--output", "figures")
    assert done.returncode == 0
    assert "no figures" not in done.stderr
    figures = sorted((tmp_path / "figures").glob("*.png"))
    assert figures
    for figure in figures:
        PIL.Image.open(figure).verify()


def test_an_embedding_is_drawn():
    vectors = np.random.default_rng(0).normal(size=(12, 3))
    PIL.Image.open(io.BytesIO(scatter_graphs(vectors, ["resnet", "vit"] * 6))).verify()
