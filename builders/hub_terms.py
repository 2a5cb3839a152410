"""Licences and tasks as the Hugging Face Hub names them: what a contributor says is held against them.

In goes what somebody typed; out comes the Hub's own spelling, or an error with the nearest names.
The lists are those of https://huggingface.co/docs/hub/repositories-licenses and https://huggingface.co/tasks.
"""

from __future__ import annotations

from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from younger_hf.choices import check_choice

LICENSES: Final = tuple(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 apple-amlr apple-ascl artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl
    gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl mpl-2.0 odc-by odbl
    openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown
    other
    """.split()
)

TASKS: Final = tuple(
    """
    any-to-any audio-classification audio-text-to-text audio-to-audio automatic-speech-recognition depth-estimation
    document-question-answering feature-extraction fill-mask graph-ml image-classification image-feature-extraction
    image-segmentation image-text-to-image image-text-to-text image-text-to-video image-to-3d image-to-image
    image-to-text image-to-video keypoint-detection keypoint-matching mask-generation multiple-choice object-detection
    question-answering reinforcement-learning robotics sentence-similarity summarization tabular-classification
    tabular-regression table-question-answering table-to-text tabular-to-text text-classification text-generation
    text-ranking text-retrieval text-to-3d text-to-audio text-to-image text-to-speech text-to-video
    text2text-generation time-series-forecasting token-classification translation unconditional-image-generation
    video-classification video-text-to-text video-to-video visual-document-retrieval visual-question-answering
    voice-activity-detection zero-shot-classification zero-shot-image-classification zero-shot-object-detection other
    """.split()
)


def check_license(name: str) -> str:
    """The identifier of a licence: the Hub's, or an SPDX expression in lower case; "" of "".

    Raises:
        UsageError: it is neither; the message gives the nearest of the Hub's.
    """
    lowered = name.strip().lower()
    if lowered in LICENSES or not lowered:
        return lowered
    try:
        return canonicalize_license_expression(name).lower()
    except InvalidLicenseExpression:
        check_choice("license (neither SPDX nor the Hub knows it)", name, LICENSES)
        raise


def check_task(name: str) -> str:
    """The Hub's name of a task; "" of "".

    Raises:
        UsageError: the Hub has no such task; the message gives the nearest.
    """
    lowered = name.strip().lower()
    if lowered:
        check_choice("task of the Hub", lowered, TASKS)
    return lowered
