"""`python -m younger_hf` is the `younger-hf` command."""

from younger_hf.cli import main

main()
