"""Younger as a loading script for `datasets` 3, which later versions do not run.

    load_dataset("loading_script/younger.py", "graphs", data_dir="younger", trust_remote_code=True)

The class is `younger_hf.builder.Younger`, which any version of `datasets` can use. A release needs no script
(`load_dataset("younger", "graphs")` reads it), and this file must not be on the Hub: `datasets` refuses a repository
that has it.
"""

from younger_hf.builder import Younger

__all__ = ["Younger"]
