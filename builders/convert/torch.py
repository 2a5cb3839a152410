"""PyTorch modules to weightless ONNX, whatever library they come from.

The rule: `torch.export` and torch's ONNX exporter come first (recorded as `torch`); what they cannot trace, such
as the data-dependent control flow of detection models, goes through TorchScript (`torchscript`).

For the first way the parameters have no values: the module is built while large tensors are reserved memory that
nothing touches; the parameters are taken out of the ONNX graph before anything is folded, and are never
serialised. TorchScript runs the module, so it needs values, and random ones will do.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnx_ir
import torch
from onnx_ir.passes import Sequential
from onnx_ir.passes import common as passes
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules import common as rules
from torch.utils._python_dispatch import TorchDispatchMode

from builders.convert import ConversionError, Export, Outcome

OPSET: Final = 20  # the newest that both ways can write

# What the exporters load when they are first used: the process that conversions are forked from has it already.
for _name in (
    *("torch.export._trace", "torch._functorch.aot_autograd", "torch._inductor.codecache"),
    *("torch.onnx._internal.exporter._compat", "onnxscript.function_libs.torch_lib.ops"),
):
    with suppress(ImportError):  # other versions have it elsewhere, and load it then
        import_module(_name)

_LARGE: Final = 4096  # elements; smaller tensors may be read while a module is built

_aten = torch.ops.aten
# What initialisers do to a parameter, truncated normals included.
_FILLS: Final = {
    *(_aten.normal_, _aten.uniform_, _aten.fill_, _aten.zero_, _aten.bernoulli_),
    *(_aten.erfinv_, _aten.mul_, _aten.add_, _aten.clamp_, _aten.copy_),
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
    try:
        return Export(_through_export(build, inputs, opset or OPSET), "torch")
    except (MemoryError, ConversionError):
        raise
    except Exception as error:  # tracers fail with exceptions of every type
        traceback.print_exc()
        first = error
    if not torchscript:
        raise ConversionError(Outcome.UNSUPPORTED, f"torch.export: {_first_line(first)}") from first
    try:
        return Export(_through_torchscript(build, inputs, opset or OPSET), "torchscript")
    except (MemoryError, ConversionError):
        raise
    except Exception as error:
        traceback.print_exc()
        raise ConversionError(
            Outcome.UNSUPPORTED,
            f"torch.export: {_first_line(first)}; TorchScript: {_first_line(error)}",
        ) from error


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
    translated = torch.onnx.export(program, dynamo=True, optimize=False, opset_version=opset, verbose=False)
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
    return _with_initializers(onnx_ir.to_proto(model), parameters)


def _split(arguments: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ((), arguments) if isinstance(arguments, dict) else (arguments, {})


def _optimize(model: onnx_ir.Model) -> None:
    """Fold what does not depend on parameters; drop what does nothing or is there twice."""
    optimizer.inline(model)
    for _ in range(2):
        optimizer.fold_constants_ir(model, onnx_shape_inference=True)
        rewriter.rewrite(model, _RULES)
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


def _through_torchscript(build: Build, inputs: Inputs, opset: int) -> Path:
    """Trace a run with random parameters; the file, weights and all, is in the working directory."""
    module = build().eval()
    make_distinct(module)
    with torch.no_grad():
        file = Path("torchscript.onnx").absolute()
        args, kwargs = _split(inputs(module))
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
    return file


def make_distinct(module: torch.nn.Module) -> None:
    """Move every parameter a little, so that no two are equal: the TorchScript exporter would merge them."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor), alpha=1e-3)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"
