"""The subgraphs of every graph: kept once, placed."""
