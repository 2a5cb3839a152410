"""The process that runs a skeleton and times it: it has a limit on memory, and who started it has one on time.

Standard input is a line of JSON, `{"device", "threads", "passes", "seconds", "memory"}`, and a skeleton; standard
output is JSON, `{"batch", "passes", "median", "spread"}` or `{"outcome", "message"}`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any, Final

PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What ONNX Runtime calls a device."""

_LEAST_PASSES: Final = 3


def main() -> None:
    """Run what stands on standard input."""
    told = json.loads(sys.stdin.buffer.readline())
    skeleton = sys.stdin.buffer.read()
    # Libraries write to it as they please.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        said = _time(skeleton, told)
    except MemoryError:
        said = {"outcome": "out_of_memory", "message": f"more than {told['memory']:,} bytes"}
    except Exception as error:  # whatever stops it is what is to be told
        text = str(error).partition("\n")[0][:500] or type(error).__name__
        is_memory = "bad_alloc" in text or "allocate memory" in text
        said = {"outcome": "out_of_memory" if is_memory else "error", "message": text}
    answer.write(json.dumps(said))
    answer.close()


def _time(skeleton: bytes, told: dict[str, Any]) -> dict[str, Any]:
    import numpy as np
    import onnxruntime

    from younger_hf.interop.onnx import example_inputs, to_onnx

    # After the libraries, which reserve address space.
    with open("/proc/self/statm") as file:  # noqa: PTH123 - no path is made of it
        reserved = int(file.read().split()[0]) * resource.getpagesize()
    if told["device"] == "cpu":  # a GPU's driver reserves more than there is
        resource.setrlimit(resource.RLIMIT_AS, (reserved + told["memory"],) * 2)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads, options.inter_op_num_threads = told["threads"], 1
    content = to_onnx(skeleton, "random").SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=[PROVIDERS[told["device"]]])
    del content
    inputs = example_inputs(skeleton)
    session.run(None, inputs)
    seconds: list[float] = []
    end = time.perf_counter() + told["seconds"]
    while len(seconds) < _LEAST_PASSES or (len(seconds) < told["passes"] and time.perf_counter() < end):
        before = time.perf_counter()
        session.run(None, inputs)
        seconds.append(time.perf_counter() - before)
    low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    first = next((value for value in inputs.values() if getattr(value, "ndim", 0)), None)
    return {
        "batch": None if first is None else int(first.shape[0]),
        "passes": len(seconds),
        "median": float(median),
        "spread": float(high - low),
    }


if __name__ == "__main__":
    main()
