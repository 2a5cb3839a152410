"""Which texts an operator's attributes may keep: words that ONNX documents for them, and no others.

In goes the value of a STRING attribute; out comes the word, an Einsum equation with its letters renamed, or None: then
the label has the length alone. The words were read off the documentation of ONNX (all versions) and of ONNX Runtime's
contrib operators; a text that neither lists was written by whoever made the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_letters
from typing import Final

from onnx import TensorProto

from younger_hf.extract.operator_rules import MAX_STRING_BYTES, MICROSOFT_DOMAIN

_AUTO_PAD: Final = "NOTSET SAME_UPPER SAME_LOWER VALID"
_ACTIVATIONS: Final = "Relu Tanh Sigmoid Affine LeakyRelu ThresholdedRelu ScaledTanh HardSigmoid Elu Softsign Softplus"
_REDUCTION_OF_LOSS: Final = "none sum mean"
_REDUCTION_OF_SCATTER: Final = "none add mul max min"
_DIRECTION: Final = "forward reverse bidirectional"

# Of the default domain, by operator and attribute.
WORDS: Final[Mapping[str, str]] = {
    **{
        f"{op_type}.auto_pad": _AUTO_PAD
        for op_type in ("AveragePool", "Conv", "ConvInteger", "ConvTranspose", "LpPool", "MaxPool", "QLinearConv")
    },
    **{f"{op_type}.activations": _ACTIVATIONS for op_type in ("GRU", "LSTM", "RNN")},
    **{f"{op_type}.direction": _DIRECTION for op_type in ("GRU", "LSTM", "RNN")},
    "BitShift.direction": "LEFT RIGHT",
    "Cast.round_mode": "up down nearest",
    "Cast.to": " ".join(TensorProto.DataType.keys()),
    "CastLike.round_mode": "up down nearest",
    "CausalConvWithState.activation": "silu swish none",
    "DepthToSpace.mode": "DCR CRD",
    "Gelu.approximate": "none tanh",
    "GridSample.mode": "bilinear nearest bicubic linear cubic",
    "GridSample.padding_mode": "zeros border reflection",
    "ImageDecoder.pixel_format": "RGB BGR Grayscale",
    "LinearAttention.update_rule": "linear gated delta gated_delta",
    "NegativeLogLikelihoodLoss.reduction": _REDUCTION_OF_LOSS,
    "Pad.mode": "constant reflect edge wrap",
    "Resize.coordinate_transformation_mode": (
        "half_pixel half_pixel_symmetric pytorch_half_pixel align_corners asymmetric tf_half_pixel_for_nn "
        "tf_crop_and_resize"
    ),
    "Resize.keep_aspect_ratio_policy": "stretch not_larger not_smaller",
    "Resize.mode": "nearest linear bilinear trilinear cubic",
    "Resize.nearest_mode": "round_prefer_floor round_prefer_ceil floor ceil",
    "RoiAlign.coordinate_transformation_mode": "half_pixel output_half_pixel",
    "RoiAlign.mode": "avg max",
    "ScatterElements.reduction": _REDUCTION_OF_SCATTER,
    "ScatterND.reduction": _REDUCTION_OF_SCATTER,
    "SoftmaxCrossEntropyLoss.reduction": _REDUCTION_OF_LOSS,
    "SpaceToDepth.mode": "DCR CRD",
    "StringNormalizer.case_change_action": "LOWER UPPER NONE",
    "TensorScatter.mode": "linear circular",
    "TfIdfVectorizer.mode": "TF IDF TFIDF",
    "Upsample.mode": "nearest linear bilinear trilinear",
}

# Of com.microsoft, by attribute. Its fused operators take the names of the activations that were fused.
MICROSOFT_WORDS: Final[Mapping[str, str]] = {
    "activation": (
        f"{_ACTIVATIONS} Clip Gelu HardSwish ParametricSoftplus Selu RELU GELU NONE silu swish sigmoid swiglu none"
    ),
    "activation_type": "relu relu2 relu_squared gelu geglu silu swiglu identity none",
    "auto_pad": _AUTO_PAD,
    "mode": "constant reflect edge wrap bilinear nearest bicubic",
    "padding_mode": "zeros border reflection",
    "quant_type": "int fp4 nvfp4 fp8 wfp4afp8",
}

_WORDS: Final = {name: frozenset(words.split()) for name, words in WORDS.items()}
_MICROSOFT_WORDS: Final = {name: frozenset(words.split()) for name, words in MICROSOFT_WORDS.items()}
_NONE: Final[frozenset[str]] = frozenset()
# GRU 1 has its default misspelt.
_CORRECTED: Final = {"foward": "forward"}

_TERM: Final = r"[A-Za-z]*(?:\.\.\.)?[A-Za-z]*"
_EQUATION: Final = re.compile(rf"{_TERM}(?:,{_TERM})*(?:->{_TERM})?")


def kept_text(domain: str, op_type: str, name: str, value: bytes) -> str | None:
    """What a label keeps of the text that an attribute holds; None where that is nothing but its length.

    Args:
        domain: of the operator; none but ONNX's own and com.microsoft keep texts.
        op_type: the operator.
        name: the attribute.
        value: the text, UTF-8 if it is one.
    """
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        return None
    if domain == MICROSOFT_DOMAIN:
        return text if text in _MICROSOFT_WORDS.get(name, _NONE) else None
    if domain:
        return None
    if op_type == "Einsum" and name == "equation":
        return canonical_equation(text)
    text = _CORRECTED.get(text, text)
    return text if text in _WORDS.get(f"{op_type}.{name}", _NONE) else None


def canonical_equation(equation: str) -> str | None:
    """An Einsum equation in one spelling: explicit, without spaces, letters a, b, … in the order of their appearance.

    Equations that mean the same have the same spelling, and no letter says anything.

    Returns:
        None where the text is no equation by the grammar that ONNX documents, or is too long to be kept.
    """
    text = equation.replace(" ", "")
    if len(text) > MAX_STRING_BYTES or not _EQUATION.fullmatch(text):
        return None
    operands, arrow, result = text.partition("->")
    if not arrow:
        once = sorted(letter for letter in set(operands) & set(ascii_letters) if operands.count(letter) == 1)
        result = ("..." if "..." in operands else "") + "".join(once)
    text = f"{operands}->{result}"
    letters = dict.fromkeys(letter for letter in text if letter in ascii_letters)
    text = text.translate({ord(old): new for old, new in zip(letters, ascii_letters, strict=False)})
    return text if len(text) <= MAX_STRING_BYTES else None
