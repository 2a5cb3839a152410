"""What the operator schemas do not say: which attributes are data, which defaults are only prose.

Tables alone; `younger_hf.extract.operators` applies them. They were made by reading the operator documentation of
ONNX (all versions that `onnx.defs.get_all_schemas_with_history` knows) and of ONNX Runtime's contrib operators.
"""

from __future__ import annotations

from typing import Final

MAX_ELEMENTS: Final = 64
MAX_STRING_BYTES: Final = 64

# Attributes that hold a model's data, a run's randomness, or a hint to long-gone optimisers.
DENIED_ANYWHERE: Final = frozenset({"seed", "consumed_inputs"})
DENIED: Final = {
    "TfIdfVectorizer": frozenset({"weights", "pool_int64s", "pool_strings", "ngram_counts", "ngram_indexes"}),
    "StringNormalizer": frozenset({"stopwords", "locale"}),
    "RegexFullMatch": frozenset({"pattern"}),
    "StringSplit": frozenset({"delimiter"}),
}

# Operators of the default domain that are in no version of ONNX's registry: experimental ones of ONNX 1.0 to 1.4, and
# those that ONNX Runtime adds to the domain. The name of any other operator that ONNX does not know is somebody's text.
UNREGISTERED_OPERATORS: Final = frozenset(
    """
    ATen Affine ConstantFill Crop DynamicSlice GRUUnit GivenTensorFill ImageScaler ParametricSoftplus Scale ScaledTanh
    DisentangledAttention_TRT EfficientNMS_TRT MultilevelCropAndResize_TRT PyramidROIAlign_TRT
    SimplifiedLayerNormalization
    """.split()
)

# Operators whose meaning changed at a version while their attributes stayed as they were: the label carries the
# first version of the meaning. (MaxPool, AveragePool and LpPool 22 are left out: they settle what ceil_mode does
# with a window that lies in the padding, which runtimes did before.)
MEANING_CHANGED: Final = {
    "Softmax": 13,  # from coerced 2-D over all axes from `axis` on, to one axis
    "LogSoftmax": 13,
    "Hardmax": 13,
    "GroupNormalization": 21,  # scale and bias from one value a group to one a channel
    "PRelu": 7,  # slope from one value a channel to broadcasting
    "Tile": 6,  # from (tiles, axis) to repeats
}
# ConvTranspose 11 exchanged what SAME_UPPER and SAME_LOWER mean, and nothing else.
MEANING_CHANGED_IF_SAME_PADDED: Final = {"ConvTranspose": 11}

# Operators with a kernel, whose strides, dilations and pads have one entry (two for pads) a spatial axis.
KERNEL_OPERATORS: Final = frozenset(
    "AveragePool Conv ConvInteger ConvTranspose DeformConv LpPool MaxPool MaxUnpool QLinearConv".split()
)
# Recurrent operators: the default activations of one direction.
RECURRENT_ACTIVATIONS: Final = {
    "RNN": ("Tanh",),
    "GRU": ("Sigmoid", "Tanh"),
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
}
# An attribute that the shape of a weight gives where it is absent, and the input slot of that weight: a kernel is
# what follows its two channel axes, hidden_size the last axis of the recurrence weight.
WEIGHT_INPUT: Final = {
    "Conv": ("kernel_shape", 1),
    "ConvInteger": ("kernel_shape", 1),
    "ConvTranspose": ("kernel_shape", 1),
    "DeformConv": ("kernel_shape", 1),
    "QLinearConv": ("kernel_shape", 3),
    "RNN": ("hidden_size", 2),
    "GRU": ("hidden_size", 2),
    "LSTM": ("hidden_size", 2),
}
# Values that pass through unchanged in shape: a weight's shape is read behind them.
SHAPE_PRESERVING: Final = frozenset({"Cast", "CastLike", "DequantizeLinear", "Identity", "QuantizeLinear"})

# Attributes of com.microsoft operators that are structure, as ONNX Runtime documents them, with their types.
MICROSOFT_DOMAIN: Final = "com.microsoft"
MICROSOFT_ATTRIBUTES: Final = {
    "INT": (
        "K N accuracy_level add_zero_point axis batch_axis bits block_size block_row_size causal ceil_mode "
        "channels channels_last count_include_pad do_rotary fmod group groups hidden_size input_hidden_size "
        "interleaved is_packed_batching keepdims kv_num_heads local_window_size normalize_routing_weights "
        "num_heads num_groups past_present_share_buffer past_sequence_length qk_output quantization_axis "
        "quantize_axis reduction_axis rotary_embedding_dim rotary_interleaved saturate scale_interleaved "
        "sequence_lens_axis simplified smooth_softmax splitk storage_order to transA transB transBatchA "
        "transBatchB unidirectional use_sparse_mixer k expert_weight_bits"
    ).split(),
    "FLOAT": (
        "alpha beta epsilon mask_filter_value min_val momentum scale scale_A scale_B softcap swiglu_limit"
    ).split(),
    "STRING": "activation activation_type auto_pad mode padding_mode quant_type".split(),
    "INTS": (
        "axes dilations input_shape kernel_shape output_padding output_shape pads perm qkv_hidden_sizes strides"
    ).split(),
    "FLOATS": ["activation_params"],
}

# Inputs whose values are shapes, axes, counts or positions of a slice: structure, not parameters. From the version
# at which the operator takes them as inputs; before, they were attributes.
SHAPE_INPUTS: Final[dict[str, tuple[tuple[int, tuple[int, ...]], ...]]] = {
    "AffineGrid": ((1, (1,)),),
    "BlackmanWindow": ((1, (0,)),),
    "CenterCropPad": ((1, (1,)),),
    "Col2Im": ((1, (1, 2)),),
    "ConstantOfShape": ((1, (0,)),),
    "CumSum": ((1, (1,)),),
    "DFT": ((1, (1,)), (20, (1, 2))),
    "Expand": ((1, (1,)),),
    "HammingWindow": ((1, (0,)),),
    "HannWindow": ((1, (0,)),),
    "Loop": ((1, (0, 1)),),
    "MaxUnpool": ((1, (2,)),),
    "MelWeightMatrix": ((1, (0, 1, 2)),),
    "NonMaxSuppression": ((1, (2,)),),
    "OneHot": ((1, (1,)),),
    "Pad": ((11, (1,)), (18, (1, 3))),
    "Range": ((1, (0, 1, 2)),),
    "Reshape": ((5, (1,)),),
    "Resize": ((10, (1,)), (11, (1, 2, 3))),
    "STFT": ((1, (1, 3)),),
    "SequenceAt": ((1, (1,)),),
    "SequenceErase": ((1, (1,)),),
    "SequenceInsert": ((1, (2,)),),
    "Slice": ((10, (1, 2, 3, 4)),),
    "Split": ((1, (1,)),),
    "SplitToSequence": ((1, (1,)),),
    "Squeeze": ((13, (1,)),),
    "Tile": ((1, (1, 2)), (6, (1,))),
    "TopK": ((10, (1,)),),
    "Trilu": ((1, (1,)),),
    "Unsqueeze": ((13, (1,)),),
    "Upsample": ((9, (1,)),),
    "ReduceSum": ((13, (1,)),),
    **{
        f"Reduce{kind}": ((18, (1,)),)
        for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
    },
}

# What makes a shape of data: what is fed to these reaches nothing as a value.
SHAPE_SOURCES: Final = frozenset({"Shape", "Size"})

# Operators that shapes are computed with. The backward slice of a shape input goes through these and no others.
SHAPE_ARITHMETIC: Final = frozenset(
    """
    Abs Add And Cast CastLike Ceil Concat ConstantOfShape Div Equal Expand Flatten Floor Gather GatherElements
    GatherND Greater GreaterOrEqual Identity Less LessOrEqual Max Min Mod Mul Neg Not Or Pow Range ReduceMax
    ReduceMin ReduceProd ReduceSum Reciprocal Reshape Round ScatterElements ScatterND Sign Slice Split Sqrt Squeeze Sub
    Sum Tile Transpose Unsqueeze Where Xor
    """.split()
)
