"""How much faster than to download it is the structure of a published 346 MB file read where it is, and of how much?

    python benchmarks/remote.py

torchvision's vit_b_16 as the TorchScript exporter writes it, on the loopback Hub of the tests. The peer is what one
does without range requests: huggingface_hub's hf_hub_download into an empty cache, then onnx.load. Medians of wall
clock in one process, the two in turn. A loopback has no latency and more bandwidth than any network: the first helps
us, the second the peer. So it is said too how long the reading takes if every answer comes 50 ms late.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path
from time import perf_counter

os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import onnx
from fingerprint import compare
from hub.faults import Fault
from hub.repositories import Repository
from hub.server import Hub, hub
from huggingface_hub import hf_hub_download, hf_hub_url
from real_models import onnx_file

from younger_hf.extract import read_structure

REPOSITORY, LATENCY = "org/vit", 0.05


def ours(served: Hub, name: str) -> onnx.ModelProto:
    return read_structure(hf_hub_url(REPOSITORY, name, endpoint=served.endpoint))


def theirs(served: Hub, name: str) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as cache:
        return onnx.load(hf_hub_download(REPOSITORY, name, endpoint=served.endpoint, cache_dir=cache, token=False))


def main() -> None:
    warnings.simplefilter("ignore", UserWarning)
    file = onnx_file("vit_b_16")
    repository = Repository(REPOSITORY)
    repository.commit({file.name: file})
    with hub(repository) as served:
        assert len(ours(served, file.name).graph.node) == len(theirs(served, file.name).graph.node)
        mine, peer = compare(lambda: ours(served, file.name), lambda: theirs(served, file.name), 5)
        served.log.clear()
        served.faults.add("*", Fault(stall=LATENCY), times=10_000)
        start = perf_counter()
        ours(served, file.name)
        late = perf_counter() - start
        requests, share = len(served.log), served.sent() / file.stat().st_size
    print(
        f"read_structure of a published vit_b_16 ({file.stat().st_size / 1e6:.0f} MB): {peer / mine:.1f} times as fast "
        f"as hf_hub_download and onnx.load ({mine:.2f} s against {peer:.2f} s), with {share:.2%} of the bytes in "
        f"{requests} requests; {late:.1f} s if each of these is answered {LATENCY * 1e3:.0f} ms late"
    )


if __name__ == "__main__":
    main()
