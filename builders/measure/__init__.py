"""Measure: what is known of a skeleton, once and for all: its graph, its identities, its counts, its picture."""
