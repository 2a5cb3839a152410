"""transformers' model types and tasks, as its source text tells them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from builders.crawl import list_models
from builders.crawl.transformers import architectures
from younger_hf.errors import UsageError


@pytest.fixture(scope="module")
def listed():
    return list(list_models("transformers"))


def test_every_model_type_is_listed_with_every_task(listed):
    tasks = [model.task for model in listed if model.id == "bert" and "/" not in model.component]
    assert tasks == sorted(tasks)
    assert {"feature-extraction", "fill-mask", "question-answering", "text-generation"} <= set(tasks)
    assert len(listed) > 1_000
    assert len({model.id for model in listed}) > 400
    assert max(Counter((model.id, model.component) for model in listed).values()) == 1


def test_what_generates_is_listed_in_its_parts_too(listed):
    found = {
        model_type: [model.component for model in listed if model.id == model_type and "/" in model.component]
        for model_type in ("t5", "whisper", "llama", "vit")
    }
    assert found == {
        "t5": [f"text2text-generation/{part}" for part in ("encoder", "decoder", "decoder-with-past")],
        "whisper": [
            *(f"automatic-speech-recognition/{part}" for part in ("encoder", "decoder", "decoder-with-past")),
            "text-generation/with-past",
        ],
        "llama": ["text-generation/with-past"],
        "vit": [],
    }


def test_a_model_is_the_default_configuration_of_its_type(listed):
    model = next(model for model in listed if (model.id, model.task) == ("whisper", "automatic-speech-recognition"))
    assert (model.library, model.family, model.component) == ("transformers", "whisper", model.task)
    assert (model.origin, model.config) == ("default-configuration", "")
    assert model.revision.startswith("4.")


def test_a_type_or_one_of_its_tasks_can_be_chosen():
    assert {model.id for model in list_models("transformers:vit,gpt2")} == {"vit", "gpt2"}
    (chosen,) = list_models("transformers:vit/image-classification")
    assert (chosen.id, chosen.task) == ("vit", "image-classification")
    with pytest.raises(UsageError, match=r"did you mean .*bert/fill-mask"):
        list(list_models("transformers:bert/fill-mas"))


def test_the_classes_are_those_of_the_auto_classes():
    assert architectures()["bert"]["fill-mask"] == "BertForMaskedLM"
    assert architectures()["whisper"]["automatic-speech-recognition"] == "WhisperForConditionalGeneration"
    assert architectures()["wav2vec2"]["automatic-speech-recognition"] == "Wav2Vec2ForCTC"
    assert architectures()["detr"]["image-segmentation"] == "DetrForSegmentation"
    assert architectures()["funnel"]["feature-extraction"] == "FunnelModel"  # one of two
    assert architectures()["vitpose"]["keypoint-detection"] == "VitPoseForPoseEstimation"


def test_listing_imports_neither_transformers_nor_torch():
    code = (
        "import sys; from builders.crawl import list_models; assert list(list_models('transformers'))\n"
        "print(sorted({'torch', 'transformers', 'optimum'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
