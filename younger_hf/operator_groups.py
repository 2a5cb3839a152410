"""What kind of work an operator does: convolution, normalisation, moving data about, and so on.

In goes an `Operator`; out comes one of `GROUPS`. Pictures colour by it, and rows tell quantised models by it.
"""

from __future__ import annotations

import re
from typing import Final

from younger_hf.graph import Operator

MEMBERS: Final = {
    "convolution": "Conv ConvTranspose DeformConv Col2Im CausalConvWithState NhwcConv FusedConv GridSample",
    "dense": "MatMul Gemm Einsum FusedGemm FusedMatMul GemmFloat8 TransposeMatMul SparseToDenseMatMul MoE Det",
    "normalisation": (
        "BatchNormalization LayerNormalization InstanceNormalization GroupNormalization RMSNormalization LRN "
        "LpNormalization MeanVarianceNormalization SimplifiedLayerNormalization SkipLayerNormalization "
        "SkipSimplifiedLayerNormalization SkipGroupNorm GroupNorm EmbedLayerNormalization"
    ),
    "activation": (
        "Relu LeakyRelu PRelu ThresholdedRelu Sigmoid HardSigmoid HardSwish Tanh Gelu FastGelu BiasGelu QuickGelu "
        "BiasSplitGelu Elu Celu Selu Softplus Softsign Swish SwiGLU Mish Erf Clip Shrink"
    ),
    "pooling": (
        "MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool GlobalLpPool MaxUnpool MaxRoiPool RoiAlign "
        "Resize Upsample"
    ),
    "attention": (
        "Softmax LogSoftmax Hardmax BiasSoftmax Attention MultiHeadAttention GroupQueryAttention RotaryEmbedding "
        "LinearAttention DecoderMaskedMultiHeadAttention PackedAttention PackedMultiHeadAttention SparseAttention "
        "LongformerAttention"
    ),
    "elementwise": (
        "Add Sub Mul Div Mod Neg Abs Sign Sum Mean Max Min Pow Exp Log Sqrt Reciprocal Floor Ceil Round Sin Cos Tan "
        "Asin Acos Atan Sinh Cosh Asinh Acosh Atanh And Or Not Xor BitwiseAnd BitwiseOr BitwiseXor BitwiseNot "
        "BitShift Equal Less LessOrEqual Greater GreaterOrEqual IsNaN IsInf Where CumSum CumProd BiasAdd "
        "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
        "ReduceSumSquare"
    ),
    "data movement": (
        "Identity Cast CastLike BitCast Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Gather "
        "GatherElements GatherND Scatter ScatterElements ScatterND TensorScatter Shape Size Expand Tile Pad "
        "CenterCropPad Constant ConstantOfShape Range OneHot EyeLike Trilu ReverseSequence SpaceToDepth DepthToSpace "
        "Dropout RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli"
    ),
    "recurrent": "LSTM GRU RNN",
    "control flow": (
        "If Loop Scan SequenceMap SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert "
        "SequenceLength ConcatFromSequence SplitToSequence Optional OptionalGetElement OptionalHasElement"
    ),
    "selection": "NonMaxSuppression TopK NonZero ArgMax ArgMin Compress Unique",
}
"""The operator types of each group, those of quantisation and the unknown ones apart."""

GROUPED_CONVOLUTION: Final = "grouped convolution"

_CHANNEL_GROUPS: Final = re.compile(r'[{,]"group":(\d+)[,}]')
_QUANTISED: Final = re.compile(r"QLinear|QGemm|QAttention|QMoE|[Qq]uantize|Integer|NBits|Bnb4")

GROUPS: Final = (*MEMBERS, "quantisation", "other")

_GROUP_OF: Final = {op_type: group for group, members in MEMBERS.items() for op_type in members.split()}


def operator_group(operator: Operator) -> str:
    """The group of an operator of the default domain or of ONNX Runtime's; `other` for every other domain.

    "attention" holds Softmax, "pooling" resizing, "elementwise" reductions, "control flow" sequences, and "selection"
    what picks by value (TopK, NonMaxSuppression, …).
    """
    if operator.domain not in ("", "com.microsoft"):
        return "other"
    if _QUANTISED.search(operator.op_type):
        return "quantisation"
    return _GROUP_OF.get(operator.op_type, "other")


def drawn_group(operator: Operator) -> str:
    """As `operator_group`, and grouped and depthwise convolutions apart: a ResNeXt is a ResNet but for them."""
    group = operator_group(operator)
    if group == "convolution" and (found := _CHANNEL_GROUPS.search(operator.attributes)) and int(found[1]) > 1:
        return GROUPED_CONVOLUTION
    return group
