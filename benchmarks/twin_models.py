"""Networks exported by several means each, for the benchmarks of recognising: made once and kept as skeletons.

The files go to build/benchmarks/twins/ below the working directory, which git ignores: NETWORK@EXPORT.onnx.

    python benchmarks/twin_models.py [NETWORK ...]

What cannot be exported by some means is named on stderr, and left out.
"""

from __future__ import annotations

import contextlib
import gc
import io
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path("build/benchmarks/twins")

TORCHVISION = """
    alexnet vgg11_bn resnet18 resnet34 resnext50_32x4d googlenet inception_v3 mobilenet_v2
    mobilenet_v3_small mnasnet0_5 shufflenet_v2_x0_5 squeezenet1_0 squeezenet1_1 efficientnet_b0 regnet_y_400mf
    regnet_x_400mf convnext_tiny vit_b_16 swin_t lraspp_mobilenet_v3_large
""".split()
TIMM = """
    resnet26d seresnext26d_32x4d repvgg_a0 ghostnet_100 hardcorenas_a tinynet_e lcnet_050 mobilenetv4_conv_small
    efficientnet_lite0 mixnet_s vit_tiny_patch16_224 deit_tiny_distilled_patch16_224 xcit_nano_12_p16_224 levit_128s
    pit_ti_224 poolformer_s12 edgenext_xx_small mobilevit_xxs fastvit_t8 resmlp_12_224 mixer_s32_224 dla34 skresnet18
    crossvit_tiny_240 eva02_tiny_patch14_224
""".split()
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "bert": SMALL,
    "roberta": SMALL,
    "electra": SMALL,
    "albert": SMALL,
    "distilbert": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4},
    "gpt_neox": SMALL,
    "llama": {**SMALL, "num_key_value_heads": 2},
    "mistral": {**SMALL, "num_key_value_heads": 2, "sliding_window": None},
    "qwen2": {**SMALL, "num_key_value_heads": 2},
    "opt": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "ffn_dim": 128,
        "word_embed_proj_dim": 64,
    },
    "vit": SMALL,
    "dinov2": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
}
"""Model types with small sizes: widths are in no fingerprint, and depth only makes an export longer."""
KERAS = {"vgg16": "VGG16", "densenet121": "DenseNet121"}
"""torchvision's networks that Keras has too, with the same padding and the same order of layers."""
DECODERS = frozenset({"gpt2", "gpt_neox", "llama", "mistral", "qwen2", "opt"})

OPSETS = (("torchscript", 13), ("torchscript", 18), ("torchscript", 20), ("dynamo", 20))
"""By turns one of these for each network, beside TorchScript at 17 and dynamo at 18."""


def networks() -> dict[str, str]:
    """Every network by name, and the package that has it."""
    return {
        **dict.fromkeys(TORCHVISION, "torchvision"),
        **dict.fromkeys(TIMM, "timm"),
        **dict.fromkeys(TRANSFORMERS, "transformers"),
        **dict.fromkeys(KERAS, "torchvision"),
    }


def skeletons(only: list[str] | None = None) -> dict[str, dict[str, Path]]:
    """The skeletons of each network by export, made where they are missing."""
    found: dict[str, dict[str, Path]] = {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for at, (name, package) in enumerate(networks().items()):
        if only and name not in only:
            continue
        wanted = ["torchscript-17", "dynamo-18", "{}-{}".format(*OPSETS[at % len(OPSETS)])]
        wanted += ["optimum-17"] * (package == "transformers") + ["keras"] * (name in KERAS)
        files = {export: FOLDER / f"{name}@{export}.onnx" for export in wanted}
        missing = [export for export, file in files.items() if not (file.exists() or _failed(file).exists())]
        if missing:
            for export, result in _exported(name, package, missing):
                if isinstance(result, Exception):
                    print(f"{name} by {export}: {type(result).__name__}: {result}"[:200], file=sys.stderr)
                    _failed(files[export]).write_text(str(result))
                else:
                    files[export].write_bytes(result)
            gc.collect()
        found[name] = {export: file for export, file in files.items() if file.exists()}
    return found


def _failed(file: Path) -> Path:
    return file.with_suffix(".failed")


def _exported(name: str, package: str, exports: list[str]) -> Iterator[tuple[str, bytes | Exception]]:
    """Each export's skeleton, or what was raised."""
    model, inputs = _built(name, package)
    for export in exports:
        exporter, _, opset = export.partition("-")
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                if exporter == "keras":
                    yield export, _by_keras(KERAS[name])
                elif exporter == "optimum":
                    yield export, _by_optimum(name, int(opset))
                else:
                    yield export, _by_torch(model, inputs, exporter == "dynamo", int(opset))
        except Exception as error:  # whatever an exporter raises is no matter of ours
            yield export, error


def _built(name: str, package: str) -> tuple[Any, tuple[Any, ...]]:
    import torch

    from builders.convert.torch import make_distinct

    torch.manual_seed(0)
    model, inputs = _fresh(name, package)
    make_distinct(
        model
    )  # no two parameters of a trained model are equal, which exporters would merge, and none is zero
    return model, inputs


def _fresh(name: str, package: str) -> tuple[Any, tuple[Any, ...]]:
    import torch

    if package == "transformers":
        return _transformer(name)
    if package == "torchvision":
        import torchvision

        segments = name.startswith("lraspp")
        model = torchvision.models.get_model(name, weights=None, **({"weights_backbone": None} if segments else {}))
        size = 299 if name == "inception_v3" else 224
    else:
        import timm

        model = timm.create_model(name, pretrained=False)
        size = model.pretrained_cfg["input_size"][-1]
    return model.eval(), (torch.zeros(1, 3, size, size),)


def _transformer(name: str) -> tuple[Any, tuple[Any, ...]]:
    import torch

    model = _plain_transformer(name)

    class Only(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The first output for tensors alone."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Any) -> Any:
            named = {"pixel_values": inputs[0]} if len(inputs) == 1 else dict(zip(_names(name), inputs, strict=True))
            if name in DECODERS:
                named["use_cache"] = False
            return self.model(**named, return_dict=True)[0]

    if name in ("vit", "dinov2"):
        return Only().eval(), (torch.zeros(1, 3, model.config.image_size, model.config.image_size),)
    return Only().eval(), tuple(torch.ones(2, 16, dtype=torch.int64) for _ in _names(name))


def _plain_transformer(name: str) -> Any:
    import transformers

    config = transformers.AutoConfig.for_model(name, **TRANSFORMERS[name])
    config.pad_token_id = 0 if getattr(config, "pad_token_id", None) is None else config.pad_token_id
    kind = transformers.AutoModelForCausalLM if name in DECODERS else transformers.AutoModel
    return kind.from_config(config).eval()


def _names(name: str) -> list[str]:
    names = ["input_ids", "attention_mask"]
    # These look up a learned embedding of each position, and optimum makes a graph input of the positions.
    return (
        names
        + ["token_type_ids"] * (name in ("bert", "electra", "albert"))
        + ["position_ids"] * (name in ("gpt2", "opt"))
    )


def _by_torch(model: Any, inputs: tuple[Any, ...], dynamo: bool, opset: int) -> bytes:
    import torch

    from younger_hf.extract import strip

    if dynamo:
        program = torch.onnx.export(model, inputs, dynamo=True, opset_version=opset, verbose=False)
        return strip(program.model_proto).SerializeToString(deterministic=True)
    buffer = io.BytesIO()
    torch.onnx.export(model, inputs, buffer, dynamo=False, opset_version=opset)
    import onnx

    return strip(onnx.load_model_from_string(buffer.getvalue())).SerializeToString(deterministic=True)


def _by_optimum(name: str, opset: int) -> bytes:
    from optimum.exporters.onnx import onnx_export_from_model

    from younger_hf.extract import read_structure, strip

    task = "text-generation" if name in DECODERS else "feature-extraction"
    with tempfile.TemporaryDirectory() as folder:
        onnx_export_from_model(
            _plain_transformer(name), Path(folder), task=task, opset=opset, do_validation=False, no_post_process=True
        )
        return strip(read_structure(Path(folder) / "model.onnx")).SerializeToString(deterministic=True)


def _by_keras(name: str) -> bytes:
    # Before Keras: as the pipeline does it, tf2onnx keeps no dozen copies of each weight.
    from builders.convert import keras_models  # isort: split

    import keras

    from younger_hf.extract import strip

    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    return strip(keras_models.export(model, 17).onnx).SerializeToString(deterministic=True)


if __name__ == "__main__":
    made = skeletons(sys.argv[1:])
    print(f"{len(made)} networks, {sum(map(len, made.values()))} exports")
