"""The files of a release: the columns of each row, Parquet, and the swap of a whole directory."""
