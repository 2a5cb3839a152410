"""Pictures, as PNGs: `preview` of one graph, `release` of a dataset, `embedding` of vectors; and their `style`."""
