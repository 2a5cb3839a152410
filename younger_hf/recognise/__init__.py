"""Recognise: the same network whatever exported it."""

from younger_hf.recognise.normal import normal_fingerprint, normal_graph, normalize

__all__ = ["normal_fingerprint", "normal_graph", "normalize"]
