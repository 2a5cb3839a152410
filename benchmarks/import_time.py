"""What `import younger_hf` costs beyond `import datasets`, and what `from younger_hf import load` does.

    python benchmarks/import_time.py

Each is imported in its own fresh interpreter, in turn, several times; prints the best of each in seconds.
"""

from __future__ import annotations

import subprocess
import sys

REPEATS = 5
STATEMENTS = ("pass", "import datasets", "import younger_hf", "from younger_hf import load")


def seconds(statement: str) -> float:
    code = f"import time; start = time.perf_counter(); {statement}\nprint(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


def main() -> None:
    times = [[seconds(statement) for statement in STATEMENTS] for _ in range(REPEATS)]
    best = {statement: min(column) for statement, column in zip(STATEMENTS, zip(*times, strict=True), strict=True)}
    for statement, time in best.items():
        print(f"{statement:30} {time:.3f} s")
    beyond = best["from younger_hf import load"] - best["import datasets"]
    print(
        f"import younger_hf: {best['import younger_hf']:.3f} s; with load, {beyond:.3f} s beyond datasets (at most 0.3)"
    )


if __name__ == "__main__":
    main()
