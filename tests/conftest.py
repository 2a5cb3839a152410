"""Settings that hold for every test."""

from __future__ import annotations

from hypothesis import settings

# Compiling on first use and busy machines make single examples slow; a run must not depend on luck.
settings.register_profile("younger", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("younger")
