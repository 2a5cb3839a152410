"""The subgraphs of every graph: cut, kept once, placed, written."""
