"""Which split a row belongs to, and what leaks between splits."""
