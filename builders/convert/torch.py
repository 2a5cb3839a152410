"""PyTorch modules to weightless ONNX, whatever library they come from.

The rule: `torch.export` and torch's ONNX exporter come first (recorded as `torch`); what they cannot trace, such
as the data-dependent control flow of detection models, goes through TorchScript (`torchscript`).

For the first way the parameters have no values: the module is built while large tensors are reserved memory that
nothing touches; the parameters are taken out of the ONNX graph before anything is folded, and are never
serialised. TorchScript runs the module, so it needs values, and random ones will do.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnx.version_converter
import onnx_ir
import torch
from onnx_ir.passes import Sequential
from onnx_ir.passes import common as passes
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules import common as rules
from torch.utils._python_dispatch import TorchDispatchMode

from builders.convert.conversion import ConversionError, Export, Outcome
from builders.convert.module_tree import set_modules
from younger_hf.extract.reader import load_weightless

OPSET: Final = 20  # what is written if nothing is asked for
_OLDEST: Final = 18  # that torch.onnx writes itself

# What the exporters load when they are first used: the process that conversions are forked from has it already.
for _name in (
    *("torch.export._trace", "torch._functorch.aot_autograd", "torch._inductor.codecache"),
    *("torch.onnx._internal.exporter._compat", "onnxscript.function_libs.torch_lib.ops"),
):
    with suppress(ImportError):  # other versions have it elsewhere, and load it then
        import_module(_name)
# The exporter parses the source of its 500 translations for every model, which takes as long as a small model does.
with suppress(ImportError, AttributeError):
    _apis = import_module("torch.onnx._internal.exporter._registration").onnxscript_apis
    _apis.get_torchlib_ops = cache(_apis.get_torchlib_ops)
    _apis.get_torchlib_ops()

_MOST_VALUES: Final = 2 << 30  # bytes of parameters that TorchScript may run with; its copies take as much three times
_LARGE: Final = 4096  # elements; smaller tensors may be read while a module is built

_aten = torch.ops.aten
# What initialisers do to a parameter: truncated normals, and scales that depend on the depth.
_FILLS: Final = {
    *(_aten.normal_, _aten.uniform_, _aten.fill_, _aten.zero_, _aten.bernoulli_),
    *(_aten.erfinv_, _aten.mul_, _aten.div_, _aten.add_, _aten.sub_, _aten.clamp_, _aten.copy_),
}
_FACTORIES: Final = {_aten.empty, _aten.zeros, _aten.ones, _aten.full, _aten.rand, _aten.randn}
_LIKE: Final = {
    *(_aten.empty_like, _aten.zeros_like, _aten.ones_like),
    *(_aten.full_like, _aten.rand_like, _aten.randn_like),
}

# Operators that give a parameter another layout and compute nothing.
_LAYOUT: Final = {"Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"}

# onnxscript's default rules that need no parameter values. Its SlicesSplit is left out: it finds nothing here and
# takes time quadratic in the number of Slices (mvit_v2_s: a minute).
_RULES: Final = (
    *(rules.mul_by_1_rule, rules.add_0_rule, rules.sub_0_rule, rules.div_by_1_rule),
    *(rules.dropout_zero_rule, rules.dropout_inference_rule),
    *(rules.one_reshape_matmul_reshape_rule, rules.two_reshapes_matmul_reshape_rule),
    *(rules.cast_constant_of_shape_rule, rules.cast_constant_of_shape_without_value_rule),
    *(rules.collapse_slice_rule, rules.collapse_slice2_rule),
    rules.materialize_reshape_shape_rule,
    *(rules.cast_cast_rule, rules.no_op_cast_rule, rules.no_op_expand_rule),
    *(rules.flatten_to_reshape_rule, rules.reshape_reshape_rule),
    *(rules.no_op_transpose_rule, rules.transpose_transpose_rule),
    *(rules.unsqueeze_unsqueeze_rule, rules.squeeze_reshape_1d_rule),
    *(rules.no_op_dynamic_scatter_nd_rule, rules.no_op_static_scatter_nd_rule),
    *(rules.remove_optional_bias_from_conv_rule, rules.remove_optional_bias_from_conv_transpose_rule),
    rules.remove_optional_bias_from_gemm_rule,
)

_NUMBERED_MODULE: Final = re.compile(r"/m(\d+)(?:_\d+)?(?=/)")  # _1, _2, …: the module's second call and later ones

Build = Callable[[], torch.nn.Module]
# What a module is called with: a tuple of positional arguments, or a dict of arguments by name.
Arguments = tuple[Any, ...] | dict[str, Any]
Inputs = Callable[[torch.nn.Module], Arguments]


def export_module(build: Build, inputs: Inputs, opset: int = 0, *, torchscript: bool = True) -> Export:
    """Export the module that `build` makes, called with the arguments that `inputs` gives for it.

    Args:
        build: makes the module; called once for each way that is tried, and first while nothing fills its
            parameters (`Valueless`).
        inputs: gives the arguments for a module: a tuple if they are positional, a dict if they have names.
        opset: version of the default domain, `OPSET` if 0.
        torchscript: whether to try the second way, which needs memory for every parameter.

    Raises:
        ConversionError: no way that is tried can export it (`unsupported`), or `build` or `inputs` raises it.
    """
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)  # an operator of its own, which ONNX does not have
    try:
        return Export(_checked(_through_export(build, inputs, opset or OPSET), opset), "torch")
    except (MemoryError, ConversionError):
        raise
    except Exception as error:  # tracers fail with exceptions of every type
        traceback.print_exc()
        first = error
    if not torchscript:
        raise ConversionError(Outcome.UNSUPPORTED, f"torch.export: {_first_line(first)}") from first
    try:
        return Export(_checked(_through_torchscript(build, inputs, opset or OPSET), opset), "torchscript")
    except (MemoryError, ConversionError):
        raise
    except Exception as error:
        traceback.print_exc()
        raise ConversionError(
            Outcome.UNSUPPORTED,
            f"torch.export: {_first_line(first)}; TorchScript: {_first_line(error)}",
        ) from error


def _checked(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model, if it is at the opset that was asked for: torch only warns where it cannot write one."""
    written = next(entry.version for entry in model.opset_import if not entry.domain)
    if opset and written != opset:
        raise RuntimeError(f"it came out at opset {written}, not {opset}")
    return model


class Valueless(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, a large floating-point tensor is made of untouched memory, and filling it does nothing.

    It reads as zeros, not as whatever was there: `trunc_normal_` draws again until all values are in range.
    """

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Pass on every operator but those that make or fill a large tensor."""
        options = kwargs or {}
        operator = func.overloadpacket
        if operator in _FILLS and _is_large(args[0].shape, args[0].dtype):
            return args[0]
        if operator in _FACTORIES | _LIKE and torch.device(options.get("device") or "cpu").type == "cpu":
            shape = args[0].shape if operator in _LIKE else torch.Size(args[0])
            dtype = options.get("dtype") or (args[0].dtype if operator in _LIKE else torch.get_default_dtype())
            if _is_large(shape, dtype):
                # numpy.zeros asks the system for zeroed pages, which it gives when they are first touched.
                return torch.from_numpy(np.zeros(shape.numel() * dtype.itemsize, np.uint8)).view(dtype).view(shape)
        return func(*args, **options)


def _is_large(shape: torch.Size, dtype: torch.dtype) -> bool:
    return shape.numel() > _LARGE and dtype.is_floating_point


def _through_export(build: Build, inputs: Inputs, opset: int) -> onnx.ModelProto:
    """Export without parameter values."""
    with Valueless():  # type: ignore[no-untyped-call]
        module = build().eval()
    args, kwargs = _split(inputs(module))
    with torch.no_grad():
        program = torch.export.export(module, args, kwargs, strict=False)
    _copy_before_views(program.graph)
    _keep_what_no_squeeze_changes(program.graph)
    written = max(opset, _OLDEST)
    translated = torch.onnx.export(program, dynamo=True, optimize=False, opset_version=written, verbose=False)
    if translated is None:
        raise RuntimeError("the ONNX exporter gave nothing")
    model = translated.model
    # As graph inputs, parameters are what no optimisation can look into. All of them, whatever their size:
    # if only small ones had values, a BatchNormalization would be folded in narrow layers and not in wide ones.
    parameters = [model.graph.initializers.pop(name) for name in program.state_dict if name in model.graph.initializers]
    for parameter in parameters:
        parameter.const_value = None
    model.graph.inputs.extend(parameters)
    _optimize(model)
    _fold_layout(model.graph, parameters)
    return _with_initializers(_at_opset(onnx_ir.to_proto(model), opset), parameters)


def _copy_before_views(graph: torch.fx.Graph) -> None:
    """Copy what is transposed and then viewed: once attention is decomposed it may lie in memory so that no view is.

    A copy is an Identity in ONNX, and folded.
    """
    for node in graph.nodes:
        if node.target not in (_aten.view.default, _aten.reshape.default):
            continue
        source = node.args[0]
        if source.target in (_aten.transpose.int, _aten.permute.default):
            with graph.inserting_before(node):
                copy = graph.call_function(_aten.clone.default, (source,), {"memory_format": torch.contiguous_format})
            copy.meta = dict(source.meta)
            node.replace_input_with(source, copy)


def _keep_what_no_squeeze_changes(graph: torch.fx.Graph) -> None:
    """Squeeze only axes of one element: PyTorch leaves others alone, and ONNX, to which they would go, refuses them."""
    for node in graph.nodes:
        if node.target not in (_aten.squeeze.dim, _aten.squeeze.dims):
            continue
        source, axes = node.args
        axes = list(axes) if isinstance(axes, Sequence) else [axes]
        shape = source.meta["val"].shape
        kept = [axis for axis in axes if shape and not (isinstance(shape[axis], int) and shape[axis] != 1)]
        if kept != axes:
            node.target, node.args = (_aten.squeeze.dims, (source, kept)) if kept else (_aten.alias.default, (source,))


def _split(arguments: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ((), arguments) if isinstance(arguments, dict) else (arguments, {})


def _optimize(model: onnx_ir.Model) -> None:
    """Fold what does not depend on parameters; drop what does nothing or is there twice."""
    optimizer.inline(model)
    splits = {node.outputs[0].name: node.metadata_props for node in model.graph if node.op_type == "SplitToSequence"}
    for _ in range(2):
        optimizer.fold_constants_ir(model, onnx_shape_inference=True)
        rewriter.rewrite(model, _RULES)
    for node in model.graph:
        # What a SplitToSequence is folded into has its name and forgets its module.
        if node.op_type == "Split" and not node.metadata_props:
            node.metadata_props.update(splits.get((node.outputs[0].name or "").rpartition("_split_")[0], {}))
    Sequential(
        passes.RemoveUnusedNodesPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.OutputFixPass(),
        passes.NameFixPass(),
    )(model)


def _fold_layout(graph: onnx_ir.Graph, parameters: Iterable[onnx_ir.Value]) -> None:
    """Let a parameter have the shape in which it is used, where only its layout lies between."""
    for parameter in parameters:
        while len(uses := parameter.uses()) == 1:
            ((node, slot),) = uses
            result = node.outputs[0]
            if node.domain or node.op_type not in _LAYOUT or slot != 0 or result.is_graph_output():
                break
            if result.shape is None or not result.shape.is_static():
                break
            parameter.shape = result.shape
            result.replace_all_uses_with(parameter)
            graph.remove(node, safe=True)


def _at_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model at an older opset, by onnx's converter, which keeps the names of nodes but not their metadata."""
    if opset >= _OLDEST:
        return model
    metadata = {node.name: node.metadata_props for node in model.graph.node}
    older = onnx.version_converter.convert_version(model, opset)
    for node in older.graph.node:
        node.metadata_props.extend(metadata.get(node.name, ()))
    return older


def _with_initializers(model: onnx.ModelProto, parameters: Iterable[onnx_ir.Value]) -> onnx.ModelProto:
    """The model with its parameters as initializers without data instead of graph inputs; unused ones dropped."""
    names = {parameter.name for parameter in parameters}
    inputs = list(model.graph.input)
    del model.graph.input[:]
    model.graph.input.extend(value for value in inputs if value.name not in names)
    for parameter in parameters:
        if parameter.uses() and parameter.dtype is not None and parameter.shape is not None:
            model.graph.initializer.add(
                name=parameter.name, data_type=parameter.dtype.value, dims=parameter.shape.numpy()
            )
    return model


def _through_torchscript(build: Build, inputs: Inputs, opset: int) -> onnx.ModelProto:
    """Trace a run with random parameters; only the structure is read from the file that holds them."""
    with Valueless():  # type: ignore[no-untyped-call]
        size = sum(tensor.nbytes for tensor in build().parameters())
    if size > _MOST_VALUES:
        raise RuntimeError(f"it needs values, and {size / (1 << 30):.1f} GiB of parameters are too many")
    module = build().eval()
    make_distinct(module)
    args, kwargs = _split(inputs(module))
    named = _name_by_number(module)
    with torch.no_grad():
        file = Path("torchscript.onnx").absolute()
        torch.onnx.export(
            module,
            args,
            str(file),
            kwargs=kwargs,
            dynamo=False,
            opset_version=opset,
            # The module is in eval mode. PRESERVE keeps it so, and keeps BatchNormalization out of Conv.
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    model = load_weightless(file)
    _tell_modules(model.graph, named)
    return model


def _name_by_number(module: torch.nn.Module) -> list[tuple[str, str]]:
    """Have the exporter call the modules m0, m1, …, and return path and class of each.

    It names a node after the modules that were being called, each by the end of its path, which is not unique.
    """
    named = list(module.named_modules())
    numbered = [(f"m{number}", part) for number, (_, part) in enumerate(named)]
    module.named_modules = lambda *_, **__: iter(numbered)  # type: ignore[method-assign]
    return [(path, f"{type(part).__module__}.{type(part).__qualname__}") for path, part in named]


def _tell_modules(graph: onnx.GraphProto, named: Sequence[tuple[str, str]]) -> None:
    """Have each node tell in its metadata the modules that its name has by number: `/m3/m7_1/Conv`."""
    for node in graph.node:
        called = [named[0], *(named[int(number)] for number in _NUMBERED_MODULE.findall(node.name))]
        paths, classes = zip(*dict.fromkeys(called), strict=True)
        set_modules(node, paths, classes)
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                _tell_modules(body, named)


def make_distinct(module: torch.nn.Module) -> None:
    """Move every parameter a little, so that no two are equal: the TorchScript exporter would merge them."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor), alpha=1e-3)


def _first_line(error: BaseException) -> str:
    """What went wrong at first: torch's exporter wraps errors in long advice."""
    while error.__cause__:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"
