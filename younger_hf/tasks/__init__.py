"""Evaluation: the labels of each task, its metrics, and files of predictions that anyone can score.

Everything here is NumPy and Arrow: scoring needs no PyTorch. How one trains for a task is in `younger_hf.recipes`.
"""
