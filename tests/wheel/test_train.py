"""`pip install 'younger-hf[train]'`: train a baseline, evaluate it, draw what it has learned."""

from __future__ import annotations


def test_a_baseline_is_trained_evaluated_and_embedded(younger_hf_command, release, tmp_path):
    quick = "--model gcn --epochs 1 --device cpu --run mine".split()
    for arguments in (
        ["train", "operator", "--release", release, "--split-scheme", "paper", *quick],
        ["evaluate", "mine"],
        ["embed", "mine", "--level", "node", "--output", "vectors"],
    ):
        done = younger_hf_command(*arguments)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "vectors" / "node-embeddings.png").exists()
