from __future__ import annotations

import platform
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it concerns glibc alone")
def test_the_memory_of_freed_tensors_is_kept():
    code = """
import resource, torch
from younger_hf.cli.memory import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(100, 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(*(faults() for _ in range(20)))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    first, *others = map(int, done.stdout.split())
    # Not all of them: what is small may come to lie where a large one was, and the next large one finds no room there.
    assert sum(faults < first / 10 for faults in others) > len(others) / 2
