"""`pip install 'younger-hf[train]'`: train a baseline, evaluate it, draw what it has learned."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(("task", "scheme"), [("operator", "paper"), ("dataflow", "family")])
def test_a_baseline_is_trained_evaluated_and_embedded(younger_hf_command, release, tmp_path, task, scheme):
    quick = "--model gcn --epochs 1 --device cpu --run mine".split()
    for arguments in (
        ["train", task, "--release", release, "--split-scheme", scheme, *quick],
        ["evaluate", "mine"],
        ["embed", "mine", "--level", "node", "--output", "vectors"],
    ):
        done = younger_hf_command(*arguments)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "vectors" / "node-embeddings.png").exists()
