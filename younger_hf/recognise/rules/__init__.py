"""The rules of the normal form, one module a group; `table` lists them in order of precedence."""
