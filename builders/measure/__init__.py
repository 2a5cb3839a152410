"""Measure: what is known of a skeleton, once and for all.

facts           its graph, its identities, its counts, its picture
cut             the subgraphs of its graph: communities with their boundaries
blocks          the subgraphs of its modules, with the slots by which they are wired in
spool           what was measured, set aside on disk

A process that measures imports this package and nothing of `builders.assemble`.
"""
