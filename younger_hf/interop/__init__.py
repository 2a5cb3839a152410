"""Rows of a release as the objects of other libraries, and back: one module a library."""
