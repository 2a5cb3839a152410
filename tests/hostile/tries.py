"""What a hostile model may try, and the ends that are allowed: one table for the test and for `make hostile`."""

from __future__ import annotations

from dataclasses import dataclass

ENDED = ("crashed", "out_of_memory", "timeout", "too_large", "invalid_onnx", "error", "unsupported")


@dataclass(frozen=True)
class Try:
    """One attack.

    Attributes:
        what: in words.
        behaviour: of `hostile.py`, with its argument.
        ends: outcomes that are allowed.
        step: the step in which it is tried.
        slow: whether it takes a limit of time or memory to end it.
        walls: whether it is only held where the system allows namespaces.
        code: whether the child is told to be a publisher's.
    """

    what: str
    behaviour: str
    ends: tuple[str, ...] = ENDED
    step: str = "export"
    slow: bool = False
    walls: bool = False
    code: bool = False


TRIES = (
    Try("loop for ever", "loop", ("timeout",), slow=True),
    Try("loop in C, deaf to signals", "loop_in_c", ("timeout",), slow=True),
    Try("loop while fetching", "fetch-loop", ("timeout",), "fetch", slow=True),
    Try("allocate for ever", "allocate", ("out_of_memory",), slow=True),
    Try("allocate small objects", "allocate_small", ("out_of_memory",), slow=True),
    Try("allocate in many processes", "allocate_in_children", ("out_of_memory",), slow=True),
    Try("allocate in unlinked files", "allocate_in_files:.", ("out_of_memory",), slow=True, walls=True),
    Try("allocate page tables", "allocate_page_tables", ("out_of_memory",), slow=True),
    Try("allocate while fetching", "fetch-allocate", ("out_of_memory",), "fetch", slow=True),
    Try("fill /dev/shm", "fill_shared_memory", ("error", "out_of_memory"), walls=True),
    Try("ask for memory that nobody sees", "hidden_memory", ("unsupported",), walls=True),
    Try("keep data in sockets", "fill_sockets", ("out_of_memory",), walls=True),
    Try("a fork bomb", "fork_bomb", ("crashed", "out_of_memory"), slow=True),
    Try("leave a process behind", "escape:hostile-suite", ("ok",)),
    Try("leave a process behind and crash", "escape_and_crash:hostile-suite", ("crashed",)),
    Try("crash by a null pointer", "segfault", ("crashed",)),
    Try("abort", "abort", ("crashed",)),
    Try("leave without an answer", "leave", ("crashed",)),
    Try("be killed by a child of its own", "killed_by_a_child", ("crashed",)),
    Try("kill its parent", "kill_parent", ("ok", "crashed")),
    Try("close every descriptor", "close_all", ("crashed",)),
    Try("print a gigabyte", f"shout:{1 << 30}", ("error",)),
    Try("nest 3,000 directories", "nest:3000", ("ok",), walls=True),
    Try("nest 3,000 directories while fetching", "fetch-nest:3000", ("error", "crashed", "ok"), "fetch"),
    Try("make files for ever", "litter:1000000", ("error", "crashed")),
    Try("answer with noise", "forge", ("crashed",)),
    Try("answer with a header of 60,000 brackets", "forge_header:" + "[" * 60_000, ("crashed",)),
    Try("announce 4 EiB", f"announce:{1 << 62}", ("too_large",)),
    Try("answer without end", "flood", ("crashed", "too_large")),
    Try("answer with a skeleton of junk", "answer_with:6a756e6b", ("invalid_onnx",)),
    Try("answer with an empty skeleton", "answer_with:", ("invalid_onnx",)),
    Try("answer with text in a name", "hide_text", ("invalid_onnx",)),
    Try("answer with a tree of junk", "junk_tree", ("invalid_onnx",)),
    Try("read tokens and the driver's memory", "tokens:{driver}|{secret}", ("unsupported",), walls=True),
    Try("read them while fetching", "fetch-tokens:{driver}|{secret}", ("unsupported",), "fetch", walls=True),
    Try("connect to this machine", "connect:{port}", ("error",), walls=True),
    Try("connect to a socket without a file", "connect_abstract:{socket}", ("error",), walls=True),
    Try("connect to it while fetching", "fetch-connect_abstract:{socket}", ("error",), "fetch", walls=True),
    Try("write elsewhere", "write:{secret}", ("error",), walls=True),
    Try("undo the walls", "regain", ("unsupported",), walls=True),
    Try("go through sockets, namespaces, keyrings, devices", "doors", ("unsupported",), walls=True),
    Try("raise its limits", "raise_limits", ("unsupported",)),
    Try("a publisher's code, harmless", "behave", ("ok",), code=True, walls=True),
)
