"""Functions that numba compiles as soon as there is enough to do: `compiled`, and `runs_compiled`, which says how much.

Importing numba takes longer than Python takes over a network of some hundred nodes. So what is marked `compiled` is
plain Python until somebody has more to do, and compiled from then on. Both give the same to the bit: in Python the
integers are NumPy's, which wrap around as a processor's do (`wrapping` keeps NumPy from warning of it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property, update_wrapper
from importlib import import_module
from importlib.util import find_spec
from types import FunctionType
from typing import Any, Final, TypeVar, cast

import numpy as np

from younger_hf.errors import MissingExtraError

INTERPRETED: Final = 1 << 14
"""Steps (a node, an edge) that Python takes a fifth of a second for: importing numba takes longer."""

if find_spec("numba") is None:  # missed at once, and by name
    raise MissingExtraError("numba", "inspect")

_Function = TypeVar("_Function", bound=Callable[..., Any])

_steps = 0
_is_started = False
_without_scipy = False


def compiled(function: _Function) -> _Function:
    """Have numba compile a function, and keep that on the disk."""
    return cast(_Function, Compiled(cast(FunctionType, function)))


def inlined(function: _Function) -> _Function:
    """As `compiled`, for a function so small that it is to be part of those that call it."""
    return cast(_Function, Compiled(cast(FunctionType, function), inline="always"))


def runs_compiled(steps: int) -> bool:
    """Whether what is marked `compiled` is compiled when it is called next; asking adds the steps to those so far."""
    global _steps, _is_started
    _steps += steps
    if not _is_started and (_steps > INTERPRETED or sys.modules.get("numba") is not None):
        _import_numba()
        _is_started = True
    return _is_started


def wrapping() -> np.errstate:
    """The context in which compiled functions are called that may not be compiled yet."""
    return np.errstate(over="ignore")


def leave_out_scipy() -> None:
    """For a process that is all ours, as a command is: numba is imported without scipy.linalg.

    It takes as long as numba itself, and is there to compile products of matrices, of which there are none here.
    """
    global _without_scipy
    _without_scipy = True


def _import_numba() -> None:
    if not _without_scipy or "scipy" in sys.modules:
        import_module("numba")
        return
    sys.modules["scipy"] = None  # type: ignore[assignment]
    try:
        import_module("numba.np.arraymath")
    finally:
        del sys.modules["scipy"]


class Compiled:
    """A function that is Python first and compiled later."""

    def __init__(self, function: FunctionType, **options: Any) -> None:
        self._function = function
        self._options = options
        update_wrapper(self, function)

    def __call__(self, *given: Any) -> Any:
        """The function's result."""
        return self.dispatcher(*given) if _is_started else self._function(*given)

    @cached_property
    def dispatcher(self) -> Any:
        """What numba makes of the function: the same code, calling what numba makes of the others."""
        from numba import njit

        code, seen = self._function.__code__, self._function.__globals__
        names = {name: _for_numba(seen[name]) for name in code.co_names if name in seen}
        names["__builtins__"] = seen["__builtins__"]
        function = FunctionType(code, names, self._function.__name__, self._function.__defaults__)
        return njit(cache=True, **self._options)(update_wrapper(function, self._function))


def _for_numba(value: Any) -> Any:
    return value.dispatcher if isinstance(value, Compiled) else value
