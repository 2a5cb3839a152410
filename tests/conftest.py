"""Settings that hold for every test, and the release that tests of several folders load."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings
from support.shared import made_once
from support.zoo import build_zoo

# Both Triton, which PyTorch loads when it traces, and TensorFlow hold an LLVM: a process that has loaded TensorFlow
# first ends when it loads the other.
with suppress(ImportError):
    import_module("triton")

# A job in the background of a shell ignores Ctrl-C, and so would its children; tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Compiling on first use and busy machines make single examples slow; a run must not depend on luck.
settings.register_profile("younger", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("younger")


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small release, `younger`, and the ledger that it is made of, `work`."""
    return made_once(tmp_path_factory, "zoo", build_zoo)


@pytest.fixture(scope="session", autouse=True)
def memory_is_given_back() -> Iterator[None]:
    """A command that keeps freed memory does so for its whole process, which here goes on with other tests.

    For the session, since fixtures of modules train as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("younger_hf.cli.train"), "keep_freed_memory", lambda: None)
        yield
