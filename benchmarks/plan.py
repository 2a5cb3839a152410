"""How long does it take to plan a hub of fine-tunes, and how many conversions come out?

    python benchmarks/plan.py [FINE-TUNES] [CONFIGURATIONS]

A hub of 100,000 fine-tunes of 400 configurations, each with a name, labels and training fields of its own, is crawled
into a ledger and planned. The peer is json.loads of the same configurations and nothing else.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

from builders.crawl import SOURCES, Page, Query, Source
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from builders.pipeline import crawl

PAGE = 1000


def configurations(number: int) -> list[dict[str, object]]:
    """So many that differ in what counts, in the shape of BERT's."""
    return [
        {
            "architectures": ["BertForSequenceClassification"],
            "attention_probs_dropout_prob": 0.1,
            "hidden_act": "gelu",
            "hidden_size": 64 * (1 + index % 20),
            "intermediate_size": 3072,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": 512,
            "model_type": "bert",
            "num_attention_heads": 8,
            "num_hidden_layers": 1 + index // 20,
            "pad_token_id": 0,
            "type_vocab_size": 2,
            "vocab_size": 30522,
        }
        for index in range(number)
    ]


def fine_tunes(number: int, bases: list[dict[str, object]]) -> Iterator[ModelRef]:
    """Models that differ from one of the bases in nothing that an operator depends on."""
    chance = random.Random(0)
    for index in range(number):
        name = f"user{chance.randrange(10_000)}/model-{index}"
        labels = {str(label): f"label {chance.random()}" for label in range(3)}
        own = {
            "_name_or_path": name,
            "transformers_version": f"4.{chance.randrange(60)}.0",
            "torch_dtype": chance.choice(["float32", "float16", "bfloat16"]),
            "hidden_dropout_prob": round(chance.random() / 2, 3),
            "problem_type": chance.choice([None, "single_label_classification"]),
            "id2label": labels,
            "label2id": {text: int(label) for label, text in labels.items()},
        }
        yield ModelRef(
            source="hub",
            id=name,
            revision=f"{chance.getrandbits(160):040x}",
            library="transformers",
            task="text-classification",
            tags=("transformers", "pytorch", "bert", "text-classification", "region:us"),
            downloads=chance.randrange(1000),
            retrieved="2026-11-24",
            config=json.dumps({**bases[index % len(bases)], **own}, indent=2),
        )


def main(number: int = 100_000, configurations_: int = 400) -> None:
    """Crawl, plan, compare."""
    bases = configurations(configurations_)

    def source(_: Query) -> Iterator[Page]:
        models: list[ModelRef] = []
        for index, model in enumerate(fine_tunes(number, bases), 1):
            models.append(model)
            if len(models) == PAGE or index == number:
                yield Page(tuple(models), str(index) if index < number else "")
                models = []

    SOURCES.built_in["hub"] = Source(source)
    busy = process_time()
    for model in fine_tunes(number, bases):
        json.loads(model.config)
    peer = process_time() - busy
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as work, Ledger(Path(work)) as ledger:
        started, busy = perf_counter(), process_time()
        crawl(ledger, "hub")
        crawled = perf_counter() - started
        started = perf_counter()
        conversions = ledger.unconverted(["hub"])
        planned, busy = perf_counter() - started, process_time() - busy
        size = ledger.path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{number:,} fine-tunes of {configurations_:,} configurations: {len(conversions):,} conversions planned")
    print(f"crawled into the ledger in {crawled:.1f} s, planned in {planned:.2f} s; ledger {size / 2**20:.0f} MiB")
    print(f"peak memory {peak / 1024:.0f} MiB, of which {(peak - before) / 1024:.0f} MiB came with it")
    print(f"{busy / peer:.1f} times the processor time of making the configurations and json.loads alone")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
