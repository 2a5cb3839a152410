"""transformers' model types, each with every task that one of its classes is for, read from its source text.

A model that generates is also listed by the parts that it is deployed as (`t5/text2text-generation/encoder`).

Importing transformers' models costs many seconds and PyTorch, and a list is all that is wanted here: the tables of
its Auto classes in `transformers/models/auto/modeling_auto.py` say which class a model type has for a task.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# By the Hub's name of a task, or optimum's where the Hub has none: the tables of the Auto classes for it. The first
# that knows a model type has its class.
_TASKS: Final = {
    "audio-classification": ("AUDIO_CLASSIFICATION",),
    "audio-frame-classification": ("AUDIO_FRAME_CLASSIFICATION",),
    "audio-xvector": ("AUDIO_XVECTOR",),
    "automatic-speech-recognition": ("SPEECH_SEQ_2_SEQ", "CTC"),
    "depth-estimation": ("DEPTH_ESTIMATION",),
    "document-question-answering": ("DOCUMENT_QUESTION_ANSWERING",),
    "feature-extraction": ("", "RETRIEVAL"),
    "fill-mask": ("MASKED_LM",),
    "image-classification": ("IMAGE_CLASSIFICATION",),
    "image-segmentation": (
        *("IMAGE_SEGMENTATION", "SEMANTIC_SEGMENTATION"),
        *("INSTANCE_SEGMENTATION", "UNIVERSAL_SEGMENTATION"),
    ),
    "image-text-to-text": ("IMAGE_TEXT_TO_TEXT",),
    "image-to-image": ("IMAGE_TO_IMAGE",),
    "image-to-text": ("VISION_2_SEQ",),
    "keypoint-detection": ("KEYPOINT_DETECTION",),
    "keypoint-matching": ("KEYPOINT_MATCHING",),
    "mask-generation": ("MASK_GENERATION",),
    "masked-im": ("MASKED_IMAGE_MODELING",),
    "multiple-choice": ("MULTIPLE_CHOICE",),
    "next-sentence-prediction": ("NEXT_SENTENCE_PREDICTION",),
    "object-detection": ("OBJECT_DETECTION",),
    "question-answering": ("QUESTION_ANSWERING",),
    "table-question-answering": ("TABLE_QUESTION_ANSWERING",),
    "text-classification": ("SEQUENCE_CLASSIFICATION",),
    "text-generation": ("CAUSAL_LM",),
    "text-to-audio": ("TEXT_TO_SPECTROGRAM", "TEXT_TO_WAVEFORM"),
    "text2text-generation": ("SEQ_TO_SEQ_CAUSAL_LM",),
    "time-series-forecasting": ("TIME_SERIES_PREDICTION",),
    "token-classification": ("TOKEN_CLASSIFICATION",),
    "video-classification": ("VIDEO_CLASSIFICATION",),
    "visual-question-answering": ("VISUAL_QUESTION_ANSWERING",),
    "zero-shot-image-classification": ("ZERO_SHOT_IMAGE_CLASSIFICATION",),
    "zero-shot-object-detection": ("ZERO_SHOT_OBJECT_DETECTION",),
}

# The parts: of a model that encodes and then decodes; and of any that decodes, a step with a cache.
ENCODER: Final = "encoder"
DECODER: Final = "decoder"
DECODER_WITH_PAST: Final = "decoder-with-past"
WITH_PAST: Final = "with-past"

# By the table of the Auto class.
_PARTS: Final = {
    "SEQ_TO_SEQ_CAUSAL_LM": (ENCODER, DECODER, DECODER_WITH_PAST),
    "SPEECH_SEQ_2_SEQ": (ENCODER, DECODER, DECODER_WITH_PAST),
    "CAUSAL_LM": (WITH_PAST,),
}

# What no Auto class knows.
_CLASSES: Final = {
    "patchtsmixer": {"time-series-forecasting": "PatchTSMixerForPrediction"},
    "patchtst": {"time-series-forecasting": "PatchTSTForPrediction"},
    "visual_bert": {"visual-question-answering": "VisualBertForQuestionAnswering"},
    "vitpose": {"keypoint-detection": "VitPoseForPoseEstimation"},
}


def models() -> Iterator[ModelRef]:
    """Every model type with every task of it, sorted by both, and then its parts; all by their default configuration.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    revision = installed("transformers", extra="transformers").version
    in_parts = parts()
    for model_type, classes in architectures().items():
        for task in classes:
            for part in ("", *in_parts.get((model_type, task), ())):
                yield ModelRef(
                    source="transformers",
                    id=model_type,
                    revision=revision,
                    component=f"{task}/{part}" if part else task,
                    library="transformers",
                    task=task,
                    family=model_type,
                    origin="default-configuration",
                )


SOURCE = registry(models, license="apache-2.0")


def architectures() -> dict[str, dict[str, str]]:
    """The name of the class, by model type and task, both sorted.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    tables = _auto_tables()
    found = {model_type: dict(classes) for model_type, classes in _CLASSES.items()}
    for task, names in _TASKS.items():
        for name in names:
            for model_type, architecture in tables[f"MODEL_FOR_{name}" if name else "MODEL"].items():
                found.setdefault(model_type, {}).setdefault(task, architecture)
    return {model_type: dict(sorted(found[model_type].items())) for model_type in sorted(found)}


def parts() -> dict[tuple[str, str], tuple[str, ...]]:
    """The parts that a model type has for a task, where it has any.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    tables = _auto_tables()
    return {
        (model_type, task): _PARTS[name]
        for task, names in _TASKS.items()
        for name in names
        for model_type in (tables[f"MODEL_FOR_{name}"] if name in _PARTS else ())
    }


def _auto_tables() -> dict[str, dict[str, str]]:
    """The tables `MODEL_…_MAPPING_NAMES = OrderedDict([(model type, class or classes), …])`, without that ending."""
    transformers = installed("transformers", extra="transformers")
    source = transformers.directory / "models" / "auto" / "modeling_auto.py"
    tables = {}
    for line in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and isinstance(line.value, ast.Call):
            name, ending, _ = line.targets[0].id.partition("_MAPPING_NAMES")
            if ending:
                pairs = ast.literal_eval(line.value.args[0])
                # Of several classes the first is the Auto class's own default.
                tables[name] = {key: value if isinstance(value, str) else value[0] for key, value in pairs}
    return tables
