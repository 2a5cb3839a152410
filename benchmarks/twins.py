"""How many exports of one network by other means have one normal form, against one fingerprint and one optimized model?

    python benchmarks/twins.py [NETWORK ...]

Networks of torchvision, timm, transformers and Keras, each exported by TorchScript and dynamo at several opsets, by
optimum and by tf2onnx where these have them (twin_models.py). A pair is two exports of one network. Beside the normal
form stand the fingerprint of the export itself, and that of what onnxscript's optimizer makes of it. Different networks
that have one normal form are listed.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import onnx
from twin_models import skeletons

from younger_hf import normal_fingerprint
from younger_hf.extract import extract
from younger_hf.identity import fingerprint


def _optimized(path: Path) -> str:
    import onnxscript.optimizer

    try:
        return fingerprint(extract(onnxscript.optimizer.optimize(onnx.load(path))))
    except Exception:  # it reads the values of parameters, which a skeleton has not
        return fingerprint(extract(path))


WAYS = {
    "normal form": normal_fingerprint,
    "fingerprint": lambda path: fingerprint(extract(path)),
    "onnxscript.optimizer, then fingerprint": _optimized,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="which; all if left out")
    found = skeletons(parser.parse_args().networks)
    pairs = {name: [*combinations(sorted(exports), 2)] for name, exports in found.items()}
    total = sum(map(len, pairs.values()))
    print(f"{len(found)} networks, {sum(map(len, found.values()))} exports, {total} pairs")
    for way, function in WAYS.items():
        known = {(name, export): function(path) for name, paths in found.items() for export, path in paths.items()}
        met = {name: [known[name, a] == known[name, b] for a, b in each] for name, each in pairs.items()}
        print(f"{way}: {sum(map(sum, met.values())) / total:.1%} of the pairs meet")
        if way == "normal form":
            for name, each in met.items():
                if not all(each):
                    groups = defaultdict(list)
                    for export in found[name]:
                        groups[known[name, export]].append(export)
                    print(f"  {name}: {' | '.join(map(' '.join, groups.values()))}", file=sys.stderr)
            _print_joined(known)


def _print_joined(known: dict[tuple[str, str], str]) -> None:
    """The networks that share a normal form."""
    names = defaultdict(set)
    for (name, _), normal in known.items():
        names[normal].add(name)
    for joined in names.values():
        if len(joined) > 1:
            print(f"one normal form: {', '.join(sorted(joined))}")


if __name__ == "__main__":
    main()
