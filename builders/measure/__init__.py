"""Measure: what is known of a skeleton, once and for all.

facts           its graph, its identities, its counts, its picture
cut             the subgraphs of its graph: communities with their boundaries
spool           what was measured, set aside on disk

A process that measures imports this package and nothing of `builders.assemble`.
"""
